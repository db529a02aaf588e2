"""Places and passages: what the truth of every simulation rests on."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from simulators.geometry import AISLE, BODY_DB, YARD, Area, Doorway, Floor, body_losses_db, walk, wall_losses_db

FLOOR = Floor(
    (Area("front", 0.0, 0.0, 8.0, 5.0), Area("back", 0.0, 5.0, 8.0, 9.0)),
    (Doorway("D1", 2.0, 3.0), Doorway("D2", 6.0, 3.0)),
)


def test_places_by_zone_yard_and_aisle() -> None:
    assert FLOOR.place((1.0, 4.9)) == "front"
    assert FLOOR.place((1.0, 5.0)) == "back"
    assert FLOOR.place((1.0, -0.1)) == YARD
    assert FLOOR.place((9.0, 1.0)) == AISLE


def test_a_walk_in_passes_the_door_and_then_the_zones() -> None:
    track = walk([(2.0, -2.0), (2.0, 8.0)], start_us=1_000_000, speeds_m_s=[2.0])
    passages = FLOOR.passages(track, (0.0, 0.0))
    assert [(one.at_us, one.before, one.after, one.door, one.direction) for one in passages] == [
        (2_000_000, YARD, "front", "D1", "in"),
        (4_500_000, "front", "back", None, None),
    ]


def test_what_lies_ahead_on_the_load_passes_first() -> None:
    track = walk([(6.0, 3.0), (6.0, -3.0)], start_us=0, speeds_m_s=[1.0])
    ahead, behind = FLOOR.passages(track, (0.0, -0.5)), FLOOR.passages(track, (0.0, 0.5))
    assert (ahead[0].at_us, behind[0].at_us) == (2_500_000, 3_500_000)
    assert ahead[0].door == "D2"
    assert ahead[0].direction == "out"


def test_a_waypoint_right_on_an_edge_loses_no_passage() -> None:
    track = walk([(2.0, 3.0), (2.0, 5.0), (3.0, 6.0)], start_us=0, speeds_m_s=[1.0, 1.0])
    assert [one.after for one in FLOOR.passages(track, (0.0, 0.0))] == ["back"]


def test_through_the_wall_beside_a_door_there_is_no_door() -> None:
    track = walk([(4.0, 1.0), (4.0, -1.0)], start_us=0, speeds_m_s=[1.0])
    assert FLOOR.passages(track, (0.0, 0.0))[0].door is None


def test_a_leg_of_no_length_takes_no_time() -> None:
    track = walk([(1.0, 1.0), (1.0, 1.0), (1.0, 2.0)], start_us=0, speeds_m_s=[1.0, 1.0])
    assert track.end_us == 1_000_000
    assert track.at(500_000).tolist() == [1.0, 1.5]
    assert track.at(9_000_000).tolist() == [1.0, 2.0]


# Whole centimetres and a third: a walk that begins or ends right on an edge is in neither place yet, and scenarios set
# nothing down there.
centimetres = st.integers(-600, 890).map(lambda number: (number + 1 / 3) / 100)
points = st.tuples(st.integers(10, 790).map(lambda number: number / 100), centimetres)


@given(st.lists(points, min_size=2, max_size=6, unique=True), st.integers(0, 10**9))
def test_passages_and_places_agree_on_any_walk(way: list[tuple[float, float]], start_us: int) -> None:
    track = walk(way, start_us, [1.3] * (len(way) - 1))
    place = FLOOR.place(way[0])
    for passage in FLOOR.passages(track, (0.0, 0.0)):
        assert passage.before == place
        place = passage.after
    end = track.xy[-1]
    assert place == FLOOR.place((float(end[0]), float(end[1])))


def test_walls_take_from_the_lines_that_cross_them() -> None:
    walls = np.array([[0.0, 1.0, 2.0, 1.0, 12.0], [5.0, 0.0, 5.0, 9.0, 7.0]])
    targets = np.array([[1.0, 2.0], [3.0, 2.0], [1.0, 0.9], [9.0, 0.5], [9.0, 4.0]])
    losses = wall_losses_db(np.array([1.0, 0.0]), targets, walls)
    assert losses.tolist() == pytest.approx([12.0, 12.0, 0.0, 7.0, 7.0])
    assert wall_losses_db(np.array([1.0, 0.0]), targets, np.empty((0, 5))).tolist() == [0.0] * 5


def test_people_take_from_the_lines_that_they_stand_in() -> None:
    targets = np.array([[0.0, 4.0], [3.0, 4.0], [0.0, 1.0]])
    losses = body_losses_db(np.array([0.0, 0.0]), targets, np.array([[0.0, 2.0], [0.0, 9.0]]))
    assert losses[0] == pytest.approx(BODY_DB)
    assert losses[1] < 0.1
    assert losses[2] == 0.0, "who stands behind the tag shades nothing"
    assert body_losses_db(np.array([0.0, 0.0]), targets, np.empty((0, 2))).tolist() == [0.0] * 3
