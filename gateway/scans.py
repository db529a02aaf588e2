"""Scans: heard over MQTT or a wire, journalled, answered; later told what the backend made of them.

    device ── ScanRequest ──▶ journal ── Scan event ──▶ publisher ──▶ backend
       ◀── stored ─────────────┘                                        │
       ◀── applied | refused, and why ───────── Ack.scans ◀─────────────┘

Handhelds publish to the site's broker, or to the gateway's own listener (listener.py), which works without either
internet or broker; scanners on a wire speak through wired.py. A handheld repeats its request until it hears something;
a repeat is answered with the latest that is known of it.
"""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Final

from gateway.errors import JournalError
from gateway.journal import Journal
from gateway.stats import GatewayStats
from wire.ack import ScanOutcome, ScanRequest, decode_scan_request
from wire.errors import LinkError, MessageError, TopicError
from wire.events import Scan, encode
from wire.mqtt import InboundMessage, MqttLink
from wire.topics import every, parse, topic

logger = logging.getLogger(__name__)


MAX_ANSWERS: Final = 256
"""Outcomes on their way to one broker; of more the devices will ask again."""

Told = Callable[[ScanOutcome], None]
"""How a device on a wire hears what became of its scan. Called on the event loop; must not block."""


class ScanDesk:
    """Takes in the scans of one site's devices and hands out what became of them."""

    def __init__(self, site: str, journal: Journal, stats: GatewayStats, stored: Callable[[], None]) -> None:
        self._site = site
        self._journal = journal
        self._stats = stats
        self._stored = stored
        self._wired: dict[str, Told] = {}
        self._answers: dict[MqttLink, set[asyncio.Task[None]]] = {}
        self._complained_of: set[str] = set()

    def serve(self, link: MqttLink) -> None:
        """Take in what handhelds publish on this link, and publish outcomes on it. It must not be up yet."""
        self._answers[link] = set()
        link.subscribe(every("scans", self._site), self._receive)

    def wire(self, device: str, told: Told) -> None:
        """Have `told` called with what becomes of a device's scans."""
        self._wired[device] = told

    async def take(self, device: str, request: ScanRequest) -> ScanOutcome:
        """Keep a scan and tell its device what is known of it. Raises JournalError when it cannot be kept."""
        (outcome,) = await self._journal.append_scans([as_event(device, request)])
        self._stats.scans += 1
        self._stored()
        self._answer(outcome)
        return outcome

    async def tell(self, outcomes: Sequence[ScanOutcome]) -> None:
        """Keep the backend's word on scans, and pass on what is new to their devices."""
        try:
            news = await self._journal.record_outcomes(outcomes)
        except JournalError as error:
            logger.warning("outcomes of scans not kept, told all the same: %s", error)
            news = list(outcomes)
        for outcome in news:
            self._answer(outcome)

    async def _receive(self, message: InboundMessage) -> None:
        try:
            device = parse(message.topic).name
        except TopicError as error:
            logger.warning("scan on a foreign topic: %s", error)
            return
        try:
            request = decode_scan_request(message.payload)
        except MessageError as error:
            await self._refuse(device, message.payload, str(error))
            return
        try:
            await self.take(device, request)
        except JournalError as error:
            logger.warning("scan not kept, the device will repeat it device=%s: %s", device, error)

    async def _refuse(self, device: str, payload: bytes, reason: str) -> None:
        """Say no to what cannot be read, when at least its id can; log once for each device."""
        if device not in self._complained_of:
            self._complained_of.add(device)
            logger.warning("unusable scan device=%s: %s", device, reason)
        scan_id = None
        with suppress(ValueError, AttributeError):
            scan_id = json.loads(payload).get("scan_id")
        if isinstance(scan_id, str) and 0 < len(scan_id) <= 64:
            self._answer(ScanOutcome(device=device, scan_id=scan_id, state="refused", reason=reason[:500]))

    def _answer(self, outcome: ScanOutcome) -> None:
        """Over its wire, and on every link that is up: where a device listens now is not remembered. Nobody waits: a
        broker that stalls must hold up neither the next scan nor the other link."""
        told = self._wired.get(outcome.device)
        if told is not None:
            told(outcome)
        for link, answers in self._answers.items():
            if link.connected and len(answers) < MAX_ANSWERS:
                task = asyncio.get_running_loop().create_task(self._publish(link, outcome))
                answers.add(task)
                task.add_done_callback(answers.discard)

    async def _publish(self, link: MqttLink, outcome: ScanOutcome) -> None:
        try:
            await link.publish(topic(self._site, outcome.device, "outcomes"), encode(outcome))
        except LinkError as error:
            logger.debug("outcome not sent, the device will ask again device=%s: %s", outcome.device, error)


def as_event(device: str, request: ScanRequest) -> Scan:
    """The event that a request becomes; the device is the one whose topic it came on."""
    return Scan(
        scan_id=request.scan_id,
        device=device,
        operator=request.operator,
        intent=request.intent,
        code=request.code,
        zone=request.zone,
        quantity=request.quantity,
        lot=request.lot,
        document=request.document,
        pallet=request.pallet,
        reason=request.reason,
        photo=request.photo,
        observed_at=request.scanned_at,
    )
