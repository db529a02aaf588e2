"""Faults of readers in a scenario file: what each needs, and when it is switched."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from pydantic import ValidationError

from simulators.errors import ScenarioError
from simulators.llrp.fault_plan import NEEDS, ReaderFault, play_faults
from simulators.scenario import SCENARIOS, load

START = datetime(2026, 3, 1, tzinfo=UTC)
GIVEN: dict[str, Any] = {"for_s": 2.0, "antenna": 3, "length": 5, "jump_s": -60.0, "text": "hot"}


class Waiting:
    """A clock that is as far as it has been slept."""

    def __init__(self) -> None:
        self.at = START

    def now(self) -> datetime:
        return self.at

    async def sleep(self, seconds: float) -> None:
        self.at += timedelta(seconds=seconds)
        await asyncio.sleep(0)


class Recorder:
    """A reader that notes what is done to it, and when."""

    def __init__(self, clock: Waiting) -> None:
        self.calls: list[tuple[float, str, tuple[Any, ...]]] = []
        self._clock = clock

    def __getattr__(self, name: str) -> Any:
        def note(*arguments: Any) -> None:
            self.calls.append(((self._clock.now() - START).total_seconds(), name, arguments))

        return note


def fault(kind: str, at_s: float = 10, **more: Any) -> ReaderFault:
    needed = {name: GIVEN[name] for name in NEEDS[kind]}
    return ReaderFault.model_validate({"reader": "r", "kind": kind, "at_s": at_s} | needed | more)


@pytest.mark.parametrize(
    ("kind", "calls"),
    [
        ("stall", [(10, "stall", (True,)), (12, "stall", (False,))]),
        ("refusal", [(10, "refuse", (True,)), (12, "refuse", (False,))]),
        ("overflow", [(10, "lose_reads", (True,)), (12, "lose_reads", (False,))]),
        ("antenna_off", [(10, "set_antenna", (3, False)), (12, "set_antenna", (3, True))]),
        ("half_frame", [(10, "half_frame", ())]),
        ("lying_length", [(10, "lie", (5,))]),
        ("unknown_message", [(10, "unknown_message", ())]),
        ("reset", [(10, "cut", ())]),
        ("clock_jump", [(10, "jump_clock", (-60.0,))]),
        ("exception", [(10, "tell_exception", ("hot",))]),
    ],
)
async def test_each_fault_is_switched_at_its_time(kind: str, calls: list[tuple[float, str, tuple[Any, ...]]]) -> None:
    clock = Waiting()
    reader = Recorder(clock)
    await play_faults([fault(kind)], {"r": reader}, clock)
    assert reader.calls == calls


async def test_faults_overlap_in_order_of_time_and_strangers_pass() -> None:
    clock = Waiting()
    reader = Recorder(clock)
    plan = [fault("reset", 11), fault("stall", 10), fault("reset", 1, reader="other")]
    await play_faults(plan, {"r": reader}, clock)
    assert [(at, name) for at, name, _ in reader.calls] == [(10, "stall"), (11, "cut"), (12, "stall")]


@pytest.mark.parametrize(
    ("kind", "more"), [("stall", {"for_s": None}), ("reset", {"for_s": 1.0}), ("lying_length", {"length": None})]
)
def test_a_fault_takes_what_it_needs_and_nothing_else(kind: str, more: dict[str, Any]) -> None:
    with pytest.raises(ValidationError, match=f"a fault {kind} takes"):
        fault(kind, **more)


def test_a_scenario_file_plans_faults_for_readers_it_has(tmp_path: Any) -> None:
    text = (SCENARIOS / "one-door.toml").read_text()
    known = load("one-door")
    reader = f"{known.sites[0].code.lower()}-{known.plan_of(known.sites[0]).readers[0].name}"
    path = tmp_path / "broken.toml"
    plan = '\n[[faults]]\nreader = "{}"\nkind = "stall"\nat_s = 3\nfor_s = 4\n'
    path.write_text(text + plan.format(reader))
    (planned,) = load(path).faults
    assert (planned.reader, planned.kind, planned.for_s) == (reader, "stall", 4)
    path.write_text(text + plan.format("nobody"))
    with pytest.raises(ScenarioError, match=f"known are.*{reader}"):
        load(path)
