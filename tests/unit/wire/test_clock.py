"""Clocks: aware, scaled, and never jumping when their pace changes."""

import asyncio
from datetime import UTC, datetime, timedelta

import pytest

import wire.clock
from wire.clock import ScaledClock, SystemClock

START = datetime(2026, 11, 23, 8, 0, tzinfo=UTC)


def test_a_scaled_clock_follows_real_time_at_its_pace(monkeypatch: pytest.MonkeyPatch) -> None:
    real_s = 100.0
    monkeypatch.setattr(wire.clock.time, "monotonic", lambda: real_s)
    clock = ScaledClock(START, 10.0)
    real_s = 103.0
    assert clock.now() == START + timedelta(seconds=30)
    clock.run_at(1.0)
    assert clock.now() == START + timedelta(seconds=30)
    real_s = 105.0
    assert clock.now() == START + timedelta(seconds=32)


@pytest.mark.parametrize("speed", [0.0, -1.0])
def test_time_does_not_stand_still_or_turn_back(speed: float) -> None:
    with pytest.raises(ValueError, match="speed"):
        ScaledClock(START, speed)


def test_a_start_without_a_zone_is_refused() -> None:
    with pytest.raises(ValueError, match="zone"):
        ScaledClock(datetime(2026, 11, 23))  # noqa: DTZ001  # the fault that is tested


async def test_the_system_clock_is_aware_and_sleeps() -> None:
    clock = SystemClock()
    before = clock.now()
    await clock.sleep(0.001)
    assert before.utcoffset() == timedelta(0)
    assert clock.now() > before


def test_a_clock_stands_at_its_limit_and_loses_the_time(monkeypatch: pytest.MonkeyPatch) -> None:
    real_s = 0.0
    monkeypatch.setattr(wire.clock.time, "monotonic", lambda: real_s)
    clock = ScaledClock(START, 10.0)
    clock.stop_at(START + timedelta(seconds=20))
    real_s = 60.0
    assert clock.now() == START + timedelta(seconds=20)
    real_s = 61.0
    clock.stop_at(START + timedelta(seconds=50))
    assert clock.now() == START + timedelta(seconds=20), "a limit that moves lets it go on, not jump"
    real_s = 62.0
    assert clock.now() == START + timedelta(seconds=30)
    clock.stop_at(START)
    assert clock.now() == START + timedelta(seconds=30), "a limit in the past turns nothing back"
    clock.stop_at(None)
    real_s = 72.0
    assert clock.now() == START + timedelta(seconds=130)


async def test_a_sleeper_sleeps_until_its_time_has_come_however_slow_it_comes() -> None:
    clock = ScaledClock(START, 1000.0)
    clock.stop_at(START + timedelta(seconds=5))
    sleeper = asyncio.create_task(clock.sleep(10.0))
    await asyncio.sleep(0.05)
    assert not sleeper.done()
    clock.stop_at(None)
    await sleeper
    assert clock.now() >= START + timedelta(seconds=10)
