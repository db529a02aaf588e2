"""One clock hand for many simulated devices: each is asked to look at the world once a slice of the clock's time."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from typing import Final

from wire.clock import Clock

SLICE_S: Final = 0.05
"""Inventory slice in the clock's time: what is seen is reported at most this much later, plus the wait below."""

MIN_SLICE_REAL_S: Final = 0.02
"""However fast the clock runs, a device costs the machine no more than fifty slices a second."""

Look = Callable[[], None]


class Ticker:
    """Calls every look once a slice, one after another; with `parts`, so many groups spread over the slice.

    A look must not raise. The ticker's task lives while anything looks.
    """

    def __init__(self, clock: Clock, parts: int = 1) -> None:
        self._clock = clock
        self._looks: list[list[Look]] = [[] for _ in range(parts)]
        self._task: asyncio.Task[None] | None = None

    def add(self, look: Look) -> None:
        """Have it called from now on."""
        min(self._looks, key=len).append(look)
        if self._task is None:
            self._task = asyncio.create_task(self._run(), name="ticker of simulated devices")

    async def remove(self, look: Look) -> None:
        """Call it no more; safe for one that was removed already."""
        for group in self._looks:
            if look in group:
                group.remove(look)
        if self._task is not None and not any(self._looks):
            task, self._task = self._task, None
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task

    async def _run(self) -> None:
        loop = asyncio.get_running_loop()
        parts = len(self._looks)
        while True:
            for group in self._looks:
                began_s = loop.time()
                await self._clock.sleep(SLICE_S / parts)
                spare_s = began_s + MIN_SLICE_REAL_S / parts - loop.time()
                if spare_s > 0:
                    await asyncio.sleep(spare_s)
                for look in tuple(group):
                    look()
