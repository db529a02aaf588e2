"""Scanners that publish what they read in a format of their own: `address` is the broker's URL.

Zebra's RFD40 and RFD90 sleds publish `data.barcodeData` beside their tags; simpler devices publish the bare code. A
handheld that speaks our ScanRequest needs no driver: it publishes to the gateway itself (docs/protocol.md).
"""

from __future__ import annotations

import asyncio
import logging
import secrets
from collections.abc import Callable
from typing import Annotated, Final, Literal

from pydantic import Field
from pydantic_core import from_json

from readers.barcode.framing import Code, Heard, Unreadable, text_of
from readers.barcode.scanner import Deliver, ScannerSettings, ScannerState, read_options
from readers.driver import DriverOptions
from readers.errors import ReaderError
from wire.errors import LinkError
from wire.mqtt import InboundMessage, MqttLink

logger = logging.getLogger(__name__)

CLIENT_ID: Final = "tallyman-scanner-{name}-{chance}"


class MqttScannerOptions(DriverOptions):
    """What a configuration may say about a scanner that publishes."""

    topic: Annotated[str, Field(min_length=1)]
    """Where its codes come."""
    format: Literal["text", "zebra"] = "text"
    """`text`: a payload is a code. `zebra`: an event of an RFD40 or RFD90 with barcodeData."""
    answer_topic: Annotated[str, Field(min_length=1)] | None = None
    """Where it listens for signals, if it does."""


class MqttScanner:
    """The driver `mqtt`. Raises ReaderError for options or a URL that cannot work."""

    def __init__(self, settings: ScannerSettings, deliver: Deliver) -> None:
        self._options = read_options(MqttScannerOptions, settings, "mqtt")
        self._deliver = deliver
        self._decode = DECODERS[self._options.format]
        self._answers: set[asyncio.Task[None]] = set()
        try:
            self._link = MqttLink(settings.address, CLIENT_ID.format(name=settings.name, chance=secrets.token_hex(4)))
        except LinkError as error:
            raise ReaderError(f"scanner {settings.name}: {error}") from error
        self._link.subscribe(self._options.topic, self._receive)
        self._link.on_up(lambda: deliver(ScannerState(up=True)))
        self._link.on_down(lambda: deliver(ScannerState(up=False, detail="the link to its broker is down")))

    async def run(self) -> None:
        """Listen until cancelled (see readers.barcode.scanner.Scanner)."""
        async with self._link:
            await asyncio.Event().wait()

    def answer(self, signal: bytes) -> None:
        """Publish a signal, as far as the link is up."""
        if self._options.answer_topic is not None and self._link.connected:
            task = asyncio.get_running_loop().create_task(self._publish(self._options.answer_topic, signal))
            self._answers.add(task)
            task.add_done_callback(self._answers.discard)

    async def _publish(self, topic: str, signal: bytes) -> None:
        try:
            await self._link.publish(topic, signal)
        except LinkError as error:
            logger.debug("a scanner's signal was cut short topic=%s reason=%s", topic, error)

    async def _receive(self, message: InboundMessage) -> None:
        if message.retain:
            return  # what the broker kept from earlier was scanned earlier
        for heard in self._decode(message.payload):
            self._deliver(heard)


def decode_text(payload: bytes) -> list[Heard]:
    """A payload that is the code itself."""
    text = text_of(payload).strip("\r\n\x00")
    return [Code(text)] if text else []


def decode_zebra(payload: bytes) -> list[Heard]:
    """The barcodes in an event of a Zebra sled; its tags are another driver's."""
    try:
        event = from_json(payload)
    except ValueError as error:
        return [Unreadable(f"an event is no JSON: {error}")]
    data = event.get("data") if isinstance(event, dict) else None
    barcodes = data.get("barcodeData") if isinstance(data, dict) else None
    if barcodes is None:
        return []
    if not isinstance(barcodes, list):
        return [Unreadable("barcodeData is no list")]
    return [_zebra_code(one) for one in barcodes]


def _zebra_code(barcode: object) -> Heard:
    code = barcode.get("decodedBarcode") if isinstance(barcode, dict) else None
    return Code(code) if isinstance(code, str) and code else Unreadable("barcodeData without a decodedBarcode")


DECODERS: Final[dict[str, Callable[[bytes], list[Heard]]]] = {"text": decode_text, "zebra": decode_zebra}
"""Format → how its payloads are read."""
