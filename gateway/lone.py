"""A tag that goes out alone has gone when the zones inside read it no more.

A load is known by its many tags. Of a single one at the edge of what a door hears, a fade of the inner side and a stray
read of the outer look like a way out, now and then, though it stands where it stood. Where antennas of zones read it
too, they know better, so its crossing waits for them. It is told as of its own reads, as ever. Tags that go out within
LOAD_US of enough others wait for nothing, nor does anything that comes in, nor what a door tells late (door_time). A
zone whose reader is away knows nothing better, so the door's word stands. A restart forgets what waits, as it forgets a
crossing in progress.
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
"""What zones still read so long after it was told to have crossed has not: a thing on its way is out of their sight."""


@dataclass(frozen=True, slots=True)
class _Waiting:
    crossing: Decision
    since_us: int


class LoneLeavers:
    """Crossings outwards that wait. `sighted_us` tells when antennas of a zone last read a tag."""

    def __init__(self, sighted_us: Callable[[int], int]) -> None:
        self._sighted_us = sighted_us
        self._waiting: dict[int, _Waiting] = {}
        self._lately: list[tuple[int, int]] = []
        """Door and time of each crossing outwards of the last LOAD_US."""

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
            if decision.finding is Finding.CROSSED_OUT and not decision.belated:
                self._waiting[decision.tag] = _Waiting(decision, now_us)
                self._lately.append((decision.where, now_us))
            else:
                told.append(decision)
        self._lately = [each for each in self._lately if each[1] >= now_us - LOAD_US]
        for tag, waiting in list(self._waiting.items()):
            if self._is_gone(waiting.crossing, now_us):
                told.append(self._waiting.pop(tag).crossing)
            elif now_us - waiting.since_us >= PATIENCE_US:
                del self._waiting[tag]
        return told

    def _is_gone(self, crossing: Decision, now_us: int) -> bool:
        together = sum(door == crossing.where for door, _ in self._lately)
        return together > LEAST_LOAD or now_us - self._sighted_us(crossing.tag) >= QUIET_US
