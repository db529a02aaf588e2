"""Tags for a load that can be turned up and down: some hop between two zones as fast as the judgement allows, some
stand still and are read again and again. Each hopping tag is read at READS_US after each hop: enough sightings for the
new zone to lead, and one more after the lead has settled.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from gs1.epc import encode_sgtin96
from simulators.sighting import Sightings, no_sightings

GTIN = "09506000134352"
COMPANY_PREFIX_DIGITS = 11

STAY_US = 5_500_000
"""A little more than evidence of the zone before needs to fade, so that a tag moves from its second hop on."""
STAY_S = STAY_US / 1e6
READS_US = (0, 600_000, 1_200_000, 2_900_000)
READS_PER_MOVE = len(READS_US)
RSSI_DBM = -52.0

HOPPING_TAGS = 4000
STILL_TAGS = 100
STILL_HZ = 1.0
"""A tag read less often might be taken for gone while nobody asks for reads."""
TAGS = HOPPING_TAGS + STILL_TAGS

Key = tuple[str, int]
"""EPC as upper-case hex, and the time of a read in microseconds."""

Times = NDArray[np.int64]


@dataclass(slots=True)
class Handed:
    """How many reads were given to the readers, and, while `watching`, when (perf_counter) each one of a hopping tag
    was: its reader encodes and writes it before anything else runs."""

    reads: int = 0
    watching: bool = False
    at_s: dict[Key, float] = field(default_factory=dict)


class RestlessTags:
    """The TagSource of one reader with two antennas. `moving` tags hop; `rereads_hz` reads a second fall on tags that
    stand still, in turn."""

    def __init__(self, first_serial: int, handed: Handed) -> None:
        serials = range(first_serial, first_serial + TAGS)
        self.moving = 0
        self.rereads_hz = STILL_TAGS * STILL_HZ
        self._epcs = [encode_sgtin96(GTIN, serial, COMPANY_PREFIX_DIGITS, 1) for serial in serials]
        self._hex = [epc.hex().upper() for epc in self._epcs]
        self._handed = handed
        # Ranks are shuffled: whatever number of tags moves, their hops are spread evenly over a stay.
        self._rank = np.random.default_rng(first_serial).permutation(HOPPING_TAGS)
        self._offset_us = np.linspace(0, STAY_US, HOPPING_TAGS, endpoint=False).astype(np.int64)
        self._zone = np.zeros(HOPPING_TAGS, np.uint16)
        self._known = np.zeros(HOPPING_TAGS, bool)
        self._hops = np.zeros(HOPPING_TAGS, bool)
        self._rereads_owed = 0.0
        self._next_still = 0

    def load(self, moves_hz: float, reads_hz: float) -> None:
        """From now on: so many movements a second, and so many reads, those of the movements among them."""
        self.moving = round(moves_hz * STAY_S)
        self.rereads_hz = max(reads_hz - moves_hz * READS_PER_MOVE, STILL_TAGS * STILL_HZ)

    def inventory(self, reader: str, antennas: frozenset[int], from_us: int, to_us: int) -> Sightings:  # noqa: ARG002
        """What the antennas saw in (from_us, to_us]: due reads of hopping tags, and rereads of still ones."""
        tags, times = self._hop_reads(from_us, to_us)
        still = self._still_reads(to_us - from_us)
        antenna = np.concatenate((self._zone[tags] + 1, still % 2 + 1)).astype(np.uint16)
        at_us = np.concatenate((times, np.linspace(to_us, from_us, len(still), endpoint=False).astype(np.int64)))
        tags = np.concatenate((tags, still))
        if not len(tags):
            return no_sightings()
        order = np.argsort(at_us, kind="stable")
        at_us, antenna = at_us[order], antenna[order]
        numbers = tags[order].tolist()
        self._note(numbers, at_us)
        rssi_dbm = np.full(len(numbers), RSSI_DBM, np.float32)
        return Sightings([self._epcs[number] for number in numbers], antenna, rssi_dbm, at_us)

    def _hop_reads(self, from_us: int, to_us: int) -> tuple[Times, Times]:
        tags, times = [], []
        for after_us in READS_US:
            # A tag is read at every instant t with (t + offset - after) divisible by STAY_US.
            first = -(-(from_us + 1 + self._offset_us - after_us) // STAY_US)
            at_us = first * STAY_US + after_us - self._offset_us
            due = at_us <= to_us
            if after_us == 0:
                self._hops[due] = self._rank[due] < self.moving
                self._known |= self._hops
                self._zone[due & self._hops] ^= 1
            # One that rests is still read once in a stay, and so is not taken for gone.
            seen = np.flatnonzero(due & (self._known if after_us == 0 else self._hops))
            tags.append(seen)
            times.append(at_us[seen])
        return np.concatenate(tags), np.concatenate(times)

    def _still_reads(self, span_us: int) -> Times:
        self._rereads_owed += self.rereads_hz * span_us / 1e6
        count = int(self._rereads_owed)
        self._rereads_owed -= count
        turn = self._next_still
        self._next_still = (turn + count) % STILL_TAGS
        return HOPPING_TAGS + (turn + np.arange(count)) % STILL_TAGS

    def _note(self, numbers: list[int], at_us: Times) -> None:
        self._handed.reads += len(numbers)
        if not self._handed.watching:
            return
        now_s = time.perf_counter()
        for number, read_us in zip(numbers, at_us.tolist(), strict=True):
            if number < HOPPING_TAGS:
                self._handed.at_s[self._hex[number], read_us] = now_s
