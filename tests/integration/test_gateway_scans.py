"""Scans at the gateway: dumb scanners on a wire, and handhelds at its own listener while the site is cut off."""

from __future__ import annotations

import asyncio
import contextlib
import importlib
import logging
import shutil
import ssl
import subprocess
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import aiohttp
import pytest

import gateway.app
import gateway.listener
import gateway.wired
import wire.mqtt
from gateway.app import run_gateway
from gateway.config import GatewayConfig
from gateway.errors import ConfigError, JournalFullError
from gateway.journal import JournalFile
from gateway.stats import GatewayStats
from readers.errors import DriverNotFoundError, ReaderError
from simulators.scanner import Handheld
from tests.cursor_backend import CursorBackend
from tests.ports import free_port
from wire.ack import ScanRequest
from wire.clock import SystemClock
from wire.errors import LinkError
from wire.events import Scan, encode
from wire.mqtt import MqttLink
from wire.topics import topic

EAN, OTHER = "9506000134352", "96385074"
STORED, APPLIED, REFUSED, COMMAND = b"\x06", b"\x07", b"\x15", b"\x01"
ANSWERS = {"stored": "\x06", "applied": "\x07", "refused": "\x15", "command": "\x01"}
PASSWORD = "correct horse"
OPENSSL = shutil.which("openssl")


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wire.mqtt, "RECONNECT_MIN_S", 0.05)
    monkeypatch.setattr(wire.mqtt, "RECONNECT_MAX_S", 0.2)
    monkeypatch.setattr(gateway.app, "DRAIN_S", 1.0)
    monkeypatch.setattr(gateway.wired, "RETRY_S", 0.05)
    for name in ("amqtt", "transitions"):
        logging.getLogger(name).setLevel(logging.CRITICAL)


async def until(true: Callable[[], Any], within_s: float = 30) -> None:
    async with asyncio.timeout(within_s):
        while not true():
            await asyncio.sleep(0.01)


def settings(url: str, folder: Path, **changes: Any) -> GatewayConfig:
    return GatewayConfig.model_validate(
        {
            "site": "jkt",
            "gateway": "gate",
            "journal": {"path": str(folder / "gate.journal")},
            "mqtt": {"url": url, "retry_s": 0.3, "retry_max_s": 1.0},
        }
        | changes
    )


def gun(address: str, **changes: Any) -> dict[str, Any]:
    defaults = {"operator": "dewi", "intent": "receive", "zone": "dock"}
    return {"name": "gun", "driver": "tcp", "address": address, "defaults": defaults, "answers": ANSWERS} | changes


@contextlib.asynccontextmanager
async def running(config: GatewayConfig) -> AsyncIterator[GatewayStats]:
    stats, stop = GatewayStats(), asyncio.Event()
    task = asyncio.create_task(run_gateway(config, SystemClock(), stop=stop, stats=stats))
    try:
        yield stats
    finally:
        stop.set()
        await asyncio.wait_for(task, 20)


class Gun:
    """A scanner that serves TCP: `scan` sends codes, `heard` is what it was told."""

    def __init__(self) -> None:
        self.heard = b""
        self._writer: asyncio.StreamWriter | None = None
        self._server: asyncio.Server | None = None
        self._up = asyncio.Event()

    async def __aenter__(self) -> Gun:  # noqa: PYI034
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._server is not None
        self._server.close()
        if self._writer is not None:
            self._writer.transport.abort()
        await asyncio.sleep(0)

    @property
    def address(self) -> str:
        assert self._server is not None
        return f"127.0.0.1:{self._server.sockets[0].getsockname()[1]}"

    async def scan(self, *codes: str) -> None:
        await asyncio.wait_for(self._up.wait(), 10)
        assert self._writer is not None
        for code in codes:
            self._writer.write(code.encode() + b"\r\n")

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writer = writer
        self._up.set()
        with contextlib.suppress(ConnectionError):
            while data := await reader.read(100):
                self.heard += data


def scans(backend: CursorBackend) -> list[Scan]:
    return [event for event in backend.applied if isinstance(event, Scan)]


