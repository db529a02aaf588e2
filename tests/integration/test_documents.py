"""Documents at doors over the API: what crosses under them, what is promised to them, what left without one."""

from __future__ import annotations

import itertools
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import aiohttp
import pytest

from backend.channels.service import ChannelSpec, put_channel
from backend.documents.service import raise_late
from backend.ingest.service import IngestService
from backend.ingest.verify import verify
from backend.store.database import Database
from tests.house import GTIN, Gateway, arrived, at, crossed, furnish, place, scan, stock, tag, warned
from tests.serving import serving
from wire.clock import Clock, ScaledClock

keys = itertools.count(1)


@dataclass
class Clerk:
    """A person at the API, and the gateways of two sites."""

    session: aiohttp.ClientSession
    database: Database
    clock: Clock
    here: Gateway
    there: Gateway

    async def post(self, path: str, expect: int = 200, **body: Any) -> dict[str, Any]:
        headers = {"Idempotency-Key": f"d{next(keys)}"}
        async with self.session.post(f"/api/v1/{path}", json=body, headers=headers) as response:
            answer: dict[str, Any] = await response.json()
            assert response.status == expect, answer
            return answer

    async def get(self, path: str) -> dict[str, Any]:
        async with self.session.get(f"/api/v1/{path}") as response:
            answer: dict[str, Any] = await response.json()
            assert response.status == 200, answer
            return answer

    async def make(self, code: str, kind: str, units: int = 0, **more: Any) -> dict[str, Any]:
        lines = [{"sku": "BOX", "quantity": units}] if units else []
        return await self.post("documents", code=code, kind=kind, site="a", lines=lines, **more)

    async def event(self, code: str, *events: str) -> dict[str, Any]:
        answer: dict[str, Any] = {}
        for event in events:
            answer = await self.post(f"documents/{code}/events", event=event)
        return answer

    async def door(self, code: str | None, site: str = "a") -> None:
        await self.post(f"doors/{site}/d", document=code)

    async def alerts(self) -> set[str]:
        return {row["kind"] for row in (await self.get("alerts?standing=true"))["rows"]}

    async def promised(self) -> int:
        return int(await self.database.pool.fetchval("SELECT coalesce(sum(reserved), 0) FROM availability"))


@pytest.fixture
async def clerk(database: Database) -> AsyncIterator[Clerk]:
    """Ten boxes on the rack of site `a`, seen since the beginning; the doors open later than that."""
    await furnish(database)
    await put_channel(database, ChannelSpec("web", "website"))
    clock = ScaledClock(at(600), 0.001)
    service = IngestService(database, clock)
    here, there = Gateway(service, "a", "ga"), Gateway(service, "b", "gb")
    await here.say(*(arrived(serial, "rack", serial) for serial in range(1, 11)))
    async with serving(database, clock=clock) as served, aiohttp.ClientSession(served.url) as session:
        yield Clerk(session, database, clock, here, there)
    assert await verify(database) == []


async def order(clerk: Clerk, units: int) -> None:
    await clerk.post("orders", code="o1", channel="web", hold_s=None, lines=[{"sku": "BOX", "quantity": units}])


async def test_what_leaves_under_a_shipment_is_the_customers_and_keeps_its_orders_promise(clerk: Clerk) -> None:
    await order(clerk, 3)
    await clerk.make("s1", "shipment", 3, order="o1")
    await clerk.door("s1")
    await clerk.here.say(*(crossed(serial, "out", 610 + serial) for serial in (1, 2)))
    assert await stock(clerk.database) == {"a/rack/BOX//sellable": 8, "a/customer/BOX//sellable": 2}
    assert await clerk.promised() == 1
    shown = await clerk.get("documents/s1")
    assert (shown["lines"][0]["expected"], shown["lines"][0]["gone"]) == (3, 2)
    assert {thing["epc"] for thing in shown["things"]} == {tag(1), tag(2)}
    await clerk.event("s1", "close")
    assert (await clerk.get("orders/o1"))["status"] == "shipped"
    assert await clerk.promised() == 0
    assert await clerk.alerts() == set()


