"""The whole gateway against a real broker: a scripted reader in front, a backend that keeps only cursors behind."""

import asyncio
import contextlib
import json
import logging
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, ClassVar

import aiohttp
import pytest

import gateway.app
import gateway.publisher
import gateway.supervisor
import wire.mqtt
from gateway.app import run_gateway
from gateway.config import GatewayConfig
from gateway.errors import ConfigError, JournalError, JournalFullError
from gateway.journal import JournalFile
from gateway.stats import GatewayStats
from readers.driver import Deliver, ReaderSettings
from readers.errors import DriverNotFoundError
from readers.read import EpcTable, ReadBatch, ReaderState, empty_reads, to_us
from tests.cursor_backend import CursorBackend
from wire.ack import ScanOutcome, ScanRequest, decode_scan_outcome
from wire.clock import Clock, ScaledClock
from wire.events import ReaderHealth, Scan, encode
from wire.mqtt import InboundMessage, MqttLink
from wire.topics import topic

START = datetime(2026, 11, 23, 8, 0, tzinfo=UTC)


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wire.mqtt, "RECONNECT_MIN_S", 0.05)
    monkeypatch.setattr(wire.mqtt, "RECONNECT_MAX_S", 0.2)
    monkeypatch.setattr(gateway.app, "DRAIN_S", 1.0)
    for name in ("amqtt", "transitions"):
        logging.getLogger(name).setLevel(logging.CRITICAL)


async def until(true: Callable[[], Any], within_s: float = 30) -> None:
    async with asyncio.timeout(within_s):
        while not true():  # what is awaited is another program's doing
            await asyncio.sleep(0.01)


class ScriptedReader:
    """A driver whose reader sees the tags in `present` ten times a second."""

    present: ClassVar[set[int]] = set()
    breakdowns = 0

    def __init__(self, settings: ReaderSettings, epcs: EpcTable, clock: Clock, deliver: Deliver) -> None:
        self._settings, self._epcs, self._clock, self._deliver = settings, epcs, clock, deliver

    async def run(self) -> None:
        name, antennas = self._settings.name, frozenset(self._settings.antennas)
        self._deliver(ReaderState(name, antennas, to_us(self._clock.now())))
        while True:
            await self._clock.sleep(0.1)
            if ScriptedReader.breakdowns:
                ScriptedReader.breakdowns -= 1
                raise RuntimeError("the driver's own mistake")
            if ScriptedReader.present:
                reads = empty_reads(len(ScriptedReader.present))
                at_us = to_us(self._clock.now())
                reads["epc"] = self._epcs.numbers(tag.to_bytes(12, "big") for tag in sorted(ScriptedReader.present))
                reads["antenna"] = 1
                reads["rssi_dbm"] = -55.0
                reads["at_us"] = reads["first_at_us"] = at_us
                self._deliver(ReadBatch(name, reads, at_us))


@pytest.fixture(autouse=True)
def scripted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gateway.app, "find_driver", lambda _name: ScriptedReader)
    ScriptedReader.present = set()
    ScriptedReader.breakdowns = 0


def settings(url: str, folder: Path, **changes: Any) -> GatewayConfig:
    return GatewayConfig.model_validate(
        {
            "site": "jkt",
            "gateway": "gate",
            "zones": [{"code": "dock"}],
            "readers": [{"name": "r1", "address": "nowhere", "antennas": [{"port": 1, "zone": "dock"}]}],
            "journal": {"path": str(folder / "gate.journal")},
            "mqtt": {"url": url, "retry_s": 0.3, "retry_max_s": 1.0},
        }
        | changes
    )


class Gateway:
    """run_gateway as a task that can be stopped cleanly or cut off."""

    def __init__(self, config: GatewayConfig, start: datetime = START) -> None:
        self.stats = GatewayStats()
        self.stop = asyncio.Event()
        self.clock = ScaledClock(start, 5.0)
        self.task = asyncio.create_task(run_gateway(config, self.clock, stop=self.stop, stats=self.stats))

    async def end(self) -> None:
        self.stop.set()
        await asyncio.wait_for(self.task, 20)

    async def cut_off(self) -> None:
        self.task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await self.task


async def test_reads_become_movements_that_the_backend_has_once(broker: Any, tmp_path: Path) -> None:
    async with CursorBackend(broker.url).running() as backend:
        one = Gateway(settings(broker.url, tmp_path))
        ScriptedReader.present = set(range(1, 41))
        await until(lambda: len(backend.movements("arrived")) == 40)
        await until(lambda: one.stats.backlog == 0)
        assert one.stats.online
        assert one.stats.readers == {"r1": True}
        assert one.stats.movements == 40
        assert one.stats.clock_offset_s is not None
        await one.end()
    assert sorted(backend.movements("arrived")) == list(range(1, 41))
    assert [event.state for event in backend.applied if isinstance(event, ReaderHealth)] == ["connected"]
    assert [status.online for status in backend.status] == [True, False]
    assert backend.status[0].config_hash == settings(broker.url, tmp_path).hash
    assert backend.status[0].zones == ("dock",)


