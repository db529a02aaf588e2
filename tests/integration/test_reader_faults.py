"""Faults of a simulated reader as a client meets them on the socket, and LLRP over TLS."""

from __future__ import annotations

import asyncio
import contextlib
import shutil
import ssl
import subprocess
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Self

import pytest

from readers.errors import FrameError
from readers.llrp import requests
from readers.llrp.codec import Framer, decode, encode, read_header
from readers.llrp.message import Message, Parameter
from readers.llrp.requests import Capabilities, InventoryPlan
from readers.read import to_us
from simulators.llrp.line import UNKNOWN_TYPE
from simulators.llrp.models import load_model
from simulators.llrp.reader import SimulatedReader
from simulators.llrp.steady import SteadyTags
from tests.reader_bench import gpi, ro_spec, trigger
from wire.clock import ScaledClock

START = datetime(2026, 3, 1, tzinfo=UTC)
PLAN = InventoryPlan(antennas=(1, 2), keepalive_ms=0)
REPORT = "RO_ACCESS_REPORT"


class Client:
    """A client that inventories and keeps the frames it gets."""

    def __init__(self, reader: SimulatedReader, tls: ssl.SSLContext | None = None) -> None:
        self._address = "127.0.0.1", reader.port
        self._tls = tls
        self._framer = Framer()
        self.frames: list[bytes] = []

    async def __aenter__(self) -> Self:
        name = "localhost" if self._tls else None
        self.stream, self.writer = await asyncio.open_connection(*self._address, ssl=self._tls, server_hostname=name)
        return self

    async def __aexit__(self, *_: object) -> None:
        self.writer.close()
        with contextlib.suppress(ConnectionError):
            await self.writer.wait_closed()

    def say(self, *messages: Message) -> None:
        self.writer.write(b"".join(encode(message) for message in messages))

    async def frame(self) -> bytes:
        """The next whole frame. Raises EOFError at the end, with what was left over, FrameError for a lie."""
        while not self.frames:
            data = await self.stream.read(1 << 16)
            if not data:
                raise EOFError(self._framer.pending)
            self.frames += self._framer.feed(data)
        return self.frames.pop(0)

    async def hear(self, name: str, within_s: float = 10) -> Message:
        """The next message of this name. Raises TimeoutError."""
        async with asyncio.timeout(within_s):
            while (message := decode(await self.frame())).name != name:
                pass
            return message

    async def inventory(self) -> None:
        states = [
            Parameter("EventNotificationState", {"EventType": kind, "NotificationState": True}) for kind in range(9)
        ]
        spec = Parameter("ReaderEventNotificationSpec", {}, states)
        self.say(
            Message("SET_READER_CONFIG", 1, {"ResetToFactoryDefault": False}, [spec]),
            requests.rospec_request("DELETE_ROSPEC", 2, 0),
            requests.add_rospec(3, PLAN, Capabilities(), (1, 2)),
            requests.rospec_request("ENABLE_ROSPEC", 4),
        )
        await self.hear(REPORT)

    async def event(self, name: str) -> Parameter:
        while True:
            message = await self.hear("READER_EVENT_NOTIFICATION")
            found = message.parameters[0].find(name)
            if found is not None:
                return found


@contextlib.asynccontextmanager
async def serving(tls: ssl.SSLContext | None = None) -> AsyncIterator[SimulatedReader]:
    reader = SimulatedReader("door", SteadyTags(10, 100.0, 2), ScaledClock(START), 2)
    await reader.start(tls=tls)
    try:
        yield reader
    finally:
        await reader.stop()


@pytest.fixture
async def reader() -> AsyncIterator[SimulatedReader]:
    async with serving() as reader:
        yield reader


def last_seen_us(report: Message) -> int:
    stamp = report.parameters[0].find("LastSeenTimestampUTC")
    assert stamp is not None
    return int(stamp.fields["Microseconds"])


