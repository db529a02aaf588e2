"""Never oversold: many at once over real HTTP and real PostgreSQL, and the races that other systems lost."""

from __future__ import annotations

import asyncio
import itertools
from collections import Counter
from collections.abc import Sequence
from typing import Any

import aiohttp
import pytest

from backend.catalog.service import read_places
from backend.channels.service import ChannelSpec, RuleSpec, put_channel, put_rules
from backend.ingest.verify import verify
from backend.ledger.model import SELLABLE, Cause, Slot, Transfer
from backend.orders.service import expire_due, fill
from backend.stock.promises import post
from backend.store.database import Database
from tests.serving import Serving, at
from wire.clock import ScaledClock

CLIENTS = 64
ATTEMPTS = 10_000
UNITS = 100

keys = itertools.count(1)


@pytest.fixture
async def shop(served: Serving) -> Serving:
    """100 cases at Jakarta; the website leaves 10 alone, the market has 15 to itself, social has no rule."""
    await served.house.put("jakarta", "rack", "CASE", UNITS)
    database = served.house.database
    for code, kind in (("web", "website"), ("market", "marketplace"), ("social", "social")):
        await put_channel(database, ChannelSpec(code, kind))
    await put_rules(database, "web", [RuleSpec(buffer=10)])
    await put_rules(database, "market", [RuleSpec(sku="CASE", protected=15)])
    return served


async def reserve(api: aiohttp.ClientSession, channel: str, *units: int, **more: Any) -> tuple[int, dict[str, Any]]:
    number = next(keys)
    body = {
        "code": f"o{number}",
        "channel": channel,
        "lines": [{"sku": "CASE", "quantity": one} for one in units],
        **more,
    }
    async with api.post("/api/v1/orders", json=body, headers={"Idempotency-Key": f"k{number}"}) as response:
        return response.status, await response.json()


async def change(api: aiohttp.ClientSession, code: str, event: str) -> tuple[int, dict[str, Any]]:
    headers = {"Idempotency-Key": f"k{next(keys)}"}
    async with api.post(f"/api/v1/orders/{code}/events", json={"event": event}, headers=headers) as response:
        return response.status, await response.json()


async def held(database: Database) -> tuple[int, int]:
    row = await database.pool.fetchrow(
        "SELECT sum(on_hand)::int AS there, sum(reserved)::int AS held FROM availability"
    )
    assert row is not None
    return row["there"], row["held"]


async def test_ten_thousand_attempts_on_a_hundred_units(shop: Serving, api: aiohttp.ClientSession) -> None:
    attempts = iter(range(ATTEMPTS))
    answers: Counter[tuple[str, int]] = Counter()
    reasons: Counter[str] = Counter()

    async def client(number: int) -> None:
        for attempt in attempts:
            channel = ("web", "market", "social")[(attempt + number) % 3]
            status, body = await reserve(api, channel, 1)
            answers[channel, status] += 1
            if status != 200:
                reasons.update(line["reason"] for line in body["errors"])

    await asyncio.gather(*(client(number) for number in range(CLIENTS)))
    granted = {channel: answers[channel, 200] for channel in ("web", "market", "social")}
    assert sum(granted.values()) == UNITS, granted
    assert granted["market"] >= 15
    assert {status for _, status in answers} == {200, 409}
    assert sum(answers.values()) == ATTEMPTS
    assert sum(reasons.values()) == ATTEMPTS - UNITS
    assert all(reasons)
    assert await held(shop.house.database) == (UNITS, UNITS)
    assert await verify(shop.house.database) == []


async def test_each_channel_alone_gets_what_its_rules_permit(shop: Serving, api: aiohttp.ClientSession) -> None:
    async def run(channel: str) -> int:
        answers = await asyncio.gather(*(reserve(api, channel, 1) for _ in range(150)))
        return sum(status == 200 for status, _ in answers)

    assert await run("web") == UNITS - 10 - 15, "less its own buffer and what the market has to itself"
    assert await run("social") == 10, "the website's buffer binds the website alone"
    assert await run("market") == 15
    assert await verify(shop.house.database) == []


async def test_two_lines_of_one_order_share_the_same_stock(shop: Serving, api: aiohttp.ClientSession) -> None:
    """medusa #16502: each of two lines passed on its own."""
    status, body = await reserve(api, "social", 43, 43)
    assert status == 409
    assert body["type"] == "/problems/not-available"
    assert body["errors"][0]["sku"] == "CASE"
    status, _ = await reserve(api, "social", 42, 43)
    assert status == 200
    assert await held(shop.house.database) == (UNITS, 85)


async def test_expiry_races_confirmation(shop: Serving, api: aiohttp.ClientSession) -> None:
    """saleor's and vendure's race: whichever comes second finds what the first made of the order."""
    database = shop.house.database
    codes = [body["order"] for _, body in [await reserve(api, "social", 1, hold_s=600) for _ in range(40)]]
    late = ScaledClock(at(700))
    outcomes, _ = await asyncio.gather(
        asyncio.gather(*(change(api, code, "confirm") for code in codes)),
        asyncio.gather(*(expire_due(database, late) for _ in range(4))),
    )
    confirmed = sum(status == 200 for status, _ in outcomes)
    assert all(status in (200, 409) for status, _ in outcomes)
    rows = await database.pool.fetch("SELECT status, count(*) FROM sales_order GROUP BY status")
    counted = {row["status"]: row["count"] for row in rows}
    assert counted.get("confirmed", 0) == confirmed
    assert counted.get("expired", 0) == 40 - confirmed
    assert (await held(database))[1] == confirmed
    assert await verify(database) == []


