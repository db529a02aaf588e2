"""The simulated reader's socket: clients that dribble, do not read, come back at once, or are cut off."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Self

import numpy as np
import pytest

from readers.llrp import requests
from readers.llrp.codec import Framer, decode, encode
from readers.llrp.message import Message
from readers.llrp.requests import Capabilities, InventoryPlan
from simulators.llrp import reader as llrp_reader
from simulators.llrp.reader import SimulatedReader
from simulators.sighting import Sightings
from wire.clock import ScaledClock

PLAN = InventoryPlan(antennas=(1, 2), keepalive_ms=0)


class Belt:
    """`per_s` tags a second pass antenna 1; which times it was asked for is kept."""

    def __init__(self, per_s: int = 100) -> None:
        self.asked: list[tuple[int, int]] = []
        self._period_us = 1_000_000 // per_s

    def inventory(self, reader: str, antennas: frozenset[int], from_us: int, to_us: int) -> Sightings:
        self.asked.append((from_us, to_us))
        numbers = range(from_us // self._period_us + 1, to_us // self._period_us + 1)
        return Sightings(
            [number.to_bytes(12, "big") for number in numbers],
            np.ones(len(numbers), np.uint16),
            np.full(len(numbers), -50.0, np.float32),
            np.array([number * self._period_us for number in numbers], np.int64),
        )


class Caller:
    """A bare LLRP client."""

    def __init__(self, port: int, receive_bytes: int = 0) -> None:
        self.socket = socket.socket()
        self.socket.setblocking(False)
        if receive_bytes:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_bytes)
        self._port = port
        self._framer = Framer()
        self._heard: list[Message] = []

    async def __aenter__(self) -> Self:
        await asyncio.get_running_loop().sock_connect(self.socket, ("127.0.0.1", self._port))
        return self

    async def __aexit__(self, *_: object) -> None:
        self.socket.close()

    async def say(self, *messages: Message, dribbling: bool = False) -> None:
        data = b"".join(encode(message) for message in messages)
        loop = asyncio.get_running_loop()
        for part in [data[at : at + 1] for at in range(len(data))] if dribbling else [data]:
            await loop.sock_sendall(self.socket, part)
            await asyncio.sleep(0)

    async def hear(self, name: str) -> Message:
        """The next message of this name; others before it are passed over. Raises EOFError at the end."""
        async with asyncio.timeout(10):
            while True:
                while self._heard:
                    if (message := self._heard.pop(0)).name == name:
                        return message
                data = await asyncio.get_running_loop().sock_recv(self.socket, 1 << 16)
                if not data:
                    raise EOFError(name)
                self._heard += [decode(frame) for frame in self._framer.feed(data)]

    async def inventory(self, dribbling: bool = False) -> None:
        """Have it start."""
        event = await self.hear("READER_EVENT_NOTIFICATION")
        assert event.parameters[0].parameters[1].fields == {"Status": 0}
        await self.say(
            requests.rospec_request("DELETE_ROSPEC", 1),
            requests.add_rospec(2, PLAN, Capabilities(), (1, 2)),
            requests.rospec_request("ENABLE_ROSPEC", 3),
            dribbling=dribbling,
        )
        answer = await self.hear("ENABLE_ROSPEC_RESPONSE")
        assert answer.id == 3
        assert answer.parameters[0].fields["StatusCode"] == 0


@contextlib.asynccontextmanager
async def serving(source: Belt, clock: ScaledClock | None = None) -> AsyncIterator[SimulatedReader]:
    reader = SimulatedReader("belt", source, clock or ScaledClock(datetime(2026, 3, 1, tzinfo=UTC)), 2)
    await reader.start()
    try:
        yield reader
    finally:
        await reader.stop()


async def until_left(reader: SimulatedReader) -> None:
    async with asyncio.timeout(10):
        while reader.is_connected:
            await asyncio.sleep(0.01)


@pytest.mark.parametrize("dribbling", [False, True], ids=["whole", "byte by byte"])
async def test_requests_are_understood_however_they_are_cut(dribbling: bool) -> None:
    async with serving(Belt()) as reader, Caller(reader.port) as caller:
        await caller.inventory(dribbling)
        first = await caller.hear("RO_ACCESS_REPORT")
        assert [tag.name for tag in first.parameters] == ["TagReportData"]


async def test_without_a_client_and_without_an_rospec_nothing_is_asked_of_the_world() -> None:
    belt = Belt()
    async with serving(belt) as reader:
        async with Caller(reader.port) as caller:
            await caller.hear("READER_EVENT_NOTIFICATION")
            await asyncio.sleep(0.2)
            assert belt.asked == []
        async with Caller(reader.port) as caller:
            await caller.inventory()
            await caller.hear("RO_ACCESS_REPORT")
        await until_left(reader)
        asked = len(belt.asked)
        await asyncio.sleep(0.2)
        assert len(belt.asked) == asked
    ends = [to_us for _, to_us in belt.asked]
    assert [from_us for from_us, _ in belt.asked][1:] == ends[:-1]


async def test_a_client_that_closes_politely_may_come_back_at_once() -> None:
    async with serving(Belt()) as reader:
        for _ in range(20):
            async with Caller(reader.port) as caller:
                await caller.inventory()
                await caller.say(Message("CLOSE_CONNECTION", 9))
                assert (await caller.hear("CLOSE_CONNECTION_RESPONSE")).id == 9
                with pytest.raises(EOFError):
                    await caller.hear("anything more")


async def test_a_cut_resets_the_connection_and_the_next_client_finds_the_rospec() -> None:
    async with serving(Belt()) as reader:
        async with Caller(reader.port) as caller:
            await caller.inventory()
            reader.cut()
            with pytest.raises(ConnectionResetError):
                await caller.hear("anything")
        async with Caller(reader.port) as caller:
            await caller.hear("RO_ACCESS_REPORT")


async def test_a_client_that_does_not_read_loses_reads_and_cannot_hold_up_the_end(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(llrp_reader, "MAX_UNSENT_BYTES", 10_000)
    monkeypatch.setattr(llrp_reader, "GOODBYE_S", 0.2)
    belt = Belt(per_s=20_000)
    reader = SimulatedReader("belt", belt, ScaledClock(datetime(2026, 3, 1, tzinfo=UTC), 50), 2)
    await reader.start()
    async with Caller(reader.port, receive_bytes=4096) as caller:
        await caller.inventory()
        asked, still = -1, 0
        async with asyncio.timeout(20):
            while still < 3:
                still = still + 1 if len(belt.asked) == asked else 0
                asked = len(belt.asked)
                await asyncio.sleep(0.1)
        async with asyncio.timeout(10):
            await reader.stop()
        assert not reader.is_connected


async def test_what_the_world_raises_cuts_the_link_and_comes_out_of_stop() -> None:
    class Broken(Belt):
        def inventory(self, reader: str, antennas: frozenset[int], from_us: int, to_us: int) -> Sightings:
            raise RuntimeError("the world ended")

    reader = SimulatedReader("belt", Broken(), ScaledClock(datetime(2026, 3, 1, tzinfo=UTC)), 2)
    await reader.start()
    async with Caller(reader.port) as caller:
        await caller.inventory()
        with pytest.raises((EOFError, ConnectionResetError)):
            await caller.hear("RO_ACCESS_REPORT")
    with pytest.raises(RuntimeError, match="the world ended"):
        await reader.stop()
