"""The event-time grid: reads wait here until the watermark passes them, then leave in order and without duplicates.

Time is cut into cells of `tick_ms`, aligned to 1970. A cell is judged once, when the watermark (now - `reorder_ms`) has
passed its end, so the same reads give the same decisions however they were cut into batches, and reads that overtake
each other within `reorder_ms` change nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

MAX_AHEAD_US: Final = 5_000_000
"""A read stamped further ahead of its arrival than this has no sound time (the reader's clock jumped); it takes the
time of its arrival instead of waiting in memory for a watermark that may never come."""

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


def join(parts: list[GridReads]) -> GridReads:
    """All parts one after the other."""
    return GridReads(
        np.concatenate([part.tag for part in parts] or [np.empty(0, np.int64)]),
        np.concatenate([part.antenna for part in parts] or [np.empty(0, np.int64)]),
        np.concatenate([part.rssi_dbm for part in parts] or [np.empty(0, np.float32)]),
        np.concatenate([part.at_us for part in parts] or [np.empty(0, np.int64)]),
        np.concatenate([part.count for part in parts] or [np.empty(0, np.int64)]),
    )


class ReorderBuffer:
    """Reads that the watermark has not passed yet."""

    def __init__(self) -> None:
        self._parts: list[GridReads] = []

    def add(self, reads: GridReads, received_at_us: int) -> int:
        """Keep reads. Returns how many were stamped unsoundly far ahead and took the time of their arrival."""
        ahead = reads.at_us > received_at_us + MAX_AHEAD_US
        unsound = int(np.count_nonzero(ahead))
        if unsound:
            at_us = np.where(ahead, received_at_us, reads.at_us)
            reads = GridReads(reads.tag, reads.antenna, reads.rssi_dbm, at_us, reads.count)
        self._parts.append(reads)
        return unsound

    def earliest_us(self) -> int | None:
        """Time of the oldest read waiting."""
        return min((int(part.at_us.min()) for part in self._parts if len(part)), default=None)

    def take_before(self, end_us: int) -> GridReads:
        """Every waiting read older than `end_us`, in order of time, each (tag, antenna, time) once."""
        if not self._parts:
            return join([])
        everything = join(self._parts)
        due = everything.at_us < end_us
        rest = everything.take(~due)
        self._parts = [rest] if len(rest) else []
        return _in_order(everything.take(due))


def _in_order(reads: GridReads) -> GridReads:
    """By time; reads of the same instant in an order that does not depend on how they arrived; duplicates once."""
    reads = reads.take(np.argsort(reads.at_us, kind="stable"))
    if not bool((reads.at_us[1:] == reads.at_us[:-1]).any()):
        return reads
    loudness = np.nan_to_num(reads.rssi_dbm, nan=-np.inf)
    reads = reads.take(np.lexsort((-loudness, reads.tag, reads.antenna, reads.at_us)))
    repeated = np.zeros(len(reads), np.bool_)
    repeated[1:] = (
        (reads.at_us[1:] == reads.at_us[:-1])
        & (reads.antenna[1:] == reads.antenna[:-1])
        & (reads.tag[1:] == reads.tag[:-1])
    )
    return reads.take(~repeated)
