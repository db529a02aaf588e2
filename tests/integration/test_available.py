"""What a channel may still promise, as it is shown: by the one rule that counts, by site and by region."""

from __future__ import annotations

from typing import Any

import aiohttp
import pytest

from backend.catalog.model import SiteSpec, ZoneSpec
from backend.catalog.service import put_site
from backend.channels.service import ChannelSpec, RuleSpec, put_channel, put_rules
from tests.serving import Serving


@pytest.fixture
async def shop(served: Serving) -> Serving:
    """100 cases at Jakarta and 60 at Surabaya, both in Java, 30 at Denpasar in Bali."""
    database = served.house.database
    await put_site(database, SiteSpec("denpasar", region="bali", zones=(ZoneSpec("rack", "storage"),)))
    for site, units in (("jakarta", 100), ("surabaya", 60), ("denpasar", 30)):
        await served.house.put(site, "rack", "CASE", units)
    for code, kind in (("web", "website"), ("market", "marketplace")):
        await put_channel(database, ChannelSpec(code, kind))
    return served


async def shown(api: aiohttp.ClientSession, channel: str, **params: str) -> dict[str, Any]:
    async with api.get(f"/api/v1/channels/{channel}/available", params={"sku": "CASE", **params}) as response:
        answer: dict[str, Any] = await response.json()
        assert response.status == 200, answer
        return answer


def by_site(answer: dict[str, Any]) -> dict[str, int]:
    return {one["site"]: one["available"] for one in answer["sites"]}


async def test_the_most_specific_rule_counts_alone(shop: Serving, api: aiohttp.ClientSession) -> None:
    rules = [
        RuleSpec(buffer=1),
        RuleSpec(site="surabaya", buffer=2),
        RuleSpec(sku="CASE", buffer=4),
        RuleSpec(sku="CASE", site="jakarta", buffer=8),
    ]
    expected = [(99, 59, 29), (99, 58, 29), (96, 56, 26), (92, 56, 26)]
    for taken, (jakarta, surabaya, denpasar) in enumerate(expected, 1):
        await put_rules(shop.house.database, "web", rules[:taken])
        found = by_site(await shown(api, "web"))
        assert found == {"jakarta": jakarta, "surabaya": surabaya, "denpasar": denpasar}
    assert by_site(await shown(api, "market")) == {"jakarta": 100, "surabaya": 60, "denpasar": 30}


async def test_it_is_told_by_region(shop: Serving, api: aiohttp.ClientSession) -> None:
    await put_rules(shop.house.database, "market", [RuleSpec(sku="CASE", site="denpasar", protected=12)])
    assert (await shown(api, "web"))["available"] == 178
    bali = await shown(api, "web", region="bali")
    assert (bali["available"], by_site(bali)) == (18, {"denpasar": 18})
    assert (await shown(api, "web", region="java"))["available"] == 160
    assert (await shown(api, "market", region="bali"))["available"] == 30
    assert (await shown(api, "web", region="sumatra"))["sites"] == []


async def test_what_is_not_there_is_told(shop: Serving, api: aiohttp.ClientSession) -> None:
    for path in ("channels/none/available?sku=CASE", "channels/web/available?sku=GHOST"):
        async with api.get(f"/api/v1/{path}") as response:
            assert (response.status, (await response.json())["type"]) == (404, "/problems/not-found")


async def test_a_lot_that_owes_takes_nothing_from_another(shop: Serving, api: aiohttp.ClientSession) -> None:
    pool = shop.house.database.pool
    await pool.execute("INSERT INTO lot (sku_id, code) SELECT sku_id, 'L' FROM sku WHERE code = 'CASE'")
    await pool.execute(
        "INSERT INTO availability (site_id, sku_id, lot_id, condition, on_hand)"
        " SELECT site_id, sku_id, lot_id, 'sellable', -30 FROM site, lot WHERE site.code = 'jakarta' AND lot.code = 'L'"
    )
    assert by_site(await shown(api, "web"))["jakarta"] == 100
    body = {"code": "o", "channel": "web", "sites": ["jakarta"], "lines": [{"sku": "CASE", "quantity": 100}]}
    async with api.post("/api/v1/orders", json=body, headers={"Idempotency-Key": "o"}) as response:
        assert response.status == 200
