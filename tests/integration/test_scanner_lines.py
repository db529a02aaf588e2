"""Scanners on a pseudo-terminal, on sockets and behind a broker: read, answered, lost, found again."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import tty
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import readers.barcode.line
import wire.mqtt
from readers.barcode.framing import Code, Unreadable
from readers.barcode.scanner import Scanner, ScannerEvent, ScannerSettings, ScannerState, find_scanner
from readers.errors import ReaderError
from wire.mqtt import InboundMessage, MqttLink

GS1 = "]C1010950600013435210LOT7\x1d17270200"


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(readers.barcode.line.Backoff, "next_wait_s", lambda _: 0.05)
    monkeypatch.setattr(wire.mqtt, "RECONNECT_MIN_S", 0.05)
    monkeypatch.setattr(wire.mqtt, "RECONNECT_MAX_S", 0.2)
    for name in ("amqtt", "transitions"):
        logging.getLogger(name).setLevel(logging.CRITICAL)


async def until(true: Callable[[], Any], within_s: float = 20) -> None:
    async with asyncio.timeout(within_s):
        while not true():
            await asyncio.sleep(0.005)


@contextlib.asynccontextmanager
async def running(driver: str, address: str, **options: Any) -> AsyncIterator[tuple[Any, list[ScannerEvent]]]:
    events: list[ScannerEvent] = []
    scanner: Scanner = find_scanner(driver)(ScannerSettings("gun", address, options), events.append)
    task = asyncio.create_task(scanner.run())
    yield scanner, events
    assert not task.done(), task
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task


def codes(events: list[ScannerEvent]) -> list[str]:
    return [event.text for event in events if isinstance(event, Code)]


def ups(events: list[ScannerEvent]) -> list[bool]:
    return [event.up for event in events if isinstance(event, ScannerState)]


class Port:
    """A serial port: the scanner's end of a pseudo-terminal, under a name that outlives it."""

    def __init__(self, link: Path) -> None:
        self.link = link
        self.ends: tuple[int, int] | None = None

    def plug(self) -> None:
        self.ends = os.openpty()
        for end in self.ends:
            tty.setraw(end)
        self.link.symlink_to(os.ttyname(self.ends[1]))

    def unplug(self) -> None:
        if self.ends is not None:
            self.link.unlink()
            for end in self.ends:
                os.close(end)
            self.ends = None

    def send(self, data: bytes) -> None:
        assert self.ends is not None
        os.write(self.ends[0], data)

    def received(self) -> bytes:
        assert self.ends is not None
        os.set_blocking(self.ends[0], False)
        try:
            return os.read(self.ends[0], 100)
        except BlockingIOError:
            return b""


@pytest.fixture
def port(tmp_path: Path) -> Iterator[Port]:
    made = Port(tmp_path / "scanner")
    made.plug()
    yield made
    made.unplug()


async def test_a_serial_scanner_is_read_answered_and_plugged_in_again(
    port: Port, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "readers")
    async with running("serial", str(port.link)) as (scanner, events):
        await until(lambda: ups(events) == [True])
        for byte in GS1.encode() + b"\r\n":
            port.send(bytes([byte]))
        port.send(b"96385074\r")
        await until(lambda: codes(events) == [GS1, "96385074"])
        scanner.answer(b"\x06")
        heard = b""
        async with asyncio.timeout(5):
            while not heard:
                await asyncio.sleep(0.01)
                heard = port.received()
        assert heard == b"\x06"
        port.unplug()
        await until(lambda: ups(events) == [True, False])
        scanner.answer(b"\x06")
        await asyncio.sleep(0.2)
        port.plug()
        await until(lambda: ups(events) == [True, False, True])
        port.send(b"95060\r\n")
        await until(lambda: codes(events)[-1] == "95060")
    said = [record.getMessage() for record in caplog.records if record.name.startswith("readers")]
    assert [line.split(":")[1] for line in said] == [" no line", " the line is back"]


async def test_silence_ends_a_code_where_no_suffix_is_set(port: Port) -> None:
    async with running("serial", str(port.link), idle_ms=30, baud=115200) as (_, events):
        await until(lambda: ups(events) == [True])
        port.send(b"9638")
        await asyncio.sleep(0.01)
        port.send(b"5074")
        await until(lambda: codes(events))
        assert "".join(codes(events)) == "96385074"


