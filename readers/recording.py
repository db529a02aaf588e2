"""Recordings as files: what readers once delivered, read for replay, and written while they deliver.

Formats are told apart by the file's ending and listed in FORMATS; a new one is one generator of events more.

`.tape` is the project's own, written by TapeFile: see tape.py and docs/tape.md.

`.csv` is the dock-door layout: `;` between columns, `//` before comments, decimal commas,

    Timestamp;EPC;TID;Antenna;RSSI;Frequency;Hostname;Phase;Doppler

with ISO 8601 times to 100 ns and an offset, EPC as hex, RSSI in dBm; TID, Phase (radians) and Doppler may be empty.
Rows stand in order of time, as readers write them; a row that overtakes another is kept with its own time.
"""

from __future__ import annotations

import contextlib
import fcntl
import heapq
import logging
import math
import os
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import BinaryIO, Final

from readers.errors import RecordingError, TapeDamagedError
from readers.read import EpcTable, ReadBatch, ReaderEvent, empty_reads, to_us
from readers.tape import MAGIC, MAX_PAYLOAD_BYTES, TapeDecoder, TapeEncoder, TapeOpened, TapeReader, is_block

logger = logging.getLogger(__name__)

BATCH_US: Final = 50_000
"""Reads of this span travel in one batch, as a reader's report would carry them."""

BLOCK_SPAN_US: Final = 3_000_000
"""A block holds what one reader delivered between two flushes, a second apart on a machine that keeps up."""

CHUNK_BYTES: Final = 1 << 20
"""Read at once from a tape."""

_COLUMNS: Final = 9
_HEX_EPC: Final = re.compile(r"(?:[0-9A-Fa-f]{4}){1,31}")


@dataclass(frozen=True, slots=True)
class _Row:
    """One recorded read."""

    reader: str
    epc: bytes
    antenna: int
    rssi_dbm: float
    at_us: int
    phase_rad: float


def read_events(path: Path, epcs: EpcTable) -> Iterator[ReaderEvent | TapeOpened]:
    """Everything in a recording, in the order of the file. Raises RecordingError naming the file, and line or byte."""
    read = FORMATS.get(path.suffix.lower())
    if read is None:
        known = ", ".join(sorted(FORMATS))
        raise RecordingError(f"{path}: no format for files ending in {path.suffix!r}; known endings: {known}")
    return read(path, epcs)


def read_recording(path: Path, epcs: EpcTable) -> Iterator[ReadBatch]:
    """The reads of a recording alone, in the order of the file, as read_events gives them."""
    return (event for event in read_events(path, epcs) if isinstance(event, ReadBatch))


def _tape_events(path: Path, epcs: EpcTable) -> Iterator[ReaderEvent | TapeOpened]:
    return in_delivery_order(_decoded(path, TapeDecoder(epcs)))


def in_delivery_order(events: Iterable[ReaderEvent | TapeOpened]) -> Iterator[ReaderEvent | TapeOpened]:
    """A tape holds each reader's batches block by block; here are those of all readers as they were delivered, and what
    else a reader said in its place among its own.

    One that was delivered more than BLOCK_SPAN_US before others that stand in front of it keeps its place behind them.
    Raises what `events` raises, when everything before it has been given.
    """
    waiting: list[tuple[int, int, ReaderEvent]] = []
    delivered_us: dict[str, int] = {}
    newest_us = 0
    broken: RecordingError | None = None
    try:
        for number, event in enumerate(events):
            if isinstance(event, TapeOpened):
                yield from _ripe(waiting, None)
                yield event
                continue
            at_us = event.received_at_us if isinstance(event, ReadBatch) else event.at_us
            at_us = delivered_us[event.reader] = max(at_us, delivered_us.get(event.reader, at_us))
            newest_us = max(newest_us, at_us)
            heapq.heappush(waiting, (at_us, number, event))
            yield from _ripe(waiting, newest_us - BLOCK_SPAN_US)
    except RecordingError as error:
        broken = error
    yield from _ripe(waiting, None)
    if broken is not None:
        raise broken


def _ripe(waiting: list[tuple[int, int, ReaderEvent]], until_us: int | None) -> Iterator[ReaderEvent]:
    """What was delivered up to a time; all of it without one."""
    while waiting and (until_us is None or waiting[0][0] <= until_us):
        yield heapq.heappop(waiting)[2]


