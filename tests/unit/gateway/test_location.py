"""Evidence for zones: level, rate, age, and who leads."""

from __future__ import annotations

import numpy as np
import pytest

from gateway.location import HALF_LIFE_S, MOST_BIAS_DB, AntennaLevels, Location, amplitude, faded, leaders
from gateway.presence import Seen


def seen(new_stay: bool, new_sighting: bool, since_us: int) -> Seen:
    return Seen(np.array([new_stay]), np.array([new_sighting]), np.array([since_us]), np.array([1], np.int32))


def evidence_at(location: Location, zones: int, age_us: int) -> list[float]:
    clock = np.full(zones, age_us)
    return location.evidence(np.arange(zones)[None], clock, np.zeros(zones, np.int64))[0].tolist()


def test_a_louder_sighting_weighs_more_within_bounds() -> None:
    weights = amplitude(np.array([-90, -75, -60, -40, np.nan], np.float32))
    assert weights.tolist() == [*sorted(weights[:4].tolist()), weights[2]]
    assert 0.0 < weights[0] < weights[1] < 1.0
    assert weights[2] == pytest.approx(1.0)


def test_evidence_halves_in_its_half_life() -> None:
    assert faded(np.array([0, round(HALF_LIFE_S * 1e6)])).tolist() == pytest.approx([1.0, 0.5])


def test_a_burst_counts_as_one_sighting_at_its_loudest() -> None:
    location = Location()
    location.grow(2)
    key = np.array([0])
    location.observe(key, np.array([-70], np.float32), seen(True, True, 0))
    for _ in range(20):
        location.observe(key, np.array([-60], np.float32), seen(False, False, 0))
    assert evidence_at(location, 2, 0)[0] == pytest.approx(1.0)


def test_sightings_add_up_and_fade() -> None:
    location = Location()
    location.grow(2)
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


def heard(levels: AntennaLevels, antenna: int, rssi_dbm: float, reads: int) -> None:
    chance = np.random.default_rng(antenna)
    for _ in range(reads // 50):
        levels.learn(np.full(50, antenna), chance.normal(rssi_dbm, 3, 50).astype(np.float32))


def test_a_loud_antenna_is_taken_for_loud() -> None:
    levels = AntennaLevels(3)
    for antenna, rssi_dbm in enumerate((-60.0, -60.0, -54.0)):
        heard(levels, antenna, rssi_dbm, 5000)
    assert levels.bias_db.tolist() == pytest.approx([-2.0, -2.0, 4.0], abs=0.6)


def test_an_antenna_hardly_heard_from_keeps_the_benefit_of_the_doubt() -> None:
    levels = AntennaLevels(3)
    heard(levels, 0, -60.0, 5000)
    heard(levels, 1, -30.0, 50)
    assert 0.0 < levels.bias_db[1] <= MOST_BIAS_DB
    assert levels.bias_db[2] == 0.0


def test_reads_without_a_level_teach_nothing() -> None:
    levels = AntennaLevels(2)
    levels.learn(np.array([0, 1]), np.array([np.nan, np.nan], np.float32))
    assert levels.bias_db.tolist() == [0.0, 0.0]
