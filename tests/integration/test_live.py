"""The live feed over a real WebSocket, from rows in a real outbox."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from typing import Any

import aiohttp
import pytest

from backend.alerts.service import Alert, raise_alerts
from backend.alerts.wording import Detail
from backend.api.guard import LIVE_PROTOCOL, Guard
from backend.live import stage
from backend.store.database import Database
from tests.serving import House, Serving, at, serving

IN_TIME_S = 20.0


@pytest.fixture
async def session(served: Serving) -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession(served.url) as session:
        yield session


async def next_message(socket: aiohttp.ClientWebSocketResponse) -> dict[str, Any]:
    """The next message that says something."""
    while True:
        message = await socket.receive_json(timeout=IN_TIME_S)
        if message["type"] != "beat":
            return message


class Follower:
    """A page as seen from its data: takes a snapshot, then deltas."""

    def __init__(self) -> None:
        self.stock: dict[tuple[str, str, str], int] = {}
        self.movements: list[str] = []
        self.seq = ""
        self.kinds: list[str] = []

    def take(self, message: dict[str, Any]) -> None:
        self.kinds.append(message["type"])
        if message["type"] == "snapshot":
            self.stock.clear()
            self.movements.clear()
        for row in message["stock"]:
            self.stock[row["site"], row["zone"], row["sku"]] = row["net"]
        self.movements += [movement["id"] for movement in message["movements"]]
        self.seq = message["seq"]

    async def until(self, socket: aiohttp.ClientWebSocketResponse, done: Callable[[Follower], bool]) -> None:
        async with asyncio.timeout(IN_TIME_S):
            while not done(self):
                self.take(await next_message(socket))


async def test_first_a_snapshot_then_what_changes(session: aiohttp.ClientSession, served: Serving) -> None:
    await served.house.put("jakarta", "dock", "CASE", 3)
    await served.house.add_item(1, "jakarta", "rack")
    page = Follower()
    async with session.ws_connect("/api/v1/live", protocols=(LIVE_PROTOCOL,)) as socket:
        assert socket.protocol == LIVE_PROTOCOL
        first = await next_message(socket)
        assert first["type"] == "snapshot"
        assert [site["code"] for site in first["sites"]] == ["jakarta", "surabaya"]
        assert {zone["kind"] for zone in first["sites"][0]["zones"]} == {"dock", "storage", "in_transit"}
        page.take(first)
        await page.until(socket, lambda page: page.stock == {("jakarta", "dock", "CASE"): 3})
        await served.house.put("jakarta", "dock", "CASE", -1)
        await served.house.put("jakarta", "in_transit", "CASE", 1)
        await served.house.cross(1, "jakarta", "out", 1)
        await page.until(
            socket,
            lambda page: (
                page.stock == {("jakarta", "dock", "CASE"): 2, ("jakarta", "in_transit", "CASE"): 1}
                and len(page.movements) == 1
            ),
        )
    assert page.kinds[0] == "snapshot"
    assert set(page.kinds[1:]) == {"delta"}


async def test_a_page_that_comes_back_is_told_what_it_missed(session: aiohttp.ClientSession, served: Serving) -> None:
    await served.house.add_item(1, "jakarta", "rack")
    page = Follower()
    async with session.ws_connect("/api/v1/live") as socket:
        await served.house.cross(1, "jakarta", "out", 1)
        await page.until(socket, lambda page: len(page.movements) == 1)
    for seconds in range(2, 5):
        await served.house.cross(1, "jakarta", "in", seconds)
    page.kinds.clear()
    async with session.ws_connect(f"/api/v1/live?seq={page.seq}") as socket:
        await page.until(socket, lambda page: len(page.movements) == 4)
    assert "snapshot" not in page.kinds
    assert len(set(page.movements)) == 4


async def test_a_page_of_another_server_gets_a_snapshot(session: aiohttp.ClientSession) -> None:
    async with session.ws_connect("/api/v1/live?seq=feedbeef.7") as socket:
        assert (await next_message(socket))["type"] == "snapshot"


async def test_a_transaction_that_commits_late_is_not_passed_over(
    session: aiohttp.ClientSession, served: Serving
) -> None:
    """The older transaction holds the feed back; when it commits, both are told."""
    await served.house.add_item(1, "jakarta", "rack")
    page = Follower()
    async with session.ws_connect("/api/v1/live") as socket:
        await page.until(socket, lambda page: page.seq != "")
        async with served.house.database.transaction() as connection:
            await connection.fetchval("SELECT pg_current_xact_id()")
            await served.house.cross(1, "jakarta", "out", 1)
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(1.5):
                    await page.until(socket, lambda page: len(page.movements) == 1)
            await served.house.tell(connection, "stock", "k", {"balances": []})
    async with session.ws_connect(f"/api/v1/live?seq={page.seq}") as socket:
        await page.until(socket, lambda page: len(page.movements) == 1)


async def test_many_changes_are_gathered(session: aiohttp.ClientSession, served: Serving) -> None:
    page = Follower()
    async with session.ws_connect("/api/v1/live") as socket:
        await page.until(socket, lambda page: page.seq != "")
        for _ in range(100):
            await served.house.put("jakarta", "rack", "DRUM", 1)
        await page.until(socket, lambda page: page.stock.get(("jakarta", "rack", "DRUM")) == 100)
    assert len(page.kinds) < 60


async def test_gateways_and_alerts_are_told_without_any_stock_moving(
    session: aiohttp.ClientSession, served: Serving
) -> None:
    async with session.ws_connect("/api/v1/live") as socket:
        assert (await next_message(socket))["gateways"] == []
        await served.house.database.pool.execute("INSERT INTO gateway (gateway, online) VALUES ('g7', true)")
        delta = await next_message(socket)
        assert [(one["gateway"], one["online"]) for one in delta["gateways"]] == [("g7", True)]
        assert "alerts" not in delta


async def test_alerts_are_told_in_the_names_that_people_use(session: aiohttp.ClientSession, served: Serving) -> None:
    async def warn(things: int) -> None:
        detail = Detail(portal="d1", things=things)
        async with served.house.database.transaction() as connection:
            site_id = await connection.fetchval("SELECT site_id FROM site WHERE code = 'jakarta'")
            await raise_alerts(connection, [Alert("unexpected_departure", "7", site_id, detail)], at(0))

    async with session.ws_connect("/api/v1/live") as socket:
        assert (await next_message(socket))["alerts"] == []
        for things, said in ((1, "door d1 · 1 thing"), (3, "door d1 · 3 things")):
            await warn(things)
            (alert,) = (await next_message(socket))["alerts"]
            assert (alert["kind"], alert["site"], alert["about"]) == ("unexpected_departure", "jakarta", said)


async def test_a_client_that_takes_nothing_is_dropped_and_holds_nobody_up(
    monkeypatch: pytest.MonkeyPatch, served: Serving
) -> None:
    monkeypatch.setattr(stage, "SLOW_CLIENT_S", 0.2)
    never = asyncio.Event()
    taken: list[dict[str, Any]] = []

    async def stuck(_message: str) -> None:
        await never.wait()

    async def brisk(message: str) -> None:
        taken.append(json.loads(message))

    following = asyncio.create_task(served.hub.serve(None, brisk))
    async with asyncio.timeout(IN_TIME_S):
        with pytest.raises(TimeoutError):
            await served.hub.serve(None, stuck)
    await served.house.put("jakarta", "dock", "CASE", 1)
    async with asyncio.timeout(IN_TIME_S):
        while not any(row["net"] == 1 for message in taken for row in message.get("stock", ())):
            await asyncio.sleep(0.05)
    following.cancel()


async def test_the_feed_comes_back_after_the_database_was_away(session: aiohttp.ClientSession, served: Serving) -> None:
    page = Follower()
    async with session.ws_connect("/api/v1/live") as socket:
        await page.until(socket, lambda page: page.seq != "")
        killed = await served.house.database.pool.fetchval(
            "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity"
            " WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )
        assert killed >= 1
        page.kinds.clear()
        await served.house.put("jakarta", "dock", "CASE", 4)
        await page.until(socket, lambda page: page.stock == {("jakarta", "dock", "CASE"): 4})
    assert page.kinds[0] == "snapshot"


async def test_strangers_may_not_listen(database: Database) -> None:
    await House(database).furnish()
    async with (
        serving(database, Guard("a-token-of-some-length")) as served,
        aiohttp.ClientSession(served.url) as session,
    ):
        with pytest.raises(aiohttp.WSServerHandshakeError) as caught:
            await session.ws_connect("/api/v1/live")
        assert caught.value.status == 401
        packed = "YS10b2tlbi1vZi1zb21lLWxlbmd0aA"
        async with session.ws_connect("/api/v1/live", protocols=(LIVE_PROTOCOL, f"bearer.{packed}")) as socket:
            assert socket.protocol == LIVE_PROTOCOL
            assert (await next_message(socket))["type"] == "snapshot"


async def test_only_websockets_are_served_there(session: aiohttp.ClientSession) -> None:
    async with session.get("/api/v1/live") as answer:
        assert (answer.status, answer.content_type) == (400, "application/problem+json")
