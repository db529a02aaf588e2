"""Goods that came back or broke: what a person decides about them, and that somebody does."""

from __future__ import annotations

from typing import Any

import pytest

from backend.returns.service import watch_overdue
from tests.house import GTIN, arrived, at, crossed, place, scan, stock, tag, warned
from tests.integration.test_documents import Clerk, clerk
from wire.clock import ScaledClock

__all__ = ["clerk"]


async def come_back(clerk: Clerk) -> None:
    """Box 1 goes to a customer and comes back."""
    await clerk.make("s1", "shipment", 1)
    await clerk.door("s1")
    await clerk.here.say(crossed(1, "out", 610))
    await clerk.make("q1", "return", 1)
    await clerk.door("q1")
    await clerk.here.say(crossed(1, "in", 620))
    await clerk.door(None)


@pytest.mark.parametrize(
    ("disposition", "after"),
    [
        ("resell", "a/dock/BOX//sellable"),
        ("refurbish", "a/dock/BOX//refurbishing"),
        ("quarantine", "a/dock/BOX//quarantined"),
        ("scrap", "a/scrap/BOX//returned"),
        ("vendor", "a/vendor/BOX//returned"),
    ],
)
async def test_each_disposition_is_a_posting(clerk: Clerk, disposition: str, after: str) -> None:
    await come_back(clerk)
    word = {"site": "a", "epc": tag(1), "disposition": disposition, "reason": "opened box", "photo": "cam/17"}
    await clerk.post("inspections", **word)
    found = await stock(clerk.database)
    assert "a/dock/BOX//returned" not in found
    assert found[after] == 1
    (row,) = (await clerk.get("inspections"))["rows"]
    assert (row["epc"], row["condition"], row["disposition"], row["photo"]) == (
        tag(1),
        "returned",
        disposition,
        "cam/17",
    )
    (history,) = [one for one in (await clerk.get(f"items/{tag(1)}/history"))["rows"] if "inspection" in one["what"]]
    assert history["actor"] == "local"


async def test_units_without_serial_numbers_are_decided_by_heap(clerk: Clerk) -> None:
    await clerk.make("q1", "return", 6)
    await clerk.here.say(scan("receive", f"01{GTIN}", 610, zone="dock", quantity=6, document="q1"))
    assert (await stock(clerk.database))["a/dock/BOX//returned"] == 6
    heap = {"site": "a", "zone": "dock", "sku": "BOX", "reason": "unopened"}
    refused = await clerk.post("inspections", 422, **heap, disposition="resell", quantity=7)
    assert "holds 6 returned units" in refused["detail"]
    await clerk.post("inspections", **heap, disposition="resell", quantity=4, to_zone="shelf")
    await clerk.post("inspections", **heap, disposition="scrap", quantity=2)
    found = await stock(clerk.database)
    assert (found["a/shelf/BOX//sellable"], found["a/scrap/BOX//returned"]) == (4, 2)


async def test_what_is_seen_after_the_inspection_moves_it_in_its_new_condition(clerk: Clerk) -> None:
    await come_back(clerk)
    await clerk.post("inspections", site="a", epc=tag(1), disposition="resell", reason="fine")
    await clerk.here.say(arrived(1, "shelf", 900))
    assert (await stock(clerk.database))["a/shelf/BOX//sellable"] == 1
    assert await place(clerk.database, 1) == "a/shelf"


BROKEN = {"reason": "fell from the rack", "photo": "cam/17"}


async def card(clerk: Clerk) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = (await clerk.get("stock/card?sku=BOX&site=a"))["rows"]
    return rows


