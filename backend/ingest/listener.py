"""MQTT to the ingest service: receive, apply, answer.

The broker's own acknowledgement means no more than "in hand": what a process that dies had in hand, the gateway
repeats, because it never heard an Ack for it. Each gateway's messages are taken one after another, gateways beside
each other.
"""

from __future__ import annotations

import asyncio
import logging
from typing import Final

from backend.errors import StoreUnavailableError
from backend.ingest.service import IngestService
from backend.store.database import UNAVAILABLE
from wire.ack import Ack, decode_status
from wire.errors import LinkError, MessageError, TopicError
from wire.events import decode_upstream, encode
from wire.mqtt import InboundMessage, MqttLink
from wire.topics import Address, every, parse, topic

logger = logging.getLogger(__name__)

MAX_WAITING: Final = 64
"""Messages held for all gateways together; a gateway's window is 8 batches of at most 1 MiB, so 64 stay below 64 MiB.
Beyond it the link is not read, and the broker and then the gateways wait."""

RETRY_MIN_S: Final = 0.25
RETRY_MAX_S: Final = 5.0
"""A database that was restarted answers within seconds; asking more often would only fill its log."""


class IngestListener:
    """Carries every gateway's events to an IngestService, and its answers back."""

    def __init__(self, service: IngestService, link: MqttLink) -> None:
        self._service = service
        self._link = link
        self._room = asyncio.Semaphore(MAX_WAITING)
        self._turns: dict[Address, asyncio.Lock] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._store_is_down = False

    def subscribe(self) -> None:
        """Listen from now on; call before the link is opened."""
        self._link.subscribe(every("events"), self._receive)
        self._link.subscribe(every("status"), self._receive)

    async def close(self) -> None:
        """Drop what is in hand: its gateways have had no answer and will repeat it."""
        for task in tuple(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _receive(self, message: InboundMessage) -> None:
        try:
            address = parse(message.topic)
        except TopicError as error:
            logger.warning("message on a foreign topic: %s", error)
            return
        await self._room.acquire()
        task = asyncio.create_task(self._in_turn(address, message.payload))
        self._tasks.add(task)
        task.add_done_callback(self._done)

    def _done(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        self._room.release()
        if not task.cancelled() and task.exception() is not None:
            logger.error("a message could not be applied", exc_info=task.exception())

    async def _in_turn(self, address: Address, payload: bytes) -> None:
        async with self._turns.setdefault(address, asyncio.Lock()):
            wait_s = RETRY_MIN_S
            while True:
                try:
                    ack = await self._apply(address, payload)
                except (*UNAVAILABLE, StoreUnavailableError) as error:
                    if not self._store_is_down:
                        logger.warning("the database is away, messages wait: %s", error)
                        self._store_is_down = True
                    await asyncio.sleep(wait_s)
                    wait_s = min(wait_s * 2, RETRY_MAX_S)
                else:
                    break
            if self._store_is_down:
                logger.info("the database is back")
                self._store_is_down = False
        if ack is not None:
            await self._answer(address, ack)

    async def _apply(self, address: Address, payload: bytes) -> Ack | None:
        """Apply one message; what is no message of ours, or speaks for another gateway, is kept in quarantine."""
        try:
            if address.leaf == "status":
                status = decode_status(payload)
                _require_same(address, status.site, status.gateway)
                await self._service.note_status(status)
                return None
            message = decode_upstream(payload)
            _require_same(address, message.site, message.gateway)
        except MessageError as error:
            logger.warning("unusable message from %s/%s: %s", address.site, address.name, error)
            await self._service.set_aside(address.site, address.name, payload, str(error))
            return None
        return await self._service.apply(message)

    async def _answer(self, address: Address, ack: Ack) -> None:
        try:
            await self._link.publish(topic(address.site, address.name, "ack"), encode(ack), retain=True)
        except LinkError as error:
            logger.debug("ack not sent, the gateway will ask again: %s", error)


def _require_same(address: Address, site: str, gateway: str) -> None:
    """A gateway may speak for itself alone. Raises MessageError."""
    if (site, gateway) != (address.site, address.name):
        raise MessageError(f"the message speaks for {site}/{gateway} on the topic of {address.site}/{address.name}")
