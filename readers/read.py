"""The unit of flow at the edge: a batch of reads as one numpy structured array, never a Python object for each read.

EPCs are interned: an `EpcTable` gives each EPC a small number for the life of the process, and arrays carry numbers.
Times are microseconds since 1970 UTC (`int64`), the reader's own clock mapped to UTC by the driver.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final, Literal, cast

import numpy as np
from numpy.typing import NDArray

from readers.epc_index import EPC_96_BYTES, EpcIndex, Numbers, Sought

READ_DTYPE: Final = np.dtype(
    [
        ("epc", np.uint32),  # number in the EpcTable
        ("antenna", np.uint16),  # antenna port on the reader, 1-based as LLRP counts
        ("rssi_dbm", np.float32),  # peak RSSI of the report; NaN where the reader gives none
        ("first_at_us", np.int64),  # first seen in this report
        ("at_us", np.int64),  # last seen in this report
        ("count", np.uint16),  # TagSeenCount, at least 1
        ("phase_rad", np.float32),  # NaN where the reader gives none
    ]
)

Reads = NDArray[np.void]
"""A one-dimensional array of READ_DTYPE."""

EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


def to_us(at: datetime) -> int:
    """Microseconds since 1970 of an aware time."""
    return (at - EPOCH) // timedelta(microseconds=1)


def from_us(at_us: int) -> datetime:
    """Aware UTC time of microseconds since 1970."""
    return EPOCH + timedelta(microseconds=int(at_us))


def empty_reads(count: int = 0) -> Reads:
    """`count` zeroed reads with no RSSI, no phase and a count of one."""
    reads = np.zeros(count, READ_DTYPE)
    reads["rssi_dbm"] = np.nan
    reads["phase_rad"] = np.nan
    reads["count"] = 1
    return reads


def join_reads(parts: Iterable[Reads]) -> Reads:
    """All parts one after the other, as a new array. Joins bytes: numpy's own concatenation works out the common type
    of structured arrays anew for each of them, which takes longer than decoding a report."""
    several = list(parts)
    try:
        joined = bytearray().join(cast("list[memoryview]", several))
    except TypeError:  # one of them is a slice with gaps, which numpy does not show as bytes
        joined = bytearray().join([part.tobytes() for part in several])
    return np.frombuffer(joined, READ_DTYPE)


NO_NUMBERS: Final = np.empty(0, np.uint32)


class EpcTable:
    """EPC bytes ↔ number, append-only, one for each process. Numbers are dense, from 0."""

    def __init__(self) -> None:
        self._numbers: dict[bytes, int] = {}
        self._epcs: list[bytes] = []
        self._index = EpcIndex()

    def __len__(self) -> int:
        return len(self._epcs)

    def number(self, epc: bytes) -> int:
        """The number of this EPC, made at its first sight."""
        known = self._numbers.get(epc)
        if known is None:
            known = self._numbers[epc] = len(self._epcs)
            self._epcs.append(epc)
            if len(epc) == EPC_96_BYTES:
                self._index.keep(known, epc)
        return known

    def numbers(self, epcs: Iterable[bytes]) -> NDArray[np.uint32]:
        """The numbers of many EPCs, in order. Quickest for a list of EPCs already known."""
        wanted = epcs if isinstance(epcs, list) else list(epcs)
        known = list(map(self._numbers.get, wanted))
        try:
            return np.frombuffer(array("I", cast("list[int]", known)), np.uint32, len(known)) if known else NO_NUMBERS
        except TypeError:  # a None among them: an EPC at its first sight
            return np.array([self.number(epc) for epc in wanted], np.uint32)

    def numbers_96(self, sought: Sought) -> Numbers:
        """The numbers of 96-bit EPCs, in order. Quickest for half a dozen or more."""
        numbers = self._index.look_up(sought)
        if 1 in sought.differing:
            for place in sought.unsure():
                numbers[place] = number = self.number(sought.epcs[place].tobytes())
                self._index.correct(sought, place, number)
        return numbers

    def epc(self, number: int) -> bytes:
        """The EPC of a number. Raises IndexError for one never given out."""
        return self._epcs[number]

    def hex(self, number: int) -> str:
        """The EPC of a number as upper-case hex."""
        return self._epcs[number].hex().upper()


@dataclass(frozen=True, slots=True)
class ReadBatch:
    """Reads of one reader, as they came, and when they came (gateway's clock, microseconds)."""

    reader: str
    reads: Reads
    received_at_us: int


LINK_DOUBT_US: Final = 10_000_000
"""A driver knows of a dead link within this if it does not say otherwise: two of the longest keepalive periods that
the LLRP driver allows."""


@dataclass(frozen=True, slots=True)
class ReaderState:
    """A reader began or ceased to see: from `at_us` on its antennas are on (`antennas` ports) or off (empty).

    Silence of a reader is not absence of tags: presence windows count only the time an antenna was on. `idle` says that
    a reader whose antennas are off is well, and waits for its trigger (a photo-eye) to begin. `doubt_us` is how long
    the driver may take to notice that the reader is gone: until then silence may be the link's.
    """

    reader: str
    antennas: frozenset[int]
    at_us: int
    detail: str = ""
    idle: bool = False
    doubt_us: int = LINK_DOUBT_US


@dataclass(frozen=True, slots=True)
class ReaderNotice:
    """Something an operator must hear of: lost report data, an antenna gone, a hardware fault."""

    reader: str
    kind: Literal["overflow", "antenna_lost", "antenna_back", "fault"]
    detail: str
    at_us: int


@dataclass(frozen=True, slots=True)
class GpiChange:
    """A general-purpose input (photo-eye) of a reader changed its level."""

    reader: str
    port: int
    high: bool
    at_us: int


ReaderEvent = ReadBatch | ReaderState | ReaderNotice | GpiChange
