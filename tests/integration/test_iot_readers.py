"""Readers of Impinj and Zebra as their own interfaces speak: a stream that breaks, brokers that go and come back."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import json
import logging
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime
from typing import Any, Self

import pytest
from aiohttp import web

import readers.backoff
import wire.mqtt
from readers.driver import Driver, ReaderSettings, find_driver
from readers.errors import ReaderError
from readers.read import EpcTable, ReadBatch, ReaderEvent, ReaderNotice, ReaderState
from wire.clock import ScaledClock, SystemClock
from wire.mqtt import MqttLink

EPCS = ["30340000000000000000000A", "30340000000000000000000B"]


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wire.mqtt, "RECONNECT_MIN_S", 0.05)
    monkeypatch.setattr(wire.mqtt, "RECONNECT_MAX_S", 0.2)
    monkeypatch.setattr(readers.backoff.Backoff, "next_wait_s", lambda _: 0.05)
    for name in ("amqtt", "transitions"):
        logging.getLogger(name).setLevel(logging.CRITICAL)


async def until(true: Callable[[], Any], within_s: float = 20) -> None:
    async with asyncio.timeout(within_s):
        while not true():
            await asyncio.sleep(0.01)


def impinj_tag(epc: str, **fields: Any) -> dict[str, Any]:
    at = datetime.now(UTC).isoformat()
    tag = {"epcHex": epc, "antennaPort": 2, "peakRssiCdbm": -5550, "lastSeenTime": at} | fields
    return {"timestamp": at, "hostname": "impinj-1", "eventType": "tagInventory", "tagInventoryEvent": tag}


class R700:
    """The reader's web server: a status, a stream whose lines the test writes, and a preset that can be started."""

    def __init__(self) -> None:
        self.status = "idle"
        self.has_status = True
        self.started: list[str] = []
        self.streams: list[web.StreamResponse] = []
        self.opened = 0
        self.auth: set[str | None] = set()
        self.port = 0
        self._runner: web.AppRunner | None = None

    async def start(self) -> None:
        app = web.Application()
        app.add_routes(
            [
                web.get("/api/v1/data/stream", self._stream),
                web.get("/api/v1/status", self._status),
                web.post("/api/v1/profiles/inventory/presets/{preset}/start", self._start),
            ]
        )
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", self.port).start()
        self.port = self._runner.addresses[0][1]

    async def stop(self) -> None:
        if self._runner is not None:
            await self.hang_up()
            await self._runner.cleanup()
            self._runner = None

    async def say(self, data: bytes) -> None:
        for stream in self.streams:
            await stream.write(data)

    async def hang_up(self) -> None:
        for stream in self.streams:
            if stream._payload_writer is not None and stream._payload_writer.transport is not None:
                stream._payload_writer.transport.abort()
        self.streams.clear()

    async def _stream(self, request: web.Request) -> web.StreamResponse:
        self.auth.add(request.headers.get("Authorization"))
        self.opened += 1
        stream = web.StreamResponse()
        await stream.prepare(request)
        self.streams.append(stream)
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.Event().wait()
        return stream

    async def _status(self, _request: web.Request) -> web.Response:
        return web.json_response({"status": self.status}) if self.has_status else web.Response(status=404)

    async def _start(self, request: web.Request) -> web.Response:
        preset = request.match_info["preset"]
        if preset != "dock door":
            return web.Response(status=404, text="no such preset")
        self.started.append(preset)
        self.status = "running"
        return web.Response(status=204)


@pytest.fixture
async def r700() -> AsyncIterator[R700]:
    made = R700()
    await made.start()
    yield made
    await made.stop()


class Running:
    """A driver that runs, and what it delivered."""

    def __init__(self, driver: str, address: str, antennas: tuple[int, ...] = (1, 2), **options: Any) -> None:
        self.events: list[ReaderEvent] = []
        self.epcs = EpcTable()
        settings = ReaderSettings("door", address, antennas, options)
        self.driver: Driver = find_driver(driver)(settings, self.epcs, SystemClock(), self.events.append)
        self._task: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        self._task = asyncio.create_task(self.driver.run())
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._task is not None
        assert not self._task.done()
        self._task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await self._task

    @property
    def reads(self) -> list[tuple[str, int, float]]:
        return [
            (self.epcs.hex(row["epc"]), int(row["antenna"]), float(row["rssi_dbm"]))
            for event in self.events
            if isinstance(event, ReadBatch)
            for row in event.reads
        ]

    @property
    def states(self) -> list[list[int]]:
        return [sorted(event.antennas) for event in self.events if isinstance(event, ReaderState)]