async def test_a_wired_scanner_hears_what_became_of_its_scans(broker: Any, tmp_path: Path) -> None:
    backend = CursorBackend(broker.url)
    async with (
        backend.running(),
        Gun() as one,
        running(settings(broker.url, tmp_path, scanners=[gun(one.address)])) as stats,
    ):
        await until(lambda: stats.online)
        await one.scan(EAN, EAN)
        await until(lambda: one.heard == STORED + APPLIED)
        assert stats.scanners == {"gun": True}
        backend.refuse_scans = True
        await one.scan("TM:intent=pick;operator=ani", OTHER)
        await until(lambda: one.heard == STORED + APPLIED + COMMAND + STORED + REFUSED)
        await one.scan("hello", "TM:intent=steal")
        await until(lambda: one.heard.endswith(REFUSED * 3))
        assert (stats.scans, stats.refused_scans) == (2, 2)
    first, second = scans(backend)
    assert (first.device, first.operator, first.intent, first.zone, first.code) == (
        "gun",
        "dewi",
        "receive",
        "dock",
        EAN,
    )
    assert (second.operator, second.intent, second.code) == ("ani", "pick", OTHER)
    assert first.scan_id != second.scan_id


async def test_the_health_page_shows_scanners_and_misses_no_reader_where_there_is_none(
    broker: Any, tmp_path: Path
) -> None:
    port = free_port()
    async with Gun() as one:
        config = settings(broker.url, tmp_path, scanners=[gun(one.address)], health={"port": port})
        async with running(config) as stats, aiohttp.ClientSession(f"http://127.0.0.1:{port}") as session:
            await until(lambda: stats.scanners == {"gun": True})
            async with session.get("/healthz") as answer:
                assert answer.status == 200
                assert (await answer.json())["scanners"] == {"gun": True}
            await one.scan("hello")
            await until(lambda: stats.refused_scans == 1)
            async with session.get("/metrics") as answer:
                text = await answer.text()
    assert 'tallyman_gateway_scanner_up{gateway="gate",scanner="gun",site="jkt"} 1.0' in text
    assert 'tallyman_gateway_refused_scans_total{gateway="gate",site="jkt"} 1.0' in text


async def test_a_wired_scanner_counts_while_the_broker_is_away(broker: Any, tmp_path: Path) -> None:
    await broker.stop()
    async with Gun() as one, running(settings(broker.url, tmp_path, scanners=[gun(one.address)])):
        await one.scan(EAN, OTHER)
        await until(lambda: one.heard == STORED * 2)
        await broker.start()
        backend = CursorBackend(broker.url)
        async with backend.running():
            await until(lambda: one.heard == STORED * 2 + APPLIED * 2)
        assert [scan.code for scan in scans(backend)] == [EAN, OTHER]


