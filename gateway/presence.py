"""Is the tag here? An adaptive window for each (tag, zone): the silence after which it is absent.

Reads closer than LOOK_US are one sighting. From the sightings of a pair follows a belief of where the tag is and how it
moves, and from the belief the window: silence for that long makes the tag absent with a probability of error of no more
than `absence_error` (belief). It is clamped to [window_min_ms, window_max_ms]; where the longest window ends before the
error is reached, `absence` says what is left of the doubt. A tag that comes back after its window teaches that as well:
the next windows are longer, and a tag read once in half a minute does not flap.

Times named `clock_us` are on the zone's own clock (coverage), which stands while an antenna is off; sightings are told
apart by event time, so a zone with one dead antenna still sees tags arrive, it only loses none.

What is known of a pair is one record by row (pairs), one for each pair ever sighted: 128 bytes, two lines of a cache.
A window is searched for only as far as is asked: the search halves the looks in which it may end, stands in the record,
and is taken up again when silence gets that far. Most pairs are sighted long before.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from gateway.belief import HORIZON, LOOK_US, STATES, model
from gateway.config import Rules
from gateway.grid import Floats, Ints
from gateway.records import Records, Table, put, take
from gateway.tags import NEVER_US

Flags = NDArray[np.bool_]

PAIR: Final = np.dtype(
    [
        ("seen_clock_us", np.int64),
        ("last_at_us", np.int64),
        ("first_at_us", np.int64),
        ("sighting_clock_us", np.int64),
        ("sighting_at_us", np.int64),
        ("antennas", np.int64),
        ("sightings", np.int32),
        ("reads", np.int32),
        ("counts", np.float32, 2),
        ("belief", np.float32, STATES),
        ("silent_looks", np.int16),
        ("absent_looks", np.int16),
    ]
)
"""What is known of a pair: of its stay, the last and first read, the last sighting, sightings, reads and antennas; what
was learnt of it (belief); of its window, looks in which the error is not reached yet and in which it is."""

STAY: Final = ("sightings", "reads", "antennas")
"""What ends with a stay."""


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
    sightings: NDArray[np.int32]
    """Of the stay, these reads included."""


class Presence:
    """Stays of tags in zones: when seen, how often, and for how long silence means nothing."""

    def __init__(self, rules: Rules) -> None:
        self._error = rules.absence_error
        self.least_us = rules.window_min_ms * 1000
        """No window is shorter."""
        self._longest_us = rules.longest_window_us
        self._model = model()
        never = np.zeros(1, PAIR)
        for name in ("seen_clock_us", "last_at_us", "first_at_us", "sighting_clock_us", "sighting_at_us"):
            never[name] = NEVER_US
        never["belief"], never["counts"] = self._model.first()
        never["absent_looks"] = HORIZON + 1
        self.known = Table(never)
        """By row, see PAIR."""

    def observe(self, row: Ints, seen: ZoneSightings, clock_us: Ints, longest_gap_us: Ints) -> Seen:
        """Take the reads of one cell. `row`: the rows of their pairs; `clock_us`: each zone's clock at the read;
        `longest_gap_us`: where silence longer than this ends the stay although its window has not (a lingering tag)."""
        pairs = self.known.take(row)
        since_us = clock_us - pairs["seen_clock_us"]
        new_stay = (pairs["sightings"] == 0) | (since_us > longest_gap_us) | self._beyond(pairs, since_us)
        new_sighting = new_stay | (seen.at_us - pairs["sighting_at_us"] >= LOOK_US)
        before_us = seen.at_us - pairs["last_at_us"]
        self._sight(pairs, new_sighting, clock_us, seen.at_us)
        fresh = np.flatnonzero(new_stay)
        pairs["first_at_us"][fresh] = seen.first_at_us[fresh]
        for name in STAY:
            pairs[name][fresh] = 0
        pairs["sightings"] += new_sighting
        pairs["reads"] += seen.reads.astype(np.int32)
        pairs["antennas"] |= seen.antennas
        pairs["seen_clock_us"] = np.maximum(pairs["seen_clock_us"], clock_us)
        pairs["last_at_us"] = np.maximum(pairs["last_at_us"], seen.at_us)
        self.known.put(row, pairs)
        return Seen(new_stay, new_sighting, np.where(new_stay, 0, np.maximum(before_us, 0)), pairs["sightings"])

    def refresh(self, row: Ints, clock_us: Ints, at_us: Ints) -> None:
        """The tag was seen where it is, by others than its zone's antennas (its door's): it is not absent."""
        for name, now_us in (("seen_clock_us", clock_us), ("last_at_us", at_us)):
            column = self.known[name]
            column[row] = np.maximum(column[row], now_us)

    def end_stays(self, rows: Ints) -> None:
        """Forget the stays of these pairs; what was learnt of them remains."""
        for name in STAY:
            self.known[name][rows] = 0

    def believe(self, row: int, belief: Floats, counts: Floats) -> None:
        """Take up what a journal kept of a pair."""
        self.known["belief"][row], self.known["counts"][row] = belief, counts
        self.known["silent_looks"][row], self.known["absent_looks"][row] = 0, HORIZON + 1

    def beyond(self, row: Ints, clock_us: Ints) -> tuple[Flags, Ints]:
        """Which pairs are beyond their windows (absent), given their zones' clocks; and what those clocks must exceed
        before the others can be, if they are not sighted again."""
        pairs = self.known.take(row)
        seen_us, unseen = pairs["seen_clock_us"], pairs["sightings"] == 0
        silent_us = clock_us - seen_us
        beyond = self._beyond(pairs, silent_us) | (unseen & (silent_us > self._longest_us))
        self.known["silent_looks"][row] = pairs["silent_looks"]
        self.known["absent_looks"][row] = pairs["absent_looks"]
        return beyond, seen_us + np.where(unseen, self._longest_us, self._window_us(pairs["silent_looks"] + 1))

    def windows_us(self, row: Ints) -> Ints:
        """How long each pair may be silent. A tag that was put into a zone without having been sighted there gets the
        longest window: nothing is known of its reads."""
        pairs = self.known.take(row)
        seen = pairs["sightings"] > 0
        vague = np.flatnonzero(seen & (pairs["absent_looks"] - pairs["silent_looks"] > 1))
        if len(vague):
            looks = self._model.looks_until_absent(pairs["belief"][vague], pairs["counts"][vague], self._error)
            self.known["silent_looks"][row[vague]] = looks - 1
            self.known["absent_looks"][row[vague]] = pairs["absent_looks"][vague] = looks
        return np.where(seen, self._window_us(pairs["absent_looks"]), self._longest_us)

    def silent_us(self, row: Ints, clock_us: Ints) -> Ints:
        """How far each pair is beyond its window (positive: absent), given its zone's clock."""
        seen_clock_us: Ints = self.known["seen_clock_us"][row]
        return clock_us - seen_clock_us - self.windows_us(row)

    def absence(self, row: Ints, clock_us: Ints) -> Floats:
        """The probability that each pair's tag is absent, given its zone's clock."""
        pairs = self.known.take(row)
        looks = np.maximum(clock_us - pairs["seen_clock_us"], 0) // LOOK_US
        return self._model.absent(pairs["belief"], pairs["counts"], looks)

    def _sight(self, pairs: Records, sighted: Flags, clock_us: Ints, at_us: Ints) -> None:
        """Move the beliefs of sighted pairs on. A zone whose clock stood between two sightings teaches nothing."""
        before_us = pairs["sighting_clock_us"]
        gap_us = clock_us - before_us
        again = np.flatnonzero(sighted & (before_us != NEVER_US) & (gap_us > 0))
        looks = np.maximum(gap_us[again] // LOOK_US, 1)
        belief, counts = self._model.sighted(take(pairs["belief"], again), take(pairs["counts"], again), looks)
        put(pairs["belief"], again, belief)
        put(pairs["counts"], again, counts)
        np.copyto(pairs["sighting_clock_us"], clock_us, where=sighted)
        np.copyto(pairs["sighting_at_us"], at_us, where=sighted)
        np.copyto(pairs["silent_looks"], 0, where=sighted)
        np.copyto(pairs["absent_looks"], HORIZON + 1, where=sighted)

    def _beyond(self, pairs: Records, silent_us: Ints) -> Flags:
        """Which pairs were sighted and are beyond their windows now. Searches for the windows as far as that takes."""
        beyond = np.zeros(len(pairs), np.bool_)
        asked = np.flatnonzero((silent_us > self.least_us) & (pairs["sightings"] > 0))
        if len(asked):
            silent_us = silent_us[asked]
            # The look of the sighting itself must be over before the first silent one begins.
            looks = np.minimum((silent_us - 1) // LOOK_US - 1, HORIZON)
            bounds = pairs["silent_looks"][asked], pairs["absent_looks"][asked]
            vague = np.flatnonzero((bounds[0] < looks) & (looks < bounds[1]))
            which = asked[vague]
            habits = take(pairs["belief"], which), take(pairs["counts"], which)
            low, high = self._model.narrowed(*habits, self._error, looks[vague], bounds[0][vague], bounds[1][vague])
            bounds[1][vague] = high
            pairs["silent_looks"][which], pairs["absent_looks"][which] = low, high
            beyond[asked] = (bounds[1] <= looks) | (silent_us > self._longest_us)
        return beyond

    def _window_us(self, looks: NDArray[np.int16]) -> Ints:
        """The window of pairs that are absent after so many silent looks."""
        window_us = np.clip((looks + 1).astype(np.int64) * LOOK_US, self.least_us, self._longest_us)
        return np.where(looks > HORIZON, self._longest_us, window_us)