async def test_the_stream_is_read_however_it_is_cut_and_the_preset_started(r700: R700) -> None:
    address = f"http://root:secret@127.0.0.1:{r700.port}"
    async with Running("impinj-iot", address, preset="dock door", status_every_s=0.1) as one:
        await until(lambda: one.states == [[1, 2]])
        assert one.reads == []
        assert r700.started == ["dock door"]
        assert r700.auth == {"Basic " + base64.b64encode(b"root:secret").decode()}
        lines = b"".join(json.dumps(impinj_tag(epc)).encode() + b"\r\n" for epc in EPCS)
        for cut in range(0, len(lines), 100):
            await r700.say(lines[cut : cut + 100])
            await asyncio.sleep(0)
        await r700.say(b"\r\n")
        await until(lambda: len(one.reads) == 2)
        assert one.reads == [(epc, 2, -55.5) for epc in EPCS]
        r700.status = "idle"
        await until(lambda: one.states == [[1, 2], []])
    assert one.states == [[1, 2], []]


async def test_a_broken_stream_is_opened_again_and_logged_once(r700: R700, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "readers")
    r700.status = "running"
    async with Running("impinj-iot", f"http://127.0.0.1:{r700.port}", status_every_s=0.1) as one:
        await until(lambda: one.states == [[1, 2]])
        await r700.stop()
        await until(lambda: one.states == [[1, 2], []])
        await asyncio.sleep(0.3)
        await r700.start()
        await until(lambda: one.states == [[1, 2], [], [1, 2]])
    said = [record.getMessage() for record in caplog.records]
    assert sum("no inventory" in line for line in said) == 1
    assert sum("inventorying again" in line for line in said) == 1
    assert one.states[-1] == [], "a driver that ends says that its antennas see no more"


async def test_a_reader_without_a_status_page_is_judged_by_what_it_says(r700: R700) -> None:
    r700.has_status = False
    options = {"status_every_s": 0.1, "silence_s": 1.0}
    async with Running("impinj-iot", f"http://127.0.0.1:{r700.port}", **options) as one:
        await until(lambda: r700.streams)
        await r700.say(json.dumps(impinj_tag(EPCS[0])).encode() + b"\n" + b"no json\n" + b"x" * 70_000 + b"\n")
        await until(lambda: len(one.reads) == 1 and one.states)
        await until(lambda: one.states == [[1, 2], []])
        await until(lambda: r700.opened == 2)
    faults = [event.detail.split(":")[0] for event in one.events if isinstance(event, ReaderNotice)]
    assert sorted(faults) == ["json", "line"]


async def test_a_preset_that_does_not_exist_is_named(r700: R700, caplog: pytest.LogCaptureFixture) -> None:
    async with Running("impinj-iot", f"http://127.0.0.1:{r700.port}", preset="none") as one:
        await until(lambda: "preset 'none' cannot be started: 404 no such preset" in caplog.text)
    assert one.states == []


async def test_events_of_an_r700_through_a_broker(broker: Any) -> None:
    async with (
        Running("impinj-iot", broker.url, event_topic="r700/events", hostname="impinj-1", silence_s=1.0) as one,
        MqttLink(broker.url, "reader") as reader,
    ):
        foreign = impinj_tag(EPCS[1]) | {"hostname": "impinj-2"}
        await _publish_until(reader, "r700/events", [impinj_tag(EPCS[0]), foreign], lambda: one.reads)
        assert {read[0] for read in one.reads} == {EPCS[0]}
        await until(lambda: one.states == [[1, 2], []])
        status = {"eventType": "inventoryStatus", "inventoryStatusEvent": {"inventoryStatus": "running"}}
        await reader.publish("r700/events", json.dumps(status).encode())
        await until(lambda: one.states == [[1, 2], [], [1, 2]])


