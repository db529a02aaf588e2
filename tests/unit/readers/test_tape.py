"""The tape: what is written is read, in whole, byte by byte and in pieces; cut anywhere; damaged; gone on with."""

from __future__ import annotations

import logging
import math
import os
import random
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from readers.errors import RecordingError, TapeDamagedError
from readers.read import EpcTable, GpiChange, ReadBatch, ReaderEvent, ReaderNotice, ReaderState, empty_reads
from readers.recording import TapeFile, read_events, read_recording
from readers.tape import MAGIC, TapeDecoder, TapeEncoder, TapeOpened, TapeReader, is_block

READERS = (TapeReader("door-1", "llrp", "10.0.0.1:5084", (1, 2)), TapeReader("dock é", "mine", "x", (3,)))
AT_US = 1_700_000_000_000_000


def batch(epcs: EpcTable, reader: str, names: list[int], at_us: int = AT_US) -> ReadBatch:
    reads = empty_reads(len(names))
    reads["epc"] = epcs.numbers([name.to_bytes(12, "big") if name % 3 else bytes([name % 256]) * 2 for name in names])
    reads["antenna"] = [name % 4 + 1 for name in names]
    reads["rssi_dbm"] = [math.nan if name % 5 == 0 else -50.25 - name for name in names]
    reads["first_at_us"] = [at_us - name for name in names]
    reads["at_us"] = at_us
    reads["count"] = [name % 7 + 1 for name in names]
    reads["phase_rad"] = 1.5
    return ReadBatch(reader, reads, at_us + 40_000)


def plain(event: ReaderEvent | TapeOpened, epcs: EpcTable) -> object:
    """An event as values that can be compared: EPCs by name, NaN as a word."""
    if not isinstance(event, ReadBatch):
        return event
    rows = []
    for row in event.reads:
        values = [None if isinstance(value, float) and math.isnan(value) else value for value in row.tolist()]
        rows.append((epcs.epc(int(row["epc"])), *values[1:]))
    return event.reader, event.received_at_us, rows


def recorded() -> tuple[list[bytes], list[object]]:
    """The blocks of a recording, and what they hold."""
    epcs = EpcTable()
    epcs.number(b"somebody else's")
    encoder = TapeEncoder(READERS, epcs)
    one, two = batch(epcs, "door-1", [1, 2, 3, 2]), batch(epcs, "door-1", [5], AT_US + 90_000)
    three = batch(epcs, "dock é", [2, 9, 10], AT_US + 50)
    state = ReaderState("door-1", frozenset({1, 2}), AT_US, "began")
    notice = ReaderNotice("dock é", "antenna_lost", "antenna 3", AT_US + 7)
    gpi = GpiChange("door-1", 2, True, AT_US + 8)
    blocks = [
        encoder.open(AT_US),
        encoder.event(state),
        encoder.reads([one, two]),
        encoder.event(notice),
        encoder.event(gpi),
        encoder.reads([three]),
    ]
    held = [TapeOpened(READERS, AT_US), state, one, two, notice, gpi, three]
    return blocks, [plain(event, epcs) for event in held]


def decoded(pieces: list[bytes]) -> tuple[list[object], TapeDecoder]:
    epcs = EpcTable()
    decoder = TapeDecoder(epcs)
    return [plain(event, epcs) for piece in pieces for event in decoder.feed(piece)], decoder


def test_what_is_written_is_read_whole_and_byte_by_byte() -> None:
    blocks, held = recorded()
    data = b"".join(blocks)
    for pieces in ([data], [data[at : at + 1] for at in range(len(data))]):
        events, decoder = decoded(pieces)
        assert events == held
        assert (decoder.offset, decoder.pending) == (len(data), 0)


@settings(max_examples=30)
@given(st.randoms(use_true_random=False))
def test_what_is_written_is_read_in_any_pieces(chance: random.Random) -> None:
    blocks, held = recorded()
    data = b"".join(blocks)
    cuts = sorted(chance.sample(range(len(data)), 9))
    assert decoded([data[a:b] for a, b in zip([0, *cuts], [*cuts, len(data)], strict=True)])[0] == held


