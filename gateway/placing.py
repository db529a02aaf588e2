"""Zone reads become findings about places: presence and location put together.

A tag without a place settles where the evidence leads. A tag with a place settles elsewhere when another zone keeps the
lead (location), and is silent when its zone's clock ran past its window (presence). A tag that crossed outwards settles
only when zone reads persist for `linger_s` without a longer pause: a pallet waiting behind the wall is not back.

Silence is looked for each SWEEP_MS (see pipeline). Each tag has a time on its zone's clock before which it cannot be
silent beyond its window; one comparison of all of them says which few are to be looked at.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from gateway.belief import paces, settled
from gateway.config import Rules
from gateway.coverage import Coverage
from gateway.grid import Floats, GridReads, Ints
from gateway.location import LEAD, MIN_SIGHTINGS, SETTLE_US, AntennaLevels, Location, faded, leaders
from gateway.movement import Decision, Finding, Habit, State
from gateway.pairs import NOBODY, Pairs
from gateway.presence import Flags, Presence, ZoneSightings
from gateway.tags import NEVER_US, Tags, grown

METHOD: Final = "zone-belief/2"
LINGER_SIGHTINGS: Final = 3
"""After crossing outwards, two reads at the ends of `linger_s` are not persistence."""

NO_LIMIT_US: Final = 1 << 62
YOUNG_STAY: Final = 16
"""Sightings of a stay that teach what its antennas' levels are: a tag parked for days says no more than one passing."""


def gather(reads: GridReads, coverage: Coverage, bias_db: Floats) -> tuple[ZoneSightings, Ints]:
    """Zone reads by (tag, zone), levels less each antenna's `bias_db`, and for each read the number of its sighting.
    `reads` must all be of antennas that look at zones."""
    key = reads.tag * len(coverage.zones) + coverage.zone_of[reads.antenna]
    order = np.argsort(key)
    key, antenna = key[order], reads.antenna[order]
    begins = np.concatenate(([True], key[1:] != key[:-1]))
    starts = np.flatnonzero(begins)
    sighting = np.empty(len(order), np.int64)
    sighting[order] = np.cumsum(begins) - 1
    at_us = reads.at_us[order]
    sightings = ZoneSightings(
        key=key[starts],
        at_us=np.maximum.reduceat(at_us, starts),
        first_at_us=np.minimum.reduceat(at_us, starts),
        reads=np.add.reduceat(reads.count[order], starts),
        antennas=np.bitwise_or.reduceat(coverage.bit_of[antenna], starts),
        rssi_dbm=np.fmax.reduceat(reads.rssi_dbm[order] - bias_db[antenna], starts),
    )
    return sightings, sighting


@dataclass(frozen=True, slots=True)
class View:
    """What is known of one tag now: an element for each zone, as configured."""

    place: int
    """Number of the zone it is in, or -1."""
    sightings: NDArray[np.int32]
    silent_us: Ints
    """Time on the zone's clock since the last read."""
    window_us: Ints
    absence: Floats
    """Probability that it is absent, of zones where it was sighted; else 1."""
    evidence: Floats


