"""From sightings to RO_ACCESS_REPORT bytes: what a report holds, what is merged in it, and when it is full.

A reader gathers what it saw in a buffer and sends it when the ROReportSpec's trigger says so (LLRP 1.0.1 §13.2).
Sightings of one tag are merged while they wait for the same report, unless an enabled field tells them apart
(§13.2.3.1): the first and last time, the strongest RSSI and the number of sightings are kept. With N = 1 nothing
waits, so nothing is merged.

Records are built as one numpy array for each EPC length: a reader of this simulator serves thousands of tags a second.
"""

from __future__ import annotations

import itertools
import math
import struct
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import IntEnum
from types import MappingProxyType
from typing import Any, Final

import numpy as np

from readers.llrp.message import Parameter
from readers.llrp.requests import (
    IMPINJ_ENABLE_PEAK_RSSI,
    IMPINJ_ENABLE_RF_PHASE_ANGLE,
    IMPINJ_TAG_REPORT_CONTENT_SELECTOR,
)
from readers.llrp.vendor import CENTI_DBM, IMPINJ, IMPINJ_PEAK_RSSI, IMPINJ_RF_PHASE_ANGLE, RAD_PER_PHASE_STEP
from simulators.llrp.access import Access
from simulators.llrp.clock import ReaderClock
from simulators.sighting import Sightings
from simulators.tag_memory import gen2_crc

RO_ACCESS_REPORT: Final = 61
HEADER: Final = struct.Struct("!HII")
CUSTOM: Final = 1023

MAX_BUFFERED_TAGS: Final = 2000
"""A report of a reader that waits for the end of its ROSpec is sent in parts of this many tags at the latest: about
130 kB, well below what any client takes for a lie."""

EPC_96_BYTES: Final = 12
MAX_TAG_COUNT: Final = 0xFFFF

NO_ACCESS: Final[Mapping[int, Access]] = MappingProxyType({})


class ReportTrigger(IntEnum):
    """ROReportTriggerType: only when asked, or after N tags or the end of an AISpec or of the ROSpec; in LLRP 1.1 also
    after N seconds or milliseconds (1.1 §14.2.1).
    """

    NONE = 0
    END_OF_AISPEC = 1
    END_OF_ROSPEC = 2
    SECONDS_OR_END_OF_AISPEC = 3
    SECONDS_OR_END_OF_ROSPEC = 4
    MILLISECONDS_OR_END_OF_AISPEC = 5
    MILLISECONDS_OR_END_OF_ROSPEC = 6


ENDS_WITH_AISPEC: Final = frozenset(
    {
        ReportTrigger.END_OF_AISPEC,
        ReportTrigger.SECONDS_OR_END_OF_AISPEC,
        ReportTrigger.MILLISECONDS_OR_END_OF_AISPEC,
    }
)

PERIOD_US: Final[Mapping[int, int]] = MappingProxyType(
    {
        ReportTrigger.SECONDS_OR_END_OF_AISPEC: 1_000_000,
        ReportTrigger.SECONDS_OR_END_OF_ROSPEC: 1_000_000,
        ReportTrigger.MILLISECONDS_OR_END_OF_AISPEC: 1000,
        ReportTrigger.MILLISECONDS_OR_END_OF_ROSPEC: 1000,
    }
)
"""Triggers by time → what one of N is."""


@dataclass(frozen=True, slots=True)
class ReportContent:
    """Which fields the client asked for, and when a report goes out: after N tags or a time (0 for none)."""

    trigger: int = ReportTrigger.END_OF_ROSPEC
    every_n: int = 1
    period_us: int = 0
    rospec_id: bool = True
    spec_index: bool = True
    inventory_parameter_spec_id: bool = True
    antenna: bool = True
    channel: bool = True
    rssi: bool = True
    first_seen: bool = True
    last_seen: bool = True
    count: bool = True
    access_spec_id: bool = True
    crc: bool = False
    pc: bool = False
    centi_rssi: bool = False
    phase: bool = False

    @classmethod
    def of(cls, spec: Parameter) -> ReportContent:
        """Read an ROReportSpec."""
        selector = spec.find("TagReportContentSelector")
        assert selector is not None
        trigger = spec.fields["ROReportTrigger"]
        asked, memory = selector.fields, selector.find("C1G2EPCMemorySelector")
        choices = set(_impinj_choices(spec))
        return cls(
            trigger=trigger,
            every_n=0 if trigger in PERIOD_US else spec.fields["N"],
            period_us=PERIOD_US.get(trigger, 0) * spec.fields["N"],
            rospec_id=asked["EnableROSpecID"],
            spec_index=asked["EnableSpecIndex"],
            inventory_parameter_spec_id=asked["EnableInventoryParameterSpecID"],
            antenna=asked["EnableAntennaID"],
            channel=asked["EnableChannelIndex"],
            rssi=asked["EnablePeakRSSI"],
            first_seen=asked["EnableFirstSeenTimestamp"],
            last_seen=asked["EnableLastSeenTimestamp"],
            count=asked["EnableTagSeenCount"],
            access_spec_id=asked["EnableAccessSpecID"],
            crc=bool(memory and memory.fields["EnableCRC"]),
            pc=bool(memory and memory.fields["EnablePCBits"]),
            centi_rssi=IMPINJ_ENABLE_PEAK_RSSI in choices,
            phase=IMPINJ_ENABLE_RF_PHASE_ANGLE in choices,
        )