def test_a_tape_cut_anywhere_keeps_every_whole_block(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    blocks, held = recorded()
    data, path = b"".join(blocks), tmp_path / "run.tape"
    ends = [sum(map(len, blocks[: count + 1])) for count in range(len(blocks))]
    of_block = [held[:1], held[:2], held[:4], held[:5], held[:6], held[:7]]
    for cut in range(ends[0], len(data) + 1):
        path.write_bytes(data[:cut])
        whole = sum(end <= cut for end in ends)
        epcs = EpcTable()
        caplog.clear()
        with caplog.at_level(logging.WARNING):
            found = [plain(event, epcs) for event in read_events(path, epcs)]
        assert sorted(map(str, found)) == sorted(map(str, of_block[whole - 1]))
        assert bool(caplog.records) == (cut not in ends)
    for cut in range(ends[0]):
        path.write_bytes(data[:cut])
        with pytest.raises(RecordingError, match=r"run\.tape: .*no tape|run\.tape: .*first block"):
            list(read_events(path, EpcTable()))


def test_a_tail_of_zeros_counts_as_cut(tmp_path: Path) -> None:
    blocks, held = recorded()
    path = tmp_path / "run.tape"
    path.write_bytes(b"".join(blocks) + bytes(4096))
    assert len(list(read_events(path, EpcTable()))) == len(held)


@pytest.mark.parametrize("at", [0, 4, 5, 8, 12, 30])
def test_damage_before_the_end_is_named_not_passed_over(tmp_path: Path, at: int) -> None:
    blocks, _ = recorded()
    begin = len(blocks[0]) + len(blocks[1])
    data = bytearray(b"".join(blocks))
    data[begin + at] ^= 0x21
    path = tmp_path / "run.tape"
    path.write_bytes(data)
    with pytest.raises(RecordingError, match=rf"run\.tape: (at byte {begin}|version)"):
        list(read_events(path, EpcTable()))


def test_what_is_no_tape_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "run.tape"
    path.write_bytes(b"PK\x03\x04 something else")
    with pytest.raises(RecordingError, match="no block begins here"):
        list(read_events(path, EpcTable()))
    with pytest.raises(RecordingError, match="no block begins here"):
        TapeFile(path, READERS, EpcTable(), AT_US)
    assert path.read_bytes().startswith(b"PK")


@given(st.binary(max_size=200))
def test_any_bytes_in_a_block_are_read_or_refused(payload: bytes) -> None:
    for kind in range(5):
        block = struct.pack("<4sBBHII", MAGIC, 1, kind, 0, len(payload), zlib.crc32(payload, kind)) + payload
        assert is_block(block)
        with pytest.raises(TapeDamagedError):
            list(TapeDecoder(EpcTable()).feed(block))


def test_a_recording_goes_on_after_a_cut_and_numbers_its_epcs_on(tmp_path: Path) -> None:
    path = tmp_path / "run.tape"
    epcs = EpcTable()
    tape = TapeFile(path, READERS, epcs, AT_US)
    first, lost = batch(epcs, "door-1", [1, 2, 4]), batch(epcs, "door-1", [7, 8])
    tape.take(first)
    tape.flush()
    tape.take(lost)
    tape.close()
    path.write_bytes(path.read_bytes()[:-3])
    other = EpcTable()
    tape = TapeFile(path, READERS[:1], other, AT_US + 10)
    again = batch(other, "door-1", [8, 2, 11])
    tape.take(again)
    tape.close()
    assert tape.size == path.stat().st_size
    read = EpcTable()
    events = [plain(event, read) for event in read_events(path, read)]
    assert events == [
        TapeOpened(READERS, AT_US),
        plain(first, epcs),
        TapeOpened(READERS[:1], AT_US + 10),
        plain(again, other),
    ]


def test_events_keep_their_place_among_reads(tmp_path: Path) -> None:
    path = tmp_path / "run.tape"
    epcs = EpcTable()
    tape = TapeFile(path, READERS, epcs, AT_US)
    off = ReaderState("door-1", frozenset(), AT_US + 5, "lost")
    events: list[ReaderEvent] = [batch(epcs, "door-1", [1]), off, batch(epcs, "door-1", [2])]
    for event in events:
        tape.take(event)
    tape.close()
    read = EpcTable()
    assert [plain(event, read) for event in read_events(path, read)][1:] == [plain(event, epcs) for event in events]
    assert [len(one.reads) for one in read_recording(path, EpcTable())] == [1, 1]


def test_a_disk_that_is_full_costs_what_it_would_not_take(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "run.tape"
    epcs = EpcTable()
    tape = TapeFile(path, READERS, epcs, AT_US)
    kept, lost = batch(epcs, "door-1", [1]), batch(epcs, "door-1", [2])
    tape.take(kept)
    tape.flush()

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "fdatasync", full)
        tape.take(lost)
        with pytest.raises(RecordingError, match="No space left"):
            tape.flush()
    tape.take(batch(epcs, "door-1", [2, 3]))
    tape.close()
    assert path.stat().st_size == tape.size
    assert [len(one.reads) for one in read_recording(path, EpcTable())] == [1]


def test_two_programs_cannot_record_to_one_tape(tmp_path: Path) -> None:
    path = tmp_path / "run.tape"
    tape = TapeFile(path, READERS, EpcTable(), AT_US)
    with pytest.raises(RecordingError, match="another program"):
        TapeFile(path, READERS, EpcTable(), AT_US)
    tape.close()
    with pytest.raises(RecordingError, match="cannot be written"):
        TapeFile(tmp_path / "no" / "run.tape", READERS, EpcTable(), AT_US)


def test_a_real_door_fits_a_tape(shared_data: Path, tmp_path: Path) -> None:
    """Nothing is lost on the way from the recorded door, and a read takes less than its bare columns."""
    epcs = EpcTable()
    path = tmp_path / "run.tape"
    batches = list(read_recording(shared_data / "dockdoor" / "runs" / "xstart3.csv", epcs))
    reader = TapeReader(batches[0].reader, "csv", "", (1, 2, 3, 4))
    tape = TapeFile(path, [reader], epcs, AT_US)
    for number, one in enumerate(batches):
        tape.take(one)
        if number % 20 == 0:
            tape.flush()
    tape.close()
    again = EpcTable()
    read = np.concatenate([one.reads for one in read_recording(path, again)])
    written = np.concatenate([one.reads for one in batches])
    assert [again.epc(n) for n in read["epc"].tolist()] == [epcs.epc(n) for n in written["epc"].tolist()]
    for name in ("antenna", "rssi_dbm", "first_at_us", "at_us", "count", "phase_rad"):
        assert np.array_equal(read[name], written[name], equal_nan=name in ("rssi_dbm", "phase_rad"))
    assert path.stat().st_size < 32 * len(written)
