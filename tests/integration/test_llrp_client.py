"""The LLRP driver and the simulated reader over TCP, and the driver against readers that misbehave."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import UTC, datetime
from typing import Any

import numpy as np
import pytest

from readers.backoff import Backoff
from readers.driver import ReaderSettings, find_driver
from readers.errors import ReaderError
from readers.llrp.client import LlrpDriver
from readers.llrp.codec import Framer, decode, encode
from readers.llrp.endpoint import parse_address
from readers.llrp.message import Message
from readers.read import EpcTable, GpiChange, ReadBatch, ReaderEvent, ReaderNotice, ReaderState, to_us
from simulators.llrp.reader import SimulatedReader
from simulators.llrp.session import attempt_event
from simulators.sighting import Sightings, no_sightings
from wire.clock import ScaledClock

START = datetime(2026, 3, 1, tzinfo=UTC)
NOW_US = 1_700_000_000_000_000
PERIOD_US = 20_000
PHASE_RAD = 1.25


class Shelf:
    """A world of `tags` tags that are read in turn, one each PERIOD_US, each by an antenna of its own."""

    def __init__(self, tags: int = 12) -> None:
        self.epcs = [bytes.fromhex("3034000000000000") + n.to_bytes(4, "big") for n in range(tags)]
        self.seen: list[tuple[bytes, int, float, int]] = []
        self.silent = False

    def inventory(self, reader: str, antennas: frozenset[int], from_us: int, to_us: int) -> Sightings:
        assert reader == "door-1"
        ticks = range(from_us // PERIOD_US + 1, to_us // PERIOD_US + 1)
        rows = []
        for tick in ticks:
            number = tick % len(self.epcs)
            antenna, rssi_dbm = number % 4 + 1, -50.0 - number / 4
            if antenna in antennas and not self.silent:
                rows.append((self.epcs[number], antenna, rssi_dbm, tick * PERIOD_US))
        self.seen += rows
        if not rows:
            return no_sightings()
        columns = list(zip(*rows, strict=True))
        return Sightings(
            list(columns[0]),
            np.array(columns[1], np.uint16),
            np.array(columns[2], np.float32),
            np.array(columns[3], np.int64),
            np.full(len(rows), PHASE_RAD, np.float32),
        )


class Gateway:
    """A running driver and what it delivered."""

    def __init__(self, address: str, options: dict[str, Any] | None = None, clock: ScaledClock | None = None) -> None:
        self.epcs = EpcTable()
        self.events: list[ReaderEvent] = []
        settings = ReaderSettings("door-1", address, (1, 2, 3, 4), options or {})
        self.driver = LlrpDriver(settings, self.epcs, clock or ScaledClock(START), self.events.append)

    def reads(self) -> list[tuple[bytes, int, float, int]]:
        found = []
        for event in self.events:
            if isinstance(event, ReadBatch):
                for row in event.reads:
                    found.append((self.epcs.epc(row["epc"]), row["antenna"], float(row["rssi_dbm"]), int(row["at_us"])))
        return found

    def states(self) -> list[frozenset[int]]:
        return [event.antennas for event in self.events if isinstance(event, ReaderState)]


@contextlib.asynccontextmanager
async def running(driver: LlrpDriver) -> AsyncIterator[asyncio.Task[None]]:
    task = asyncio.create_task(driver.run())
    try:
        yield task
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


async def until(is_so: Callable[[], bool], seconds: float = 20.0) -> None:
    async with asyncio.timeout(seconds):
        while not is_so():
            await asyncio.sleep(0.01)


@pytest.fixture
async def clock() -> ScaledClock:
    return ScaledClock(START)


@pytest.fixture
async def shelf() -> Shelf:
    return Shelf()


@pytest.fixture
async def reader(shelf: Shelf, clock: ScaledClock) -> AsyncIterator[SimulatedReader]:
    reader = SimulatedReader("door-1", shelf, clock, 4)
    await reader.start()
    yield reader
    await reader.stop()


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Reconnect at once: how long a real back-off waits is tested by itself."""
    monkeypatch.setattr("readers.llrp.client.Backoff", lambda chance: Backoff(chance, 0.05, 0.1))