async def test_one_scan_says_what_broke_and_why_and_where_the_picture_lies(clerk: Clerk) -> None:
    ack = await clerk.here.say(scan("damage", f"01{GTIN}211", 610, scan_id="d", **BROKEN))
    assert [one.state for one in ack.scans] == ["applied"]
    newest, before = (await card(clerk))[:2]
    assert (newest["reason"], newest["photo"], newest["delta"]) == ("damage: fell from the rack", "cam/17", 0)
    assert (newest["to_condition"], before["photo"]) == ("damaged", None)
    (shown,) = (await clerk.get("inspections"))["rows"]
    assert (
        shown
        | {
            "site": "a",
            "sku": "BOX",
            "epc": tag(1),
            "quantity": 1,
            "condition": "sellable",
            "disposition": "damage",
            "actor": "dewi",
            "scan": "gun-1/d",
            "reversed": False,
            "inspected_at": shown["inspected_at"],
            **BROKEN,
        }
        == shown
    )
    history = (await clerk.get(f"items/{tag(1)}/history"))["rows"]
    assert "damage: fell from the rack" in {entry["what"] for entry in history}
    await clerk.post("scans/gun-1/d/reverse", reason="another box")
    (shown,) = (await clerk.get("inspections"))["rows"]
    assert shown["reversed"] is True
    assert (await card(clerk))[0]["to_condition"] == "sellable"


async def test_units_that_broke_are_told_with_the_scans_reason_too(clerk: Clerk) -> None:
    await clerk.here.say(scan("receive", f"01{GTIN}10L7", 605, scan_id="r", zone="dock", quantity=4))
    await clerk.here.say(
        scan("damage", f"01{GTIN}10L7", 610, scan_id="d", zone="dock", quantity=3, **BROKEN),
        scan("damage", f"01{GTIN}211", 611, scan_id="e"),
    )
    assert (await card(clerk))[1]["reason"] == "damage: fell from the rack"
    bare, units = (await clerk.get("inspections"))["rows"]
    assert (units["lot"], units["epc"], units["quantity"], units["reason"]) == ("L7", None, 3, BROKEN["reason"])
    assert (bare["epc"], bare["reason"], bare["photo"]) == (tag(1), "", "")


async def test_a_damage_scan_that_is_refused_is_no_inspection(clerk: Clerk) -> None:
    ack = await clerk.here.say(scan("damage", f"01{GTIN}", 610, **BROKEN))
    assert [one.state for one in ack.scans] == ["refused"]
    assert (await clerk.get("inspections"))["rows"] == []


async def test_goods_that_nobody_looks_at_raise_an_alert_until_somebody_does(clerk: Clerk) -> None:
    await come_back(clerk)
    assert await watch_overdue(clerk.database, ScaledClock(at(47 * 3600))) == 0
    assert await watch_overdue(clerk.database, ScaledClock(at(49 * 3600))) == 1
    assert ("inspection_overdue", "1 unit") in await warned(clerk.database)
    await clerk.post("inspections", site="a", epc=tag(1), disposition="resell", reason="fine")
    assert await watch_overdue(clerk.database, ScaledClock(at(49 * 3600))) == 0
    assert "inspection_overdue" not in await clerk.alerts()


async def test_a_site_says_how_long_returned_goods_may_lie(clerk: Clerk) -> None:
    await come_back(clerk)
    assert await clerk.get("sites/a/inspection-limit") == {"within_h": 48}
    await clerk.post("sites/a/inspection-limit", within_h=4)
    assert await clerk.get("sites/a/inspection-limit") == {"within_h": 4}
    assert await clerk.get("sites/b/inspection-limit") == {"within_h": 48}
    assert await watch_overdue(clerk.database, ScaledClock(at(5 * 3600))) == 1
    await clerk.post("sites/a/inspection-limit", 400, within_h=0)
    await clerk.post("sites/moon/inspection-limit", 404, within_h=1)


@pytest.mark.parametrize(
    ("body", "status", "said"),
    [
        ({"epc": tag(99), "disposition": "resell"}, 404, "nothing with the EPC"),
        ({"epc": tag(1), "zone": "dock", "disposition": "resell"}, 400, "name one thing"),
        ({"zone": "moon", "sku": "BOX", "disposition": "resell"}, 404, "no zone"),
        ({"zone": "dock", "sku": "GHOST", "disposition": "resell"}, 404, "no SKU"),
        ({"epc": tag(1), "disposition": "burn"}, 400, "Input should be"),
        ({"epc": tag(1), "disposition": "resell", "to_zone": "moon"}, 404, "no zone"),
    ],
)
async def test_decisions_that_cannot_be(clerk: Clerk, body: dict[str, Any], status: int, said: str) -> None:
    before = await stock(clerk.database)
    answer = await clerk.post("inspections", status, **{"site": "a", "reason": "x", **body})
    assert said in answer["detail"]
    assert await stock(clerk.database) == before
