"""Zone reads become findings about places: presence and location put together.

A tag without a place settles where the evidence leads. A tag with a place settles elsewhere when another zone keeps the
lead (location), and is silent when its zone's clock ran past its window (presence). A tag that crossed outwards settles
only when zone reads persist for `linger_s` without a longer pause: a pallet waiting behind the wall is not back.

Silence is looked for in one vectorised sweep over all present tags each SWEEP_MS (see pipeline), so the cost of a read
does not grow with the tags present.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from gateway.config import Rules
from gateway.coverage import Coverage
from gateway.grid import GridReads
from gateway.location import LEAD, MIN_SIGHTINGS, SETTLE_US, Location, leaders
from gateway.movement import Decision, Finding, GapRow, State
from gateway.presence import PRIOR_MEAN_S, PRIOR_SPREAD_S, Flags, Floats, Ints, Presence, ZoneSightings
from gateway.tags import Tags

METHOD: Final = "zone-evidence/1"
LINGER_SIGHTINGS: Final = 3
"""After crossing outwards, two reads at the ends of `linger_s` are not persistence."""

NO_LIMIT_US: Final = 1 << 62
NO_GAPS: Final[GapRow] = (PRIOR_MEAN_S, PRIOR_MEAN_S**2 + PRIOR_SPREAD_S**2, 0)


def gather(reads: GridReads, coverage: Coverage) -> ZoneSightings:
    """Zone reads by (tag, zone). `reads` must all be of antennas that look at zones, in order of time."""
    key = reads.tag * len(coverage.zones) + coverage.zone_of[reads.antenna]
    order = np.argsort(key, kind="stable")
    key = key[order]
    starts = np.flatnonzero(np.concatenate(([True], key[1:] != key[:-1])))
    at_us = reads.at_us[order]
    return ZoneSightings(
        key=key[starts],
        at_us=np.maximum.reduceat(at_us, starts),
        first_at_us=np.minimum.reduceat(at_us, starts),
        reads=np.add.reduceat(reads.count[order], starts),
        antennas=np.bitwise_or.reduceat(coverage.bit_of[reads.antenna[order]], starts),
        rssi_dbm=np.fmax.reduceat(reads.rssi_dbm[order], starts),
    )


class Placing:
    """Presence and location of every tag in every zone."""

    def __init__(self, rules: Rules, tags: Tags, coverage: Coverage) -> None:
        self._tags = tags
        self._coverage = coverage
        self._zones = len(coverage.zones)
        self._linger_us = int(rules.linger_s * 1e6)
        self._pause_us = max(self._linger_us, rules.window_min_ms * 1000)
        self._sure = 1.0 - rules.absence_error
        self.presence = Presence(self._zones, rules)
        self._location = Location(self._zones)

    def grow(self, rows: int) -> None:
        """Make room for `rows` tags."""
        self.presence.grow(rows)
        self._location.grow(rows)

    def observe(self, reads: GridReads) -> list[Decision]:
        """Take zone reads of one cell (or late ones, see `sound`) and say which tags settled."""
        seen = gather(reads, self._coverage)
        zones = seen.key % self._zones
        clock_us = self._coverage.clock_at(zones, seen.at_us)
        lingering = self._tags.state[seen.key // self._zones] == State.OUT
        stays = self.presence.observe(seen, clock_us, np.where(lingering, self._pause_us, NO_LIMIT_US))
        self._location.observe(seen.key, seen.rssi_dbm, stays)
        tags = np.unique(seen.key // self._zones)
        return self._settled(tags, self._newest(seen, tags))

    def sound(self, late: GridReads) -> Flags:
        """Which late reads may still be used: those newer than all that was seen and decided of their tag."""
        key = late.tag * self._zones + self._coverage.zone_of[late.antenna]
        newest = np.maximum(self.presence.last_at_us[key], self._tags.decided_at_us[late.tag])
        sound: Flags = late.at_us > newest
        return sound

    def refresh(self, tags: Ints, zones: Ints, at_us: Ints) -> None:
        """The antennas of a door saw tags whose place is the zone inside it: they are not absent."""
        here = (self._tags.state[tags] == State.PRESENT) & (self._tags.place[tags] == zones)
        key = tags[here] * self._zones + zones[here]
        self.presence.refresh(key, self._coverage.clock_at(zones[here], at_us[here]), at_us[here])

    def put(self, decision: Decision) -> None:
        """A crossing was decided: what zones knew of the tag before it is void."""
        keys = decision.tag * self._zones + np.arange(self._zones)
        self.presence.end_stays(keys)
        self._location.clear(keys)
        if decision.finding is Finding.CROSSED_IN:
            zone = int(self._coverage.inside_zone[decision.where])
            self.hold(decision.tag, zone, decision.observed_us)

    def hold(self, tag: int, zone: int, at_us: int) -> None:
        """Something other than this zone's reads says that the tag is here since `at_us`; its window starts now."""
        key = np.array([tag * self._zones + zone])
        self._location.put(key)
        self.presence.refresh(key, self._coverage.clock_us[[zone]], np.array([at_us]))
        self.presence.first_at_us[key] = at_us

    def sweep(self) -> list[Decision]:
        """Which present tags have been silent beyond their windows, in zones watched by all their antennas."""
        present = np.flatnonzero(self._tags.state == State.PRESENT)
        zones = self._tags.place[present].astype(np.int64)
        key = present * self._zones + zones
        beyond = self.presence.silent_us(key, self._coverage.clock_us[zones])
        silent = present[(beyond > 0) & self._coverage.watched[zones]]
        return [self._silent(int(tag)) for tag in silent]

    def _newest(self, seen: ZoneSightings, tags: Ints) -> Ints:
        """Time of the last read of each of `tags` in this cell."""
        starts = np.searchsorted(seen.key // self._zones, tags)
        return np.maximum.reduceat(seen.at_us, starts)

    def _settled(self, tags: Ints, at_us: Ints) -> list[Decision]:
        evidence = self._location.evidence(tags, self._coverage.clock_us, self.presence.seen_clock_us)
        sightings = self.presence.sightings.reshape(-1, self._zones)[tags]
        best, share = leaders(evidence, sightings)
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
        key = tags * self._zones + np.maximum(best, 0)
        lasted = self.presence.last_at_us[key] - self.presence.first_at_us[key] >= self._linger_us
        return lasted & (self.presence.sightings[key] >= LINGER_SIGHTINGS)

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
        key, presence = tag * self._zones + zone, self.presence
        doubt = 0.5 ** int(presence.sightings[key])
        return Decision(
            tag=tag,
            finding=Finding.SETTLED,
            where=zone,
            observed_us=at_us,
            confidence=share * (1.0 - doubt),
            reads=int(presence.reads[key]),
            antennas=int(presence.antennas[key]),
            first_us=int(presence.first_at_us[key]),
            method=METHOD,
        )

    def _silent(self, tag: int) -> Decision:
        """The tag left its zone: for another that still sees it, else for nowhere."""
        place, presence = int(self._tags.place[tag]), self.presence
        zones = np.arange(self._zones)
        keys = tag * self._zones + zones
        alive = (presence.sightings[keys] >= MIN_SIGHTINGS) & (zones != place)
        alive &= presence.silent_us(keys, self._coverage.clock_us) <= 0
        alive &= presence.last_at_us[keys] > self._tags.decided_at_us[tag]
        if alive.any():
            evidence = self._location.evidence(np.array([tag]), self._coverage.clock_us, presence.seen_clock_us)[0]
            zone = int(np.where(alive, evidence, -1.0).argmax())
            share = float(evidence[zone] / max(float(evidence.sum()), 1e-9))
            return self._in_zone(tag, zone, share, int(presence.last_at_us[tag * self._zones + zone]))
        key = tag * self._zones + place
        decision = Decision(
            tag=tag,
            finding=Finding.SILENT,
            where=place,
            observed_us=int(presence.last_at_us[key]),
            confidence=self._sure,
            reads=int(presence.reads[key]),
            antennas=int(presence.antennas[key]),
            first_us=int(presence.first_at_us[key]),
            method=METHOD,
        )
        presence.end_stays(keys)
        self._location.clear(keys)
        return decision

    def present(self) -> tuple[Ints, Ints]:
        """The present tags, and when each was last seen where it is."""
        tags = np.flatnonzero(self._tags.state == State.PRESENT)
        return tags, self.presence.last_at_us[tags * self._zones + self._tags.place[tags]]

    def spare_us(self) -> int:
        """For how long no tag can be silent beyond its window, if nothing is read."""
        tags = np.flatnonzero(self._tags.state == State.PRESENT)
        zones = self._tags.place[tags].astype(np.int64)
        beyond = self.presence.silent_us(tags * self._zones + zones, self._coverage.clock_us[zones])
        return int(-beyond[self._coverage.watched[zones]].max(initial=-NO_LIMIT_US))

    def seen_us(self, tag: int, zone: int) -> int:
        """When the tag was last seen in the zone."""
        return int(self.presence.last_at_us[tag * self._zones + zone])

    def gaps(self, tag: int, zone: int | None) -> GapRow:
        """What the tag's window in the zone was learnt from; nothing for no zone."""
        if zone is None:
            return NO_GAPS
        key = tag * self._zones + zone
        return (
            round(float(self.presence.gap_mean_s[key]), 3),
            round(float(self.presence.gap_square_s2[key]), 3),
            int(self.presence.gaps[key]),
        )

    def resume(self, tag: int, zone: int, seen_us: int, gaps: GapRow) -> None:
        """Put a tag where the journal says it is, with the window it had."""
        key = tag * self._zones + zone
        self.presence.gap_mean_s[key], self.presence.gap_square_s2[key], self.presence.gaps[key] = gaps
        self.hold(tag, zone, seen_us)
