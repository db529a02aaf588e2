"""Lines that wait: who is served when stock comes, and what cannot be served holds up nobody. And the granter goes on,
whatever one of its requests meets."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterable
from typing import Any

import asyncpg
import pytest

from backend.api.problems import ProblemError
from backend.channels.service import ChannelSpec, RuleSpec, put_channel, put_rules
from backend.ingest.verify import verify
from backend.orders import service
from backend.orders.granter import Granter
from backend.orders.reserving import NewOrder, OrderLine, Request
from backend.orders.service import change, fill, read_order
from backend.orders.views import GrantedView
from backend.store.database import Connection, Database
from tests.postgres import START
from tests.serving import House, at
from wire.clock import ScaledClock

CLOCK = ScaledClock(START)


@pytest.fixture
async def house(database: Database) -> House:
    """Jakarta and Surabaya, empty, and two channels."""
    house = House(database)
    await house.furnish()
    for code in ("web", "social"):
        await put_channel(database, ChannelSpec(code, "website"))
    return house


async def order(
    database: Database, code: str, *units: int, channel: str = "web", sku: str = "CASE", **more: Any
) -> None:
    lines = tuple(OrderLine(sku, one) for one in units)
    asked = NewOrder(code, channel, lines, backorder=True, hold_s=None, **more)
    async with Granter(database, CLOCK).running() as granter:
        await granter.reserve(Request(asked, "test"))


async def promised(database: Database, code: str) -> dict[str, int]:
    """Units that an order holds, by site."""
    async with database.snapshot() as connection:
        lines = (await read_order(connection, code)).lines
    held: dict[str, int] = {}
    for promise in (one for line in lines for one in line.promises if one.held):
        held[promise.site] = held.get(promise.site, 0) + promise.held
    return held


async def test_lines_that_cannot_be_served_hold_up_no_other(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(service, "FILL_ROWS", 3)
    database = house.database
    for number in range(7):
        await order(database, f"w{number}", 1)
    await order(database, "s1", 2, channel="social")
    await put_rules(database, "web", [RuleSpec(sells=False)])
    await house.put("jakarta", "rack", "CASE", 10)
    assert await fill(database, CLOCK) == 2
    assert await promised(database, "s1") == {"jakarta": 2}
    assert await promised(database, "w0") == {}


async def test_whoever_looks_late_gives_no_line_twice(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    """A look whose snapshot is older than another process's grant finds the order free again, and the line served."""
    database = house.database
    await order(database, "o1", 5)
    await house.put("jakarta", "rack", "CASE", 20)
    looking = service.SQL["unserved_lines"]
    monkeypatch.setitem(
        service.SQL._by_name,
        "unserved_lines",
        looking.replace("WHERE status", "WHERE pg_sleep(0.5) IS NOT NULL AND status"),
    )
    late = asyncio.create_task(fill(database, CLOCK))
    await asyncio.sleep(0.2)
    monkeypatch.setitem(service.SQL._by_name, "unserved_lines", looking)
    assert await fill(database, CLOCK) == 5
    assert await late == 0
    assert await promised(database, "o1") == {"jakarta": 5}
    assert await verify(database) == []


async def test_what_waits_comes_in_no_more_parcels_than_allowed(house: House) -> None:
    database = house.database
    await house.put("jakarta", "rack", "CASE", 2)
    await order(database, "o1", 2, 2, most_sites=1)
    await house.put("surabaya", "rack", "CASE", 5)
    assert await fill(database, CLOCK) == 0
    await house.put("jakarta", "rack", "CASE", 5)
    assert await fill(database, CLOCK) == 2
    assert await promised(database, "o1") == {"jakarta": 4}


async def shorts(database: Database) -> int:
    return int(await database.pool.fetchval("SELECT count(*) FROM alert WHERE kind = 'short' AND cleared_at IS NULL"))


