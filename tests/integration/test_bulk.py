"""Many documents or decisions in one request: all of them, or none and every wrong row named."""

from __future__ import annotations

import asyncio
from typing import Any

from tests.house import GTIN, at, crossed, scan, stock, tag
from tests.integration.test_documents import Clerk, clerk, order

__all__ = ["clerk"]


def receipt(code: str, units: int = 1, **more: Any) -> dict[str, Any]:
    return {"code": code, "kind": "receipt", "site": "a", "lines": [{"sku": "BOX", "quantity": units}]} | more


def faults(problem: dict[str, Any]) -> list[tuple[int, str, str]]:
    assert problem["type"] == "/problems/refused-rows"
    return [(one["row"], one["column"], one["what"].split(":")[0]) for one in problem["errors"]]


async def returned(clerk: Clerk, serials: range, units: int = 0) -> None:
    """Boxes go to customers and come back, and so many without serial numbers."""
    await clerk.make("s1", "shipment", len(serials))
    await clerk.door("s1")
    await clerk.here.say(*(crossed(serial, "out", 610 + serial) for serial in serials))
    await clerk.make("q1", "return")
    await clerk.door("q1")
    await clerk.here.say(*(crossed(serial, "in", 640 + serial) for serial in serials))
    await clerk.door(None)
    if units:
        await clerk.here.say(scan("receive", GTIN, 660, scan_id="u", zone="dock", quantity=units, document="q1"))


async def test_many_documents_are_made_in_the_order_sent(clerk: Clerk) -> None:
    await order(clerk, 2)
    sent = [
        receipt("r9", lines=[{"sku": "BOX", "quantity": 3, "lot": "L1"}, {"sku": "BOX", "quantity": 2}]),
        {"code": "t1", "kind": "transfer", "site": "a", "to_site": "b", "lines": [{"sku": "BOX", "quantity": 1}]},
        {"code": "s1", "kind": "shipment", "site": "a", "order": "o1"},
    ]
    made = (await clerk.post("document-batches", documents=sent))["documents"]
    assert [(one["code"], one["status"], one["order"]) for one in made] == [
        ("r9", "open", None),
        ("t1", "requested", None),
        ("s1", "open", "o1"),
    ]
    lines = (await clerk.get("documents/r9"))["lines"]
    assert [(line["lot"], line["expected"]) for line in lines] == [("L1", 3), (None, 2)]


async def test_one_wrong_document_leaves_none_and_every_fault_is_named(clerk: Clerk) -> None:
    await clerk.make("old", "receipt")
    sent = [
        receipt("r1"),
        receipt("r2", site="moon", promised_at=at(0).isoformat()),
        receipt("r3", lines=[{"sku": "BOX", "quantity": 1, "lot": "NEW"}, {"sku": "GHOST", "quantity": 1}]),
        receipt("r1"),
        {"code": "t1", "kind": "transfer", "site": "a", "to_site": "a"},
        {"code": "s1", "kind": "shipment", "site": "a", "order": "ghost"},
    ]
    problem = await clerk.post("document-batches", 422, documents=sent)
    assert faults(problem) == [
        (2, "promised_at", "promised_at"),
        (2, "site", "no site 'moon'"),
        (3, "lines.2.sku", "no SKU 'GHOST'"),
        (4, "code", "row 1 names 'r1' too"),
        (5, "to_site", "a transfer goes to another site"),
        (6, "order", "no order 'ghost'"),
    ]
    assert [row["code"] for row in (await clerk.get("documents"))["rows"]] == ["old"]
    assert await clerk.database.pool.fetchval("SELECT count(*) FROM lot WHERE code = 'NEW'") == 0
    problem = await clerk.post("document-batches", 422, documents=[receipt("r1"), receipt("old"), receipt("r2")])
    assert faults(problem) == [(2, "code", "a document 'old' exists")]
    assert [row["code"] for row in (await clerk.get("documents"))["rows"]] == ["old"]


async def test_more_lines_than_one_transaction_should_hold_are_refused(clerk: Clerk) -> None:
    many = [{"sku": "BOX", "quantity": 1}] * 2501
    sent = [receipt("r1", lines=many), receipt("r2", lines=many)]
    assert "5002 lines in all" in (await clerk.post("document-batches", 400, documents=sent))["detail"]
    assert "at least 1" in (await clerk.post("document-batches", 400, documents=[]))["detail"]


async def test_the_same_batch_again_is_answered_as_before(clerk: Clerk) -> None:
    async def send(code: str) -> tuple[int, str]:
        body, headers = {"documents": [receipt("r1"), receipt(code)]}, {"Idempotency-Key": "batch"}
        async with clerk.session.post("/api/v1/document-batches", json=body, headers=headers) as response:
            return response.status, await response.text()

    first = await send("r2")
    assert first[0] == 200
    assert await send("r2") == first
    assert (await send("r3"))[0] == 422
    assert len((await clerk.get("documents"))["rows"]) == 2


async def test_two_batches_of_the_same_documents_in_another_order_do_not_wait_for_each_other(clerk: Clerk) -> None:
    codes = [f"r{number:03}" for number in range(60)]

    async def send(name: str, ordered: list[str]) -> int:
        headers = {"Idempotency-Key": name}
        body = {"documents": [receipt(code) for code in ordered]}
        async with clerk.session.post("/api/v1/document-batches", json=body, headers=headers) as response:
            return response.status

    assert sorted(await asyncio.gather(send("there", codes), send("back", codes[::-1]))) == [200, 422]
    assert await clerk.database.pool.fetchval("SELECT count(*) FROM document") == 60


