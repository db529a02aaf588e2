"""A handheld says it again until it is heard, and keeps what became of each scan."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime

import pytest

from simulators.scanner import Handheld
from wire.ack import ScanOutcome, ScanRequest, decode_scan_request
from wire.errors import LinkError
from wire.events import encode
from wire.mqtt import InboundMessage

REQUEST = ScanRequest(
    scan_id="s-1",
    operator="ana",
    intent="pick",
    code="]d201095211410010042195",
    zone="packing",
    scanned_at=datetime(2026, 3, 1, tzinfo=UTC),
)


class OneGateway:
    """A link whose other end stores a scan at its n-th arrival; before, it loses or breaks."""

    def __init__(self, *, stores_at: int, breaks_at: int = 0) -> None:
        self.heard: list[ScanRequest] = []
        self._stores_at = stores_at
        self._breaks_at = breaks_at
        self._answer: Callable[[InboundMessage], Awaitable[None]] | None = None
        self.filter = ""

    async def publish(self, topic: str, payload: bytes, retain: bool = False) -> None:
        assert topic == "tallyman/1/JKT/devices/hh-1/scans"
        assert not retain
        self.heard.append(decode_scan_request(payload))
        if len(self.heard) == self._breaks_at:
            raise LinkError("the line is down")
        if len(self.heard) >= self._stores_at:
            await self.say("stored")

    def subscribe(self, topic_filter: str, handler: Callable[[InboundMessage], Awaitable[None]]) -> None:
        self.filter, self._answer = topic_filter, handler

    async def say(self, state: str, reason: str = "", scan_id: str = "s-1") -> None:
        outcome = ScanOutcome.model_validate({"device": "hh-1", "scan_id": scan_id, "state": state, "reason": reason})
        await self.raw(encode(outcome))

    async def raw(self, payload: bytes) -> None:
        assert self._answer is not None
        await self._answer(InboundMessage(self.filter, payload, retain=False))


async def test_a_scan_is_stored_at_once() -> None:
    gateway = OneGateway(stores_at=1)
    handheld = Handheld(gateway, "JKT", "hh-1", retry_s=0.01)
    outcome = await handheld.scan(REQUEST)
    assert gateway.filter == "tallyman/1/JKT/devices/hh-1/outcomes"
    assert (outcome.state, handheld.repeats, handheld.waiting) == ("stored", 0, 0)
    assert gateway.heard == [REQUEST]


async def test_a_scan_is_repeated_unchanged_until_it_is_stored() -> None:
    gateway = OneGateway(stores_at=4, breaks_at=2)
    handheld = Handheld(gateway, "JKT", "hh-1", retry_s=0.001)
    await handheld.scan(REQUEST)
    assert gateway.heard == [REQUEST] * 4
    assert handheld.repeats == 3


async def test_the_word_of_the_backend_replaces_stored_and_stays() -> None:
    gateway = OneGateway(stores_at=1)
    handheld = Handheld(gateway, "JKT", "hh-1", retry_s=0.01)
    await handheld.scan(REQUEST)
    await gateway.say("refused", "unknown GTIN")
    await gateway.say("stored")
    assert (handheld.outcomes["s-1"].state, handheld.outcomes["s-1"].reason) == ("refused", "unknown GTIN")


async def test_rubbish_and_other_scans_do_not_confirm_this_one(caplog: pytest.LogCaptureFixture) -> None:
    gateway = OneGateway(stores_at=1000)
    handheld = Handheld(gateway, "JKT", "hh-1", retry_s=0.001)
    scan = asyncio.create_task(handheld.scan(REQUEST))
    await asyncio.sleep(0.01)
    await gateway.raw(b"{")
    await gateway.say("stored", scan_id="s-2")
    await asyncio.sleep(0.01)
    assert handheld.waiting == 1
    assert "no handheld can read" in caplog.text
    await gateway.say("applied")
    assert (await scan).state == "applied"


async def test_a_judgement_said_while_nobody_heard_is_asked_for() -> None:
    gateway = OneGateway(stores_at=1)
    handheld = Handheld(gateway, "JKT", "hh-1", retry_s=0.001)
    scan = asyncio.create_task(handheld.judged(REQUEST))
    while handheld.repeats < 2:
        await asyncio.sleep(0.001)
    assert handheld.outcomes["s-1"].state == "stored"
    await gateway.say("refused", "unknown GTIN")
    assert (await scan).reason == "unknown GTIN"
    assert gateway.heard == [REQUEST] * (handheld.repeats + 1)
    assert handheld.waiting == 0
