"""A reader without a UTC clock counts microseconds since it started; here that count becomes UTC.

What was stamped `uptime` and came at `at` has `at - uptime = offset + delay`, and a delay is never negative: the
smallest difference seen is the best estimate of the offset. Two crystals drift apart, by up to 100 ppm, so a smallest
difference of yesterday is wrong by seconds. Only what was stamped within the last WINDOW of the reader's own time
counts: the estimate lags behind the drift by at most WINDOW × drift (30 ms at 100 ppm), and is late by no more than the
quickest delivery in the window. What was held for us while we were away comes with long delays, and changes nothing.
"""

from __future__ import annotations

from collections import deque
from typing import Final

BUCKET_US: Final = 30_000_000
BUCKETS: Final = 10
"""Ten buckets of half a minute: a window in which any reader that sees tags is heard many times."""


class UptimeClock:
    """The offset from one reader's uptime to UTC, for one connection (a reader that restarts makes a new one)."""

    def __init__(self) -> None:
        self._smallest: deque[tuple[int, int]] = deque()
        """(bucket of uptime, smallest difference in it), oldest first."""
        self.offset_us = 0

    def observe(self, uptime_us: int, at_us: int) -> int:
        """Something stamped `uptime_us` came at `at_us` (UTC by our clock); returns the offset from now on."""
        bucket, difference_us = uptime_us // BUCKET_US, at_us - uptime_us
        if not self._smallest or bucket > self._smallest[-1][0]:
            self._smallest.append((bucket, difference_us))
            while self._smallest[0][0] <= bucket - BUCKETS:
                self._smallest.popleft()
        elif difference_us < self._smallest[-1][1]:
            self._smallest[-1] = (self._smallest[-1][0], difference_us)
        self.offset_us = min(smallest for _, smallest in self._smallest)
        return self.offset_us
