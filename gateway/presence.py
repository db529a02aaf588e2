"""Is the tag here? An adaptive window for each (tag, zone), from what its own reads have been like.

Reads come in bursts: a static tag in session S1 is read again after 1.7 s at the median and after half a minute at the
99th percentile, so neither a fixed window nor a Poisson rate fits. Reads closer than SIGHTING_US count as one sighting;
the gaps between sightings give a running mean and spread, and the window follows from Cantelli's inequality, which
holds for any distribution of gaps:

    P(gap > mean + k * sd) <= 1 / (1 + k^2)   =>   window = mean + sd * sqrt(1 / absence_error - 1)

clamped to [window_min_ms, window_max_ms]. A new (tag, zone) starts from a prior of a few gaps. A tag that comes back
after its window teaches that gap too: a window that was too short corrects itself and does not flap.

Times named `clock_us` are on the zone's own clock (coverage), which stands while an antenna is off; sightings are told
apart by event time, so a zone with one dead antenna still sees tags arrive, it only loses none.
Keys are tag * zones + zone: arrays are flat, one element for each pair, 68 bytes.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from gateway.config import Rules
from gateway.tags import NEVER_US, grown

SIGHTING_US: Final = 500_000
"""Antennas cycle: several reads within one visit say no more than one."""

PRIOR_MEAN_S: Final = 1.7
PRIOR_SPREAD_S: Final = 3.0
PRIOR_GAPS: Final = 4
"""What is believed of a tag before its own gaps are known: the re-read gaps of static tags at a dock door in S1."""

MEMORY_GAPS: Final = 32
"""Older gaps fade: a tag put behind others must be able to change its rate."""

Ints = NDArray[np.int64]
Floats = NDArray[np.float32]
Flags = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class ZoneSightings:
    """Reads of one cell gathered by (tag, zone): parallel arrays, keys sorted and unique."""

    key: Ints
    at_us: Ints
    """Time of the last read."""
    first_at_us: Ints
    reads: Ints
    antennas: Ints
    """Bit mask of the zone's antennas that read it."""
    rssi_dbm: Floats
    """Strongest; NaN where no read had any."""


@dataclass(frozen=True, slots=True)
class Seen:
    """What the reads of a cell meant for presence, parallel to the sightings they came from."""

    new_stay: Flags
    new_sighting: Flags
    since_us: Ints
    """Event time since the read before; 0 in a new stay."""


def window_us(mean_s: Floats, square_s2: Floats, error: float, least_us: int, most_us: int) -> Ints:
    """How long a tag with these gaps (mean and mean square, seconds) must be silent to be absent, with at most `error`
    probability that a tag still there is declared absent at one gap (Cantelli)."""
    spread_s = np.sqrt(np.maximum(square_s2 - mean_s * mean_s, 0.0))
    window_s = mean_s + spread_s * np.float32(np.sqrt(1.0 / error - 1.0))
    return np.clip((window_s * 1e6).astype(np.int64), least_us, most_us)