async def test_a_case_without_a_serial_number_ships_by_scan(clerk: Clerk) -> None:
    await order(clerk, 2)
    await clerk.make("s1", "shipment", 2, order="o1")
    await clerk.here.say(scan("receive", f"01{GTIN}", 700, scan_id="r", zone="dock", quantity=5))
    await clerk.here.say(scan("pick", f"01{GTIN}", 705, scan_id="p", zone="shelf", quantity=2, document="o1"))
    assert (await clerk.get("orders/o1"))["status"] == "picking"
    await clerk.here.say(scan("ship", f"01{GTIN}", 710, scan_id="s", quantity=2, document="s1"))
    assert (await stock(clerk.database))["a/customer/BOX//sellable"] == 2
    assert (await clerk.get("documents/s1"))["lines"][0]["gone"] == 2
    assert await clerk.promised() == 0


async def test_what_leaves_without_a_document_waits_for_a_word(clerk: Clerk) -> None:
    await order(clerk, 10)
    await clerk.here.say(crossed(1, "out", 610), crossed(2, "out", 611))
    assert await warned(clerk.database) == {
        ("unexpected_departure", "door d · 2 things"),
        ("short", "order o1 · BOX · 2 units"),
    }
    waiting = (await clerk.get("departures"))["rows"]
    assert [row["epc"] for row in waiting] == [tag(2), tag(1)]
    assert await place(clerk.database, 1) == "a/in_transit"
    await clerk.make("s1", "shipment", 2, order="o1")
    span = {"site": "a", "portal": "d", "first_at": at(600).isoformat(), "last_at": at(700).isoformat()}
    assert await clerk.post("departures/settle", **span, document="s1") == {"settled": 2}
    assert await place(clerk.database, 1) == "a/customer"
    assert "unexpected_departure" not in await clerk.alerts()
    shown = await clerk.get("orders/o1")
    assert [(one["held"], one["fulfilled"], one["short"]) for one in shown["lines"][0]["promises"]] == [(8, 2, 0)]
    await clerk.post("departures/settle", 404, **span, lost=True)


@pytest.mark.parametrize(("word", "where"), [({"lost": True}, "a/scrap"), ({"zone": "shelf"}, "a/shelf")])
async def test_a_departure_may_be_lost_or_no_departure_at_all(clerk: Clerk, word: dict[str, Any], where: str) -> None:
    await clerk.here.say(crossed(1, "out", 610))
    span = {"site": "a", "portal": "d", "first_at": at(600).isoformat(), "last_at": at(700).isoformat()}
    await clerk.post("departures/settle", 422, **span, lost=True, zone="rack")
    await clerk.post("departures/settle", **span, **word)
    assert await place(clerk.database, 1) == where


async def test_a_departure_is_never_settled_by_a_document_that_was_cancelled(clerk: Clerk) -> None:
    await clerk.here.say(crossed(1, "out", 610))
    await clerk.make("s1", "shipment", 1)
    await clerk.event("s1", "cancel")
    span = {"site": "a", "portal": "d", "first_at": at(600).isoformat(), "last_at": at(700).isoformat()}
    refused = await clerk.post("departures/settle", 422, **span, document="s1")
    assert "is cancelled" in refused["detail"]
    assert await place(clerk.database, 1) == "a/in_transit"
    assert (await clerk.get("documents/s1"))["things"] == []


async def test_what_was_seen_since_then_still_counts_after_a_departure_is_settled(clerk: Clerk) -> None:
    await clerk.here.say(crossed(1, "out", 610), arrived(1, "shelf", 640))
    span = {"site": "a", "portal": "d", "first_at": at(600).isoformat(), "last_at": at(700).isoformat()}
    await clerk.post("departures/settle", **span, lost=True)
    assert await place(clerk.database, 1) == "a/shelf"


async def test_a_transfer_from_request_to_the_end_and_what_it_lost(clerk: Clerk) -> None:
    await clerk.post("lanes", site="a", region="", cost=1, days=2)
    made = await clerk.make("t1", "transfer", 3, to_site="b")
    assert made["status"] == "requested"
    assert made["promised_at"] is not None
    await clerk.event("t1", "approve", "allocate")
    assert await clerk.promised() == 3
    await clerk.door("t1")
    await clerk.here.say(*(crossed(serial, "out", 610 + serial) for serial in (1, 2, 3)))
    assert await clerk.promised() == 0
    assert (await stock(clerk.database))["a/in_transit/BOX//sellable"] == 3
    await clerk.event("t1", "send")
    assert await raise_late(clerk.database, ScaledClock(at(3 * 86400))) == 1
    assert await warned(clerk.database) == {("transfer_late", "document t1")}
    await clerk.door("t1", "b")
    await clerk.there.say(crossed(1, "in", 650))
    await clerk.there.say(arrived(2, "shelf", 660))
    shown = await clerk.get("documents/t1")
    assert [(line["gone"], line["come"]) for line in shown["lines"]] == [(3, 2)]
    assert [thing["epc"] for thing in shown["things"] if thing["come_at"] is None] == [tag(3)]
    assert (await clerk.event("t1", "receive", "close"))["status"] == "closed"
    assert await warned(clerk.database) == {("transfer_missing", "document t1 · 1 missing")}
    assert await stock(clerk.database) == {
        "a/rack/BOX//sellable": 7,
        "a/in_transit/BOX//sellable": 1,
        "b/dock/BOX//sellable": 1,
        "b/shelf/BOX//sellable": 1,
    }


