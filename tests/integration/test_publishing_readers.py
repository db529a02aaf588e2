"""The simulated R700 over HTTP and MQTT, and the simulated Zebra readers through a real broker."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime
from typing import Any

import aiohttp
import pytest

import simulators.r700
from readers.driver import ReaderSettings, find_driver
from readers.read import EpcTable, ReadBatch, ReaderEvent
from simulators.llrp.steady import SteadyTags
from simulators.r700 import SimulatedR700
from simulators.zebra import SimulatedHandheldRfid, SimulatedZebra
from wire.clock import ScaledClock, SystemClock
from wire.mqtt import InboundMessage, MqttLink

TAGS = 10


async def until(is_so: Callable[[], Any]) -> None:
    async with asyncio.timeout(20):
        while not is_so():
            await asyncio.sleep(0.01)


def clock(speed: float = 1.0) -> ScaledClock:
    return ScaledClock(datetime(2026, 3, 1, tzinfo=UTC), speed)


@contextlib.asynccontextmanager
async def r700(**options: Any) -> AsyncIterator[tuple[SimulatedR700, aiohttp.ClientSession]]:
    reader = SimulatedR700("door-1", SteadyTags(TAGS, 200.0, 4), clock(), **options)
    url = f"http://127.0.0.1:{await reader.start()}"
    try:
        async with aiohttp.ClientSession(url) as session:
            yield reader, session
    finally:
        await reader.stop()


async def start(session: aiohttp.ClientSession, preset: str = "default") -> int:
    async with session.post(f"/api/v1/profiles/inventory/presets/{preset}/start") as answer:
        return answer.status


async def status(session: aiohttp.ClientSession) -> str:
    async with session.get("/api/v1/status") as answer:
        return str((await answer.json())["status"])


async def test_an_r700_streams_what_it_sees_from_the_start_of_a_preset_to_its_stop() -> None:
    async with r700() as (_, session), session.get("/api/v1/data/stream") as stream:
        assert await status(session) == "idle"
        assert await start(session) == 204
        assert await status(session) == "running"
        told = json.loads(await stream.content.readline())
        assert told["inventoryStatusEvent"] == {"inventoryStatus": "running"}
        events = [json.loads(await stream.content.readline()) for _ in range(3 * TAGS)]
        assert len({event["tagInventoryEvent"]["epcHex"] for event in events}) == TAGS
        async with session.post("/api/v1/profiles/stop") as answer:
            assert answer.status == 204
        while "inventoryStatusEvent" not in (told := json.loads(await stream.content.readline())):
            pass
        assert told["inventoryStatusEvent"] == {"inventoryStatus": "idle"}


async def test_an_r700_that_has_nothing_to_say_keeps_the_stream_alive(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(simulators.r700, "STREAM_KEEPALIVE_S", 0.05)
    async with r700() as (_, session), session.get("/api/v1/data/stream") as stream:
        assert [await stream.content.readline() for _ in range(3)] == [b"\r\n"] * 3


async def test_an_r700_knows_its_presets_and_wants_its_password() -> None:
    async with r700(password="impinj") as (_, session):
        async with session.get("/api/v1/status") as answer:
            assert answer.status == 401
        login = {"Authorization": "Basic cm9vdDppbXBpbmo="}  # root:impinj
        async with session.get("/api/v1/profiles/inventory/presets", headers=login) as answer:
            assert "default" in await answer.json()
        path = "/api/v1/profiles/inventory/presets/mine/start"
        async with session.post(path, headers=login) as answer:
            assert answer.status == 404


@pytest.mark.parametrize(
    "settings",
    [{"active": True}, {"colour": 1}, {"brokerPort": "1883"}, {"eventQualityOfService": 0}, [], None],
    ids=["no broker", "unknown", "type", "quality of service", "no object", "no JSON"],
)
async def test_an_r700_refuses_settings_it_cannot_keep(settings: Any) -> None:
    async with r700() as (reader, session):
        data = b"{" if settings is None else json.dumps(settings).encode()
        async with session.put("/api/v1/mqtt", data=data) as answer:
            assert answer.status == 400
        assert not reader.mqtt["active"]


async def test_an_r700_publishes_to_the_broker_it_is_told(broker: Any) -> None:
    got: list[InboundMessage] = []
    async with r700() as (_, session), listening(broker, "r700/events", got):
        settings = {
            "active": True,
            "brokerHostname": "127.0.0.1",
            "brokerPort": broker.port,
            "eventTopic": "r700/events",
        }
        async with session.put("/api/v1/mqtt", json=settings) as answer:
            assert answer.status == 204
        await start(session)
        await until(lambda: len(got) > TAGS)
        events = [json.loads(message.payload) for message in got]
        assert events[0]["eventType"] == "inventoryStatus"
        assert {event["hostname"] for event in events} == {"door-1"}


@contextlib.asynccontextmanager
async def listening(broker: Any, topics: str, into: list[InboundMessage]) -> AsyncIterator[MqttLink]:
    async def hear(message: InboundMessage) -> None:
        into.append(message)

    link = MqttLink(broker.url, "listener")
    link.subscribe(topics, hear)
    async with link:
        await link.wait_connected()
        yield link


async def test_a_zebra_obeys_answers_and_publishes(broker: Any) -> None:
    got: list[InboundMessage] = []
    link = MqttLink(broker.url, "zebra-7")
    zebra = SimulatedZebra("7", SteadyTags(TAGS, 5.0, 4), clock(speed=60), link)
    async with listening(broker, "zebra/7/#", got) as client, link, zebra:
        await link.wait_connected()

        def said(topic: str) -> list[dict[str, Any]]:
            return [json.loads(message.payload) for message in got if message.topic == f"zebra/7/{topic}"]

        await client.publish("zebra/7/ctrl/cmd", b'{"command": "start", "command_id": "a"}')
        await until(lambda: len(said("data")) > 3 * TAGS and said("events"))
        await client.publish("zebra/7/ctrl/cmd", b'{"command": "stop", "command_id": "b"}')
        await client.publish("zebra/7/ctrl/cmd", b"[]")
        await until(lambda: len(said("ctrl/res")) == 3)
    assert not zebra.is_on
    answers = [(answer["command_id"], answer["response"]) for answer in said("ctrl/res")]
    assert answers == [("a", "success"), ("b", "success"), (None, "failure")]
    numbers = [event["data"]["eventNum"] for event in said("data")]
    assert numbers == list(range(1, len(numbers) + 1))
    assert said("events")[0]["type"] == "heartbeat"


async def test_events_wait_for_a_broker_that_is_away(make_broker: Callable[..., Any]) -> None:
    got: list[InboundMessage] = []
    broker = make_broker()
    link = MqttLink(broker.url, "zebra-8")
    zebra = SimulatedZebra("8", SteadyTags(TAGS, 100.0, 4), clock(), link)
    async with link, zebra:
        zebra.switch(True)
        await asyncio.sleep(0.3)
        zebra.switch(False)
        await broker.start()
        async with listening(broker, "zebra/8/data", got):
            await until(lambda: len(got) >= TAGS)
    assert json.loads(got[0].payload)["data"]["eventNum"] == 1


async def test_a_handheld_tells_what_one_pull_of_its_trigger_saw(broker: Any) -> None:
    got: list[InboundMessage] = []
    link = MqttLink(broker.url, "rfd40")
    handheld = SimulatedHandheldRfid("S1", SteadyTags(TAGS, 200.0, 1), clock(), link, tenant="t")
    async with listening(broker, "t/DATA/clients/data1event/S1", got), link:
        await link.wait_connected()
        handheld.press()
        await asyncio.sleep(0.2)
        sent = await handheld.release()
        assert sent == 1
        assert await handheld.release() == 0
        await until(lambda: len(got) == 1)
    assert len(json.loads(got[0].payload)["data"]["tagData"]) == TAGS


@contextlib.asynccontextmanager
async def driving(name: str, address: str, **options: Any) -> AsyncIterator[dict[tuple[str, int], float]]:
    """A gateway's own driver of such a reader; (EPC, antenna) → RSSI of what it delivers."""
    epcs, seen = EpcTable(), {}

    def take(event: ReaderEvent) -> None:
        if isinstance(event, ReadBatch):
            for row in event.reads:
                seen[epcs.hex(row["epc"]), int(row["antenna"])] = float(row["rssi_dbm"])

    settings = ReaderSettings("door", address, (1, 2, 3, 4), options)
    task = asyncio.create_task(find_driver(name)(settings, epcs, SystemClock(), take).run())
    try:
        yield seen
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


def expected(tags: SteadyTags, rssi_dbm: float) -> dict[tuple[str, int], float]:
    return {(epc.hex().upper(), number % 4 + 1): rssi_dbm for number, epc in enumerate(tags.epcs)}


async def test_the_gateways_driver_reads_a_simulated_r700() -> None:
    tags = SteadyTags(TAGS, 200.0, 4)
    reader = SimulatedR700("door-1", tags, SystemClock())
    url = f"http://127.0.0.1:{await reader.start()}"
    try:
        async with driving("impinj-iot", url, preset="default") as seen:
            await until(lambda: len(seen) == TAGS)
    finally:
        await reader.stop()
    assert seen == expected(tags, -60.0)


async def test_the_gateways_driver_reads_a_simulated_zebra(broker: Any) -> None:
    tags = SteadyTags(TAGS, 100.0, 4)
    link = MqttLink(broker.url, "zebra-9")
    zebra = SimulatedZebra("9", tags, SystemClock(), link)
    async with driving("zebra-iot", broker.url, data_topic="zebra/9/data") as seen, link, zebra:
        zebra.switch(True)
        await until(lambda: len(seen) == TAGS)
    assert seen == expected(tags, -60.0)
