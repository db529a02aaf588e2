"""A reader that publishes its events to a broker: subscribe, decode, hand on, and notice when it falls silent.

A broker hides whether its publisher lives, so silence is all there is to go by: a reader not heard for `silence_s`
counts as off, and no absence is decided by it. The link itself (connect, back-off, its log) is wire.mqtt.
"""

from __future__ import annotations

import logging
import secrets
from collections.abc import Callable, Mapping
from typing import Final

from readers.driver import Deliver
from readers.errors import ReaderError
from readers.read import to_us
from readers.vendor_event import VendorEvent, VendorReader
from wire.clock import Clock
from wire.errors import LinkError
from wire.mqtt import InboundMessage, MqttLink

logger = logging.getLogger(__name__)

CLIENT_ID: Final = "tallyman-reader-{name}-{chance}"
"""With chance in it: a broker closes the older of two connections with one name, and a standby gateway may try."""

CHECK_S: Final = 0.5
"""How often silence is looked for, in the clock's seconds."""

Decode = Callable[[bytes], list[VendorEvent]]


class MqttFeed:
    """One reader's topics on one broker. `decoders` says for each topic filter how its payloads are read."""

    def __init__(
        self,
        name: str,
        url: str,
        decoders: Mapping[str, Decode],
        reader: VendorReader,
        clock: Clock,
        deliver: Deliver,
    ) -> None:
        try:
            self._link = MqttLink(url, CLIENT_ID.format(name=name, chance=secrets.token_hex(4)))
        except LinkError as error:
            raise ReaderError(f"reader {name}: {error}") from error
        self._name = name
        self._reader = reader
        self._clock = clock
        self._deliver = deliver
        self._was_lost = False
        self._link.on_down(self._link_down)
        for topic_filter, decode in decoders.items():
            self._subscribe(topic_filter, decode)

    async def run(self) -> None:
        """Listen until cancelled (see readers.driver.Driver)."""
        async with self._link:
            while True:
                await self._clock.sleep(CHECK_S)
                for event in self._reader.check_silence(to_us(self._clock.now())):
                    self._note_loss("it fell silent")
                    self._deliver(event)

    def _subscribe(self, topic_filter: str, decode: Decode) -> None:
        async def receive(message: InboundMessage) -> None:
            if message.retain:
                return  # what the broker kept from earlier is no read of now
            events = self._reader.take(decode(message.payload), to_us(self._clock.now()))
            if self._was_lost and self._reader.is_on:
                self._was_lost = False
                logger.info("reader %s: heard again", self._name)
            for event in events:
                self._deliver(event)

        self._link.subscribe(topic_filter, receive)

    def _link_down(self) -> None:
        for event in self._reader.lost("the link to its broker is down"):
            self._note_loss("the link to its broker is down")
            self._deliver(event)

    def _note_loss(self, reason: str) -> None:
        if not self._was_lost:
            self._was_lost = True
            logger.warning("reader %s: no inventory: %s", self._name, reason)
