"""What the API tells of a house, over real HTTP and a real PostgreSQL."""

from __future__ import annotations

import re
from typing import Any

import aiohttp
import jsonschema
import pytest

from tests.serving import Serving, at, epc_of


async def get(api: aiohttp.ClientSession, path: str, **params: Any) -> Any:
    """The answer, which must be as the API's own document says."""
    async with api.get(f"/api/v1/{path}", params=params) as answer:
        assert answer.status == 200, await answer.text()
        body = await answer.json()
    async with api.get("/api/openapi.json") as answer:
        document = await answer.json()
    (operation,) = [
        methods["get"]
        for template, methods in document["paths"].items()
        if re.fullmatch(re.sub(r"\{\w+\}", "[^/]+", template), f"/api/v1/{path}")
    ]
    schema = operation["responses"]["200"]["content"]["application/json"]["schema"]
    jsonschema.Draft202012Validator(schema | {"components": document["components"]}).validate(body)
    return body


async def every_row(api: aiohttp.ClientSession, path: str, limit: int, **params: Any) -> list[Any]:
    rows: list[Any] = []
    page = await get(api, path, limit=limit, **params)
    while True:
        assert len(page["rows"]) <= limit
        rows += page["rows"]
        if page["next"] is None:
            return rows
        assert len(page["rows"]) == limit
        page = await get(api, path, limit=limit, cursor=page["next"], **params)


async def test_sites_and_zones(api: aiohttp.ClientSession) -> None:
    sites = await get(api, "sites")
    assert [site["code"] for site in sites["rows"]] == ["jakarta", "surabaya"]
    zones = await every_row(api, "zones", 3)
    assert len(zones) == 18
    assert sorted(zones, key=lambda zone: (zone["site"], zone["code"])) == zones
    real = [zone["code"] for zone in zones if zone["site"] == "jakarta" and not zone["virtual"]]
    assert real == ["dock", "rack"]
    assert {zone["site"] for zone in (await get(api, "zones", site="surabaya"))["rows"]} == {"surabaya"}


async def test_stock_is_what_was_put_in_and_the_outside_is_not_shown(
    api: aiohttp.ClientSession, served: Serving
) -> None:
    await served.house.put("jakarta", "dock", "CASE", 12)
    await served.house.put("jakarta", "rack", "CASE", 5)
    await served.house.put("jakarta", "rack", "CASE", 2, condition="damaged")
    await served.house.put("surabaya", "rack", "DRUM", -3)
    rows = await every_row(api, "stock", 1)
    assert [(row["site"], row["zone"], row["sku"], row["condition"], row["units"]) for row in rows] == [
        ("jakarta", "dock", "CASE", "sellable", 12),
        ("jakarta", "rack", "CASE", "damaged", 2),
        ("jakarta", "rack", "CASE", "sellable", 5),
        ("surabaya", "rack", "DRUM", "sellable", -3),
    ]
    supplier = await get(api, "stock", zone="supplier", site="jakarta", group="sku")
    assert [row["units"] for row in supplier["rows"]] == [-19]
    everything = await get(api, "stock", virtual="true", group="sku")
    assert everything["rows"] == []


@pytest.mark.parametrize(
    ("group", "expected"),
    [
        ("site", [("jakarta", None, 17), ("surabaya", None, 4)]),
        ("sku", [(None, "CASE", 17), (None, "DRUM", 4)]),
        ("lot", [(None, None, 21)]),
    ],
)
async def test_stock_is_told_as_finely_as_asked(
    api: aiohttp.ClientSession, served: Serving, group: str, expected: list[Any]
) -> None:
    await served.house.put("jakarta", "dock", "CASE", 12)
    await served.house.put("jakarta", "rack", "CASE", 5)
    await served.house.put("surabaya", "rack", "DRUM", 4)
    rows = await every_row(api, "stock", 1, group=group)
    assert [(row["site"], row["sku"], row["units"]) for row in rows] == expected


async def test_stock_of_a_past_instant_counts_what_was_observed_by_then(
    api: aiohttp.ClientSession, served: Serving
) -> None:
    await served.house.put("jakarta", "dock", "CASE", 10, seconds=100)
    await served.house.put("jakarta", "dock", "CASE", -4, seconds=300)
    await served.house.put("jakarta", "dock", "CASE", 1, seconds=200)
    for seconds, units in ((99, []), (100, [10]), (250, [11]), (300, [7]), (9999, [7])):
        page = await get(api, "stock", as_of=at(seconds).isoformat(), zone="dock")
        assert [row["units"] for row in page["rows"]] == units