async def test_a_stall_is_silence_and_then_everything(reader: SimulatedReader) -> None:
    async with Client(reader) as client:
        await client.inventory()
        reader.stall(True)
        client.say(Message("GET_ROSPECS", 9))
        before_us = await last_heard_us(client)
        reader.stall(False)
        assert (await client.hear("GET_ROSPECS_RESPONSE")).id == 9
        assert last_seen_us(await client.hear(REPORT)) - before_us == 10_000


async def last_heard_us(client: Client) -> int:
    """The last read that comes before 0.3 s of silence."""
    last_us = 0
    with contextlib.suppress(TimeoutError):
        while True:
            last_us = last_seen_us(await client.hear(REPORT, within_s=0.3))
    return last_us


async def test_half_a_report_and_then_the_end(reader: SimulatedReader) -> None:
    async with Client(reader) as client:
        await client.inventory()
        reader.half_frame()
        with pytest.raises(EOFError) as end:
            await client.hear("nothing")
        assert end.value.args[0] > 0
    async with Client(reader) as client:
        await client.hear(REPORT)


@pytest.mark.parametrize("length", [0xFFFF_FFFF, 5])
async def test_a_lying_length_is_noticed_by_whoever_checks(reader: SimulatedReader, length: int) -> None:
    async with Client(reader) as client:
        await client.inventory()
        reader.lie(length)
        with pytest.raises(FrameError, match=str(length)):
            await client.hear("nothing")


async def test_an_unknown_message_costs_only_itself(reader: SimulatedReader) -> None:
    async with Client(reader) as client:
        await client.inventory()
        reader.unknown_message()
        while read_header(await client.frame()).type != UNKNOWN_TYPE:
            pass
        await client.hear(REPORT)


async def test_a_clock_that_jumps_moves_events_and_reads(reader: SimulatedReader) -> None:
    async with Client(reader) as client:
        await client.inventory()
        reader.jump_clock(-3600)
        reader.tell_exception("hot")
        exception = await client.hear("READER_EVENT_NOTIFICATION")
        while exception.parameters[0].find("ReaderExceptionEvent") is None:
            exception = await client.hear("READER_EVENT_NOTIFICATION")
        assert exception.parameters[0].parameters[0].fields["Microseconds"] < to_us(START - timedelta(seconds=3500))
        assert last_seen_us(await client.hear(REPORT)) < to_us(START - timedelta(seconds=3500))


async def test_an_overflow_is_told_and_its_reads_are_lost(reader: SimulatedReader) -> None:
    async with Client(reader) as client:
        await client.inventory()
        reader.lose_reads(True)
        await client.event("ReportBufferOverflowErrorEvent")
        client.frames.clear()
        with pytest.raises(TimeoutError):
            await client.hear(REPORT, within_s=0.2)
        reader.lose_reads(False)
        await client.hear(REPORT)


async def test_a_reader_may_refuse_for_a_reason_of_its_own(reader: SimulatedReader) -> None:
    reader.refuse(True)
    async with Client(reader) as client:
        assert (await client.event("ConnectionAttemptEvent")).fields == {"Status": 3}
        with pytest.raises(EOFError):
            await client.frame()
    reader.refuse(False)
    async with Client(reader) as client:
        await client.inventory()


async def test_the_first_client_hears_of_a_second_and_the_second_is_shown_out(reader: SimulatedReader) -> None:
    async with Client(reader) as first:
        await first.inventory()
        async with Client(reader) as second:
            assert (await second.event("ConnectionAttemptEvent")).fields == {"Status": 2}
            with pytest.raises(EOFError):
                await second.frame()
        assert (await first.event("ConnectionAttemptEvent")).fields == {"Status": 4}
        await first.hear(REPORT)


@pytest.fixture
def certificate(tmp_path: Path) -> tuple[ssl.SSLContext, ssl.SSLContext]:
    """The server's and the client's context of a certificate for localhost."""
    openssl = shutil.which("openssl")
    if openssl is None:
        pytest.skip("openssl is not on the PATH")
    pem, key = tmp_path / "cert.pem", tmp_path / "key.pem"
    new = [openssl, "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=localhost"]
    names = ["-addext", "subjectAltName=DNS:localhost", "-keyout", key, "-out", pem]
    subprocess.run([*new, *names], check=True, capture_output=True)
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(pem, key)
    return server, ssl.create_default_context(cafile=str(pem))