class Placing:
    """Presence and location of every tag in every zone."""

    def __init__(self, rules: Rules, tags: Tags, coverage: Coverage) -> None:
        self._tags = tags
        self._coverage = coverage
        self._zones = len(coverage.zones)
        self._linger_us = int(rules.linger_s * 1e6)
        self._pause_us = max(self._linger_us, rules.window_min_ms * 1000)
        self.pairs = Pairs(self._zones)
        self.presence = Presence(rules)
        self.levels = AntennaLevels(len(coverage.zone_of))
        self._location = Location()
        self._silent_from_us = np.zeros(0, np.int64)
        """By tag: until its zone's clock is past this, it cannot be silent beyond its window. NO_LIMIT_US without a
        place."""
        self._rival = np.zeros(0, np.float32)
        """By tag: until another zone than its place reads it, none has more evidence of it than this, for what is not
        read fades. Infinite while nothing is known, or one keeps the lead."""
        self._make_room()

    def grow(self, tags: int) -> None:
        """Make room for `tags` tags."""
        self.pairs.grow(tags)
        self._silent_from_us = grown(self._silent_from_us, tags, NO_LIMIT_US)
        self._rival = grown(self._rival, tags, np.inf)

    def observe(self, reads: GridReads) -> list[Decision]:
        """Take zone reads of one cell (or late ones, see `sound`) and say which tags settled."""
        seen, sighting = gather(reads, self._coverage, self.levels.bias_db)
        tag, zone = np.divmod(seen.key, self._zones)
        rows = self._rows_for(seen.key)
        clock_us = self._coverage.clock_at(zone, seen.at_us)
        state = self._tags.state[tag]
        longest_gap_us = np.where(state == State.OUT, self._pause_us, NO_LIMIT_US)
        stays = self.presence.observe(rows, seen, clock_us, longest_gap_us)
        evidence = self._location.observe(rows, seen.rssi_dbm, stays)
        home = (state == State.PRESENT) & (self._tags.place[tag] == zone)
        self._silent_from_us[tag[home]] = clock_us[home] + self.presence.least_us
        teaches = (home & (stays.sightings <= YOUNG_STAY))[sighting]
        self.levels.learn(reads.antenna[teaches], reads.rssi_dbm[teaches])
        starts = np.flatnonzero(np.concatenate(([True], tag[1:] != tag[:-1])))
        # A tag read where it is and nowhere else, with more evidence there than any other zone can have, stays.
        calm = home & (self._rival[tag] <= LEAD * (evidence * faded(self._coverage.clock_us[zone] - clock_us)))
        open_ = ~np.logical_and.reduceat(calm, starts)
        return self._settled(tag[starts][open_], np.maximum.reduceat(seen.at_us, starts)[open_])

    def sound(self, late: GridReads) -> Flags:
        """Which late reads may still be used: those newer than all that was seen and decided of their tag."""
        row = self.pairs.rows(late.tag * self._zones + self._coverage.zone_of[late.antenna])
        newest = np.maximum(self.presence.known["last_at_us"][row], self._tags.decided_at_us[late.tag])
        sound: Flags = late.at_us > newest
        return sound

    def refresh(self, tags: Ints, zones: Ints, at_us: Ints) -> None:
        """The antennas of a door saw tags whose place is the zone inside it: they are not absent.

        That is no evidence for the zone, which goes on fading: a tag carried on to another zone in sight of the door
        must not stay where it was.
        """
        here = (self._tags.state[tags] == State.PRESENT) & (self._tags.place[tags] == zones)
        if not here.any():
            return
        rows, inverse = np.unique(self.pairs.rows(tags[here] * self._zones + zones[here]), return_inverse=True)
        clock_us, last_us = np.full(len(rows), NEVER_US), np.full(len(rows), NEVER_US)
        np.maximum.at(clock_us, inverse, self._coverage.clock_at(zones[here], at_us[here]))
        np.maximum.at(last_us, inverse, at_us[here])
        self._location.age(rows, np.maximum(clock_us - self.presence.known["seen_clock_us"][rows], 0))
        self.presence.refresh(rows, clock_us, last_us)

    def put(self, decision: Decision) -> None:
        """A crossing was decided: what zones knew of the tag before it is void."""
        rows = self.pairs.of_tags(np.array([decision.tag])).ravel()
        self.presence.end_stays(rows)
        self._location.clear(rows)
        if decision.finding is Finding.CROSSED_IN:
            zone = int(self._coverage.inside_zone[decision.where])
            self.hold(decision.tag, zone, decision.observed_us)

    def hold(self, tag: int, zone: int, at_us: int) -> None:
        """Something other than this zone's reads says that the tag is here since `at_us`; its window starts now."""
        row = self._rows_for(np.array([tag * self._zones + zone]))
        self._location.put(int(row[0]))
        self.presence.refresh(row, self._coverage.clock_us[[zone]], np.array([at_us]))
        self.presence.known["first_at_us"][row] = at_us

    def moved(self, tag: int) -> None:
        """A tag came to a place, or to none: when it may be silent and what rivals that place has is not known yet."""
        self._silent_from_us[tag] = NEVER_US if self._tags.place[tag] >= 0 else NO_LIMIT_US
        self._rival[tag] = np.inf

    def sweep(self) -> list[Decision]:
        """Which present tags have been silent beyond their windows, in zones watched by all their antennas."""
        clock_us = np.where(self._coverage.watched, self._coverage.clock_us, NEVER_US)
        tags = np.flatnonzero(self._silent_from_us < clock_us.max(initial=NEVER_US))
        tags = tags[clock_us[self._tags.place[tags]] > self._silent_from_us[tags]]
        if not len(tags):
            return []
        zones, rows = self._placed(tags)
        beyond, self._silent_from_us[tags] = self.presence.beyond(rows, clock_us[zones])
        return [self._silent(tag) for tag in tags[beyond].tolist()]

    def forget(self, tags: Ints) -> None:
        """Give the memory of these tags back: none of them is present."""
        rows = self.pairs.release(tags)
        self.presence.known.reset(rows)
        self._location.clear(rows)

    def _rows_for(self, keys: Ints) -> Ints:
        rows = self.pairs.allot(keys)
        self._make_room()
        return rows

    def _make_room(self) -> None:
        if self.pairs.capacity > len(self.presence.known):
            self.presence.known.grow(self.pairs.capacity)
            self._location.grow(self.pairs.capacity)

    def _placed(self, tags: Ints) -> tuple[Ints, Ints]:
        """Where each of these present tags is, and the row of both."""
        zones = self._tags.place[tags].astype(np.int64)
        return zones, self.pairs.rows(tags * self._zones + zones)

    def _settled(self, tags: Ints, at_us: Ints) -> list[Decision]:
        if not len(tags):
            return []
        open_ = self._contested(tags)
        tags, at_us = tags[open_], at_us[open_]
        if not len(tags):
            return []
        rows = self.pairs.of_tags(tags)
        evidence = self._location.evidence(rows, self._coverage.clock_us, self.presence.known["seen_clock_us"])
        best, share = leaders(evidence, self.presence.known["sightings"][rows])
        state, place = self._tags.state[tags], self._tags.place[tags].astype(np.int64)
        some = best >= 0
        settled = some & (state == State.ABSENT)
        settled |= some & (state == State.OUT) & self._persists(tags, best)
        settled |= (state == State.PRESENT) & self._keeps_lead(tags, at_us, evidence, best, place)
        return [
            self._in_zone(int(tags[row]), int(best[row]), float(share[row]), int(at_us[row]))
            for row in np.flatnonzero(settled)
        ]

    def _contested(self, tags: Ints) -> Ints:
        """Which of these have no place, or have had or may have another zone in the lead: few of many, found by looking
        at pairs that exist only. Each tag has one at least."""
        rows = self.pairs.of_tags(tags)
        number, zone = np.nonzero(rows != NOBODY)
        rows = rows[number, zone]
        seen_clock_us = self.presence.known["seen_clock_us"]
        evidence = self._location.evidence(rows, self._coverage.clock_us[zone], seen_clock_us)
        place = self._tags.place[tags]
        home = np.flatnonzero(place[number] == zone)
        at_home = np.zeros(len(tags), np.float32)
        at_home[number[home]] = evidence[home]
        evidence[home] = 0.0
        most = np.maximum.reduceat(evidence, np.flatnonzero(np.concatenate(([True], number[1:] != number[:-1]))))
        unled = (place >= 0) & (most <= LEAD * at_home) & (self._tags.lead_zone[tags] < 0)
        self._rival[tags] = np.where(unled, most, np.inf)
        return np.flatnonzero(~unled)

    def _persists(self, tags: Ints, best: Ints) -> Flags:
        rows = self.pairs.rows(tags * self._zones + np.maximum(best, 0))
        known = self.presence.known
        persists: Flags = known["last_at_us"][rows] - known["first_at_us"][rows] >= self._linger_us
        return persists & (known["sightings"][rows] >= LINGER_SIGHTINGS)

    def _keeps_lead(self, tags: Ints, at_us: Ints, evidence: Floats, best: Ints, place: Ints) -> Flags:
        """Does another zone lead clearly, and has it since a read SETTLE_US ago? Remembers who leads since when."""
        rows = np.arange(len(tags))
        leads = (best >= 0) & (best != place) & (evidence[rows, best] > LEAD * evidence[rows, place])
        same = leads & (self._tags.lead_zone[tags] == best)
        self._tags.lead_since_us[tags] = np.where(same, self._tags.lead_since_us[tags], at_us)
        self._tags.lead_zone[tags] = np.where(leads, best, -1)
        kept: Flags = same & (at_us - self._tags.lead_since_us[tags] >= SETTLE_US)
        return kept

    def _in_zone(self, tag: int, zone: int, share: float, at_us: int) -> Decision:
        row, presence = self._row(tag, zone), self.presence
        doubt = 0.5 ** int(presence.known["sightings"][row])
        return Decision(
            tag=tag,
            finding=Finding.SETTLED,
            where=zone,
            observed_us=at_us,
            confidence=share * (1.0 - doubt),
            reads=int(presence.known["reads"][row]),
            antennas=int(presence.known["antennas"][row]),
            first_us=int(presence.known["first_at_us"][row]),
            method=METHOD,
        )

    def _row(self, tag: int, zone: int) -> int:
        return int(self.pairs.rows(np.array([tag * self._zones + zone]))[0])

    def _silent(self, tag: int) -> Decision:
        """The tag left its zone: for another that still sees it, else for nowhere. A zone that has not heard it since
        its own did, does not see it still: where a tag is seldom read, the window is only longer."""
        place, presence, clock_us = int(self._tags.place[tag]), self.presence, self._coverage.clock_us
        rows = self.pairs.of_tags(np.array([tag]))
        each = rows[0]
        alive = (presence.known["sightings"][each] >= MIN_SIGHTINGS) & (np.arange(self._zones) != place)
        alive &= presence.silent_us(each, clock_us) <= 0
        since_us = max(int(self._tags.decided_at_us[tag]), int(presence.known["last_at_us"][each[place]]))
        alive &= presence.known["last_at_us"][each] > since_us
        absence = presence.absence(each[[place]], clock_us[[place]])[0]
        if alive.any():
            evidence = self._location.evidence(rows, clock_us, presence.known["seen_clock_us"])[0]
            evidence[place] *= 1.0 - absence
            zone = int(np.where(alive, evidence, -1.0).argmax())
            share = float(evidence[zone] / max(float(evidence.sum()), 1e-9))
            return self._in_zone(tag, zone, share, int(presence.known["last_at_us"][each[zone]]))
        row = int(each[place])
        decision = Decision(
            tag=tag,
            finding=Finding.SILENT,
            where=place,
            observed_us=int(presence.known["last_at_us"][row]),
            confidence=float(absence),
            reads=int(presence.known["reads"][row]),
            antennas=int(presence.known["antennas"][row]),
            first_us=int(presence.known["first_at_us"][row]),
            method=METHOD,
        )
        presence.end_stays(each)
        self._location.clear(each)
        return decision

    def present(self, numbers: slice, stored_until_us: int) -> tuple[Ints, Ints]:
        """The present tags among those of these numbers that were stored until then, and when each was last seen where
        it is."""
        stored = self._tags.stored_at_us[numbers] <= stored_until_us
        tags = np.flatnonzero(stored & (self._tags.state[numbers] == State.PRESENT)) + numbers.start
        _, rows = self._placed(tags)
        return tags, self.presence.known["last_at_us"][rows]

    def spare_us(self) -> int:
        """For how long no tag can be silent beyond its window, if nothing is read."""
        zones, rows = self._placed(np.flatnonzero(self._tags.state == State.PRESENT))
        beyond = self.presence.silent_us(rows, self._coverage.clock_us[zones])
        return int(-beyond[self._coverage.watched[zones]].max(initial=-NO_LIMIT_US))

    def sighted_us(self, tag: int) -> int:
        """When antennas of any zone last read a tag; NEVER_US where none has."""
        rows = self.pairs.of_tags(np.array([tag]))
        return int(self.presence.known["sighting_at_us"][rows].max(initial=NEVER_US))

    def view(self, tag: int) -> View:
        """What is known of a tag now."""
        presence, clock_us, rows = self.presence, self._coverage.clock_us, self.pairs.of_tags(np.array([tag]))
        each = rows[0]
        sightings = presence.known["sightings"][each]
        return View(
            place=int(self._tags.place[tag]),
            sightings=sightings,
            silent_us=clock_us - presence.known["seen_clock_us"][each],
            window_us=presence.windows_us(each),
            absence=np.where(sightings > 0, presence.absence(each, clock_us), 1.0),
            evidence=self._location.evidence(rows, clock_us, presence.known["seen_clock_us"])[0],
        )

    def kept(self, tags: Ints, zones: Ints) -> tuple[list[int], list[Habit]]:
        """What the journal keeps of tags in zones: when they were last seen there, and what was learnt of them."""
        rows = self.pairs.rows(tags * self._zones + zones)
        pairs = self.presence.known.take(rows)
        learnt = np.concatenate((pairs["counts"], paces(pairs["belief"])), axis=1)
        habits = [tuple(habit) for habit in learnt.astype(np.float64).round(4).tolist()]
        return pairs["last_at_us"].tolist(), habits

    def resume(self, tag: int, zone: int, seen_us: int, habit: Habit | None) -> None:
        """Put a tag where the journal says it is, with what was learnt of it there."""
        self.hold(tag, zone, seen_us)
        self.moved(tag)
        if habit is not None:
            learnt = np.array(habit, np.float32)
            self.presence.believe(self._row(tag, zone), settled(learnt[None, 2:])[0], learnt[:2])