async def test_a_restart_neither_repeats_an_arrival_nor_loses_what_waited(broker: Any, tmp_path: Path) -> None:
    config = settings(broker.url, tmp_path)
    backend = CursorBackend(broker.url)
    backend.mute = True
    async with backend.running():
        one = Gateway(config)
        ScriptedReader.present = set(range(1, 21))
        await until(lambda: one.stats.movements == 20)
        await one.cut_off()
        backend.mute = False
        ScriptedReader.present = set(range(1, 31))
        other = Gateway(config, one.clock.now())
        await until(lambda: len(backend.movements("arrived")) == 30)
        await asyncio.sleep(0.5)
        await other.end()
    assert sorted(backend.movements("arrived")) == list(range(1, 31))
    assert other.stats.movements == 10, "the first twenty were known from the journal"


async def test_a_site_without_its_broker_loses_nothing(broker: Any, tmp_path: Path) -> None:
    backend = CursorBackend(broker.url)
    async with backend.running():
        one = Gateway(settings(broker.url, tmp_path))
        ScriptedReader.present = {1}
        await until(lambda: backend.movements("arrived") == [1])
        await broker.stop()
        ScriptedReader.present = set(range(1, 101))
        await until(lambda: one.stats.movements == 100)
        await until(lambda: one.stats.backlog >= 99)
        await until(lambda: not one.stats.online)
        await broker.start()
        await until(lambda: len(backend.movements("arrived")) == 100)
        await one.end()
    assert sorted(backend.movements("arrived")) == list(range(1, 101))


async def test_a_restored_database_is_filled_again_even_when_nothing_new_happens(
    broker: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gateway.publisher, "PROBE_S", 0.3)
    backend = CursorBackend(broker.url)
    async with backend.running():
        one = Gateway(settings(broker.url, tmp_path))
        ScriptedReader.present = set(range(1, 51))
        await until(lambda: len(backend.movements("arrived")) == 50)
        await until(lambda: one.stats.backlog == 0)
        backend.store, backend.store_made_at = "0b0b0b0b", datetime.now(UTC)
        backend.cursors = dict.fromkeys(backend.cursors, 10)
        backend.applied = backend.applied[:10]
        await until(lambda: len(backend.movements("arrived")) == 50)
        assert one.stats.rewinds == 1
        await one.end()
    assert sorted(backend.movements("arrived")) == list(range(1, 51))
    assert not backend.lost


async def test_handhelds_hear_what_became_of_their_scans(broker: Any, tmp_path: Path) -> None:
    heard: list[ScanOutcome] = []

    async def hear(message: InboundMessage) -> None:
        heard.append(decode_scan_outcome(message.payload))

    def request(number: int) -> bytes:
        return encode(
            ScanRequest(scan_id=f"s{number}", operator="ani", intent="pick", code="4006381333931", scanned_at=START)
        )

    handheld = MqttLink(broker.url, "hand-1")
    handheld.subscribe(topic("jkt", "hand-1", "outcomes"), hear)
    scans = topic("jkt", "hand-1", "scans")
    backend = CursorBackend(broker.url)
    async with backend.running(), handheld:
        one = Gateway(settings(broker.url, tmp_path))
        await until(lambda: one.stats.online and handheld.connected)
        for _ in range(3):
            await handheld.publish(scans, request(1))
        await until(lambda: "applied" in [outcome.state for outcome in heard])
        await handheld.publish(scans, request(1))
        await until(lambda: len(heard) == 5)
        assert heard[-1].state == "applied", "a repeat hears the latest"
        backend.refuse_scans = True
        heard.clear()
        await handheld.publish(scans, request(2))
        await until(lambda: [outcome.state for outcome in heard] == ["stored", "refused"])
        assert heard[-1].reason == "unknown code"
        heard.clear()
        await handheld.publish(scans, json.dumps({"scan_id": "s3", "intent": "steal"}).encode())
        await until(lambda: heard)
        assert (heard[0].scan_id, heard[0].state) == ("s3", "refused")
        assert "intent" in heard[0].reason
        await handheld.publish(scans, b"\xff\x00 no JSON")
        await handheld.publish(scans, request(4))
        await until(lambda: heard[-1].scan_id == "s4")
        await one.end()
    assert [event.scan_id for event in backend.applied if isinstance(event, Scan)] == ["s1", "s2", "s4"]


