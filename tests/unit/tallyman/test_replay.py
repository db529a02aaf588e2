"""Recordings through the pipeline: causal, by prefix, and right on a real dock door."""

from __future__ import annotations

import csv
import json
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from gateway.config import GatewayConfig, load
from tallyman.errors import ReplayError
from tallyman.replay import replay, with_portal_rules

EXAMPLE = Path(__file__).resolve().parents[3] / "examples" / "dockdoor.toml"
Lines = list[dict[str, Any]]


def replayed(recording: Path, folder: Path, config: GatewayConfig | None = None) -> Lines:
    out = folder / "events.jsonl"
    replay(recording, config or load(EXAMPLE), out)
    return [json.loads(line) for line in out.read_text(encoding="utf-8").splitlines()]


def seconds(text: str) -> float:
    return datetime.fromisoformat(text).timestamp()


@pytest.fixture(scope="module")
def run(shared_data: Path) -> Path:
    return shared_data / "dockdoor" / "runs" / "xstart3.csv"


@pytest.fixture(scope="module")
def events(run: Path, tmp_path_factory: pytest.TempPathFactory) -> Lines:
    return replayed(run, tmp_path_factory.mktemp("replay"))


def test_events_say_what_was_decided_and_when(events: Lines) -> None:
    assert events
    for event in events:
        assert event["kind"] == "crossed"
        assert (event["site"], event["portal"]) == ("dock", "door-1")
        assert event["direction"] in ("in", "out")
        assert seconds(event["at"]) <= seconds(event["decided_at"])
        assert event["evidence"]["first_at"] <= event["evidence"]["last_at"] == event["at"]
    decided = [seconds(event["decided_at"]) for event in events]
    assert decided == sorted(decided)


def test_most_of_a_real_pallet_crosses_the_right_way_and_little_else(
    events: Lines, run: Path, shared_data: Path
) -> None:
    """A floor well below what is reached, so that it falls when the judgement breaks, not when it shifts."""
    folder = shared_data / "dockdoor"
    with (folder / "truth" / "xstart3.csv").open(encoding="utf-8") as lines:
        truth = [(seconds(row["at"]), row["direction"]) for row in csv.DictReader(lines)]
    (label,) = (folder / "labels").glob("actual=moving*")
    moving = {line.strip().upper() for line in label.read_text(encoding="utf-8").splitlines()}
    found = set()
    for event in events:
        at = seconds(event["at"])
        for number, (crossed, direction) in enumerate(truth):
            if event["epc"] in moving and direction == event["direction"] and crossed - 4 <= at <= crossed + 6:
                found.add((event["epc"], number))
    assert len(found) >= 0.95 * len(truth) * len(moving)
    assert len(found) >= 0.95 * len(events)


def test_another_model_judges_by_its_own_name(run: Path, tmp_path: Path) -> None:
    start = tmp_path / "start.csv"
    start.write_text("".join(run.read_text(encoding="utf-8").splitlines(keepends=True)[:3000]), encoding="utf-8")
    for model in ("fold-3", "physical"):
        events = replayed(start, tmp_path, with_portal_rules(load(EXAMPLE), model=model))
        assert {event["method"] for event in events} == {f"portal-{model}/3"}


@pytest.mark.parametrize("part", [0.3, 0.71])
def test_a_prefix_of_the_recording_gives_a_prefix_of_the_events(
    events: Lines, run: Path, tmp_path: Path, part: float
) -> None:
    lines = run.read_text(encoding="utf-8").splitlines(keepends=True)
    prefix = tmp_path / "prefix.csv"
    prefix.write_text("".join(lines[: int(len(lines) * part)]), encoding="utf-8")
    got = replayed(prefix, tmp_path)
    assert got == events[: len(got)]
    assert len(got) > 0.5 * part * len(events)


def test_a_recording_of_another_reader_is_refused_by_name(tmp_path: Path) -> None:
    reader = {"address": "10.0.0.1", "antennas": [{"port": 1, "zone": "z"}]}
    config = GatewayConfig.model_validate(
        {
            "site": "s",
            "gateway": "g",
            "zones": [{"code": "z"}],
            "readers": [{"name": "a", **reader}, {"name": "b", **reader, "address": "10.0.0.2:5084"}],
        }
    )
    row = "2023-01-06T17:36:0{}+01:00;AD3830770CCDD0AD38300370;;1;-60;865,7;{};;"
    known = tmp_path / "known.csv"
    known.write_text("\n".join(row.format(second, "10.0.0.2") for second in range(1, 6)) + "\n", encoding="utf-8")
    assert [event["kind"] for event in replayed(known, tmp_path, config)] == ["arrived"]
    strange = tmp_path / "strange.csv"
    strange.write_text(row.format(1, "10.0.0.3") + "\n", encoding="utf-8")
    with pytest.raises(ReplayError, match=r"10\.0\.0\.3.*a \(10\.0\.0\.1\)"):
        replayed(strange, tmp_path, config)


def test_an_unwritable_output_is_named(tmp_path: Path) -> None:
    row = "2023-01-06T17:36:01+01:00;AD3830770CCDD0AD38300370;;1;-60;865,7;10.0.0.2;;"
    (tmp_path / "run.csv").write_text(row, encoding="utf-8")
    with pytest.raises(ReplayError, match="events"):
        replay(tmp_path / "run.csv", load(EXAMPLE), tmp_path / "no" / "events.jsonl")