async def test_nobody_beeps_before_the_journal_has_the_scan(
    broker: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(gateway.wired, "MAX_WAITING", 2)
    full = asyncio.Event()
    append = JournalFile.append_scans

    def refusing(self: JournalFile, *args: Any) -> Any:
        if full.is_set():
            raise JournalFullError("the quota is reached")
        return append(self, *args)

    monkeypatch.setattr(JournalFile, "append_scans", refusing)
    backend = CursorBackend(broker.url)
    async with (
        backend.running(),
        Gun() as one,
        running(settings(broker.url, tmp_path, scanners=[gun(one.address, repeat_ms=0)])),
    ):
        full.set()
        await one.scan(EAN)
        await until(lambda: "not kept yet" in caplog.text)
        await one.scan(OTHER, EAN, OTHER)
        await until(lambda: one.heard == REFUSED)
        await asyncio.sleep(0.2)
        assert one.heard == REFUSED, "what waits has not been told stored"
        full.clear()
        await until(lambda: sorted(one.heard) == sorted(REFUSED + STORED * 3 + APPLIED * 3))
    assert [scan.code for scan in scans(backend)] == [EAN, OTHER, EAN]
    assert caplog.text.count("not kept yet") == 1


async def test_a_handheld_of_a_site_that_is_cut_off_is_served_by_the_gateway_itself(
    broker: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    await broker.stop()
    port = free_port()
    listener = {"host": "127.0.0.1", "port": port, "users": {"hand-1": PASSWORD, "hand-2": PASSWORD}}
    async with running(settings(broker.url, tmp_path, listener=listener)) as stats:
        link = MqttLink(f"mqtt://hand-1:{PASSWORD.replace(' ', '%20')}@127.0.0.1:{port}", "hand-1")
        handheld = Handheld(link, "jkt", "hand-1", retry_s=0.3)
        async with link:
            for number in range(3):
                async with asyncio.timeout(10):
                    outcome = await handheld.scan(request(number))
                assert outcome.state == "stored"
            assert not stats.online
            assert stats.backlog == 3
            await broker.start()
            backend = CursorBackend(broker.url)
            async with backend.running():
                await until(lambda: {one.state for one in handheld.outcomes.values()} == {"applied"})
                assert (await handheld.scan(request(1))).state == "applied", "a repeat changes nothing"
            await broker.stop()
            async with asyncio.timeout(10):
                assert (await handheld.scan(request(9))).state == "stored", "and the site may be cut off again"
    assert [scan.scan_id for scan in scans(backend)] == ["s0", "s1", "s2"]
    assert {scan.device for scan in scans(backend)} == {"hand-1"}


async def test_a_handheld_speaks_only_for_itself_and_only_with_its_password(broker: Any, tmp_path: Path) -> None:
    port = free_port()
    listener = {"host": "127.0.0.1", "port": port, "users": {"hand-1": PASSWORD, "hand-2": PASSWORD}}
    url = f"mqtt://hand-1:{PASSWORD.replace(' ', '%20')}@127.0.0.1:{port}"
    async with running(settings(broker.url, tmp_path, listener=listener)) as stats:
        for wrong in (
            f"mqtt://127.0.0.1:{port}",
            f"mqtt://hand-1:wrong@127.0.0.1:{port}",
            f"mqtt://x:y@127.0.0.1:{port}",
        ):
            async with MqttLink(wrong, "hand-1") as stranger:
                await asyncio.sleep(0.3)
                assert not stranger.connected
        for client_id, will in (
            ("hand-2", None),
            ("hand-10", None),
            ("hand-1", ("tallyman/1/jkt/devices/x/scans", b"")),
        ):
            async with MqttLink(url, client_id, will=will) as intruder:
                await asyncio.sleep(0.3)
                assert not intruder.connected
        overheard: list[str] = []

        async def overhear(message: Any) -> None:
            overheard.append(message.topic)

        link = MqttLink(url, "hand-1/screen")
        handheld = Handheld(link, "jkt", "hand-1", retry_s=0.3)
        spy = MqttLink(url.replace("hand-1", "hand-2"), "hand-2")
        spy.subscribe("tallyman/1/jkt/devices/#", overhear)
        async with link, spy:
            await until(lambda: spy.connected)
            with contextlib.suppress(LinkError, TimeoutError):
                async with asyncio.timeout(1):
                    await spy.publish(topic("jkt", "hand-1", "scans"), encode(request(7)))
            async with asyncio.timeout(10):
                assert (await handheld.scan(request(1))).state == "stored"
            await asyncio.sleep(0.2)
        assert stats.scans == 1, "nobody scans in another one's name"
        assert overheard == []
        assert set(handheld.outcomes) == {"s1"}


@pytest.mark.skipif(OPENSSL is None, reason="openssl is not on the PATH")
async def test_handhelds_are_served_over_tls(broker: Any, tmp_path: Path) -> None:
    port, cert, key = free_port(), tmp_path / "cert.pem", tmp_path / "key.pem"
    subject = ["-subj", "/CN=localhost", "-addext", "subjectAltName=IP:127.0.0.1"]
    made = [
        "req",
        "-x509",
        "-newkey",
        "rsa:2048",
        "-nodes",
        "-days",
        "2",
        *subject,
        "-keyout",
        str(key),
        "-out",
        str(cert),
    ]
    await asyncio.to_thread(subprocess.run, [OPENSSL, *made], check=True, capture_output=True)
    tls = {"tls_cert": str(cert), "tls_key": str(key)}
    listener = {"host": "127.0.0.1", "port": port, "users": {"hand-1": PASSWORD}, **tls}
    async with running(settings(broker.url, tmp_path, listener=listener)):
        link = MqttLink(f"mqtts://hand-1:{PASSWORD.replace(' ', '%20')}@127.0.0.1:{port}?ca={cert}", "hand-1")
        handheld = Handheld(link, "jkt", "hand-1", retry_s=0.3)
        async with link, asyncio.timeout(10):
            assert (await handheld.scan(request(1))).state == "stored"
        with pytest.raises(ssl.SSLError):
            await asyncio.open_connection("127.0.0.1", port, ssl=ssl.create_default_context())


async def test_a_device_that_a_stranger_disturbs_comes_back_by_itself(broker: Any, tmp_path: Path) -> None:
    port = free_port()
    listener = {"host": "127.0.0.1", "port": port, "users": {"hand-1": PASSWORD}}
    async with running(settings(broker.url, tmp_path, listener=listener)) as stats:
        link = MqttLink(f"mqtt://hand-1:{PASSWORD.replace(' ', '%20')}@127.0.0.1:{port}", "hand-1")
        handheld = Handheld(link, "jkt", "hand-1", retry_s=0.3)
        async with link:
            for number in range(3):
                async with asyncio.timeout(15):
                    assert (await handheld.scan(request(number))).state == "stored"
                assert await connect(port, "hand-1", "hand-1", "wrong") != 0
        assert stats.scans >= 3


async def connect(port: int, client_id: str, username: str, password: str) -> int:
    """One CONNECT that keeps an old session (MQTT 3.1.1, section 3.1); the broker's return code, -1 if it hangs up."""
    fields = b"".join(len(field).to_bytes(2, "big") + field.encode() for field in (client_id, username, password))
    body = b"\x00\x04MQTT\x04\xc0\x00\x3c" + fields
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(bytes([0x10, len(body)]) + body)
    try:
        async with asyncio.timeout(5):
            return (await reader.readexactly(4))[3]
    except (asyncio.IncompleteReadError, ConnectionError):
        return -1
    finally:
        writer.transport.abort()


async def test_a_listener_that_cannot_be_is_an_error_with_its_reason(
    broker: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    listener = {"host": "127.0.0.1", "port": broker.port, "users": {"hand-1": PASSWORD}}
    config = settings(broker.url, tmp_path, listener=listener)
    with pytest.raises(ConfigError, match=f"listener.*127.0.0.1:{broker.port} cannot be served"):
        await run_gateway(config, SystemClock())

    tls = {"tls_cert": str(tmp_path / "none.pem"), "tls_key": str(tmp_path / "none.key")}
    with pytest.raises(ConfigError, match=r"none\.pem"):
        await run_gateway(
            settings(broker.url, tmp_path, listener=listener | {"port": free_port()} | tls), SystemClock()
        )

    found = importlib.import_module

    def missing(name: str, package: str | None = None) -> Any:
        if name.startswith("amqtt"):
            raise ModuleNotFoundError(name=name)
        return found(name, package)

    monkeypatch.setattr(gateway.listener.importlib, "import_module", missing)
    with pytest.raises(ConfigError, match=r"tallyman-rfid\[listener\]"):
        await run_gateway(config, SystemClock())


async def test_a_scanner_that_cannot_work_ends_the_program_with_its_reason(broker: Any, tmp_path: Path) -> None:
    with pytest.raises(DriverNotFoundError, match="no scanner driver 'telepathy'"):
        await run_gateway(settings(broker.url, tmp_path, scanners=[gun("x", driver="telepathy")]), SystemClock())
    with pytest.raises(ReaderError, match="scanner gun: address 'x'"):
        await run_gateway(settings(broker.url, tmp_path, scanners=[gun("x")]), SystemClock())


def request(number: int) -> ScanRequest:
    return ScanRequest(scan_id=f"s{number}", operator="ani", intent="pick", code=EAN, scanned_at=datetime.now(UTC))