async def test_a_driver_that_breaks_down_is_started_again(
    broker: Any, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    backend = CursorBackend(broker.url)
    async with backend.running():
        one = Gateway(settings(broker.url, tmp_path))
        ScriptedReader.present = {1}
        await until(lambda: backend.movements("arrived") == [1])
        ScriptedReader.breakdowns = 1
        await until(lambda: ScriptedReader.breakdowns == 0)
        ScriptedReader.present = {1, 2}
        await until(lambda: len(backend.movements("arrived")) == 2)
        await one.end()
    health = [event for event in backend.applied if isinstance(event, ReaderHealth)]
    assert [event.state for event in health] == ["connected", "lost", "fault", "connected"]
    assert "the driver's own mistake" in health[2].detail
    assert "broke down" in caplog.text


async def test_a_full_journal_stands_still_and_goes_on(
    broker: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(gateway.supervisor, "RETRY_S", 0.05)
    full = asyncio.Event()
    append = JournalFile.append

    def refusing(self: JournalFile, *args: Any) -> Any:
        if full.is_set():
            raise JournalFullError("the quota is reached")
        return append(self, *args)

    monkeypatch.setattr(JournalFile, "append", refusing)
    backend = CursorBackend(broker.url)
    async with backend.running():
        one = Gateway(settings(broker.url, tmp_path))
        ScriptedReader.present = {1}
        await until(lambda: backend.movements("arrived") == [1])
        full.set()
        ScriptedReader.present = {1, 2}
        await until(lambda: not one.stats.judging)
        await asyncio.sleep(0.5)
        assert one.stats.movements == 1
        full.clear()
        await until(lambda: sorted(backend.movements("arrived")) == [1, 2])
        assert one.stats.judging
        await one.end()
    assert backend.movements("departed") == []
    assert sum("stands still" in record.getMessage() for record in caplog.records) == 1


async def test_reads_beyond_what_may_wait_are_dropped_but_make_no_absence(
    broker: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gateway.supervisor, "RETRY_S", 0.05)
    monkeypatch.setattr(gateway.supervisor, "MAX_WAITING_READS", 5)
    full = asyncio.Event()
    append = JournalFile.append

    def refusing(self: JournalFile, *args: Any) -> Any:
        if full.is_set():
            raise JournalFullError("the quota is reached")
        return append(self, *args)

    monkeypatch.setattr(JournalFile, "append", refusing)
    config = settings(broker.url, tmp_path, rules={"window_min_ms": 500, "window_max_ms": 1000})
    backend = CursorBackend(broker.url)
    async with backend.running():
        one = Gateway(config)
        ScriptedReader.present = {1}
        await until(lambda: backend.movements("arrived") == [1])
        full.set()
        ScriptedReader.present = {1, 2}
        await until(lambda: one.stats.dropped_reads > 50)
        full.clear()
        await until(lambda: sorted(backend.movements("arrived")) == [1, 2])
        await asyncio.sleep(0.5)
        await one.end()
    assert backend.movements("departed") == [], "what was not looked at is not absent"


async def test_the_health_page_tells(broker: Any, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "gateway.health")
    one = Gateway(settings(broker.url, tmp_path, health={"port": 0}))
    await until(lambda: one.stats.online and one.stats.readers)
    url = caplog.text.split("health page at ")[1].split("/healthz")[0]
    async with aiohttp.ClientSession() as session:
        async with session.get(url + "/healthz") as answer:
            assert answer.status == 200
            body = await answer.json()
            assert (body["site"], body["healthy"], body["readers"]) == ("jkt", True, {"r1": True})
        one.stats.judging = False
        async with session.get(url + "/healthz") as answer:
            assert answer.status == 503
        async with session.get(url + "/metrics") as answer:
            text = await answer.text()
            assert 'tallyman_gateway_online{gateway="gate",site="jkt"} 1.0' in text
            assert 'tallyman_gateway_reader_up{gateway="gate",reader="r1",site="jkt"} 1.0' in text
    await one.end()


@pytest.mark.parametrize("missing", ["journal", "mqtt"])
async def test_a_missing_section_is_named(broker: Any, tmp_path: Path, missing: str) -> None:
    config = settings(broker.url, tmp_path, **{missing: None})
    with pytest.raises(ConfigError, match=missing):
        await run_gateway(config, ScaledClock(START))


async def test_what_cannot_work_ends_the_program_with_its_reason(
    broker: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = settings(broker.url, tmp_path)
    holder = JournalFile(tmp_path / "gate.journal", 1 << 30, 72.0, "refuse")
    with pytest.raises(JournalError, match="in use"):
        await run_gateway(config, ScaledClock(START))
    holder.close()
    monkeypatch.undo()
    unknown = settings(broker.url, tmp_path, readers=[{**config.readers[0].model_dump(), "driver": "no-such"}])
    with pytest.raises(DriverNotFoundError, match="no-such"):
        await run_gateway(unknown, ScaledClock(START))


async def test_a_journal_damaged_while_running_ends_the_program(
    broker: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def damaged(self: JournalFile, *args: Any) -> Any:
        raise JournalError("the journal is damaged")

    one = Gateway(settings(broker.url, tmp_path))
    await until(lambda: one.stats.online)
    monkeypatch.setattr(JournalFile, "read_from", damaged)
    ScriptedReader.present = {1}
    with pytest.raises(JournalError, match="damaged"):
        await asyncio.wait_for(one.task, 20)
