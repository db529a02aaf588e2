"""What a channel's followers share: offers by SKU and site, told where they changed."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backend.channels.service import Offer
from backend.live.offer_picture import OfferPicture
from backend.live.protocol import OfferDelta, OfferSnapshot


def offer(sku: str, site: str, available: int, region: str = "") -> Offer:
    return Offer(sku, site, region, available)


def units(message: str) -> dict[tuple[str, str], int]:
    return {(row["sku"], row["site"]): row["available"] for row in json.loads(message)["offers"]}


def test_messages_are_what_the_protocol_says() -> None:
    picture = OfferPicture("g", "web", [offer("B", "x", 2), offer("A", "y", 1)])
    snapshot = OfferSnapshot.model_validate_json(picture.snapshot(), strict=True)
    assert (snapshot.seq, snapshot.channel) == ("g.0", "web")
    assert [(row.sku, row.available) for row in snapshot.offers] == [("A", 1), ("B", 2)]
    assert picture.change([offer("B", "x", 3)], [("x", "B")])
    (told,) = picture.behind(0) or ()
    delta = OfferDelta.model_validate_json(told, strict=True)
    assert (delta.seq, [row.available for row in delta.offers]) == ("g.1", [3])


def test_only_what_differs_is_told_and_only_where_one_looked() -> None:
    picture = OfferPicture("g", "web", [offer("A", "x", 1), offer("B", "x", 2)])
    assert not picture.change([offer("A", "x", 1)], [("x", "A")])
    assert picture.change([], [("x", "A"), ("y", "C")])
    assert units((picture.behind(0) or [""])[0]) == {("A", "x"): 0}
    assert units(picture.snapshot()) == {("B", "x"): 2}, "nobody looked at B"
    assert picture.change([])
    assert units(picture.snapshot()) == {}


def test_a_site_that_moves_to_another_region_is_told() -> None:
    picture = OfferPicture("g", "web", [offer("A", "x", 1)])
    assert picture.change([offer("A", "x", 1, "west")])
    told: dict[str, Any] = json.loads((picture.behind(0) or [""])[0])
    assert told["offers"] == [{"sku": "A", "site": "x", "region": "west", "available": 1}]


def test_large_deltas_are_not_kept_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    picture = OfferPicture("g", "web", [])
    picture.change([offer("A", "x", 1)])
    size = len((picture.behind(0) or [""])[0])
    monkeypatch.setattr("backend.live.numbered.CHARS_KEPT", 3 * size)
    for units_left in range(2, 6):
        picture.change([offer("A", "x", units_left)])
    assert len(picture.behind(2) or ()) == 3
    assert picture.behind(1) is None, "who missed more gets a snapshot"
    picture.change([offer(sku, "x", 1) for sku in "BCDEFG"])
    assert picture.behind(5) is None, "a delta that is too large itself is not kept"
    assert picture.behind(6) == []


STATES = st.dictionaries(st.tuples(st.sampled_from("ABC"), st.sampled_from("xy")), st.integers(1, 3))


@given(st.lists(st.tuples(STATES, st.booleans()), max_size=8), st.integers(0, 8))
def test_a_snapshot_and_the_deltas_behind_any_of_it_say_the_same(states: list[tuple[Any, bool]], since: int) -> None:
    picture = OfferPicture("g", "web", [])
    known: dict[tuple[str, str], int] = {}
    for number, (state, whole) in enumerate(states):
        if number == since:
            known, at = units(picture.snapshot()), picture.number
        places = None if whole else [(site, sku) for sku in "ABC" for site in "xy"]
        picture.change([offer(sku, site, count) for (sku, site), count in state.items()], places)
    if since < len(states):
        for message in picture.behind(at) or ():
            known |= units(message)
        assert {key: count for key, count in known.items() if count} == units(picture.snapshot()) == states[-1][0]
