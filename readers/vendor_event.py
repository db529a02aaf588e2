"""What the vendors' own interfaces say, in one form, and what it means for the gateway (pure).

    payload ──impinj_event, zebra_event──▶ VendorEvent … ──VendorReader──▶ ReadBatch, ReaderState, ReaderNotice

These interfaces have no handshake that says "inventory runs from now on", so it is concluded:

    state   on                                             does                                   to
    -----   --                                             ----                                   --
    off     the reader says it is running                  antennas on                            on
    off     a read (but see below)                         antennas on, from its time, or from    on
                                                           STRAGGLER_US ago if that is later
    on      the reader says it is not running              antennas off                           off
    on      the link is lost, or silence for `silence_s`   antennas off since it was last heard   off
    any     reads                                          handed on
    any     something unusable                             a notice, once for each kind of fault
    any     a sign of life                                 silence begins anew

A read turns a reader that said it stopped on again only when it was made STRAGGLER_US after that: reads of the moment
before may arrive behind the word.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, Literal

from readers.read import EpcTable, ReadBatch, ReaderEvent, ReaderNotice, ReaderState, empty_reads, to_us

STRAGGLER_US: Final = 2_000_000
"""Reads on their way when a reader says it has stopped are at most this late: events travel within a second."""

OLDEST_US: Final = 86_400_000_000
NEWEST_US: Final = 60_000_000
"""A read may be a day old, as readers keep what they could not deliver, and a minute ahead. Any other time is that of a
clock that was never set: the read then carries the gateway's, and the fault is told."""

MAX_PORT: Final = 65_535
MAX_COUNT: Final = 65_535
"""READ_DTYPE keeps antenna and count in 16 bits, as LLRP does."""

MAX_EPC_BYTES: Final = 62
"""Gen2's PC word counts at most 31 words of EPC."""

ClockOf = Literal["reader", "gateway"]


@dataclass(frozen=True, slots=True)
class TagSeen:
    """One tag event. What the reader left out is None, or NaN."""

    epc: bytes
    antenna: int | None = None
    rssi_dbm: float = math.nan
    at_us: int | None = None
    count: int = 1
    phase_rad: float = math.nan


@dataclass(frozen=True, slots=True)
class InventoryStatus:
    """The reader's own word on whether it inventories."""

    running: bool
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Alive:
    """The reader said something that is about no tag: it lives."""


@dataclass(frozen=True, slots=True)
class Unusable:
    """An event that cannot become a read. `kind` groups faults, `detail` tells the first one of them."""

    kind: str
    detail: str


VendorEvent = TagSeen | InventoryStatus | Alive | Unusable