async def test_llrp_over_tls_inventories_and_a_cut_is_a_cut(certificate: tuple[ssl.SSLContext, ssl.SSLContext]) -> None:
    server, trusting = certificate
    async with serving(server) as reader:
        async with Client(reader, trusting) as client:
            await client.inventory()
            reader.cut()
            with pytest.raises((ConnectionError, EOFError, ssl.SSLError)):
                await client.hear("nothing")
        async with Client(reader, trusting) as client:
            await client.inventory()
            client.say(Message("CLOSE_CONNECTION", 9))
            await client.hear("CLOSE_CONNECTION_RESPONSE")


async def test_readers_of_one_world_share_its_tags_and_a_model_has_its_own_limits() -> None:
    model = load_model("plain")
    reader = SimulatedReader("plain", SteadyTags(4, 50.0, 2), ScaledClock(START), 2, model, report_every_n=2)
    await reader.start()
    try:
        async with Client(reader) as client:
            add = requests.add_rospec(1, PLAN, Capabilities(), (1, 2))
            client.say(add, requests.rospec_request("ENABLE_ROSPEC", 2))
            report = await client.hear(REPORT)
            assert len(report.parameters) == 2
            assert report.parameters[0].find("LastSeenTimestampUptime") is not None
    finally:
        await reader.stop()


async def test_a_photo_eye_that_blinks_between_two_looks_still_has_its_tags(reader: SimulatedReader) -> None:
    async with Client(reader) as client:
        port = Parameter("GPIPortCurrentState", {"GPIPortNum": 1, "Config": True, "State": 2})
        states = [
            Parameter("EventNotificationState", {"EventType": kind, "NotificationState": True}) for kind in (1, 2)
        ]
        spec = Parameter("ReaderEventNotificationSpec", {}, states)
        start, stop = (
            trigger("ROSpecStartTrigger", 3, gpi(1, True)),
            trigger("ROSpecStopTrigger", 2, gpi(1, False), DurationTriggerValue=0),
        )
        client.say(
            Message("SET_READER_CONFIG", 1, {"ResetToFactoryDefault": False}, [spec, port]),
            Message("ADD_ROSPEC", 2, {}, [ro_spec(1, start=start, stop=stop, every_n=0)]),
            requests.rospec_request("ENABLE_ROSPEC", 3, 1),
        )
        await client.hear("ENABLE_ROSPEC_RESPONSE")
        reader.set_gpi(1, True)
        await asyncio.sleep(0.03)
        reader.set_gpi(1, False)
        said = [decode(await client.frame()) for _ in range(5)]
    kinds = [message.parameters[0].parameters[-1].name if message.name != REPORT else REPORT for message in said]
    assert kinds in (
        ["GPIEvent", "ROSpecEvent", "GPIEvent", REPORT, "ROSpecEvent"],
        ["GPIEvent", "ROSpecEvent", REPORT, "GPIEvent", "ROSpecEvent"],
    )


async def test_every_reader_has_an_address_of_its_own() -> None:
    found = set()
    for name in ("door-1", "door-2"):
        reader = SimulatedReader(name, SteadyTags(1, 1.0, 1), ScaledClock(START), 1)
        await reader.start()
        async with Client(reader) as client:
            client.say(
                Message(
                    "GET_READER_CONFIG",
                    1,
                    dict.fromkeys(("AntennaID", "GPIPortNum", "GPOPortNum"), 0) | {"RequestedData": 1},
                )
            )
            answer = await client.hear("GET_READER_CONFIG_RESPONSE")
            identification = answer.find("Identification")
            assert identification is not None
            found.add(bytes(identification.fields["ReaderID"]))
        await reader.stop()
    assert {len(mac) for mac in found} == {6}
    assert len(found) == 2
