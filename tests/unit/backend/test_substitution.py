"""Which promise a pick serves, when it is swapped, and when it is refused."""

from __future__ import annotations

from datetime import date, timedelta

from hypothesis import given
from hypothesis import strategies as st

from backend.orders.substitution import Picking, Promised, Shelf, Swap

TODAY = date(2026, 3, 2)
EARLY, LATE = date(2026, 4, 1), date(2026, 9, 1)
OLD, NEW, BARE = 1, 2, 3
EXPIRES = {OLD: EARLY, NEW: LATE, BARE: None}
NAMES = {OLD: "OLD", NEW: "NEW", BARE: ""}


def promised(lot: int, units: int, allocation: int = 0, *, held: int | None = None, least_days: int = 0) -> Promised:
    held = units if held is None else held
    return Promised(allocation or lot, 7, 70, 5, lot, NAMES[lot], EXPIRES[lot], least_days, held, units)


def shelf(lot: int, free: int, status: str = "released") -> Shelf:
    return Shelf(5, lot, NAMES[lot], EXPIRES[lot], status, free)


def picking(promises: list[Promised], *shelves: Shelf) -> Picking:
    return Picking(TODAY, promises, {(one.sku_id, one.lot_id): one for one in shelves})


def test_the_lot_that_was_promised_serves_its_promise() -> None:
    one = picking([promised(OLD, 3), promised(NEW, 2)], shelf(NEW, 9))
    assert one.wanted(7, 5) == {OLD: 3, NEW: 2}
    assert one.serve(7, 5, [(NEW, 1), (OLD, 3)]) is None
    assert (dict(one.picked), one.swaps) == ({NEW: 1, OLD: 3}, [])
    assert one.wanted(7, 5) == {OLD: 0, NEW: 1}


def test_another_lot_is_swapped_for_what_expires_last_and_takes_what_is_free() -> None:
    one = picking([promised(OLD, 3), promised(NEW, 2)], shelf(BARE, 4))
    assert one.serve(7, 5, [(BARE, 3)]) is None
    assert one.swaps == [Swap(NEW, 70, (5, BARE), 2), Swap(OLD, 70, (5, BARE), 1)]
    assert dict(one.picked) == {}, "what is swapped is counted where it is promised then"
    assert one.wanted(7, 5) == {OLD: 2, NEW: 0}
    assert str(one.serve(7, 5, [(BARE, 2)])).startswith("of stock without a lot 1 units are promised to nobody, not 2;")


def test_a_lot_that_is_promised_to_others_is_refused_and_changes_nothing() -> None:
    one = picking([promised(OLD, 3)], shelf(NEW, 1))
    said = "of lot NEW 1 units are promised to nobody, not 2; the order was promised OLD: pick that"
    assert one.serve(7, 5, [(OLD, 1), (NEW, 2)]) == said
    assert (one.wanted(7, 5), one.swaps, dict(one.picked)) == ({OLD: 3}, [], {})
    assert one.serve(7, 5, [(NEW, 2)], brought=1) is None, "one of them comes only now"


def test_a_lot_that_may_not_be_sold_or_not_to_this_order_is_refused() -> None:
    assert "lot NEW is recalled; the order was promised OLD" in str(
        picking([promised(OLD, 1)], shelf(NEW, 9, "recalled")).serve(7, 5, [(NEW, 1)])
    )
    days = (EARLY - TODAY + timedelta(days=1)).days
    assert "lot OLD expires on 2026-04-01, too soon" in str(
        picking([promised(NEW, 1, least_days=days)], shelf(OLD, 9)).serve(7, 5, [(OLD, 1)])
    )


def test_a_lot_that_nobody_knows_serves_what_expires_first() -> None:
    one = picking([promised(NEW, 2), promised(OLD, 3)])
    assert one.serve(7, 5, [(None, 4)]) is None
    assert (dict(one.picked), one.swaps) == ({OLD: 3, NEW: 1}, [])


def test_what_goes_beyond_the_promises_touches_none() -> None:
    one = picking([promised(OLD, 1)], shelf(NEW, 0))
    assert one.serve(7, 5, [(OLD, 5)]) is None
    assert one.serve(7, 5, [(NEW, 5)]) is None, "everything that was promised is picked"
    assert one.serve(8, 5, [(NEW, 5)]) is None, "nothing was promised to that order here"
    assert (dict(one.picked), one.swaps) == ({OLD: 1}, [])


def test_what_has_left_already_is_not_given_back() -> None:
    one = picking([promised(OLD, 3, held=1)], shelf(NEW, 9))
    assert one.serve(7, 5, [(NEW, 1), (NEW, 1)]) is None
    assert one.swaps == [Swap(OLD, 70, (5, NEW), 1)]


@given(
    st.lists(st.tuples(st.sampled_from([OLD, NEW, BARE]), st.integers(0, 6), st.integers(0, 6)), max_size=5),
    st.dictionaries(st.sampled_from([OLD, NEW, BARE]), st.integers(0, 8)),
    st.lists(st.lists(st.tuples(st.sampled_from([OLD, NEW, BARE, None]), st.integers(1, 6)), min_size=1), max_size=6),
)
def test_nothing_is_oversold_and_nothing_is_counted_twice(
    promises: list[tuple[int, int, int]],
    free: dict[int, int],
    picks: list[list[tuple[int | None, int]]],
) -> None:
    known = [promised(lot, units, number, held=held) for number, (lot, units, held) in enumerate(promises, 1)]
    one = picking(list(known), *(shelf(lot, units) for lot, units in free.items()))
    for lots in picks:
        one.serve(7, 5, lots)
    by_id = {each.allocation_id: each for each in known}
    for number, each in by_id.items():
        swapped = sum(swap.units for swap in one.swaps if swap.allocation_id == number)
        assert 0 <= swapped <= each.held
        assert 0 <= one.picked[number] + swapped <= each.open
    for lot in (OLD, NEW, BARE):
        assert sum(swap.units for swap in one.swaps if swap.goods == (5, lot)) <= free.get(lot, 0)