async def test_an_item_its_history_and_the_movements(api: aiohttp.ClientSession, served: Serving) -> None:
    await served.house.add_item(1, "jakarta", "rack")
    await served.house.add_item(2, "surabaya", "rack")
    for number in range(5):
        await served.house.cross(1, "jakarta", "in" if number % 2 else "out", 10 * number)
    await served.house.cross(2, "surabaya", "in", 5)
    item = await get(api, f"items/{epc_of(1)}")
    assert (item["site"], item["zone"], item["sku"], item["present"]) == ("jakarta", "rack", "CASE", True)
    history = await every_row(api, f"items/{epc_of(1)}/history", 2)
    assert [entry["direction"] for entry in history] == ["out", "in", "out", "in", "out"]
    assert len({entry["id"] for entry in history}) == 5
    movements = await every_row(api, "movements", 4)
    assert [one["recorded_at"] for one in movements] == sorted((one["recorded_at"] for one in movements), reverse=True)
    assert len(movements) == 6
    assert [one["epc"] for one in await every_row(api, "movements", 4, site="surabaya")] == [epc_of(2)]
    assert await every_row(api, "movements", 4, kind="moved") == []


async def test_what_is_not_there_and_what_cannot_be_asked(api: aiohttp.ClientSession) -> None:
    for path, status in (
        (f"items/{epc_of(9)}", 404),
        (f"items/{epc_of(9)}/history", 404),
        ("items/xyz", 400),
        ("stock?group=colour", 400),
        ("stock?as_of=2026-03-02T08:00:00", 400),
        ("stock?cursor=abc", 400),
        ("movements?limit=1001", 400),
    ):
        async with api.get(f"/api/v1/{path}") as answer:
            assert (answer.status, answer.content_type) == (status, "application/problem+json"), path


async def test_gateways_name_what_the_catalog_lacks(api: aiohttp.ClientSession, served: Serving) -> None:
    status = {"site": "jakarta", "epoch": "aa", "zones": ["rack", "attic"], "portals": ["d1", "d9"], "readers": ["r1"]}
    await served.house.database.pool.execute(
        "INSERT INTO gateway (gateway, site_id, online, status, status_at)"
        " SELECT 'g1', site_id, true, $1, $2 FROM site WHERE code = 'jakarta'",
        status,
        at(1),
    )
    await served.house.database.pool.execute("INSERT INTO ingest_cursor VALUES ('g1', 'aa', 41, $1)", at(2))
    await served.house.database.pool.execute("INSERT INTO gateway (gateway) VALUES ('g2')")
    first, second = (await get(api, "gateways"))["rows"]
    assert (first["unknown_zones"], first["unknown_portals"], first["through"]) == (["attic"], ["d9"], 41)
    assert (second["site"], second["online"], second["zones"]) == (None, False, [])


async def test_quarantine_is_grouped_by_cause(api: aiohttp.ClientSession, served: Serving) -> None:
    for number in range(5):
        await served.house.database.pool.execute(
            "INSERT INTO quarantine (recorded_at, gateway, cause, reason, event, raw, state)"
            " VALUES ($1, 'g1', $2, 'because', $3, $4, $5)",
            at(number),
            "unknown_gtin:1" if number < 3 else "unreadable",
            {"epc": "30"} if number < 3 else None,
            None if number < 3 else b"\xff",
            "replayed" if number == 0 else "open",
        )
    page = await get(api, "quarantine", limit=3)
    assert [(cause["cause"], cause["events"]) for cause in page["causes"]] == [("unknown_gtin:1", 2), ("unreadable", 2)]
    assert [row["raw"] for row in page["rows"]] == ["ff", "ff", None]
    rest = await get(api, "quarantine", limit=3, cursor=page["next"])
    assert [row["cause"] for row in rest["rows"]] == ["unknown_gtin:1"]
    assert [row["state"] for row in (await get(api, "quarantine", state="replayed"))["rows"]] == ["replayed"]


async def test_alerts(api: aiohttp.ClientSession, served: Serving) -> None:
    await served.house.database.pool.execute(
        "INSERT INTO alert (kind, key, raised_at, cleared_at) VALUES ('a', '1', $1, $1), ('b', '2', $1, NULL)", at(0)
    )
    assert [one["kind"] for one in (await get(api, "alerts"))["rows"]] == ["b", "a"]
    assert [one["kind"] for one in (await get(api, "alerts", standing="true"))["rows"]] == ["b"]


async def test_what_operators_ask_for(api: aiohttp.ClientSession) -> None:
    await get(api, "sites")
    async with api.get("/healthz") as answer:
        assert (await answer.json())["status"] == "ok"
    async with api.get("/readyz") as answer:
        assert answer.status == 200
    async with api.get("/metrics") as answer:
        assert (
            'tallyman_http_requests_total{method="GET",route="/api/v1/sites",status="200"} 1.0' in await answer.text()
        )
    async with api.get("/api/openapi.json") as answer:
        document = await answer.json()
    assert document["openapi"].startswith("3.1")
    assert "/api/v1/items/{epc}/history" in document["paths"]


async def test_without_a_replica_every_answer_is_asked_for_anew(api: aiohttp.ClientSession) -> None:
    """Nobody is told where what it has written ends, so nobody may be shown what was before it."""
    async with api.get("/api/v1/stock") as response:
        assert response.headers["Cache-Control"] == "private, no-cache"
        mark = response.headers["ETag"]
    async with api.get("/api/v1/stock", headers={"If-None-Match": mark}) as response:
        assert response.status == 304
