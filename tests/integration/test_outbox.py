"""The outbox is kept short, and who was away for too long loads everything anew."""

from datetime import timedelta

import asyncpg
import pytest

from backend.errors import FellBehindError
from backend.live import outbox
from backend.live.feed import Feed
from backend.store.database import Database
from tests.postgres import START
from tests.serving import House
from wire.clock import ScaledClock


async def tell(database: Database, count: int, age: timedelta) -> None:
    await database.pool.execute(
        "INSERT INTO outbox (recorded_at, kind, key, payload)"
        " SELECT $1, 'stock', 'a', '{\"balances\": []}' FROM generate_series(1, $2::int)",
        START - age,
        count,
    )


async def kept(database: Database) -> int:
    return int(await database.pool.fetchval("SELECT count(*) FROM outbox"))


async def test_what_is_old_goes_in_steps_and_the_rest_stays(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(outbox, "ROWS_PER_STEP", 10)
    await tell(database, 35, outbox.KEEP + timedelta(seconds=1))
    await tell(database, 7, outbox.KEEP - timedelta(seconds=60))
    assert await outbox.trim(database, ScaledClock(START)) == 35
    assert await kept(database) == 7
    assert await outbox.trim(database, ScaledClock(START)) == 0


async def test_a_reader_that_was_in_time_does_not_notice(database: Database) -> None:
    async with Feed.open(database) as feed:
        await feed.load()
        await tell(database, 3, outbox.KEEP * 2)
        await feed.read()
        assert await outbox.trim(database, ScaledClock(START)) == 3
        assert await feed.read() == ([], [])


async def test_a_reader_that_missed_rows_is_told_and_loads_anew(database: Database) -> None:
    house = House(database)
    await house.furnish()
    async with Feed.open(database) as feed:
        await feed.load()
        await house.put("jakarta", "rack", "CASE", 5, seconds=-2 * outbox.KEEP.total_seconds())
        assert await outbox.trim(database, ScaledClock(START)) > 0
        with pytest.raises(FellBehindError):
            await feed.read()
        stock, _ = await feed.load()
        assert [(one.zone, one.net) for one in stock] == [("rack", 5)]
        assert await feed.read() == ([], [])


async def test_a_step_that_fails_trims_nothing(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    await tell(database, 3, outbox.KEEP * 2)
    monkeypatch.setattr(outbox, "ROWS_PER_STEP", -1)
    with pytest.raises(asyncpg.PostgresError):
        await outbox.trim(database, ScaledClock(START))
    assert await kept(database) == 3
