"""What a caller may get wrong about stock: each is a problem document that says what to do, and nothing is changed."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from tests.house import GTIN, at, scan, stock
from tests.integration.test_documents import Clerk, clerk

__all__ = ["clerk"]

YESTERDAY = (at(0) - timedelta(days=1)).date()

WRITTEN = ("posting", "document", "document_line", "sales_order", "allocation", "inspection", "item", "stock_count")


async def everything(clerk: Clerk) -> dict[str, Any]:
    """What stands where, and how many rows each table has that a request could have written."""
    counted = {table: await clerk.database.pool.fetchval(f"SELECT count(*) FROM {table}") for table in WRITTEN}
    status = await clerk.database.pool.fetch("SELECT code, status, revision FROM document ORDER BY code")
    return {"stock": await stock(clerk.database, virtual=True), "rows": counted, "documents": status}


def order_of(**line: Any) -> dict[str, Any]:
    return {"code": "x", "channel": "web", "lines": [{"sku": "BOX", "quantity": 1} | line]}


def document_of(**more: Any) -> dict[str, Any]:
    return {"code": "x", "kind": "receipt", "site": "a", "lines": [{"sku": "BOX", "quantity": 1}]} | more


LABELS = {"site": "a", "gtin": GTIN, "count": 1, "company_prefix_digits": 7, "lot": "L8"}
UNITS = {"site": "a", "zone": "dock", "sku": "BOX", "disposition": "scrap", "reason": "x"}

BAD = [
    ("orders", order_of(sku="GHOST"), 422, "no SKU"),
    ("documents", document_of(lines=[{"sku": "GHOST", "quantity": 1}]), 422, "no SKU"),
    ("inspections", UNITS | {"sku": "GHOST"}, 404, "no SKU"),
    ("orders", order_of(quantity=-1), 400, "greater than or equal to 1"),
    ("documents", document_of(lines=[{"sku": "BOX", "quantity": -3}]), 400, "greater than or equal to 1"),
    ("inspections", UNITS | {"quantity": -2}, 400, "greater than or equal to 1"),
    ("documents/old/events", {"event": "allocate"}, 409, f"expired on {YESTERDAY}"),
    ("documents/done/events", {"event": "close"}, 409, "is closed"),
    ("documents/done/write-off", {"reason": "x"}, 409, "is a shipment"),
    ("doors/a/d", {"document": "done"}, 422, "is closed"),
    ("documents", document_of(promised_at=at(0).isoformat()), 422, "is past"),
    ("labels", LABELS | {"expires_on": YESTERDAY.isoformat()}, 422, "is past"),
]


@pytest.fixture
async def office(clerk: Clerk) -> Clerk:
    """A closed shipment, and an approved transfer of a lot that expired yesterday."""
    await clerk.make("done", "shipment", 1)
    await clerk.event("done", "close")
    await clerk.here.say(scan("receive", f"01{GTIN}17{YESTERDAY:%y%m%d}10OLD", 601, zone="dock", quantity=3))
    lines = [{"sku": "BOX", "quantity": 1, "lot": "OLD"}]
    await clerk.post("documents", code="old", kind="transfer", site="a", to_site="b", lines=lines)
    await clerk.event("old", "approve")
    return clerk


@pytest.mark.parametrize(("path", "body", "status", "said"), BAD, ids=lambda value: None)
async def test_what_is_wrong_is_told_with_its_mend(
    office: Clerk, path: str, body: dict[str, Any], status: int, said: str
) -> None:
    before = await everything(office)
    headers = {"Idempotency-Key": "bad"}
    async with office.session.post(f"/api/v1/{path}", json=body, headers=headers) as response:
        problem = await response.json()
        assert (response.status, response.content_type) == (status, "application/problem+json"), problem
    assert said in problem["detail"]
    assert problem["mend"]
    assert await everything(office) == before


async def test_a_key_that_comes_with_another_body_is_refused(office: Clerk) -> None:
    headers = {"Idempotency-Key": "once"}
    async with office.session.post("/api/v1/orders", json=order_of(), headers=headers) as response:
        assert response.status == 200
    before = await everything(office)
    async with office.session.post("/api/v1/orders", json=order_of(quantity=2), headers=headers) as response:
        problem = await response.json()
        assert (response.status, problem["type"]) == (422, "/problems/key-reused")
    assert problem["mend"]
    assert await everything(office) == before
