"""Is the tag here? An adaptive window for each (tag, zone): the silence after which it is absent.

Reads closer than LOOK_US are one sighting. From the sightings of a pair follows a belief of where the tag is and how it
moves, and from the belief the window: silence for that long makes the tag absent with a probability of error of no more
than `absence_error` (belief). It is clamped to [window_min_ms, window_max_ms]; where the longest window ends before the
error is reached, `absence` says what is left of the doubt. A tag that comes back after its window teaches that as well:
the next windows are longer, and a tag read once in half a minute does not flap.

Times named `clock_us` are on the zone's own clock (coverage), which stands while an antenna is off; sightings are told
apart by event time, so a zone with one dead antenna still sees tags arrive, it only loses none.
Arrays are by row (pairs), one for each pair ever sighted: 132 bytes.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gateway.belief import HORIZON, LOOK_US, model
from gateway.config import Rules
from gateway.grid import Floats, Ints
from gateway.tags import NEVER_US, grown

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


class Presence:
    """Stays of tags in zones: when seen, how often, and for how long silence means nothing."""

    def __init__(self, rules: Rules) -> None:
        self._error = rules.absence_error
        self._least_us = rules.window_min_ms * 1000
        self._longest_us = max(rules.window_min_ms, rules.window_max_ms) * 1000
        self._model = model()
        self._first_belief, self._first_counts = self._model.first()
        self.seen_clock_us = np.zeros(0, np.int64)
        self.last_at_us = np.zeros(0, np.int64)
        self.first_at_us = np.zeros(0, np.int64)
        self.sightings = np.zeros(0, np.int32)
        self.reads = np.zeros(0, np.int32)
        self.antennas = np.zeros(0, np.int64)
        self._window_us = np.zeros(0, np.int64)
        self._is_outdated = np.zeros(0, np.bool_)
        self.belief = np.zeros((0, len(self._first_belief)), np.float32)
        self.counts = np.zeros((0, len(self._first_counts)), np.float32)
        self._sighting_clock_us = np.zeros(0, np.int64)
        self._sighting_at_us = np.zeros(0, np.int64)

    def grow(self, rows: int) -> None:
        """Make room for `rows` pairs."""
        before = len(self.sightings)
        self.seen_clock_us = grown(self.seen_clock_us, rows, NEVER_US)
        self.last_at_us = grown(self.last_at_us, rows, NEVER_US)
        self.first_at_us = grown(self.first_at_us, rows, NEVER_US)
        self.sightings = grown(self.sightings, rows, 0)
        self.reads = grown(self.reads, rows, 0)
        self.antennas = grown(self.antennas, rows, 0)
        self._window_us = grown(self._window_us, rows, self._longest_us)
        self._is_outdated = grown(self._is_outdated, rows, False)
        self.belief = grown(self.belief, rows, 0.0)
        self.counts = grown(self.counts, rows, 0.0)
        self._sighting_clock_us = grown(self._sighting_clock_us, rows, NEVER_US)
        self._sighting_at_us = grown(self._sighting_at_us, rows, NEVER_US)
        self.reset(np.arange(before, rows))

    def reset(self, rows: Ints) -> None:
        """Make these rows those of pairs never sighted."""
        for times_us in (self.seen_clock_us, self.last_at_us, self.first_at_us):
            times_us[rows] = NEVER_US
        self._sighting_clock_us[rows] = NEVER_US
        self._sighting_at_us[rows] = NEVER_US
        self._window_us[rows] = self._longest_us
        self._is_outdated[rows] = False
        self.belief[rows] = self._first_belief
        self.counts[rows] = self._first_counts
        self.end_stays(rows)

    def observe(self, row: Ints, seen: ZoneSightings, clock_us: Ints, longest_gap_us: Ints) -> Seen:
        """Take the reads of one cell. `row`: the rows of their pairs; `clock_us`: each zone's clock at the read;
        `longest_gap_us`: where silence longer than this ends the stay although its window has not (a lingering tag)."""
        since_us = clock_us - self.seen_clock_us[row]
        self._update_windows(row[since_us >= self._least_us])
        new_stay = (self.sightings[row] == 0) | (since_us > np.minimum(self._window_us[row], longest_gap_us))
        new_sighting = new_stay | (seen.at_us - self._sighting_at_us[row] >= LOOK_US)
        self._learn(row[new_sighting], clock_us[new_sighting])
        before_us = seen.at_us - self.last_at_us[row]
        fresh = row[new_stay]
        self.first_at_us[fresh] = seen.first_at_us[new_stay]
        self.end_stays(fresh)
        self.sightings[row] += new_sighting
        self.reads[row] += seen.reads.astype(np.int32)
        self.antennas[row] |= seen.antennas
        self._sighting_clock_us[row] = np.where(new_sighting, clock_us, self._sighting_clock_us[row])
        self._sighting_at_us[row] = np.where(new_sighting, seen.at_us, self._sighting_at_us[row])
        self.refresh(row, clock_us, seen.at_us)
        return Seen(new_stay, new_sighting, np.where(new_stay, 0, np.maximum(before_us, 0)))

    def refresh(self, row: Ints, clock_us: Ints, at_us: Ints) -> None:
        """The tag was seen where it is, by whomever (its door's antennas): it is not absent."""
        self.seen_clock_us[row] = np.maximum(self.seen_clock_us[row], clock_us)
        self.last_at_us[row] = np.maximum(self.last_at_us[row], at_us)

    def end_stays(self, rows: Ints) -> None:
        """Forget the stays of these pairs; what was learnt of them remains."""
        self.sightings[rows] = 0
        self.reads[rows] = 0
        self.antennas[rows] = 0

    def believe(self, row: int, belief: Floats, counts: Floats) -> None:
        """Take up what a journal kept of a pair."""
        self.belief[row], self.counts[row] = belief, counts
        self._judge(np.array([row]))

    def may_be_silent(self, row: Ints, clock_us: Ints) -> Flags:
        """Whether each pair may be beyond its window, given its zone's clock: a question that costs little."""
        longer: Flags = clock_us - self.seen_clock_us[row] > self._least_us
        return longer

    def windows_us(self, row: Ints) -> Ints:
        """How long each pair may be silent. A tag that was put into a zone without having been sighted there gets the
        longest window: nothing is known of its reads."""
        self._update_windows(row)
        return np.where(self.sightings[row] > 0, self._window_us[row], self._longest_us)

    def silent_us(self, row: Ints, clock_us: Ints) -> Ints:
        """How far each pair is beyond its window (positive: absent), given its zone's clock."""
        return clock_us - self.seen_clock_us[row] - self.windows_us(row)

    def absence(self, row: Ints, clock_us: Ints) -> Floats:
        """The probability that each pair's tag is absent, given its zone's clock."""
        looks = np.maximum(clock_us - self.seen_clock_us[row], 0) // LOOK_US
        return self._model.absent(self.belief[row], self.counts[row], looks)

    def _learn(self, row: Ints, clock_us: Ints) -> None:
        """Move the beliefs on. A zone whose clock stood between two sightings teaches nothing."""
        gap_us = clock_us - self._sighting_clock_us[row]
        again = (self._sighting_clock_us[row] != NEVER_US) & (gap_us > 0)
        pairs, looks = row[again], np.maximum(gap_us[again] // LOOK_US, 1)
        self.belief[pairs], self.counts[pairs] = self._model.sighted(self.belief[pairs], self.counts[pairs], looks)
        self._is_outdated[row] = True

    def _update_windows(self, row: Ints) -> None:
        """Judge what was learnt since. Most pairs are sighted again before the least window ends: theirs are never
        asked for, and cost nothing."""
        outdated = row[self._is_outdated[row]]
        if len(outdated):
            self._judge(outdated)

    def _judge(self, row: Ints) -> None:
        looks = self._model.looks_until_absent(self.belief[row], self.counts[row], self._error)
        # The look of the sighting itself must be over before the first silent one begins.
        window_us = np.clip((looks + 1) * LOOK_US, self._least_us, self._longest_us)
        self._window_us[row] = np.where(looks > HORIZON, self._longest_us, window_us)
        self._is_outdated[row] = False
