"""Which goods of which zones are picked for an order."""

from __future__ import annotations

import time

from hypothesis import given
from hypothesis import strategies as st

from backend.orders.picking import Need, Place, Tagged, plan


def need(units: int, lot: int = 1) -> Need:
    return Need(1, 1, 1, lot, None, units)


def place(zone: str, kind: str, units: int, *things: int, lot: int = 1) -> Place:
    tagged = [Tagged(bytes([number]), None, quantity) for number, quantity in enumerate(things)]
    return Place(1, 1, lot, zone, kind, units, tagged)


def test_pick_faces_come_first_then_the_fullest_zone() -> None:
    places = [
        place("r1", "storage", 5),
        place("r2", "storage", 9),
        place("f", "pick_face", 2),
        place("q", "quarantine", 9),
    ]
    picks, unplaced = plan([need(12)], places)
    assert [(one.zone, one.units) for one in picks] == [("f", 2), ("r2", 9), ("r1", 1)]
    assert unplaced == []


def test_what_stands_nowhere_is_told() -> None:
    picks, unplaced = plan([need(3), need(2, lot=2)], [place("f", "pick_face", 1), place("f", "pick_face", 9, lot=2)])
    assert [(one.need.lot_id, one.units) for one in picks] == [(1, 1), (2, 2)]
    assert [(one.need.lot_id, one.units) for one in unplaced] == [(1, 2)]


def test_whole_things_before_loose_units_before_a_thing_is_opened() -> None:
    (pick,), _ = plan([need(14)], [place("f", "pick_face", 26, 12, 12)])
    assert ([thing.units for thing in pick.things], pick.loose, pick.opens) == ([12], 2, False)
    (pick,), _ = plan([need(15)], [place("f", "pick_face", 26, 12, 12)])
    assert ([thing.units for thing in pick.things], pick.loose, pick.opens) == ([12, 12], 2, True)


@given(
    st.lists(st.integers(1, 20), max_size=4),
    st.lists(st.tuples(st.sampled_from(["pick_face", "storage"]), st.integers(0, 15), st.lists(st.integers(1, 4)))),
)
def test_nothing_is_picked_twice_and_nothing_is_forgotten(
    wanted: list[int], shelves: list[tuple[str, int, list[int]]]
) -> None:
    places, number = [], 0
    for zone, (kind, loose, things) in enumerate(shelves):
        tagged = []
        for units in things:
            number += 1
            tagged.append(Tagged(number.to_bytes(2), None, units))
        places.append(Place(1, 1, 1, f"z{zone}", kind, loose + sum(things), tagged))
    there = sum(one.units for one in places)
    picks, unplaced = plan([need(units) for units in wanted], places)
    assert sum(one.units for one in picks) == min(sum(wanted), there)
    assert sum(one.units for one in picks) + sum(one.units for one in unplaced) == sum(wanted)
    taken = [thing.epc for one in picks for thing in one.things]
    assert len(set(taken)) == len(taken)


def test_ten_thousand_things_in_a_zone_hold_up_nobody() -> None:
    things = [Tagged(number.to_bytes(12), None, 1) for number in range(10_000)]
    began = time.process_time()
    (pick,), _ = plan([need(5000)], [Place(1, 1, 1, "f", "pick_face", 10_000, things)])
    assert time.process_time() - began < 0.5
    assert len(pick.things) == 5000
