"""A lot expires at the end of its day where it lies: whatever asks about expiry asks by the site's day."""

from __future__ import annotations

from typing import Any

import asyncpg
import pytest

from tests.house import GTIN, at, scan
from tests.integration.test_documents import Clerk, clerk
from tests.integration.test_lot_substitution import take

__all__ = ["clerk"]

HERE, THERE = "2026-03-01", "2026-03-02"
"""What day it is at the two sites, at the same instant."""

LOT = f"01{GTIN}1726030110EVE"
"""Goods that expire on the day that it is here, and was yesterday there."""


@pytest.fixture
async def house(clerk: Clerk) -> Clerk:
    """Site `a` lies where it is still yesterday, site `b` where tomorrow begins first; both got the same lot."""
    assert at(600).isoformat() == "2026-03-02T08:10:00+00:00"
    await clerk.database.pool.execute(
        "UPDATE site SET time_zone = CASE code WHEN 'a' THEN 'Pacific/Pago_Pago' ELSE 'Pacific/Kiritimati' END"
    )
    days = await clerk.database.pool.fetch("SELECT day_at($1, time_zone) AS day FROM site ORDER BY code", at(600))
    assert [row["day"].isoformat() for row in days] == [HERE, THERE]
    for gateway in (clerk.here, clerk.there):
        await gateway.say(scan("receive", LOT, 601, scan_id=f"lot {gateway.site}", zone="dock", quantity=5))
    return clerk


async def promised(clerk: Clerk, code: str, expect: int = 200, least_days: int = 0, **more: Any) -> dict[str, int]:
    """An order; by lot, the units it was promised, or of its one line that is refused `lacking` and why."""
    lines = [{"sku": "BOX", "quantity": more.pop("units", 5), "least_days": least_days}]
    answer = await clerk.post("orders", expect, code=code, channel="web", hold_s=None, lines=lines, **more)
    if expect == 200:
        return {one["lot"]: one["units"] for one in answer["lines"][0]["promised"]}
    return {answer["errors"][0]["reason"]: answer["errors"][0]["lacking"]}


async def test_what_still_lives_here_is_promised_here_alone(house: Clerk) -> None:
    available = await house.get("channels/web/available?sku=BOX")
    assert {one["site"]: one["available"] for one in available["sites"]} == {"a": 15}
    assert await promised(house, "there", 409, sites=["b"]) == {"of 5 free units only 0 live 0 days more": 5}
    assert await promised(house, "here", sites=["a"], units=6) == {"EVE": 5, "": 1}


async def test_the_life_that_an_order_asks_for_counts_from_the_sites_day(house: Clerk) -> None:
    assert await promised(house, "tomorrow", sites=["a"], least_days=1, units=1) == {"": 1}
    assert await promised(house, "today", sites=["a"], units=1) == {"EVE": 1}


async def test_a_transfer_is_allocated_what_still_lives_where_it_starts(house: Clerk) -> None:
    lines = [{"sku": "BOX", "quantity": 5, "lot": "EVE"}]
    for site, other in (("a", "b"), ("b", "a")):
        await house.post("documents", code=f"t{site}", kind="transfer", site=site, to_site=other, lines=lines)
        await house.event(f"t{site}", "approve")
    assert (await house.event("ta", "allocate"))["status"] == "allocated"
    refused = await house.post("documents/tb/events", 409, event="allocate")
    assert f"expired on {HERE}" in refused["detail"]


async def test_a_pick_swaps_in_what_still_lives_where_it_is_picked(house: Clerk) -> None:
    assert await promised(house, "o0", sites=["a"]) == {"EVE": 5}
    assert await promised(house, "o1", sites=["a"], units=1) == {"": 1}
    late = f"01{GTIN}1726022810DEAD"
    more = f"01{GTIN}1726030110DUSK"
    await house.here.say(
        scan("receive", late, 640, scan_id="late", zone="dock"), scan("receive", more, 641, scan_id="m", zone="dock")
    )
    state, reason = await take(house, late, zone="shelf")
    assert (state, reason.split(",")[0]) == ("refused", "lot DEAD expires on 2026-02-28")
    assert await take(house, more, zone="shelf") == ("applied", "")


async def test_labels_are_made_for_what_still_lives_where_it_is_labelled(house: Clerk) -> None:
    order = {"gtin": GTIN, "count": 1, "company_prefix_digits": 7, "lot": "EVE", "expires_on": HERE}
    assert (await house.post("labels", site="a", **order))["expires_on"] == HERE
    assert "is past" in (await house.post("labels", 422, site="b", **order))["detail"]


async def test_a_count_is_planned_for_the_sites_day(house: Clerk) -> None:
    for site, day in (("a", "20260301"), ("b", "20260302")):
        made = await house.post(f"sites/{site}/counts/plan", subject="both")
        assert made["counts"]
        assert all(code.startswith(f"plan-{day}-") for code in made["counts"])


async def test_a_name_that_is_no_time_zone_is_refused(house: Clerk) -> None:
    with pytest.raises(asyncpg.InvalidParameterValueError, match="not recognized"):
        await house.database.pool.execute("UPDATE site SET time_zone = 'Atlantis/Harbour'")
