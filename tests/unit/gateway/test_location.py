"""Evidence for zones: level, rate, age, and who leads."""

from __future__ import annotations

import numpy as np
import pytest

from gateway.location import HALF_LIFE_S, Location, amplitude, faded, leaders
from gateway.presence import Seen


def seen(new_stay: bool, new_sighting: bool, since_us: int) -> Seen:
    return Seen(np.array([new_stay]), np.array([new_sighting]), np.array([since_us]))


def evidence_at(location: Location, zones: int, age_us: int) -> list[float]:
    clock = np.full(zones, age_us)
    return location.evidence(np.array([0]), clock, np.zeros(zones, np.int64))[0].tolist()


def test_a_louder_sighting_weighs_more_within_bounds() -> None:
    weights = amplitude(np.array([-90, -75, -60, -40, np.nan], np.float32))
    assert weights.tolist() == [*sorted(weights[:4].tolist()), weights[2]]
    assert 0.0 < weights[0] < weights[1] < 1.0
    assert weights[2] == pytest.approx(1.0)


def test_evidence_halves_in_its_half_life() -> None:
    assert faded(np.array([0, round(HALF_LIFE_S * 1e6)])).tolist() == pytest.approx([1.0, 0.5])


def test_a_burst_counts_as_one_sighting_at_its_loudest() -> None:
    location = Location(zones=2)
    location.grow(1)
    key = np.array([0])
    location.observe(key, np.array([-70], np.float32), seen(True, True, 0))
    for _ in range(20):
        location.observe(key, np.array([-60], np.float32), seen(False, False, 0))
    assert evidence_at(location, 2, 0)[0] == pytest.approx(1.0)


def test_sightings_add_up_and_fade() -> None:
    location = Location(zones=2)
    location.grow(1)
    key, half_us = np.array([1]), round(HALF_LIFE_S * 1e6)
    location.observe(key, np.array([-60], np.float32), seen(True, True, 0))
    location.observe(key, np.array([-60], np.float32), seen(False, True, half_us))
    assert evidence_at(location, 2, 0) == pytest.approx([0.0, 1.5])
    assert evidence_at(location, 2, half_us) == pytest.approx([0.0, 0.75])
    location.clear(key)
    assert evidence_at(location, 2, 0) == [0.0, 0.0]


def test_only_a_zone_with_sightings_of_its_own_leads() -> None:
    evidence = np.array([[5.0, 1.0], [5.0, 1.0], [0.01, 0.0]], np.float32)
    sightings = np.array([[1, 4], [2, 4], [9, 9]], np.int32)
    best, share = leaders(evidence, sightings)
    assert best.tolist() == [1, 0, -1]
    assert share[1] == pytest.approx(5 / 6)