async def test_a_transfer_that_is_cancelled_gives_everything_back(clerk: Clerk) -> None:
    await order(clerk, 8)
    await clerk.make("t1", "transfer", 3, to_site="b")
    await clerk.event("t1", "approve")
    refused = await clerk.post("documents/t1/events", 409, event="allocate")
    assert refused["errors"] == [{"line": 1, "sku": "BOX", "asked": 3, "lacking": 1}]
    assert await clerk.promised() == 8
    await clerk.make("t2", "transfer", 2, to_site="b")
    await clerk.event("t2", "approve", "allocate")
    assert await clerk.promised() == 10
    await clerk.event("t2", "cancel")
    assert await clerk.promised() == 8
    await clerk.post("documents/t2/events", 409, event="allocate")


@pytest.mark.parametrize("events", [[], ["approve"], ["approve", "allocate"]])
async def test_a_transfer_is_cancelled_at_each_stage_before_it_is_sent(clerk: Clerk, events: list[str]) -> None:
    await clerk.make("t1", "transfer", 3, to_site="b")
    await clerk.event("t1", *events)
    assert (await clerk.event("t1", "cancel"))["status"] == "cancelled"
    assert await clerk.promised() == 0
    assert await stock(clerk.database) == {"a/rack/BOX//sellable": 10}
    refused = await clerk.post("documents/t1/events", 409, event="cancel")
    assert "cancelled" in refused["detail"]


async def test_an_expired_lot_is_sent_nowhere(clerk: Clerk) -> None:
    day = (at(0) - timedelta(days=1)).date()
    code = f"01{GTIN}17{day:%y%m%d}10OLD"
    await clerk.here.say(scan("receive", code, 700, scan_id="r", zone="dock", quantity=5))
    assert (await stock(clerk.database))["a/dock/BOX/OLD/sellable"] == 5
    await clerk.make("t1", "transfer", 11, to_site="b")
    lines = [{"sku": "BOX", "quantity": 1, "lot": "OLD"}]
    await clerk.post("documents", code="t2", kind="transfer", site="a", to_site="b", lines=lines)
    await clerk.event("t1", "approve")
    await clerk.event("t2", "approve")
    refused = await clerk.post("documents/t1/events", 409, event="allocate")
    assert refused["errors"] == [{"line": 1, "sku": "BOX", "asked": 11, "lacking": 1}]
    refused = await clerk.post("documents/t2/events", 409, event="allocate")
    assert f"expired on {day}: send another lot" in refused["detail"]
    assert await clerk.promised() == 0


async def send_cases(clerk: Clerk, units: int) -> None:
    """Units without serial numbers leave site `a` under the transfer `t1`."""
    await clerk.make("t1", "transfer", units, to_site="b")
    await clerk.event("t1", "approve", "allocate")
    await clerk.here.say(scan("receive", f"01{GTIN}", 700, scan_id="r", zone="dock", quantity=units))
    await clerk.here.say(scan("ship", f"01{GTIN}", 710, scan_id="s", quantity=units, document="t1"))
    await clerk.event("t1", "send")


