"""Journal to MQTT: batches out, acknowledgements in, the gateway's birth and last will (docs/adr/0001, docs/adr/0002).

When to send is decided by `gateway.window`; what is done with an acknowledgement by `gateway.journal`. This file joins
both to the link. PUBACKs are only waited for to keep the broker from drowning: nothing is done when one arrives.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from datetime import datetime
from typing import Final

from gateway.config import GatewayConfig, MqttSettings
from gateway.errors import JournalError
from gateway.journal import Journal, Outgoing, Store
from gateway.stats import GatewayStats
from gateway.window import Window
from readers.read import to_us
from wire import topics
from wire.ack import GatewayStatus, ScanOutcome, decode_ack
from wire.clock import Clock
from wire.errors import LinkError, MessageError
from wire.events import MAX_BATCH_BYTES, Lost, encode, encode_batch
from wire.mqtt import InboundMessage, MqttLink

logger = logging.getLogger(__name__)

MAX_EVENT_BYTES: Final = MAX_BATCH_BYTES - 1024
"""What a batch's envelope (names, epoch, time: at most 400 bytes) leaves for its events."""

OFFSET_SAMPLES: Final = 32
"""Each ack shows the backend's clock minus its own travel; the largest of the latest is nearest to the truth."""

PROBE_S: Final = 30.0
"""An idle gateway repeats the last event the backend has this often, and when the link comes up: the answer tells of a
database that was restored meanwhile, and measures the clock."""

ASK_S: Final = 5.0
"""A scan whose outcome went by while the line was down is asked about this soon: its operator stands and waits."""

FAREWELL_S: Final = 2.0
"""A stop waits this long for the broker to take the last status."""

Outcomes = Callable[[Sequence[ScanOutcome]], Awaitable[None]]


