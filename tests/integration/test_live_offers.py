"""What a channel may promise, told over a real WebSocket as sales happen."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import timedelta
from typing import Any, cast

import aiohttp
import pytest

from backend.api.guard import LIVE_PROTOCOL, Guard
from backend.catalog.model import SiteSpec, ZoneSpec
from backend.catalog.service import put_site
from backend.channels import service
from backend.channels.service import SQL, ChannelSpec, RuleSpec, put_channel, put_rules
from backend.live import offers
from backend.store.database import Database, Executor, Record
from tests.house import SetClock
from tests.serving import House, Serving, serving

IN_TIME_S = 20.0


class Shop:
    """Whoever sells by a channel: takes a snapshot, then deltas, and knows what may be promised by SKU and site."""

    def __init__(self, session: aiohttp.ClientSession, channel: str) -> None:
        self.session, self.channel = session, channel
        self.offers: dict[tuple[str, str], int] = {}
        self.seq = ""
        self.kinds: list[str] = []

    def take(self, message: dict[str, Any]) -> None:
        self.kinds.append(message["type"])
        keys = [(row["sku"], row["site"]) for row in message["offers"]]
        assert keys == sorted(set(keys)), "by key, each once"
        if message["type"] == "snapshot":
            assert message["channel"] == self.channel
            self.offers.clear()
        for row in message["offers"]:
            self.offers[row["sku"], row["site"]] = row["available"]
        self.offers = {key: units for key, units in self.offers.items() if units}
        self.seq = message["seq"]

    async def follow(self, done: Callable[[], bool], act: Callable[[], Awaitable[Any]] | None = None) -> None:
        """Follow from where it left off until `done`; `act` once the first message is there."""
        path = f"/api/v1/channels/{self.channel}/live?seq={self.seq}"
        async with asyncio.timeout(IN_TIME_S), self.session.ws_connect(path, protocols=(LIVE_PROTOCOL,)) as socket:
            assert socket.protocol == LIVE_PROTOCOL
            if act is not None and self.seq:
                await act()
            waits = None if self.seq else act
            while waits is not None or not done():
                message = await socket.receive_json(timeout=IN_TIME_S)
                if message["type"] != "beat":
                    self.take(message)
                if waits is not None:
                    await waits()
                    waits = None

    async def until(self, wanted: dict[tuple[str, str], int], act: Callable[[], Awaitable[Any]] | None = None) -> None:
        """Follow until exactly this may be promised."""
        try:
            await self.follow(lambda: self.offers == wanted, act)
        except TimeoutError:
            assert self.offers == wanted


@pytest.fixture
async def house(database: Database) -> House:
    """Ten cases at Jakarta and twenty at Surabaya, and two channels."""
    house = House(database)
    await house.furnish()
    for site, units in (("jakarta", 10), ("surabaya", 20)):
        await house.put(site, "rack", "CASE", units)
    for code in ("web", "market"):
        await put_channel(database, ChannelSpec(code, "website"))
    return house


@pytest.fixture
async def clock() -> SetClock:
    return SetClock(0)


@pytest.fixture
async def running(house: House, clock: SetClock) -> AsyncIterator[Serving]:
    async with serving(house.database, clock=clock) as served:
        yield served


@pytest.fixture
async def session(running: Serving) -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession(running.url) as session:
        yield session


@pytest.fixture
async def web(session: aiohttp.ClientSession) -> Shop:
    return Shop(session, "web")


async def order(session: aiohttp.ClientSession, code: str, units: int, channel: str = "web", **more: Any) -> int:
    body = {"code": code, "channel": channel, "lines": [{"sku": "CASE", "quantity": units}]} | more
    async with session.post("/api/v1/orders", json=body, headers={"Idempotency-Key": code}) as response:
        return response.status


async def test_sales_and_receipts_are_told_as_they_happen(
    session: aiohttp.ClientSession, web: Shop, house: House
) -> None:
    async def trade() -> None:
        assert await order(session, "o1", 4, sites=["jakarta"]) == 200
        await house.put("surabaya", "dock", "DRUM", 7)
        await house.put("surabaya", "rack", "CASE", -20)

    await web.until({("CASE", "jakarta"): 6, ("DRUM", "surabaya"): 7}, trade)
    assert web.kinds[0] == "snapshot"
    assert set(web.kinds[1:]) == {"delta"}
    headers = {"Idempotency-Key": "c"}

    async def cancel() -> None:
        async with session.post("/api/v1/orders/o1/events", json={"event": "cancel"}, headers=headers) as response:
            assert response.status == 200

    web.kinds.clear()
    await web.until({("CASE", "jakarta"): 10, ("DRUM", "surabaya"): 7}, cancel)


async def test_whoever_comes_back_is_told_what_it_missed(
    session: aiohttp.ClientSession, web: Shop, house: House
) -> None:
    other = Shop(session, "web")
    await web.until({("CASE", "jakarta"): 10, ("CASE", "surabaya"): 20})
    async with session.ws_connect("/api/v1/channels/web/live") as watching:
        await watching.receive_json(timeout=IN_TIME_S)
        for number in range(3):
            assert await order(session, f"o{number}", 1, sites=["jakarta"]) == 200
            await asyncio.sleep(0.2)
        web.kinds.clear()
        await web.until({("CASE", "jakarta"): 7, ("CASE", "surabaya"): 20})
    assert set(web.kinds) == {"delta"}
    await other.until(web.offers)
    assert other.kinds == ["snapshot"]
    web.seq = "feedbeef.7"
    web.kinds.clear()
    web.offers = {}
    await web.until(other.offers)
    assert web.kinds == ["snapshot"], "of another server"


async def test_rules_are_told_to_those_whom_they_concern(
    session: aiohttp.ClientSession, web: Shop, house: House
) -> None:
    database = house.database
    await web.until({("CASE", "jakarta"): 10, ("CASE", "surabaya"): 20})
    rules = [RuleSpec(site="jakarta", protected=6), RuleSpec(site="surabaya", buffer=5)]
    await web.until({("CASE", "jakarta"): 4, ("CASE", "surabaya"): 20}, lambda: put_rules(database, "market", rules))
    market = Shop(session, "market")
    await market.until({("CASE", "jakarta"): 10, ("CASE", "surabaya"): 15})
    sold = lambda: order(session, "m1", 5, "market", sites=["jakarta"])  # noqa: E731
    await market.until({("CASE", "jakarta"): 5, ("CASE", "surabaya"): 15}, sold)
    await web.until({("CASE", "jakarta"): 4, ("CASE", "surabaya"): 20})
    hand = "UPDATE channel SET open = false WHERE code = 'web'"
    await web.until({}, lambda: database.pool.execute(hand))
    await put_channel(database, ChannelSpec("web", "website"))
    await web.until({("CASE", "jakarta"): 4, ("CASE", "surabaya"): 20})


async def test_a_lot_that_is_held_or_expires_is_told(
    session: aiohttp.ClientSession, web: Shop, house: House, clock: SetClock
) -> None:
    day = (clock.now() + timedelta(days=1)).date()
    database = house.database
    await database.pool.execute("INSERT INTO lot (sku_id, code) SELECT sku_id, 'L1' FROM sku WHERE code = 'CASE'")
    await database.pool.execute("UPDATE availability SET lot_id = (SELECT lot_id FROM lot WHERE code = 'L1')")
    before = {("CASE", "jakarta"): 10, ("CASE", "surabaya"): 20}
    await web.until(before)

    async def say(status: str) -> None:
        body, headers = {"status": status, "reason": "x"}, {"Idempotency-Key": f"lot {status}"}
        async with session.post("/api/v1/lots/CASE/L1/status", json=body, headers=headers) as response:
            assert response.status == 200, await response.text()

    await web.until({}, lambda: say("held"))
    await web.until(before, lambda: say("released"))
    await database.pool.execute("UPDATE lot SET expires_on = $1 WHERE code = 'L1'", day)
    await database.pool.execute("UPDATE site SET time_zone = 'UTC' WHERE code = 'surabaya'")

    async def sleep() -> None:
        clock.seconds = (33 + 1) * 3600  # the second midnight of Jakarta, 17:00 UTC, is over; not yet that of UTC

    await web.until({("CASE", "surabaya"): 20}, sleep)


async def test_a_date_that_becomes_known_is_told_with_the_next_look(
    monkeypatch: pytest.MonkeyPatch, web: Shop, house: House, clock: SetClock
) -> None:
    monkeypatch.setattr(offers, "LOOK_S", 0.2)
    await web.until({("CASE", "jakarta"): 10, ("CASE", "surabaya"): 20})
    past = (clock.now() - timedelta(days=2)).date()
    await web.until({}, lambda: house.database.pool.execute("UPDATE lot SET expires_on = $1", past))


async def test_the_region_of_a_site_is_told_and_its_change(session: aiohttp.ClientSession, house: House) -> None:
    regions: dict[str, str] = {}
    async with session.ws_connect("/api/v1/channels/web/live") as socket, asyncio.timeout(IN_TIME_S):
        while regions != {"jakarta": "west", "surabaya": "java"}:
            message = await socket.receive_json(timeout=IN_TIME_S)
            regions |= {row["site"]: row["region"] for row in message.get("offers", ())}
            zones = (ZoneSpec("rack", "storage"),)
            await put_site(house.database, SiteSpec("jakarta", "Jakarta", "west", "Asia/Jakarta", zones))


@pytest.mark.parametrize("seed", range(3))
async def test_whatever_happens_the_last_word_is_what_is_there(
    session: aiohttp.ClientSession, web: Shop, house: House, seed: int
) -> None:
    """A hundred things, ten at once, a line that breaks in between; then each SKU is what the API says of it."""
    chance = random.Random(seed)

    async def one(number: int) -> None:
        site, sku = chance.choice(("jakarta", "surabaya")), chance.choice(("CASE", "DRUM"))
        if chance.random() < 0.5:
            await house.put(site, "rack", sku, chance.choice((1, 2, 5, -1, -3)))
        else:
            await order(session, f"s{number}", chance.randint(1, 3), chance.choice(("web", "market")), sites=[site])

    async def trade() -> None:
        for part in range(10):
            await asyncio.gather(*(one(part * 10 + number) for number in range(10)))

    async def said() -> dict[tuple[str, str], int]:
        found: dict[tuple[str, str], int] = {}
        for sku in ("CASE", "DRUM"):
            async with session.get(f"/api/v1/channels/web/available?sku={sku}") as response:
                found |= {(sku, row["site"]): row["available"] for row in (await response.json())["sites"]}
        return {key: units for key, units in found.items() if units}

    trading = asyncio.create_task(trade())
    await web.follow(lambda: bool(web.kinds))
    await trading
    await web.until(await said())


async def test_the_feed_comes_back_after_the_database_was_away(web: Shop, house: House) -> None:
    async def cut() -> None:
        await house.database.pool.fetchval(
            "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity"
            " WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )
        web.kinds.clear()
        await house.put("jakarta", "rack", "CASE", 5)

    await web.until({("CASE", "jakarta"): 15, ("CASE", "surabaya"): 20}, cut)
    assert "snapshot" in web.kinds


async def test_a_channel_that_nobody_follows_any_more_is_not_asked_of(
    monkeypatch: pytest.MonkeyPatch, web: Shop, running: Serving, house: House
) -> None:
    monkeypatch.setattr(offers, "KEEP_S", 0.0)
    await web.until({("CASE", "jakarta"): 10, ("CASE", "surabaya"): 20})
    asked: list[object] = []
    real = offers.offers

    async def counted(*given: Any) -> Any:
        asked.append(given)
        return await real(*given)

    monkeypatch.setattr(offers, "offers", counted)
    await asyncio.sleep(1.5)
    asked.clear()
    await house.put("jakarta", "rack", "CASE", 5)
    await asyncio.sleep(1.5)
    assert asked == []
    await web.until({("CASE", "jakarta"): 15, ("CASE", "surabaya"): 20})
    assert asked


async def test_strangers_and_channels_that_are_none_are_refused(database: Database, house: House) -> None:
    async with (
        serving(house.database, Guard("a-token-of-some-length")) as served,
        aiohttp.ClientSession(served.url) as session,
    ):
        with pytest.raises(aiohttp.WSServerHandshakeError) as caught:
            await session.ws_connect("/api/v1/channels/web/live")
        assert caught.value.status == 401
        headers = {"Authorization": "Bearer a-token-of-some-length"}
        for code in ("ghost", "%00"):
            async with session.get(f"/api/v1/channels/{code}/live", headers=headers) as answer:
                assert (answer.status, answer.content_type) == (404, "application/problem+json")
        async with session.get("/api/v1/channels/web/live", headers=headers) as answer:
            assert answer.status == 400


async def test_others_have_their_turn_between_two_channels(house: House, clock: SetClock) -> None:
    turns = 0

    async def count_turns() -> None:
        nonlocal turns
        while True:
            await asyncio.sleep(0)
            turns += 1

    class Read:
        """A store that has been read already: nothing of it is waited for."""

        def __init__(self, rows: dict[str, list[Record]]) -> None:
            self._rows = rows

        async def fetch(self, query: str, *_args: object) -> list[Record]:
            return self._rows[query]

    names = ("free_everywhere", "all_channels", "all_rules")
    pool = house.database.pool
    rows = {SQL[name]: await pool.fetch(SQL[name], *([clock.now()] if name == names[0] else [])) for name in names}
    counting = asyncio.create_task(count_turns())
    found = await service.offers(cast("Executor", Read(rows)), ["web", "market"], clock.now())
    counting.cancel()
    assert found["web"] == found["market"] != []
    assert turns >= 1
