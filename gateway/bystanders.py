"""Who left with a load although no door saw it leave, or a zone then read it through the door.

Of a load that crosses, some tags are read by the first side alone: they show the second their end, or the load stands
between. Goods beside the door look the same at that moment, so none of them is judged to cross; but it is kept that
they were read while a load went out. What stands there is read again. A tag that is not, until its window in its zone
has ended (presence), went along: it has crossed, where else it would be told to have departed and stay in the books.

A load that waits outside the open door may be read by antennas of zones for so long that they believe it back. So the
tags that were seen to cross are kept as well: those that are read no later have gone all the same.

A restart forgets that it was beside a load, and a door that waits for its reader for longer than the tag's window knows
it too late (door_time): then it has departed.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Final

from gateway.movement import Decision

METHOD: Final = "portal-company/1"

LEAST_LOAD: Final = 3
"""So many others must cross together before one that is not seen to is believed to be with them."""

LOAD_US: Final = 3_000_000
"""Tags of one load are decided within so long."""

AFTERWARDS_US: Final = 10_000_000
"""A load that waits outside the open door is still read, by either side; what is read later than this has stayed. It
counts from when the load is seen to go no more: LOAD_US after its last tag was decided."""

BEFORE_US: Final = 60_000_000
"""A load is kept for the longest window of a tag, and for what may go before it: a zone's clock stands while one of its
readers is in doubt."""


@dataclass(frozen=True, slots=True)
class Bystander:
    """A tag that was read beside a load: the crossing it would be, and when the load was last seen to go."""

    crossing: Decision
    load_us: int


class Bystanders:
    """The tags that one door last read beside loads going out."""

    def __init__(self, longest_window_us: int) -> None:
        self._kept: dict[int, Bystander] = {}
        self._kept_us = longest_window_us + BEFORE_US

    def note(self, crossings: Iterable[Decision], load_us: int) -> None:
        """These tags were read beside a load that goes out at `load_us`."""
        self._kept |= {crossing.tag: Bystander(crossing, load_us) for crossing in crossings}

    def came(self, tags: Iterable[int]) -> None:
        """These tags came in by the door: they have not gone along."""
        for tag in tags:
            self._kept.pop(tag, None)

    def gone_along(self, silent: Decision, read_us: int) -> Decision | None:
        """The crossing of a tag found silent in its zone, if zones and the door, which did at `read_us`, last read it
        about when a load went out, and None if not."""
        kept = self._kept.pop(silent.tag, None)
        if kept is None:
            return None
        last_us = max(silent.observed_us, kept.crossing.observed_us, read_us)
        if last_us > kept.load_us + AFTERWARDS_US:
            return None
        return replace(kept.crossing, observed_us=last_us, confidence=silent.confidence, method=METHOD)

    def forget(self, now_us: int) -> None:
        """Let go of loads so long past that every tag of theirs has been judged."""
        if self._kept:
            self._kept = {tag: kept for tag, kept in self._kept.items() if kept.load_us > now_us - self._kept_us}
