"""The tags near one door lately: what was read of each in the last BINS time bins, and what is remembered of it.

Rows are dense and reused: a tag takes a row when a door first reads it and loses it KEEP_BINS after the last read. A
row takes about 700 bytes. Bins are numbered from 1970; bin b lies in ring column b % BINS.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from gateway.passage import Flags, Floats, Ints
from gateway.tags import NEVER_US, grown

BINS: Final = 40
"""A passage and the time before it: 10 s in bins of 250 ms."""

KEEP_BINS: Final = 480
"""Two minutes: whether a tag stays beside the door is known only from watching it for a while."""

NEVER_BIN: Final = -(1 << 40)
FIRST_ROWS: Final = 64


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
        self.cut_bin = np.zeros(0, np.int64)
        self.crossed_bin = np.zeros(0, np.int64)
        self.decided_bin = np.zeros(0, np.int64)
        self.direction = np.zeros(0, np.int8)
        self.stays = np.zeros(0, np.int32)

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

    def levels_in(self, rows: Ints, bins: Ints, now_bin: int) -> Floats:
        """Levels of certain bins, -inf for those that are no longer, or not yet, in the log."""
        held: Flags = (bins >= now_bin - BINS) & (bins < now_bin)
        return np.where(held[None, :, None], self._levels[rows][:, bins % BINS], np.float32(-np.inf))

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

    def evidence(self, row: int, first_bin: int, now_bin: int) -> tuple[int, int]:
        """Reads of a row from `first_bin` on, and the time of the first; at least the last read."""
        columns = np.arange(max(first_bin, now_bin - BINS), now_bin) % BINS
        reads = int(self._reads[row, columns].sum())
        first_us = int(self._first_us[row, columns].min())
        return max(reads, 1), min(first_us, int(self.last_us[row]))

    def mark(self, row: int, direction: int, changed_bin: int, now_bin: int) -> None:
        """A crossing was decided: what was read before the change says nothing about the next one."""
        self.direction[row] = direction
        self.crossed_bin[row] = self.cut_bin[row] = changed_bin
        self.decided_bin[row] = now_bin
        self.antennas[row] = 0

    def fade(self, bin_number: int, factor: float) -> None:
        """Let a bin pass into the history, which fades by `factor` a bin."""
        levels = self._levels[:, bin_number % BINS]
        seen = np.isfinite(levels)
        self.past_reads *= np.float32(factor)
        self.past_levels *= np.float32(factor)
        self.past_reads += seen
        self.past_levels += np.where(seen, levels, np.float32(0.0))

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
        self.cut_bin[row] = self.crossed_bin[row] = self.decided_bin[row] = NEVER_BIN
        self.antennas[row] = self.stays[row] = 0
        self.direction[row] = -1

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
        self.cut_bin = grown(self.cut_bin, rows, NEVER_BIN)
        self.crossed_bin = grown(self.crossed_bin, rows, NEVER_BIN)
        self.decided_bin = grown(self.decided_bin, rows, NEVER_BIN)
        self.direction = grown(self.direction, rows, -1)
        self.stays = grown(self.stays, rows, 0)
        self._free.extend(range(rows - 1, before - 1, -1))