def exact(rows: list[tuple[bytes, int, float, int]]) -> list[tuple[bytes, int, float, int]]:
    return sorted((epc, int(antenna), round(rssi, 2), at) for epc, antenna, rssi, at in rows)


@pytest.mark.parametrize("every_n", [1, 5])
async def test_every_sighting_arrives_with_antenna_rssi_and_time(
    reader: SimulatedReader, shelf: Shelf, clock: ScaledClock, every_n: int
) -> None:
    gateway = Gateway(f"127.0.0.1:{reader.port}", {"report_every_n": every_n}, clock)
    async with running(gateway.driver):
        await until(lambda: len(gateway.reads()) >= 60)
    await until(lambda: not reader.is_connected)
    assert len({epc for epc, *_ in gateway.reads()}) == 12
    assert exact(gateway.reads()) == exact(shelf.seen)
    batches = [event for event in gateway.events if isinstance(event, ReadBatch)]
    assert all(batch.received_at_us >= batch.reads["at_us"].max() for batch in batches)
    assert np.allclose(np.concatenate([batch.reads["phase_rad"] for batch in batches]), PHASE_RAD, atol=0.002)


async def test_a_fast_clock_loses_nothing(shelf: Shelf) -> None:
    clock = ScaledClock(START, speed=20)
    reader = SimulatedReader("door-1", shelf, clock, 4)
    gateway = Gateway(f"127.0.0.1:{await reader.start()}", clock=clock)
    async with running(gateway.driver):
        await until(lambda: len(gateway.reads()) >= 400)
    await reader.stop()
    assert exact(gateway.reads()) == exact(shelf.seen)


async def test_a_clean_stop_closes_the_link_and_leaves_no_rospec(reader: SimulatedReader, clock: ScaledClock) -> None:
    gateway = Gateway(f"127.0.0.1:{reader.port}", clock=clock)
    async with running(gateway.driver):
        await until(lambda: gateway.states() == [frozenset({1, 2, 3, 4})])
    assert gateway.states() == [frozenset({1, 2, 3, 4}), frozenset()]
    await until(lambda: not reader.is_connected)
    async with connected(reader.port) as (frames, write):
        assert (await frames())[0].name == "READER_EVENT_NOTIFICATION"
        write(Message("GET_ROSPECS", 1))
        (answer,) = await frames()
        assert [parameter.name for parameter in answer.parameters] == ["LLRPStatus"]


@pytest.mark.usefixtures("quick")
async def test_a_cut_link_comes_back_and_is_logged_once_each_way(
    reader: SimulatedReader, shelf: Shelf, clock: ScaledClock, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, logger="readers")
    gateway = Gateway(f"127.0.0.1:{reader.port}", clock=clock)
    on = frozenset({1, 2, 3, 4})
    async with running(gateway.driver):
        for cuts in range(1, 4):
            reads = len(gateway.reads())
            await until(lambda: len(gateway.reads()) > reads + 10)  # noqa: B023 - waited for within the turn
            reader.cut()
            await until(lambda: gateway.states() == [on, frozenset()] * cuts + [on])  # noqa: B023
    lost = [record for record in caplog.records if "no inventory" in record.message]
    back = [record for record in caplog.records if "inventorying again" in record.message]
    assert (len(lost), len(back)) == (3, 3)
    assert set(exact(gateway.reads())) <= set(exact(shelf.seen))
    assert len(set(exact(gateway.reads()))) == len(gateway.reads())


@pytest.mark.usefixtures("quick")
async def test_a_reader_that_rebooted_and_forgot_everything_inventories_again(shelf: Shelf, clock: ScaledClock) -> None:
    first = SimulatedReader("door-1", shelf, clock, 4)
    port = await first.start()
    gateway = Gateway(f"127.0.0.1:{port}", clock=clock)
    async with running(gateway.driver):
        await until(lambda: len(gateway.reads()) > 5)
        await first.stop()
        await until(lambda: gateway.states()[-1] == frozenset())
        reads = len(gateway.reads())
        second = SimulatedReader("door-1", shelf, clock, 4)
        await second.start(port=port)
        await until(lambda: len(gateway.reads()) > reads + 5)
    await second.stop()


