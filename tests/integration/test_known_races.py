"""Races that other systems are known to have lost, one test each. The names say whose, so the story can be looked up.

Others stand where they belong: two lines on one SKU, expiry against confirmation and goods that leave meanwhile in
test_oversell.py, an allocation that passes every service by in test_promises.py, counting while stock moves in
test_counts.py and tests/property/test_counting.py.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack
from datetime import timedelta

import pytest

from backend.api.problems import ProblemError
from backend.channels.service import ChannelSpec, put_channel
from backend.ingest.verify import verify
from backend.orders.granter import Granter
from backend.orders.reserving import NewOrder, OrderLine, Request
from backend.orders.service import change, expire_due
from backend.store.database import Database
from tests.house import GTIN, Gateway, scan, stock
from tests.integration.test_documents import Clerk, clerk
from tests.serving import House, at
from wire.clock import ScaledClock

__all__ = ["clerk"]

CLOCK = ScaledClock(at(10))
PROCESSES = 4


@pytest.fixture
async def house(database: Database) -> House:
    """Ten cases and ten drums at Jakarta."""
    house = House(database)
    await house.furnish()
    for sku in ("CASE", "DRUM"):
        await house.put("jakarta", "rack", sku, 10)
    await put_channel(database, ChannelSpec("web", "website"))
    return house


@pytest.fixture
async def granters(house: House) -> AsyncIterator[Sequence[Granter]]:
    """What reserves in each of several backend processes: they share the database and nothing else."""
    async with AsyncExitStack() as stack:
        yield [await stack.enter_async_context(Granter(house.database, CLOCK).running()) for _ in range(PROCESSES)]


async def ask(granter: Granter, code: str, *lines: tuple[str, int], hold_s: float | None = 900.0) -> str:
    """`granted`, or the kind of the problem."""
    order = NewOrder(code, "web", tuple(OrderLine(*line) for line in lines), hold_s=hold_s)
    try:
        await granter.reserve(Request(order, "test"))
    except ProblemError as error:
        return error.kind
    return "granted"


async def reserved(database: Database, sku: str = "CASE") -> list[tuple[int, int]]:
    """On hand and reserved, row by row."""
    rows = await database.pool.fetch(
        "SELECT on_hand, reserved FROM availability JOIN sku USING (sku_id) WHERE sku.code = $1", sku
    )
    return [(row["on_hand"], row["reserved"]) for row in rows]


async def test_twenty_at_once_from_several_processes_get_ten(house: House, granters: Sequence[Granter]) -> None:
    """odoo PR #32857: twenty processes each reserved one of ten; saleor #543; vendure #1738; InvenTree PR #12478."""
    answers = Counter(
        await asyncio.gather(*(ask(granters[number % PROCESSES], f"o{number}", ("CASE", 1)) for number in range(20)))
    )
    assert answers == {"granted": 10, "not-available": 10}
    assert await reserved(house.database) == [(10, 10)]
    assert await verify(house.database) == []


async def test_stock_whose_row_is_locked_is_waited_for_and_not_written_twice(
    house: House, granters: Sequence[Granter]
) -> None:
    """odoo PR #268942 and #272560: a locked row was skipped and a second one made, so two of one were reserved."""
    async with house.database.transaction() as connection:
        await connection.execute("SELECT FROM availability FOR UPDATE")
        asked = [asyncio.create_task(ask(granters[one], f"o{one}", ("CASE", 6))) for one in range(2)]
        async with asyncio.timeout(5):
            while await house.database.pool.fetchval("SELECT count(*) FROM pg_locks WHERE NOT granted") < 2:
                await asyncio.sleep(0.01)
        assert not any(one.done() for one in asked)
    assert sorted(await asyncio.gather(*asked)) == ["granted", "not-available"]
    assert await reserved(house.database) == [(10, 6)]


async def test_orders_that_name_skus_the_other_way_round_all_end(house: House, granters: Sequence[Granter]) -> None:
    """saleor PR #17123, erpnext #39573: two orders locked the same stock in two orders, and one of them died."""
    lines = (("CASE", 1), ("DRUM", 1))
    async with asyncio.timeout(20):
        answers = await asyncio.gather(
            *(
                ask(granters[number % PROCESSES], f"o{number}", *(lines if number % 2 else reversed(lines)))
                for number in range(40)
            )
        )
    assert Counter(answers) == {"granted": 10, "not-available": 30}
    assert await reserved(house.database) == await reserved(house.database, "DRUM") == [(10, 10)]
    assert await verify(house.database) == []


