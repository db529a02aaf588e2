"""Did it cross, which way, or is it just standing there?

Each door keeps, for the tags near it lately, the strongest level by time bin and side (see passage), and judges at the
end of every bin, from reads up to then only. Three rules, each refusing what the ones before it decided:

    rule    decides for                      when
    order   a tag by its own path            its order evidence is overwhelming and its reads agree
    group   a pallet's tags together         enough tags change side within GROUP_BINS: their path is the template, and
                                             every tag near the door is in or out by likeness, the sure ones early
    walk    a tag by its own path            OWN_WAIT bins after its change of side, no group about: some order, no
                                             contradiction since, and more like a walk through than like its history

    group event   opens when the net number of tags changing side one way reaches GROUP_TAGS
                  judges members from the change on, with thresholds that fall as the picture completes
                  closes GROUP_LIFE bins later; tags that were seen and stayed gain a veto for the events to come

A tag's history speaks only against it (it stayed while groups left), never for it. A tag read more strongly at another
door belongs there. The level of crossings at this door is learnt from those decided.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

from gateway.coverage import Coverage
from gateway.grid import GridReads
from gateway.movement import Decision, Finding
from gateway.passage import (
    INWARDS,
    OUTWARDS,
    Flags,
    Floats,
    History,
    Ints,
    Order,
    Template,
    against_visit,
    history_of,
    likeness,
    mirrored,
    order,
    template_of,
    walking_template,
)
from gateway.path_log import BINS, PathLog

METHOD: Final = "portal-rule/1"
ACTIVE_BINS: Final = 16
"""Tags read within 4 s are judged."""

AGREEMENT: Final = 0.6
OWN_AGREEMENT: Final = 0.8
OWN_EVIDENCE: Final = 6.0
"""Order evidence at which a tag's own path needs no second opinion: two or more strong bins on each side."""

WALK_EVIDENCE: Final = 0.5
WALK_LIKENESS: Final = 2.0
OWN_WAIT: Final = 10
SEARCH_BINS: Final = 14

FLIP_EVIDENCE: Final = 1.5
GROUP_BINS: Final = 8
GROUP_TAGS: Final = 10
"""Fewer tags than this also change side by chance where a hundred stand beside the door."""

GROUP_BEFORE: Final = 12
GROUP_AFTER: Final = 14
GROUP_LIFE: Final = 24
GROUP_APART: Final = 28
OPPOSITE_APART: Final = 12
FIRST_LOOK: Final = 4
LIKENESS_BY_AGE: Final = ((6, 4.0), (10, 2.0), (14, 0.0))
LIKENESS_AT_LAST: Final = -2.5
"""Likeness needed by bins since the change: in a group most tags near the door cross, so the last word is lenient."""

CROWD: Final = 3.0
"""Where the tags still undecided at last outnumber a quarter of the group, each is less likely to be one of it."""

VISIT_RARITY: Final = 5.0
"""Something that comes near just when a group passes, and does not pass, is that much rarer (natural logarithm)."""

VETO: Final = 1.5
MOST_VETOES: Final = 3
STAYED_LIKENESS: Final = -1.5
HOLD_BINS: Final = 24
"""Nothing crosses twice the same way within 6 s without having come back."""

TURN_BINS: Final = 8

FIRST_PEAK_DBM: Final = -64.0
PEAK_WEIGHT: Final = 0.02
BELOW_PEAK_DB: Final = 6.0
"""A tag whose own strongest level is further below a crossing's usual peak is measured against that instead."""

FAINT_DB: Final = 8.0
UNSEEN_PRIOR_S: Final = 5.0
FADE_S: Final = 30.0
FADE_LAG: Final = 16
"""History is what lies further back than a passage takes."""

FINDINGS: Final = (Finding.CROSSED_OUT, Finding.CROSSED_IN)


@dataclass(slots=True)
class _Group:
    """A pallet on its way through the door."""

    direction: int
    since_bin: int
    closed: bool = False
    changed_bin: int | None = None


