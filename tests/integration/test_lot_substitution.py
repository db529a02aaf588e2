"""Picking another lot than the one promised: the promise goes with the lot, and nobody else's is touched."""

from __future__ import annotations

import asyncio
from typing import Any

import aiohttp

from tests.house import GTIN, Gateway, scan, stock
from tests.integration.test_documents import Clerk, clerk, order

__all__ = ["clerk"]

OLD, NEW = f"01{GTIN}10OLD", f"01{GTIN}10NEW"


async def receive(clerk: Clerk, old: int = 3, new: int = 3) -> None:
    """Boxes of two lots on the shelf; the ten on the rack have none."""
    await clerk.here.say(
        scan("receive", f"01{GTIN}1726063010OLD", 601, scan_id="old", zone="shelf", quantity=old),
        scan("receive", f"01{GTIN}1727063010NEW", 602, scan_id="new", zone="shelf", quantity=new),
    )


async def take(clerk: Clerk, code: str, units: int = 1, **more: Any) -> tuple[str, str]:
    """Pick for the order `o1`, unless another one is named."""
    more = {"zone": "dock", "document": "o1", "quantity": units, "scan_id": f"p{clerk.here.seq}"} | more
    (outcome,) = (await clerk.here.say(scan("pick", code, 650 + clerk.here.seq, **more))).scans
    return outcome.state, outcome.reason


async def promises(clerk: Clerk, code: str = "o1") -> dict[str, tuple[int, int, int]]:
    """By lot: units held, shipped and given back."""
    (line,) = (await clerk.get(f"orders/{code}"))["lines"]
    found: dict[str, tuple[int, int, int]] = {}
    for one in line["promises"]:
        before = found.get(one["lot"], (0, 0, 0))
        numbers = (one["held"], one["fulfilled"], one["released"])
        found[one["lot"]] = (before[0] + numbers[0], before[1] + numbers[1], before[2] + numbers[2])
    return found


async def picks(clerk: Clerk) -> list[tuple[str, int]]:
    return [(row["lot"], row["units"]) for row in (await clerk.get("orders/o1/picks"))["picks"]]


async def test_the_promise_goes_with_the_lot_that_was_picked(clerk: Clerk) -> None:
    await receive(clerk)
    await order(clerk, 3)
    assert await promises(clerk) == {"OLD": (3, 0, 0)}
    assert await take(clerk, NEW, 2) == ("applied", "")
    assert await promises(clerk) == {"OLD": (1, 0, 2), "NEW": (2, 0, 0)}
    assert await picks(clerk) == [("OLD", 1)]
    other = await clerk.post("orders", code="o2", channel="web", lines=[{"sku": "BOX", "quantity": 13}])
    assert {one["lot"]: one["units"] for one in other["lines"][0]["promised"]} == {"OLD": 2, "NEW": 1, "": 10}
    assert await take(clerk, OLD, 1) == ("applied", "")
    assert await picks(clerk) == []
    await clerk.make("s1", "shipment", 3, order="o1")
    await clerk.here.say(
        scan("ship", NEW, 700, scan_id="s1", quantity=2, document="s1"),
        scan("ship", OLD, 701, scan_id="s2", quantity=1, document="s1"),
    )
    assert await promises(clerk) == {"OLD": (0, 1, 2), "NEW": (0, 2, 0)}
    assert "short" not in await clerk.alerts(), "nobody else lost anything"
    assert await clerk.promised() == 13


async def test_a_lot_that_is_promised_to_somebody_else_is_refused(clerk: Clerk) -> None:
    await receive(clerk)
    await order(clerk, 3)
    await clerk.post("orders", code="o2", channel="web", hold_s=None, lines=[{"sku": "BOX", "quantity": 2}])
    before = await stock(clerk.database)
    assert await take(clerk, NEW, 2) == (
        "refused",
        "of lot NEW 1 units are promised to nobody, not 2; the order was promised OLD: pick that",
    )
    assert (await stock(clerk.database), await promises(clerk)) == (before, {"OLD": (3, 0, 0)})
    assert await promises(clerk, "o2") == {"NEW": (2, 0, 0)}
    assert await take(clerk, NEW, 1) == ("applied", "")
    assert await promises(clerk) == {"OLD": (2, 0, 1), "NEW": (1, 0, 0)}


async def test_a_thing_is_swapped_by_its_own_lot(clerk: Clerk) -> None:
    await receive(clerk, new=1)
    await clerk.here.say(scan("receive", f"(01){GTIN}(17)270630(10)NEW(21)77", 603, scan_id="t", zone="rack"))
    await order(clerk, 2)
    assert await take(clerk, f"01{GTIN}2177") == ("applied", "")
    assert await promises(clerk) == {"OLD": (1, 0, 1), "NEW": (1, 0, 0)}
    assert await take(clerk, f"01{GTIN}2177") == ("applied", ""), "picked once more, it serves what is left"
    await clerk.post("orders", code="o2", channel="web", hold_s=None, lines=[{"sku": "BOX", "quantity": 13}])


