"""Lamps at doors: lit by the crossings they stand for, for their time, whatever their reader does meanwhile."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from gateway import lights
from gateway.config import GatewayConfig
from gateway.errors import ConfigError
from gateway.lights import Lights
from readers.errors import LinkLostError
from wire.events import Movement

AT = datetime(2026, 11, 23, 8, tzinfo=UTC)
CONFIG: dict[str, Any] = {
    "site": "s",
    "gateway": "g",
    "zones": [{"code": "hall"}],
    "portals": [
        {
            "code": "d1",
            "inside_zone": "hall",
            "lights": [
                {"reader": "r", "gpo": 1, "on": "crossed_out", "for_s": 0.1},
                {"reader": "r", "gpo": 2, "on": "crossed_in", "for_s": 0.1},
            ],
        }
    ],
    "readers": [
        {
            "name": "r",
            "address": "x",
            "antennas": [{"port": 1, "portal": "d1", "side": "in"}, {"port": 2, "portal": "d1", "side": "out"}],
        }
    ],
}


class Outputs:
    """A driver that sets outputs, while its reader is there."""

    def __init__(self) -> None:
        self.set: list[tuple[int, bool]] = []
        self.is_there = True
        self.tried = 0

    async def run(self) -> None:
        await asyncio.sleep(3600)

    async def set_gpo(self, port: int, high: bool) -> None:
        self.tried += 1
        if not self.is_there:
            raise LinkLostError("the reader is away")
        self.set.append((port, high))

    def of(self, port: int) -> list[bool]:
        return [high for one, high in self.set if one == port]


class NoOutputs:
    async def run(self) -> None:
        await asyncio.sleep(3600)


def crossed(direction: str, portal: str = "d1") -> Movement:
    return Movement.model_validate(
        {
            "kind": "crossed",
            "epc": "3034",
            "portal": portal,
            "direction": direction,
            "observed_at": AT,
            "decided_at": AT,
        }
    )


async def until(is_so: Callable[[], bool]) -> None:
    async with asyncio.timeout(10):
        while not is_so():
            await asyncio.sleep(0.005)


@contextlib.asynccontextmanager
async def shining(outputs: Outputs) -> AsyncIterator[Lights]:
    shown = Lights(GatewayConfig.model_validate(CONFIG).portals, {"r": outputs})
    task = asyncio.create_task(shown.run())
    try:
        yield shown
    finally:
        task.cancel()
        await asyncio.wait([task])


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lights, "RETRY_S", 0.02)


async def test_each_lamp_is_put_out_at_the_start_and_lit_by_its_own_direction() -> None:
    outputs = Outputs()
    async with shining(outputs) as shown:
        await until(lambda: len(outputs.set) == 2)
        assert sorted(outputs.set) == [(1, False), (2, False)]
        shown.show([crossed("out"), crossed("in", "d9")])
        await until(lambda: outputs.of(1) == [False, True, False])
        shown.show([crossed("in")])
        await until(lambda: outputs.of(2) == [False, True, False])
    assert outputs.of(1) == [False, True, False]


async def test_crossings_that_follow_each_other_keep_a_lamp_lit() -> None:
    outputs = Outputs()
    async with shining(outputs) as shown:
        await until(lambda: len(outputs.set) == 2)
        for _ in range(5):
            shown.show([crossed("out")])
            await asyncio.sleep(0.05)
        assert outputs.of(1) == [False, True]
        await until(lambda: outputs.of(1) == [False, True, False])


async def test_a_lamp_whose_reader_was_away_shows_what_should_be_seen_now(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, logger="gateway.lights")
    outputs = Outputs()
    async with shining(outputs) as shown:
        await until(lambda: len(outputs.set) == 2)
        outputs.is_there = False
        shown.show([crossed("out")])
        await asyncio.sleep(0.2)
        outputs.is_there = True
        await until(lambda: len(outputs.of(1)) == 2)
        assert outputs.of(1) == [False, False], "the crossing is over: nothing to show any more"
    assert [record.levelname for record in caplog.records] == ["WARNING", "INFO"]


async def test_a_gateway_that_ends_puts_its_lamps_out() -> None:
    outputs = Outputs()
    async with shining(outputs) as shown:
        await until(lambda: len(outputs.set) == 2)
        shown.show([crossed("out")])
        await until(lambda: outputs.of(1) == [False, True])
    assert outputs.of(1) == [False, True, False]


def test_a_lamp_needs_a_driver_that_sets_outputs_and_a_reader_that_exists() -> None:
    with pytest.raises(ConfigError, match="sets no outputs"):
        Lights(GatewayConfig.model_validate(CONFIG).portals, {"r": NoOutputs()})
    portal = CONFIG["portals"][0] | {"lights": [{"reader": "r9", "gpo": 1, "on": "crossed_out"}]}
    with pytest.raises(ValueError, match="r9"):
        GatewayConfig.model_validate(CONFIG | {"portals": [portal]})


def test_lamps_do_not_change_how_a_gateway_judges(tmp_path: Path) -> None:
    config = GatewayConfig.model_validate(CONFIG)
    dark = GatewayConfig.model_validate(CONFIG | {"portals": [CONFIG["portals"][0] | {"lights": []}]})
    assert config.hash == dark.hash
    assert tmp_path.is_dir()