class VendorReader:
    """The state of one reader that speaks its vendor's language. `clock_of` says whose time a read carries. A reader
    not heard for `silence_s` counts as off where silence is all there is to go by; `doubt_s` is how long it may be gone
    before whoever listens to it knows, by that or otherwise.
    """

    def __init__(
        self,
        name: str,
        antennas: Sequence[int],
        epcs: EpcTable,
        *,
        clock_of: ClockOf = "reader",
        silence_s: float,
        doubt_s: float,
    ) -> None:
        self._name = name
        self._antennas = frozenset(antennas)
        self._only_antenna = antennas[0] if len(antennas) == 1 else None
        self._epcs = epcs
        self._clock_of = clock_of
        self._silence_us = round(silence_s * 1e6)
        self._doubt_us = round(doubt_s * 1e6)
        self._heard_at_us = 0
        self._off_until_us = 0
        self._told: set[str] = set()
        self.is_on = False

    def take(self, events: Sequence[VendorEvent], received_at_us: int) -> list[ReaderEvent]:
        """What the gateway is to know of events that came together. No event means that nothing was heard of it."""
        if not events:
            return []
        self._heard_at_us = received_at_us
        out: list[ReaderEvent] = []
        seen: list[TagSeen] = []
        for event in events:
            if isinstance(event, TagSeen):
                antenna = event.antenna if event.antenna is not None else self._only_antenna
                if antenna is None:
                    fault = Unusable("antenna", "a read does not say by which of several antennas: switch the field on")
                    out += self._complain(fault, received_at_us)
                else:
                    seen.append(event)
            elif isinstance(event, Unusable):
                out += self._complain(event, received_at_us)
            elif isinstance(event, InventoryStatus):
                out += self._reads(seen, received_at_us)
                seen = []
                out += self._status(event, received_at_us)
        return out + self._reads(seen, received_at_us)

    def lost(self, detail: str) -> list[ReaderEvent]:
        """The link is gone: the antennas saw until the reader was last heard, not until somebody noticed."""
        return self._turn_off(self._heard_at_us, detail) if self.is_on else []

    def check_silence(self, now_us: int) -> list[ReaderEvent]:
        """Has a reader that cannot be asked fallen silent?"""
        if not self.is_on or now_us - self._heard_at_us < self._silence_us:
            return []
        return self.lost(f"nothing heard for {self._silence_us / 1e6:g} s")

    def doubted_for(self, doubt_s: float, now_us: int) -> list[ReaderEvent]:
        """It turned out that this is how long the reader may be gone before anybody knows."""
        self._doubt_us = round(doubt_s * 1e6)
        return self._turn_on(now_us) if self.is_on else []

    def _status(self, status: InventoryStatus, received_at_us: int) -> list[ReaderEvent]:
        if not status.running:
            self._off_until_us = received_at_us + STRAGGLER_US
            return self._turn_off(received_at_us, status.detail or "the reader has stopped") if self.is_on else []
        self._off_until_us = 0
        return [] if self.is_on else self._turn_on(received_at_us)

    def _reads(self, seen: Sequence[TagSeen], received_at_us: int) -> list[ReaderEvent]:
        if not seen:
            return []
        reads = empty_reads(len(seen))
        reads["epc"] = self._epcs.numbers([one.epc for one in seen])
        reads["antenna"] = [self._only_antenna if one.antenna is None else one.antenna for one in seen]
        reads["rssi_dbm"] = [one.rssi_dbm for one in seen]
        reads["at_us"] = reads["first_at_us"] = times_us = [self._time_of(one, received_at_us) for one in seen]
        reads["count"] = [one.count for one in seen]
        reads["phase_rad"] = [one.phase_rad for one in seen]
        out: list[ReaderEvent] = []
        if any(one.at_us not in (None, at_us) for one, at_us in zip(seen, times_us, strict=True)) and (
            self._clock_of == "reader"
        ):
            fault = Unusable("clock", 'the reader\'s clock is not set: set it, or the option clock = "gateway"')
            out += self._complain(fault, received_at_us)
        if not self.is_on and max(times_us) >= self._off_until_us:
            out += self._turn_on(min(max(min(times_us), received_at_us - STRAGGLER_US), received_at_us))
        return [*out, ReadBatch(self._name, reads, received_at_us)]

    def _time_of(self, one: TagSeen, received_at_us: int) -> int:
        if one.at_us is None or self._clock_of == "gateway":
            return received_at_us
        believable = received_at_us - OLDEST_US <= one.at_us <= received_at_us + NEWEST_US
        return one.at_us if believable else received_at_us

    def _turn_on(self, at_us: int) -> list[ReaderEvent]:
        self.is_on = True
        return [ReaderState(self._name, self._antennas, at_us, doubt_us=self._doubt_us)]

    def _turn_off(self, at_us: int, detail: str) -> list[ReaderEvent]:
        self.is_on = False
        return [ReaderState(self._name, frozenset(), at_us, detail)]

    def _complain(self, fault: Unusable, at_us: int) -> list[ReaderEvent]:
        if fault.kind in self._told:
            return []
        self._told.add(fault.kind)
        return [ReaderNotice(self._name, "fault", f"{fault.kind}: {fault.detail}", at_us)]


def iso_us(text: object) -> int | None:
    """Microseconds since 1970 of an ISO 8601 time with an offset, a colon in it or not; None of anything else."""
    if not isinstance(text, str):
        return None
    try:
        at = datetime.fromisoformat(text)
        return None if at.tzinfo is None else to_us(at)
    except (ValueError, OverflowError):
        return None


def number(fields: Mapping[str, Any], name: str) -> float:
    """A field as a finite number; NaN where it is absent or none."""
    value = fields.get(name)
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        return math.nan
    return float(value)


def whole(fields: Mapping[str, Any], name: str, most: int) -> int | None:
    """A field as a whole number from 1 to `most`; None where it is absent or none."""
    value = fields.get(name)
    return value if isinstance(value, int) and not isinstance(value, bool) and 1 <= value <= most else None


def epc_of_hex(text: object) -> bytes | None:
    """EPC memory of hex digits; None of anything that Gen2 memory cannot hold."""
    if not isinstance(text, str):
        return None
    try:
        return epc_of_bytes(bytes.fromhex(text))
    except ValueError:
        return None


def epc_of_bytes(epc: bytes) -> bytes | None:
    """These bytes when they are whole words that Gen2 memory can hold."""
    return epc if 0 < len(epc) <= MAX_EPC_BYTES and len(epc) % 2 == 0 else None
