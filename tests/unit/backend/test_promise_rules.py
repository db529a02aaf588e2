"""What physical changes do to promises."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from backend.catalog.model import Places, Site, Zone
from backend.ledger.model import Slot
from backend.stock.model import Held, Shelf, Shortage, shelf_deltas, shorten


def places() -> Places:
    zones = {
        1: Zone(1, 7, "dock", "dock"),
        2: Zone(2, 7, "rack", "storage"),
        3: Zone(3, 7, "supplier", "supplier"),
        4: Zone(4, 8, "dock", "dock"),
    }
    return Places(
        1, [Site(site, f"s{site}", {z.code: z for z in zones.values() if z.site_id == site}, {}) for site in (7, 8)]
    )


def slot(zone_id: int, condition: str = "sellable") -> Slot:
    return Slot(zone_id, 5, 6, condition)


def test_a_move_inside_a_site_touches_no_promise() -> None:
    assert shelf_deltas(places(), [(slot(1), -3), (slot(2), 3)]) == {}


def test_what_comes_from_the_supplier_is_on_hand() -> None:
    assert shelf_deltas(places(), [(slot(3), -3), (slot(1), 3)]) == {Shelf(7, 5, 6, "sellable"): 3}


def test_damage_moves_units_between_conditions() -> None:
    assert shelf_deltas(places(), [(slot(1), -1), (slot(1, "damaged"), 1)]) == {
        Shelf(7, 5, 6, "damaged"): 1,
        Shelf(7, 5, 6, "sellable"): -1,
    }


def test_sites_are_apart() -> None:
    assert shelf_deltas(places(), [(slot(2), -2), (slot(4), 2)]) == {
        Shelf(7, 5, 6, "sellable"): -2,
        Shelf(8, 5, 6, "sellable"): 2,
    }


def test_the_promise_made_last_falls_short_first() -> None:
    assert shorten(5, [Held(1, 4), Held(2, 3), Held(3, 3)]) == [Shortage(3, 3), Shortage(2, 2)]


@given(st.lists(st.integers(1, 20), min_size=1), st.data())
def test_exactly_what_lacks_is_lost_and_nobody_loses_more_than_it_holds(held: list[int], data: st.DataObject) -> None:
    lacking = data.draw(st.integers(0, sum(held)))
    lost = shorten(lacking, [Held(number, units) for number, units in enumerate(held)])
    assert sum(one.quantity for one in lost) == lacking
    assert all(0 < one.quantity <= held[one.allocation_id] for one in lost)
    kept = set(range(len(held))) - {one.allocation_id for one in lost}
    assert all(number < one.allocation_id for number in kept for one in lost)