async def test_a_scanner_that_serves_tcp() -> None:
    writers: list[asyncio.StreamWriter] = []
    answers: list[bytes] = []

    async def scan(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writers.append(writer)
        with contextlib.suppress(ConnectionError):
            while data := await reader.read(100):
                answers.append(data)

    server = await asyncio.start_server(scan, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    async with running("tcp", f"127.0.0.1:{port}", ends="\x03") as (scanner, events):
        await until(lambda: writers and ups(events) == [True])
        writers[0].write(b"\x0296385074\x03" + b"x" * 5000 + b"\x03\x0295060\x03")
        await until(lambda: codes(events) == ["96385074", "95060"])
        assert sum(isinstance(event, Unreadable) for event in events) == 1
        scanner.answer(b"\x07")
        await until(lambda: answers == [b"\x07"])
        writers[0].transport.abort()
        await until(lambda: len(writers) == 2 and ups(events) == [True, False, True])
        writers[1].write(b"1\x03")
        await until(lambda: codes(events)[-1] == "1")
    server.close()
    for writer in writers:
        writer.transport.abort()
    await asyncio.sleep(0)


async def test_a_scanner_that_calls_in_is_answered_on_its_newest_call() -> None:
    async with running("tcp", "127.0.0.1:0", listen=True) as (scanner, events):
        await until(lambda: scanner.port)
        first_reader, first = await asyncio.open_connection("127.0.0.1", scanner.port)
        first.write(b"96385074\n")
        await until(lambda: codes(events) == ["96385074"])
        reader, second = await asyncio.open_connection("127.0.0.1", scanner.port)
        second.write(b"95060\n")
        await until(lambda: codes(events) == ["96385074", "95060"])
        assert ups(events) == [True]
        scanner.answer(b"\x06")
        assert await reader.readexactly(1) == b"\x06"
        with contextlib.suppress(ConnectionError):
            assert await first_reader.read(1) == b""
        second.close()
        await until(lambda: ups(events) == [True, False])
        first.close()


async def test_scanners_that_publish(broker: Any) -> None:
    answers: list[bytes] = []

    async def hear(message: InboundMessage) -> None:
        answers.append(message.payload)

    sled = (
        b'{"type": "BALANCED_PERFORMANCE", "data": {"tagData": [], "barcodeData":'
        b' [{"decodedBarcode": "9506000134352", "symbology": "EAN13"}, {"symbology": "EAN13"}]}}'
    )
    async with (
        running("mqtt", broker.url, topic="sled/+", format="zebra", answer_topic="answers/sled") as (scanner, sleds),
        running("mqtt", broker.url, topic="plain") as (_, plain),
        MqttLink(broker.url, "gun") as gun,
    ):
        await until(lambda: ups(sleds) == [True] and ups(plain) == [True])
        await gun.publish("sled/7", sled)
        await gun.publish("sled/7", b'{"data": {"tagData": []}}')
        await gun.publish("sled/7", b"no json")
        await gun.publish("plain", GS1.encode() + b"\r\n")
        await until(lambda: codes(sleds) == ["9506000134352"] and codes(plain) == [GS1])
        await until(lambda: sum(isinstance(event, Unreadable) for event in sleds) == 2)
        gun.subscribe("answers/sled", hear)
        await asyncio.sleep(0.2)
        scanner.answer(b"beep")
        await until(lambda: answers == [b"beep"])
        await broker.stop()
        await until(lambda: ups(plain) == [True, False])
        scanner.answer(b"beep")
        await broker.start()
        await until(lambda: ups(plain) == [True, False, True])


@pytest.mark.parametrize(
    ("driver", "address", "options", "says"),
    [
        ("serial", "/dev/x", {"speed": 1}, "speed"),
        ("serial", "/dev/x", {"parity": "X"}, "parity"),
        ("tcp", "10.0.0.1", {}, "write host:port"),
        ("tcp", "h:99999", {}, "write host:port"),
        ("tcp", "h:1", {"ends": "\x1d"}, "FNC1"),
        ("tcp", "h:1", {"ends": ""}, "ends"),
        ("mqtt", "mqtt://h", {}, "topic"),
        ("mqtt", "http://h", {"topic": "x"}, "broker's URL"),
        ("mqtt", "mqtt://h", {"topic": "x", "format": "xml"}, "format"),
    ],
)
def test_what_cannot_work_is_refused_at_once(driver: str, address: str, options: dict[str, Any], says: str) -> None:
    with pytest.raises(ReaderError, match=says):
        find_scanner(driver)(ScannerSettings("gun", address, options), lambda _: None)