async def ship(database: Database, units: int) -> None:
    """Cases leave Jakarta for nobody who was promised them."""
    async with database.transaction() as connection:
        places = await read_places(connection)
        row = await connection.fetchrow(
            "SELECT sku_id, lot_id FROM sku JOIN lot USING (sku_id) WHERE sku.code = 'CASE'"
        )
        assert row is not None
        zones = places.by_code["jakarta"].zones
        taken, given = (
            Slot(zones[code].zone_id, row["sku_id"], row["lot_id"], SELLABLE) for code in ("rack", "in_transit")
        )
        await post(connection, places, [Transfer(at(5), taken, given, units, None, Cause("crossed", "t", "t"))], at(5))


async def test_the_physical_world_races_reservations(shop: Serving, api: aiohttp.ClientSession) -> None:
    """InvenTree #12718, Odoo #55494: goods leave while they are being promised."""
    answers, *_ = await asyncio.gather(
        asyncio.gather(*(reserve(api, "social", 1) for _ in range(120))),
        *(ship(shop.house.database, 1) for _ in range(60)),
    )
    granted = sum(status == 200 for status, _ in answers)
    there, reserved = await held(shop.house.database)
    assert there == UNITS - 60
    assert 0 <= reserved <= there
    short = await shop.house.database.pool.fetchval("SELECT coalesce(sum(short), 0) FROM allocation")
    assert granted == reserved + short
    assert await verify(shop.house.database) == []


async def test_a_code_or_key_that_comes_again_takes_nothing_twice(shop: Serving, api: aiohttp.ClientSession) -> None:
    body = {"code": "once", "channel": "social", "lines": [{"sku": "CASE", "quantity": 3}]}

    async def send(key: str, **more: Any) -> tuple[int, str]:
        async with api.post("/api/v1/orders", json={**body, **more}, headers={"Idempotency-Key": key}) as response:
            return response.status, await response.text()

    answers = await asyncio.gather(*(send("same") for _ in range(20)))
    assert len(set(answers)) == 1, "the first answer again, to the letter"
    assert answers[0][0] == 200
    assert (await send("same", code="other"))[0] == 422
    assert (await send("fresh"))[0] == 200
    assert (await send("fresh2", region="west"))[0] == 409
    assert await held(shop.house.database) == (UNITS, 3)


async def test_cancelled_units_serve_those_who_wait(shop: Serving, api: aiohttp.ClientSession) -> None:
    clock = ScaledClock(at(10))
    _, first = await reserve(api, "social", 85)
    status, second = await reserve(api, "social", 20, backorder=True, hold_s=None)
    assert status == 200
    assert second["lines"][0]["waiting"] == 20
    assert await fill(shop.house.database, clock) == 0
    assert (await change(api, first["order"], "cancel"))[0] == 200
    assert await fill(shop.house.database, clock) == 20
    async with api.get(f"/api/v1/orders/{second['order']}") as response:
        line = (await response.json())["lines"][0]
    assert (line["waiting"], [one["held"] for one in line["promises"]]) == (0, [20])
    assert await verify(shop.house.database) == []


async def test_what_fell_short_is_promised_anew_when_stock_comes(shop: Serving, api: aiohttp.ClientSession) -> None:
    database, clock = shop.house.database, ScaledClock(at(10))
    _, order = await reserve(api, "social", 80, hold_s=None)
    await ship(database, 90)
    assert await held(database) == (10, 10)
    await shop.house.put("surabaya", "rack", "CASE", 100)
    assert await fill(database, clock) == 70
    assert await database.pool.fetchval("SELECT count(*) FROM alert WHERE kind = 'short' AND cleared_at IS NULL") == 0
    async with api.get(f"/api/v1/orders/{order['order']}") as response:
        promises = (await response.json())["lines"][0]["promises"]
    assert [(one["site"], one["held"], one["short"]) for one in promises] == [("jakarta", 10, 0), ("surabaya", 70, 0)]
    assert await verify(database) == []


@pytest.mark.parametrize(
    ("body", "status", "said"),
    [
        ({"channel": "nowhere"}, 422, "no channel"),
        ({"lines": [{"sku": "GHOST", "quantity": 1}]}, 422, "no SKU"),
        ({"lines": [{"sku": "CASE", "quantity": -1}]}, 400, "greater than or equal to 1"),
        ({"lines": []}, 400, "at least 1 item"),
        ({"sites": ["atlantis"]}, 422, "no site"),
        ({"hold_s": -5}, 400, "greater than 0"),
    ],
)
async def test_bad_orders_are_told_what_is_wrong(
    shop: Serving, api: aiohttp.ClientSession, body: dict[str, Any], status: int, said: str
) -> None:
    whole = {"code": "bad", "channel": "web", "lines": [{"sku": "CASE", "quantity": 1}], **body}
    async with api.post("/api/v1/orders", json=whole, headers={"Idempotency-Key": "bad"}) as response:
        answer = await response.json()
        assert response.status == status
        assert said in answer["detail"]
        assert answer["mend"]
    assert await held(shop.house.database) == (UNITS, 0)


def names(rows: Sequence[dict[str, Any]]) -> list[str]:
    return [row["code"] for row in rows]


async def test_orders_are_listed_by_status(shop: Serving, api: aiohttp.ClientSession) -> None:
    for _ in range(3):
        await reserve(api, "web", 1)
    _, last = await reserve(api, "social", 1)
    await change(api, last["order"], "cancel")
    async with api.get("/api/v1/orders?status=reserved&limit=2") as response:
        page = await response.json()
    async with api.get(f"/api/v1/orders?status=reserved&limit=2&cursor={page['next']}") as response:
        rest = await response.json()
    assert len(names(page["rows"])) == 2
    assert len(names(rest["rows"])) == 1
    async with api.get("/api/v1/orders?status=cancelled") as response:
        assert names((await response.json())["rows"]) == [last["order"]]