async def test_a_lot_that_is_held_or_expires_too_soon_is_refused(clerk: Clerk) -> None:
    await receive(clerk)
    lines = [{"sku": "BOX", "quantity": 2, "least_days": 200}]
    await clerk.post("orders", code="o1", channel="web", hold_s=None, lines=lines)
    assert await promises(clerk) == {"NEW": (2, 0, 0)}
    assert "lot OLD expires on 2026-06-30, too soon" in (await take(clerk, OLD))[1]
    await clerk.post("orders", code="o2", channel="web", hold_s=None, lines=[{"sku": "BOX", "quantity": 3}])
    await clerk.database.pool.execute("UPDATE lot SET status = 'held' WHERE code = 'NEW'")
    state, reason = await take(clerk, NEW, document="o2")
    assert (state, reason) == ("refused", "lot NEW is held; the order was promised OLD: pick that")
    assert await take(clerk, NEW) == ("applied", ""), "to whom it was promised it is given"


async def test_a_pick_that_names_no_lot_takes_what_was_promised(clerk: Clerk) -> None:
    """Of heaps that expire sooner it takes only what goes beyond the promise."""
    await receive(clerk)
    lines = [{"sku": "BOX", "quantity": 2, "least_days": 200}]
    await clerk.post("orders", code="o1", channel="web", hold_s=None, lines=lines)
    assert await take(clerk, f"01{GTIN}", 3) == ("applied", "")
    found = await stock(clerk.database)
    assert (found["a/dock/BOX/NEW/sellable"], found["a/dock/BOX/OLD/sellable"]) == (2, 1)
    assert await picks(clerk) == []


async def test_a_pick_that_is_taken_back_is_to_be_picked_again(clerk: Clerk) -> None:
    await receive(clerk)
    await clerk.here.say(scan("receive", f"(01){GTIN}(17)260630(10)OLD(21)77", 603, scan_id="t", zone="shelf"))
    await order(clerk, 4)
    await take(clerk, NEW, 2, scan_id="wrong")
    await take(clerk, f"01{GTIN}2177", scan_id="thing")
    assert await picks(clerk) == [("OLD", 1)]
    for _ in range(2):
        await clerk.post("scans/gun-1/wrong/reverse", reason="two others")
        await clerk.post("scans/gun-1/thing/reverse", reason="another one")
    assert sorted(await picks(clerk)) == [("NEW", 2), ("OLD", 2)], "the promise stays with the lot"
    assert (await clerk.get("orders/o1"))["lines"][0]["picked"] == 0


async def test_what_left_in_the_same_batch_is_not_promised(clerk: Clerk) -> None:
    await receive(clerk, new=1)
    await order(clerk, 2)
    ack = await clerk.here.say(
        scan("damage", NEW, 650, scan_id="d", zone="shelf"),
        scan("pick", NEW, 651, scan_id="p", zone="dock", document="o1"),
    )
    assert sorted((one.scan_id, one.state) for one in ack.scans) == [("d", "applied"), ("p", "refused")]
    assert await promises(clerk) == {"OLD": (2, 0, 0)}


async def test_many_want_the_last_of_a_lot_at_once(clerk: Clerk) -> None:
    """Pickers of eight orders, each at a gateway of their own, and customers: five units of NEW go round."""
    await receive(clerk, old=8, new=5)
    service = clerk.here.service
    for number in range(8):
        lines = [{"sku": "BOX", "quantity": 1}]
        await clerk.post("orders", code=f"o{number}", channel="web", hold_s=None, lines=lines)

    async def pick(number: int) -> bool:
        one = scan("pick", NEW, 700 + number, scan_id=f"n{number}", zone="dock", document=f"o{number}")
        (outcome,) = (await Gateway(service, "a", f"g{number}").say(one)).scans
        return outcome.state == "applied"

    async def buy(number: int) -> int:
        body = {"code": f"x{number}", "channel": "web", "lines": [{"sku": "BOX", "quantity": 1, "least_days": 200}]}
        body["hold_s"] = None
        async with aiohttp.ClientSession(clerk.session._base_url) as session:
            headers = {"Idempotency-Key": f"x{number}"}
            async with session.post("/api/v1/orders", json=body, headers=headers) as response:
                answer = await response.json()
                return sum(one["units"] for one in answer["lines"][0]["promised"] if one["lot"] == "NEW")

    swapped, bought = await asyncio.gather(
        asyncio.gather(*(pick(number) for number in range(8))), asyncio.gather(*(buy(number) for number in range(4)))
    )
    assert sum(swapped) + sum(bought) == 5
    row = await clerk.database.pool.fetchrow(
        "SELECT on_hand, reserved FROM availability JOIN lot USING (lot_id) WHERE lot.code = 'NEW'"
    )
    assert tuple(row.values()) == (5, 5)
    for number, was in enumerate(swapped):
        expected = {"OLD": (0, 0, 1), "NEW": (1, 0, 0)} if was else {"OLD": (1, 0, 0)}
        assert await promises(clerk, f"o{number}") == expected
