"""Which tags were ever sighted in which zones: a row number for each such pair, so that memory follows the pairs.

A tag is seen by one to three zones of a site's dozens. What is known of a pair stands in arrays by row (presence,
location); here stands only the row of every (tag, zone), 4 bytes. Row 0 belongs to nobody: its values are those of a
pair never sighted, so that whoever asks of such a pair needs no other case, and nothing but defaults is written there.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from gateway.grid import Ints
from gateway.tags import grown

NOBODY: Final = 0
FIRST_CAPACITY: Final = 1024


class Pairs:
    """Rows of (tag, zone), by key = tag * zones + zone."""

    def __init__(self, zones: int) -> None:
        self.capacity = FIRST_CAPACITY
        """Rows that arrays need to have; grows by doubling, so a new pair costs amortised O(1)."""
        self._row_of = np.zeros((0, zones), np.int32)
        self._next = NOBODY + 1
        self._free = np.zeros(0, np.int64)

    def grow(self, tags: int) -> None:
        """Make room for `tags` tags."""
        self._row_of = grown(self._row_of, tags, NOBODY)

    def rows(self, keys: Ints) -> Ints:
        """The row of each pair, NOBODY where it has none. Any shape."""
        rows: Ints = self._row_of.ravel()[keys].astype(np.int64)
        return rows

    def of_tags(self, tags: Ints) -> Ints:
        """The rows of all zones of these tags, shape (tags, zones)."""
        rows: Ints = self._row_of[tags].astype(np.int64)
        return rows

    def allot(self, keys: Ints) -> Ints:
        """The row of each pair (keys are unique), made where it has none. Look at `capacity` afterwards."""
        rows = self.rows(keys)
        fresh = np.flatnonzero(rows == NOBODY)
        if len(fresh):
            reused = self._free[: len(fresh)]
            self._free = self._free[len(reused) :]
            made = len(fresh) - len(reused)
            rows[fresh] = np.concatenate((reused, np.arange(self._next, self._next + made)))
            self._row_of.ravel()[keys[fresh]] = rows[fresh]
            self._next += made
            while self.capacity < self._next:
                self.capacity *= 2
        return rows

    def release(self, tags: Ints) -> Ints:
        """Take the rows of these tags away and return them; they are given out again, so their values must be reset."""
        rows: Ints = self.of_tags(tags).ravel()
        rows = rows[rows != NOBODY]
        self._row_of[tags] = NOBODY
        self._free = np.concatenate((self._free, rows))
        return rows
