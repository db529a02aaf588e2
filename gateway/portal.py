"""Did it cross, which way, or is it just standing there?

First rule: a tag crosses when its reads on one side come clearly before its reads on the other within one passage.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from gateway.coverage import Coverage
from gateway.grid import GridReads
from gateway.movement import Decision, Finding
from gateway.presence import Floats, Ints
from gateway.tags import NEVER_US, grown

BIN_US: Final = 250_000
BINS: Final = 40
"""A passage and the time before it: 10 s."""

METHOD: Final = "portal-rule/1"
SHIFT_BINS: Final = 2.0
PASSAGE_BINS: Final = 20
HOLD_OFF_US: Final = 5_000_000


class PortalJudge:
    """One door. Power of each tag that was near it lately, by time bin and side."""

    def __init__(self, portal: int, coverage: Coverage) -> None:
        self._portal = portal
        self._coverage = coverage
        self._row_of = np.zeros(0, np.int32)
        self._tag_of = np.zeros(0, np.int64)
        self._power = np.zeros((0, BINS, 2), np.float32)
        self._reads = np.zeros((0, BINS, 2), np.int32)
        self._first_us = np.zeros((0, BINS), np.int64)
        self._last_us = np.zeros(0, np.int64)
        self._antennas = np.zeros(0, np.int64)
        self._held_us = np.zeros(0, np.int64)
        self._free: list[int] = []

    @property
    def awake(self) -> bool:
        """Is any tag near the door still remembered?"""
        return len(self._free) < len(self._tag_of)

    def grow(self, rows: int) -> None:
        """Make room for tag numbers below `rows`."""
        self._row_of = grown(self._row_of, rows, -1)

    def observe(self, reads: GridReads) -> None:
        """Take this door's reads of one cell."""
        rows = self._rows(reads.tag)
        side = self._coverage.side_of[reads.antenna]
        at_bin = reads.at_us // BIN_US
        slot = at_bin % BINS
        level = np.power(10.0, (np.nan_to_num(reads.rssi_dbm, nan=-60.0) + 60.0) / 10.0)
        np.add.at(self._power, (rows, slot, side), level.astype(np.float32))
        np.add.at(self._reads, (rows, slot, side), 1)
        np.minimum.at(self._first_us, (rows, slot), reads.at_us)
        np.maximum.at(self._last_us, rows, reads.at_us)
        np.bitwise_or.at(self._antennas, rows, self._coverage.bit_of[reads.antenna])

    def sweep(self, end_us: int) -> list[Decision]:
        """Judge at the end of a time bin."""
        now_bin = end_us // BIN_US
        live = np.flatnonzero(self._tag_of >= 0)
        order = np.arange(now_bin - BINS, now_bin) % BINS
        decisions = self._judge(live, order, end_us) if len(live) else []
        self._turn(now_bin, end_us)
        return decisions

    def peak(self, tags: Ints) -> Floats:
        """Strongest power in a bin of each of `tags` here lately; 0 for one not seen."""
        rows = self._row_of[tags]
        power = self._power[np.maximum(rows, 0)].max(axis=(1, 2)) if len(self._power) else np.zeros(len(tags))
        return np.where(rows >= 0, power, 0.0).astype(np.float32)

    def _judge(self, live: Ints, order: Ints, end_us: int) -> list[Decision]:
        power = self._power[live][:, order[-PASSAGE_BINS:]]
        total = power.sum(axis=1)
        times = np.arange(PASSAGE_BINS, dtype=np.float32)
        centre = (power * times[None, :, None]).sum(axis=1) / np.maximum(total, 1e-12)
        shift = np.where((total > 0).all(axis=1), centre[:, 1] - centre[:, 0], 0.0)
        quiet = power[:, -2:].sum(axis=(1, 2)) < 0.1 * total.sum(axis=1)
        crossed = (np.abs(shift) >= SHIFT_BINS) & quiet & (end_us - self._held_us[live] > HOLD_OFF_US)
        return [self._decision(int(live[row]), float(shift[row]), end_us) for row in np.flatnonzero(crossed)]

    def _decision(self, row: int, shift: float, end_us: int) -> Decision:
        self._held_us[row] = end_us
        used = self._first_us[row][self._reads[row].sum(axis=1) > 0]
        return Decision(
            tag=int(self._tag_of[row]),
            finding=Finding.CROSSED_OUT if shift > 0 else Finding.CROSSED_IN,
            where=self._portal,
            observed_us=int(self._last_us[row]),
            confidence=float(1.0 - 0.5 ** abs(shift)),
            reads=int(self._reads[row].sum()),
            antennas=int(self._antennas[row]),
            first_us=int(used.min()),
            method=METHOD,
        )

    def _turn(self, now_bin: int, end_us: int) -> None:
        """Forget what fell out of the window, and the tags nothing is left of."""
        stale = now_bin % BINS
        self._power[:, stale] = 0.0
        self._reads[:, stale] = 0
        self._first_us[:, stale] = -NEVER_US
        gone = np.flatnonzero((self._tag_of >= 0) & (end_us - self._last_us > (BINS - 1) * BIN_US))
        self._row_of[self._tag_of[gone]] = -1
        self._tag_of[gone] = -1
        self._free.extend(int(row) for row in gone)

    def _rows(self, tags: Ints) -> NDArray[np.int64]:
        new = np.unique(tags[self._row_of[tags] < 0])
        if len(new) > len(self._free):
            self._extend(len(new))
        for tag in new:
            row = self._free.pop()
            self._row_of[tag] = row
            self._tag_of[row] = tag
            self._power[row] = 0.0
            self._reads[row] = 0
            self._first_us[row] = -NEVER_US
            self._last_us[row] = NEVER_US
            self._antennas[row] = 0
            self._held_us[row] = NEVER_US
        return self._row_of[tags].astype(np.int64)

    def _extend(self, wanted: int) -> None:
        before = len(self._tag_of)
        rows = max(64, 2 * before, before + wanted)
        self._tag_of = grown(self._tag_of, rows, -1)
        self._power = grown(self._power, rows, 0.0)
        self._reads = grown(self._reads, rows, 0)
        self._first_us = grown(self._first_us, rows, -NEVER_US)
        self._last_us = grown(self._last_us, rows, NEVER_US)
        self._antennas = grown(self._antennas, rows, 0)
        self._held_us = grown(self._held_us, rows, NEVER_US)
        self._free.extend(range(before, rows))


