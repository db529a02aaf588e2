"""The table of tags: what is counted, what is shown, what is forgotten."""

from __future__ import annotations

import asyncio
import io
import math
from pathlib import Path

import pytest
from rich.console import Console

from readers.read import EpcTable, ReadBatch, ReaderNotice, ReaderState, empty_reads
from tallyman import tail
from tallyman.tail import SPARK_S, TagBoard, View, named, tail_recording

SECOND_US = 1_000_000
BEGIN_US = 1_700_000_000 * SECOND_US


def seen(epcs: EpcTable, epc: str, at_s: float, rssi_dbm: float = -60.0, reader: str = "door-1") -> ReadBatch:
    reads = empty_reads(1)
    reads["epc"] = epcs.number(bytes.fromhex(epc))
    reads["antenna"] = 2
    reads["rssi_dbm"] = rssi_dbm
    reads["at_us"] = reads["first_at_us"] = BEGIN_US + round(at_s * SECOND_US)
    return ReadBatch(reader, reads, BEGIN_US + round(at_s * SECOND_US))


def test_rate_spark_and_times_of_a_tag() -> None:
    epcs, board = EpcTable(), TagBoard()
    for tenth in range(0, 60, 2):
        board.take(seen(epcs, "AA00", tenth / 10, rssi_dbm=-80 + 8 * (tenth // 10)))
    (line,) = board.newest(9)
    now_us = BEGIN_US + 6 * SECOND_US
    assert (line.reads, line.antenna, line.reader) == (30, 2, "door-1")
    assert line.rate(now_us) == board.rate(now_us) == 5.0
    assert line.rate(now_us + 60 * SECOND_US) == 0
    assert line.spark(now_us) == "▁▂▄▅▇█".rjust(SPARK_S - 1) + " "
    assert (line.first_us, line.last_us) == (BEGIN_US, BEGIN_US + 5_800_000)


def test_a_young_tag_has_its_own_rate() -> None:
    epcs, board = EpcTable(), TagBoard()
    for tenth in range(20):
        board.take(seen(epcs, "AA00", tenth / 10))
    assert board.newest(1)[0].rate(BEGIN_US + 2 * SECOND_US) == 10.0


def test_newest_first_and_the_oldest_are_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tail, "MAX_TAGS", 20)
    epcs, board = EpcTable(), TagBoard()
    for number in range(30):
        board.take(seen(epcs, f"{number:04X}", number))
    assert [line.epc for line in board.newest(2)] == [29, 28]
    assert board.tags == 30
    assert board.forgotten == 10


def test_a_tag_without_rssi_is_shown_without() -> None:
    epcs, board = EpcTable(), TagBoard()
    board.take(seen(epcs, "AA00", 0.5, rssi_dbm=math.nan))
    (line,) = board.newest(1)
    assert line.spark(BEGIN_US)[-1] == "·"
    assert "nan" not in shown(board, epcs)


def shown(board: TagBoard, epcs: EpcTable, height: int = 24) -> str:
    console = Console(file=io.StringIO(), width=130, height=height, force_terminal=False)
    console.print(View(board, epcs, lambda: BEGIN_US + SECOND_US, "live", ("door-1", "door-2")))
    text = console.file.getvalue()  # type: ignore[attr-defined]
    assert isinstance(text, str)
    return text


def test_the_screen_tells_who_is_on_and_keeps_to_its_height() -> None:
    epcs, board = EpcTable(), TagBoard()
    board.take(ReaderState("door-1", frozenset({1, 2}), BEGIN_US))
    for number in range(40):
        board.take(seen(epcs, f"{number:04X}", number / 100))
    board.take(ReaderNotice("door-1", "antenna_lost", "antenna 2", BEGIN_US))
    text = shown(board, epcs, height=20)
    assert len(text.splitlines()) <= 20
    assert "● door-1  ● door-2 connecting" in text
    assert "40 tags  40 reads" in text
    assert "antenna lost: antenna 2" in text
    board.take(ReaderState("door-1", frozenset(), BEGIN_US))
    assert "● door-1 off" in shown(board, epcs)


def test_tags_are_named_by_their_keys() -> None:
    assert named(bytes.fromhex("3066C4409047E140075BCD15")) == "GTIN 09506000134352 · 123456789"
    assert named(bytes.fromhex("F90095201234567891235000")) == "SSCC 095201234567891235"
    assert named(bytes.fromhex("3376451FD40C0E400000162E")) == "GRAI 95211411234545678"
    assert named(bytes.fromhex("2D76451FD4499602D2000000")) == "GSRN 2D76451FD4499602D2000000"
    assert named(b"\xab\xcd") == "ABCD"


async def test_a_recording_is_shown_to_its_end(tmp_path: Path) -> None:
    row = "2023-01-06T17:36:0{}+01:00;AD3830770CCDD0AD38300370;;1;-60;865,7;10.0.0.2;;"
    path = tmp_path / "run.csv"
    path.write_text("\n".join(row.format(second) for second in range(9)), encoding="utf-8")
    console = Console(file=io.StringIO(), width=130, height=20)
    assert await tail_recording(path, asyncio.Event(), speed=100, console=console) == 0
    assert "1 tags  9 reads" in console.file.getvalue()  # type: ignore[attr-defined]
