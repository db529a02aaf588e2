"""The driver of the Impinj R700's IoT device interface: its HTTP stream, or its events through an MQTT broker.

`address` decides: `http[s]://[user:password@]host` reads the stream, `mqtt[s]://…` is the broker that the reader
publishes to. Over HTTP the driver starts the preset it is told to, and asks the reader for its status all the time: so
a reader without tags in sight is known to live, and one that vanished is noticed. Over MQTT it only listens.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import logging
import random
import ssl
from functools import partial
from pathlib import Path
from typing import Annotated, Any, Final, NoReturn, cast
from urllib.parse import quote, unquote, urlsplit

import aiohttp
from pydantic import Field
from pydantic_core import from_json

from readers.backoff import Backoff
from readers.driver import Deliver, Driver, DriverOptions, ReaderSettings, read_options
from readers.errors import LinkLostError, ReaderError
from readers.impinj_event import decode, status_of
from readers.lines import LineFramer
from readers.mqtt_feed import CHECK_S, MqttFeed
from readers.read import EpcTable, to_us
from readers.vendor_event import Alive, ClockOf, InventoryStatus, Unusable, VendorEvent, VendorReader
from wire.clock import Clock

logger = logging.getLogger(__name__)

STREAM_PATH: Final = "/api/v1/data/stream"
STATUS_PATH: Final = "/api/v1/status"
START_PATH: Final = "/api/v1/profiles/inventory/presets/{preset}/start"

ANSWER_TIMEOUT_S: Final = 10.0
"""For a connection and for an answer; a reader on the site's own network needs milliseconds."""

STABLE_S: Final = 30.0
"""A stream that lived this long was a good one: the next wait is the shortest again."""

MAX_EVENT_BYTES: Final = 64 * 1024
"""A tag event has about 500 bytes; one line of more than this is no event."""


class ImpinjOptions(DriverOptions):
    """What a configuration may say about one R700: event_topic over MQTT; preset, ca and status_every_s over HTTP."""

    event_topic: Annotated[str, Field(min_length=1)] | None = None
    """The topic that the reader publishes its events on (its MQTT setting `eventTopic`)."""
    hostname: Annotated[str, Field(min_length=1)] | None = None
    """The reader's name in its events, where several publish on one topic."""
    silence_s: Annotated[float, Field(ge=1)] = 60.0
    """A reader that cannot be asked and is not heard for so long counts as off, and no absence is decided by it."""
    preset: Annotated[str, Field(min_length=1)] | None = None
    """The inventory preset to start at each connection; none leaves the reader as it is."""
    ca: Path | None = None
    """Certificate to trust for https://, such as the reader's own."""
    status_every_s: Annotated[float, Field(ge=0.1, le=60)] = 5.0
    """How often the reader is asked whether it inventories."""
    clock: ClockOf = "reader"
    """Whose time a read carries. `gateway` for a reader whose clock is not set."""


def impinj_iot(settings: ReaderSettings, epcs: EpcTable, clock: Clock, deliver: Deliver) -> Driver:
    """The driver of one R700, as its address says. Raises ReaderError for options or an address that cannot work."""
    options = read_options(ImpinjOptions, settings, "impinj-iot")
    scheme = urlsplit(settings.address).scheme
    over_mqtt = scheme in ("mqtt", "mqtts")
    if not over_mqtt and scheme not in ("http", "https"):
        raise ReaderError(
            f"reader {settings.name}: address {settings.address!r}: write http://host, https://host,"
            " or mqtt://broker for events that come through a broker"
        )
    foreign = {"preset", "ca", "status_every_s"} if over_mqtt else {"event_topic"}
    misplaced = sorted(foreign & options.model_fields_set)
    if misplaced:
        raise ReaderError(
            f"reader {settings.name}: {', '.join(misplaced)} means nothing with an address of {scheme}://"
        )
    by_status_s, by_silence_s = options.status_every_s + ANSWER_TIMEOUT_S, options.silence_s + CHECK_S
    reader = VendorReader(
        settings.name,
        settings.antennas,
        epcs,
        clock_of=options.clock,
        silence_s=options.silence_s,
        doubt_s=by_silence_s if over_mqtt else by_status_s,
    )
    if not over_mqtt:
        return HttpStream(settings.name, settings.address, options, reader, clock, deliver)
    if options.event_topic is None:
        raise ReaderError(f"reader {settings.name}: events through a broker need the option event_topic")
    decoders = {options.event_topic: partial(decode, hostname=options.hostname)}
    return MqttFeed(settings.name, settings.address, decoders, reader, clock, deliver)


