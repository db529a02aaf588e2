"""An MQTT connection under asyncio; the only file that speaks MQTT (paho-mqtt, MQTT 3.1.1, QoS 1).

A link outlives its connections. Nothing rests on the broker's memory (docs/adr/0001): every connection is a new one
with a clean session, so a broker that lost everything is no different from one that lost nothing. What was published
and not yet confirmed when a connection ended raises LinkError at its publisher, who alone knows whether it still
matters.

    state        leaves it by                                    to
    -----        ------------                                    --
    down         back-off over                                   connecting
    connecting   socket open, CONNACK and every SUBACK received  up
    connecting   error, refusal, silence                         down
    up           socket closed, ping or PUBACK overdue           down
    any          end of `async with`                             closed (a DISCONNECT: the broker drops the last will)

Paho's own socket is watched by the event loop: no thread but for the blocking connect. A message is acknowledged when
its handler returned. When a handler falls behind, the link stops reading the socket, so that TCP holds the sender back;
but never while something waits for the broker's answer, or a handler that publishes would wait for ever.
"""

from __future__ import annotations

import asyncio
import inspect
import logging
import random
import socket
import ssl
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Final, Self
from urllib.parse import parse_qsl, unquote, urlsplit

from paho.mqtt.client import Client, MQTTMessage, MQTTv311, topic_matches_sub
from paho.mqtt.enums import CallbackAPIVersion, MQTTErrorCode

from wire.errors import LinkError, LinkRefusedError
from wire.topics import unshared

logger = logging.getLogger(__name__)

DEFAULT_PORTS: Final = {"mqtt": 1883, "mqtts": 8883}

KEEPALIVE_S: Final = 20
"""A dead path is noticed within twice this time; mobile networks drop idle mappings after 30 s and more."""

CONNECT_TIMEOUT_S: Final = 5.0
"""For the TCP connection and the TLS handshake, each."""

HANDSHAKE_TIMEOUT_S: Final = 10.0
"""For CONNACK and every SUBACK."""

PUBACK_TIMEOUT_S: Final = 30.0
"""A broker that keeps the connection but owes a PUBACK this long is taken for dead."""

MAX_IN_FLIGHT: Final = 64
"""Unconfirmed publishes. Paho's throughput peaks near 100 and falls to a third at 1000 (measured)."""

INBOUND_QUEUE: Final = 256
"""Messages that may wait for one subscription's handler before the socket is no longer read."""

RECONNECT_MIN_S: Final = 0.25
RECONNECT_MAX_S: Final = 15.0
"""An outage of hours costs four attempts a minute, and a healed one is noticed within 15 s."""

STABLE_AFTER_S: Final = 5.0
"""A connection that lived this long starts the back-off afresh; two programs that share a client id do not."""

HOUSEKEEPING_S: Final = 1.0
"""Period of the keep-alive check, and of the single read that a held-back link still makes."""

SUBSCRIBE_FAILED: Final = 0x80
TLS_FLOOR: Final = ssl.TLSVersion.TLSv1_2


@dataclass(frozen=True, slots=True)
class InboundMessage:
    """One message as a handler gets it. `retain`: the broker kept it from earlier; it is no news."""

    topic: str
    payload: bytes
    retain: bool


Handler = Callable[[InboundMessage], Awaitable[None]]
Callback = Callable[[], Awaitable[None] | None]
Will = tuple[str, bytes]


@dataclass(frozen=True, slots=True)
class Broker:
    """Where a broker is and how to enter it; `str()` of it holds no secret."""

    host: str
    port: int
    username: str | None = None
    password: str | None = field(default=None, repr=False)
    tls: ssl.SSLContext | None = field(default=None, repr=False)

    def __str__(self) -> str:
        return f"{self.host}:{self.port}"


