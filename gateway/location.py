"""Which zone has the tag? Evidence of overlapping antennas, with hysteresis, so that strays do not move anything.

Each sighting (presence) adds an amplitude by its strongest RSSI to the evidence of its (tag, zone); evidence fades with
a half-life, so level and rate both count. Since the last read it fades on the zone's own clock: a zone whose reader is
off keeps what it had.
A tag goes to the zone that leads; once it has a place, another zone must lead by the factor LEAD, with MIN_SIGHTINGS of
its own, and keep the lead from one read to another SETTLE_US later: one burst of a far antenna can do none of that.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from gateway.presence import Floats, Ints, Seen
from gateway.tags import grown

REFERENCE_DBM: Final = -60.0
"""A sighting at this level weighs 1; ten times the power weighs about three times as much."""

WEAKEST, STRONGEST = 0.1, 3.0
"""Bounds of one sighting's weight: no single read decides, and a weak antenna still counts."""

HALF_LIFE_S: Final = 4.0
LEAD: Final = 1.5
MIN_EVIDENCE: Final = 0.08
"""Just below one sighting of the weakest kind: a tag read once in half a minute may still have a place."""

MIN_SIGHTINGS: Final = 2
SETTLE_US: Final = 1_500_000
CROSSED_EVIDENCE: Final = 3.0
"""What a crossing inwards says for the zone inside, as evidence: about three good sightings."""


def amplitude(rssi_dbm: Floats) -> Floats:
    """Weight of a sighting by its strongest RSSI (dBm); a reader that gives none counts as REFERENCE_DBM."""
    level: Floats = np.exp2((np.nan_to_num(rssi_dbm, nan=REFERENCE_DBM) - REFERENCE_DBM) * np.float32(np.log2(10) / 20))
    return np.clip(level, np.float32(WEAKEST), np.float32(STRONGEST))


class Location:
    """Evidence of every (tag, zone), flat by key, as of the pair's last read on its zone's clock."""

    def __init__(self, zones: int) -> None:
        self._zones = zones
        self._evidence = np.zeros(0, np.float32)
        self._sighting = np.zeros(0, np.float32)

    def grow(self, rows: int) -> None:
        """Make room for `rows` tags."""
        self._evidence = grown(self._evidence, rows * self._zones, 0.0)
        self._sighting = grown(self._sighting, rows * self._zones, 0.0)

    def observe(self, key: Ints, rssi_dbm: Floats, seen: Seen) -> None:
        """Add what the reads of one cell say. A louder read within a sighting raises that sighting's weight."""
        weight = amplitude(rssi_dbm)
        held = np.where(seen.new_stay, np.float32(0.0), self._evidence[key] * faded(seen.since_us))
        before = np.where(seen.new_sighting, np.float32(0.0), self._sighting[key])
        self._evidence[key] = held + np.maximum(weight - before, 0.0)
        self._sighting[key] = np.maximum(weight, before)

    def put(self, key: Ints) -> None:
        """A crossing put tags here."""
        self._evidence[key] = np.maximum(self._evidence[key], CROSSED_EVIDENCE)

    def clear(self, key: Ints) -> None:
        """Forget the evidence of these pairs."""
        self._evidence[key] = 0.0
        self._sighting[key] = 0.0

    def evidence(self, tags: Ints, clock_us: Ints, seen_clock_us: Ints) -> Floats:
        """Evidence now, shape (tags, zones). `clock_us`: clock of each zone; `seen_clock_us`: flat, by key."""
        ages = np.maximum(clock_us[None, :] - seen_clock_us.reshape(-1, self._zones)[tags], 0)
        return self._evidence.reshape(-1, self._zones)[tags] * faded(ages)


def faded(age_us: Ints) -> Floats:
    """What is left of evidence of this age."""
    return np.exp2(-np.minimum(age_us, 1 << 40) / (HALF_LIFE_S * 1e6)).astype(np.float32)


def leaders(evidence: Floats, sightings: NDArray[np.int32]) -> tuple[Ints, Floats]:
    """For each row of (tags, zones) the leading zone among those with enough of their own, or -1, and its share."""
    able = (sightings >= MIN_SIGHTINGS) & (evidence >= MIN_EVIDENCE)
    candidates = np.where(able, evidence, -1.0)
    best = candidates.argmax(axis=1)
    rows = np.arange(len(evidence))
    share = evidence[rows, best] / np.maximum(evidence.sum(axis=1), 1e-9)
    return np.where(candidates[rows, best] > 0, best, -1), share.astype(np.float32)