class Presence:
    """Stays of tags in zones: when seen, how often, and for how long silence means nothing."""

    def __init__(self, zones: int, rules: Rules) -> None:
        self._zones = zones
        self._error = rules.absence_error
        self._least_us = rules.window_min_ms * 1000
        self._most_us = max(rules.window_min_ms, rules.window_max_ms) * 1000
        self.seen_clock_us = np.zeros(0, np.int64)
        self.last_at_us = np.zeros(0, np.int64)
        self.first_at_us = np.zeros(0, np.int64)
        self.sightings = np.zeros(0, np.int32)
        self.reads = np.zeros(0, np.int32)
        self.antennas = np.zeros(0, np.int64)
        self._sighting_clock_us = np.zeros(0, np.int64)
        self._sighting_at_us = np.zeros(0, np.int64)
        self.gap_mean_s = np.zeros(0, np.float32)
        self.gap_square_s2 = np.zeros(0, np.float32)
        self.gaps = np.zeros(0, np.int32)

    def grow(self, rows: int) -> None:
        """Make room for `rows` tags."""
        pairs = rows * self._zones
        self.seen_clock_us = grown(self.seen_clock_us, pairs, NEVER_US)
        self.last_at_us = grown(self.last_at_us, pairs, NEVER_US)
        self.first_at_us = grown(self.first_at_us, pairs, NEVER_US)
        self.sightings = grown(self.sightings, pairs, 0)
        self.reads = grown(self.reads, pairs, 0)
        self.antennas = grown(self.antennas, pairs, 0)
        self._sighting_clock_us = grown(self._sighting_clock_us, pairs, NEVER_US)
        self._sighting_at_us = grown(self._sighting_at_us, pairs, NEVER_US)
        self.gap_mean_s = grown(self.gap_mean_s, pairs, PRIOR_MEAN_S)
        self.gap_square_s2 = grown(self.gap_square_s2, pairs, PRIOR_MEAN_S**2 + PRIOR_SPREAD_S**2)
        self.gaps = grown(self.gaps, pairs, 0)

    def observe(self, seen: ZoneSightings, clock_us: Ints, longest_gap_us: Ints) -> Seen:
        """Take the reads of one cell. `clock_us`: each zone's clock at the read; `longest_gap_us`: where silence longer
        than this ends the stay although its window has not (a lingering tag)."""
        key = seen.key
        since_us = clock_us - self.seen_clock_us[key]
        new_stay = (self.sightings[key] == 0) | (since_us > np.minimum(self.windows_us(key), longest_gap_us))
        new_sighting = new_stay | (seen.at_us - self._sighting_at_us[key] >= SIGHTING_US)
        self._learn(key, clock_us - self._sighting_clock_us[key], new_sighting)
        before_us = seen.at_us - self.last_at_us[key]
        fresh = key[new_stay]
        self.first_at_us[fresh] = seen.first_at_us[new_stay]
        self.sightings[fresh] = 0
        self.reads[fresh] = 0
        self.antennas[fresh] = 0
        self.sightings[key] += new_sighting
        self.reads[key] += seen.reads.astype(np.int32)
        self.antennas[key] |= seen.antennas
        self._sighting_clock_us[key] = np.where(new_sighting, clock_us, self._sighting_clock_us[key])
        self._sighting_at_us[key] = np.where(new_sighting, seen.at_us, self._sighting_at_us[key])
        self.seen_clock_us[key] = np.maximum(self.seen_clock_us[key], clock_us)
        self.last_at_us[key] = np.maximum(self.last_at_us[key], seen.at_us)
        return Seen(new_stay, new_sighting, np.where(new_stay, 0, np.maximum(before_us, 0)))

    def refresh(self, key: Ints, clock_us: Ints, at_us: Ints) -> None:
        """Something else saw the tag where it is (its door's antennas): it is not absent, and no more is learnt."""
        self.seen_clock_us[key] = np.maximum(self.seen_clock_us[key], clock_us)
        self.last_at_us[key] = np.maximum(self.last_at_us[key], at_us)

    def end_stays(self, keys: Ints) -> None:
        """Forget the stays of these pairs; what was learnt of their gaps remains."""
        self.sightings[keys] = 0
        self.reads[keys] = 0
        self.antennas[keys] = 0

    def windows_us(self, key: Ints) -> Ints:
        """Current windows of these pairs."""
        return window_us(self.gap_mean_s[key], self.gap_square_s2[key], self._error, self._least_us, self._most_us)

    def silent_us(self, key: Ints, clock_us: Ints) -> Ints:
        """How far each pair is beyond its window (positive: absent), given its zone's clock. A tag that was put into a
        zone without having been sighted there gets the longest window: nothing is known of its reads."""
        window = np.where(self.sightings[key] > 0, self.windows_us(key), self._most_us)
        return clock_us - self.seen_clock_us[key] - window

    def _learn(self, key: Ints, gap_us: Ints, new_sighting: Flags) -> None:
        taught = new_sighting & (gap_us <= self._most_us) & (gap_us > 0)
        pairs, gap_s = key[taught], (gap_us[taught] / 1e6).astype(np.float32)
        self.gaps[pairs] += 1
        weight = (1.0 / np.minimum(self.gaps[pairs] + PRIOR_GAPS, MEMORY_GAPS)).astype(np.float32)
        self.gap_mean_s[pairs] += weight * (gap_s - self.gap_mean_s[pairs])
        self.gap_square_s2[pairs] += weight * (gap_s * gap_s - self.gap_square_s2[pairs])