def parse_url(url: str) -> Broker:
    """The broker of mqtt://[user[:password]@]host[:port] or mqtts://…[?ca=FILE&cert=FILE&key=FILE].

    `ca` replaces the system's trust store, `cert` and `key` identify the client. Raises LinkError for any other URL.
    """
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as error:
        raise LinkError(f"not a broker's URL: {error}") from error
    if parts.scheme not in DEFAULT_PORTS or not parts.hostname or parts.path.strip("/"):
        raise LinkError("a broker's URL is mqtt://[user[:password]@]host[:port], or mqtts://… for TLS")
    return Broker(
        host=parts.hostname,
        port=port or DEFAULT_PORTS[parts.scheme],
        username=unquote(parts.username) if parts.username else None,
        password=unquote(parts.password) if parts.password else None,
        tls=_tls_context(parts.scheme, dict(parse_qsl(parts.query))),
    )


def _tls_context(scheme: str, files: dict[str, str]) -> ssl.SSLContext | None:
    unknown = set(files) - {"ca", "cert", "key"}
    if unknown or (files and scheme != "mqtts"):
        raise LinkError("a broker's URL takes ca=, cert= and key= only, and only with mqtts://")
    if scheme != "mqtts":
        return None
    try:
        context = ssl.create_default_context(cafile=files.get("ca"))
        context.minimum_version = TLS_FLOOR
        if "cert" in files:
            context.load_cert_chain(files["cert"], files.get("key"))
    except (OSError, ssl.SSLError) as error:
        raise LinkError(f"the certificate files of the broker's URL cannot be used: {error}") from error
    return context


Receive = Callable[["_Connection", MQTTMessage], None]


