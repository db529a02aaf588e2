"""Promises on a real database: what the physical world does to them, and what verify says."""

from __future__ import annotations

import asyncpg
import pytest

from backend.catalog.service import read_places
from backend.ingest.service import IngestService
from backend.ingest.verify import verify
from backend.ledger.model import SELLABLE, Cause, Slot, Transfer
from backend.stock.model import Fulfilment
from backend.stock.promises import hold, post, release
from backend.store.database import Database
from tests.house import Gateway, arrived, at, crossed, furnish
from wire.clock import ScaledClock


async def receive(database: Database, units: int) -> tuple[int, Slot, Slot]:
    """Units of BOX from the supplier to the dock of site `a`; the availability, the dock's slot and the customer's."""
    await furnish(database)
    async with database.transaction() as connection:
        places = await read_places(connection)
        site = places.by_code["a"]
        row = await connection.fetchrow("SELECT sku_id, lot_id FROM sku JOIN lot USING (sku_id) WHERE sku.code = 'BOX'")
        assert row is not None
        taken, given, customer = (
            Slot(zone.zone_id, row["sku_id"], row["lot_id"], SELLABLE)
            for zone in (site.virtual("supplier"), site.zones["dock"], site.virtual("customer"))
        )
        await post(connection, places, [Transfer(at(0), taken, given, units, None, Cause("receive", "t", "t"))], at(0))
        availability = await connection.fetchval("SELECT availability_id FROM availability")
    return availability, given, customer


async def promise(database: Database, availability: int, *units: int) -> list[int]:
    async with database.transaction() as connection:
        rows = await hold(connection, [(availability, one, "order", n) for n, one in enumerate(units, 1)], at(1))
    return [row["allocation_id"] for row in rows]


async def take(database: Database, taken: Slot, given: Slot, units: int, *served: Fulfilment) -> None:
    async with database.transaction() as connection:
        places = await read_places(connection)
        transfer = Transfer(at(2), taken, given, units, None, Cause("ship", "t", "t"))
        await post(connection, places, [transfer], at(2), served)


async def numbers(database: Database) -> tuple[int, int]:
    row = await database.pool.fetchrow("SELECT on_hand, reserved FROM availability")
    assert row is not None
    return row["on_hand"], row["reserved"]


async def allocation(database: Database, allocation_id: int) -> dict[str, int]:
    row = await database.pool.fetchrow(
        "SELECT held, fulfilled, released, short FROM allocation WHERE allocation_id = $1", allocation_id
    )
    assert row is not None
    return {name: units for name, units in row.items() if units}


async def test_the_database_itself_refuses_to_promise_what_is_not_there(database: Database) -> None:
    availability, _, _ = await receive(database, 5)
    await promise(database, availability, 3)
    with pytest.raises(asyncpg.CheckViolationError, match="never_oversold"):
        await promise(database, availability, 3)
    assert await numbers(database) == (5, 3)
    assert await verify(database) == []


async def test_goods_that_leave_for_their_order_end_its_promise(database: Database) -> None:
    availability, dock, customer = await receive(database, 5)
    first, second = await promise(database, availability, 2, 3)
    await take(database, dock, customer, 2, Fulfilment(first, 2))
    assert await numbers(database) == (3, 3)
    assert await allocation(database, first) == {"fulfilled": 2}
    assert await allocation(database, second) == {"held": 3}
    assert await verify(database) == []


async def test_when_the_world_takes_promised_goods_the_newest_promise_falls_short(database: Database) -> None:
    availability, dock, customer = await receive(database, 5)
    first, second = await promise(database, availability, 2, 3)
    await take(database, dock, customer, 4)
    assert await numbers(database) == (1, 1)
    assert await allocation(database, first) == {"held": 1, "short": 1}
    assert await allocation(database, second) == {"short": 3}
    told = await database.pool.fetchval("SELECT count(*) FROM alert WHERE kind = 'short' AND cleared_at IS NULL")
    assert told == 2
    assert await database.pool.fetchval("SELECT count(*) FROM outbox WHERE kind = 'allocation'") == 2
    assert await verify(database) == []


async def test_goods_found_after_all_still_serve_the_promise_that_fell_short(database: Database) -> None:
    availability, dock, customer = await receive(database, 2)
    (first,) = await promise(database, availability, 2)
    await take(database, dock, customer, 2)
    assert await allocation(database, first) == {"short": 2}
    standing = "SELECT count(*) FROM alert WHERE kind = 'short' AND cleared_at IS NULL"
    assert await database.pool.fetchval(standing) == 1
    await take(database, customer, dock, 2)
    await take(database, dock, customer, 2, Fulfilment(first, 2))
    assert await allocation(database, first) == {"fulfilled": 2}
    assert await database.pool.fetchval(standing) == 0
    assert await numbers(database) == (0, 0)
    assert await verify(database) == []


async def test_what_is_released_can_be_promised_again(database: Database) -> None:
    availability, _, _ = await receive(database, 5)
    (first,) = await promise(database, availability, 5)
    async with database.transaction() as connection:
        await release(connection, [(first, 4)], at(3))
    assert await numbers(database) == (5, 1)
    await promise(database, availability, 4)
    assert await verify(database) == []


async def test_a_site_may_owe_and_then_promises_nothing(database: Database) -> None:
    availability, dock, customer = await receive(database, 1)
    (first,) = await promise(database, availability, 1)
    await take(database, dock, customer, 3)
    assert await numbers(database) == (-2, 0)
    assert await allocation(database, first) == {"short": 1}
    assert await verify(database) == []


async def test_readers_move_availability_only_when_goods_enter_or_leave(database: Database) -> None:
    await furnish(database)
    gateway = Gateway(IngestService(database, ScaledClock(at(100))), "a", "g1")
    await gateway.say(arrived(1, "dock", 1), arrived(2, "dock", 2))
    assert await numbers(database) == (2, 0)
    await gateway.say(arrived(1, "rack", 3, "moved"))
    assert await numbers(database) == (2, 0)
    await gateway.say(crossed(2, "out", 4))
    assert await numbers(database) == (1, 0)
    assert await verify(database) == []


async def test_verify_names_an_availability_that_does_not_follow(database: Database) -> None:
    await receive(database, 5)
    await database.pool.execute("UPDATE availability SET on_hand = 7")
    (finding,) = await verify(database)
    assert str(finding) == (
        "availability: a/BOX//sellable: 7 on hand, its balances add up to 5; 0 reserved, its allocations hold 0"
    )
