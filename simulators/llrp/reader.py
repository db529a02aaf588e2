"""A simulated LLRP reader on a TCP port: the shell around `session`, which knows the protocol.

The shell owns what is real here: sockets, TLS, the keepalive timer, and the look at the world once a slice of the
clock's time while an ROSpec is active.
"""

from __future__ import annotations

import asyncio
import logging
import socket
import ssl
import struct
from collections.abc import Mapping
from hashlib import blake2b
from typing import Final

from readers.read import to_us
from simulators.llrp.line import FaultyLine
from simulators.llrp.models import ReaderModel, load_model
from simulators.llrp.session import CLIENT_EXISTS, REFUSED, ReaderSide, attempt_event
from simulators.llrp.steady import SteadyFrames, SteadyTags
from simulators.sighting import TagSource
from simulators.tag_memory import TagMemories
from simulators.ticker import Ticker
from wire.clock import Clock

logger = logging.getLogger(__name__)

FLUSH_S: Final = 0.5
"""How long a report without a limit of tags waits, in the clock's time."""

MAX_UNSENT_BYTES: Final = 1 << 20
"""A client that lets this much wait is not reading; like a real reader's buffer ours then overflows."""

LOCAL_MAC: Final = b"\x02"
"""First byte of a MAC address that no maker has given out."""

GOODBYE_S: Final = 2.0
"""How long a client may take to fetch what was sent before the link was closed; then it is dropped."""

RESET_ON_CLOSE: Final = struct.pack("ii", 1, 0)
"""SO_LINGER on, zero seconds: closing such a socket resets the connection."""


class SimulatedReader:
    """One reader. Its ROSpecs and configuration outlive connections, and `cut`; `stop` ends it.

    `antennas` ports are numbered from 1. The TagSource is asked only while a ROSpec is active and somebody listens.
    Readers may share a `ticker`, and the `memories` of the tags they see. With `report_every_n` a report holds so many
    tags whatever the client asks for.
    """

    def __init__(
        self,
        name: str,
        source: TagSource,
        clock: Clock,
        antennas: int,
        model: ReaderModel | None = None,
        *,
        ticker: Ticker | None = None,
        memories: TagMemories | None = None,
        report_every_n: int | None = None,
    ) -> None:
        self.name = name
        self.port = 0
        self._source = source
        self._clock = clock
        self._ticker = ticker or Ticker(clock)
        self._side = ReaderSide(
            model or load_model(),
            antennas,
            round(FLUSH_S * 1e6),
            memories,
            booted_us=self._now_us(),
            report_every_n=report_every_n,
            mac=LOCAL_MAC + blake2b(name.encode(), digest_size=5).digest(),
        )
        self._line = FaultyLine()
        self._frames = SteadyFrames(source, self._side) if isinstance(source, SteadyTags) else None
        self._server: asyncio.Server | None = None
        self._link: _Link | None = None
        self._open: set[_Link] = set()
        """Every link whose socket is open: the client's, and those being shown out."""
        self._refusing = self._losing = False
        self._failure: Exception | None = None

    @property
    def is_connected(self) -> bool:
        """Whether a client is on the link."""
        return self._side.connected

    @property
    def reported(self) -> int:
        """How many reads went into reports so far."""
        return self._side.reported

    @property
    def outputs(self) -> Mapping[int, bool]:
        """Level of each general-purpose output, as the client has set it."""
        return self._side.config.gpo_high

    async def start(self, host: str = "127.0.0.1", port: int = 0, tls: ssl.SSLContext | None = None) -> int:
        """Listen, and inventory when asked to; returns the port (a free one for 0). Raises OSError."""
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(lambda: _Link(self), host, port, ssl=tls)
        self.port = int(self._server.sockets[0].getsockname()[1])
        self._ticker.add(self._look)
        return self.port

    async def stop(self) -> None:
        """Say goodbye to the client and stop listening. Raises what the world raised, if that ended the inventory."""
        if self._server is None:
            return
        self._server.close()
        self._side.leave(self._now_us())
        self._send()
        if self._open:
            await asyncio.wait([link.gone for link in self._open])
        await self._server.wait_closed()
        await self._ticker.remove(self._look)
        if self._failure is not None:
            raise self._failure

    def set_gpi(self, port: int, high: bool) -> None:
        """A photo-eye on input `port` changes. Raises KeyError for an input that is not there."""
        self._look()
        self._side.set_gpi(port, high, self._now_us())
        self._send()

    def set_antenna(self, port: int, is_connected: bool) -> None:
        """Pull or put back the cable of an antenna."""
        self._side.set_antenna(port, is_connected, self._now_us())
        self._send()

    # --- faults ---------------------------------------------------------------------------------------------------

    def cut(self) -> None:
        """Drop the connection as a pulled cable or a crash does: reset, unsent bytes lost."""
        if self._link is not None:
            self._link.reset()

    def stall(self, on: bool) -> None:
        """Send nothing while the connection stays up; at the end what was held back goes out."""
        if on:
            self._line.stall()
        elif (held := self._line.resume()) and self._link is not None:
            self._link.transport.write(held)

    def refuse(self, on: bool) -> None:
        """Show out who connects."""
        self._refusing = on

    def lose_reads(self, on: bool) -> None:
        """Let the report buffer overflow: what is seen is lost, and the client is told."""
        self._losing = on

    def half_frame(self) -> None:
        """Break the next report off in its middle and end the link."""
        self._line.half_frame()

    def lie(self, length: int) -> None:
        """Let the next report's header claim `length` bytes."""
        self._line.lie(length)

    def unknown_message(self) -> None:
        """Send a message of an unknown type before the next report."""
        self._line.unknown()

    def jump_clock(self, seconds: float) -> None:
        """Put the reader's clock forward, or back: what it stamps from now on is off by so much more."""
        self._side.clock.off_us += round(seconds * 1e6)

    def tell_exception(self, text: str) -> None:
        """Something is wrong with the reader: it sends a ReaderExceptionEvent."""
        self._side.tell_exception(text, self._now_us())
        self._send()

    # --- what the links call --------------------------------------------------------------------------------------

    def client_came(self, link: _Link) -> None:
        """Accept the first client; tell it of a second, and show that one out."""
        self._open.add(link)
        if self._refusing:
            link.transport.write(attempt_event(REFUSED, self._now_us()))
            link.close()
            return
        if self._link is not None and not self._link.transport.is_closing():
            self._side.another_attempt(self._now_us())
            self._send()
            link.transport.write(attempt_event(CLIENT_EXISTS, self._now_us()))
            link.close()
            return
        self._link = link
        self._line.forget()
        if not self._side.listening:
            self._side.radio.skip(self._now_us())
        self._side.connect(self._now_us())
        self._send()

    def client_said(self, link: _Link, data: bytes) -> None:
        """Bytes from the client; what one that was shown out says is not heard."""
        if link is self._link:
            self._look()
            self._side.receive_data(data, self._now_us())
            self._send()

    def client_left(self, link: _Link) -> None:
        """The link is gone."""
        self._open.discard(link)
        if link is self._link:
            self._link = None
            self._side.disconnect()

    def _now_us(self) -> int:
        return to_us(self._clock.now())

    def _send(self) -> None:
        if self._link is None or self._link.transport.is_closing():
            return
        data, ends = self._side.data_to_send(), False
        if data:
            passed = self._line.pass_on(data)
            self._link.transport.write(passed.data)
            ends = passed.ends
        if self._side.closing or ends:
            self._link.close()
        else:
            self._link.keep_alive(self._side.config.keepalive_ms / 1000)

    def keepalive_due(self) -> None:
        """The keepalive period has passed."""
        self._side.keepalive()
        self._send()

    def _look(self) -> None:
        """Look at the world up to now, if anybody listens: each slice, and before anything that ends an inventory."""
        if not self._side.listening or self._failure is not None:
            return
        try:
            self._inventory_until(self._now_us())
        except Exception as error:
            logger.exception("simulated reader %s: the world failed; the link is cut", self.name)
            self._failure = error
            self.cut()

    def _inventory_until(self, now_us: int) -> None:
        side = self._side
        if self._losing or self._is_full:
            side.overflow(now_us)
        else:
            side.drained()
        while (window := side.radio.next_window(now_us)) is not None:
            ports = window.antennas or frozenset(range(1, side.config.antennas + 1))
            seeing = ports - side.config.disconnected
            if self._frames is not None and self._frames.serve(window, seeing):
                continue
            side.observe(window, self._source.inventory(self.name, seeing, window.from_us, window.to_us))
        self._send()

    @property
    def _is_full(self) -> bool:
        """Whether what is to be sent has no room any more."""
        return (self._link is not None and self._link.is_full) or self._line.waiting >= MAX_UNSENT_BYTES


