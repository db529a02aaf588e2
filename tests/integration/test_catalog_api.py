"""The catalog over HTTP: defined row by row or many at once, guarded by tags, exported and taken in again; and lots
that are held and recalled."""

from __future__ import annotations

import itertools
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest

from backend.catalog.exporting import export_csv
from backend.catalog.importing import DEFINITIONS
from backend.errors import CatalogError
from backend.ingest.importing import import_csv
from backend.stock.lots import tell_promised
from backend.store.database import Database
from tests.house import CASE_GTIN, GTIN, furnish
from tests.integration.test_documents import Clerk, clerk, order
from tests.postgres import START
from tests.serving import serving
from wire.clock import ScaledClock

__all__ = ["clerk"]

keys = itertools.count(1)


@pytest.fixture
async def session(database: Database) -> AsyncIterator[aiohttp.ClientSession]:
    await furnish(database)
    async with serving(database) as served, aiohttp.ClientSession(served.url) as session:
        yield session


async def post(session: aiohttp.ClientSession, path: str, body: Any, expect: int = 200, **headers: str) -> Any:
    headers = {"Idempotency-Key": f"c{next(keys)}", **headers}
    async with session.post(f"/api/v1/{path}", json=body, headers=headers) as response:
        answer = await response.json()
        assert response.status == expect, answer
        return answer


async def get(session: aiohttp.ClientSession, path: str, expect: int = 200) -> tuple[Any, str]:
    async with session.get(f"/api/v1/{path}") as response:
        assert response.status == expect, await response.text()
        return await response.json(), response.headers.get("ETag", "")


async def test_each_kind_is_defined_shown_listed_and_changed(session: aiohttp.ClientSession) -> None:
    site = await post(session, "sites/c", {"name": "Medan", "region": "sumatra", "time_zone": "Asia/Jakarta"})
    assert site == {"code": "c", "name": "Medan", "region": "sumatra", "time_zone": "Asia/Jakarta"}
    await post(session, "zones/c/hall", {"kind": "storage"})
    zone = await post(session, "zones/c/hall-1", {"kind": "pick_face", "parent": "hall"})
    assert (zone["parent"], zone["virtual"]) == ("hall", False)
    assert (await post(session, "portals/c/d9", {"inside_zone": "hall"}))["inside_zone"] == "hall"
    sku = await post(
        session,
        "skus/A%2F1",
        {
            "name": "Milk",
            "value": "1.25",
            "currency": "EUR",
            "length_mm": 70,
            "weight_g": 1030,
            "abc_class": "A",
            "shelf_life_days": 30,
            "packs": [
                {"gtin": "09506000134369"},
                {"gtin": "19506000134366", "quantity": 6, "pack": "inner"},
                {"gtin": "29506000134363", "quantity": 24},
            ],
        },
    )
    assert (sku["code"], sku["value"], sku["abc_class"]) == ("A/1", "1.2500", "A")
    assert [(pack["quantity"], pack["pack"]) for pack in sku["packs"]] == [(1, "each"), (6, "inner"), (24, "case")]
    assert (await get(session, "skus/A%2F1"))[0] == sku
    lot = await post(session, "lots/A%2F1/L1", {"expires_on": "2026-12-31"})
    assert lot == {"sku": "A/1", "code": "L1", "expires_on": "2026-12-31", "status": "released"}
    first, _ = await get(session, "skus?limit=1")
    second, _ = await get(session, f"skus?limit=1&cursor={first['next']}")
    assert [row["code"] for row in (*first["rows"], *second["rows"])] == ["A/1", "BOX"]
    for path in ("sites/x", "zones/c/x", "portals/c/x", "skus/x", "lots/BOX/x"):
        await get(session, path, 404)


async def test_a_change_is_guarded_by_the_tag_of_what_was_read(session: aiohttp.ClientSession) -> None:
    _, mark = await get(session, "skus/BOX")
    changed = await post(session, "skus/BOX", {"name": "A box", "weight_g": 5, "value": 2, "currency": "EUR"})
    await post(session, "skus/BOX", {"name": "Another"}, 412, **{"If-Match": mark})
    _, mark = await get(session, "skus/BOX")
    # what describes it and is left out stays; null clears it
    again = await post(session, "skus/BOX", {"name": "Box", "weight_g": None}, **{"If-Match": mark})
    assert again == changed | {"name": "Box", "weight_g": None}
    await post(session, "skus/NEW", {"name": "x"}, 412, **{"If-Match": mark})


@pytest.mark.parametrize(
    ("kind", "rows", "faults"),
    [
        (
            "skus",
            [
                {"code": "S1", "name": "One", "packs": [{"gtin": "123"}]},
                {"code": "S2", "name": "Two", "value": "1.5"},
                {"code": "S3", "name": "Three", "packs": [{"gtin": GTIN}]},
                {"code": "S4", "name": "Four", "abc_class": "D"},
            ],
            {(1, "gtin"), (2, "currency"), (4, "abc_class")},
        ),
        ("skus", [{"code": "S3", "name": "Three", "packs": [{"gtin": GTIN}]}], {(1, "gtin")}),
        (
            "sites",
            [{"code": "ok", "name": ""}, {"code": "a b", "name": "", "time_zone": "Mars"}],
            {(2, "code"), (2, "time_zone")},
        ),
        (
            "zones",
            [
                {"site": "a", "code": "ok", "kind": "storage"},
                {"site": "z", "code": "ok", "kind": "storage"},
                {"site": "a", "code": "p", "kind": "attic", "parent": "none"},
            ],
            {(2, "site"), (3, "kind"), (3, "parent")},
        ),
        ("portals", [{"site": "a", "code": "d2", "inside_zone": "attic"}], {(1, "inside_zone")}),
        (
            "lots",
            [{"sku": "BOX", "code": "L1"}, {"sku": "NONE", "code": "L1"}, {"sku": "BOX", "code": "L1"}],
            {(2, "sku"), (3, "code")},
        ),
    ],
)
async def test_many_rows_are_taken_in_all_or_none(
    session: aiohttp.ClientSession, kind: str, rows: list[Any], faults: set[tuple[int, str]]
) -> None:
    before, _ = await get(session, kind)
    problem = await post(session, kind, {"rows": rows}, 422)
    assert {(one["row"], one["column"]) for one in problem["errors"]} == faults
    assert all(one["what"] for one in problem["errors"])
    assert (await get(session, kind))[0] == before


