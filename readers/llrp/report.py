"""RO_ACCESS_REPORT bytes → structured array: the hot path.

What has the layout of the first record (the usual case) is validated under one mask and read as columns (columns.py):
the records of a long report, and those of many short reports of one length that came in one piece. A few records, where
numpy costs more than it saves, and mixed ones are read one by one with learnt layouts. Every way gives the same values.

LLRP lets a reader leave out an enabled parameter whose value has not changed (LLRP 1.0.1 §13.2.3), so the decoder
remembers the last value of each; a parameter the ROSpec does not enable never comes, so it is never remembered.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from itertools import groupby, islice
from struct import Struct
from typing import Any, Final

import numpy as np

from readers.errors import DecodeError
from readers.llrp.codec import HEADER, TLV_HEADER, VERSIONS
from readers.llrp.columns import VIEWS_BYTES, Columns, Worktop
from readers.llrp.layout import COLUMNS, Layout, refuse
from readers.llrp.vendor import CENTI_DBM, RAD_PER_PHASE_STEP
from readers.read import READ_DTYPE, EpcTable, Reads, join_reads

RO_ACCESS_REPORT: Final = 61
TAG_REPORT_DATA: Final = 240
OTHERS: Final = frozenset({242, 1023})
"""What else a report may hold: RFSurveyReportData and Custom, stepped over."""

START: Final = Struct("!HIIHH")
"""A message's header and that of its first parameter."""

START_WORDS: Final = frozenset(version << 10 | RO_ACCESS_REPORT for version in VERSIONS)

FIXED_START: Final = b"\xff" * 6
ANY_ID: Final = bytes(4)
"""Of a header all but the message's id is the same in every report of a length."""

ROW: Final = Struct("=IHfqqHf")
"""READ_DTYPE as a struct, to write reads one by one."""

COLUMNS_FROM: Final = 6
"""From this many records on, columns are quicker than rows (measured on a shared core: equal at 5)."""

TOGETHER_BYTES: Final = 1 << 15
"""Reports are read together up to so many bytes: more would come out of the cache before they are looked at again."""

MAX_LAYOUTS: Final = 64
"""Layouts kept. A reader sends a handful: EPC lengths, with and without what has not changed."""

MAX_KEPT_BYTES: Final = 1 << 20
"""What is kept to read the next report like the last ones: a worktop for 500 tags takes a tenth of it, and each length
of report that comes again a 200th."""

SHAPE_BYTES: Final = 500
"""About what a shape takes, besides its mask."""

MAX_LEARNT_PER_REPORT: Final = 512
"""A report that brings more new layouts than this is noise; learning one costs ten times as much as reading it."""

M_PARAMETER_ERROR: Final = 100
M_FIELD_ERROR: Final = 101
M_UNEXPECTED_PARAMETER: Final = 102
M_OVERFLOW_PARAMETER: Final = 105
M_UNSUPPORTED_MESSAGE: Final = 109
M_UNSUPPORTED_VERSION: Final = 110

Carried = tuple[int, float, int | None, int | None, int, float]
"""Antenna, RSSI in dBm, first and last time (None until one came), count and phase: what a record leaves out."""

NOTHING: Final[Carried] = (0, math.nan, None, None, 1, math.nan)


