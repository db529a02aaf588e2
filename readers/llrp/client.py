"""The LLRP driver: one reader over TCP or TLS on the event loop, connected again whenever the link drops.

The protocol is connection.py; here are the socket, the timers and the waits between attempts. Timers run on the loop's
own clock (real time), what is delivered carries the clock the driver was given. A name is looked up anew for each
connection, and both of its address families are tried.

Beside the inventory, a program may ask the same reader for more, while `run` runs:

    settings = ReaderSettings("bench", "10.1.0.40", antennas=(1,))
    async with connected(LlrpDriver(settings, EpcTable(), SystemClock(), deliver)) as reader:
        outcome = await reader.access(AccessJob((Write(Bank.EPC, 2, new_epc),), TagMask(old_epc)))
        await reader.set_gpo(1, outcome.accesses != () and outcome.accesses[0].ok)
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import random
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Final, Literal, TypeVar

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, model_validator

from readers.backoff import Backoff
from readers.driver import Deliver, ReaderSettings
from readers.errors import LinkLostError, ReaderError
from readers.llrp import requests
from readers.llrp.access import AccessJob, AccessOutcome
from readers.llrp.connection import WATCHDOG_PERIODS, ClientSession, SessionEvent
from readers.llrp.delivery import Memory
from readers.llrp.endpoint import LLRP_PORT, LLRP_TLS_PORT, TlsOptions, parse_address
from readers.llrp.exchange import Answer
from readers.llrp.message import Message
from readers.llrp.report import ReportDecoder
from readers.llrp.requests import Capabilities, GpiTrigger, InventoryPlan, SearchMode
from readers.read import LINK_DOUBT_US, EpcTable, ReaderEvent, ReaderState, to_us
from wire.clock import Clock

logger = logging.getLogger(__name__)

CONNECT_TIMEOUT_S: Final = 10.0
"""A reader on the site's own network answers within milliseconds; the kernel would try for minutes."""

CLOSE_TIMEOUT_S: Final = 2.0
"""How long a clean close may wait for the reader's answer; a stopping gateway has other things to do."""

STABLE_S: Final = 30.0
"""A link that held this long was a good one: the next wait is the shortest again."""

NEXT_ADDRESS_S: Final = 0.25
"""A name with several addresses: how long the first may take before the next is tried beside it (RFC 8305)."""

READY_TIMEOUT_S: Final = 20.0
"""A program that wants one reader now waits so long for its inventory: twice the slowest single answer."""

MAX_KEEPALIVE_S: Final = LINK_DOUBT_US / 1e6 / WATCHDOG_PERIODS
"""A gateway takes a longer silence than LINK_DOUBT_US for an empty floor: a dead link must be known by then."""

Result = TypeVar("Result")

PortNumber = Annotated[int, Field(ge=1, le=65535)]