class HttpStream:
    """The event stream of one reader over HTTP, opened again whenever it ends. Raises ReaderError as impinj_iot."""

    def __init__(
        self,
        name: str,
        url: str,
        options: ImpinjOptions,
        reader: VendorReader,
        clock: Clock,
        deliver: Deliver,
    ) -> None:
        parts = urlsplit(url)
        if not parts.hostname or parts.path.strip("/") or parts.query:
            raise ReaderError(f"reader {name}: an address is http[s]://[user:password@]host[:port]")
        self._name = name
        self._base = f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}"
        self._headers = _sign_in(parts.username, parts.password)
        self._tls = _tls(name, options.ca)
        self._options = options
        self._reader = reader
        self._clock = clock
        self._deliver = deliver
        self._backoff = Backoff(random.random)
        self._was_lost = False

    async def run(self) -> None:
        """Keep the stream open until cancelled (see readers.driver.Driver)."""
        loop = asyncio.get_running_loop()
        while True:
            began_s = loop.time()
            try:
                failure = await self._stream_once()
            finally:
                for event in self._reader.lost("the stream has ended"):
                    self._deliver(event)
            if not self._was_lost:
                self._was_lost = True
                logger.warning("reader %s: no inventory: %s", self._name, failure)
            if loop.time() - began_s >= STABLE_S:
                self._backoff.reset()
            await asyncio.sleep(self._backoff.next_wait_s())

    async def _stream_once(self) -> ReaderError:
        """One stream from its opening to its end; why it ended."""
        try:
            await self._stream()
        except* ReaderError as group:
            failure = _first(group)
        except* TimeoutError:
            failure = LinkLostError(f"{self._base} does not answer within {ANSWER_TIMEOUT_S:g} s")
        except* (aiohttp.ClientError, OSError) as group:
            error = _first(group)
            failure = LinkLostError(f"{self._base}: {error or type(error).__name__}")
        return cast("ReaderError", failure)

    async def _stream(self) -> NoReturn:
        connector = aiohttp.TCPConnector(ssl=self._tls) if self._tls is not None else None
        timeout = aiohttp.ClientTimeout(total=None, sock_connect=ANSWER_TIMEOUT_S)
        async with (
            aiohttp.ClientSession(self._base, headers=self._headers, connector=connector, timeout=timeout) as session,
            session.get(STREAM_PATH) as stream,
        ):
            if stream.status != 200:
                raise LinkLostError(f"{self._base}{STREAM_PATH} answers {stream.status} {stream.reason}")
            if self._options.preset is not None:
                await self._start(session, self._options.preset)
            async with asyncio.TaskGroup() as group:
                group.create_task(self._read(stream))
                group.create_task(self._ask_status(session))
        raise AssertionError("both tasks end by raising")

    async def _start(self, session: aiohttp.ClientSession, preset: str) -> None:
        path = START_PATH.format(preset=quote(preset, safe=""))
        async with asyncio.timeout(ANSWER_TIMEOUT_S), session.post(path) as answer:
            if answer.status >= 400:
                text = (await answer.text())[:200]
                raise LinkLostError(f"preset {preset!r} cannot be started: {answer.status} {text}")

    async def _read(self, stream: aiohttp.ClientResponse) -> NoReturn:
        framer = LineFramer(MAX_EVENT_BYTES)
        told_overlong = 0
        async for chunk in stream.content.iter_any():
            events: list[VendorEvent] = []
            for line in framer.feed(chunk):
                events += decode(line, self._options.hostname)
            if framer.overlong > told_overlong:
                told_overlong = framer.overlong
                events.append(Unusable("line", f"a line of more than {MAX_EVENT_BYTES} bytes was dropped"))
            self._take(events or [Alive()])
        raise LinkLostError("the reader closed the stream")

    async def _ask_status(self, session: aiohttp.ClientSession) -> NoReturn:
        """Ask for ever; of a reader whose firmware has no such page only its silence is watched."""
        asks = True
        while True:
            if asks:
                async with asyncio.timeout(ANSWER_TIMEOUT_S), session.get(STATUS_PATH) as answer:
                    asks = answer.status != 404
                    if asks:
                        self._take([_status_in(answer.status, await answer.read())])
                    else:
                        self._doubt(self._options.silence_s + self._options.status_every_s)
            elif silence := self._reader.check_silence(to_us(self._clock.now())):
                for event in silence:
                    self._deliver(event)
                raise LinkLostError("the reader fell silent")
            await asyncio.sleep(self._options.status_every_s)

    def _doubt(self, doubt_s: float) -> None:
        for event in self._reader.doubted_for(doubt_s, to_us(self._clock.now())):
            self._deliver(event)

    def _take(self, events: list[VendorEvent]) -> None:
        delivered = self._reader.take(events, to_us(self._clock.now()))
        if self._was_lost and self._reader.is_on:
            self._was_lost = False
            logger.info("reader %s: inventorying again", self._name)
        for event in delivered:
            self._deliver(event)


def _status_in(code: int, body: bytes) -> InventoryStatus:
    """What the status page says. Raises LinkLostError when it says nothing."""
    status = None
    with contextlib.suppress(ValueError, AttributeError):
        status = from_json(body).get("status")
    if code != 200 or not isinstance(status, str):
        raise LinkLostError(f"{STATUS_PATH} answers {code} without a status")
    return status_of(status)


def _first(group: BaseExceptionGroup[BaseException]) -> Any:
    error: BaseException = group
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error


def _sign_in(username: str | None, password: str | None) -> dict[str, str]:
    """HTTP's basic authentication, where the address names a user."""
    if not username:
        return {}
    both = f"{unquote(username)}:{unquote(password or '')}"
    return {"Authorization": "Basic " + base64.b64encode(both.encode()).decode()}


def _tls(name: str, ca: Path | None) -> ssl.SSLContext | None:
    if ca is None:
        return None
    try:
        return ssl.create_default_context(cafile=ca)
    except (OSError, ssl.SSLError) as error:
        raise ReaderError(f"reader {name}: the certificate {ca} cannot be used: {error}") from error
