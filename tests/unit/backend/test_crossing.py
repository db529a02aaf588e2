"""What a crossing means, and which promise a leaving thing keeps."""

from __future__ import annotations

from datetime import timedelta

import pytest

from backend.documents.model import AT_DOOR, FIRST, LIFE, Kept, Left, Promise, after, scan_refusal, serve, unserve
from backend.effects.crossing import CROSSINGS, ENTERED, UNASSIGNED, DoorBook, Meaning, Opening
from backend.stock.model import Fulfilment
from tests.postgres import START


def opening(
    document: int, kind: str, opened_s: float, closed_s: float | None = None, *, at_source: bool = True
) -> Opening:
    closed = None if closed_s is None else START + timedelta(seconds=closed_s)
    return Opening(1, document, f"D{document}", kind, START + timedelta(seconds=opened_s), closed, at_source)


BOOK = DoorBook([opening(2, "transfer", 60, 90), opening(1, "shipment", 0, 60), opening(3, "receipt", 100)])


@pytest.mark.parametrize(
    ("seconds", "document"), [(-1, None), (0, 1), (59, 1), (60, 2), (90, 2), (91, None), (100, 3), (9999, 3)]
)
def test_the_document_open_at_that_instant_decides(seconds: float, document: int | None) -> None:
    found = BOOK.open_at(1, START + timedelta(seconds=seconds))
    assert (found and found.document_id) == document
    assert BOOK.open_at(2, START + timedelta(seconds=seconds)) is None


def test_without_a_document_what_leaves_is_unassigned() -> None:
    assert DoorBook().meaning("out", None) == UNASSIGNED
    assert DoorBook().meaning("out", opening(1, "receipt", 0)) == UNASSIGNED, "a receipt explains nothing that leaves"
    assert DoorBook().meaning("in", opening(1, "shipment", 0)) == ENTERED
    assert DoorBook().meaning("out", opening(1, "shipment", 0)).place == "customer"


@pytest.mark.parametrize(
    ("kind", "at_source", "leaves", "comes", "takes_back"),
    [
        ("shipment", True, True, False, True),
        ("receipt", True, False, True, False),
        ("return", True, False, True, False),
        ("transfer", True, True, False, True),
        ("transfer", False, False, True, False),
    ],
)
def test_each_document_explains_one_way(
    kind: str, at_source: bool, leaves: bool, comes: bool, takes_back: bool
) -> None:
    one = opening(1, kind, 0, at_source=at_source)
    assert (one.explains("out"), one.explains("in"), one.takes_back("in")) == (leaves, comes, takes_back)
    assert not one.takes_back("out")


def test_a_transfer_lets_nothing_leave_where_it_goes_to() -> None:
    assert DoorBook().meaning("out", opening(1, "transfer", 0, at_source=False)) == UNASSIGNED
    assert DoorBook().meaning("in", opening(1, "transfer", 0)) == ENTERED


def test_a_scan_names_a_document_that_goes_its_way() -> None:
    assert scan_refusal("s1", "shipment", "open", "ship") is None
    assert scan_refusal("s1", "shipment", "open", "damage") is None
    assert "closed: open it" in str(scan_refusal("s1", "shipment", "closed", "ship"))
    assert "nothing comes under a shipment" in str(scan_refusal("s1", "shipment", "open", "receive"))
    assert "nothing leaves under a receipt" in str(scan_refusal("r1", "receipt", "open", "ship"))
    assert "before it is sent" in str(scan_refusal("t1", "transfer", "allocated", "receive"))
    assert scan_refusal("t1", "transfer", "in_transit", "receive") is None


def test_what_came_back_is_waited_for_again_the_very_lot_and_the_newest_promise_first() -> None:
    kept = [Kept(9, 1, 7, 5, 60, 2), Kept(9, 2, 7, 5, 61, 1), Kept(9, 3, 7, 5, 60, 1), Kept(8, 4, 7, 5, 60, 9)]
    assert unserve([Left(9, 7, 5, 60, 2)], kept, []) == [Fulfilment(3, -1), Fulfilment(1, -1)]
    assert unserve([Left(9, 7, 5, 60, 9)], kept, []) == [Fulfilment(3, -1), Fulfilment(1, -2), Fulfilment(2, -1)]
    assert unserve([Left(9, 7, 5, 61, 2)], [Kept(9, 2, 7, 5, 61, 0)], [Fulfilment(2, 1)]) == [Fulfilment(2, -1)]
    assert unserve([Left(9, 8, 5, 60, 1)], kept, []) == []


def test_a_site_may_differ() -> None:
    own = {("in", "receipt"): Meaning("inside", "quarantined"), ("out", ""): Meaning("scrap")}
    book = DoorBook((), own)
    assert book.meaning("in", opening(1, "receipt", 0)).condition == "quarantined"
    assert book.meaning("out", None).place == "scrap"
    assert book.meaning("out", opening(1, "transfer", 0)) == CROSSINGS["out", "transfer"]


def test_the_very_lot_is_served_first_then_the_oldest_promise() -> None:
    promises = [
        Promise(9, 1, 7, 5, 60, 2),
        Promise(9, 2, 7, 5, 61, 2),
        Promise(9, 3, 7, 5, 60, 9),
        Promise(8, 4, 7, 5, 61, 9),
    ]
    assert serve([Left(9, 7, 5, 61, 5)], promises) == [Fulfilment(2, 2), Fulfilment(1, 2), Fulfilment(3, 1)]
    assert serve([Left(9, 7, 6, 61, 5)], promises) == []
    assert serve([Left(9, 7, 5, 60, 99)], promises) == [Fulfilment(1, 2), Fulfilment(3, 9), Fulfilment(2, 2)]


def test_every_kind_begins_and_can_end() -> None:
    for kind, life in LIFE.items():
        assert any(status == FIRST[kind] for status, _ in life)
        assert {"closed", "cancelled"} <= set(life.values())
        assert all(status in {FIRST[kind], *life.values()} for status in AT_DOOR[kind])
    assert after("transfer", "in_transit", "cancel") is None
