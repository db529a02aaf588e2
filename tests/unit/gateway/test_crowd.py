"""What the others say: smooth in their number, never a tag about itself, and memory only against."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from gateway.crowd import CROWD_FEATURES, STAY_LAG, Crowd
from gateway.passage import BINS, OUTWARDS, Passage, Sight, sight_of, still_of
from gateway.portal_model import physical_model

TEMPLATE = physical_model().template
PASSAGE = Passage(TEMPLATE)
SURE, DOUBT = 4.0, -6.0


def pallet(tags: int, one_sided: bool = False) -> Sight:
    levels = np.full((tags, BINS, 2), -np.inf, np.float32)
    levels[:, 22:30:2, 0] = -3
    levels[:, 30:38:2, 1] = -3
    if one_sided:
        levels[-1, :, 1] = -np.inf
    nothing = np.zeros((tags, 2), np.float32)
    past = still_of(nothing, nothing, 120.0, 20.0, 0.5)
    return sight_of(np.arange(tags), levels, past, np.zeros(tags, np.float32), PASSAGE)


def look(sight: Sight, outwards: list[float], crowd: Crowd | None = None, now_bin: int = 100) -> dict[str, np.ndarray]:
    crowd = crowd or Crowd(TEMPLATE)
    crowd.grow(len(sight.rows))
    own = np.stack([np.array(outwards), np.full(len(outwards), DOUBT)], axis=1).astype(np.float32)
    features = crowd.look(sight, own, now_bin)
    return {name: features[:, :, number] for number, name in enumerate(CROWD_FEATURES)}


def test_a_tag_is_not_its_own_witness() -> None:
    alone = look(pallet(1), [SURE])
    assert alone["group"][0, OUTWARDS] == pytest.approx(0.0)
    two = look(pallet(2), [SURE, DOUBT])
    assert two["group"][0, OUTWARDS] < 0.01
    assert two["group"][1, OUTWARDS] == pytest.approx(np.log1p(0.982), abs=0.01)


def test_evidence_grows_smoothly_with_the_group() -> None:
    sizes = [np.expm1(look(pallet(tags), [SURE] * tags)["group"][0, OUTWARDS]) for tags in range(1, 12)]
    assert np.diff(sizes) == pytest.approx(np.full(10, 0.982), abs=0.01)


def test_the_group_carries_a_tag_that_one_side_alone_read() -> None:
    lone = look(pallet(1, one_sided=True), [DOUBT])
    carried = look(pallet(16, one_sided=True), [SURE] * 15 + [DOUBT])
    assert carried["template_likeness"][-1, OUTWARDS] > carried["template_opposite"][-1, OUTWARDS] + 5
    assert carried["group"][-1, OUTWARDS] > lone["group"][-1, OUTWARDS] + 2


def test_a_tag_that_stays_while_a_group_passes_is_remembered_for_it() -> None:
    crowd = Crowd(TEMPLATE)
    for now in range(3 * STAY_LAG):
        seen = look(pallet(16), [SURE] * 15 + [DOUBT], crowd, now)
    assert seen["stays"][-1, OUTWARDS] > 1.0
    assert seen["stays"][0, OUTWARDS] < 0.2
    crowd.begin(np.array([15]))
    assert look(pallet(16), [SURE] * 15 + [DOUBT], crowd, 99)["stays"][-1, OUTWARDS] < 0.1


def test_a_lone_passage_makes_nobody_a_stayer() -> None:
    crowd = Crowd(TEMPLATE)
    for now in range(3 * STAY_LAG):
        seen = look(pallet(2), [SURE, DOUBT], crowd, now)
    assert seen["stays"].max() < 0.05


def test_a_group_that_the_first_side_goes_on_to_read_has_not_gone_over() -> None:
    crossed = pallet(8)
    stays = replace(crossed, seen=crossed.seen[:, :, ::-1])
    for sight, leans in ((crossed, True), (stays, False)):
        crowd = Crowd(TEMPLATE)
        look(sight, [SURE] * 8, crowd)
        assert (crowd.lean(sight)[:, OUTWARDS] > 0.7).all() == leans
        assert (crowd.lean(sight)[:, OUTWARDS] < -0.7).all() == (not leans)


def test_a_lone_tag_and_a_group_of_doubtful_ones_lean_nowhere() -> None:
    crowd = Crowd(TEMPLATE)
    look(pallet(1), [SURE], crowd)
    assert crowd.lean(pallet(1)).tolist() == [[0.0, 0.0]]
    crowd = Crowd(TEMPLATE)
    look(pallet(8), [DOUBT] * 8, crowd)
    assert abs(crowd.lean(pallet(8))).max() < 0.05


def test_a_door_without_tags_is_looked_at_as_well() -> None:
    assert look(pallet(0), [])["group"].shape == (0, 2)
