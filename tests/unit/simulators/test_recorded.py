"""A recording served again: each read once, at its pace, whenever the reader asks."""

from __future__ import annotations

import csv
from io import StringIO
from pathlib import Path

import pytest

from readers.errors import RecordingError
from simulators.errors import UnknownReaderError
from simulators.recorded import RecordedSource, registered
from simulators.scenario import load

START_US = 1_800_000_000_000_000
FOUR = frozenset({1, 2, 3, 4})

LINES = """\
// a comment
2023-01-06T17:36:00.0000000+01:00;AD3830770CCDD0AD38300370;;1;-67;865,7;host;;
2023-01-06T17:36:00.0500000+01:00;AD3830770CCDD0AD383004A3;;3;-70,5;865,7;host;;
2023-01-06T17:36:02.0000000+01:00;AD3830770CCDD0AD38300370;;2;-61;865,7;host;;
"""


@pytest.fixture
def tape(tmp_path: Path) -> Path:
    path = tmp_path / "reads.csv"
    path.write_text(LINES)
    return path


def test_each_read_once_at_its_pace(tape: Path) -> None:
    source = RecordedSource(tape, "dock-door")
    rows = []
    for number in range(30):
        at_us = START_US + number * 100_000
        seen = source.inventory("dock-door", FOUR, at_us, at_us + 100_000)
        rows += list(zip(seen.epcs, seen.antenna.tolist(), seen.rssi_dbm.tolist(), seen.at_us.tolist(), strict=True))
    assert [(epc.hex()[-4:], antenna, rssi) for epc, antenna, rssi, _ in rows] == [
        ("0370", 1, -67.0),
        ("04a3", 3, -70.5),
        ("0370", 2, -61.0),
    ]
    assert [at_us - START_US for *_, at_us in rows] == [1, 50_001, 2_000_001]
    assert source.finished
    assert source.served == source.count == 3


def test_the_tape_stops_while_nobody_asks(tape: Path) -> None:
    source = RecordedSource(tape, "dock-door")
    source.inventory("dock-door", FOUR, START_US, START_US + 1_000_000)
    assert not source.finished
    late_us = START_US + 60_000_000
    seen = source.inventory("dock-door", FOUR, late_us, late_us + 1_500_000)
    assert (seen.at_us - late_us).tolist() == [1_000_001]


def test_antennas_that_are_off_do_not_see(tape: Path) -> None:
    source = RecordedSource(tape, "dock-door")
    seen = source.inventory("dock-door", frozenset({3}), START_US, START_US + 5_000_000)
    assert seen.antenna.tolist() == [3]
    assert source.antennas == {1, 2, 3}


def test_another_reader_is_refused(tape: Path) -> None:
    with pytest.raises(UnknownReaderError, match="dock-door"):
        RecordedSource(tape, "dock-door").inventory("other", FOUR, 0, 1)


def test_an_empty_recording_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "none.csv"
    path.write_text("// nothing\n")
    with pytest.raises(RecordingError, match="no read"):
        RecordedSource(path, "dock-door")


def test_its_tags_are_registered_inside_the_door(tape: Path) -> None:
    text = registered(RecordedSource(tape, "dock-door"), load("recorded"))
    rows = list(csv.DictReader(StringIO(text)))
    assert [(row["site"], row["zone"], row["sku"], row["quantity"]) for row in rows] == [
        ("DOCK", "hall", "RECORDED", "1")
    ] * 2
    assert rows[0]["epc"] == "AD3830770CCDD0AD38300370"


def test_a_real_dock_door_comes_out_whole(shared_data: Path) -> None:
    source = RecordedSource(shared_data / "dockdoor" / "runs" / "xstart1.csv", "door")
    total, at_us = 0, START_US
    while not source.finished:
        total += len(source.inventory("door", FOUR, at_us, at_us + 250_000))
        at_us += 250_000
    assert total == source.count == 21_565
    assert len(source.epcs) >= 170
