"""Alerts are raised once, renewed, cleared once, and many may do so at the same time."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any

from backend.alerts.service import Alert, clear_alerts, raise_alerts
from backend.store.database import Database
from tests.postgres import START


async def rows(database: Database) -> list[Any]:
    return [
        (row["kind"], row["key"], row["detail"], row["raised_at"], row["cleared_at"])
        for row in await database.pool.fetch("SELECT * FROM alert ORDER BY alert_id")
    ]


async def test_raised_again_it_keeps_its_beginning_and_tells_the_newest_detail(database: Database) -> None:
    later = START + timedelta(minutes=5)
    async with database.transaction() as connection:
        await raise_alerts(
            connection, [Alert("owed", "a", None, {"net": -1}), Alert("owed", "a", None, {"net": -2})], START
        )
        await raise_alerts(connection, [Alert("owed", "a", None, {"net": -3})], later)
        await raise_alerts(connection, [], later)
    assert await rows(database) == [("owed", "a", {"net": -3}, START, None)]


async def test_cleared_it_ends_once_and_may_stand_anew(database: Database) -> None:
    times = [START + timedelta(minutes=minute) for minute in range(4)]
    async with database.transaction() as connection:
        await raise_alerts(
            connection,
            [Alert("reader", "g/1", None, {}), Alert("reader", "g/2", None, {}), Alert("owed", "g/1", None, {})],
            times[0],
        )
        await clear_alerts(connection, [("reader", "g/1"), ("reader", "never raised")], times[1])
        await clear_alerts(connection, [("reader", "g/1")], times[2])
        await raise_alerts(connection, [Alert("reader", "g/1", None, {})], times[3])
    assert await rows(database) == [
        ("owed", "g/1", {}, times[0], None),
        ("reader", "g/1", {}, times[0], times[1]),
        ("reader", "g/2", {}, times[0], None),
        ("reader", "g/1", {}, times[3], None),
    ]


async def test_what_its_transaction_takes_back_was_never_raised(database: Database) -> None:
    async with database.pool.acquire() as connection:
        transaction: Any = connection.transaction()
        await transaction.start()
        await raise_alerts(connection, [Alert("clock_skew", "g", None, {})], START)
        await transaction.rollback()
    assert await rows(database) == []


async def test_many_at_once_in_any_order_never_wait_for_each_other_in_a_circle(database: Database) -> None:
    keys = [f"jakarta/rack/{number}" for number in range(40)]

    async def shift(number: int) -> None:
        mine = keys[::-1] if number % 2 else keys
        for turn in range(5):
            async with database.transaction() as connection:
                await raise_alerts(
                    connection, [Alert("owed", key, None, {"by": [number, turn]}) for key in mine], START
                )
            async with database.transaction() as connection:
                await clear_alerts(connection, [("owed", key) for key in mine], START)

    await asyncio.gather(*(shift(number) for number in range(6)))
    assert all(cleared_at is not None for *_, cleared_at in await rows(database))


async def test_an_alert_that_says_the_same_again_is_not_written_again(database: Database) -> None:
    """Some are said every half minute by every process, for as long as they stand."""
    alert = Alert("owed", "1", None, {"units": 3})
    async with database.transaction() as connection:
        await raise_alerts(connection, [alert], START)
    before = await database.pool.fetchval("SELECT xmin::text FROM alert WHERE detail = $1", alert.detail)
    async with database.transaction() as connection:
        await raise_alerts(connection, [alert], START)
    assert await database.pool.fetchval("SELECT xmin::text FROM alert") == before
    async with database.transaction() as connection:
        await raise_alerts(connection, [alert._replace(detail={"units": 4})], START)
    assert await database.pool.fetchval("SELECT detail FROM alert") == {"units": 4}
