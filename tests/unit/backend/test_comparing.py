"""What a count expects, on its own: instants, spans, lots, rounds; and what is due."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

import pytest

from backend.counts.comparing import (
    Heap,
    Outcome,
    Read,
    Scope,
    Span,
    Thing,
    Word,
    compare_things,
    compare_units,
    weigh,
)
from backend.counts.model import LIFE, Cell, Difference, Rule, is_repeat, rank
from backend.effects.observation import Goods
from backend.ledger.model import Slot
from tests.house import at

RACK, SHELF, TRANSIT = 1, 2, 9
SPAN = Span(at(100), at(200))
SCOPE = Scope(frozenset({RACK, SHELF}), None, [at(50)], {}, frozenset({RACK, SHELF}))


def thing(*path: tuple[float, int], seen: float | None = None) -> Thing:
    return Thing(
        1, Goods(5, 6, 2), "sellable", [(at(when), zone) for when, zone in path], None if seen is None else at(seen)
    )


def things(one: Thing, *reads: Read, scope: Scope = SCOPE) -> list[tuple[str, int]]:
    outcome = Outcome()
    compare_things(scope, {(RACK, 1): SPAN, (SHELF, 1): SPAN, (RACK, 2): Span(at(300), at(400))}, reads, [one], outcome)
    return [(found.finding, found.zone_id) for found in outcome.found]


@pytest.mark.parametrize(
    ("path", "seen", "found"),
    [
        ([(0, RACK)], None, [("missing", RACK)]),
        ([(0, RACK)], 99, [("missing", RACK)]),
        ([(0, RACK)], 100, []),
        ([(0, RACK)], 900, []),
        ([(0, RACK), (100, SHELF)], None, [("missing", SHELF)]),
        ([(0, RACK), (101, SHELF)], None, []),
        ([(0, RACK), (200, SHELF)], None, []),
        ([(0, RACK), (201, SHELF)], None, [("missing", RACK)]),
        ([(0, TRANSIT)], None, []),
        ([], None, []),
    ],
)
def test_only_what_stood_there_throughout_and_was_not_seen_since_is_missing(
    path: list[tuple[float, int]], seen: float | None, found: list[tuple[str, int]]
) -> None:
    assert things(thing(*path, seen=seen)) == found


def test_the_newest_read_is_held_against_its_instant() -> None:
    moved = thing((0, RACK), (150, SHELF))
    assert things(moved, Read(1, RACK, at(149))) == []
    assert things(moved, Read(1, RACK, at(150))) == [("found", RACK)]
    assert things(moved, Read(1, RACK, at(151)), Read(1, SHELF, at(152))) == []


def test_a_tag_is_heard_for_a_while_after_it_left_and_a_label_is_not() -> None:
    left = thing((0, RACK), (150, TRANSIT))
    assert things(left, Read(1, RACK, at(159))) == []
    assert things(left, Read(1, RACK, at(160))) == [("found", RACK)]
    assert things(left, Read(1, RACK, at(159), by_radio=False)) == [("found", RACK)]


def test_a_recount_hears_only_its_own_finds() -> None:
    again = SCOPE._replace(rounds=[at(50), at(250)], anew={(RACK, 5): 2})
    here = thing((0, RACK))
    assert things(here, Read(1, RACK, at(150)), scope=again) == [("missing", RACK)]
    assert things(here, Read(1, RACK, at(350)), scope=again) == []


LOTS = {5: 60}


def units(words: list[tuple[int | None, float, int]], *heaps: Heap) -> dict[int, int]:
    """By lot: what differs. Words: lot, instant, units."""
    outcome = Outcome()
    told = [Word(RACK, 5, lot, "sellable", f"{place}", at(when), said) for place, (lot, when, said) in enumerate(words)]
    compare_units(SCOPE, {(RACK, 1): SPAN}, told, heaps, LOTS, outcome)
    return {one.slot.lot_id: one.units for one in outcome.surplus}


def heap(lot: int, before: int, *changes: tuple[float, int]) -> Heap:
    return Heap(Slot(RACK, 5, lot, "sellable"), before, [(at(when), delta) for when, delta in changes])


@pytest.mark.parametrize(
    ("said", "found"),
    [(4, {60: -1}), (5, {}), (8, {}), (11, {}), (12, {60: 1})],
)
def test_what_moves_between_two_words_may_be_counted_or_not(said: int, found: dict[int, int]) -> None:
    moving = heap(60, 9, (110, -1), (120, -3), (125, 3), (130, 99))
    assert units([(None, 115, 0), (None, 129, said)], moving) == found


def test_words_without_a_lot_are_taken_for_what_should_be_there() -> None:
    lots = (heap(61, 3), heap(62, 4))
    assert units([(None, 150, 7)], *lots) == {}
    assert units([(None, 150, 5)], *lots) == {62: -2}
    assert units([(None, 150, 9)], *lots) == {60: 2}
    assert units([(61, 150, 1), (None, 150, 4)], *lots) == {61: -2}
    assert units([(60, 150, 7)], *lots) == {}


def test_words_leave_a_range_where_it_may_be_met() -> None:
    assert units([(None, 110, 0), (None, 129, 7)], heap(61, 5, (120, -2)), heap(62, 4)) == {}


def test_what_nobody_told_is_not_there_and_what_is_owed_is_made_good() -> None:
    assert units([], heap(61, 3)) == {61: -3}
    assert units([], heap(61, -3)) == {61: 3}
    assert units([], heap(61, 3, (150, -3))) == {}


def test_a_thing_elsewhere_in_the_site_has_no_value() -> None:
    one = thing((0, SHELF))
    outcome = Outcome()
    compare_things(SCOPE, {}, [Read(1, RACK, at(150))], [one], outcome)
    assert weigh(outcome, {1: one}, frozenset({RACK, SHELF}), {5: Decimal(10)}) == Difference(2, Decimal(0))
    assert weigh(outcome, {1: one}, frozenset({RACK}), {5: Decimal(10)}) == Difference(2, Decimal(20))
    assert Difference(2, Decimal(20)).within(2, Decimal(20))
    assert not Difference(2, Decimal(20)).within(2, Decimal(19))


def cell(sku: str, days: float, abc: str = "C", **more: object) -> Cell:
    known = {"counted": True, "counts": 1, "variances": 0, "owed": False, "quarantined": 0} | more
    return Cell("rack", sku, abc, at(0) - timedelta(days=days), **known)  # type: ignore[arg-type]


def test_what_is_due_is_ranked_by_age_in_its_class_and_by_its_record() -> None:
    cells = [
        cell("fresh", 29, "A"),
        cell("old-a", 36, "A"),
        cell("old-c", 181.8),
        cell("owed", 3.6, owed=True),
        cell("new", 5.4, counted=False, counts=0),
        cell("differs", 108, counts=3, variances=3),
        cell("aside", 144, quarantined=4),
        cell("fine", 170),
    ]
    due = [one.cell.sku for one in rank(Rule(), cells, at(0))]
    assert due == ["old-a", "differs", "aside", "new", "owed", "old-c"]


def test_repeats_and_ends() -> None:
    assert is_repeat([True, False, True])
    assert not is_repeat([True, False, False])
    assert not {"approved", "cancelled"} & {status for status, _ in LIFE}