class Doors:
    """All doors of a gateway: a tag seen more strongly at another door belongs there."""

    def __init__(self, coverage: Coverage) -> None:
        self._coverage = coverage
        self._judges = [PortalJudge(portal, coverage) for portal in range(len(coverage.portals))]

    @property
    def awake(self) -> bool:
        """Is any tag near a door still remembered?"""
        return any(judge.awake for judge in self._judges)

    def grow(self, rows: int) -> None:
        """Make room for tag numbers below `rows`."""
        for judge in self._judges:
            judge.grow(rows)

    def observe(self, reads: GridReads) -> None:
        """Take the reads of one cell; all must be of antennas that look at a portal."""
        portals = self._coverage.portal_of[reads.antenna]
        for portal in np.unique(portals):
            self._judges[portal].observe(reads.take(portals == portal))

    def sweep(self, end_us: int) -> list[Decision]:
        """Judge every door at the end of a time bin."""
        decisions = [decision for judge in self._judges for decision in judge.sweep(end_us)]
        return [decision for decision in decisions if self._strongest_here(decision)]

    def _strongest_here(self, decision: Decision) -> bool:
        tag = np.array([decision.tag])
        peaks = [float(judge.peak(tag)[0]) for judge in self._judges]
        return peaks[decision.where] >= max(peaks)
