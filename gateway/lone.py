"""A tag that crosses alone has crossed when the zones inside agree.

A load is known by its many tags. Of a single one at the edge of what a door hears, a fade of the inner side and a stray
read of the outer look like a way out, now and then, though it stands where it stood; and what lies in sight of the door
outside is heard by the inner side, too, so that it seems to turn back. Where antennas of zones read such a tag, they
know better, so its crossing waits for them. It is told as of its own reads, as ever:

    a crossing                       is told when                       and never when
    out                              no zone read the tag for QUIET_US  zones still read it after PATIENCE_US
    in, within COMEBACK_US of it     a zone has read the tag since      none has after PATIENCE_US
    in, else                         at once
    with enough others (LOAD_US)     at once
    told late by its door            at once (door_time)

A zone whose reader is away knows nothing better, so the door's word stands on what goes out; what seems to come back is
then told by the zone that reads it next. A restart forgets what waits, as it forgets a crossing in progress.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from gateway.bystanders import LEAST_LOAD, LOAD_US
from gateway.movement import Decision, Finding

QUIET_US: Final = 3_000_000
"""What stands inside is read by its zone more often than this, but for one in hundreds of gaps."""

PATIENCE_US: Final = 8_000_000
"""A thing on its way out is out of the zones' sight by then, and one that is back has been read by one of them."""

COMEBACK_US: Final = 15_000_000
"""A tag that comes in so soon after it went out has turned at the door, or was heard through it."""

KNOWN_US: Final = 60_000_000
"""Zones that read a tag within this before it went out will read it again when it is back."""


@dataclass(frozen=True, slots=True)
class _Waiting:
    crossing: Decision
    since_us: int


class LoneCrossings:
    """Crossings that wait for what zones read. `sighted_us` tells when antennas of a zone last read a tag."""

    def __init__(self, sighted_us: Callable[[int], int]) -> None:
        self._sighted_us = sighted_us
        self._waiting: dict[int, _Waiting] = {}
        self._lately: list[tuple[int, Finding, int]] = []
        """Door, way and time of each crossing of the last LOAD_US."""
        self._gone_us: dict[int, int] = {}
        """When tags went out, of those that may still seem to turn back."""

    @property
    def awake(self) -> bool:
        """Does any crossing wait?"""
        return bool(self._waiting)

    def sweep(self, crossed: list[Decision], now_us: int) -> list[Decision]:
        """What is to be told now, given what doors have decided now."""
        told = []
        for decision in crossed:
            waiting = self._waiting.get(decision.tag)
            if waiting is not None and decision.observed_us >= waiting.crossing.observed_us:
                del self._waiting[decision.tag]
            if decision.belated or not (decision.finding is Finding.CROSSED_OUT or self._turns_back(decision)):
                told.append(decision)
            else:
                self._waiting[decision.tag] = _Waiting(decision, now_us)
                self._lately.append((decision.where, decision.finding, now_us))
        self._lately = [each for each in self._lately if each[2] >= now_us - LOAD_US]
        for tag, waiting in list(self._waiting.items()):
            if self._is_sure(waiting.crossing, now_us):
                told.append(self._waiting.pop(tag).crossing)
            elif now_us - waiting.since_us >= PATIENCE_US:
                del self._waiting[tag]
        self._note_gone(told, now_us)
        return told

    def _note_gone(self, told: list[Decision], now_us: int) -> None:
        self._gone_us |= {each.tag: each.observed_us for each in told if each.finding is Finding.CROSSED_OUT}
        oldest_us = now_us - COMEBACK_US - PATIENCE_US  # what a door tells in time it tells within PATIENCE_US
        self._gone_us = {tag: at_us for tag, at_us in self._gone_us.items() if at_us >= oldest_us}

    def _turns_back(self, crossing: Decision) -> bool:
        gone_us = self._gone_us.get(crossing.tag)
        if gone_us is None or crossing.observed_us - gone_us > COMEBACK_US:
            return False
        return self._sighted_us(crossing.tag) >= gone_us - KNOWN_US

    def _is_sure(self, crossing: Decision, now_us: int) -> bool:
        together = sum((door, way) == (crossing.where, crossing.finding) for door, way, _ in self._lately)
        sighted_us = self._sighted_us(crossing.tag)
        if crossing.finding is Finding.CROSSED_OUT:
            return together > LEAST_LOAD or now_us - sighted_us >= QUIET_US
        return together > LEAST_LOAD or sighted_us > crossing.observed_us