@pytest.mark.parametrize(
    ("come", "damaged", "missing"), [(6, 0, 0), (4, 0, 2), (6, 1, 0), (5, 1, 1), (8, 0, 0)], ids=str
)
async def test_units_come_whole_in_part_too_many_and_damaged(
    clerk: Clerk, come: int, damaged: int, missing: int
) -> None:
    """What came damaged came: it hides nothing that is missing."""
    await send_cases(clerk, 6)
    await clerk.there.say(scan("receive", f"01{GTIN}", 720, scan_id="c", zone="dock", quantity=come, document="t1"))
    if damaged:
        broken = scan("damage", f"01{GTIN}", 730, scan_id="d", zone="dock", quantity=damaged, document="t1")
        await clerk.there.say(broken)
    shown = await clerk.event("t1", "receive", "close")
    assert [(line["gone"], line["come"], line["damaged"]) for line in shown["lines"]] == [(6, come, damaged)]
    found = await stock(clerk.database)
    assert found["b/dock/BOX//sellable"] == come - damaged
    assert found.get("b/dock/BOX//damaged", 0) == damaged
    assert found.get("a/in_transit/BOX//sellable", 0) == 6 - come
    said = {"transfer_missing"} if missing else {"over_receipt"} if come > 6 else set()
    assert await clerk.alerts() == said


async def test_what_a_transfer_lost_is_written_off_once(clerk: Clerk) -> None:
    await send_cases(clerk, 6)
    await clerk.there.say(scan("receive", f"01{GTIN}", 720, scan_id="c", zone="dock", quantity=4, document="t1"))
    await clerk.post("documents/t1/write-off", 409, reason="not yet")
    await clerk.event("t1", "close")
    assert await clerk.post("documents/t1/write-off", reason="fell off") == {"things": 0, "units": 2}
    found = await stock(clerk.database)
    assert (found["a/scrap/BOX//sellable"], found.get("a/in_transit/BOX//sellable", 0)) == (2, 0)
    assert await clerk.alerts() == set()
    assert await clerk.post("documents/t1/write-off", reason="again") == {"things": 0, "units": 0}
    posted = await clerk.database.pool.fetch(
        "SELECT reason, document, actor, role, quantity FROM posting WHERE reason LIKE 'lost:%'"
    )
    assert [(row["reason"], row["document"], row["quantity"]) for row in posted] == [("lost: fell off", "t1", 2)]
    assert posted[0]["actor"]
    assert posted[0]["role"]


async def test_a_thing_that_was_written_off_is_where_it_is_seen(clerk: Clerk) -> None:
    await clerk.make("t1", "transfer", 2, to_site="b")
    await clerk.event("t1", "approve", "allocate")
    await clerk.door("t1")
    await clerk.here.say(crossed(1, "out", 610), crossed(2, "out", 611))
    await clerk.event("t1", "send", "close")
    await clerk.there.say(arrived(2, "shelf", 650))
    assert await clerk.post("documents/t1/write-off", reason="stolen") == {"things": 1, "units": 0}
    assert (await place(clerk.database, 1), await place(clerk.database, 2)) == ("a/scrap", "b/shelf")
    await clerk.there.say(arrived(1, "shelf", 900))
    assert await place(clerk.database, 1) == "b/shelf"


async def test_a_document_whose_goods_have_moved_is_not_cancelled(clerk: Clerk) -> None:
    await clerk.make("t1", "transfer", 1, to_site="b")
    await clerk.event("t1", "approve", "allocate")
    await clerk.door("t1")
    await clerk.here.say(crossed(1, "out", 610))
    refused = await clerk.post("documents/t1/events", 409, event="cancel")
    assert "have moved" in refused["detail"]


async def test_what_comes_under_a_receipt_comes_from_the_supplier(clerk: Clerk) -> None:
    await clerk.make("r1", "receipt", 2)
    await clerk.door("r1")
    await clerk.here.say(crossed(21, "in", 610), crossed(22, "in", 611))
    assert (await stock(clerk.database, virtual=True))["a/supplier/BOX//sellable"] == -2
    assert (await clerk.get("documents/r1"))["lines"][0]["come"] == 2
    await clerk.door(None)
    await clerk.here.say(crossed(23, "in", 700))
    assert (await stock(clerk.database, virtual=True))["a/supplier/BOX//sellable"] == -2


async def test_what_stands_open_at_doors_is_shown(clerk: Clerk) -> None:
    await clerk.make("r1", "receipt", 2)
    await clerk.door("r1")
    first = await clerk.get("doors?limit=1")
    assert first["rows"] == [{"site": "a", "portal": "d", "document": "r1"}]
    rest = await clerk.get(f"doors?limit=1&cursor={first['next']}")
    assert rest["rows"] == [{"site": "b", "portal": "d", "document": None}]
    await clerk.door(None)
    assert (await clerk.get("doors?site=a"))["rows"][0]["document"] is None


