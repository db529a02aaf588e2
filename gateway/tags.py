"""What the gateway knows of each tag, as parallel arrays indexed by the tag's number in the EpcTable.

Python objects exist only for tags whose state changes. Arrays grow geometrically, so a new tag costs amortised O(1).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from readers.read import EpcTable

FIRST_ROWS: Final = 1024
NEVER_US: Final = -(1 << 62)
"""Stands for a time before any read."""

UNKNOWN, OWN, FOREIGN = 0, 1, 2


def grown(array: NDArray[Any], rows: int, fill: float) -> NDArray[Any]:
    """A copy of `array` with `rows` rows, the new ones holding `fill`."""
    larger = np.full((rows, *array.shape[1:]), fill, array.dtype)
    larger[: len(array)] = array
    return larger


class Tags:
    """One row for each tag number: is it ours, its decided state, and when it was last seen and stored."""

    def __init__(self, epcs: EpcTable, own_prefixes: Sequence[str], foreign_prefixes: Sequence[str]) -> None:
        self._epcs = epcs
        self._own = tuple(prefix.upper() for prefix in own_prefixes)
        self._foreign = tuple(prefix.upper() for prefix in foreign_prefixes)
        self.rows = 0
        self.owner = np.zeros(0, np.int8)
        self.state = np.zeros(0, np.int8)
        self.place = np.zeros(0, np.int16)
        self.decided_at_us = np.zeros(0, np.int64)
        self.stored_at_us = np.zeros(0, np.int64)
        self.lead_zone = np.zeros(0, np.int16)
        self.lead_since_us = np.zeros(0, np.int64)

    def grow(self) -> bool:
        """Make rows for every number given out. Returns whether the arrays were reallocated."""
        wanted = len(self._epcs)
        if wanted <= self.rows:
            return False
        rows = max(FIRST_ROWS, self.rows)
        while rows < wanted:
            rows *= 2
        self.owner = grown(self.owner, rows, UNKNOWN)
        self.state = grown(self.state, rows, 0)
        self.place = grown(self.place, rows, -1)
        self.decided_at_us = grown(self.decided_at_us, rows, NEVER_US)
        self.stored_at_us = grown(self.stored_at_us, rows, NEVER_US)
        self.lead_zone = grown(self.lead_zone, rows, -1)
        self.lead_since_us = grown(self.lead_since_us, rows, NEVER_US)
        self.rows = rows
        return True

    def is_own(self, tags: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Which of these tags are ours by the prefixes of the configuration; each tag is judged once."""
        owner = self.owner[tags]
        if not owner.all():
            for tag in np.unique(tags[owner == UNKNOWN]):
                self.owner[tag] = FOREIGN if self._is_foreign(self._epcs.hex(int(tag))) else OWN
            owner = self.owner[tags]
        return np.equal(owner, OWN)

    def _is_foreign(self, epc: str) -> bool:
        if self._own and not epc.startswith(self._own):
            return True
        return bool(self._foreign) and epc.startswith(self._foreign)