class _Connection:
    """One connection to the broker, from its socket to its end. `ended` resolves with the reason."""

    def __init__(self, broker: Broker, client_id: str, will: Will | None, receive: Receive) -> None:
        self._loop = asyncio.get_running_loop()
        self._broker = broker
        self._receive = receive
        self._fd: int | None = None
        self._reading = False
        self._housekeeping: asyncio.TimerHandle | None = None
        self._accepted: asyncio.Future[None] = self._loop.create_future()
        self._answers: dict[int, asyncio.Future[int]] = {}
        self.ended: asyncio.Future[str] = self._loop.create_future()
        self._client = client = Client(
            CallbackAPIVersion.VERSION2,
            client_id=client_id,
            clean_session=True,
            protocol=MQTTv311,
            reconnect_on_failure=False,
            manual_ack=True,
        )
        client.connect_timeout = CONNECT_TIMEOUT_S
        client.max_inflight_messages = MAX_IN_FLIGHT
        if broker.username is not None:
            client.username_pw_set(broker.username, broker.password)
        if broker.tls is not None:
            client.tls_set_context(broker.tls)
        if will is not None:
            client.will_set(will[0], will[1], qos=1, retain=True)
        client.on_connect = self._on_connect
        client.on_disconnect = self._on_disconnect
        client.on_publish = self._on_publish
        client.on_subscribe = self._on_subscribe
        client.on_message = self._on_message

    async def open(self, filters: list[str]) -> None:
        """Connect, then subscribe to every filter. Raises LinkError, or LinkRefusedError when the broker says no."""
        await self._open_socket()
        try:
            async with asyncio.timeout(HANDSHAKE_TIMEOUT_S):
                await self._accepted
                await asyncio.gather(*(self.subscribe(one) for one in filters))
        except TimeoutError as error:
            self.drop("no answer to the handshake")
            raise LinkError(f"the broker answered nothing within {HANDSHAKE_TIMEOUT_S:g} s") from error
        except BaseException:
            self.drop("the handshake failed")
            raise

    async def _open_socket(self) -> None:
        broker = self._broker
        attempt = self._loop.run_in_executor(None, self._client.connect, broker.host, broker.port, KEEPALIVE_S)
        try:
            await asyncio.shield(attempt)
        except asyncio.CancelledError:
            attempt.add_done_callback(self._abandon)
            raise
        except (OSError, ValueError) as error:
            raise LinkError(f"cannot reach the broker: {error}") from error
        self._watch()

    def _abandon(self, attempt: asyncio.Future[Any]) -> None:
        attempt.exception()  # an attempt nobody waits for may fail in silence
        self._close_socket()

    async def subscribe(self, topic_filter: str) -> None:
        """Subscribe at QoS 1 and wait for the answer. A refused filter is logged; the connection stays."""
        code, mid = self._client.subscribe(topic_filter, qos=1)
        if await self._answer(code, mid) >= SUBSCRIBE_FAILED:
            logger.error("the broker refused a subscription filter=%s broker=%s", topic_filter, self._broker)

    async def publish(self, topic: str, payload: bytes, retain: bool) -> None:
        """Publish at QoS 1; returns at PUBACK. Raises LinkError when the connection ends first."""
        info = self._client.publish(topic, payload, qos=1, retain=retain)
        try:
            async with asyncio.timeout(PUBACK_TIMEOUT_S):
                await self._answer(info.rc, info.mid)
        except TimeoutError as error:
            reason = f"no PUBACK within {PUBACK_TIMEOUT_S:g} s"
            self.drop(reason)
            raise LinkError(reason) from error

    def acknowledge(self, message: MQTTMessage) -> None:
        """Tell the broker that the message was handled; too late once the connection has ended."""
        if not self.ended.done():
            self._client.ack(message.mid, message.qos)

    @property
    def waiting(self) -> bool:
        """Does anybody wait for an answer of the broker?"""
        return bool(self._answers)

    def read(self, wanted: bool) -> None:
        """Read the socket, or leave what comes to TCP."""
        if self._fd is None or wanted == self._reading:
            return
        self._reading = wanted
        if wanted:
            self._loop.add_reader(self._fd, self._readable)
        else:
            self._loop.remove_reader(self._fd)

    def close(self) -> None:
        """Say goodbye, as far as the socket takes it at once, and end."""
        if not self.ended.done():
            self._client.disconnect()
            self._client.loop_write()
        self.drop("closed")

    def drop(self, reason: str) -> None:
        """End without a goodbye: the broker publishes the last will."""
        self._close_socket()
        self._end(reason)

    async def _answer(self, code: MQTTErrorCode | int, mid: int | None) -> int:
        if code != MQTTErrorCode.MQTT_ERR_SUCCESS or mid is None or self.ended.done():
            raise LinkError("the connection to the broker has ended")
        answer: asyncio.Future[int] = self._loop.create_future()
        self._answers[mid] = answer
        try:
            return await answer
        finally:
            del self._answers[mid]

    def _watch(self) -> None:
        sock = self._client.socket()
        if sock is None:
            raise LinkError("the broker closed the connection at once")
        if isinstance(sock, socket.socket):
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._fd = sock.fileno()
        self._client.on_socket_register_write = self._write
        self._client.on_socket_unregister_write = self._cease_writing
        self._client.on_socket_close = self._unwatch
        self.read(wanted=True)
        if self._client.want_write():
            self._write()
        self._housekeeping = self._loop.call_later(HOUSEKEEPING_S, self._keep_house)

    def _write(self, *_: object) -> None:
        if self._fd is not None:
            self._loop.add_writer(self._fd, self._client.loop_write)

    def _cease_writing(self, *_: object) -> None:
        if self._fd is not None:  # its number may be another socket's by now
            self._loop.remove_writer(self._fd)

    def _unwatch(self, *_: object) -> None:
        if self._fd is not None:
            self._loop.remove_reader(self._fd)
            self._loop.remove_writer(self._fd)
            self._fd = None
        if self._housekeeping is not None:
            self._housekeeping.cancel()

    def _close_socket(self) -> None:
        self._unwatch()
        sock = self._client.socket()
        if sock is not None:
            sock.close()

    def _readable(self) -> None:
        self._client.loop_read()
        sock = self._client.socket()
        while isinstance(sock, ssl.SSLSocket) and sock.pending():  # decrypted already: the selector will not tell
            self._client.loop_read()
            sock = self._client.socket()

    def _keep_house(self) -> None:
        self._housekeeping = self._loop.call_later(HOUSEKEEPING_S, self._keep_house)
        if not self._reading:
            self._readable()  # a trickle, or the keep-alive would take a slow handler for a dead broker
        self._client.loop_misc()

    def _end(self, reason: str) -> None:
        if self.ended.done():
            return
        self.ended.set_result(reason)
        error = LinkError(f"the connection to the broker ended: {reason}")
        waiters: list[asyncio.Future[Any]] = [self._accepted, *self._answers.values()]
        for waiting in waiters:
            if not waiting.done():
                waiting.set_exception(error)
                waiting.exception()  # a waiter that was cancelled meanwhile leaves nobody to be told

    def _on_connect(self, _client: Client, _userdata: Any, _flags: Any, reason: Any, _properties: Any) -> None:
        if self._accepted.done():
            return
        if reason.is_failure:
            self._accepted.set_exception(LinkRefusedError(f"the broker refused the connection: {reason}"))
        else:
            self._accepted.set_result(None)

    def _on_disconnect(self, _client: Client, _userdata: Any, _flags: Any, reason: Any, _properties: Any) -> None:
        self._end(str(reason))

    def _on_publish(self, _client: Client, _userdata: Any, mid: int, _reason: Any, _properties: Any) -> None:
        self._resolve(mid, 0)

    def _on_subscribe(self, _client: Client, _userdata: Any, mid: int, reasons: list[Any], _properties: Any) -> None:
        self._resolve(mid, max(reason.value for reason in reasons))

    def _on_message(self, _client: Client, _userdata: Any, message: MQTTMessage) -> None:
        self._receive(self, message)

    def _resolve(self, mid: int, code: int) -> None:
        answer = self._answers.get(mid)
        if answer is not None and not answer.done():
            answer.set_result(code)


