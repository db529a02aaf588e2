"""The clock both halves are given. Nothing else in the project asks the system for the time of day.

Business time comes from here, so a simulation runs at any speed; sockets and back-off keep real time of their own.
"""

from __future__ import annotations

import asyncio
import time
from datetime import UTC, datetime, timedelta
from typing import Protocol


class Clock(Protocol):
    """Aware UTC now, and a sleep measured on the same clock."""

    def now(self) -> datetime:
        """The time, aware, UTC."""

    async def sleep(self, seconds: float) -> None:
        """Return after `seconds` of this clock's time."""


class SystemClock:
    """The machine's own clock."""

    def now(self) -> datetime:
        """The machine's time in UTC."""
        return datetime.now(UTC)

    async def sleep(self, seconds: float) -> None:
        """Sleep in real seconds."""
        await asyncio.sleep(seconds)


class ScaledClock:
    """A clock that runs `speed` times as fast as real time from `start` on. It never jumps when the machine's does."""

    def __init__(self, start: datetime, speed: float = 1.0) -> None:
        if start.tzinfo is None:
            raise ValueError("start needs a time zone")
        self._start = start.astimezone(UTC)
        self._origin_s = time.monotonic()
        self.speed = 1.0
        self.run_at(speed)

    def run_at(self, speed: float) -> None:
        """From now on run at another speed; the time goes on from where it is."""
        if speed <= 0:
            raise ValueError("speed must be above 0")
        self._start, self._origin_s, self.speed = self.now(), time.monotonic(), speed

    def now(self) -> datetime:
        """Scaled time since `start`."""
        return self._start + timedelta(seconds=(time.monotonic() - self._origin_s) * self.speed)

    async def sleep(self, seconds: float) -> None:
        """Sleep `seconds` of scaled time."""
        await asyncio.sleep(max(0.0, seconds / self.speed))