async def test_a_thousand_rows_are_one_request(session: aiohttp.ClientSession) -> None:
    rows = [{"code": f"S{number}", "name": "", "packs": []} for number in range(1000)]
    assert await post(session, "skus", {"rows": rows}) == {"defined": 1000}


async def test_what_is_exported_can_be_taken_in_again(database: Database, session: aiohttp.ClientSession) -> None:
    sku = {"name": 'A "box", blue', "value": "3.10", "currency": "IDR", "height_mm": 10}
    await post(session, "skus/BOX", sku)
    await post(session, "lots/BOX/L1", {"expires_on": "2026-12-31"})
    await post(session, "zones/a/aisle", {"kind": "storage", "parent": "rack"})
    files = {kind: await export_csv(database, kind) for kind in DEFINITIONS}
    assert files["skus"].splitlines()[1:] == [
        f'BOX,"A ""box"", blue",each,3.1000,IDR,,,10,,,,{GTIN},1,each',
        f'BOX,"A ""box"", blue",each,3.1000,IDR,,,10,,,,{CASE_GTIN},12,case',
    ]
    assert files["lots"].splitlines() == ["sku,code,expires_on", "BOX,L1,2026-12-31"]
    assert "a,aisle,storage,,rack" in files["zones"].splitlines()
    assert "customer" not in files["zones"]
    tables = ("site", "zone", "portal", "sku", "sku_gtin", "lot")
    before = [await database.pool.fetch(f"SELECT * FROM {table} ORDER BY 1") for table in tables]
    for kind, text in files.items():
        await import_csv(database, ScaledClock(START), kind, text)
    assert [await database.pool.fetch(f"SELECT * FROM {table} ORDER BY 1") for table in tables] == before
    async with session.get("/api/v1/exports/skus") as response:
        assert (response.content_type, await response.text()) == ("text/csv", files["skus"])
        mark = response.headers["ETag"]
    async with session.get("/api/v1/exports/skus", headers={"If-None-Match": mark}) as response:
        assert response.status == 304
    with pytest.raises(CatalogError, match="no kind of export"):
        await export_csv(database, "receipts")


async def test_a_held_lot_is_promised_no_more_and_what_was_promised_is_told(clerk: Clerk) -> None:
    things = [{"epc": f"{epc}", "sku": "BOX", "lot": "L1"} for epc in await _tags(clerk, 3)]
    await clerk.post("receipts", document="R1", site="a", things=things)
    on_hand = "SELECT max(on_hand) FROM availability JOIN lot USING (lot_id) WHERE code = 'L1'"
    assert await clerk.database.pool.fetchval(on_hand) == 3
    await order(clerk, 10)
    held = await clerk.post("lots/BOX/L1/status", status="held", reason="a smell")
    assert held["status"] == "held"
    (alert,) = (one for one in (await clerk.get("alerts?standing=true"))["rows"] if one["kind"] == "lot_promised")
    assert alert["detail"] == {"sku": "BOX", "lot": "L1", "status": "held", "units": 3}
    assert (alert["site"], alert["about"]) == ("a", "BOX · lot L1 · held · 3 units")
    refused = await clerk.post(
        "orders", 409, code="o2", channel="web", hold_s=None, lines=[{"sku": "BOX", "quantity": 1}]
    )
    assert refused["errors"]
    await clerk.post("orders/o1/events", event="cancel")
    async with clerk.database.transaction() as connection:
        await tell_promised(connection, clerk.clock)
    assert "lot_promised" not in await clerk.alerts()
    await clerk.post("lots/BOX/L1/status", status="recalled", reason="the maker says so")
    await clerk.post("lots/BOX/L1/status", status="recalled", reason="again")
    await clerk.post("lots/BOX/L1/status", status="released", reason="false alarm")
    words = (await clerk.get("lots/BOX/L1/status"))["rows"]
    assert [(one["before"], one["status"], one["reason"]) for one in words] == [
        ("recalled", "released", "false alarm"),
        ("held", "recalled", "the maker says so"),
        ("released", "held", "a smell"),
    ]
    assert all(one["actor"] and one["said_at"] for one in words)
    await clerk.post("lots/BOX/NONE/status", 404, status="held", reason="x")
    await clerk.post("lots/BOX/L1/status", 400, status="lost", reason="x")


async def _tags(clerk: Clerk, count: int) -> list[str]:
    sql = "SELECT upper(encode(epc, 'hex')) AS epc FROM item ORDER BY item_id LIMIT $1"
    rows = await clerk.database.pool.fetch(sql, count)
    return [row["epc"] for row in rows]