async def test_lanes_are_shown_as_they_are_now(clerk: Clerk) -> None:
    await clerk.post("lanes", site="b", region="java", cost=4, days=2)
    await clerk.post("lanes", site="a", region="java", cost=3)
    await clerk.post("lanes", site="a", region="java", cost=2, days=1)
    assert [tuple(row.values()) for row in (await clerk.get("lanes"))["rows"]] == [
        ("a", "java", 2, 1),
        ("b", "java", 4, 2),
    ]


async def test_what_comes_back_is_returned_goods_until_somebody_looks(clerk: Clerk) -> None:
    await clerk.make("s1", "shipment", 1)
    await clerk.door("s1")
    await clerk.here.say(crossed(1, "out", 610))
    await clerk.make("q1", "return", 1)
    await clerk.door("q1")
    await clerk.here.say(crossed(1, "in", 620))
    assert await stock(clerk.database) == {"a/rack/BOX//sellable": 9, "a/dock/BOX//returned": 1}


async def test_what_comes_in_under_a_shipment_has_not_come_of_it(clerk: Clerk) -> None:
    await clerk.make("s1", "shipment", 1)
    await clerk.door("s1")
    await clerk.here.say(crossed(21, "in", 610))
    shown = await clerk.get("documents/s1")
    assert ([(line["gone"], line["come"]) for line in shown["lines"]], shown["things"]) == ([(0, 0)], [])
    assert await place(clerk.database, 21) == "a/dock"


@pytest.mark.parametrize("together", [False, True])
async def test_what_turns_back_at_the_door_has_not_left_and_is_promised_again(clerk: Clerk, together: bool) -> None:
    """In one batch with its leaving, too."""
    await order(clerk, 3)
    await clerk.make("s1", "shipment", 3, order="o1")
    await clerk.door("s1")
    out, back = [crossed(serial, "out", 610 + serial) for serial in (1, 2)], [crossed(1, "in", 630)]
    if together:
        await clerk.here.say(*out, *back)
    else:
        await clerk.here.say(*out)
        assert await clerk.promised() == 1
        await clerk.here.say(*back)
    shown = await clerk.get("documents/s1")
    assert [(line["gone"], line["come"]) for line in shown["lines"]] == [(1, 0)]
    assert [thing["epc"] for thing in shown["things"]] == [tag(2)]
    assert await clerk.promised() == 2
    (promise,) = (await clerk.get("orders/o1"))["lines"][0]["promises"]
    assert (promise["held"], promise["fulfilled"]) == (2, 1)
    assert (await stock(clerk.database))["a/dock/BOX//sellable"] == 1
    await clerk.here.say(crossed(1, "out", 650))
    assert (await clerk.get("documents/s1"))["lines"][0]["gone"] == 2
    assert await clerk.promised() == 1


async def test_what_goes_to_and_fro_in_one_batch_keeps_one_promise(clerk: Clerk) -> None:
    await order(clerk, 3)
    await clerk.make("s1", "shipment", 3, order="o1")
    await clerk.door("s1")
    await clerk.here.say(crossed(1, "out", 610), crossed(1, "in", 620), crossed(1, "out", 630))
    assert await clerk.promised() == 2
    await clerk.here.say(crossed(1, "in", 640), crossed(1, "out", 650))
    assert await clerk.promised() == 2
    assert (await clerk.get("documents/s1"))["lines"][0]["gone"] == 1
    await clerk.here.say(crossed(1, "in", 660), crossed(1, "out", 670), crossed(1, "in", 680))
    assert await clerk.promised() == 3
    assert (await clerk.get("documents/s1"))["lines"][0]["gone"] == 0


async def test_what_turns_back_of_a_transfer_is_not_missing_at_its_end(clerk: Clerk) -> None:
    await clerk.make("t1", "transfer", 2, to_site="b")
    await clerk.event("t1", "approve", "allocate")
    await clerk.door("t1")
    await clerk.here.say(crossed(21, "in", 605), crossed(1, "out", 610), crossed(2, "out", 611))
    await clerk.here.say(crossed(2, "in", 620))
    shown = await clerk.get("documents/t1")
    assert [(line["gone"], line["come"]) for line in shown["lines"]] == [(1, 0)]
    assert await clerk.promised() == 1
    await clerk.event("t1", "send")
    await clerk.door("t1", "b")
    await clerk.there.say(crossed(1, "in", 650))
    await clerk.event("t1", "receive", "close")
    assert await clerk.alerts() == set()


