"""Zone reads become findings about places: presence and location put together.

A tag without a place settles where the evidence leads. A tag with a place settles elsewhere when another zone keeps the
lead (location), and is silent when its zone's clock ran past its window (presence). A tag that crossed outwards settles
only when zone reads persist for `linger_s` without a longer pause: a pallet waiting behind the wall is not back.

Silence is looked for in one vectorised sweep over all present tags each SWEEP_MS (see pipeline), so the cost of a read
does not grow with the tags present.
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
from gateway.location import LEAD, MIN_SIGHTINGS, SETTLE_US, AntennaLevels, Location, leaders
from gateway.movement import Decision, Finding, Habit, State
from gateway.pairs import Pairs
from gateway.presence import Flags, Presence, ZoneSightings
from gateway.tags import Tags

METHOD: Final = "zone-belief/2"
LINGER_SIGHTINGS: Final = 3
"""After crossing outwards, two reads at the ends of `linger_s` are not persistence."""

NO_LIMIT_US: Final = 1 << 62
YOUNG_STAY: Final = 16
"""Sightings of a stay that teach what its antennas' levels are: a tag parked for days says no more than one passing."""


def gather(reads: GridReads, coverage: Coverage, bias_db: Floats) -> ZoneSightings:
    """Zone reads by (tag, zone), levels less each antenna's `bias_db`. `reads` must all be of antennas that look at
    zones, in order of time."""
    key = reads.tag * len(coverage.zones) + coverage.zone_of[reads.antenna]
    order = np.argsort(key, kind="stable")
    key, antenna = key[order], reads.antenna[order]
    starts = np.flatnonzero(np.concatenate(([True], key[1:] != key[:-1])))
    at_us = reads.at_us[order]
    return ZoneSightings(
        key=key[starts],
        at_us=np.maximum.reduceat(at_us, starts),
        first_at_us=np.minimum.reduceat(at_us, starts),
        reads=np.add.reduceat(reads.count[order], starts),
        antennas=np.bitwise_or.reduceat(coverage.bit_of[antenna], starts),
        rssi_dbm=np.fmax.reduceat(reads.rssi_dbm[order] - bias_db[antenna], starts),
    )


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
        self._make_room()

    def grow(self, tags: int) -> None:
        """Make room for `tags` tags."""
        self.pairs.grow(tags)

    def observe(self, reads: GridReads) -> list[Decision]:
        """Take zone reads of one cell (or late ones, see `sound`) and say which tags settled."""
        seen = gather(reads, self._coverage, self.levels.bias_db)
        rows, zones = self._rows_for(seen.key), seen.key % self._zones
        clock_us = self._coverage.clock_at(zones, seen.at_us)
        lingering = self._tags.state[seen.key // self._zones] == State.OUT
        stays = self.presence.observe(rows, seen, clock_us, np.where(lingering, self._pause_us, NO_LIMIT_US))
        self._location.observe(rows, seen.rssi_dbm, stays)
        self._learn_levels(reads)
        tag = seen.key // self._zones
        starts = np.flatnonzero(np.concatenate(([True], tag[1:] != tag[:-1])))
        return self._settled(tag[starts], np.maximum.reduceat(seen.at_us, starts))

    def sound(self, late: GridReads) -> Flags:
        """Which late reads may still be used: those newer than all that was seen and decided of their tag."""
        row = self.pairs.rows(late.tag * self._zones + self._coverage.zone_of[late.antenna])
        newest = np.maximum(self.presence.last_at_us[row], self._tags.decided_at_us[late.tag])
        sound: Flags = late.at_us > newest
        return sound

    def refresh(self, tags: Ints, zones: Ints, at_us: Ints) -> None:
        """The antennas of a door saw tags whose place is the zone inside it: they are not absent."""
        here = (self._tags.state[tags] == State.PRESENT) & (self._tags.place[tags] == zones)
        rows = self.pairs.rows(tags[here] * self._zones + zones[here])
        clock_us = self._coverage.clock_at(zones[here], at_us[here])
        self.presence.refresh(rows, clock_us, at_us[here])

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
        self.presence.first_at_us[row] = at_us

    def sweep(self) -> list[Decision]:
        """Which present tags have been silent beyond their windows, in zones watched by all their antennas."""
        tags, zones, rows = self._placed()
        clock_us = self._coverage.clock_us[zones]
        asked = np.flatnonzero(self.presence.may_be_silent(rows, clock_us) & self._coverage.watched[zones])
        beyond = self.presence.silent_us(rows[asked], clock_us[asked])
        return [self._silent(int(tag)) for tag in tags[asked[beyond > 0]]]

    def forget(self, tags: Ints) -> None:
        """Give the memory of these tags back: none of them is present."""
        rows = self.pairs.release(tags)
        self.presence.reset(rows)
        self._location.clear(rows)

    def _rows_for(self, keys: Ints) -> Ints:
        rows = self.pairs.allot(keys)
        self._make_room()
        return rows

    def _make_room(self) -> None:
        if self.pairs.capacity > len(self.presence.sightings):
            self.presence.grow(self.pairs.capacity)
            self._location.grow(self.pairs.capacity)

    def _placed(self, numbers: slice = slice(0, None)) -> tuple[Ints, Ints, Ints]:
        """The present tags among those of these numbers, where each is, and the row of both."""
        tags = np.flatnonzero(self._tags.state[numbers] == State.PRESENT) + numbers.start
        zones = self._tags.place[tags].astype(np.int64)
        return tags, zones, self.pairs.rows(tags * self._zones + zones)

    def _learn_levels(self, reads: GridReads) -> None:
        zones = self._coverage.zone_of[reads.antenna]
        home = (self._tags.state[reads.tag] == State.PRESENT) & (self._tags.place[reads.tag] == zones)
        rows = self.pairs.rows(reads.tag[home] * self._zones + zones[home])
        young = self.presence.sightings[rows] <= YOUNG_STAY
        self.levels.learn(reads.antenna[home][young], reads.rssi_dbm[home][young])

    def _settled(self, tags: Ints, at_us: Ints) -> list[Decision]:
        rows = self.pairs.of_tags(tags)
        evidence = self._location.evidence(rows, self._coverage.clock_us, self.presence.seen_clock_us)
        best, share = leaders(evidence, self.presence.sightings[rows])
        state, place = self._tags.state[tags], self._tags.place[tags].astype(np.int64)
        some = best >= 0
        settled = some & (state == State.ABSENT)
        settled |= some & (state == State.OUT) & self._persists(tags, best)
        settled |= (state == State.PRESENT) & self._keeps_lead(tags, at_us, evidence, best, place)
        return [
            self._in_zone(int(tags[row]), int(best[row]), float(share[row]), int(at_us[row]))
            for row in np.flatnonzero(settled)
        ]

    def _persists(self, tags: Ints, best: Ints) -> Flags:
        rows = self.pairs.rows(tags * self._zones + np.maximum(best, 0))
        lasted = self.presence.last_at_us[rows] - self.presence.first_at_us[rows] >= self._linger_us
        return lasted & (self.presence.sightings[rows] >= LINGER_SIGHTINGS)

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
        doubt = 0.5 ** int(presence.sightings[row])
        return Decision(
            tag=tag,
            finding=Finding.SETTLED,
            where=zone,
            observed_us=at_us,
            confidence=share * (1.0 - doubt),
            reads=int(presence.reads[row]),
            antennas=int(presence.antennas[row]),
            first_us=int(presence.first_at_us[row]),
            method=METHOD,
        )

    def _row(self, tag: int, zone: int) -> int:
        return int(self.pairs.rows(np.array([tag * self._zones + zone]))[0])

    def _silent(self, tag: int) -> Decision:
        """The tag left its zone: for another that still sees it, else for nowhere."""
        place, presence, clock_us = int(self._tags.place[tag]), self.presence, self._coverage.clock_us
        rows = self.pairs.of_tags(np.array([tag]))
        each = rows[0]
        alive = (presence.sightings[each] >= MIN_SIGHTINGS) & (np.arange(self._zones) != place)
        alive &= presence.silent_us(each, clock_us) <= 0
        alive &= presence.last_at_us[each] > self._tags.decided_at_us[tag]
        absence = presence.absence(each[[place]], clock_us[[place]])[0]
        if alive.any():
            evidence = self._location.evidence(rows, clock_us, presence.seen_clock_us)[0]
            evidence[place] *= 1.0 - absence
            zone = int(np.where(alive, evidence, -1.0).argmax())
            share = float(evidence[zone] / max(float(evidence.sum()), 1e-9))
            return self._in_zone(tag, zone, share, int(presence.last_at_us[each[zone]]))
        row = int(each[place])
        decision = Decision(
            tag=tag,
            finding=Finding.SILENT,
            where=place,
            observed_us=int(presence.last_at_us[row]),
            confidence=float(absence),
            reads=int(presence.reads[row]),
            antennas=int(presence.antennas[row]),
            first_us=int(presence.first_at_us[row]),
            method=METHOD,
        )
        presence.end_stays(each)
        self._location.clear(each)
        return decision

    def present(self, numbers: slice) -> tuple[Ints, Ints]:
        """The present tags among those of these numbers, and when each was last seen where it is."""
        tags, _, rows = self._placed(numbers)
        return tags, self.presence.last_at_us[rows]

    def spare_us(self) -> int:
        """For how long no tag can be silent beyond its window, if nothing is read."""
        _, zones, rows = self._placed()
        beyond = self.presence.silent_us(rows, self._coverage.clock_us[zones])
        return int(-beyond[self._coverage.watched[zones]].max(initial=-NO_LIMIT_US))

    def view(self, tag: int) -> View:
        """What is known of a tag now."""
        presence, clock_us, rows = self.presence, self._coverage.clock_us, self.pairs.of_tags(np.array([tag]))
        each = rows[0]
        sightings = presence.sightings[each]
        return View(
            place=int(self._tags.place[tag]),
            sightings=sightings,
            silent_us=clock_us - presence.seen_clock_us[each],
            window_us=presence.windows_us(each),
            absence=np.where(sightings > 0, presence.absence(each, clock_us), 1.0),
            evidence=self._location.evidence(rows, clock_us, presence.seen_clock_us)[0],
        )

    def kept(self, tags: Ints, zones: Ints) -> tuple[list[int], list[Habit]]:
        """What the journal keeps of tags in zones: when they were last seen there, and what was learnt of them."""
        rows = self.pairs.rows(tags * self._zones + zones)
        learnt = np.concatenate((self.presence.counts[rows], paces(self.presence.belief[rows])), axis=1)
        habits = [tuple(habit) for habit in learnt.astype(np.float64).round(4).tolist()]
        return self.presence.last_at_us[rows].tolist(), habits

    def resume(self, tag: int, zone: int, seen_us: int, habit: Habit | None) -> None:
        """Put a tag where the journal says it is, with what was learnt of it there."""
        self.hold(tag, zone, seen_us)
        if habit is not None:
            learnt = np.array(habit, np.float32)
            self.presence.believe(self._row(tag, zone), settled(learnt[None, 2:])[0], learnt[:2])
