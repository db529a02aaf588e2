"""How long a tag may be silent before it counts as gone."""

from __future__ import annotations

import numpy as np
import pytest

from gateway.belief import LOOK_US
from gateway.config import Rules
from gateway.presence import Presence, Seen, ZoneSightings

NO_LIMIT = np.array([1 << 62])
ROW = np.array([0])


def watch(presence: Presence, times_s: list[float]) -> list[Seen]:
    seen = []
    for time_s in times_s:
        at = np.array([round(time_s * 1e6)])
        sighting = ZoneSightings(ROW, at, at, np.array([1]), np.array([1]), np.array([-60], np.float32))
        seen.append(presence.observe(ROW, sighting, at, NO_LIMIT))
    return seen


def made(error: float = 0.05, least_ms: int = 1000, most_ms: int = 120_000) -> Presence:
    presence = Presence(Rules(absence_error=error, window_min_ms=least_ms, window_max_ms=most_ms))
    presence.known.grow(4)
    return presence


def window_s(presence: Presence) -> float:
    return float(presence.windows_us(ROW)[0]) / 1e6


def test_a_window_stays_within_its_bounds() -> None:
    short, long = made(0.4, least_ms=30_000), made(0.0001, most_ms=20_000)
    for presence in (short, long):
        watch(presence, [0.5 * count for count in range(100)])
    assert window_s(short) == 30.0
    assert window_s(long) == 20.0


def test_a_tag_read_often_gets_a_shorter_window_than_one_read_rarely() -> None:
    often, rarely = made(), made()
    watch(often, [0.6 * count for count in range(200)])
    watch(rarely, [float(time) for time in np.cumsum(np.random.default_rng(2).exponential(15.0, 60))])
    assert window_s(often) < window_s(rarely) / 2


def test_reads_of_one_antenna_visit_are_one_sighting() -> None:
    presence = made()
    watch(presence, [1.0, 1.02, 1.05, 1.3, 2.0])
    assert presence.known["sightings"][0] == 2
    assert presence.known["reads"][0] == 5


def test_a_tag_read_once_in_half_a_minute_does_not_flap() -> None:
    """At the default error: it never leaves. At the boldest one it may be lost a few times, then it is known."""
    seen = watch(made(0.01), [30.0 * count for count in range(40)])
    assert not any(bool(each.new_stay[0]) for each in seen[1:])
    ended = [bool(each.new_stay[0]) for each in watch(made(0.5), [30.0 * count for count in range(60)])[1:]]
    assert sum(ended) <= 8
    assert not any(ended[30:])


def test_silence_is_measured_against_the_window() -> None:
    presence = made()
    watch(presence, [0.6 * count for count in range(60)])
    window, last = int(presence.windows_us(ROW)[0]), round(0.6 * 59 * 1e6)
    assert presence.silent_us(ROW, np.array([last + window]))[0] == 0
    assert presence.silent_us(ROW, np.array([last + window + 5]))[0] == 5


def test_at_the_end_of_its_window_a_tag_is_absent_with_the_stated_error() -> None:
    presence = made(0.2)
    watch(presence, [0.5 * count for count in range(300)])
    window, last = int(presence.windows_us(ROW)[0]), round(0.5 * 299 * 1e6)
    assert window < 120_000_000
    assert presence.absence(ROW, np.array([last + window]))[0] >= 0.8
    assert presence.absence(ROW, np.array([last + window - 2 * LOOK_US - 1]))[0] < 0.8


def test_a_stopped_clock_teaches_nothing() -> None:
    presence = made()
    watch(presence, [0.5 * count for count in range(20)])
    before = presence.known["counts"][0].copy()
    later = np.array([60_000_000])
    sighting = ZoneSightings(ROW, later, later, np.array([1]), np.array([1]), np.array([-60], np.float32))
    presence.observe(ROW, sighting, np.array([round(0.5 * 19 * 1e6)]), NO_LIMIT)
    assert presence.known["counts"][0].tolist() == before.tolist()


def test_a_tag_put_where_it_was_not_sighted_has_the_longest_window() -> None:
    presence = made()
    assert window_s(presence) == 120.0
    watch(presence, [0.5 * count for count in range(50)])
    presence.end_stays(ROW)
    assert window_s(presence) == 120.0


@pytest.mark.parametrize("rows", [5, 4096])
def test_growing_keeps_what_is_known(rows: int) -> None:
    presence = made()
    watch(presence, [1.0, 2.0])
    counts = presence.known["counts"][0].tolist()
    presence.known.grow(rows)
    assert presence.known["sightings"][0] == 2
    assert presence.known["counts"][0].tolist() == counts
    assert presence.known["sightings"][1:].sum() == 0
    assert presence.known["counts"][rows - 1].tolist() == presence.known["counts"][1].tolist()


def test_a_row_that_is_reset_is_as_new() -> None:
    presence = made()
    watch(presence, [0.5 * count for count in range(50)])
    presence.known.reset(ROW)
    assert presence.known["belief"][0].tolist() == presence.known["belief"][1].tolist()
    assert (presence.known["sightings"][0], presence.known["reads"][0]) == (0, 0)
    assert bool(watch(presence, [100.0])[0].new_stay[0])
