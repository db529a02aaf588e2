"""A load generator that speaks real LLRP: tags pass at a steady rate, and their reports are encoded beforehand.

`SteadyTags` is an ordinary TagSource: `tags` EPCs in turn, one each `1 / rate_hz` seconds, the antennas in turn. Where
the active ROSpec reports each N tags and nothing may merge or alter them (no operations, no filters, no stop by
observation, N no more than the tags), the session need not look at every sighting: `SteadyFrames` holds whole report
frames, and a slice of time costs a copy of some of them with message ids and timestamps patched in. Anything else takes
the general way, and the bytes are the same either way.
"""

from __future__ import annotations

import math
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from simulators.llrp.clock import ReaderClock
from simulators.llrp.report import HEADER, RO_ACCESS_REPORT, Entry, RecordEncoder
from simulators.llrp.rospec import Run, Window
from simulators.llrp.session import ReaderSide
from simulators.sighting import Sightings

EPC_HEAD: Final = bytes.fromhex("3034257bf7194e40")
"""SGTIN-96 of a GTIN from GS1's own range for examples, before the serial number."""

SERIAL_BITS: Final = 32
RSSI_DBM: Final = -60.0

MAX_CYCLE: Final = 4096
"""Frames that are kept encoded for one reader: above it a cycle of tags and frames takes the general way."""

NANO: Final = 1_000_000_000
"""Microseconds times thousandths of a hertz."""


class SteadyTags:
    """`tags` tags, numbered from `first_serial`, read in turn at `rate_hz` altogether. Implements TagSource."""

    def __init__(self, tags: int, rate_hz: float, antennas: int, first_serial: int = 0) -> None:
        self.tags = tags
        self.antennas = antennas
        self._rate_mhz = round(rate_hz * 1000)
        self.epcs = [EPC_HEAD + (first_serial + tag).to_bytes(SERIAL_BITS // 8, "big") for tag in range(tags)]

    def number_at(self, at_us: int) -> int:
        """How many sightings there were up to and including an instant; they are numbered from 1."""
        return at_us * self._rate_mhz // NANO

    def times_us(self, first: int, count: int) -> NDArray[np.int64]:
        """When sightings `first` and those behind it are made."""
        begin_us = -(-first * NANO // self._rate_mhz)
        past = begin_us * self._rate_mhz - first * NANO
        return begin_us - (past - np.arange(count, dtype=np.int64) * NANO) // self._rate_mhz

    def tag_of(self, number: int) -> int:
        """Which tag a sighting is of."""
        return number % self.tags

    def antenna_of(self, number: int) -> int:
        """Which antenna makes a sighting: each tag stands before one of them."""
        return self.tag_of(number) % self.antennas + 1

    def inventory(self, reader: str, antennas: frozenset[int], from_us: int, to_us: int) -> Sightings:
        """What passes in (from_us, to_us]; tags before an antenna that is off are not seen."""
        del reader
        first = self.number_at(from_us) + 1
        return self.sightings(first, self.number_at(to_us) + 1 - first, antennas)

    def sightings(self, first: int, count: int, antennas: frozenset[int]) -> Sightings:
        """Sightings `first` and those behind it, through some antennas."""
        times = enumerate(self.times_us(first, count).tolist(), first)
        rows = [(number, at) for number, at in times if self.antenna_of(number) in antennas]
        return Sightings(
            [self.epcs[self.tag_of(number)] for number, _ in rows],
            np.array([self.antenna_of(number) for number, _ in rows], np.uint16),
            np.full(len(rows), RSSI_DBM, np.float32),
            np.array([at for _, at in rows], np.int64),
        )


class SteadyFrames:
    """Report frames of one reader's steady tags, encoded beforehand; serves windows of time while it may."""

    def __init__(self, source: SteadyTags, side: ReaderSide) -> None:
        self._source = source
        self._side = side
        self._ports = frozenset(range(1, source.antennas + 1))
        self._run: Run | None = None
        self._version = 0
        self._upto_us = 0
        self._base = 0
        """The sighting that the first frame begins with."""
        self._sent = 0
        self._cycle: NDArray[np.void] = np.empty(0, np.void)

    def serve(self, window: Window, antennas: frozenset[int]) -> bool:
        """Send what the window brings and move past it; False when the general way must be taken."""
        run, side = self._side.radio.active, self._side
        assert run is not None
        if not self._may_serve(run, antennas):
            side.radio.settle()
            return False
        is_going_on = run is self._run and run.unreported is not None and window.from_us == self._upto_us
        if not is_going_on or side.version != self._version:
            side.radio.settle()
            self._begin(run, window.from_us)
        source, every_n = self._source, run.rospec.content.every_n
        count = (source.number_at(window.to_us) + 1 - self._base) // every_n - self._sent
        if count:
            self._send(count, every_n)
        self._upto_us = window.to_us
        side.radio.passed(window)
        return True

    def _may_serve(self, run: Run, antennas: frozenset[int]) -> bool:
        content, tags = run.rospec.content, self._source.tags
        return (
            0 < content.every_n <= tags
            and math.lcm(tags, content.every_n) // content.every_n <= MAX_CYCLE
            and bool(content.trigger)
            and self._ports <= antennas
            and self._side.sees_unaltered(run)
        )

    def _begin(self, run: Run, from_us: int) -> None:
        """Encode a whole cycle of frames, beginning with the first sighting after `from_us`."""
        content, source, every_n = run.rospec.content, self._source, run.rospec.content.every_n
        self._run, self._version, self._upto_us, self._sent = run, self._side.version, from_us, 0
        self._base = source.number_at(from_us) + 1
        run.unreported = self._unreported
        frames = math.lcm(source.tags, every_n) // every_n
        entries = [
            Entry(source.epcs[tag], tag % source.antennas + 1, 1, run.parameter_spec_id, RSSI_DBM, 0, 0, 1, math.nan)
            for tag in (source.tag_of(self._base + place) for place in range(frames * every_n))
        ]
        encoder = RecordEncoder(content, run.rospec.id, ReaderClock(self._side.clock.has_utc))
        records = encoder.records(entries, (len(entries[0].epc), False, 0))
        layout = [("word", ">u2"), ("length", ">u4"), ("id", ">u4"), ("records", records.dtype, (every_n,))]
        self._cycle = np.zeros(frames, np.dtype(layout))
        self._cycle["word"] = self._version << 10 | RO_ACCESS_REPORT
        self._cycle["length"] = HEADER.size + every_n * records.dtype.itemsize
        self._cycle["records"] = records.reshape(frames, every_n)

    def _send(self, count: int, every_n: int) -> None:
        first = self._base + self._sent * every_n
        frames: NDArray[Any] = self._cycle[(self._sent + np.arange(count)) % len(self._cycle)]
        names = frames["records"].dtype.names or ()
        times = self._source.times_us(first, count * every_n).reshape(count, every_n) + self._side.clock.shift_us
        for name in ("first", "last"):
            if name in names:
                frames["records"][name] = times
        frames["id"] = self._side.take_ids(count)
        self._sent += count
        self._side.send_frames(frames.tobytes(), count * every_n)

    def _unreported(self) -> Sightings:
        """What passed since the last whole frame."""
        run = self._run
        assert run is not None
        first = self._base + self._sent * run.rospec.content.every_n
        count = self._source.number_at(self._upto_us) + 1 - first
        return self._source.sightings(first, count, self._ports)
