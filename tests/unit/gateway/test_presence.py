"""How long a tag may be silent before it counts as gone."""

from __future__ import annotations

import numpy as np
import pytest

from gateway.config import Rules
from gateway.presence import Presence, Seen, ZoneSightings, window_us

NO_LIMIT = np.array([1 << 62])


def sighting(at_us: int, key: int = 0) -> ZoneSightings:
    at = np.array([at_us])
    return ZoneSightings(np.array([key]), at, at, np.array([1]), np.array([1]), np.array([-60], np.float32))


def watch(presence: Presence, times_s: list[float]) -> list[Seen]:
    return [presence.observe(sighting(round(time * 1e6)), np.array([round(time * 1e6)]), NO_LIMIT) for time in times_s]


@pytest.fixture
def presence() -> Presence:
    made = Presence(zones=1, rules=Rules())
    made.grow(4)
    return made


@pytest.mark.parametrize("error", [0.01, 0.05, 0.2])
def test_the_window_keeps_its_promise_for_any_gaps(error: float) -> None:
    chance = np.random.default_rng(1)
    for gaps in (
        chance.exponential(2.0, 200_000),
        chance.lognormal(0.5, 1.2, 200_000),
        np.where(chance.random(200_000) < 0.98, 1.0, 25.0),
    ):
        mean, square = np.float32(gaps.mean()), np.float32((gaps**2).mean())
        window = window_us(np.array([mean]), np.array([square]), error, 0, 1 << 60)[0] / 1e6
        assert (gaps > window).mean() <= error


def test_the_window_stays_within_its_bounds() -> None:
    mean, square = np.array([0.5, 50.0], np.float32), np.array([0.25, 9000.0], np.float32)
    assert window_us(mean, square, 0.01, 3_000_000, 120_000_000).tolist() == [3_000_000, 120_000_000]


def test_a_tag_read_often_gets_a_short_window_and_a_rare_one_a_long_one(presence: Presence) -> None:
    before = presence.windows_us(np.array([0]))[0]
    watch(presence, [0.6 * count for count in range(120)])
    often = presence.windows_us(np.array([0]))[0]
    assert often < before / 3
    other = Presence(1, Rules())
    other.grow(1)
    watch(other, [float(time) for time in np.cumsum(np.random.default_rng(2).exponential(15.0, 60))])
    assert other.windows_us(np.array([0]))[0] > before


def test_reads_of_one_antenna_visit_are_one_sighting(presence: Presence) -> None:
    watch(presence, [1.0, 1.02, 1.05, 1.3, 2.0])
    assert presence.sightings[0] == 2
    assert presence.reads[0] == 5


def test_a_window_that_was_too_short_learns_and_does_not_flap(presence: Presence) -> None:
    """Read once in 30 s, regularly: after at most a few mistakes the tag stays present."""
    seen = watch(presence, [30.0 * count for count in range(40)])
    ended = [bool(each.new_stay[0]) for each in seen[1:]]
    assert sum(ended) <= 3
    assert not any(ended[10:])


def test_silence_is_measured_against_the_window(presence: Presence) -> None:
    watch(presence, [0.6 * count for count in range(60)])
    key, window = np.array([0]), int(presence.windows_us(np.array([0]))[0])
    last = round(0.6 * 59 * 1e6)
    assert presence.silent_us(key, np.array([last + window]))[0] == 0
    assert presence.silent_us(key, np.array([last + window + 5]))[0] == 5


def test_growing_keeps_what_is_known(presence: Presence) -> None:
    watch(presence, [1.0, 2.0])
    presence.grow(4096)
    assert presence.sightings[0] == 2
    assert presence.sightings[1:].sum() == 0
