"""Which zone has the tag? Evidence of overlapping antennas, with hysteresis, so that strays do not move anything.

Each sighting (presence) adds an amplitude by its strongest RSSI to the evidence of its (tag, zone); evidence fades with
a half-life, so level and rate both count. Since the last read it fades on the zone's own clock: a zone whose reader is
off keeps what it had.
Levels are taken less what is learnt of each antenna: one that hears the tags at home in its zone louder than others
hear theirs would draw the neighbours' tags to it.
A tag goes to the zone that leads; once it has a place, another zone must lead by the factor LEAD, with MIN_SIGHTINGS of
its own, and keep the lead from one read to another SETTLE_US later: one burst of a far antenna can do none of that.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from gateway.grid import Floats, Ints
from gateway.presence import Seen
from gateway.tags import grown

REFERENCE_DBM: Final = -60.0
"""A sighting at this level weighs 1; ten times the power weighs about three times as much."""

WEAKEST, STRONGEST = 0.1, 3.0
"""Bounds of one sighting's weight: no single read decides, and a weak antenna still counts."""

HALF_LIFE_S: Final = 4.0
LEAD: Final = 1.5
MIN_EVIDENCE: Final = 0.08
"""Just below one sighting of the weakest kind: a tag read once in half a minute may still have a place."""

LEVEL_PRIOR: Final = 200.0
LEVEL_MEMORY: Final = 20_000.0
"""Reads at which half of an antenna's difference is believed, and beyond which older ones fade."""

MOST_BIAS_DB: Final = 6.0
"""More is no difference of gain or cable, but of what stands there."""

MIN_SIGHTINGS: Final = 2
SETTLE_US: Final = 1_500_000
CROSSED_EVIDENCE: Final = 3.0
"""What a crossing inwards says for the zone inside, as evidence: about three good sightings."""


def amplitude(rssi_dbm: Floats) -> Floats:
    """Weight of a sighting by its strongest RSSI (dBm); a reader that gives none counts as REFERENCE_DBM."""
    known_dbm = np.where(np.isnan(rssi_dbm), np.float32(REFERENCE_DBM), rssi_dbm)
    level = np.exp2((known_dbm - np.float32(REFERENCE_DBM)) * np.float32(np.log2(10) / 20))
    weight: Floats = np.minimum(np.maximum(level, np.float32(WEAKEST)), np.float32(STRONGEST))
    return weight


class AntennaLevels:
    """How loud each antenna hears tags that are at home in its zone, and so by how much its levels mislead (dB)."""

    def __init__(self, antennas: int) -> None:
        self._mean_dbm = np.zeros(antennas, np.float64)
        self._reads = np.zeros(antennas, np.float64)
        self.bias_db = np.zeros(antennas, np.float32)

    def learn(self, antenna: Ints, rssi_dbm: Floats) -> None:
        """Take reads of tags at home in the antenna's zone. The bias is against the mean of all antennas; of one
        hardly heard from, nothing is believed."""
        known = ~np.isnan(rssi_dbm)
        if not known.any():
            return
        size = len(self._reads)
        reads = np.bincount(antenna[known], minlength=size)
        levels = np.bincount(antenna[known], weights=rssi_dbm[known], minlength=size)
        self._reads = np.minimum(self._reads + reads, LEVEL_MEMORY)
        heard = reads > 0
        self._mean_dbm[heard] += (levels - reads * self._mean_dbm)[heard] / np.maximum(self._reads, reads)[heard]
        trust = self._reads / (self._reads + LEVEL_PRIOR)
        usual_dbm = float((trust * self._mean_dbm).sum() / trust.sum())
        bias_db = np.where(self._reads > 0, trust * (self._mean_dbm - usual_dbm), 0.0)
        self.bias_db = np.clip(bias_db, -MOST_BIAS_DB, MOST_BIAS_DB).astype(np.float32)


class Location:
    """Evidence of every pair, by row (pairs), as of its last read on its zone's clock."""

    def __init__(self) -> None:
        self._evidence = np.zeros(0, np.float32)
        self._sighting = np.zeros(0, np.float32)

    def grow(self, rows: int) -> None:
        """Make room for `rows` pairs."""
        self._evidence = grown(self._evidence, rows, 0.0)
        self._sighting = grown(self._sighting, rows, 0.0)

    def observe(self, row: Ints, rssi_dbm: Floats, seen: Seen) -> Floats:
        """Add what the reads of one cell say, and return the evidence as of them. A louder read within a sighting
        raises that sighting's weight."""
        weight = amplitude(rssi_dbm)
        held = np.where(seen.new_stay, np.float32(0.0), self._evidence[row] * faded(seen.since_us))
        before = np.where(seen.new_sighting, np.float32(0.0), self._sighting[row])
        self._evidence[row] = evidence = held + np.maximum(weight - before, 0.0)
        self._sighting[row] = np.maximum(weight, before)
        return evidence

    def put(self, row: int) -> None:
        """A crossing put a tag here."""
        self._evidence[row] = max(float(self._evidence[row]), CROSSED_EVIDENCE)

    def clear(self, rows: Ints) -> None:
        """Forget the evidence of these pairs."""
        self._evidence[rows] = 0.0
        self._sighting[rows] = 0.0

    def age(self, rows: Ints, age_us: Ints) -> None:
        """Let the evidence of these pairs fade now by what it would have faded later: their clocks are moved on."""
        self._evidence[rows] *= faded(age_us)

    def evidence(self, rows: Ints, clock_us: Ints, seen_clock_us: Ints) -> Floats:
        """Evidence now, in the shape of `rows`, (tags, zones). `clock_us`: the clock of each zone; `seen_clock_us`: by
        row."""
        return self._evidence[rows] * faded(clock_us - seen_clock_us[rows])


def faded(age_us: Ints) -> Floats:
    """What is left of evidence of this age; all of it, where a clock in doubt is behind the read."""
    return np.exp2(-np.minimum(np.maximum(age_us, 0), 1 << 40) / (HALF_LIFE_S * 1e6)).astype(np.float32)


def leaders(evidence: Floats, sightings: NDArray[np.int32]) -> tuple[Ints, Floats]:
    """For each row of (tags, zones) the leading zone among those with enough of their own, or -1, and its share."""
    able = (sightings >= MIN_SIGHTINGS) & (evidence >= MIN_EVIDENCE)
    candidates = np.where(able, evidence, -1.0)
    best = candidates.argmax(axis=1)
    rows = np.arange(len(evidence))
    share = evidence[rows, best] / np.maximum(evidence.sum(axis=1), 1e-9)
    return np.where(candidates[rows, best] > 0, best, -1), share.astype(np.float32)