def _impinj_choices(spec: Parameter) -> Iterator[int]:
    """Subtypes that Impinj's content selector switches on (a custom parameter with a 16-bit mode other than 0)."""
    for custom in spec.every("Custom"):
        if (custom.fields["VendorIdentifier"], custom.fields["ParameterSubtype"]) != (
            IMPINJ,
            IMPINJ_TAG_REPORT_CONTENT_SELECTOR,
        ):
            continue
        data: bytes = custom.fields["Data"]
        while len(data) >= 14:
            kind, length, vendor, subtype, mode = struct.unpack_from("!HHIIH", data)
            if kind == CUSTOM and vendor == IMPINJ and mode:
                yield subtype
            data = data[max(length, 14) :]


@dataclass(slots=True)
class Entry:
    """One TagReportData to be."""

    epc: bytes
    antenna: int
    spec_index: int
    parameter_spec_id: int
    rssi_dbm: float
    first_us: int
    last_us: int
    count: int
    phase_rad: float
    access: Access | None = None


Shape = tuple[int, bool, int]
"""What tells the layouts of one ROSpec's records apart: the EPC's length, whether there is a phase, and the length of
its operations' results."""


def _parts(content: ReportContent, shape: Shape, has_utc: bool) -> list[tuple[str, str, int]]:
    """The record as (name, numpy format, constant) in LLRP's order; a name that starts with `-` is a constant.

    A phase that nobody measured is left out: a phase of 0 would be a measurement.
    """
    epc_bytes, has_phase, result_bytes = shape
    parts = [("-type", ">u2", 240), ("-length", ">u2", 0)]
    if epc_bytes == EPC_96_BYTES:
        parts.append(("-epc", "u1", 0x80 | 13))
    else:
        parts += [("-epc", ">u2", 241), ("-epc_length", ">u2", 6 + epc_bytes), ("-epc_bits", ">u2", 8 * epc_bytes)]
    parts.append(("epc", f"S{epc_bytes}", 0))
    for is_asked, name, number, form in (
        (content.rospec_id, "rospec_id", 9, ">u4"),
        (content.spec_index, "spec_index", 14, ">u2"),
        (content.inventory_parameter_spec_id, "parameter_spec_id", 10, ">u2"),
        (content.antenna, "antenna", 1, ">u2"),
        (content.rssi, "rssi", 6, "i1"),
        (content.channel, "channel", 7, ">u2"),
        (content.first_seen, "first", 2 if has_utc else 3, ">u8"),
        (content.last_seen, "last", 4 if has_utc else 5, ">u8"),
        (content.count, "count", 8, ">u2"),
        (content.pc, "pc", 12, ">u2"),
        (content.crc, "crc", 11, ">u2"),
        (content.access_spec_id, "access_spec_id", 16, ">u4"),
    ):
        if is_asked:
            parts += [(f"-{name}", "u1", 0x80 | number), (name, form, 0)]
    if result_bytes:
        parts.append(("results", f"S{result_bytes}", 0))
    for is_asked, name, subtype, form in (
        (content.phase and has_phase, "phase", IMPINJ_RF_PHASE_ANGLE, ">u2"),
        (content.centi_rssi, "centi_rssi", IMPINJ_PEAK_RSSI, ">i2"),
    ):
        if is_asked:
            header = (
                ("type", ">u2", CUSTOM),
                ("length", ">u2", 14),
                ("vendor", ">u4", IMPINJ),
                ("kind", ">u4", subtype),
            )
            parts += [(f"-{name}_{part}", kind, value) for part, kind, value in header]
            parts.append((name, form, 0))
    return parts


def _shape(entry: Entry) -> Shape:
    results = entry.access.results if entry.access is not None else b""
    return len(entry.epc), not math.isnan(entry.phase_rad), len(results)