async def test_what_leaves_where_a_transfer_goes_to_leaves_without_a_document(clerk: Clerk) -> None:
    await clerk.make("t1", "transfer", 1, to_site="b")
    await clerk.event("t1", "approve", "allocate")
    await clerk.door("t1")
    await clerk.here.say(crossed(1, "out", 610))
    await clerk.event("t1", "send")
    await clerk.door("t1", "b")
    await clerk.there.say(crossed(1, "in", 650), crossed(1, "out", 680))
    shown = await clerk.get("documents/t1")
    assert [(line["gone"], line["come"]) for line in shown["lines"]] == [(1, 1)]
    assert [row["epc"] for row in (await clerk.get("departures?site=b"))["rows"]] == [tag(1)]


async def test_crossings_that_come_late_find_the_document_of_their_time(clerk: Clerk) -> None:
    await clerk.make("s1", "shipment", 1)
    await clerk.door("s1")
    await clerk.door(None)
    closed_at = await clerk.database.pool.fetchval("SELECT closed_at FROM door_opening")
    await clerk.database.pool.execute("UPDATE door_opening SET opened_at = $1, closed_at = $2", at(100), at(200))
    await clerk.here.say(crossed(1, "out", 150))
    await clerk.here.say(crossed(2, "out", 250))
    assert closed_at is not None
    assert (await place(clerk.database, 1), await place(clerk.database, 2)) == ("a/customer", "a/in_transit")


async def test_a_site_may_let_crossings_mean_something_else(clerk: Clerk) -> None:
    rule = {"direction": "in", "kind": "receipt", "place": "inside", "condition": "quarantined"}
    await clerk.post("sites/a/crossing-rules", **rule)
    shown = {site: (await clerk.get(f"sites/{site}/crossing-rules"))["rows"] for site in ("a", "b")}
    assert rule in shown["a"]
    assert rule | {"condition": None} in shown["b"]
    assert len(shown["a"]) == len(shown["b"]) == 7
    await clerk.make("r1", "receipt", 1)
    await clerk.door("r1")
    await clerk.here.say(crossed(21, "in", 610))
    assert (await stock(clerk.database))["a/dock/BOX//quarantined"] == 1


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ({"kind": "transfer"}, "names the site it goes to"),
        ({"kind": "transfer", "to_site": "a"}, "another site"),
        ({"kind": "shipment", "order": "ghost"}, "no order"),
        ({"kind": "shipment", "site": "moon"}, "no site"),
        ({"kind": "shipment", "lines": [{"sku": "GHOST", "quantity": 1}]}, "no SKU"),
        ({"kind": "receipt", "promised_at": at(0).isoformat()}, "is past"),
    ],
)
async def test_documents_that_cannot_be(clerk: Clerk, body: dict[str, Any], said: str) -> None:
    answer = await clerk.post("documents", 422, **{"code": "x", "site": "a", **body})
    assert said in answer["detail"]
    assert (await clerk.get("documents"))["rows"] == []


async def test_a_scan_for_a_closed_document_is_refused_and_says_why(clerk: Clerk) -> None:
    await clerk.make("s1", "shipment", 1)
    await clerk.event("s1", "close")
    ack = await clerk.here.say(scan("ship", f"01{GTIN}", 700, document="s1"))
    (outcome,) = ack.scans
    assert (outcome.state, outcome.reason) == ("refused", "shipment 's1' is closed: open it, or name another document")
    await clerk.post("doors/a/d", 422, document="s1")


async def test_a_scan_that_goes_another_way_than_its_document_is_refused(clerk: Clerk) -> None:
    await clerk.make("s1", "shipment", 1)
    await clerk.make("t1", "transfer", 1, to_site="b")
    await clerk.event("t1", "approve", "allocate")
    ack = await clerk.here.say(scan("receive", f"01{GTIN}", 700, zone="dock", document="s1"))
    assert [one.reason for one in ack.scans] == ["nothing comes under a shipment, as 's1' is: name another document"]
    ack = await clerk.there.say(scan("receive", f"01{GTIN}", 701, scan_id="t", zone="dock", document="t1"))
    assert [one.state for one in ack.scans] == ["refused"]
    assert [line["come"] for line in (await clerk.get("documents/t1"))["lines"]] == [0]
