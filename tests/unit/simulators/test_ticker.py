"""The clock hand that simulated devices share."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime

from simulators.ticker import Ticker
from wire.clock import ScaledClock


async def test_everybody_looks_and_whoever_is_removed_looks_no_more() -> None:
    ticker = Ticker(ScaledClock(datetime(2026, 3, 1, tzinfo=UTC), 5), parts=3)
    looks = [0] * 7

    def looker(number: int) -> None:
        looks[number] += 1

    calls = [lambda number=number: looker(number) for number in range(7)]
    for call in calls:
        ticker.add(call)
    async with asyncio.timeout(10):
        while min(looks) < 3:
            await asyncio.sleep(0.01)
    assert max(looks) - min(looks) <= 1
    await ticker.remove(calls[0])
    seen = looks[0]
    async with asyncio.timeout(10):
        while min(looks[1:]) < seen + 3:
            await asyncio.sleep(0.01)
    assert looks[0] == seen
    for call in calls:
        await ticker.remove(call)
    assert len(asyncio.all_tasks()) == 1