class RecordEncoder:
    """Encodes entries of one ROSpec: a template record for each shape, its columns filled at once."""

    def __init__(self, content: ReportContent, rospec_id: int, clock: ReaderClock | None = None) -> None:
        self._content = content
        self._rospec_id = rospec_id
        self._clock = clock or ReaderClock()
        self._templates: dict[Shape, np.ndarray[Any, Any]] = {}

    def encode(self, entries: Sequence[Entry]) -> list[bytes]:
        """One TagReportData each, in order."""
        records: list[bytes] = []
        for shape, run in itertools.groupby(entries, key=_shape):
            same = list(run)
            data = self.records(same, shape).tobytes()
            size = len(data) // len(same)
            records += [data[start : start + size] for start in range(0, len(data), size)]
        return records

    def _template(self, shape: Shape) -> np.ndarray[Any, Any]:
        template = self._templates.get(shape)
        if template is None:
            parts = _parts(self._content, shape, self._clock.has_utc)
            template = np.zeros(1, np.dtype([(name, form) for name, form, _ in parts]))
            for name, _, constant in parts:
                if name.startswith("-"):
                    template[name] = constant
            template["-length"] = template.dtype.itemsize
            if "rospec_id" in (template.dtype.names or ()):
                template["rospec_id"] = self._rospec_id
            self._templates[shape] = template
        return template

    def records(self, entries: Sequence[Entry], shape: Shape) -> np.ndarray[Any, Any]:
        """Entries of one shape as a structured array whose bytes are their TagReportData."""
        template = self._template(shape)
        records = np.repeat(template, len(entries))
        names = template.dtype.names or ()
        rssi_dbm = np.array([entry.rssi_dbm for entry in entries])
        columns: dict[str, Any] = {
            "epc": [entry.epc for entry in entries],
            "spec_index": [entry.spec_index for entry in entries],
            "parameter_spec_id": [entry.parameter_spec_id for entry in entries],
            "antenna": [entry.antenna for entry in entries],
            "rssi": np.clip(np.rint(rssi_dbm), -128, 127),
            "channel": 1,
            "first": [self._clock.shown(entry.first_us) for entry in entries],
            "last": [self._clock.shown(entry.last_us) for entry in entries],
            "count": [min(entry.count, MAX_TAG_COUNT) for entry in entries],
            "pc": [len(entry.epc) // 2 << 11 for entry in entries],
            "centi_rssi": np.clip(np.rint(rssi_dbm * CENTI_DBM), -32768, 32767),
        }
        if "phase" in names:
            turns = np.array([entry.phase_rad for entry in entries]) / RAD_PER_PHASE_STEP
            columns["phase"] = np.rint(turns).astype(np.int64) % 4096
        if "results" in names:
            accesses = [entry.access for entry in entries if entry.access is not None]
            columns["results"] = [access.results for access in accesses]
            columns["access_spec_id"] = [access.spec_id for access in accesses]
        if "crc" in names:
            columns["crc"] = [gen2_crc((len(e.epc) // 2 << 11).to_bytes(2, "big") + e.epc) for e in entries]
        for name, column in columns.items():
            if name in names:
                records[name] = column
        return records


@dataclass(slots=True)
class TagBuffer:
    """What one running ROSpec saw and has not reported yet."""

    content: ReportContent
    encoder: RecordEncoder
    _waiting: dict[tuple[Any, ...], Entry] = field(default_factory=dict)

    def add(
        self,
        sightings: Sightings,
        spec_index: int,
        parameter_spec_id: int,
        accesses: Mapping[int, Access] = NO_ACCESS,
    ) -> list[list[bytes]]:
        """Take sightings of one AISpec; the reports that are full now, as lists of records.

        `accesses` tells for rows of the sightings what AccessSpecs did to the tag.
        """
        limit = self.content.every_n or MAX_BUFFERED_TAGS
        if self.content.trigger == ReportTrigger.NONE:
            limit = sys.maxsize
        entries = _entries(sightings, spec_index, parameter_spec_id, accesses)
        if limit == 1:
            return [[record] for record in self.encoder.encode(list(entries))]
        full: list[Entry] = []
        content, waiting = self.content, self._waiting
        for entry in entries:
            key = (
                entry.epc,
                entry.antenna if content.antenna else 0,
                entry.spec_index if content.spec_index else 0,
                entry.parameter_spec_id if content.inventory_parameter_spec_id else 0,
                entry.access,
            )
            known = waiting.get(key)
            if known is None:
                waiting[key] = entry
                if len(waiting) == limit:
                    full += waiting.values()
                    waiting.clear()
            else:
                known.last_us = entry.last_us
                known.count += 1
                if entry.rssi_dbm > known.rssi_dbm:
                    known.rssi_dbm, known.phase_rad = entry.rssi_dbm, entry.phase_rad
        records = self.encoder.encode(full)
        return [records[start : start + limit] for start in range(0, len(records), limit)]

    def flush(self) -> list[bytes]:
        """Everything that waits, as the records of one report; empty when nothing waits."""
        records = self.encoder.encode(list(self._waiting.values()))
        self._waiting.clear()
        return records


def _entries(
    sightings: Sightings, spec_index: int, parameter_spec_id: int, accesses: Mapping[int, Access]
) -> Iterator[Entry]:
    phases = [math.nan] * len(sightings) if sightings.phase_rad is None else sightings.phase_rad.tolist()
    antennas, rssis, times = (column.tolist() for column in (sightings.antenna, sightings.rssi_dbm, sightings.at_us))
    rows = zip(sightings.epcs, antennas, rssis, times, phases, strict=True)
    for row, (epc, antenna, rssi_dbm, at_us, phase_rad) in enumerate(rows):
        done = accesses.get(row)
        yield Entry(epc, antenna, spec_index, parameter_spec_id, rssi_dbm, at_us, at_us, 1, phase_rad, done)


def report_frame(records: Sequence[bytes], message_id: int, version: int = 1) -> bytes:
    """An RO_ACCESS_REPORT of these records."""
    body = b"".join(records)
    return HEADER.pack(version << 10 | RO_ACCESS_REPORT, HEADER.size + len(body), message_id) + body
