"""RO_ACCESS_REPORT bytes → structured array: the hot path.

A report whose records all have the layout of the first (the usual case) is validated and read as columns. Short
reports, where numpy costs more than it saves, and mixed ones are read record by record with learnt layouts. Both give
the same values.

LLRP lets a reader leave out an enabled parameter whose value has not changed (LLRP 1.0.1 §13.2.3), so the decoder
remembers the last value of each; a parameter the ROSpec does not enable never comes, so it is never remembered.
"""

from __future__ import annotations

import math
from struct import Struct
from typing import Any, Final

import numpy as np

from readers.errors import DecodeError
from readers.llrp.codec import HEADER, TLV_HEADER, VERSIONS
from readers.llrp.layout import A_OUT_OF_RANGE, TIME_BITS, Layout, refuse
from readers.llrp.vendor import CENTI_DBM, RAD_PER_PHASE_STEP
from readers.read import READ_DTYPE, EpcTable, Reads

RO_ACCESS_REPORT: Final = 61
TAG_REPORT_DATA: Final = 240
OTHERS: Final = frozenset({242, 1023})
"""What else a report may hold: RFSurveyReportData and Custom, stepped over."""

START: Final = Struct("!HIIHH")
"""A message's header and that of its first parameter."""

START_WORDS: Final = frozenset(version << 10 | RO_ACCESS_REPORT for version in VERSIONS)

ROW: Final = Struct("=IHfqqHf")
"""READ_DTYPE as a struct, to write reads one by one."""

COLUMNS_FROM: Final = 8
"""From this many records on, columns are quicker than rows (measured on a shared core: equal at 5 to 8)."""

