"""A recorded file as reads: what a dock door once saw, for replay and for serving it again through a simulated reader.

Formats are told apart by the file's ending and listed in FORMATS; a new one is one generator of `_Row` more.

`.csv` is the dock-door layout: `;` between columns, `//` before comments, decimal commas,

    Timestamp;EPC;TID;Antenna;RSSI;Frequency;Hostname;Phase;Doppler

with ISO 8601 times to 100 ns and an offset, EPC as hex, RSSI in dBm; TID, Phase (radians) and Doppler may be empty.
Rows stand in order of time, as readers write them; a row that overtakes another is kept with its own time.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Final

from readers.errors import RecordingError
from readers.read import EpcTable, ReadBatch, empty_reads, to_us

BATCH_US: Final = 50_000
"""Reads of this span travel in one batch, as a reader's report would carry them."""

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


def read_recording(path: Path, epcs: EpcTable) -> Iterator[ReadBatch]:
    """The reads of a recording, a batch for each reader and span of BATCH_US, in the order of the file.

    `received_at_us` is the newest time in the batch. Batches name the reader as the file does (its host). Raises
    RecordingError naming the file and, for a bad row, its line.
    """
    read_rows = FORMATS.get(path.suffix.lower())
    if read_rows is None:
        known = ", ".join(sorted(FORMATS))
        raise RecordingError(f"{path}: no format for files ending in {path.suffix!r}; known endings: {known}")
    open_rows: dict[str, list[_Row]] = {}
    span = -1
    for row in read_rows(path):
        if row.at_us // BATCH_US > span:
            yield from _batches(open_rows, epcs)
            open_rows, span = {}, row.at_us // BATCH_US
        open_rows.setdefault(row.reader, []).append(row)
    yield from _batches(open_rows, epcs)


def _batches(open_rows: dict[str, list[_Row]], epcs: EpcTable) -> Iterator[ReadBatch]:
    for reader, rows in open_rows.items():
        reads = empty_reads(len(rows))
        reads["epc"] = epcs.numbers(row.epc for row in rows)
        reads["antenna"] = [row.antenna for row in rows]
        reads["rssi_dbm"] = [row.rssi_dbm for row in rows]
        reads["at_us"] = reads["first_at_us"] = [row.at_us for row in rows]
        reads["phase_rad"] = [row.phase_rad for row in rows]
        yield ReadBatch(reader, reads, max(row.at_us for row in rows))


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


FORMATS: Final[dict[str, Callable[[Path], Iterator[_Row]]]] = {".csv": _dock_door_rows}
"""File ending → rows of the file."""