class ReportDecoder:
    """Decodes the reports of one connection; what absent parameters stand for is its state.

    `uptime_offset_us` is added to times that a reader without a UTC clock counts from its start; the connection sets
    it after each `reset` from the first event of the reader.
    """

    def __init__(self, epcs: EpcTable) -> None:
        self.uptime_offset_us = 0
        self._epcs = epcs
        self._layouts: dict[int, list[Layout]] = {}
        self._kept_layouts = 0
        self._learnt = 0
        self._shapes: dict[int, list[_Shape]] = {}
        self._worktops: dict[Layout, Worktop] = {}
        self._columns: dict[tuple[Layout, int], Columns] = {}
        self._kept_bytes = 0
        self._carried: Carried = NOTHING
        self._last: tuple[Layout, bytes] | None = None
        """The end of what was decoded last, while what is carried from it has not been asked for."""

    def reset(self) -> None:
        """Forget the carried values and the offset: a new connection starts afresh."""
        self._carried = NOTHING
        self._last = None
        self.uptime_offset_us = 0

    def decode(self, frame: bytes) -> Reads:
        """The reads of one RO_ACCESS_REPORT frame, in order. Times are 0 while the reader has given none.

        Raises DecodeError for a frame that is no such report or breaks the protocol; nothing is carried from it.
        """
        shape = self._shape_of(frame)
        if shape is None:
            return np.frombuffer(self._mixed_rows(frame), READ_DTYPE)
        if shape.columns is not None:
            return self._read(shape.columns, frame)
        return np.frombuffer(self._rows(shape, frame), READ_DTYPE)

    def decode_all(self, frames: Sequence[bytes]) -> tuple[Reads, dict[int, DecodeError]]:
        """The reads of many frames, in order, and why some gave none (see `decode`), by their place.

        Reports of one shape that follow each other, as they do in one piece of a stream, are read at once.
        """
        parts: list[Reads] = []
        faults: dict[int, DecodeError] = {}
        at = 0
        for run in _runs(frames):
            reads = self._decode_run(run)
            if reads is not None:
                parts.append(reads)
                at += len(run)
                continue
            for frame in run:
                try:
                    parts.append(self.decode(frame))
                except DecodeError as error:
                    faults[at] = error
                at += 1
        return parts[0] if len(parts) == 1 else join_reads(parts), faults

    def _decode_run(self, frames: list[bytes]) -> Reads | None:
        """Frames of one length, when all have the shape of the first; None when they do not, or hold too little."""
        if len(frames) == 1:
            return None
        try:
            shape = self._shape_of(frames[0])
        except DecodeError:
            return None
        if shape is None or shape.records * len(frames) < COLUMNS_FROM:
            return None
        if not all(frame.startswith(shape.start) for frame in frames):
            return None
        data = b"".join([frames[0], *(frame[HEADER.size :] for frame in frames[1:])])
        columns = self._columns_of(shape.layout, shape.records * len(frames))
        return self._read(columns, data) if columns.take(data) else None

    def _shape_of(self, frame: bytes) -> _Shape | None:
        """The shape of this frame, learnt now if it is new; None when it has none. Its columns have taken the frame."""
        for shape in self._shapes.get(len(frame), ()):
            if shape.holds(frame):
                return shape
        self._learnt = 0
        if len(frame) < START.size:
            return None
        word, claimed, _, kind, length = START.unpack_from(frame)
        size = len(frame) - HEADER.size
        if word not in START_WORDS or claimed != len(frame) or kind != TAG_REPORT_DATA or not length or size % length:
            return None
        layout, records = self._recognise(frame[HEADER.size : HEADER.size + length]), size // length
        if layout.dtype is None:
            return None
        shape = _Shape(frame, layout, self._columns_of(layout, records) if records >= COLUMNS_FROM else None)
        if not shape.holds(frame):
            return None
        is_kept = shape.columns is self._columns.get((layout, records))
        if is_kept and self._keep(shape.bytes):
            self._shapes.setdefault(len(frame), []).append(shape)
        return shape

    def _columns_of(self, layout: Layout, records: int) -> Columns:
        """The columns of so many records of a layout."""
        columns = self._columns.get((layout, records))
        if columns is not None:
            return columns
        worktop, needed = self._worktops.get(layout), VIEWS_BYTES
        if worktop is None or worktop.room < records or self._kept_bytes + needed > MAX_KEPT_BYTES:
            worktop = Worktop(layout, 1 << (records - 1).bit_length())
            needed += worktop.bytes
        columns = worktop.columns(records)
        if self._keep(needed):
            self._worktops[layout] = worktop
            self._columns[layout, records] = columns
        return columns

    def _keep(self, size: int) -> bool:
        """Whether so many bytes may be kept: everything before them is forgotten if they are too many together."""
        if self._kept_bytes + size > MAX_KEPT_BYTES:
            self._forget()
        fits = size <= MAX_KEPT_BYTES
        self._kept_bytes += size * fits
        return fits

    def _forget(self) -> None:
        self._shapes.clear()
        self._worktops.clear()
        self._columns.clear()
        self._kept_bytes = 0

    def _read(self, columns: Columns, data: bytes) -> Reads:
        """All records that the columns have taken, which are those of `data`."""
        layout = columns.layout
        blank = WHOLE if layout.is_whole else _blank(self._carry())
        reads = np.frombuffer(bytearray(blank) * columns.records, READ_DTYPE)
        reads["epc"] = columns.numbers(self._epcs)
        for column, values in columns.copied:
            reads[column] = values
        for column, values, unit in columns.scaled:
            np.multiply(values, unit, out=reads[column], dtype=np.float64, casting="same_kind")
        if columns.low_counts is not None and 0 in data[columns.low_counts]:
            np.maximum(reads["count"], 1, out=reads["count"])
        if layout.uptime or not layout.is_whole:
            self._complete(layout, reads)
        self._last = layout, data
        if layout.uptime:
            self._carry()  # with the offset of now
        return reads

    def _complete(self, layout: Layout, reads: Reads) -> None:
        """Times that are not given as they are wanted: from the reader's start, or only one of the two, ever."""
        _, _, first_us, last_us, _, _ = self._carried
        for name in layout.uptime:
            reads[COLUMNS[name]] += self.uptime_offset_us
        if "first" not in layout.present and first_us is None:
            reads["first_at_us"] = reads["at_us"]
        elif "last" not in layout.present and last_us is None:
            reads["at_us"] = reads["first_at_us"]

    def _rows(self, shape: _Shape, frame: bytes) -> bytearray:
        """The few records of a frame of this shape, one by one, as bytes of READ_DTYPE."""
        layout = shape.layout
        rows = bytearray()
        for at in range(HEADER.size, len(frame), layout.length):
            rows += self._row(layout, layout.row.unpack_from(frame, at))
        return rows

    def _mixed_rows(self, frame: bytes) -> bytearray:
        """The records of a frame, whatever their layouts and what else is in it, as bytes of READ_DTYPE."""
        _check_header(frame)
        self._learnt = 0
        before = self._carry()
        rows = bytearray()
        at, end = HEADER.size, len(frame)
        try:
            while at < end:
                length = _parameter_length(frame, at, end)
                if frame[at] == 0 and frame[at + 1] == TAG_REPORT_DATA:
                    layout = self._recognise(frame[at : at + length])
                    rows += self._row(layout, layout.row.unpack_from(frame, at))
                at += length
        except DecodeError:
            self._carried, self._last = before, None
            raise
        return rows

    def _recognise(self, record: bytes) -> Layout:
        """The layout of this record, learnt now if it is new."""
        for layout in self._layouts.get(len(record), ()):
            if layout.holds(record):
                return layout
        layout = Layout(record)
        if self._kept_layouts >= MAX_LAYOUTS:
            self._layouts.clear()
            self._forget()
            self._kept_layouts = 0
        self._layouts.setdefault(len(record), []).append(layout)
        self._kept_layouts += 1
        self._learnt += 1
        if self._learnt > MAX_LEARNT_PER_REPORT:
            refuse(f"the report mixes more than {MAX_LEARNT_PER_REPORT} layouts", M_OVERFLOW_PARAMETER)
        return layout

    def _carry(self) -> Carried:
        """What the next record may leave out."""
        if self._last is not None:
            (layout, data), self._last = self._last, None
            self._row(layout, layout.row.unpack_from(data, len(data) - layout.length))
        return self._carried

    def _row(self, layout: Layout, values: tuple[Any, ...]) -> bytes:
        """One record as bytes of READ_DTYPE; what the next one may leave out is carried."""
        carried = NOTHING if layout.is_whole else self._carry()
        epc, antenna, rssi_dbm, first_us, last_us, seen, phase = layout.pick(values + carried)
        if layout.rssi_is_centi:
            rssi_dbm /= CENTI_DBM
        if layout.uptime:
            if "first" in layout.uptime:
                first_us += self.uptime_offset_us
            if "last" in layout.uptime:
                last_us += self.uptime_offset_us
        self._carried = antenna, rssi_dbm, first_us, last_us, seen or 1, math.nan
        self._last = None
        if last_us is None:
            last_us = first_us or 0
        if first_us is None:
            first_us = last_us
        number = self._epcs.number(epc)
        return ROW.pack(number, antenna, rssi_dbm, first_us, last_us, seen or 1, phase * RAD_PER_PHASE_STEP)


