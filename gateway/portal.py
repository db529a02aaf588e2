"""Did it cross, which way, or is it just standing there?

Each door keeps, for the tags near it lately, the strongest level by time bin and side (path_log), and judges at the end
of every bin, from reads up to then only:

    sight     what each tag's own path says           passage     likeness to a walk through, order of the sides, …
    crowd     what the others near it say             crowd       how many cross with it, likeness to their path, …
    odds      how likely it crossed just now          portal_model
    decided   when the odds reach the model's caution, which is high while the picture is young

and then refuses what cannot be: nothing crosses twice the same way within HOLD_BINS, nor turns within TURN_BINS; what
the first side goes on to read, itself or its group, has come near and not crossed; a tag read more strongly at another
door belongs there, and one that crossed there lately is not carried along by who crosses here, but has to be seen on
both sides itself; and where a photo-eye is wired to the door, nothing crosses without its beam having been broken about
then.

A door whose reader is away stands still and catches up when it is back (door_time). Zones help to tell what a door
cannot: who went along with a load unseen (bystanders), and whether a lone tag has gone (lone).

A restart forgets a crossing in progress and invents none: a change of side counts only when the door has been watched
for BEFORE_BINS before it.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Final

import numpy as np

from gateway.bystanders import LEAST_LOAD, LOAD_US, Bystanders
from gateway.config import Rules
from gateway.coverage import LONGEST_AWAY_US, Coverage
from gateway.crowd import Crowd
from gateway.door_time import DoorTime
from gateway.grid import GridReads
from gateway.movement import Decision, Finding
from gateway.passage import (
    BEFORE_BINS,
    BINS,
    FEATURES,
    INWARDS,
    OUTWARDS,
    PRIOR_BINS,
    Flags,
    Floats,
    Ints,
    Passage,
    Sight,
    sight_of,
)
from gateway.passage import still_of as still
from gateway.path_log import PathLog
from gateway.portal_model import PortalModel, load_model

METHOD: Final = "portal-{model}/3"
ACTIVE_BINS: Final = 16
"""Tags read within 4 s are judged."""

HOLD_BINS: Final = 40
"""Nothing crosses twice the same way within 10 s: to come back and go again takes longer."""

ONWARD_BINS: Final = 240
"""For 60 s after it crossed another door a thing is on its way on, past this one."""

TURN_BINS: Final = 8
EYE_BINS: Final = 8
"""A beam is broken at most 2 s before a tag's change of side is seen, or after it."""

FIRST_PEAK_DBM: Final = -64.0
PEAK_WEIGHT: Final = 0.005
ABOVE_MEAN_DB: Final = 1.1
"""Levels are told relative to the peak of a crossing, which is learnt from those decided at this door. It begins at
what the dock-door recordings were fitted with, and lies as far above the mean of all tags' peaks as it does there."""

UNKNOWN_DB: Final = -4.0
"""Level, relative to a crossing's peak, of a read whose reader gives none."""

LEAST_COMPANY, CLEAR_SHARE = 1.0, 0.55
"""Expected number of others, and share of its company, that must have been seen through the door before a tag that was
not is carried along. In a true crossing it is four in five; of a pallet that comes near, stray reads make a third."""

LEAST_LEAN: Final = -0.3
"""Log of second over first side's reads of the group in the last second: a group that crosses is at 0 at the door."""

LEAST_BESIDE: Final = -8.0
"""Log-odds of a crossing below which a tag beside a load is not kept as one that may have gone along."""

FADE_S: Final = 30.0
MEMORY_BINS: Final = 17
"""What is remembered lies further back than a passage takes."""

MOST_ODDS: Final = 30.0

FINDINGS: Final = (Finding.CROSSED_OUT, Finding.CROSSED_IN)


