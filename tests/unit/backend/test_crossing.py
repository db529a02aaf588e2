"""What a crossing means, and which promise a leaving thing keeps."""

from __future__ import annotations

from datetime import timedelta

import pytest

from backend.documents.model import AT_DOOR, FIRST, LIFE, Left, Promise, after, serve
from backend.effects.crossing import CROSSINGS, ENTERED, UNASSIGNED, DoorBook, Meaning, Opening
from backend.stock.model import Fulfilment
from tests.postgres import START


def opening(document: int, kind: str, opened_s: float, closed_s: float | None = None, portal: int = 1) -> Opening:
    closed = None if closed_s is None else START + timedelta(seconds=closed_s)
    return Opening(portal, document, f"D{document}", kind, START + timedelta(seconds=opened_s), closed)


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
