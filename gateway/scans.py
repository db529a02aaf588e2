"""Handheld scans: heard over MQTT, journalled, answered; later told what the backend made of them.

    device ── ScanRequest ──▶ journal ── Scan event ──▶ publisher ──▶ backend
       ◀── stored ─────────────┘                                        │
       ◀── applied | refused, and why ───────── Ack.scans ◀─────────────┘

A device repeats its request until it hears something; a repeat is answered with the latest that is known of it.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Sequence
from contextlib import suppress

from gateway.errors import JournalError
from gateway.journal import Journal
from gateway.stats import GatewayStats
from wire.ack import ScanOutcome, ScanRequest, decode_scan_request
from wire.errors import LinkError, MessageError, TopicError
from wire.events import Scan, encode
from wire.mqtt import InboundMessage, MqttLink
from wire.topics import every, parse, topic

logger = logging.getLogger(__name__)


class ScanDesk:
    """Takes in the scans of one site's handhelds and hands out what became of them."""

    def __init__(
        self, site: str, journal: Journal, link: MqttLink, stats: GatewayStats, stored: Callable[[], None]
    ) -> None:
        self._site = site
        self._journal = journal
        self._link = link
        self._stats = stats
        self._stored = stored
        self._complained_of: set[str] = set()
        link.subscribe(every("scans", site), self._receive)

    async def tell(self, outcomes: Sequence[ScanOutcome]) -> None:
        """Keep the backend's word on scans, and pass on what is new to their devices."""
        try:
            news = await self._journal.record_outcomes(outcomes)
        except JournalError as error:
            logger.warning("outcomes of scans not kept, told all the same: %s", error)
            news = list(outcomes)
        for outcome in news:
            await self._answer(outcome)

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
            (outcome,) = await self._journal.append_scans([as_event(device, request)])
        except JournalError as error:
            logger.warning("scan not kept, the device will repeat it device=%s: %s", device, error)
            return
        self._stats.scans += 1
        self._stored()
        await self._answer(outcome)

    async def _refuse(self, device: str, payload: bytes, reason: str) -> None:
        """Say no to what cannot be read, when at least its id can; log once for each device."""
        if device not in self._complained_of:
            self._complained_of.add(device)
            logger.warning("unusable scan device=%s: %s", device, reason)
        scan_id = None
        with suppress(ValueError, AttributeError):
            scan_id = json.loads(payload).get("scan_id")
        if isinstance(scan_id, str) and 0 < len(scan_id) <= 64:
            await self._answer(ScanOutcome(device=device, scan_id=scan_id, state="refused", reason=reason[:500]))

    async def _answer(self, outcome: ScanOutcome) -> None:
        try:
            await self._link.publish(topic(self._site, outcome.device, "outcomes"), encode(outcome))
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
        observed_at=request.scanned_at,
    )
