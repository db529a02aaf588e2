"""Uptime to UTC: whatever the delays and the drift, a stamp comes out close to the truth, for days."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from readers.llrp.uptime import BUCKET_US, BUCKETS, UptimeClock

BOOTED_US = 1_700_000_000_000_000
WINDOW_US = BUCKET_US * BUCKETS


@pytest.mark.parametrize("drift_ppm", [-100, -20, 0, 20, 100])
def test_a_clock_that_drifts_for_two_days_stays_within_its_bound(drift_ppm: int) -> None:
    chance = random.Random(drift_ppm)
    clock = UptimeClock()
    worst_us = 0
    for true_us in range(0, 2 * 86_400_000_000, 5_000_000):
        uptime_us = true_us + true_us * drift_ppm // 1_000_000
        clock.observe(uptime_us, BOOTED_US + true_us + chance.choice((1000, 3000, 20_000, 400_000)))
        if true_us > WINDOW_US:
            worst_us = max(worst_us, abs(uptime_us + clock.offset_us - (BOOTED_US + true_us)))
    assert worst_us <= 1000 + WINDOW_US * abs(drift_ppm) // 1_000_000
    assert worst_us < 2 * 86_400_000_000 * abs(drift_ppm) // 1_000_000 or not drift_ppm


def test_what_was_held_back_for_an_hour_changes_nothing() -> None:
    clock = UptimeClock()
    clock.observe(7_200_000_000, BOOTED_US + 7_200_001_000)
    for held_us in range(3_600_000_000, 7_200_000_000, 60_000_000):
        clock.observe(held_us, BOOTED_US + 7_200_002_000)
    assert clock.offset_us == BOOTED_US + 1000


def test_a_reader_that_was_quiet_for_hours_is_believed_anew() -> None:
    clock = UptimeClock()
    clock.observe(0, BOOTED_US)
    clock.observe(10_000_000_000, BOOTED_US + 10_001_000_000)
    assert clock.offset_us == BOOTED_US + 1_000_000


@given(st.lists(st.tuples(st.integers(0, 1 << 50), st.integers(0, 1 << 55)), min_size=1, max_size=50))
def test_a_stamp_never_lies_after_its_arrival_while_its_bucket_counts(pairs: list[tuple[int, int]]) -> None:
    clock = UptimeClock()
    newest = -1
    for uptime_us, at_us in pairs:
        offset_us = clock.observe(uptime_us, at_us)
        assert offset_us == clock.offset_us
        if uptime_us // BUCKET_US >= newest:
            newest = uptime_us // BUCKET_US
            assert uptime_us + offset_us <= at_us