class _Shape:
    """Frames of one length that hold nothing but records of one layout: every byte of them but values and the
    message's id."""

    __slots__ = ("_expected", "_mask", "bytes", "columns", "layout", "records", "start")

    def __init__(self, frame: bytes, layout: Layout, columns: Columns | None) -> None:
        self.layout, self.columns = layout, columns
        self.records = (len(frame) - HEADER.size) // layout.length
        self.start = frame[: len(FIXED_START)]
        self.bytes = SHAPE_BYTES
        if columns is None:
            # Of a few records an integer is quicker than an array.
            self._mask = int.from_bytes(FIXED_START + ANY_ID + layout.fixed * self.records)
            self._expected = int.from_bytes(self.start + ANY_ID + layout.pattern * self.records)
            self.bytes += 2 * len(frame)

    def holds(self, frame: bytes) -> bool:
        """Whether a frame of this length has this shape; if so, its columns take it."""
        if self.columns is None:
            return int.from_bytes(frame) & self._mask == self._expected
        return frame.startswith(self.start) and self.columns.take(frame)


def _runs(frames: Sequence[bytes]) -> Iterator[list[bytes]]:
    """Frames of one length that follow each other, as many as are read together."""
    for length, group in groupby(frames, key=len):
        few = max(1, TOGETHER_BYTES // max(1, length))
        while run := list(islice(group, few)):
            yield run


def _blank(carried: Carried) -> bytes:
    """A row of READ_DTYPE as the last record leaves it to the next one."""
    antenna, rssi_dbm, first_us, last_us, seen, phase_rad = carried
    return ROW.pack(0, antenna, rssi_dbm, first_us or 0, last_us or 0, seen, phase_rad)


WHOLE: Final = _blank(NOTHING)
"""A row under records that leave nothing out but the phase."""


def _check_header(frame: bytes) -> None:
    """Refuse what is no whole RO_ACCESS_REPORT."""
    if len(frame) < HEADER.size:
        raise DecodeError("shorter than a header", status_code=M_FIELD_ERROR, where="RO_ACCESS_REPORT")
    word, length, _ = HEADER.unpack_from(frame)
    if word in START_WORDS and length == len(frame):
        return
    if word & 0x3FF != RO_ACCESS_REPORT:
        message, status_code = f"message type {word & 0x3FF} is no report", M_UNSUPPORTED_MESSAGE
    elif length != len(frame):
        message, status_code = f"the header claims {length} bytes of {len(frame)}", M_FIELD_ERROR
    else:
        message, status_code = f"protocol version {word >> 10}", M_UNSUPPORTED_VERSION
    raise DecodeError(message, status_code=status_code, where="RO_ACCESS_REPORT")


def _parameter_length(frame: bytes, at: int, end: int) -> int:
    """The length of the parameter at `at`, which a report may hold and which ends within it."""
    if end - at < TLV_HEADER.size:
        raise DecodeError(f"{end - at} bytes are left over", status_code=M_PARAMETER_ERROR, where="RO_ACCESS_REPORT")
    kind, length = TLV_HEADER.unpack_from(frame, at)
    if kind != TAG_REPORT_DATA and kind not in OTHERS:
        raise DecodeError(
            f"parameter type {kind} does not belong here", status_code=M_UNEXPECTED_PARAMETER, where="RO_ACCESS_REPORT"
        )
    if not TLV_HEADER.size <= length <= end - at:
        raise DecodeError(
            f"parameter type {kind} claims {length} bytes, {end - at} are here",
            status_code=M_PARAMETER_ERROR,
            where="RO_ACCESS_REPORT",
        )
    return int(length)
