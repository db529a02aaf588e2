"""The clock both halves are given. Nothing else in the project asks the system for the time of day.

Business time comes from here, so a simulation runs at any speed; sockets and back-off keep real time of their own.
"""

from __future__ import annotations

import asyncio
import time
from datetime import UTC, datetime, timedelta
from typing import Final, Protocol

LOOK_AGAIN_S: Final = 0.001
"""Real seconds between two looks of a sleeper at a clock that stands still."""


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
    """A clock that runs `speed` times as fast as real time from `start` on. It never jumps when the machine's does.

    With a limit (`stop_at`) it stands there until the limit moves on, and loses the time it stood: whoever moves the
    limit decides how fast a simulation really runs.
    """

    def __init__(self, start: datetime, speed: float = 1.0) -> None:
        if start.tzinfo is None:
            raise ValueError("start needs a time zone")
        self._start = start.astimezone(UTC)
        self._origin_s = time.monotonic()
        self._limit: datetime | None = None
        self.speed = 1.0
        self.run_at(speed)

    def run_at(self, speed: float) -> None:
        """From now on run at another speed; the time goes on from where it is."""
        if speed <= 0:
            raise ValueError("speed must be above 0")
        self._start, self._origin_s, self.speed = self.now(), time.monotonic(), speed

    def stop_at(self, limit: datetime | None) -> None:
        """Go no further than this, an aware time; None: on without end. Time that has passed does not come back."""
        now = self.now()
        self._limit = None if limit is None else max(now, limit)

    def now(self) -> datetime:
        """Scaled time since `start`, up to the limit."""
        real_s = time.monotonic()
        now = self._start + timedelta(seconds=(real_s - self._origin_s) * self.speed)
        if self._limit is not None and now > self._limit:
            now = self._start = self._limit
            self._origin_s = real_s
        return now

    async def sleep(self, seconds: float) -> None:
        """Sleep `seconds` of scaled time, whatever becomes of its pace meanwhile."""
        until = self.now() + timedelta(seconds=seconds)
        await asyncio.sleep(max(0.0, seconds / self.speed))
        while (left_s := (until - self.now()).total_seconds()) > 0:
            await asyncio.sleep(max(LOOK_AGAIN_S, left_s / self.speed))