class PortalJudge:
    """One door: the paths of the tags near it, and the group on its way through, if any."""

    def __init__(self, portal: int, coverage: Coverage, bin_us: int) -> None:
        self._portal = portal
        self._coverage = coverage
        self._bin_s = bin_us / 1e6
        self.log = PathLog(bin_us)
        self._group: _Group | None = None
        self._peak_dbm = FIRST_PEAK_DBM
        self._since_bin: int | None = None

    def observe(self, reads: GridReads) -> None:
        """Take this door's reads of one cell."""
        levels = np.where(np.isnan(reads.rssi_dbm), np.float32(self._peak_dbm), reads.rssi_dbm)
        side, antennas = self._coverage.side_of[reads.antenna], self._coverage.bit_of[reads.antenna]
        self.log.observe(reads.tag, side, levels, reads.at_us, antennas, reads.count)

    def sweep(self, now_bin: int, rivals_mw: Floats) -> list[Decision]:
        """Judge at the start of bin `now_bin`. `rivals_mw`: for each row of the log, its tag's power at the loudest
        other door."""
        if self._since_bin is None:
            self._since_bin = now_bin
        self.log.fade(now_bin - FADE_LAG, 0.5 ** (self._bin_s / FADE_S))
        rows = self.log.active(now_bin, ACTIVE_BINS)
        rows = rows[rivals_mw[rows] <= self.log.power_mw(rows, now_bin, ACTIVE_BINS)]
        decisions = self._judge(rows, now_bin) if len(rows) else []
        self.log.turn(now_bin)
        return decisions

    def _judge(self, rows: Ints, now_bin: int) -> list[Decision]:
        log = self.log
        levels = log.levels(rows, now_bin)
        bins = np.arange(now_bin - BINS, now_bin)
        fresh = np.where((bins[None, :] < log.cut_bin[rows][:, None])[:, :, None], -np.inf, levels)
        peak = np.maximum(fresh.max(axis=(1, 2)), self._peak_dbm - BELOW_PEAK_DB).astype(np.float32)
        paths = order(fresh, peak, SEARCH_BINS)
        flips = [self._flipped(path) for path in paths]
        decisions = self._by_order(rows, paths, now_bin)
        net = self._net_changes(rows, flips, now_bin)
        for direction in (OUTWARDS, INWARDS):
            self._open_group(direction, net if direction == OUTWARDS else -net, now_bin)
        decisions += self._by_group(rows, paths, flips, now_bin)
        if self._group is None or now_bin - self._group.since_bin > GROUP_LIFE + OWN_WAIT:
            decisions += self._by_walk(rows, levels, paths, now_bin)
        return decisions

    def _flipped(self, path: Order) -> Flags:
        recent: Flags = path.change >= BINS - GROUP_BINS
        return recent & (path.evidence >= FLIP_EVIDENCE) & (path.agreement >= AGREEMENT)

    def _net_changes(self, rows: Ints, flips: list[Flags], now_bin: int) -> int:
        """Tags changing side outwards within GROUP_BINS, less those inwards; decided ones count as well."""
        recent = self.log.crossed_bin >= now_bin - GROUP_BINS
        undecided = ~recent[rows]
        counts = [
            int((recent & (self.log.direction == each)).sum()) + int((flips[each] & undecided).sum())
            for each in (OUTWARDS, INWARDS)
        ]
        return counts[OUTWARDS] - counts[INWARDS]

    def _by_order(self, rows: Ints, paths: tuple[Order, Order], now_bin: int) -> list[Decision]:
        decisions = []
        for direction, path in enumerate(paths):
            plain = (path.evidence >= OWN_EVIDENCE) & (path.agreement >= OWN_AGREEMENT)
            for at in np.flatnonzero(plain & self._may(rows, direction, now_bin)):
                changed = now_bin - BINS + int(path.change[at])
                decisions.append(self._cross(int(rows[at]), direction, changed, now_bin, float(path.evidence[at])))
        return decisions

    def _may(self, rows: Ints, direction: int, now_bin: int) -> Flags:
        """Rows that may cross this way now: not just decided, and not a second time the same way in one passage."""
        log, group = self.log, self._group
        since = now_bin - HOLD_BINS
        if group is not None and group.direction == direction and now_bin - group.since_bin <= GROUP_LIFE:
            since = min(since, group.since_bin - OPPOSITE_APART)
        repeated = (log.direction[rows] == direction) & (log.decided_bin[rows] > since)
        may: Flags = ~repeated & (log.decided_bin[rows] <= now_bin - TURN_BINS)
        return may

    def _open_group(self, direction: int, net: int, now_bin: int) -> None:
        group = self._group
        if net < GROUP_TAGS:
            return
        if group is not None:
            age = now_bin - group.since_bin
            if age <= (GROUP_APART if group.direction == direction else OPPOSITE_APART):
                return
        self._group = _Group(direction, now_bin)

    def _by_group(self, rows: Ints, paths: tuple[Order, Order], flips: list[Flags], now_bin: int) -> list[Decision]:
        group = self._group
        if group is None or now_bin - group.since_bin > GROUP_LIFE:
            return []
        log, direction = self.log, group.direction
        undecided = flips[direction] & (log.crossed_bin[rows] < group.since_bin - OPPOSITE_APART)
        decided = np.flatnonzero(
            (log.direction == direction) & (log.crossed_bin >= group.since_bin - OPPOSITE_APART) & (log.tag_of >= 0)
        )
        members = np.concatenate((rows[undecided], decided))
        if len(members) < GROUP_TAGS:
            return []
        changes = np.concatenate((now_bin - BINS + paths[direction].change[undecided], log.crossed_bin[decided]))
        changed = group.changed_bin = int(np.median(changes))
        age = min(GROUP_AFTER, now_bin - changed)
        if age < FIRST_LOOK:
            return []
        window = np.arange(changed - GROUP_BEFORE, changed + age)
        template = template_of(log.levels_in(members, window, now_bin), self._faint_dbm)
        levels = log.levels_in(rows, window, now_bin)
        like = self._likeness(rows, levels, template, now_bin)
        seen = np.isfinite(levels).any(axis=(1, 2))
        able = seen & self._may(rows, direction, now_bin)
        crowd = max(0.0, float(np.log(CROWD * max(1, int(able.sum())) / len(members))))
        needed = next(
            (least for until, least in LIKENESS_BY_AGE if now_bin - changed < until), LIKENESS_AT_LAST + crowd
        )
        chosen = able & (like - VETO * np.minimum(log.stays[rows], MOST_VETOES) >= needed)
        decisions = [
            self._cross(int(rows[at]), direction, changed, now_bin, float(like[at]) - LIKENESS_AT_LAST)
            for at in np.flatnonzero(chosen)
        ]
        if now_bin - changed >= GROUP_AFTER and not group.closed:
            group.closed = True
            left = (log.direction[rows] == direction) & (log.decided_bin[rows] > group.since_bin - OPPOSITE_APART)
            log.stays[rows[seen & ~left & (like < STAYED_LIKENESS)]] += 1
            log.stays[rows[left]] = 0
        return decisions

    def _by_walk(self, rows: Ints, levels: Floats, paths: tuple[Order, Order], now_bin: int) -> list[Decision]:
        decisions: list[Decision] = []
        outwards = walking_template(GROUP_BEFORE, OWN_WAIT, self._bin_s, self._peak_dbm)
        for direction, path in enumerate(paths):
            due = (path.change == BINS - OWN_WAIT) & (path.evidence >= WALK_EVIDENCE)
            due &= (path.agreement >= AGREEMENT) & self._may(rows, direction, now_bin)
            if not due.any():
                continue
            template = outwards if direction == OUTWARDS else mirrored(outwards)
            window = levels[due][:, -(GROUP_BEFORE + OWN_WAIT) :]
            like = self._likeness(rows[due], window, template, now_bin)
            like = like - VETO * np.minimum(self.log.stays[rows[due]], MOST_VETOES)
            for row, sure in zip(rows[due], like, strict=True):
                if sure >= WALK_LIKENESS:
                    decisions.append(self._cross(int(row), direction, now_bin - OWN_WAIT, now_bin, float(sure)))
        return decisions

    def _likeness(self, rows: Ints, levels: Floats, template: Template, now_bin: int) -> Floats:
        """How much better passage explains the path than the better of standing still and a visit."""
        still = likeness(levels, template, self._history(rows, now_bin))
        visiting = against_visit(levels, template) + np.float32(VISIT_RARITY)
        better: Floats = np.minimum(still, visiting)
        return better

    def _history(self, rows: Ints, now_bin: int) -> History:
        """The tags standing still, as they were before a passage could have begun."""
        since = self._since_bin if self._since_bin is not None else now_bin
        fade = 0.5 ** (self._bin_s / FADE_S)
        watched = (1.0 - fade ** max(0, now_bin - since - FADE_LAG)) / (1.0 - fade)
        log = self.log
        return history_of(
            log.past_reads[rows], log.past_levels[rows], watched, UNSEEN_PRIOR_S / self._bin_s, self._faint_dbm
        )

    @property
    def _faint_dbm(self) -> float:
        return self._peak_dbm - FAINT_DB

    def _cross(self, row: int, direction: int, changed_bin: int, now_bin: int, log_odds: float) -> Decision:
        log = self.log
        path = log.levels_in(np.array([row]), np.arange(changed_bin - GROUP_BEFORE, now_bin), now_bin)
        peak = float(path.max())
        if np.isfinite(peak):
            self._peak_dbm += PEAK_WEIGHT * (peak - self._peak_dbm)
        reads, first_us = log.evidence(row, changed_bin - GROUP_BEFORE, now_bin)
        decision = Decision(
            tag=int(log.tag_of[row]),
            finding=FINDINGS[direction],
            where=self._portal,
            observed_us=int(log.last_us[row]),
            confidence=1.0 / (1.0 + float(np.exp(-min(log_odds, 30.0)))),
            reads=reads,
            antennas=int(log.antennas[row]),
            first_us=first_us,
            method=METHOD,
        )
        log.mark(row, direction, changed_bin, now_bin)
        return decision