class GpiOptions(BaseModel):
    """An input (photo-eye) that goes high, or low."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    gpi: PortNumber
    high: bool = True


def _noticed_in_time(keepalive_s: float) -> float:
    if keepalive_s > MAX_KEEPALIVE_S:
        raise ValueError(
            f"at most {MAX_KEEPALIVE_S:g}: a dead link is noticed after {WATCHDOG_PERIODS} times this, and a gateway"
            f" takes a silence of more than {LINK_DOUBT_US / 1e6:g} s for an empty floor"
        )
    return keepalive_s


class LlrpOptions(BaseModel):
    """What a configuration may say about one LLRP reader; unknown keys are refused."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    keepalive_s: Annotated[float, Field(ge=0.1), AfterValidator(_noticed_in_time)] = 5.0
    """A silent reader is noticed after twice this."""
    report_every_n: Annotated[int, Field(ge=1, le=65535)] = 1
    """Tags in a report."""
    report_wait_s: Annotated[float, Field(ge=0.05, le=60)] = 0.5
    """How long a tag may wait for its report to be full before it is fetched."""
    session: Annotated[int, Field(ge=0, le=3)] = 1
    """Gen2 session. In S1 a tag answers again after 0.5 to 5 s."""
    tag_population: Annotated[int, Field(ge=1, le=65535)] = 32
    tx_power_index: Annotated[int, Field(ge=0, le=65535)] | None = None
    """Index into the reader's own power table; none leaves the reader's setting."""
    rf_mode: Annotated[int, Field(ge=0, le=65535)] | None = None
    """One of the reader's own air protocol modes (UHFC1G2RFModeTable): fast, or robust among many readers."""
    search_mode: Literal["single_target", "dual_target", "suppression"] | None = None
    """Impinj's: tags answer once a while, as often as they can, or are kept silent as long as they have power."""
    version: Literal["auto", "1.0.1"] = "auto"
    """`auto` speaks LLRP 1.1 with a reader that does."""
    start: GpiOptions | None = None
    """The photo-eye that starts the inventory; without it the reader inventories all the time."""
    stop: GpiOptions | None = None
    """The photo-eye that ends what `start` began."""
    run_s: Annotated[float, Field(gt=0, le=3600)] | None = None
    """How long an inventory runs at most that `start` began."""
    tls: TlsOptions | None = None
    """Present, even empty: the reader is reached by TLS, by default on port 5085."""

    @model_validator(mode="after")
    def _runs_end(self) -> LlrpOptions:
        ends = self.stop is not None or self.run_s is not None
        if (self.start is not None) is not ends:
            raise ValueError("start, the photo-eye that begins an inventory, goes with stop or run_s, which end it")
        return self

    def plan(self, antennas: tuple[int, ...]) -> InventoryPlan:
        """What they mean for a reader with these antennas."""
        run_ms = round((self.run_s or 0) * 1000)
        return InventoryPlan(
            antennas=antennas,
            keepalive_ms=round(self.keepalive_s * 1000),
            report_every_n=self.report_every_n,
            report_wait_ms=round(self.report_wait_s * 1000),
            session=self.session,
            tag_population=self.tag_population,
            tx_power_index=self.tx_power_index,
            rf_mode=self.rf_mode,
            search_mode=SearchMode[self.search_mode.upper()] if self.search_mode else None,
            may_speak_1_1=self.version == "auto",
            start=GpiTrigger(self.start.gpi, self.start.high) if self.start else None,
            stop=GpiTrigger(self.stop.gpi, self.stop.high, run_ms) if self.stop else None,
            run_ms=run_ms,
        )


@dataclass(frozen=True, slots=True)
class ReaderFacts:
    """A reader as it last described itself: the version spoken (1: LLRP 1.0.1, 2: 1.1), what it can do, which of the
    planned antennas are connected, and which inputs are high.
    """

    version: int
    capabilities: Capabilities
    antennas: frozenset[int]
    inputs: Mapping[int, bool]