def _decoded(path: Path, decoder: TapeDecoder) -> Iterator[ReaderEvent | TapeOpened]:
    """A tape that was cut is read up to the cut, which is logged. Raises RecordingError for damage before its end."""
    try:
        with path.open("rb") as file:
            while data := file.read(CHUNK_BYTES):
                try:
                    yield from decoder.feed(data)
                except TapeDamagedError as error:
                    if decoder.offset == 0:
                        raise
                    logger.debug("%s: %s", path, error)
                    break
            lost = os.fstat(file.fileno()).st_size - decoder.offset
            if lost and decoder.offset and _goes_on(file, decoder.offset):
                raise TapeDamagedError(decoder.offset, "a block that is not whole, with others behind it")
    except OSError as error:
        raise RecordingError(f"{path}: cannot be read: {error.strerror}") from error
    except RecordingError as error:
        raise RecordingError(f"{path}: {error}") from error
    if decoder.offset == 0:
        raise RecordingError(f"{path}: is no tape, or was cut within its first block")
    if lost:
        logger.warning("%s: was cut; its last %d bytes are no whole block and are left out", path, lost)


def _goes_on(file: BinaryIO, damage: int) -> bool:
    """Whether a whole block stands anywhere behind the damage: then it is no cut, and something is missing amid it."""
    file.seek(damage)
    rest = file.read(2 * MAX_PAYLOAD_BYTES)
    place = rest.find(MAGIC, 1)
    while place >= 0:
        if is_block(rest[place:]):
            return True
        place = rest.find(MAGIC, place + 1)
    return False


class TapeFile:
    """A tape being written. Batches are gathered until `flush`, which writes whole blocks; what a crash loses is what
    was not flushed. Goes on where an earlier recording of the same file ended, cut or not."""

    def __init__(self, path: Path, readers: Sequence[TapeReader], epcs: EpcTable, now_us: int) -> None:
        """Raises RecordingError when the file cannot be written, is no tape, or is being written by another program."""
        self._path = path
        self._batches: dict[str, list[ReadBatch]] = {}
        self._blocks: list[bytes] = []
        self.reads = 0
        self.size = 0
        """Bytes of the file."""
        self._is_broken = False
        try:
            self._file = path.open("ab", buffering=0)
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise RecordingError(f"{path}: another program is recording to it") from error
        except OSError as error:
            raise RecordingError(f"{path}: cannot be written: {error.strerror}") from error
        try:
            self._encoder = TapeEncoder(readers, epcs, self._find_end())
            self.write(self._encoder.open(now_us))
        except BaseException:
            self._file.close()
            raise

    def take(self, event: ReaderEvent) -> None:
        """Keep what a driver delivered, until the next flush."""
        if isinstance(event, ReadBatch):
            self._batches.setdefault(event.reader, []).append(event)
            self.reads += len(event.reads)
        else:
            self._close_block(event.reader)
            self._blocks.append(self._encoder.event(event))

    def flush(self) -> None:
        """Write everything taken so far and have the system store it. Raises RecordingError."""
        self.write(self.gather())

    def gather(self) -> bytes:
        """Everything taken and not gathered yet, as blocks for `write`; for those who must not wait for the disk."""
        for reader in list(self._batches):
            self._close_block(reader)
        blocks, self._blocks = self._blocks, []
        return b"".join(blocks)

    def write(self, blocks: bytes) -> None:
        """Have the system store blocks, in the order in which they were gathered.

        Raises RecordingError; the tape then ends before them, and takes no more: the EPCs in them would be missing.
        """
        left = memoryview(blocks)
        try:
            while left:
                left = left[self._file.write(left) :]
            os.fdatasync(self._file.fileno())
        except OSError as error:
            self._is_broken = True
            with contextlib.suppress(OSError):
                self._file.truncate(self.size)
            raise RecordingError(f"{self._path}: cannot be written: {error.strerror}") from error
        self.size += len(blocks)

    def close(self) -> None:
        """Flush and close. Raises RecordingError."""
        try:
            if not self._is_broken:
                self.flush()
        finally:
            self._file.close()

    def _close_block(self, reader: str) -> None:
        batches = self._batches.pop(reader, [])
        if any(len(batch.reads) for batch in batches):
            self._blocks.append(self._encoder.reads(batches))

    def _find_end(self) -> list[bytes]:
        """Cut off what is no whole block; the EPCs that the file holds."""
        if not self._file.tell():
            return []
        decoder = TapeDecoder(EpcTable())
        for _ in _decoded(self._path, decoder):
            pass
        self._file.truncate(decoder.offset)
        self.size = decoder.offset
        return decoder.epcs


