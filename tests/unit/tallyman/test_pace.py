"""The world never runs further ahead than a stride, waits for clerks, and walks more carefully after a late read."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

from tallyman.demo.pace import STRIDE_MIN_S, STRIDE_SHARE, Pace
from wire.clock import ScaledClock

START = datetime(2026, 11, 23, 8, 0, tzinfo=UTC)
REORDER_MS = 2400


def site() -> Any:
    rules = SimpleNamespace(reorder_ms=REORDER_MS)
    return SimpleNamespace(config=SimpleNamespace(rules=rules), stats=SimpleNamespace(late=0))


async def until(condition: Any) -> None:
    async with asyncio.timeout(10):
        while not condition():
            await asyncio.sleep(0.005)


async def test_a_loop_that_is_held_up_costs_time_and_no_reads() -> None:
    clock = ScaledClock(START, 60.0)
    pace = asyncio.create_task(Pace(clock, [site()], lambda: None).keep())
    await until(lambda: clock.now() > START + timedelta(seconds=1))
    before = clock.now()
    end_s = asyncio.get_running_loop().time() + 0.3
    while asyncio.get_running_loop().time() < end_s:
        pass
    assert (clock.now() - before).total_seconds() <= REORDER_MS / 1000 * STRIDE_SHARE + 1e-6, "18 s would have passed"
    pace.cancel()


async def test_the_world_waits_for_who_is_late() -> None:
    clock, due = ScaledClock(START, 60.0), [START + timedelta(seconds=2)]
    pace = asyncio.create_task(Pace(clock, [site()], lambda: due[0]).keep())
    await until(lambda: clock.now() == due[0])
    await asyncio.sleep(0.05)
    assert clock.now() == due[0]
    due[0] += timedelta(hours=1)
    await until(lambda: clock.now() > START + timedelta(seconds=3))
    pace.cancel()


async def test_strides_are_shorter_after_a_late_read() -> None:
    one, clock = site(), ScaledClock(START, 60.0)
    pace = Pace(clock, [one], lambda: None)
    keeping = asyncio.create_task(pace.keep())
    await asyncio.sleep(0.02)
    for late in range(1, 12):
        one.stats.late = late
        await asyncio.sleep(0.03)
    await until(lambda: pace._stride_s == STRIDE_MIN_S)
    keeping.cancel()