class LlrpDriver:
    """One LLRP reader for as long as `run` runs. Raises ReaderError for options or an address that cannot work."""

    def __init__(self, settings: ReaderSettings, epcs: EpcTable, clock: Clock, deliver: Deliver) -> None:
        try:
            options = LlrpOptions.model_validate(dict(settings.options))
        except ValidationError as error:
            faults = "; ".join(f"{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in error.errors())
            raise ReaderError(f"reader {settings.name}: options of the llrp driver: {faults}") from error
        self._name = settings.name
        self._address = parse_address(settings.address, LLRP_TLS_PORT if options.tls is not None else LLRP_PORT)
        self._tls = options.tls.context() if options.tls is not None else None
        self._server_name = (options.tls.server_name or self._address.host) if options.tls is not None else None
        self._plan = options.plan(settings.antennas)
        self._reports = ReportDecoder(epcs)
        self._memory = Memory()
        self._clock = clock
        self._deliver = deliver
        self._backoff = Backoff(random.random)
        self._link: _Link | None = None
        self._failure: ReaderError | None = None
        self._ready = asyncio.Event()
        self._is_on: bool | None = None
        self._was_lost = False

    # --- what others may ask of the reader ----------------------------------------------------------------------------

    @property
    def facts(self) -> ReaderFacts | None:
        """What is known of the reader on the present connection; None while there is none."""
        if self._link is None:
            return None
        session = self._link.session
        return ReaderFacts(session.version, session.capabilities, session.antennas.seeing, dict(self._memory.inputs))

    async def ready(self) -> None:
        """Wait until the reader inventories, or waits for its photo-eye. Raises LinkLostError after READY_TIMEOUT_S."""
        try:
            async with asyncio.timeout(READY_TIMEOUT_S):
                await self._ready.wait()
        except TimeoutError:
            reason = self._failure or "no connection yet"
            raise LinkLostError(f"reader {self._name}: no inventory within {READY_TIMEOUT_S:.0f} s: {reason}") from None

    async def request(self, message: Message) -> Message:
        """Ask the reader anything that it answers. The message's id and version are the session's.

        Raises LinkLostError while there is no connection or when it drops before the answer, ReaderStatusError when the
        reader refuses, NoAnswerError when it is silent, DecodeError for an answer that breaks the protocol, EncodeError
        for a message that LLRP does not know.
        """
        return await self._connected().request(message)

    async def set_gpo(self, port: int, high: bool) -> None:
        """Set an output, such as a lamp of a stack light. Raises as `request` does."""
        await self.request(requests.set_output(0, port, high))

    async def access(self, job: AccessJob) -> AccessOutcome:
        """Work on tags beside the inventory; jobs wait for each other.

        Raises as `request` does when nothing was done; a job that had begun ends with an outcome that holds the error.
        """
        outcome = await self._connected().access(job)
        if outcome.error is not None and not outcome.accesses:
            raise outcome.error
        return outcome

    def _connected(self) -> _Link:
        if self._link is None:
            raise LinkLostError(f"reader {self._name} is not connected: {self._failure or 'no connection yet'}")
        return self._link

    # --- the inventory ------------------------------------------------------------------------------------------------

    async def run(self) -> None:
        """Keep the reader inventorying until cancelled (see readers.driver.Driver)."""
        while True:
            self._failure = await self._serve_connection()
            if not self._was_lost:
                logger.warning("reader %s: no inventory: %s", self._name, self._failure)
                self._was_lost = True
                self._say_off(to_us(self._clock.now()))
            await asyncio.sleep(self._backoff.next_wait_s())

    async def _serve_connection(self) -> ReaderError:
        """One connection from the first byte to the last; why it ended."""
        loop = asyncio.get_running_loop()
        host, port = self._address.host, self._address.port

        def make_link() -> _Link:
            session = ClientSession(self._name, self._plan, self._reports, loop.time(), self._memory)
            return _Link(session, self._clock, self._pass_on)

        try:
            async with asyncio.timeout(CONNECT_TIMEOUT_S):
                transport, link = await loop.create_connection(
                    make_link,
                    host,
                    port,
                    ssl=self._tls,
                    server_hostname=self._server_name,
                    happy_eyeballs_delay=NEXT_ADDRESS_S,
                )
        except TimeoutError:
            return LinkLostError(f"{host}:{port} does not answer within {CONNECT_TIMEOUT_S:.0f} s")
        except (OSError, ValueError) as error:  # ValueError: a name that no resolver takes
            return LinkLostError(f"cannot connect to {host}:{port}: {error}")
        connected_s = loop.time()
        self._link = link
        try:
            await asyncio.shield(link.ended)
        except asyncio.CancelledError:
            await link.leave()
            raise
        finally:
            self._link = None
            self._ready.clear()
            transport.abort()
            if self._is_on:
                self._failure = link.session.failure
                self._say_off(link.heard_at_us)
        if loop.time() - connected_s >= STABLE_S:
            self._backoff.reset()
        return link.session.failure or LinkLostError("the link was closed")

    def _pass_on(self, event: ReaderEvent) -> None:
        if isinstance(event, ReaderState):
            self._is_on = bool(event.antennas) or event.idle
            if self._is_on:
                self._ready.set()
                if self._was_lost:
                    logger.info("reader %s: inventorying again", self._name)
                    self._was_lost = False
        self._deliver(event)

    def _say_off(self, at_us: int) -> None:
        """The antennas saw until the reader was last heard, not until we noticed that it is gone; or never did. Said
        once for each time.
        """
        if self._is_on is not False:
            self._is_on = False
            self._deliver(ReaderState(self._name, frozenset(), at_us, str(self._failure or "closed")))


@contextlib.asynccontextmanager
async def connected(driver: LlrpDriver) -> AsyncIterator[LlrpDriver]:
    """Run a driver while inside, from when its reader is ready; the link is closed cleanly at the end.

    Raises LinkLostError when the reader does not get ready in time.
    """
    running = asyncio.create_task(driver.run())
    try:
        await driver.ready()
        yield driver
    finally:
        running.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await running


class _Link(asyncio.Protocol):
    """The socket of one session: bytes in, bytes out, one timer, and who waits for which answer."""

    def __init__(self, session: ClientSession, clock: Clock, pass_on: Deliver) -> None:
        self.session = session
        self.heard_at_us = to_us(clock.now())
        self._clock = clock
        self._pass_on = pass_on
        self._loop = asyncio.get_running_loop()
        self.ended: asyncio.Future[None] = self._loop.create_future()
        self._transport: asyncio.Transport | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._answers: dict[int, asyncio.Future[Message]] = {}
        self._outcomes: dict[int, asyncio.Future[AccessOutcome]] = {}

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._wait()

    def data_received(self, data: bytes) -> None:
        self.heard_at_us = to_us(self._clock.now())
        self._settle(self.session.receive_data(data, self._loop.time(), self.heard_at_us))

    def connection_lost(self, exc: Exception | None) -> None:
        reason = f"connection lost ({exc})" if exc else "the reader closed the connection"
        self._settle(self.session.connection_lost(reason))

    async def request(self, message: Message) -> Message:
        """Ask, and wait for the answer."""
        number = self.session.ask(message, self._loop.time())
        return await self._waited_for(self._answers, number)

    async def access(self, job: AccessJob) -> AccessOutcome:
        """Hand a job in, and wait for its end."""
        number = self.session.access(job, self._loop.time())
        return await self._waited_for(self._outcomes, number)

    async def _waited_for(self, waiting: dict[int, asyncio.Future[Result]], number: int) -> Result:
        future: asyncio.Future[Result] = self._loop.create_future()
        waiting[number] = future
        self._settle(self.session.take_events())
        return await future

    async def leave(self) -> None:
        """Close politely, but not for long."""
        if self.ended.done() or self._transport is None:
            return
        self.session.close(self._loop.time())
        self._settle(self.session.take_events())
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(CLOSE_TIMEOUT_S):
                await self.ended

    def _settle(self, events: list[SessionEvent]) -> None:
        """After each turn of the session: send, hand on, and see whether it goes on."""
        data = self.session.data_to_send()
        if data and self._transport is not None:
            self._transport.write(data)
        for event in events:
            match event:
                case Answer():
                    _resolve(self._answers.pop(event.request_id, None), event.message, event.error)
                case AccessOutcome():
                    _resolve(self._outcomes.pop(event.job_id, None), event, None)
                case _:
                    self._pass_on(event)
        if self.session.closed:
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


def _resolve(future: asyncio.Future[Any] | None, result: object, error: ReaderError | None) -> None:
    """Wake who waits, unless nobody does any more."""
    if future is None or future.done():
        return
    if error is not None:
        future.set_exception(error)
    else:
        future.set_result(result)
