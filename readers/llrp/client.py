"""The LLRP driver: one reader over TCP on the event loop, connected again whenever the link drops.

The protocol is connection.py; here are the socket, the timers and the waits between attempts. Timers run on the loop's
own clock (real time), what is delivered carries the clock the driver was given.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import random
from dataclasses import dataclass
from typing import Annotated, Final

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from readers.backoff import Backoff
from readers.driver import Deliver, ReaderSettings
from readers.errors import LinkLostError, ReaderError
from readers.llrp.connection import ClientSession, Phase
from readers.llrp.report import ReportDecoder
from readers.llrp.requests import InventoryPlan
from readers.read import EpcTable, ReaderEvent, ReaderState, to_us
from wire.clock import Clock

logger = logging.getLogger(__name__)

LLRP_PORT: Final = 5084
"""IANA's port for LLRP without TLS."""

CONNECT_TIMEOUT_S: Final = 10.0
"""A reader on the site's own network answers within milliseconds; the kernel would try for minutes."""

CLOSE_TIMEOUT_S: Final = 2.0
"""How long a clean close may wait for the reader's answer; a stopping gateway has other things to do."""

STABLE_S: Final = 30.0
"""A link that held this long was a good one: the next wait is the shortest again."""


class LlrpOptions(BaseModel):
    """What a configuration may say about one LLRP reader; unknown keys are refused."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    keepalive_s: Annotated[float, Field(ge=0.1, le=3600)] = 5.0
    """A silent reader is noticed after twice this."""
    report_every_n: Annotated[int, Field(ge=1, le=65535)] = 1
    """Tags in a report. LLRP 1.0.1 has no time limit: the last tags of a report wait until it is full."""
    session: Annotated[int, Field(ge=0, le=3)] = 1
    """Gen2 session. In S1 a tag answers again after 0.5 to 5 s."""
    tag_population: Annotated[int, Field(ge=1, le=65535)] = 32
    tx_power_index: Annotated[int, Field(ge=0, le=65535)] | None = None
    """Index into the reader's own power table; none leaves the reader's setting."""


@dataclass(frozen=True, slots=True)
class Address:
    """Where a reader listens."""

    host: str
    port: int


def parse_address(text: str, default_port: int = LLRP_PORT) -> Address:
    """`host`, `host:port`, `[v6]:port`, or a bare IPv6 address. Raises ReaderError."""
    host, port = text.strip(), str(default_port)
    if host.startswith("["):
        host, bracket, rest = host[1:].partition("]")
        if not bracket or (rest and not rest.startswith(":")):
            raise ReaderError(f"reader address {text!r}: an IPv6 address with a port is written [address]:port")
        port = rest[1:] or port
    elif host.count(":") == 1:
        host, _, port = host.partition(":")
    if not host or not port.isascii() or not port.isdigit() or not 0 < int(port) < 1 << 16:
        raise ReaderError(f"reader address {text!r}: write host, host:port or [address]:port, ports 1-65535")
    return Address(host, int(port))


class LlrpDriver:
    """One LLRP reader for as long as `run` runs. Raises ReaderError for options or an address that cannot work."""

    def __init__(self, settings: ReaderSettings, epcs: EpcTable, clock: Clock, deliver: Deliver) -> None:
        try:
            options = LlrpOptions.model_validate(dict(settings.options))
        except ValidationError as error:
            faults = "; ".join(f"{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in error.errors())
            raise ReaderError(f"reader {settings.name}: options of the llrp driver: {faults}") from error
        self._name = settings.name
        self._address = parse_address(settings.address)
        self._plan = InventoryPlan(
            antennas=settings.antennas,
            keepalive_ms=round(options.keepalive_s * 1000),
            report_every_n=options.report_every_n,
            session=options.session,
            tag_population=options.tag_population,
            tx_power_index=options.tx_power_index,
        )
        self._reports = ReportDecoder(epcs)
        self._clock = clock
        self._deliver = deliver
        self._backoff = Backoff(random.random)
        self._is_on = False
        self._was_lost = False

    async def run(self) -> None:
        """Keep the reader inventorying until cancelled (see readers.driver.Driver)."""
        while True:
            failure = await self._serve_connection()
            if not self._was_lost:
                logger.warning("reader %s: no inventory: %s", self._name, failure)
                self._was_lost = True
            await asyncio.sleep(self._backoff.next_wait_s())

    async def _serve_connection(self) -> ReaderError:
        """One connection from the first byte to the last; why it ended."""
        loop = asyncio.get_running_loop()
        session: list[ClientSession] = []

        def make_link() -> _Link:
            session.append(ClientSession(self._name, self._plan, self._reports, loop.time()))
            return _Link(session[0], self._clock, self._pass_on)

        try:
            async with asyncio.timeout(CONNECT_TIMEOUT_S):
                transport, link = await loop.create_connection(make_link, self._address.host, self._address.port)
        except TimeoutError:
            return LinkLostError(f"{self._address.host} does not answer within {CONNECT_TIMEOUT_S:.0f} s")
        except OSError as error:
            return LinkLostError(f"cannot connect to {self._address.host}:{self._address.port}: {error}")
        connected_s = loop.time()
        try:
            await asyncio.shield(link.ended)
        except asyncio.CancelledError:
            await link.leave()
            raise
        finally:
            transport.abort()
            self._say_off(link)
        if loop.time() - connected_s >= STABLE_S:
            self._backoff.reset()
        return session[0].failure or LinkLostError("the link was closed")

    def _pass_on(self, event: ReaderEvent) -> None:
        if isinstance(event, ReaderState):
            self._is_on = bool(event.antennas)
            if self._is_on and self._was_lost:
                logger.info("reader %s: inventorying again", self._name)
                self._was_lost = False
        self._deliver(event)

    def _say_off(self, link: _Link) -> None:
        """The antennas saw until the reader was last heard, not until we noticed that it is gone."""
        if self._is_on:
            self._is_on = False
            detail = str(link.session.failure or "closed")
            self._deliver(ReaderState(self._name, frozenset(), link.heard_at_us, detail))


class _Link(asyncio.Protocol):
    """The socket of one session: bytes in, bytes out, and one timer."""

    def __init__(self, session: ClientSession, clock: Clock, pass_on: Deliver) -> None:
        self.session = session
        self.heard_at_us = to_us(clock.now())
        self._clock = clock
        self._pass_on = pass_on
        self._loop = asyncio.get_running_loop()
        self.ended: asyncio.Future[None] = self._loop.create_future()
        self._transport: asyncio.Transport | None = None
        self._timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._wait()

    def data_received(self, data: bytes) -> None:
        self.heard_at_us = to_us(self._clock.now())
        self._settle(self.session.receive_data(data, self._loop.time(), self.heard_at_us))

    def connection_lost(self, exc: Exception | None) -> None:
        self.session.connection_lost(f"connection lost ({exc})" if exc else "the reader closed the connection")
        self._end()

    async def leave(self) -> None:
        """Close politely, but not for long."""
        if self.ended.done() or self._transport is None:
            return
        self.session.close(self._loop.time())
        self._settle([])
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(CLOSE_TIMEOUT_S):
                await self.ended

    def _settle(self, events: list[ReaderEvent]) -> None:
        """After each turn of the session: send, hand on, and see whether it goes on."""
        data = self.session.data_to_send()
        if data and self._transport is not None:
            self._transport.write(data)
        for event in events:
            self._pass_on(event)
        if self.session.phase is Phase.CLOSED:
            self._end()
        else:
            self._wait()

    def _wait(self) -> None:
        """Arm the timer. A deadline that every byte puts off does not move it: it goes off early and is armed again."""
        due_s = self.session.next_deadline_s()
        if due_s is None or (self._timer is not None and self._timer.when() <= due_s):
            return
        if self._timer is not None:
            self._timer.cancel()
        self._timer = self._loop.call_at(due_s, self._time_passed)

    def _time_passed(self) -> None:
        self._timer = None
        self._settle(self.session.handle_timeout(self._loop.time(), to_us(self._clock.now())))

    def _end(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if not self.ended.done():
            self.ended.set_result(None)
