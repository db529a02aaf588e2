"""One tag's path: order of the sides, likeness to a walk, and the same features for both directions."""

from __future__ import annotations

import numpy as np
import pytest

from gateway.passage import BINS, FEATURES, INWARDS, OUTWARDS, Passage, Still, sight_of, still_of
from gateway.portal_model import physical_model

PASSAGE = Passage(physical_model().template)
UNKNOWN = still_of(np.zeros((1, 2), np.float32), np.zeros((1, 2), np.float32), 120.0, 20.0, 0.5)


def features(levels_db: np.ndarray, past: Still = UNKNOWN, quiet: float = 0.0) -> dict[str, np.ndarray]:
    """Each feature of one tag by name: (2 directions)."""
    sight = sight_of(np.array([0]), levels_db[None], past, np.array([quiet], np.float32), PASSAGE)
    return {name: sight.features[0, :, number] for number, name in enumerate(FEATURES)}


def unread() -> np.ndarray:
    return np.full((BINS, 2), -np.inf, np.float32)


def outward_walk() -> np.ndarray:
    levels = unread()
    levels[22:30:2, 0] = (-6, -4, -2, -1)
    levels[30:38:2, 1] = (-1, -2, -4, -6)
    return levels


def test_a_walk_outwards_is_like_one_and_in_order() -> None:
    walk = features(outward_walk())
    assert walk["likeness"][OUTWARDS] > walk["likeness"][INWARDS] + 5
    assert walk["window_likeness"][OUTWARDS] > 3
    assert walk["order"][OUTWARDS] > 5
    assert walk["order"][INWARDS] <= 0
    assert walk["agreement"][OUTWARDS] == pytest.approx(1.0)
    assert walk["age"][OUTWARDS] == pytest.approx(10, abs=2)
    assert walk["centroid_gap"][OUTWARDS] > 4
    assert (walk["first_before"][OUTWARDS], walk["second_after"][OUTWARDS]) == (4, 4)
    assert walk["reads"][OUTWARDS] == 8


def test_a_walk_inwards_is_the_same_with_the_sides_exchanged() -> None:
    there, back = features(outward_walk()), features(outward_walk()[:, ::-1])
    for name in FEATURES:
        assert there[name][OUTWARDS] == pytest.approx(back[name][INWARDS], abs=1e-4), name


def test_reads_by_both_sides_without_order_are_no_walk() -> None:
    levels = unread()
    levels[::4, 0] = levels[2::4, 1] = -2
    both = features(levels, past=Still(np.full((1, 2), 0.25, np.float32), np.full((1, 2), -2.0, np.float32)))
    assert both["likeness"].max() < 0
    assert both["window_likeness"].max() < 0
    assert both["agreement"].max() < 0.7
    assert both["second_before"].min() >= 1


def test_what_a_tag_always_did_explains_away_what_it_does() -> None:
    often = Still(np.full((1, 2), 0.25, np.float32), np.full((1, 2), -2.0, np.float32))
    assert features(outward_walk(), past=often)["likeness"][OUTWARDS] < features(outward_walk())["likeness"][OUTWARDS]


def test_an_unread_tag_has_finite_features_that_say_nothing() -> None:
    nothing = features(unread())
    assert all(np.isfinite(values).all() for values in nothing.values())
    assert nothing["order"].max() == 0
    assert nothing["centroid_gap"].max() == 0
    assert nothing["reads"].max() == 0


def test_standing_still_is_what_was_counted() -> None:
    still = still_of(np.array([[10.0, 0.0]], np.float32), np.array([[-40.0, 0.0]], np.float32), 80.0, 20.0, 0.5)
    assert still.probability[0] == pytest.approx([0.105, 0.005])
    assert still.level_db[0] == pytest.approx([-48 / 11, -8.0])
