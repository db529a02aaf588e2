"""A backend that keeps nothing but cursors: what a gateway needs to be tested whole."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any

from wire.ack import Ack, ScanOutcome, decode_status
from wire.events import BadEvent, Lost, Movement, ReaderHealth, Scan, decode_upstream, encode
from wire.mqtt import InboundMessage, MqttLink
from wire.topics import every, parse, topic

Event = Movement | Scan | ReaderHealth | BadEvent


class CursorBackend:
    """Applies batches by the cursor's rules and answers each one; `mute` makes it deaf."""

    def __init__(self, url: str) -> None:
        self.store = "0a0a0a0a"
        self.store_made_at = datetime.now(UTC)
        self.cursors: dict[str, int] = {}
        self.applied: list[Event] = []
        self.lost: list[Lost] = []
        self.status: list[Any] = []
        self.refuse_scans = False
        self.mute = False
        self._link = MqttLink(url, "backend")
        self._link.subscribe(every("events"), self._on_events)
        self._link.subscribe(every("status"), self._on_status)

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[CursorBackend]:
        async with self._link:
            await self._link.wait_connected()
            yield self

    async def _on_status(self, message: InboundMessage) -> None:
        self.status.append(decode_status(message.payload))

    async def _on_events(self, message: InboundMessage) -> None:
        if self.mute:
            return
        upstream = decode_upstream(message.payload)
        through = self.cursors.get(upstream.epoch, 0)
        first, last = (
            (upstream.from_seq, upstream.through_seq)
            if isinstance(upstream, Lost)
            else (upstream.first_seq, upstream.last_seq)
        )
        scans: tuple[ScanOutcome, ...] = ()
        if first <= through + 1 and last > through:
            if isinstance(upstream, Lost):
                self.lost.append(upstream)
            else:
                new = upstream.events[through + 1 - first :]
                self.applied += new
                scans = tuple(self._judge(event) for event in new if isinstance(event, Scan))
            through = self.cursors[upstream.epoch] = last
        ack = Ack(
            gateway=upstream.gateway,
            epoch=upstream.epoch,
            store=self.store,
            store_made_at=self.store_made_at,
            through=through,
            at=datetime.now(UTC),
            scans=scans,
        )
        where = parse(message.topic)
        await self._link.publish(topic(where.site, where.name, "ack"), encode(ack), retain=True)

    def _judge(self, scan: Scan) -> ScanOutcome:
        if self.refuse_scans:
            return ScanOutcome(device=scan.device, scan_id=scan.scan_id, state="refused", reason="unknown code")
        return ScanOutcome(device=scan.device, scan_id=scan.scan_id, state="applied")

    def movements(self, kind: str) -> list[int]:
        return [int(one.epc, 16) for one in self.applied if isinstance(one, Movement) and one.kind == kind]
