"""Recorded files as reads: what is read, and how a bad line is named."""

from __future__ import annotations

import math
from pathlib import Path

import pytest

from readers.errors import RecordingError
from readers.read import EpcTable, ReadBatch, empty_reads, from_us
from readers.recording import in_delivery_order, read_recording
from readers.tape import TapeOpened

ROW = "2023-01-06T17:36:00.8669037+01:00;AD3830770CCDD0AD38300370;;{};{};865,7;10.0.0.9;{};"


def written(folder: Path, *lines: str, name: str = "run.csv") -> Path:
    path = folder / name
    path.write_text("\n".join(("// a comment", "", *lines)), encoding="utf-8")
    return path


def test_a_row_becomes_a_read(tmp_path: Path) -> None:
    epcs = EpcTable()
    (batch,) = read_recording(written(tmp_path, ROW.format(3, "-69,5", ""), ROW.format(1, "", "1,25")), epcs)
    assert batch.reader == "10.0.0.9"
    assert batch.reads["antenna"].tolist() == [3, 1]
    assert batch.reads["rssi_dbm"][0] == -69.5
    assert math.isnan(batch.reads["rssi_dbm"][1])
    assert math.isnan(batch.reads["phase_rad"][0])
    assert batch.reads["phase_rad"][1] == 1.25
    assert epcs.hex(int(batch.reads["epc"][0])) == "AD3830770CCDD0AD38300370"
    assert from_us(batch.reads["at_us"][0]).isoformat() == "2023-01-06T16:36:00.866903+00:00"
    assert batch.received_at_us == batch.reads["at_us"].max()


def test_batches_span_a_twentieth_of_a_second_and_one_reader(tmp_path: Path) -> None:
    row = ROW.format(1, "-60", "")
    lines = [row, row.replace("10.0.0.9", "10.0.0.8"), row.replace(":00.86", ":00.96"), row.replace(":00.86", ":00.97")]
    batches = list(read_recording(written(tmp_path, *lines), EpcTable()))
    assert [(batch.reader, len(batch.reads)) for batch in batches] == [
        ("10.0.0.9", 1),
        ("10.0.0.8", 1),
        ("10.0.0.9", 2),
    ]


@pytest.mark.parametrize(
    ("line", "fault"),
    [
        ("a;b;c", "columns"),
        (ROW.format("x", "-60", ""), "antenna"),
        (ROW.format(0, "-60", ""), "antenna"),
        (ROW.format(1, "loud", ""), "RSSI"),
        (ROW.format(1, "inf", ""), "RSSI"),
        (ROW.format(1, "-60", "").replace("AD38", "XX38", 1), "EPC"),
        (ROW.format(1, "-60", "").replace("AD38", "AD", 1), "EPC"),
        (ROW.format(1, "-60", "").replace("2023-01-06T", "yesterday "), "time"),
        (ROW.format(1, "-60", "").replace("+01:00", ""), "offset"),
    ],
)
def test_a_bad_line_is_named_with_file_and_number(tmp_path: Path, line: str, fault: str) -> None:
    path = written(tmp_path, ROW.format(1, "-60", ""), line)
    with pytest.raises(RecordingError, match=fault) as caught:
        list(read_recording(path, EpcTable()))
    assert f"{path}, line 4" in str(caught.value)


def test_an_unknown_ending_and_a_missing_file_are_named(tmp_path: Path) -> None:
    with pytest.raises(RecordingError, match=r"\.csv"):
        list(read_recording(written(tmp_path, name="run.xyz"), EpcTable()))
    with pytest.raises(RecordingError, match=r"none\.csv"):
        list(read_recording(tmp_path / "none.csv", EpcTable()))


def test_the_recorded_dock_door_is_read_whole(shared_data: Path) -> None:
    epcs = EpcTable()
    batches = list(read_recording(shared_data / "dockdoor" / "runs" / "xstart3.csv", epcs))
    assert sum(len(batch.reads) for batch in batches) == 16_183
    assert set().union(*(batch.reads["antenna"].tolist() for batch in batches)) == {1, 2, 3, 4}
    assert len(epcs) == 172


def test_batches_of_several_readers_come_as_they_were_delivered() -> None:
    def batch(reader: str, at_s: float) -> ReadBatch:
        return ReadBatch(reader, empty_reads(1), round(at_s * 1e6))

    opened = TapeOpened((), 0)
    told = [opened, *(batch("a", n / 10) for n in range(10)), *(batch("b", n / 10 + 0.05) for n in range(10))]
    told += [batch("a", 9.0), opened, batch("b", 8.0)]
    found = list(in_delivery_order(told))
    times = [one.received_at_us for one in found if isinstance(one, ReadBatch)]
    assert times[:21] == sorted(times[:21])
    assert len(found) == len(told)
    assert isinstance(found[0], TapeOpened)
    assert isinstance(found[-2], TapeOpened), "what was recorded before stays before"
