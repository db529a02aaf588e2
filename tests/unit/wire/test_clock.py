"""Clocks: aware, scaled, and never jumping when their pace changes."""

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
