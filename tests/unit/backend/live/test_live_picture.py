"""The picture that all pages share: deltas, resumption, snapshots."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from backend.live.numbered import DELTAS_KEPT
from backend.live.picture import MOVEMENTS_KEPT, Picture
from backend.live.protocol import LiveSite, LiveStock, Surroundings
from backend.stock.views import MovementView

AT = datetime(2026, 3, 2, 8, 0, tzinfo=UTC)
NOTHING = Surroundings()


def stock(net: int, sku: str = "CASE") -> LiveStock:
    return LiveStock(site="jakarta", zone="rack", sku=sku, net=net)


def movement(number: int) -> MovementView:
    return MovementView(
        id=f"g/0/{number}",
        kind="crossed",
        epc="30",
        sku=None,
        site="jakarta",
        zone=None,
        from_zone=None,
        portal="dock-1",
        direction="in",
        observed_at=AT,
        decided_at=AT,
        recorded_at=AT,
        confidence=1.0,
    )


def told(picture: Picture, number: int | None) -> list[dict[str, Any]]:
    missed = picture.behind(number)
    assert missed is not None
    return [json.loads(one) for one in missed]


def test_what_did_not_change_is_not_told() -> None:
    picture = Picture("a", [stock(5)], [])
    assert not picture.change([stock(5)], [], NOTHING)
    assert not picture.change([stock(0, "OTHER")], [], NOTHING)
    assert picture.number == 0


def test_a_delta_holds_what_is_now_and_the_snapshot_agrees() -> None:
    picture = Picture("a", [stock(5), stock(1, "OTHER")], [])
    assert picture.change([stock(7), stock(0, "OTHER")], [movement(1)], NOTHING)
    (delta,) = told(picture, 0)
    assert [(row["sku"], row["net"]) for row in delta["stock"]] == [("CASE", 7), ("OTHER", 0)]
    assert delta["movements"][0]["zone"] is None
    assert "sites" not in delta
    snapshot = json.loads(picture.snapshot())
    assert [(row["sku"], row["net"]) for row in snapshot["stock"]] == [("CASE", 7)]
    assert snapshot["seq"] == delta["seq"] == "a.1"


def test_surroundings_are_told_when_they_change_and_only_that_part() -> None:
    picture = Picture("a", [], [])
    around = Surroundings(sites=(LiveSite(code="jakarta", name="", zones=()),))
    assert picture.change([], [], around)
    (delta,) = told(picture, 0)
    assert delta["sites"][0]["code"] == "jakarta"
    assert "gateways" not in delta
    assert not picture.change([], [], around)


def test_a_client_is_told_exactly_what_it_missed() -> None:
    picture = Picture("a", [], [])
    for net in range(1, 6):
        picture.change([stock(net)], [], NOTHING)
    assert [delta["seq"] for delta in told(picture, 3)] == ["a.4", "a.5"]
    assert told(picture, 5) == []


def test_whoever_is_too_far_behind_or_ahead_needs_a_snapshot() -> None:
    picture = Picture("a", [], [])
    for net in range(1, DELTAS_KEPT + 3):
        picture.change([stock(net)], [], NOTHING)
    assert picture.behind(1) is None
    assert len(told(picture, 2)) == DELTAS_KEPT
    assert picture.behind(picture.number + 1) is None
    assert picture.behind(None) is None


@pytest.mark.parametrize("seq", [None, "", "a", "a.", "b.1", "a.-1", "a.x", "a.²", "a." + "9" * 5000, ".1"])
def test_a_seq_of_another_generation_or_make_means_nothing(seq: str | None) -> None:
    assert Picture("a", [], []).number_of(seq) is None


def test_a_burst_tells_no_more_movements_than_a_page_shows() -> None:
    picture = Picture("a", [], [movement(0)])
    picture.change([], [movement(number) for number in range(1, 200)], NOTHING)
    (delta,) = told(picture, 0)
    assert [one["id"] for one in delta["movements"]] == [f"g/0/{n}" for n in range(200 - MOVEMENTS_KEPT, 200)]
    assert json.loads(picture.snapshot())["movements"] == delta["movements"]
