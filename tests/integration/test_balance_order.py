"""Balances are locked in the order of the arrays that name them, whatever the planner would like."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from backend.store.database import Connection, Database
from tests.house import furnish

WAIT_S = 10.0

MAKE = """
INSERT INTO balance (site_id, zone_id, sku_id, lot_id, condition)
SELECT site_id, zone_id, sku_id, lot_id, 'sellable'
FROM zone CROSS JOIN (SELECT * FROM lot ORDER BY lot_id LIMIT 1) AS one
RETURNING site_id, zone_id, sku_id, lot_id, condition
"""
LOCK = "SELECT zone_id FROM balance WHERE zone_id = ANY ($1::int[]) FOR NO KEY UPDATE"
WAITS = "SELECT EXISTS (SELECT FROM pg_locks WHERE NOT granted AND pid = $1)"

Slot = tuple[Any, ...]


async def make_balances(database: Database) -> list[Slot]:
    """A balance of one SKU in each zone: as few as a small house has, so that every plan is a cheap one."""
    await furnish(database)
    return sorted(tuple(row.values()) for row in await database.pool.fetch(MAKE))


async def change(connection: Connection, slots: list[Slot], deltas: list[int]) -> list[Any]:
    columns = [list(column) for column in zip(*slots, strict=True)]
    async with connection.transaction():
        return await connection.fetch("SELECT * FROM add_to_balances($1, $2, $3, $4, $5, $6)", *columns, deltas)


async def test_each_is_answered_with_its_place_and_missing_ones_are_left_out(database: Database) -> None:
    slots = await make_balances(database)
    missing = (*slots[0][:4], "damaged")
    async with database.pool.acquire() as connection:
        rows = await change(connection, [slots[2], missing, slots[0]], [5, 7, -3])
    assert sorted((row["place"], row["net"]) for row in rows) == [(1, 5), (3, -3)]
    rows = await database.pool.fetch("SELECT zone_id, net FROM balance WHERE net <> 0")
    assert {row["zone_id"]: row["net"] for row in rows} == {slots[2][1]: 5, slots[0][1]: -3}


@pytest.mark.parametrize("backwards", [False, True])
async def test_locks_are_taken_in_the_order_of_the_arrays(database: Database, *, backwards: bool) -> None:
    slots = await make_balances(database)
    slots.sort(reverse=backwards)
    zones = [slot[1] for slot in slots]
    middle = len(slots) // 2
    async with (
        database.pool.acquire() as holding,
        database.pool.acquire() as waiting,
        database.pool.acquire() as asking,
        asyncio.timeout(WAIT_S),
    ):
        pid = await waiting.fetchval("SELECT pg_backend_pid()")
        async with holding.transaction():
            await holding.fetch(LOCK, [zones[middle]])
            task = asyncio.create_task(change(waiting, slots, [1] * len(slots)))
            while not await asking.fetchval(WAITS, pid):
                await asyncio.sleep(0.01)
            free = {row["zone_id"] for row in await asking.fetch(f"{LOCK} SKIP LOCKED", zones)}
        assert free == set(zones[middle + 1 :])
        assert len(await task) == len(slots)