class _Link(asyncio.Protocol):
    """One client's socket, and the keepalive timer."""

    def __init__(self, reader: SimulatedReader) -> None:
        self.is_full = False
        self._reader = reader
        self._period_s = 0.0
        self._timer: asyncio.TimerHandle | None = None
        self._last_call: asyncio.TimerHandle | None = None
        self.gone: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        transport.set_write_buffer_limits(high=MAX_UNSENT_BYTES)
        self._reader.client_came(self)

    def data_received(self, data: bytes) -> None:
        self._reader.client_said(self, data)

    def pause_writing(self) -> None:
        self.is_full = True

    def resume_writing(self) -> None:
        self.is_full = False

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - however it ended
        self._period_s = 0.0
        self._stop_timer()
        if self._last_call is not None:
            self._last_call.cancel()
        self._reader.client_left(self)
        self.gone.set_result(None)

    def close(self) -> None:
        """Send what was written, then close; drop a client that does not fetch it."""
        self.transport.close()
        if self._last_call is None and not self.gone.done():
            self._last_call = asyncio.get_running_loop().call_later(GOODBYE_S, self.transport.abort)

    def reset(self) -> None:
        """Break the connection at once, without a word."""
        link_socket: socket.socket = self.transport.get_extra_info("socket")
        link_socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET_ON_CLOSE)
        self.transport.abort()

    def keep_alive(self, period_s: float) -> None:
        """Send keepalives each `period_s` from now on; 0 sends none."""
        if period_s != self._period_s:
            self._period_s = period_s
            self._stop_timer()
            self._arm()

    def _arm(self) -> None:
        if self._period_s:
            self._timer = asyncio.get_running_loop().call_later(self._period_s, self._tick)

    def _tick(self) -> None:
        self._arm()
        self._reader.keepalive_due()

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
