"""EdgeX's rule of arrival, movement and departure as plain Python: what judging reads costs without arrays.

Written from a description of its inventory service: a tag's place is the antenna where it is strongest. Of each place
the last 20 levels are kept; a tag moves where the mean is higher than at its place by an offset that falls while its
place stays silent; it departs after ten minutes without a read. The service also copies its whole inventory on every
report, which costs more than the rule; that is left out here.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from statistics import fmean

KEPT_LEVELS = 20
LEAST_LEVELS = 2
MOST_OFFSET_DB = 6.0
HOLD_MS = 500.0
SLOPE_DB_PER_MS = -0.008
DEPARTED_US = 600_000_000
CHECK_EVERY_US = 30_000_000

Place = tuple[str, int]
"""Reader and port."""


@dataclass(slots=True)
class Seen:
    """A tag at one place."""

    levels_dbm: deque[float] = field(default_factory=lambda: deque(maxlen=KEPT_LEVELS))
    last_us: int = 0


@dataclass(slots=True)
class Tag:
    """A tag at all its places."""

    place: Place | None = None
    last_us: int = 0
    seen: dict[Place, Seen] = field(default_factory=dict)


class EdgexRule:
    """Takes reads one by one; `told` collects (kind, tag, place)."""

    def __init__(self) -> None:
        self.told: list[tuple[str, int, Place | None]] = []
        self._tags: dict[int, Tag] = {}
        self._checked_us = 0

    def read(self, number: int, place: Place, rssi_dbm: float, at_us: int) -> None:
        """One read of a tag."""
        tag = self._tags.get(number)
        if tag is None:
            tag = self._tags[number] = Tag()
        seen = tag.seen.get(place)
        if seen is None:
            seen = tag.seen[place] = Seen()
        seen.levels_dbm.append(rssi_dbm)
        seen.last_us = tag.last_us = at_us
        if tag.place is None:
            tag.place = place
            self.told.append(("arrived", number, place))
        elif tag.place != place and len(seen.levels_dbm) >= LEAST_LEVELS:
            here = tag.seen[tag.place]
            silent_ms = (at_us - here.last_us) / 1000
            offset_db = min(MOST_OFFSET_DB, SLOPE_DB_PER_MS * (silent_ms - HOLD_MS) + MOST_OFFSET_DB)
            if fmean(seen.levels_dbm) > fmean(here.levels_dbm) + offset_db:
                tag.place = place
                self.told.append(("moved", number, place))

    def time(self, now_us: int) -> None:
        """Look for tags that departed, now and then."""
        if now_us < self._checked_us + CHECK_EVERY_US:
            return
        self._checked_us = now_us
        for number, tag in self._tags.items():
            if tag.place is not None and tag.last_us < now_us - DEPARTED_US:
                self.told.append(("departed", number, tag.place))
                tag.place = None
                tag.seen.clear()
