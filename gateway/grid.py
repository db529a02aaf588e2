"""The event-time grid: reads wait here until the watermark passes them, then leave in order and without duplicates.

Time is cut into cells of `tick_ms`, aligned to 1970. A cell is judged once, when the watermark (now - `reorder_ms`) has
passed its end, so the same reads give the same decisions however they were cut into batches, and reads that overtake
each other within `reorder_ms` change nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

import numpy as np
from numpy.typing import NDArray

MAX_AHEAD_US: Final = 5_000_000
"""A read stamped further ahead of its arrival than this has no sound time (the reader's clock jumped); it takes the
time of its arrival instead of waiting in memory for a watermark that may never come."""

TAG_BITS: Final = 32
"""Of a tag's number."""
KEY_BITS: Final = 63
"""Of an int64 that is not negative."""

Ints = NDArray[np.int64]
Floats = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class GridReads:
    """Parallel arrays of reads: tag number, antenna number (see coverage), RSSI in dBm (NaN: none), time, count."""

    tag: Ints
    antenna: Ints
    rssi_dbm: Floats
    at_us: Ints
    count: Ints

    def __len__(self) -> int:
        return len(self.tag)

    def take(self, chosen: NDArray[np.bool_] | Ints | slice) -> GridReads:
        """The chosen reads, in the order of `chosen`."""
        return GridReads(
            self.tag[chosen], self.antenna[chosen], self.rssi_dbm[chosen], self.at_us[chosen], self.count[chosen]
        )


def join(parts: Sequence[GridReads]) -> GridReads:
    """All parts, at least one, one after the other."""
    if len(parts) == 1:
        return parts[0]
    return GridReads(
        np.concatenate([part.tag for part in parts]),
        np.concatenate([part.antenna for part in parts]),
        np.concatenate([part.rssi_dbm for part in parts]),
        np.concatenate([part.at_us for part in parts]),
        np.concatenate([part.count for part in parts]),
    )


class ReorderBuffer:
    """Reads that the watermark has not passed yet, by cell. `antennas`: how many there are."""

    def __init__(self, tick_us: int, antennas: int) -> None:
        self._tick_us = tick_us
        self._antenna_bits = antennas.bit_length()
        self._has_keys = (tick_us - 1).bit_length() + self._antenna_bits + TAG_BITS <= KEY_BITS
        self._cells: dict[int, list[GridReads]] = {}

    def add(self, reads: GridReads, received_at_us: Ints) -> int:
        """Keep reads; `received_at_us`, parallel to them, is when they came. Returns how many were stamped unsoundly
        far ahead and took the time of their arrival."""
        if not len(reads):
            return 0
        ahead = reads.at_us > received_at_us + MAX_AHEAD_US
        unsound = int(np.count_nonzero(ahead))
        if unsound:
            at_us = np.where(ahead, received_at_us, reads.at_us)
            reads = GridReads(reads.tag, reads.antenna, reads.rssi_dbm, at_us, reads.count)
        cells = reads.at_us // self._tick_us
        order = np.argsort(cells)
        cells, reads = cells[order], reads.take(order)
        edges = [0, *(np.flatnonzero(cells[1:] != cells[:-1]) + 1).tolist(), len(cells)]
        for begin, end in pairwise(edges):
            self._cells.setdefault(int(cells[begin]), []).append(reads.take(slice(begin, end)))
        return unsound

    def earliest_cell(self) -> int | None:
        """The cell of the oldest read waiting."""
        return min(self._cells, default=None)

    def take_before(self, end_cell: int) -> dict[int, GridReads]:
        """Every waiting read of the cells before `end_cell`, by cell, cells in order; in each the reads are in order of
        time, each (tag, antenna, time) once."""
        due = sorted(cell for cell in self._cells if cell < end_cell)
        return {cell: self._in_order(join(self._cells.pop(cell)), cell) for cell in due}

    def _in_order(self, reads: GridReads, cell: int) -> GridReads:
        """By time; reads of the same instant in an order that does not depend on how they arrived; duplicates once."""
        if not self._has_keys:
            return _once(reads)
        # One sort of one number for each read: 50 ms, 100 antennas and 4 billion tags fit.
        since_us = reads.at_us - cell * self._tick_us
        key = (since_us << self._antenna_bits | reads.antenna) << TAG_BITS | reads.tag
        order = np.argsort(key)
        key = key[order]
        return _once(reads) if bool((key[1:] == key[:-1]).any()) else reads.take(order)


def _once(reads: GridReads) -> GridReads:
    """In order, and of duplicates the loudest."""
    loudness = np.nan_to_num(reads.rssi_dbm, nan=-np.inf)
    reads = reads.take(np.lexsort((-loudness, reads.tag, reads.antenna, reads.at_us)))
    repeated = np.zeros(len(reads), np.bool_)
    repeated[1:] = (
        (reads.at_us[1:] == reads.at_us[:-1])
        & (reads.antenna[1:] == reads.antenna[:-1])
        & (reads.tag[1:] == reads.tag[:-1])
    )
    return reads.take(~repeated)