async def test_a_fixed_zebra_lives_by_its_heartbeats(broker: Any) -> None:
    options = {"data_topic": "zebra/fx/data", "events_topic": "zebra/fx/events", "silence_s": 1.5}
    tag = {"data": {"eventNum": 1, "format": "epc", "idHex": EPCS[0].lower(), "antenna": 2, "peakRssi": -61}}
    async with Running("zebra-iot", broker.url, **options) as one, MqttLink(broker.url, "reader") as reader:
        await _publish_until(reader, "zebra/fx/data", [tag | {"type": "SIMPLE"}], lambda: one.reads)
        assert one.reads[0] == (EPCS[0], 2, -61.0)
        for _ in range(12):
            await asyncio.sleep(0.2)
            await reader.publish("zebra/fx/events", b'{"type": "heartbeat", "data": {}}')
        assert one.states == [[1, 2]]
        await until(lambda: one.states == [[1, 2], []])


async def test_a_zebra_handheld_reads_with_its_only_antenna_and_a_lost_broker_turns_it_off(broker: Any) -> None:
    event = {"type": "BALANCED_PERFORMANCE", "data": {"tagData": [{"EPCid": epc, "peakRssi": -52} for epc in EPCS]}}
    topic = "tenant/DATA/clients/data1event/123"
    async with (
        Running("zebra-iot", broker.url, (1,), data_topic="tenant/DATA/clients/data1event/+") as one,
        MqttLink(broker.url, "reader") as reader,
    ):
        await _publish_until(reader, topic, [event], lambda: one.reads)
        assert one.reads[:2] == [(epc, 1, -52.0) for epc in EPCS]
        await broker.stop()
        await until(lambda: one.states == [[1], []])
        await broker.start()
        await _publish_until(reader, topic, [event], lambda: one.states[-1] == [1])


async def test_what_a_broker_kept_is_no_read_of_now(broker: Any) -> None:
    async with MqttLink(broker.url, "reader") as reader:
        kept = {"type": "SIMPLE", "data": {"idHex": EPCS[0], "antenna": 1}}
        await reader.publish("fx/data", json.dumps(kept).encode(), retain=True)
        async with Running("zebra-iot", broker.url, data_topic="fx/data") as one:
            kept["data"] = {"idHex": EPCS[1], "antenna": 1}
            await _publish_until(reader, "fx/data", [kept], lambda: one.reads)
    assert {read[0] for read in one.reads} == {EPCS[1]}


@pytest.mark.parametrize(
    ("driver", "address", "options", "says"),
    [
        ("impinj-iot", "10.0.0.1", {}, "write http://host"),
        ("impinj-iot", "http://h/x", {}, "an address is http"),
        ("impinj-iot", "http://h", {"colour": 1}, "colour"),
        ("impinj-iot", "http://h", {"event_topic": "x"}, "event_topic means nothing"),
        ("impinj-iot", "http://h", {"ca": "/no/such"}, "certificate /no/such"),
        ("impinj-iot", "mqtt://h", {}, "need the option event_topic"),
        ("impinj-iot", "mqtt://h", {"event_topic": "x", "preset": "p"}, "preset means nothing"),
        ("zebra-iot", "mqtt://h", {}, "data_topic"),
        ("zebra-iot", "http://h", {"data_topic": "x"}, "broker's URL"),
        ("zebra-iot", "mqtt://h", {"data_topic": "x", "topic": "y"}, "topic"),
        ("sllurp", "h", {"colour": 1}, "colour"),
    ],
)
def test_what_cannot_work_is_refused_at_once(driver: str, address: str, options: dict[str, Any], says: str) -> None:
    settings = ReaderSettings("door", address, (1,), options)
    with pytest.raises(ReaderError, match=says):
        find_driver(driver)(settings, EpcTable(), ScaledClock(datetime.now(UTC)), lambda _: None)


async def _publish_until(
    link: MqttLink, topic: str, events: list[dict[str, Any]], heard: Callable[[], Any], within_s: float = 20
) -> None:
    """Publish until somebody heard: when a driver's subscription stands, only its broker knows."""
    await link.wait_connected()
    async with asyncio.timeout(within_s):
        while not heard():
            for event in events:
                await link.publish(topic, json.dumps(event).encode())
            await asyncio.sleep(0.05)
