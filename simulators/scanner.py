"""Handheld scanners: they publish what a person scans, and say it again until the gateway has stored it.

    state      on                            does
    -----      --                            ----
    sent       stored                        the gateway has it: the person may go on
    sent       applied, refused              done: the backend has judged it
    stored     applied, refused              done
    both       silence for the retry time    publish again, same scan_id; the time doubles up to RETRY_MAX_S
    both       the link fails                the same

The scan's id is made with the scan, so a repeat changes nothing and is answered with the latest that is known of it. An
outcome said while the device's line was down is lost: who wants to hear the judgement asks until there is one.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Final, Protocol

from wire.ack import ScanOutcome, ScanRequest, decode_scan_outcome
from wire.errors import LinkError, MessageError
from wire.events import encode
from wire.mqtt import InboundMessage
from wire.topics import topic

logger = logging.getLogger(__name__)

RETRY_S: Final = 1.0
RETRY_MAX_S: Final = 15.0
"""A person waits for the beep: the first repeats come soon, an outage is asked four times a minute."""

JUDGED: Final = frozenset({"applied", "refused"})


class Link(Protocol):
    """What a handheld needs of an MQTT link."""

    async def publish(self, topic: str, payload: bytes, retain: bool = False) -> None:
        """Publish at QoS 1. Raises LinkError."""

    def subscribe(self, topic_filter: str, handler: Callable[[InboundMessage], Awaitable[None]]) -> None:
        """Have `handler` awaited for each message."""


class Handheld:
    """One scanner at a site. Make it before the link is opened, so that no outcome is missed."""

    def __init__(self, link: Link, site: str, device: str, *, retry_s: float = RETRY_S) -> None:
        self.outcomes: dict[str, ScanOutcome] = {}
        """The latest outcome of each scan, by its id."""
        self.repeats = 0
        self._link = link
        self._device = device
        self._retry_s = retry_s
        self._topic = topic(site, device, "scans")
        self._heard: dict[str, asyncio.Event] = {}
        link.subscribe(topic(site, device, "outcomes"), self._hear)

    @property
    def waiting(self) -> int:
        """Scans that somebody is still asking about."""
        return len(self._heard)

    async def scan(self, request: ScanRequest) -> ScanOutcome:
        """Publish a scan and repeat it until its first outcome is heard; returns that. Runs until then."""
        return await self._ask(request, JUDGED | {"stored"})

    async def judged(self, request: ScanRequest) -> ScanOutcome:
        """The same until the backend has judged the scan: applied or refused."""
        return await self._ask(request, JUDGED)

    async def _ask(self, request: ScanRequest, enough: frozenset[str]) -> ScanOutcome:
        wait_s = self._retry_s
        news = self._heard[request.scan_id] = asyncio.Event()
        try:
            while True:
                await self._send(request)
                with suppress(TimeoutError):
                    async with asyncio.timeout(wait_s):
                        return await self._outcome(request.scan_id, enough, news)
                self.repeats += 1
                wait_s = min(wait_s * 2, RETRY_MAX_S)
        finally:
            del self._heard[request.scan_id]

    async def _outcome(self, scan_id: str, enough: frozenset[str], news: asyncio.Event) -> ScanOutcome:
        """The next outcome that is enough."""
        while True:
            await news.wait()
            news.clear()
            if self.outcomes[scan_id].state in enough:
                return self.outcomes[scan_id]

    async def _send(self, request: ScanRequest) -> None:
        try:
            await self._link.publish(self._topic, encode(request))
        except LinkError as error:
            logger.debug("scan not sent, will be repeated device=%s scan=%s: %s", self._device, request.scan_id, error)

    async def _hear(self, message: InboundMessage) -> None:
        try:
            outcome = decode_scan_outcome(message.payload)
        except MessageError as error:
            logger.warning("an outcome that no handheld can read device=%s: %s", self._device, error)
            return
        known = self.outcomes.get(outcome.scan_id)
        if known is None or known.state == "stored":
            self.outcomes[outcome.scan_id] = outcome
        if outcome.scan_id in self._heard:
            self._heard[outcome.scan_id].set()