class Publisher:
    """Sends a journal's events until the backend has them. Registers itself with the link, which must not be up yet."""

    def __init__(
        self,
        config: GatewayConfig,
        settings: MqttSettings,
        journal: Journal,
        link: MqttLink,
        clock: Clock,
        stats: GatewayStats,
    ) -> None:
        self._config = config
        self._settings = settings
        self._journal = journal
        self._link = link
        self._clock = clock
        self._stats = stats
        self._outcomes: Outcomes | None = None
        self._window = Window(settings.window_batches, settings.retry_s, settings.retry_max_s)
        self._window.restart(journal.position.acked)
        self._wake = asyncio.Event()
        self._acked = asyncio.Event()
        self._probe_at = 0.0
        self._ask_at = 0.0
        self._asked_after = 0
        self._sends: set[asyncio.Task[None]] = set()
        self._offsets: deque[float] = deque(maxlen=OFFSET_SAMPLES)
        self._events_topic = topics.topic(config.site, config.gateway, "events")
        self._status_topic = topics.topic(config.site, config.gateway, "status")
        link.will = (self._status_topic, self._status(online=False))
        link.on_up(self._link_up)
        link.on_down(self._link_down)
        link.subscribe(topics.topic(config.site, config.gateway, "ack"), self._on_ack)

    def on_outcomes(self, outcomes: Outcomes) -> None:
        """Have `outcomes` awaited with what acknowledgements say of scans."""
        self._outcomes = outcomes

    def wake(self) -> None:
        """Look at the journal again: something was appended."""
        self._wake.set()

    async def run(self) -> None:
        """Send for ever. Raises JournalError when the journal cannot be read."""
        try:
            while True:
                self._wake.clear()
                self._window.tick(asyncio.get_running_loop().time())
                while self._link.connected and await self._send_next():
                    pass
                if self._link.connected:
                    await self._probe()
                    await self._ask_about_scans()
                self._report()
                await self._wait()
        finally:
            for task in self._sends:
                task.cancel()

    async def drain(self, within_s: float) -> None:
        """Wait until the backend has everything, but not longer than `within_s` and not without a link; then say that
        the gateway stops, as far as the broker takes it in time. `run` must still be running."""
        with suppress(TimeoutError):
            async with asyncio.timeout(within_s):
                while self._link.connected and self._journal.position.backlog:
                    self._acked.clear()
                    await self._acked.wait()
        if self._link.connected:
            try:
                async with asyncio.timeout(FAREWELL_S):
                    await self._link.publish(self._status_topic, self._status(online=False), retain=True)
            except (LinkError, TimeoutError) as error:
                logger.debug("the farewell did not arrive reason=%s", error)

    async def _wait(self) -> None:
        due = min(self._window.deadline or self._probe_at, self._ask_at)
        with suppress(TimeoutError):
            async with asyncio.timeout_at(due if self._link.connected else None):
                await self._wake.wait()

    async def _send_next(self) -> bool:
        """Send one batch or lost range. Returns whether another may follow at once."""
        window = self._window
        seq, generation = window.wants(), window.generation
        if seq is None or seq > self._journal.position.end:
            return False
        outgoing = await self._journal.read_from(seq, self._settings.batch_events, MAX_EVENT_BYTES)
        if window.generation != generation:
            return True
        if outgoing is None:
            return False
        window.sent(outgoing.last_seq, asyncio.get_running_loop().time())
        self._send(outgoing)
        return True

    async def _probe(self) -> None:
        now = asyncio.get_running_loop().time()
        if self._window.deadline is not None:
            self._probe_at = now + PROBE_S
        elif now >= self._probe_at:
            self._probe_at = now + PROBE_S
            acked = self._journal.position.acked
            known = await self._journal.read_from(acked, 1, MAX_EVENT_BYTES) if acked else None
            if known is not None and known.first_seq == acked:
                self._repeat(known)

    async def _ask_about_scans(self) -> None:
        """An acknowledgement covers all before it, but names outcomes of its own batch alone: where one went unheard,
        the scan is repeated, turn by turn, for the answer's sake."""
        now = asyncio.get_running_loop().time()
        if now < self._ask_at:
            return
        self._ask_at = now + ASK_S
        seq = await self._journal.unjudged_scan(self._asked_after)
        self._asked_after = seq or 0
        if seq is None:
            return
        about = min(self._settings.batch_events, self._journal.position.acked - seq + 1)
        known = await self._journal.read_from(seq, about, MAX_EVENT_BYTES)
        if known is not None and known.first_seq == seq and known.payloads:
            self._asked_after = known.last_seq
            self._repeat(known)

    def _repeat(self, known: Outgoing) -> None:
        """Send what the backend has, to be answered."""
        self._window.asked()
        self._send(known)

    def _send(self, outgoing: Outgoing) -> None:
        task = asyncio.get_running_loop().create_task(self._publish(self._message(outgoing)))
        self._sends.add(task)
        task.add_done_callback(self._sends.discard)
        self._stats.batches_sent += 1

    def _message(self, outgoing: Outgoing) -> bytes:
        config, now = self._config, self._clock.now()
        if outgoing.payloads:
            return encode_batch(
                config.site, config.gateway, outgoing.epoch, outgoing.first_seq, now.isoformat(), outgoing.payloads
            )
        logger.error("events lost from=%d through=%d why=%s", outgoing.first_seq, outgoing.last_seq, outgoing.why_lost)
        return encode(
            Lost(
                site=config.site,
                gateway=config.gateway,
                epoch=outgoing.epoch,
                from_seq=outgoing.first_seq,
                through_seq=outgoing.last_seq,
                reason=outgoing.why_lost,
                sent_at=now,
            )
        )

    async def _publish(self, message: bytes) -> None:
        try:
            await self._link.publish(self._events_topic, message)
        except LinkError as error:
            logger.debug("a batch was cut short, the journal has it reason=%s", error)

    async def _on_ack(self, message: InboundMessage) -> None:
        try:
            ack = decode_ack(message.payload)
        except MessageError as error:
            logger.warning("an acknowledgement cannot be read topic=%s reason=%s", message.topic, error)
            return
        now = self._clock.now()
        if not message.retain:
            self._measure_offset(ack.at, now)
        if ack.gateway != self._config.gateway or ack.epoch != self._journal.position.epoch:
            return
        if ack.scans and self._outcomes is not None:
            await self._outcomes(ack.scans)
        try:
            store = Store(ack.store, to_us(ack.store_made_at))
            await self._take_ack(ack.epoch, ack.through, store, to_us(now), hint=message.retain)
        except JournalError as error:
            logger.error("an acknowledgement could not be kept, the next one will do reason=%s", error)  # noqa: TRY400

    async def _take_ack(self, epoch: str, through: int, store: Store, now_us: int, *, hint: bool) -> None:
        effect = await self._journal.ack(epoch, through, store, now_us)
        if effect in ("rewound", "new_epoch"):
            self._stats.rewinds += 1
            self._window.restart(self._journal.position.acked)
        elif effect == "advanced" or (effect == "repeated" and not hint):
            self._window.answered(through, asyncio.get_running_loop().time())
        if effect == "new_epoch":
            await self._publish_birth()
        self._report()
        self._acked.set()
        self._wake.set()

    def _measure_offset(self, backend_at: datetime, now: datetime) -> None:
        self._offsets.append((backend_at - now).total_seconds())
        self._stats.clock_offset_s = max(self._offsets)

    def _report(self) -> None:
        at, stats = self._journal.position, self._stats
        stats.epoch, stats.store, stats.acked_through = at.epoch, at.store, at.acked
        stats.last_seq, stats.backlog = at.end, at.backlog
        stats.journal_used = self._journal.used_fraction
        stats.times_back = self._window.times_back
        stats.online = self._link.connected

    async def _link_up(self) -> None:
        for task in self._sends:
            task.cancel()
        self._window.restart(self._journal.position.acked)
        self._probe_at = self._ask_at = 0.0
        self._report()
        self._wake.set()
        await self._publish_birth()

    def _link_down(self) -> None:
        self._acked.set()
        self._link.will = (self._status_topic, self._status(online=False))
        self._stats.online = False

    async def _publish_birth(self) -> None:
        try:
            await self._link.publish(self._status_topic, self._status(online=True), retain=True)
        except LinkError as error:
            logger.debug("the birth was cut short, the next link brings it reason=%s", error)

    def _status(self, *, online: bool) -> bytes:
        config = self._config
        return encode(
            GatewayStatus(
                site=config.site,
                gateway=config.gateway,
                online=online,
                epoch=self._journal.position.epoch,
                config_hash=config.hash,
                zones=tuple(zone.code for zone in config.zones),
                portals=tuple(portal.code for portal in config.portals),
                readers=tuple(reader.name for reader in config.readers),
                at=self._clock.now(),
            )
        )