MAX_LAYOUTS: Final = 64
"""Layouts kept. A reader sends a handful: EPC lengths, with and without what has not changed."""

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
        self._kept = 0
        self._learnt = 0
        self._carried: Carried = NOTHING

    def reset(self) -> None:
        """Forget the carried values and the offset: a new connection starts afresh."""
        self._carried = NOTHING
        self.uptime_offset_us = 0

    def decode(self, frame: bytes) -> Reads:
        """The reads of one RO_ACCESS_REPORT frame, in order. Times are 0 while the reader has given none.

        Raises DecodeError for a frame that is no such report or breaks the protocol; nothing is carried from it.
        """
        self._learnt = 0
        if len(frame) < START.size:
            _check_header(frame)
            return self._decode_rows(frame)
        word, claimed, _, kind, length = START.unpack_from(frame)
        if word not in START_WORDS or claimed != len(frame):
            _check_header(frame)
        if kind == TAG_REPORT_DATA:
            size = claimed - HEADER.size
            if length == size:
                return self._decode_one(frame, length)
            if length and size % length == 0 and size // length >= COLUMNS_FROM:
                reads = self._decode_columns(frame, length, size // length)
                if reads is not None:
                    return reads
        return self._decode_rows(frame)

    def _decode_one(self, frame: bytes, length: int) -> Reads:
        """The one record of a report: what readers send that report every tag at once."""
        layout, row = self._recognise(frame, HEADER.size, length)
        epc, values, self._carried = self._values(layout, row, self._carried)
        return np.frombuffer(bytearray(ROW.pack(self._epcs.number(epc), *values)), READ_DTYPE)

    def _decode_columns(self, frame: bytes, length: int, count: int) -> Reads | None:
        """All records at once when they have the layout of the first; None when they do not."""
        layout, _ = self._recognise(frame, HEADER.size, length)
        if layout.dtype is None:
            return None
        view = np.frombuffer(frame, np.uint8, offset=HEADER.size).reshape(count, length)
        if view.take(layout.checked, axis=1).tobytes() != layout.pattern * count:
            return None
        columns = np.frombuffer(frame, layout.dtype, count, HEADER.size)
        reads = np.empty(count, READ_DTYPE)
        reads["epc"] = self._epcs.numbers(columns["epc"].tolist())
        self._fill(layout, columns, reads)
        last = layout.row.unpack_from(frame, len(frame) - length)
        _, _, self._carried = self._values(layout, last, self._carried)
        return reads

    def _fill(self, layout: Layout, columns: Reads, reads: Reads) -> None:
        """Every column but the EPC, absent ones from what was carried."""
        present = layout.present
        antenna, rssi_dbm, first_us, last_us, seen, _ = self._carried
        reads["antenna"] = columns["antenna"] if "antenna" in present else antenna
        if layout.rssi_is_centi:
            np.divide(columns["rssi"], CENTI_DBM, out=reads["rssi_dbm"], dtype=np.float64, casting="same_kind")
        else:
            reads["rssi_dbm"] = columns["rssi"] if "rssi" in present else rssi_dbm
        for name, column, carried in (("first", "first_at_us", first_us), ("last", "at_us", last_us)):
            if name in present:
                reads[column] = columns[name]
                if name in layout.uptime:
                    reads[column] += self.uptime_offset_us
            else:
                reads[column] = carried or 0
        if "first" not in present and first_us is None:
            reads["first_at_us"] = reads["at_us"]
        elif "last" not in present and last_us is None:
            reads["at_us"] = reads["first_at_us"]
        if "count" in present:
            np.maximum(columns["count"], 1, out=reads["count"])
        else:
            reads["count"] = seen
        if "phase" in present:
            np.multiply(
                columns["phase"], RAD_PER_PHASE_STEP, out=reads["phase_rad"], dtype=np.float64, casting="same_kind"
            )
        else:
            reads["phase_rad"] = math.nan

    def _decode_rows(self, frame: bytes) -> Reads:
        """Record by record, whatever their layouts."""
        carried = self._carried
        epcs: list[bytes] = []
        rows: list[tuple[Any, ...]] = []
        at, end = HEADER.size, len(frame)
        while at < end:
            length = _parameter_length(frame, at, end)
            if frame[at] == 0 and frame[at + 1] == TAG_REPORT_DATA:
                layout, row = self._recognise(frame, at, length)
                epc, values, carried = self._values(layout, row, carried)
                epcs.append(epc)
                rows.append(values)
            at += length
        buffer = bytearray(ROW.size * len(rows))
        for index, (number, row) in enumerate(zip(self._epcs.numbers(epcs).tolist(), rows, strict=True)):
            ROW.pack_into(buffer, index * ROW.size, number, *row)
        self._carried = carried
        return np.frombuffer(buffer, READ_DTYPE)

    def _recognise(self, frame: bytes, at: int, length: int) -> tuple[Layout, tuple[Any, ...]]:
        """The layout of the record at `at`, learnt now if it is new, and the record as its tuple."""
        for layout in self._layouts.get(length, ()):
            row = layout.row.unpack_from(frame, at)
            if layout.key(row) == layout.expected:
                return layout, row
        layout = Layout(frame[at : at + length])
        if self._kept >= MAX_LAYOUTS:
            self._layouts.clear()
            self._kept = 0
        self._layouts.setdefault(length, []).append(layout)
        self._kept += 1
        self._learnt += 1
        if self._learnt > MAX_LEARNT_PER_REPORT:
            refuse(f"the report mixes more than {MAX_LEARNT_PER_REPORT} layouts", M_OVERFLOW_PARAMETER)
        return layout, layout.row.unpack_from(frame, at)

    def _values(self, layout: Layout, row: tuple[Any, ...], carried: Carried) -> tuple[bytes, tuple[Any, ...], Carried]:
        """One record's EPC, the READ_DTYPE values behind it, and what the next record may leave out."""
        epc, antenna, rssi_dbm, first_us, last_us, seen, phase = layout.pick(row + carried)
        if layout.rssi_is_centi:
            rssi_dbm /= CENTI_DBM
        if (layout.has_first and first_us >> TIME_BITS) or (layout.has_last and last_us >> TIME_BITS):
            refuse("a time lies beyond the year 4253", A_OUT_OF_RANGE)
        if layout.uptime:
            if "first" in layout.uptime:
                first_us += self.uptime_offset_us
            if "last" in layout.uptime:
                last_us += self.uptime_offset_us
        after = (antenna, rssi_dbm, first_us, last_us, seen or 1, math.nan)
        if last_us is None:
            last_us = first_us or 0
        if first_us is None:
            first_us = last_us
        return epc, (antenna, rssi_dbm, first_us, last_us, seen or 1, phase * RAD_PER_PHASE_STEP), after


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