class _Subscription:
    """A filter, its handler, and what waits for it."""

    def __init__(self, topic_filter: str, handler: Handler) -> None:
        self.filter = topic_filter
        self.pattern = unshared(topic_filter)
        self.handler = handler
        self.queue: asyncio.Queue[tuple[_Connection, MQTTMessage]] = asyncio.Queue()


class MqttLink:
    """A link to a broker that is kept for as long as `async with` lasts, whatever happens to its connections.

    `will` (topic, payload) is published retained by the broker when a connection ends without a goodbye; it may be
    changed and holds from the next connection on. Raises LinkError for a URL that cannot be used; that a broker cannot
    be reached, or refuses, is logged once and tried again for ever.
    """

    def __init__(self, url: str, client_id: str, *, will: Will | None = None) -> None:
        self.broker = parse_url(url)
        self.client_id = client_id
        self.will = will
        self.down_reason = ""
        """Why the link is not up, or was not before."""
        self._connection: _Connection | None = None
        self._up = asyncio.Event()
        self._closed = False
        self._slots = asyncio.Semaphore(MAX_IN_FLIGHT)
        self._subscriptions: list[_Subscription] = []
        self._on_up: list[Callback] = []
        self._on_down: list[Callback] = []
        self._tasks: set[asyncio.Task[None]] = set()
        self._running = False

    async def __aenter__(self) -> Self:
        """Start connecting; does not wait for the broker."""
        self._running = True
        self._start(self._keep_connected())
        for subscription in self._subscriptions:
            self._start(self._handle(subscription))
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close with a goodbye; whoever still waits to publish gets a LinkError."""
        self._closed = True
        if self._connection is not None:
            self._connection.close()
        self._up.set()
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    @property
    def connected(self) -> bool:
        """Is there a connection, with every subscription in place?"""
        return self._connection is not None and not self._connection.ended.done()

    async def wait_connected(self) -> None:
        """Return as soon as the link is up. Raises LinkError when it is closed."""
        while not self.connected:
            if self._closed:
                raise LinkError("the link is closed")
            # Cleared here, not where the link goes down: a publisher hears of a connection's end before the link does,
            # and waiting for an event that is still set never yields.
            self._up.clear()
            await self._up.wait()

    def on_up(self, callback: Callback) -> None:
        """Have `callback` called, and awaited apart if it is a coroutine, each time the link comes up."""
        self._on_up.append(callback)

    def on_down(self, callback: Callback) -> None:
        """Have `callback` called, and awaited apart if it is a coroutine, each time the link goes down."""
        self._on_down.append(callback)

    async def publish(self, topic: str, payload: bytes, retain: bool = False) -> None:
        """Publish at QoS 1. Waits for a connection and for one of MAX_IN_FLIGHT places; returns at PUBACK.

        Raises LinkError when the connection ends before the PUBACK (the message may or may not have arrived), or when
        the link is closed.
        """
        async with self._slots:
            await self.wait_connected()
            connection = self._connection
            assert connection is not None
            connection.read(wanted=True)
            try:
                await connection.publish(topic, payload, retain)
            finally:
                self._hold_back()

    def subscribe(self, topic_filter: str, handler: Handler) -> None:
        """Have `handler` awaited for each message that matches, one after another, now and after every reconnect.

        Each is acknowledged once its handler returned, also when it raised: that is logged, and the end-to-end
        acknowledgement brings back what was lost. A message goes to the first filter that matches, so filters must not
        overlap.
        """
        subscription = _Subscription(topic_filter, handler)
        self._subscriptions.append(subscription)
        if self._running:
            self._start(self._handle(subscription))
        if self._connection is not None and self.connected:
            self._start(self._subscribe_now(self._connection, topic_filter))

    async def _subscribe_now(self, connection: _Connection, topic_filter: str) -> None:
        try:
            await connection.subscribe(topic_filter)
        except LinkError as error:
            logger.debug("subscription left to the next connection filter=%s reason=%s", topic_filter, error)

    def _start(self, work: Any) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _keep_connected(self) -> None:
        loop = asyncio.get_running_loop()
        delay_s = RECONNECT_MIN_S
        told: set[str] = set()
        while True:
            connection = _Connection(self.broker, self.client_id, self.will, self._receive)
            try:
                await connection.open([one.filter for one in self._subscriptions])
            except LinkError as error:
                self.down_reason = str(error)
                news = {"down", "refused"} if isinstance(error, LinkRefusedError) else {"down"}
                if news - told:
                    logger.warning("mqtt link down broker=%s reason=%s", self.broker, error)
                told |= news
            else:
                began_s = loop.time()
                reason = self.down_reason = await self._stay_up(connection)
                logger.warning("mqtt link down broker=%s reason=%s", self.broker, reason)
                told = {"down"}
                if loop.time() - began_s >= STABLE_AFTER_S:
                    delay_s = RECONNECT_MIN_S
            await asyncio.sleep(delay_s * random.uniform(0.5, 1.0))
            delay_s = min(delay_s * 2, RECONNECT_MAX_S)

    async def _stay_up(self, connection: _Connection) -> str:
        self._connection = connection
        logger.info("mqtt link up broker=%s client=%s", self.broker, self.client_id)
        self._up.set()
        self._call(self._on_up)
        try:
            return await asyncio.shield(connection.ended)
        finally:
            connection.drop("abandoned")
            self._connection = None
            self._call(self._on_down)

    def _call(self, callbacks: list[Callback]) -> None:
        for callback in callbacks:
            outcome = callback()
            if inspect.isawaitable(outcome):
                self._start(self._await_callback(outcome))

    async def _await_callback(self, outcome: Awaitable[None]) -> None:
        try:
            await outcome
        except LinkError as error:
            logger.debug("a callback's publish was cut short reason=%s", error)

    def _receive(self, connection: _Connection, message: MQTTMessage) -> None:
        for subscription in self._subscriptions:
            if topic_matches_sub(subscription.pattern, message.topic):
                subscription.queue.put_nowait((connection, message))
                self._hold_back()
                return
        # amqtt answers a subscription with retained messages of other topics too
        logger.debug("a message came on a topic nobody subscribed to topic=%s", message.topic)

    def _hold_back(self) -> None:
        connection = self._connection
        if connection is not None:
            full = any(one.queue.qsize() >= INBOUND_QUEUE for one in self._subscriptions)
            connection.read(wanted=connection.waiting or not full)

    async def _handle(self, subscription: _Subscription) -> None:
        while True:
            connection, message = await subscription.queue.get()
            self._hold_back()
            try:
                await subscription.handler(InboundMessage(message.topic, bytes(message.payload), message.retain))
            except LinkError as error:
                logger.debug("a handler's publish was cut short topic=%s reason=%s", message.topic, error)
            except Exception:
                logger.exception("the handler of a message failed topic=%s", message.topic)
            connection.acknowledge(message)
