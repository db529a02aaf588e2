"""The tags near one door lately: what was read of each in the last BINS time bins, and what is remembered of it.

Rows are dense and reused: a tag takes a row when a door first reads it and loses it KEEP_BINS after the last read. A
row takes about 700 bytes. Bins are numbered from 1970; bin b lies in ring column b % BINS.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from gateway.passage import BINS, Floats, Ints
from gateway.tags import NEVER_US, grown

KEEP_BINS: Final = 480
"""Two minutes: whether a tag stays beside the door is known only from watching it for a while."""

NEVER_BIN: Final = -(1 << 40)
FIRST_ROWS: Final = 64

BOTH_SIDES: Final = 2
EXPECTED_CHANGES: Final = 0.35
"""Changes of side for each sighting that say nothing: a trolley that passes often comes to about that many."""


class PathLog:
    """Parallel arrays by row; `row_of` finds the row of a tag number."""

    def __init__(self, bin_us: int) -> None:
        self._bin_us = bin_us
        self._row_of = np.zeros(0, np.int32)
        self._free: list[int] = []
        self._levels = np.zeros((0, BINS, 2), np.float32)
        self._reads = np.zeros((0, BINS), np.int32)
        self._first_us = np.zeros((0, BINS), np.int64)
        self.tag_of = np.zeros(0, np.int64)
        self.last_us = np.zeros(0, np.int64)
        self.antennas = np.zeros(0, np.int64)
        self.past_reads = np.zeros((0, 2), np.float32)
        self.past_levels = np.zeros((0, 2), np.float32)
        self.quiet_changes = np.zeros(0, np.float32)
        self._side = np.zeros(0, np.int8)
        self._sighted_bin = np.zeros(0, np.int64)
        self.decided_bin = np.zeros((0, 2), np.int64)
        self._begun: list[int] = []

    @property
    def awake(self) -> bool:
        """Does any tag have a row?"""
        return len(self._free) < len(self.tag_of)

    def grow(self, tags: int) -> None:
        """Make room for tag numbers below `tags`."""
        self._row_of = grown(self._row_of, tags, -1)

    def observe(self, tags: Ints, side: Ints, levels: Floats, at_us: Ints, antennas: Ints, count: Ints) -> None:
        """Take reads of one cell, parallel arrays."""
        rows = self._rows(tags)
        column = at_us // self._bin_us % BINS
        np.maximum.at(self._levels, (rows, column, side), levels)
        np.add.at(self._reads, (rows, column), count)
        np.minimum.at(self._first_us, (rows, column), at_us)
        np.maximum.at(self.last_us, rows, at_us)
        np.bitwise_or.at(self.antennas, rows, antennas)

    def active(self, now_bin: int, bins: int) -> Ints:
        """Rows read within the last `bins` bins before `now_bin`."""
        return np.flatnonzero((self.tag_of >= 0) & (self.last_us >= (now_bin - bins) * self._bin_us))

    def levels(self, rows: Ints, now_bin: int) -> Floats:
        """Levels of the last BINS bins before `now_bin`, oldest first: (rows, BINS, 2), -inf where not read."""
        return self._levels[rows][:, np.arange(now_bin - BINS, now_bin) % BINS]

    def power_mw(self, rows: Ints, now_bin: int, bins: int) -> Floats:
        """Sum of the levels of the last `bins` bins as power, for each row."""
        levels = self._levels[rows][:, np.arange(now_bin - bins, now_bin) % BINS]
        power: Floats = np.exp2(levels * np.float32(np.log2(10.0) / 10.0)).sum(axis=(1, 2))
        return power

    def power_of_tags(self, tags: Ints, now_bin: int, bins: int) -> Floats:
        """The same for tag numbers; 0 for a tag without a row (or number -1)."""
        rows = np.where(tags >= 0, self._row_of[tags], -1)
        power = np.zeros(len(tags), np.float32)
        known = np.flatnonzero(rows >= 0)
        power[known] = self.power_mw(rows[known].astype(np.int64), now_bin, bins)
        return power

    def last_read_us(self, tag: int) -> int:
        """When a tag was last read here; NEVER_US when that is forgotten."""
        row = int(self._row_of[tag])
        return int(self.last_us[row]) if row >= 0 else NEVER_US

    def evidence(self, row: int, first_bin: int, now_bin: int) -> tuple[int, int]:
        """Reads of a row from `first_bin` on, and the time of the first; at least the last read."""
        columns = np.arange(max(first_bin, now_bin - BINS), now_bin) % BINS
        reads = int(self._reads[row, columns].sum())
        first_us = int(self._first_us[row, columns].min())
        return max(reads, 1), min(first_us, int(self.last_us[row]))

    def mark(self, row: int, direction: int, now_bin: int) -> None:
        """A crossing was decided."""
        self.decided_bin[row, direction] = now_bin
        self.antennas[row] = 0

    def begun(self) -> Ints:
        """Rows given to other tags since this was last asked."""
        begun, self._begun = self._begun, []
        return np.array(begun, np.int64)

    def remember(self, bin_number: int, factor: float) -> None:
        """Let a bin pass into what is remembered, which fades by `factor` a bin."""
        levels = self._levels[:, bin_number % BINS]
        seen = np.isfinite(levels)
        self.past_reads *= np.float32(factor)
        self.past_levels *= np.float32(factor)
        self.past_reads += seen
        self.past_levels += np.where(seen, levels, np.float32(0.0))
        sighted = np.flatnonzero(seen.any(axis=1))
        side = np.where(seen[sighted].all(axis=1), BOTH_SIDES, seen[sighted, 1]).astype(np.int8)
        before = self._side[sighted]
        recent = self._sighted_bin[sighted] > bin_number - BINS
        changed = (side == BOTH_SIDES) | ((side != before) & (before != BOTH_SIDES))
        more = np.where(recent, np.where(changed, 1.0, -EXPECTED_CHANGES), 0.0)
        self.quiet_changes[sighted] = np.maximum(0.0, self.quiet_changes[sighted] + more)
        self._side[sighted], self._sighted_bin[sighted] = side, bin_number

    def turn(self, now_bin: int) -> None:
        """Free the column of the bin that begins, and the rows of tags not read for long."""
        column = now_bin % BINS
        self._levels[:, column] = -np.inf
        self._reads[:, column] = 0
        self._first_us[:, column] = -NEVER_US
        gone = np.flatnonzero((self.tag_of >= 0) & (self.last_us < (now_bin - KEEP_BINS) * self._bin_us))
        self._row_of[self.tag_of[gone]] = -1
        self.tag_of[gone] = -1
        self._free.extend(int(row) for row in gone)

    def _rows(self, tags: Ints) -> Ints:
        new = np.unique(tags[self._row_of[tags] < 0])
        if len(new) > len(self._free):
            self._extend(len(new))
        for tag in new:
            self._begin(self._free.pop(), int(tag))
        return self._row_of[tags].astype(np.int64)

    def _begin(self, row: int, tag: int) -> None:
        self._row_of[tag] = row
        self.tag_of[row] = tag
        self._levels[row] = -np.inf
        self._reads[row] = 0
        self._first_us[row] = -NEVER_US
        self.last_us[row] = NEVER_US
        self.past_reads[row] = self.past_levels[row] = 0.0
        self.quiet_changes[row] = 0.0
        self._sighted_bin[row] = self.decided_bin[row] = NEVER_BIN
        self.antennas[row] = 0
        self._begun.append(row)

    def _extend(self, wanted: int) -> None:
        before = len(self.tag_of)
        rows = max(FIRST_ROWS, 2 * before, before + wanted)
        self._levels = grown(self._levels, rows, -np.inf)
        self._reads = grown(self._reads, rows, 0)
        self._first_us = grown(self._first_us, rows, -NEVER_US)
        self.tag_of = grown(self.tag_of, rows, -1)
        self.last_us = grown(self.last_us, rows, NEVER_US)
        self.antennas = grown(self.antennas, rows, 0)
        self.past_reads = grown(self.past_reads, rows, 0.0)
        self.past_levels = grown(self.past_levels, rows, 0.0)
        self.quiet_changes = grown(self.quiet_changes, rows, 0.0)
        self._side = grown(self._side, rows, 0)
        self._sighted_bin = grown(self._sighted_bin, rows, NEVER_BIN)
        self.decided_bin = grown(self.decided_bin, rows, NEVER_BIN)
        self._free.extend(range(rows - 1, before - 1, -1))
