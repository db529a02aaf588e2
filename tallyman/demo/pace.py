"""The world waits for those who follow it: how fast a simulation really runs.

The clock runs at the wanted speed, but never further than one stride beyond what everybody has had a turn to do. All
of a demo lives in one event loop, so a turn of it is the measure: readers have looked, gateways have decided, handhelds
have been heard. When the machine is slower than the wanted speed the clock stands at the end of a stride and time is
lost, not reads. A clerk who is behind holds the clock likewise.

    stride   a part of the time that gateways wait for late reads, so that a read is some turns old at most when it is
             judged; halved each time that a gateway saw a late read all the same, down to STRIDE_MIN_S
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import Final

from tallyman.demo.sites import DemoSite
from wire.clock import ScaledClock

STRIDE_SHARE: Final = 0.25
"""Of the time that gateways wait for late reads: a read passes reader, socket and gateway, a turn of the loop each."""

STRIDE_MIN_S: Final = 0.02
"""Shorter strides cost more turns than the gateways' own tick of 50 ms gains."""

Due = Callable[[], datetime | None]
"""The instant beyond which the world must not go; None: as far as it likes."""


class Pace:
    """Leads a clock by strides while `keep` runs."""

    def __init__(self, clock: ScaledClock, sites: Sequence[DemoSite], due: Due) -> None:
        self._clock = clock
        self._sites = sites
        self._due = due
        self._stride_s = min(site.config.rules.reorder_ms for site in sites) / 1000 * STRIDE_SHARE
        self._late = 0

    async def keep(self) -> None:
        """Until cancelled; the clock is then free again."""
        try:
            while True:
                self._heed_late_reads()
                limit = self._clock.now() + timedelta(seconds=self._stride_s)
                due = self._due()
                self._clock.stop_at(limit if due is None else min(limit, due))
                await asyncio.sleep(self._stride_s / self._clock.speed / 2)
        finally:
            self._clock.stop_at(None)

    def _heed_late_reads(self) -> None:
        late = sum(site.stats.late for site in self._sites)
        if late > self._late:
            self._late = late
            self._stride_s = max(STRIDE_MIN_S, self._stride_s / 2)
