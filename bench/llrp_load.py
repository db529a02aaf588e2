"""A load of LLRP readers for a gateway in another process: real LLRP over TCP, as little work as can be.

Each reader says yes to whatever its client asks and, once its ROSpec is enabled, reports its tags in turn: frames made
beforehand, in which times are set when they are sent. Run as a program it prints the ports, sends until a line comes on
its standard input, and then prints how many reads it sent.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
import time

import numpy as np

from bench.busy_site import RECORD
from readers.llrp.codec import Framer, decode, encode
from readers.llrp.message import Message, Parameter
from readers.read import Reads

SLICE_S = 0.05
PARTS = 5
"""Readers take turns within a slice, so that their reports do not come all at once."""

ANTENNAS = 4
RSSI_DBM = -58
MESSAGE_ID = 7
RO_ACCESS_REPORT = 61


def success(name: str, message_id: int) -> bytes:
    """The answer that says yes."""
    status = Parameter("LLRPStatus", {"StatusCode": 0, "ErrorDescription": ""})
    return encode(Message(name, message_id, {}, [status]))


def greeting() -> bytes:
    """What a reader says first."""
    stamp = Parameter("UTCTimestamp", {"Microseconds": time.time_ns() // 1000})
    attempt = Parameter("ConnectionAttemptEvent", {"Status": 0})
    data = Parameter("ReaderEventNotificationData", {}, [stamp, attempt])
    return encode(Message("READER_EVENT_NOTIFICATION", 0, {}, [data]))


class LoadReader(asyncio.Protocol):
    """One reader that sees `tags` of its own at `rate_hz` altogether, `every_n` in a report."""

    def __init__(self, number: int, tags: int, rate_hz: int, every_n: int) -> None:
        self.sent = 0
        self._rate_hz = rate_hz
        self._every_n = every_n
        self._cycle = _frames(number, tags, every_n)
        self._framer = Framer()
        self._transport: asyncio.Transport | None = None
        self._began_us: int | None = None
        self._frames_sent = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        transport.write(greeting())

    def data_received(self, data: bytes) -> None:
        assert self._transport is not None
        for frame in self._framer.feed(data):
            message = decode(frame)
            if message.name == "KEEPALIVE_ACK":
                continue
            self._transport.write(success(f"{message.name}_RESPONSE", message.id))
            if message.name == "ENABLE_ROSPEC":
                self._began_us = time.time_ns() // 1000
            elif message.name == "DELETE_ROSPEC":
                self._began_us = None

    def send_due(self, now_us: int) -> None:
        """Report what was seen up to now, as far as it fills reports."""
        if self._began_us is None or self._transport is None:
            return
        due = (now_us - self._began_us) * self._rate_hz // 1_000_000 // self._every_n
        count = due - self._frames_sent
        if count <= 0:
            return
        frames: Reads = self._cycle[(self._frames_sent + np.arange(count)) % len(self._cycle)]
        number = self._frames_sent * self._every_n + np.arange(count * self._every_n)
        at_us = (self._began_us + (number + 1) * 1_000_000 // self._rate_hz).reshape(count, self._every_n)
        frames["records"]["first"] = frames["records"]["last"] = at_us
        self._frames_sent = due
        self.sent += count * self._every_n
        self._transport.write(frames.tobytes())


def _frames(number: int, tags: int, every_n: int) -> Reads:
    """Whole reports of all tags in turn; each tag stands before one antenna."""
    records = np.repeat(RECORD, tags)
    records["epc"] = [
        bytes.fromhex("3034257bf7194e40") + (number * tags + tag).to_bytes(4, "big") for tag in range(tags)
    ]
    records["antenna"] = np.arange(tags) % ANTENNAS + 1
    records["rssi"] = RSSI_DBM
    header = [("word", ">u2"), ("length", ">u4"), ("id", ">u4")]
    frames = np.zeros(tags // every_n, np.dtype([*header, ("records", records.dtype, (every_n,))]))
    frames["word"], frames["length"], frames["id"] = 1 << 10 | RO_ACCESS_REPORT, frames.dtype.itemsize, MESSAGE_ID
    frames["records"] = records.reshape(-1, every_n)
    return frames


async def serve(readers: int, tags: int, rate_hz: int, every_n: int) -> None:
    """Serve until a line comes on standard input."""
    loop = asyncio.get_running_loop()
    load = [LoadReader(number, tags, rate_hz, every_n) for number in range(readers)]
    servers = [await loop.create_server(lambda each=each: each, "127.0.0.1", 0) for each in load]  # type: ignore[misc]
    print(json.dumps([server.sockets[0].getsockname()[1] for server in servers]), flush=True)
    told = loop.run_in_executor(None, sys.stdin.readline)
    part = 0
    while not told.done():
        await asyncio.sleep(SLICE_S / PARTS)
        now_us = time.time_ns() // 1000
        for each in load[part::PARTS]:
            each.send_due(now_us)
        part = (part + 1) % PARTS
    print(json.dumps(sum(each.sent for each in load)), flush=True)
    await loop.run_in_executor(None, sys.stdin.readline)


def main(core: int, readers: int, tags: int, rate_hz: int, every_n: int) -> None:
    os.sched_setaffinity(0, {core})
    asyncio.run(serve(readers, tags, rate_hz, every_n))


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
