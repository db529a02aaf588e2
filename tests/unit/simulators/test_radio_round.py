"""Gen2 rounds: who is read, when, and what collisions do."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from simulators.radio_round import READ_US, START_US, inventory

LONG_US = 10_000_000


def alike(count: int, level_dbm: float = -60.0) -> np.ndarray:
    return np.full(count, level_dbm)


@given(count=st.integers(0, 80), seed=st.integers(0, 2**32 - 1), end_us=st.integers(0, 200_000))
def test_each_tag_is_read_once_at_most_within_the_time_and_one_after_the_other(
    count: int, seed: int, end_us: int
) -> None:
    read, at_us = inventory(alike(count), np.ones(count), 0, end_us, np.random.default_rng(seed))
    assert len(set(read.tolist())) == len(read) == len(at_us)
    assert set(read.tolist()) <= set(range(count))
    assert (at_us < end_us).all()
    assert (at_us > START_US).all()
    assert (np.diff(at_us) >= int(READ_US)).all()


@pytest.mark.parametrize("count", [1, 10, 100, 400])
def test_with_time_enough_everybody_is_read(count: int) -> None:
    read, _ = inventory(alike(count), np.ones(count), 0, LONG_US, np.random.default_rng(count))
    assert sorted(read.tolist()) == list(range(count))


def test_q_follows_the_crowd() -> None:
    """A fixed Q of 5 would need minutes for 400 tags; slots of the best length cost about 1.6 ms a tag."""
    _, at_us = inventory(alike(400), np.ones(400), 0, LONG_US, np.random.default_rng(1))
    assert at_us[-1] < 400 * 2_500


def test_the_strong_are_heard_through_the_weak() -> None:
    level = np.concatenate((alike(20, -50.0), alike(20, -75.0)))
    first: list[int] = []
    for seed in range(30):
        read, _ = inventory(level, np.ones(40), 0, START_US + 12_000, np.random.default_rng(seed))
        first += read.tolist()
    strong = np.mean(np.array(first) < 20)
    assert strong > 0.55


def test_who_is_never_understood_is_never_read() -> None:
    read, _ = inventory(alike(5), np.array([1.0, 0.0, 1.0, 0.0, 1.0]), 0, 100_000, np.random.default_rng(1))
    assert sorted(read.tolist()) == [0, 2, 4]