async def test_many_decisions_count_at_once(clerk: Clerk) -> None:
    await returned(clerk, range(1, 5), units=6)
    heap = {"site": "a", "zone": "dock", "sku": "BOX", "reason": "unopened"}
    sent = [
        {"site": "a", "epc": tag(1), "disposition": "resell", "reason": "fine", "to_zone": "shelf"},
        {"site": "a", "epc": tag(2), "disposition": "scrap", "reason": "broken", "photo": "cam/1"},
        {"site": "a", "epc": tag(3), "disposition": "vendor", "reason": "wrong"},
        heap | {"disposition": "resell", "quantity": 4},
        heap | {"disposition": "refurbish", "quantity": 2},
    ]
    numbers = (await clerk.post("inspection-batches", inspections=sent))["inspection_ids"]
    assert numbers == sorted(numbers)
    found = await stock(clerk.database)
    assert {name: units for name, units in found.items() if not name.startswith(("a/rack", "a/customer"))} == {
        "a/shelf/BOX//sellable": 1,
        "a/scrap/BOX//returned": 1,
        "a/vendor/BOX//returned": 1,
        "a/dock/BOX//returned": 1,
        "a/dock/BOX//sellable": 4,
        "a/dock/BOX//refurbishing": 2,
    }
    shown = (await clerk.get("inspections"))["rows"][::-1]
    assert [row["inspection_id"] for row in shown] == numbers
    assert [(row["epc"], row["disposition"], row["photo"]) for row in shown[:2]] == [
        (tag(1), "resell", ""),
        (tag(2), "scrap", "cam/1"),
    ]
    reasons = await clerk.database.pool.fetch("SELECT DISTINCT reason FROM posting WHERE reason LIKE 'inspection%'")
    assert {row["reason"].removeprefix("inspection: ") for row in reasons} == {"resell", "scrap", "vendor", "refurbish"}


async def test_one_wrong_decision_leaves_all_as_they_were(clerk: Clerk) -> None:
    await returned(clerk, range(1, 3), units=6)
    before = await stock(clerk.database, virtual=True)
    heap = {"site": "a", "zone": "dock", "sku": "BOX", "reason": "unopened", "disposition": "resell"}
    thing = {"site": "a", "reason": "fine", "disposition": "resell"}
    sent = [
        thing | {"epc": tag(1)},
        thing | {"epc": tag(99)},
        thing | {"epc": tag(1), "disposition": "scrap"},
        thing | {"epc": tag(2), "to_zone": "attic"},
        heap | {"zone": "attic"},
        heap | {"sku": "GHOST"},
        heap | {"condition": "quarantined", "disposition": "quarantine"},
        heap | {"site": "moon"},
    ]
    assert faults(await clerk.post("inspection-batches", 422, inspections=sent)) == [
        (2, "epc", f"nothing with the EPC {tag(99)} is at site 'a'"),
        (3, "epc", f"row 1 decides about {tag(1)} already"),
        (4, "to_zone", "no zone 'attic' at site 'a'"),
        (5, "zone", "no zone 'attic' at site 'a'"),
        (6, "sku", "no SKU 'GHOST' with lot ''"),
        (7, "disposition", "that changes nothing"),
        (8, "site", "no site 'moon'"),
    ]
    sent = [thing | {"epc": tag(1)}, heap | {"quantity": 5}, heap | {"quantity": 4, "to_zone": "shelf"}]
    problem = await clerk.post("inspection-batches", 422, inspections=sent)
    assert faults(problem) == [
        (2, "quantity", "zone 'dock' holds 8 returned units, not 5"),
        (3, "quantity", "zone 'dock' holds 8 returned units, not 4"),
    ]
    assert await stock(clerk.database, virtual=True) == before
    assert (await clerk.get("inspections"))["rows"] == []
    assert await clerk.alerts() == set()


async def test_batches_that_decide_about_the_same_goods_do_not_wait_for_each_other(clerk: Clerk) -> None:
    """Opposite orders, opposite ways between the same heaps, and scans between them: no deadlock, nothing lost."""
    await clerk.here.say(scan("receive", GTIN, 640, scan_id="r", zone="dock", quantity=200))
    await clerk.here.say(scan("damage", GTIN, 641, scan_id="d", zone="dock", quantity=100))
    await clerk.here.say(scan("damage", GTIN, 642, scan_id="e", zone="rack", quantity=100))
    base = {"site": "a", "sku": "BOX", "condition": "damaged", "disposition": "quarantine", "reason": "x"}

    async def send(name: str, rows: list[dict[str, Any]]) -> int:
        async with clerk.session.post(
            "/api/v1/inspection-batches", json={"inspections": rows}, headers={"Idempotency-Key": name}
        ) as response:
            return response.status

    there = [base | {"zone": "dock", "to_zone": "rack"}, base | {"zone": "rack", "to_zone": "dock"}]
    statuses: list[int] = []
    for turn in range(10):
        statuses += await asyncio.gather(
            send(f"a{turn}", there),
            send(f"b{turn}", there[::-1]),
            *(send(f"c{turn}{place}", [one]) for place, one in enumerate(there)),
        )
    assert statuses == [200] * 40
    found = await stock(clerk.database)
    assert found["a/dock/BOX//quarantined"] == found["a/rack/BOX//quarantined"] == 30