def _batches(open_rows: dict[str, list[_Row]], epcs: EpcTable) -> Iterator[ReadBatch]:
    for reader, rows in open_rows.items():
        reads = empty_reads(len(rows))
        reads["epc"] = epcs.numbers(row.epc for row in rows)
        reads["antenna"] = [row.antenna for row in rows]
        reads["rssi_dbm"] = [row.rssi_dbm for row in rows]
        reads["at_us"] = reads["first_at_us"] = [row.at_us for row in rows]
        reads["phase_rad"] = [row.phase_rad for row in rows]
        yield ReadBatch(reader, reads, max(row.at_us for row in rows))


def _dock_door_events(path: Path, epcs: EpcTable) -> Iterator[ReadBatch]:
    """A batch for each reader and span of BATCH_US; `received_at_us` is the newest time in it. Readers are named as
    the file names them (by host)."""
    open_rows: dict[str, list[_Row]] = {}
    span = -1
    for row in _dock_door_rows(path):
        if row.at_us // BATCH_US > span:
            yield from _batches(open_rows, epcs)
            open_rows, span = {}, row.at_us // BATCH_US
        open_rows.setdefault(row.reader, []).append(row)
    yield from _batches(open_rows, epcs)


def _dock_door_rows(path: Path) -> Iterator[_Row]:
    try:
        with path.open(encoding="utf-8-sig") as lines:
            for number, line in enumerate(lines, start=1):
                text = line.strip()
                if text and not text.startswith("//"):
                    yield _dock_door_row(text, f"{path}, line {number}")
    except OSError as error:
        raise RecordingError(f"{path}: cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise RecordingError(f"{path}: not UTF-8 text: {error}") from error


def _dock_door_row(text: str, where: str) -> _Row:
    fields = [field.strip() for field in text.split(";")]
    if len(fields) != _COLUMNS:
        raise RecordingError(f"{where}: {len(fields)} columns where {_COLUMNS} are expected, separated by ';'")
    time, epc, _tid, antenna, rssi, _frequency, host, phase, _doppler = fields
    if not _HEX_EPC.fullmatch(epc):
        raise RecordingError(f"{where}: EPC {epc!r} is not whole 16-bit words of hex")
    if not antenna.isdecimal() or not 1 <= int(antenna) <= 65535:
        raise RecordingError(f"{where}: antenna {antenna!r} is not a port number from 1 to 65535")
    return _Row(
        reader=host,
        epc=bytes.fromhex(epc),
        antenna=int(antenna),
        rssi_dbm=_decimal(rssi, "RSSI", where),
        at_us=_time_us(time, where),
        phase_rad=_decimal(phase, "phase", where),
    )


def _time_us(text: str, where: str) -> int:
    try:
        at = datetime.fromisoformat(text)
    except ValueError as error:
        raise RecordingError(f"{where}: {text!r} is no ISO 8601 time") from error
    if at.tzinfo is None:
        raise RecordingError(f"{where}: the time {text!r} has no offset from UTC")
    return to_us(at)


def _decimal(text: str, name: str, where: str) -> float:
    """A number with a decimal comma or point; NaN where the field is empty."""
    if not text:
        return math.nan
    try:
        value = float(text.replace(",", "."))
    except ValueError as error:
        raise RecordingError(f"{where}: {name} {text!r} is no number") from error
    if not math.isfinite(value):
        raise RecordingError(f"{where}: {name} {text!r} is no finite number")
    return value


FORMATS: Final[dict[str, Callable[[Path, EpcTable], Iterator[ReaderEvent | TapeOpened]]]] = {
    ".csv": _dock_door_events,
    ".tape": _tape_events,
}
"""File ending → what the file holds."""
