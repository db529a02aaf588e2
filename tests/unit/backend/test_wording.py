"""What an alert is about, in one line."""

from __future__ import annotations

from decimal import Decimal
from typing import Final

import pytest

from backend.alerts.wording import FIGURES, NAMES, WORDS, Detail, about

UNSAID: Final = {"from_seq", "through_seq", "promised_at", "since", "observed_at", "lines"}
"""What is there for programs alone."""


@pytest.mark.parametrize(
    ("detail", "said"),
    [
        (Detail(portal="d1", things=1), "door d1 · 1 thing"),
        (Detail(things=1200, portal="d1"), "door d1 · 1,200 things"),
        (Detail(order="o1", document=None, sku="BOX", lot="", units=2), "order o1 · BOX · 2 units"),
        (Detail(pallet="(00)106141412345678908", things=2), "pallet (00)106141412345678908 · 2 things"),
        (Detail(count="c1", units=3, value=Decimal("1200.5000")), "count c1 · 3 units · worth 1,200.5"),
        (Detail(count="c1", units=3, value=Decimal("0.0000")), "count c1 · 3 units"),
        (Detail(gateway="g", reader="r1", detail="antenna 2 is not connected"),
         "gateway g · reader r1 · antenna 2 is not connected"),
        (Detail(zones=["a", "b", "c"]), "zone a, b, c"),
        (Detail(skus=["A", "B", "C", "D", "E"]), "A, B, C and 2 more"),
    ],
)  # fmt: skip
def test_it_is_told_in_the_names_that_people_use(detail: Detail, said: str) -> None:
    assert about("4711", "jakarta", detail) == said


def test_a_site_is_said_only_where_it_does_not_stand_beside() -> None:
    assert about("g", "jakarta", Detail(gateway="g", site="jakarta")) == "gateway g"
    assert about("g", None, Detail(gateway="g", site="moon")) == "moon · gateway g"


def test_what_says_nothing_of_itself_is_told_by_its_key() -> None:
    assert about("4711", None, {}) == "4711"
    assert about("4711", None, {"of_an_older_version": 3}) == "4711"


def test_a_value_that_went_through_json_is_said_the_same() -> None:
    assert about("c1", None, {"count": "c1", "value": "12.5000"}) == "count c1 · worth 12.5"


def test_every_member_has_its_words() -> None:
    said = {*NAMES, *FIGURES, *WORDS, "value"}
    assert said | UNSAID == set(Detail.__annotations__)
    assert not said & UNSAID