class Doors:
    """All doors of a gateway: a tag read more strongly at another door belongs there."""

    def __init__(self, coverage: Coverage, bin_us: int) -> None:
        self._coverage = coverage
        self._bin_us = bin_us
        self._judges = [PortalJudge(portal, coverage, bin_us) for portal in range(len(coverage.portals))]

    @property
    def awake(self) -> bool:
        """Is any tag near a door still remembered?"""
        return any(judge.log.awake for judge in self._judges)

    def grow(self, rows: int) -> None:
        """Make room for tag numbers below `rows`."""
        for judge in self._judges:
            judge.log.grow(rows)

    def observe(self, reads: GridReads) -> None:
        """Take the reads of one cell; all must be of antennas that look at a portal."""
        portals = self._coverage.portal_of[reads.antenna]
        for portal in np.unique(portals):
            self._judges[portal].observe(reads.take(portals == portal))

    def sweep(self, end_us: int) -> list[Decision]:
        """Judge every door at the end of a time bin."""
        now_bin = end_us // self._bin_us
        rivals = [self._rivals(judge, now_bin) for judge in self._judges]
        decisions: list[Decision] = []
        for judge, louder in zip(self._judges, rivals, strict=True):
            decisions += judge.sweep(now_bin, louder)
        return decisions

    def _rivals(self, judge: PortalJudge, now_bin: int) -> Floats:
        """For each row of a door's log the power of its tag at the loudest other door."""
        tags = judge.log.tag_of
        louder = np.zeros(len(tags), np.float32)
        for other in self._judges:
            if other is not judge and len(tags):
                louder = np.maximum(louder, other.log.power_of_tags(tags, now_bin, ACTIVE_BINS))
        return louder
