"""A scanner on a line of bytes, serial or TCP: opened again whenever it breaks, cut into codes, answered.

Only how the line is opened differs; serial.py and tcp.py say it.
"""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Awaitable, Callable
from typing import Annotated, Final

from pydantic import Field, field_validator

from readers.backoff import Backoff
from readers.barcode.framing import CodeFramer
from readers.barcode.scanner import Deliver, ScannerState
from readers.driver import DriverOptions

logger = logging.getLogger(__name__)

LONGEST_WAIT_S: Final = 5.0
"""A person who plugs the scanner in again waits for it; a local line costs nothing to try."""

STABLE_S: Final = 5.0
"""A line that held this long was a good one: the next wait is the shortest again."""


class LineOptions(DriverOptions):
    """What a configuration may say about any scanner on a line."""

    ends: Annotated[str, Field(min_length=1)] = "\r\n"
    """Characters that end a code, as the scanner's suffix is set."""
    strips: str = "\x02"
    """Characters round a code that mean nothing: STX, as some scanners begin with."""
    idle_ms: Annotated[int, Field(ge=5, le=5000)] | None = None
    """For a scanner that sends no suffix: so much silence ends a code."""

    @field_validator("ends", "strips")
    @classmethod
    def _bytes_but_fnc1(cls, value: str) -> str:
        if any(ord(character) > 0x7F for character in value) or "\x1d" in value:
            raise ValueError("use ASCII characters, and not 0x1D: that is FNC1, a part of the code")
        return value

    def make_framer(self) -> CodeFramer:
        """A framer for one connection."""
        return CodeFramer(self.ends.encode(), self.strips.encode())


class Line(asyncio.Protocol):
    """One connection of a scanner, from its first byte to its last. `ended` resolves with the reason."""

    def __init__(self, options: LineOptions, deliver: Deliver) -> None:
        self._loop = asyncio.get_running_loop()
        self._framer = options.make_framer()
        self._idle_s = None if options.idle_ms is None else options.idle_ms / 1000
        self._deliver = deliver
        self._silence: asyncio.TimerHandle | None = None
        self._transport: asyncio.WriteTransport | None = None
        self.ended: asyncio.Future[str] = self._loop.create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport  # type: ignore[assignment]  # a serial transport is no WriteTransport by name

    def data_received(self, data: bytes) -> None:
        for heard in self._framer.feed(data):
            self._deliver(heard)
        if self._silence is not None:
            self._silence.cancel()
            self._silence = None
        if self._idle_s is not None and self._framer.is_open:
            self._silence = self._loop.call_later(self._idle_s, self._fell_silent)

    def connection_lost(self, exc: Exception | None) -> None:
        if self._silence is not None:
            self._silence.cancel()
        self._transport = None
        if not self.ended.done():
            self.ended.set_result(str(exc) if exc else "the line was closed")

    def write(self, signal: bytes) -> None:
        """Send a signal, as far as there is a line."""
        if self._transport is not None:
            self._transport.write(signal)

    def close(self) -> None:
        """End the line at once."""
        if self._transport is not None:
            self._transport.abort()

    def _fell_silent(self) -> None:
        self._silence = None
        for heard in self._framer.flush():
            self._deliver(heard)


OpenLine = Callable[[Callable[[], Line]], Awaitable[Line]]


class LineScanner:
    """One scanner on a line that `open_line` opens. Raises OSError inside `open_line` mean: try again later."""

    def __init__(self, name: str, open_line: OpenLine, options: LineOptions, deliver: Deliver) -> None:
        self._name = name
        self._open_line = open_line
        self._options = options
        self._deliver = deliver
        self._line: Line | None = None
        self._backoff = Backoff(random.random, longest_s=LONGEST_WAIT_S)
        self._was_lost = False

    async def run(self) -> None:
        """Keep the line open until cancelled (see readers.barcode.scanner.Scanner)."""
        loop = asyncio.get_running_loop()
        while True:
            began_s = loop.time()
            reason = await self._serve()
            if not self._was_lost:
                self._was_lost = True
                logger.warning("scanner %s: no line: %s", self._name, reason)
                self._deliver(ScannerState(up=False, detail=reason))
            if loop.time() - began_s >= STABLE_S:
                self._backoff.reset()
            await asyncio.sleep(self._backoff.next_wait_s())

    def answer(self, signal: bytes) -> None:
        """Send a signal, as far as there is a line."""
        if self._line is not None:
            self._line.write(signal)

    async def _serve(self) -> str:
        """One connection; why there is none, or it ended."""
        try:
            line = await self._open_line(lambda: Line(self._options, self._deliver))
        except OSError as error:
            return str(error)
        self._line = line
        if self._was_lost:
            self._was_lost = False
            logger.info("scanner %s: the line is back", self._name)
        self._deliver(ScannerState(up=True))
        try:
            return await asyncio.shield(line.ended)
        finally:
            self._line = None
            line.close()