async def test_nobody_confirms_what_was_given_to_somebody_else(house: House, granters: Sequence[Granter]) -> None:
    """vendure #3065 and #3508: the customer had paid, and the stock was gone."""
    database = house.database
    assert await ask(granters[0], "slow", ("CASE", 10), hold_s=60) == "granted"
    assert await expire_due(database, ScaledClock(CLOCK.now() + timedelta(seconds=61))) == 1
    assert await ask(granters[1], "quick", ("CASE", 10), hold_s=None) == "granted"
    with pytest.raises(ProblemError, match="expired"):
        await change(database, CLOCK, "slow", "confirm")
    assert await reserved(database) == [(10, 10)]


async def test_each_step_of_an_order_is_told_to_subscribers(house: House, granters: Sequence[Granter]) -> None:
    """saleor #19449: reserving and cancelling changed what could be sold, and nobody was told."""

    async def told() -> list[int]:
        rows = await house.database.pool.fetch(
            "SELECT payload FROM outbox WHERE kind = 'availability' AND key = 'jakarta/CASE' ORDER BY xid, outbox_id"
        )
        return [row["payload"]["reserved"] for row in rows]

    before = len(await told())
    await ask(granters[0], "o1", ("CASE", 3))
    await ask(granters[1], "o2", ("CASE", 2))
    await change(house.database, CLOCK, "o1", "cancel")
    await expire_due(house.database, ScaledClock(CLOCK.now() + timedelta(hours=3)))
    assert (await told())[before:] == [3, 5, 2, 0]


async def test_transfers_race_picks(clerk: Clerk) -> None:
    """Transfers are allocated and shipped while an order is picked from the same heap; the order gets all it was
    promised, and no transfer what was not free."""
    lot, units, transfers = f"01{GTIN}1726063010L1", 60, 16
    await clerk.here.say(scan("receive", lot, 601, scan_id="r", zone="shelf", quantity=units))
    await clerk.post("orders", code="o1", channel="web", hold_s=None, lines=[{"sku": "BOX", "quantity": 20}])
    lines = [{"sku": "BOX", "quantity": 3, "lot": "L1"}]
    for number in range(transfers):
        await clerk.post("documents", code=f"t{number}", kind="transfer", site="a", to_site="b", lines=lines)
        await clerk.event(f"t{number}", "approve")
    other, turn = Gateway(clerk.here.service, "a", "gc"), asyncio.Lock()

    async def pick() -> None:
        for number in range(20):
            ack = await clerk.here.say(
                scan("pick", lot, 610 + number, scan_id=f"p{number}", zone="dock", document="o1")
            )
            assert [one.state for one in ack.scans] == ["applied"], ack.scans[0].reason

    async def move(number: int) -> bool:
        headers = {"Idempotency-Key": f"move{number}"}
        path = f"/api/v1/documents/t{number}/events"
        async with clerk.session.post(path, json={"event": "allocate"}, headers=headers) as response:
            if response.status == 409:
                return False
            assert response.status == 200
        async with turn:
            sent = scan("ship", lot, 640 + number, scan_id=f"s{number}", quantity=3, document=f"t{number}")
            assert [one.state for one in (await other.say(sent)).scans] == ["applied"]
        return True

    moved, _ = await asyncio.gather(asyncio.gather(*(move(number) for number in range(transfers))), pick())
    assert sum(moved) == 13, "60 units less the 20 of the order: thirteen times three"
    order = (await clerk.get("orders/o1"))["lines"][0]
    assert (order["picked"], [(one["held"], one["short"]) for one in order["promises"]]) == (20, [(20, 0)])
    found = await stock(clerk.database)
    assert found["a/dock/BOX/L1/sellable"] + found.get("a/shelf/BOX/L1/sellable", 0) == units - 39
    assert found["a/in_transit/BOX/L1/sellable"] == 39
    assert await clerk.promised() == 20
    assert await clerk.alerts() == set()