async def test_what_was_read_while_the_line_was_down_comes_when_it_is_back(
    reader: SimulatedReader, shelf: Shelf, clock: ScaledClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("readers.llrp.client.Backoff", lambda chance: Backoff(chance, 0.6, 0.6))
    gateway = Gateway(f"127.0.0.1:{reader.port}", clock=clock)
    async with running(gateway.driver):
        await until(lambda: len(gateway.reads()) > 10)
        reader.cut()
        await until(lambda: not reader.is_connected)
        down_us = to_us(clock.now())
        await asyncio.sleep(0.25)
        up_us = to_us(clock.now())
        assert not reader.is_connected
        await until(lambda: len(gateway.states()) == 3)
        await until(lambda: gateway.reads()[-1][3] > up_us + 300_000)
    meanwhile = [row for row in shelf.seen if down_us < row[3] < up_us]
    assert len(meanwhile) > 5
    assert set(exact(meanwhile)) <= set(exact(gateway.reads()))


async def test_a_photo_eye_starts_and_ends_the_inventory(
    reader: SimulatedReader, shelf: Shelf, clock: ScaledClock
) -> None:
    options = {"start": {"gpi": 1}, "stop": {"gpi": 2, "high": False}, "run_s": 60}
    gateway = Gateway(f"127.0.0.1:{reader.port}", options, clock)
    async with running(gateway.driver):
        await until(lambda: len(gateway.states()) == 1)
        reader.set_gpi(2, True)
        await asyncio.sleep(0.2)
        assert shelf.seen == []
        reader.set_gpi(1, True)
        await until(lambda: len(gateway.reads()) > 5)
        reader.set_gpi(2, False)
        await until(lambda: len(gateway.states()) == 3)
        seen = len(shelf.seen)
        await asyncio.sleep(0.2)
        assert len(shelf.seen) == seen
        reader.set_gpi(1, False)
        reader.set_gpi(1, True)
        await until(lambda: len(gateway.states()) == 4)
    assert [bool(antennas) for antennas in gateway.states()] == [False, True, False, True, False]
    assert exact(gateway.reads()) == exact(shelf.seen)


async def test_photo_eyes_and_antennas_are_passed_on(reader: SimulatedReader, clock: ScaledClock) -> None:
    gateway = Gateway(f"127.0.0.1:{reader.port}", clock=clock)
    async with running(gateway.driver):
        await until(lambda: len(gateway.states()) == 1)
        reader.set_gpi(3, True)
        reader.set_antenna(2, False)
        reader.set_gpi(3, False)
        await until(lambda: len([event for event in gateway.events if isinstance(event, GpiChange)]) == 2)
        reader.set_antenna(2, True)
        await until(lambda: len(gateway.states()) == 3)
    changes = [(event.port, event.high) for event in gateway.events if isinstance(event, GpiChange)]
    assert changes == [(3, True), (3, False)]
    assert gateway.states() == [frozenset({1, 2, 3, 4}), frozenset({1, 3, 4}), frozenset({1, 2, 3, 4}), frozenset()]
    kinds = [event.kind for event in gateway.events if isinstance(event, ReaderNotice)]
    assert kinds == ["antenna_back", "antenna_lost", "antenna_back"]


async def test_a_quiet_world_keeps_its_link_by_keepalives(
    reader: SimulatedReader, shelf: Shelf, clock: ScaledClock
) -> None:
    shelf.silent = True
    gateway = Gateway(f"127.0.0.1:{reader.port}", {"keepalive_s": 0.2}, clock)
    async with running(gateway.driver):
        await until(lambda: len(gateway.states()) == 1)
        await asyncio.sleep(1.5)
        assert reader.is_connected
        assert gateway.states() == [frozenset({1, 2, 3, 4})]


async def test_a_second_client_is_refused_and_the_first_hears_of_it(
    reader: SimulatedReader, clock: ScaledClock
) -> None:
    gateway = Gateway(f"127.0.0.1:{reader.port}", clock=clock)
    async with running(gateway.driver):
        await until(lambda: len(gateway.states()) == 1)
        async with connected(reader.port) as (frames, _):
            (refusal,) = await frames()
            attempt = refusal.parameters[0].find("ConnectionAttemptEvent")
            assert attempt is not None
            assert attempt.fields == {"Status": 2}
            assert await frames() == []
        await until(lambda: any(isinstance(event, ReaderNotice) for event in gateway.events))
        assert reader.is_connected


# --- readers that misbehave ------------------------------------------------------------------------------------------

Frames = Callable[[], Awaitable[list[Message]]]
Write = Callable[[Message | bytes], None]


@contextlib.asynccontextmanager
async def connected(port: int) -> AsyncIterator[tuple[Frames, Write]]:
    """A bare client: the messages of the next bytes that come (none at the end), and a way to send one."""
    stream, writer = await asyncio.open_connection("127.0.0.1", port)
    framer = Framer()

    async def frames() -> list[Message]:
        async with asyncio.timeout(10):
            while data := await stream.read(65536):
                found = [decode(frame) for frame in framer.feed(data)]
                if found:
                    return found
        return []

    try:
        yield frames, lambda message: writer.write(message if isinstance(message, bytes) else encode(message))
    finally:
        writer.close()
        with contextlib.suppress(OSError):
            await writer.wait_closed()


@contextlib.asynccontextmanager
async def misbehaving(
    serve: Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]],
) -> AsyncIterator[int]:
    """A server whose every connection runs `serve`; connections are closed after it."""

    async def one(stream: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await serve(stream, writer)
        except (OSError, asyncio.CancelledError):
            pass
        finally:
            writer.close()

    server = await asyncio.start_server(one, "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()


class Relay:
    """Passes bytes between the driver and a reader, and breaks once `spare` bytes of the reader's went by."""

    def __init__(self, port: int, spare: int, stall: bool = False) -> None:
        self.port = port
        self.spare: int | None = spare
        self.stall = stall
        self.passed = 0

    async def __call__(self, stream: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        reader, to_reader = await asyncio.open_connection("127.0.0.1", self.port)
        up = asyncio.create_task(self._up(stream, to_reader))
        spare, self.spare = self.spare, None
        try:
            while data := await reader.read(4096):
                if spare is not None and len(data) >= spare:
                    writer.write(data[:spare])
                    await writer.drain()
                    if not self.stall:
                        return
                    await asyncio.sleep(3600)
                spare = None if spare is None else spare - len(data)
                self.passed += len(data)
                writer.write(data)
        finally:
            up.cancel()
            to_reader.transport.abort()

    @staticmethod
    async def _up(stream: asyncio.StreamReader, to_reader: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            while data := await stream.read(4096):
                to_reader.write(data)


@pytest.mark.usefixtures("quick")
@pytest.mark.parametrize("spare", [1, 9, 10, 31, 32, 33, 500, 3000, 3060, 3100, 3150, 3200, 3300])
async def test_a_link_cut_anywhere_in_the_handshake_is_made_again(
    reader: SimulatedReader, clock: ScaledClock, spare: int
) -> None:
    async with misbehaving(Relay(reader.port, spare)) as port:
        gateway = Gateway(f"127.0.0.1:{port}", clock=clock)
        async with running(gateway.driver):
            await until(lambda: len(gateway.reads()) > 5)


@pytest.mark.usefixtures("quick")
async def test_a_reader_that_falls_silent_in_mid_message_is_noticed_and_left(
    reader: SimulatedReader, clock: ScaledClock
) -> None:
    async with misbehaving(Relay(reader.port, 5000, stall=True)) as port:
        gateway = Gateway(f"127.0.0.1:{port}", {"keepalive_s": 0.3}, clock)
        async with running(gateway.driver):
            await until(lambda: len(gateway.states()) >= 3)
            reads = len(gateway.reads())
            await until(lambda: len(gateway.reads()) > reads + 5)
    assert gateway.states()[:3] == [frozenset({1, 2, 3, 4}), frozenset(), frozenset({1, 2, 3, 4})]
    off = next(event for event in gateway.events if isinstance(event, ReaderState) and not event.antennas)
    before = [event for event in gateway.events[: gateway.events.index(off)] if isinstance(event, ReadBatch)]
    assert off.at_us >= before[-1].received_at_us
    assert "nothing heard" in off.detail


async def test_a_reader_that_refuses_is_asked_rarely(monkeypatch: pytest.MonkeyPatch) -> None:
    """The waits of the first minute, without waiting for them."""
    waits: list[float] = []
    refusals = 0

    async def refuse(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal refusals
        refusals += 1
        writer.write(attempt_event(2, NOW_US))
        await writer.drain()

    def least(_: object) -> Backoff:
        backoff = Backoff(lambda: 0.0)
        real = backoff.next_wait_s

        def record() -> float:
            waits.append(real())
            return 0.0

        monkeypatch.setattr(backoff, "next_wait_s", record)
        return backoff

    monkeypatch.setattr("readers.llrp.client.Backoff", least)
    async with misbehaving(refuse) as port:
        gateway = Gateway(f"127.0.0.1:{port}")
        async with running(gateway.driver):
            await until(lambda: len(waits) >= 12)
    assert refusals >= 12
    attempts_at_s = [0.0, *np.cumsum(waits).tolist()]
    assert len([at for at in attempts_at_s if at < 60]) <= 10
    (state,) = gateway.events
    assert isinstance(state, ReaderState)
    assert (state.antennas, "status 2" in state.detail) == (frozenset(), True)


@pytest.mark.usefixtures("quick")
async def test_noise_instead_of_a_reader_is_left_alone() -> None:
    visits = 0

    async def noise(stream: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal visits
        visits += 1
        writer.write(b"SSH-2.0-OpenSSH_9.2\r\n")
        assert await stream.read(100) == b""

    async with misbehaving(noise) as port:
        gateway = Gateway(f"127.0.0.1:{port}")
        async with running(gateway.driver):
            await until(lambda: visits >= 3)
    assert gateway.states() == [frozenset()]
    assert len(gateway.events) == 1


# --- settings --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "host", "port"),
    [
        ("reader-1", "reader-1", 5084),
        ("10.0.0.5:5085", "10.0.0.5", 5085),
        ("[fe80::1]:6000", "fe80::1", 6000),
        ("[fe80::1]", "fe80::1", 5084),
        ("fe80::1", "fe80::1", 5084),
    ],
)
def test_an_address_may_have_a_port(text: str, host: str, port: int) -> None:
    address = parse_address(text)
    assert (address.host, address.port) == (host, port)


@pytest.mark.parametrize("text", ["", ":5084", "host:", "host:0", "host:65536", "host:x", "[::1", "[::1]5084"])
def test_an_address_that_cannot_be_is_refused(text: str) -> None:
    with pytest.raises(ReaderError, match="address"):
        parse_address(text)


OPTIONS_THAT_CANNOT_BE: list[dict[str, Any]] = [
    {"keepalive": 5},
    {"session": 4},
    {"report_every_n": 0},
    {"keepalive_s": "soon"},
    {"keepalive_s": 60},
    {"version": "2.0"},
    {"start": {"gpi": 1}},
    {"stop": {"gpi": 1}},
    {"run_s": 5},
    {"start": {"gpi": 0}, "run_s": 5},
    {"start": {"gpi": 1, "low": True}, "run_s": 5},
]


@pytest.mark.parametrize("options", OPTIONS_THAT_CANNOT_BE)
def test_options_that_cannot_be_are_refused_by_name(options: dict[str, Any]) -> None:
    with pytest.raises(ReaderError, match=f"door-1.*{next(iter(options))}"):
        Gateway("127.0.0.1", options)


def test_a_keepalive_too_rare_to_notice_a_dead_link_in_time_is_refused_with_the_reason() -> None:
    with pytest.raises(ReaderError, match=r"keepalive_s: .*at most 5: .*silence of more than 10 s for an empty floor"):
        Gateway("127.0.0.1", {"keepalive_s": 6})


def test_the_driver_is_found_by_its_name() -> None:
    assert find_driver("llrp") is LlrpDriver