async def test_an_order_that_ends_is_short_of_nothing(house: House) -> None:
    database = house.database
    await house.put("jakarta", "rack", "CASE", 5)
    await order(database, "o1", 5)
    await house.put("jakarta", "rack", "CASE", -3)
    assert await shorts(database) == 1
    await change(database, CLOCK, "o1", "cancel")
    assert await shorts(database) == 0


class Failing(Database):
    """A database whose first transactions fail, each in its way."""

    def __init__(self, database: Database, failures: Iterable[Exception]) -> None:
        super().__init__(database.pool)
        self.failures = list(failures)

    @contextlib.asynccontextmanager
    async def transaction(self) -> AsyncIterator[Connection]:
        if self.failures:
            raise self.failures.pop(0)
        async with super().transaction() as connection:
            yield connection


@pytest.mark.parametrize(
    "failures",
    [
        [asyncpg.DataError("cannot be held"), OSError("the line is cut")],
        [RuntimeError("a fault nobody foresaw"), RuntimeError("again")],
    ],
    ids=["cut while one by one", "unforeseen"],
)
async def test_the_granter_goes_on_whatever_happens(house: House, failures: list[Exception]) -> None:
    await house.put("jakarta", "rack", "CASE", 10)
    requests = [Request(NewOrder(f"o{number}", "web", (OrderLine("CASE", 1),)), "test") for number in range(3)]
    async with asyncio.timeout(5), Granter(Failing(house.database, failures), CLOCK).running() as granter:
        first = await asyncio.gather(*(granter.reserve(one) for one in requests[:2]), return_exceptions=True)
        assert isinstance(first[0], ProblemError)
        assert isinstance(first[1], GrantedView)
        assert isinstance(await granter.reserve(requests[2]), GrantedView)


async def test_requests_at_work_are_told_when_the_granter_stops(house: House) -> None:
    await house.put("jakarta", "rack", "CASE", 10)
    async with house.database.transaction() as connection:
        await connection.execute("SELECT * FROM availability FOR UPDATE")
        async with Granter(house.database, CLOCK).running() as granter:
            asked = asyncio.create_task(
                granter.reserve(Request(NewOrder("o1", "web", (OrderLine("CASE", 1),)), "test"))
            )
            await asyncio.sleep(0.1)
        async with asyncio.timeout(1):
            with pytest.raises(ProblemError, match="stopping"):
                await asked


async def test_stock_that_comes_serves_the_best_channel_first(house: House) -> None:
    database = house.database
    await put_channel(database, ChannelSpec("social", "social", priority=1))
    await order(database, "w1", 3)
    await order(database, "s1", 3, channel="social")
    await house.put("jakarta", "rack", "CASE", 4, seconds=1)
    assert await fill(database, ScaledClock(at(2))) == 4
    assert (await promised(database, "s1"), await promised(database, "w1")) == ({"jakarta": 3}, {"jakarta": 1})


async def test_a_look_for_lines_reads_not_all_that_was_ever_promised(house: House) -> None:
    """It is done every second; promises and lines are kept for good."""
    database = house.database
    await order(database, "o1", 1)
    await database.pool.execute(
        "INSERT INTO allocation (availability_id, holder_kind, holder_id, granted, held, fulfilled, made_at)"
        " SELECT 1, 'order', 1000 + n, 1, 0, 1, $1 FROM generate_series(1, 50000) AS n",
        at(0),
    )
    await database.pool.execute(
        "INSERT INTO order_line (order_id, line_no, sku_id, quantity)"
        " SELECT order_id, 1 + n, sku_id, 1 FROM order_line, generate_series(1, 50000) AS n"
    )
    await database.pool.execute("ANALYZE allocation; ANALYZE order_line")
    plan = await database.pool.fetch("EXPLAIN " + service.SQL["unserved_lines"], 200, None, None, None)
    text = "\n".join(row["QUERY PLAN"] for row in plan)
    assert "Seq Scan on allocation" not in text, text
    assert "Seq Scan on order_line" not in text, text