class PortalJudge:
    """One door: the paths of the tags near it, and what they say together."""

    def __init__(
        self, portal: int, coverage: Coverage, bin_us: int, model: PortalModel, bystanders: Bystanders, *, eye: bool
    ) -> None:
        self._portal = portal
        self._coverage = coverage
        self._bin_us = bin_us
        self._model = model
        self._passage = Passage(model.template)
        self._crowd = Crowd(model.template)
        self._fade = 0.5 ** (bin_us / 1e6 / FADE_S)
        self._watched_bins = 0.0
        self._since_bin: int | None = None
        self._eye_bin: int | None = None if eye else 1 << 62
        self._peak_dbm = FIRST_PEAK_DBM
        self._bystanders = bystanders
        self.log = PathLog(bin_us)

    def observe(self, reads: GridReads) -> None:
        """Take this door's reads of one cell."""
        unknown = np.float32(self._peak_dbm + UNKNOWN_DB)
        levels = np.where(np.isnan(reads.rssi_dbm), unknown, reads.rssi_dbm)
        side, antennas = self._coverage.side_of[reads.antenna], self._coverage.bit_of[reads.antenna]
        self.log.observe(reads.tag, side, levels, reads.at_us, antennas, reads.count)

    def beam(self, at_us: int) -> None:
        """The door's photo-eye changed."""
        bin_number = at_us // self._bin_us
        self._eye_bin = bin_number if self._eye_bin is None else max(self._eye_bin, bin_number)

    def sweep(self, now_bin: int, rivals_mw: Floats, passing: Flags) -> list[Decision]:
        """Judge at the start of bin `now_bin`. For each row of the log, `rivals_mw`: its tag's power at the loudest
        other door; `passing`: whether it crossed another door lately."""
        sight = self.sight(now_bin, rivals_mw)
        own = self._model.own(sight.features)
        crowd = self._crowd.look(sight, own, now_bin)
        odds = self._model.group(np.concatenate((crowd, sight.features), axis=2))
        gone_over = self._crowd.lean(sight) > LEAST_LEAN
        needed = self._model.needed(crowd, sight.features[:, :, FEATURES.index("age")])
        sure = (odds > needed) & _seen_through(sight, own, passing[sight.rows]) & gone_over
        decisions = self._decide(sight, odds, sure, now_bin)
        self._keep_bystanders(sight, odds[:, OUTWARDS], passing, now_bin)
        self.log.turn(now_bin)
        return decisions

    def gone_along(self, silent: Decision) -> Decision | None:
        """The crossing outwards of a tag that was found silent, if it went with a load (see bystanders)."""
        return self._bystanders.gone_along(silent, self.log.last_read_us(silent.tag))

    def sight(self, now_bin: int, rivals_mw: Floats) -> Sight:
        """The tags near the door at the start of bin `now_bin`; to be taken once for each bin."""
        log = self.log
        if self._since_bin is None:
            self._since_bin = now_bin
        log.remember(now_bin - MEMORY_BINS, self._fade)
        self._crowd.grow(len(log.tag_of))
        self._crowd.begin(log.begun())
        rows = log.active(now_bin, ACTIVE_BINS)
        return self._sight_of(rows[rivals_mw[rows] <= log.power_mw(rows, now_bin, BINS)], now_bin)

    def _sight_of(self, rows: Ints, now_bin: int) -> Sight:
        log = self.log
        watched = 0 if self._since_bin is None else max(0, now_bin - self._since_bin - MEMORY_BINS)
        past = still(
            log.past_reads[rows],
            log.past_levels[rows] - log.past_reads[rows] * np.float32(self._peak_dbm),
            (1.0 - self._fade**watched) / (1.0 - self._fade),
            PRIOR_BINS,
            0.5,
        )
        levels_db = log.levels(rows, now_bin) - np.float32(self._peak_dbm)
        return sight_of(rows, levels_db, past, log.quiet_changes[rows], self._passage)

    def _decide(self, sight: Sight, odds: Floats, sure: Flags, now_bin: int) -> list[Decision]:
        decisions = []
        decided = self.log.decided_bin
        for at in np.flatnonzero(sure.any(axis=1)):
            row = int(sight.rows[at])
            direction = int(np.where(sure[at], odds[at], -np.inf).argmax())
            held = now_bin - decided[row, direction] <= HOLD_BINS
            turned = now_bin - decided[row, 1 - direction] <= TURN_BINS
            change_bin = now_bin - BINS + int(sight.change[at, direction])
            begun = self._since_bin is None or change_bin < self._since_bin + BEFORE_BINS
            dark = self._eye_bin is None or self._eye_bin < change_bin - EYE_BINS
            if not (held or turned or begun or dark):
                decisions.append(self._cross(row, direction, change_bin, now_bin, float(odds[at, direction])))
        return decisions

    def heed(self, row: int, now_bin: int) -> None:
        """Learn how strong a crossing is at this door from the tag of a row, which just crossed."""
        peak = float(self.log.levels(np.array([row]), now_bin).max())
        if np.isfinite(peak):
            self._peak_dbm += PEAK_WEIGHT * (peak + ABOVE_MEAN_DB - self._peak_dbm)

    def _keep_bystanders(self, sight: Sight, odds: Floats, passing: Flags, now_bin: int) -> None:
        """While a load goes out, its tags and those near that were not seen to cross. One that the next door heard
        louder is none of the crowd here; but goods that stood there a moment ago may leave here, so it is kept by what
        its own path says."""
        log, now_us = self.log, now_bin * self._bin_us
        gone, came = (now_bin - log.decided_bin <= LOAD_US // self._bin_us).T[[OUTWARDS, INWARDS]]
        self._bystanders.came(log.tag_of[came].tolist())
        self._bystanders.forget(now_us)
        if np.count_nonzero(gone) >= LEAST_LOAD:
            overheard = self._sight_of(np.setdiff1d(log.active(now_bin, ACTIVE_BINS), sight.rows), now_bin)
            for seen, likely in ((sight, odds), (overheard, self._model.own(overheard.features)[:, OUTWARDS])):
                beside = np.flatnonzero(~(came | passing)[seen.rows] & (gone[seen.rows] | (likely > LEAST_BESIDE)))
                changes = now_bin - BINS + seen.change[beside, OUTWARDS]
                near = zip(seen.rows[beside].tolist(), changes.tolist(), likely[beside].tolist(), strict=True)
                crossings = [self._crossing(row, OUTWARDS, at, now_bin, sure) for row, at, sure in near]
                self._bystanders.note(crossings, now_us)

    def _cross(self, row: int, direction: int, change_bin: int, now_bin: int, odds: float) -> Decision:
        self.heed(row, now_bin)
        decision = self._crossing(row, direction, change_bin, now_bin, odds)
        self.log.mark(row, direction, now_bin)
        return decision

    def _crossing(self, row: int, direction: int, change_bin: int, now_bin: int, odds: float) -> Decision:
        log = self.log
        reads, first_us = log.evidence(row, change_bin - BEFORE_BINS, now_bin)
        return Decision(
            tag=int(log.tag_of[row]),
            finding=FINDINGS[direction],
            where=self._portal,
            observed_us=int(log.last_us[row]),
            confidence=1.0 / (1.0 + float(np.exp(-min(odds, MOST_ODDS)))),
            reads=reads,
            antennas=int(log.antennas[row]),
            first_us=first_us,
            method=METHOD.format(model=self._model.name),
        )


def _seen_through(sight: Sight, own: Floats, passing: Flags) -> Flags:
    """Tags (…, 2 directions) that the first side read before the change, the second after it and the first no more, or
    in whose company that is so: what one side goes on to see has come near and not crossed. Company carries nothing
    along that is only passing."""
    before, after, still = (
        sight.features[:, :, FEATURES.index(name)] for name in ("first_before", "second_after", "first_after")
    )
    through: Flags = (before > 0) & (after > 0) & (still == 0)
    weight = 1.0 / (1.0 + np.exp(-own))
    company = weight.sum(axis=0) - weight
    clear = (weight * through).sum(axis=0) - weight * through
    carried: Flags = (clear >= LEAST_COMPANY) & (clear >= CLEAR_SHARE * company) & ~passing[:, None]
    return np.logical_or(through, carried)


def _gone_along(silent: Decision, judges: Iterable[PortalJudge]) -> Decision | None:
    """Where loads went out through several doors, a tag went through the one that read it last."""
    found = [(judge.log.last_read_us(silent.tag), judge.gone_along(silent)) for judge in judges]
    went = [(read_us, crossing) for read_us, crossing in found if crossing is not None]
    return max(went, key=lambda each: each[0])[1] if went else None


class Doors:
    """All doors of a gateway: a tag read more strongly at another door belongs there."""

    def __init__(self, coverage: Coverage, bin_us: int, rules: Rules, model: PortalModel | None = None) -> None:
        self._coverage = coverage
        self._bin_us = bin_us
        self._crossed: dict[int, tuple[int, int]] = {}
        model = (model or load_model(rules.portals.model)).tuned(rules.portals)
        self._judges = [
            PortalJudge(portal, coverage, bin_us, model, Bystanders(rules.longest_window_us), eye=bool(eyes))
            for portal, eyes in enumerate(coverage.eyes)
        ]
        self._times = [DoorTime(bin_us, len(coverage.portal_of)) for _ in coverage.portals]

    @property
    def awake(self) -> bool:
        """Is any tag near a door still remembered, or has a door to catch up?"""
        return any(judge.log.awake for judge in self._judges) or any(time.stands for time in self._times)

    def grow(self, rows: int) -> None:
        """Make room for tag numbers below `rows`."""
        for judge in self._judges:
            judge.log.grow(rows)

    def observe(self, reads: GridReads) -> None:
        """Take the reads of one cell; all must be of antennas that look at a portal."""
        portals = self._coverage.portal_of[reads.antenna]
        for portal in np.unique(portals):
            mine, time = reads.take(portals == portal), self._times[portal]
            if time.stands:
                time.keep(mine)
            else:
                self._judges[portal].observe(mine)

    def hold(self, late: GridReads, watermark_us: int) -> Flags:
        """Keep those of late reads whose doors wait and have not judged their time; which they are."""
        portals = self._coverage.portal_of[late.antenna]
        kept = np.zeros(len(late), np.bool_)
        away, _ = self._coverage.doors_wait(watermark_us)
        for portal, time in enumerate(self._times):
            if away[portal] and not time.stands:
                time.stand(watermark_us // self._bin_us + 1)
            if time.stands:
                mine = (portals == portal) & time.unjudged(late.at_us)
                time.keep(late.take(mine))
                kept |= mine
        return kept

    def beam(self, reader: str, port: int, at_us: int) -> None:
        """A reader's input changed; it tells when it is the photo-eye of a door."""
        for portal, eyes in enumerate(self._coverage.eyes):
            if (reader, port) in eyes:
                time = self._times[portal]
                if time.stands and not time.is_full:
                    time.keep_beam(at_us)
                else:
                    self._judges[portal].beam(at_us)

    def sweep(self, end_us: int) -> list[Decision]:
        """Judge every door that does not have to wait, at the end of a time bin; first what it stood."""
        now_bin = end_us // self._bin_us
        due = [now_bin if time.due_bin is None else time.due_bin for time in self._times]
        going = [portal for portal, stands in enumerate(self._standing(due, end_us)) if not stands]
        decisions: list[Decision] = []
        for bin_number in range(min((due[portal] for portal in going), default=now_bin), now_bin + 1):
            found = self._judge(bin_number, [portal for portal in going if due[portal] <= bin_number], due)
            decisions += found if bin_number == now_bin else [replace(each, belated=True) for each in found]
        for portal, time in enumerate(self._times):
            if portal in going:
                time.run()
            else:
                time.stand(due[portal])
        oldest_bin = min(due, default=now_bin) - ONWARD_BINS
        self._crossed = {tag: last for tag, last in self._crossed.items() if last[1] > oldest_bin}
        return decisions

    def gone_along(self, silent: list[Decision], end_us: int) -> list[Decision]:
        """Tags found silent at `end_us`, of which those that went out with a load have crossed. A door that waits for
        its reader may know more of them than that, and tells it when it does."""
        away, _ = self._coverage.doors_wait(end_us)
        doors = zip(self._judges, self._times, away, strict=True)
        judges = [judge for judge, time, waits in doors if not (waits and time.stands)]
        return [_gone_along(each, judges) or each for each in silent]

    def _standing(self, due: list[int], end_us: int) -> list[bool]:
        """Which doors have to wait (see door_time)."""
        now_bin = end_us // self._bin_us
        away, doubted = self._coverage.doors_wait(end_us)
        standing = []
        for portal, time in enumerate(self._times):
            given_up = time.is_full or (now_bin - due[portal]) * self._bin_us >= LONGEST_AWAY_US
            quiet = doubted[portal] and not time.waiting
            quiet = quiet and not len(self._judges[portal].log.active(now_bin, ACTIVE_BINS))
            standing.append(not given_up and bool(away[portal] or quiet))
        return standing

    def _judge(self, now_bin: int, portals: list[int], due: list[int]) -> list[Decision]:
        """Judge these doors at the start of a bin, which may be long past. `due`: how far each has judged."""
        for portal in portals:
            reads, beams = self._times[portal].release(now_bin)
            if reads is not None:
                self._judges[portal].observe(reads)
            for at_us in beams:
                self._judges[portal].beam(at_us)
        rivals = [self._rivals(portal, now_bin, due) for portal in portals]
        decisions: list[Decision] = []
        for portal, louder in zip(portals, rivals, strict=True):
            found = self._judges[portal].sweep(now_bin, louder, self._passing(portal, now_bin))
            decisions += [each for each in found if not self._just_crossed_elsewhere(each.tag, portal, now_bin)]
            due[portal] = now_bin + 1
        self._crossed |= {decision.tag: (decision.where, now_bin) for decision in decisions}
        return decisions

    def _just_crossed_elsewhere(self, tag: int, portal: int, now_bin: int) -> bool:
        """Nothing passes two doors within HOLD_BINS: the second has only heard it walk on."""
        where, crossed_bin = self._crossed.get(tag, (portal, 0))
        return where != portal and abs(now_bin - crossed_bin) <= HOLD_BINS

    def _passing(self, portal: int, now_bin: int) -> Flags:
        """For each row of a door's log whether its tag crossed another door within ONWARD_BINS."""
        crossed = self._crossed.items()
        elsewhere = [tag for tag, (where, at) in crossed if where != portal and 0 <= now_bin - at < ONWARD_BINS]
        return np.isin(self._judges[portal].log.tag_of, elsewhere)

    def _rivals(self, portal: int, now_bin: int, due: list[int]) -> Floats:
        """For each row of a door's log the power of its tag at the loudest other door, as far as that door has heard of
        the time before `now_bin` and still knows it: one of the two may be behind."""
        tags: Ints = self._judges[portal].log.tag_of
        louder = np.zeros(len(tags), np.float32)
        for other, judge in enumerate(self._judges):
            known_bins = BINS - abs(now_bin - due[other])
            if other != portal and len(tags) and known_bins > 0:
                louder = np.maximum(louder, judge.log.power_of_tags(tags, min(now_bin, due[other]), known_bins))
        return louder
