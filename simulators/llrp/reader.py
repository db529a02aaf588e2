"""A simulated LLRP reader on a TCP port: the shell around `session`, which knows the protocol.

The shell owns what is real here: sockets, the keepalive timer, and the loop that asks the world for sightings in slices
of the clock's time while an ROSpec is active.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import socket
import struct
from typing import Final

from readers.read import to_us
from simulators.llrp.device import ReaderModel
from simulators.llrp.session import CLIENT_EXISTS, ReaderSide, attempt_event
from simulators.sighting import TagSource
from wire.clock import Clock

logger = logging.getLogger(__name__)

SLICE_S: Final = 0.05
"""Inventory slice in the clock's time: what is seen is reported at most this much later, plus the wait below."""

MIN_SLICE_REAL_S: Final = 0.02
"""However fast the clock runs, a reader costs the machine no more than fifty slices a second."""

FLUSH_S: Final = 0.5
"""How long a report without a limit of tags waits, in the clock's time."""

MAX_UNSENT_BYTES: Final = 1 << 20
"""A client that lets this much wait is not reading; like a real reader's buffer ours then overflows."""


GOODBYE_S: Final = 2.0
"""How long a client may take to fetch what was sent before the link was closed; then it is dropped."""

RESET_ON_CLOSE: Final = struct.pack("ii", 1, 0)
"""SO_LINGER on, zero seconds: closing such a socket resets the connection."""


class SimulatedReader:
    """One reader. Its ROSpecs and configuration outlive connections, and `cut`; `stop` ends it.

    `antennas` ports are numbered from 1. The TagSource is asked only while a ROSpec is active and somebody listens.
    """

    def __init__(
        self, name: str, source: TagSource, clock: Clock, antennas: int, model: ReaderModel | None = None
    ) -> None:
        self.name = name
        self.port = 0
        self._source = source
        self._clock = clock
        self._side = ReaderSide(model or ReaderModel(), antennas, round(FLUSH_S * 1e6))
        self._server: asyncio.Server | None = None
        self._link: _Link | None = None
        self._open: set[_Link] = set()
        """Every link whose socket is open: the client's, and those being shown out."""
        self._task: asyncio.Task[None] | None = None

    @property
    def is_connected(self) -> bool:
        """Whether a client is on the link."""
        return self._side.connected

    async def start(self, host: str = "127.0.0.1", port: int = 0) -> int:
        """Listen, and inventory when asked to; returns the port (a free one for 0). Raises OSError."""
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(lambda: _Link(self), host, port)
        self.port = int(self._server.sockets[0].getsockname()[1])
        self._task = asyncio.create_task(self._inventory(), name=f"simulated reader {self.name}")
        return self.port

    async def stop(self) -> None:
        """Say goodbye to the client and stop listening. Raises what the world raised, if that ended the inventory."""
        if self._server is None or self._task is None:
            return
        self._server.close()
        self._side.leave(self._now_us())
        self._send()
        if self._open:
            await asyncio.wait([link.gone for link in self._open])
        await self._server.wait_closed()
        self._task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await self._task

    def cut(self) -> None:
        """Drop the connection as a pulled cable or a crash does: reset, unsent bytes lost."""
        if self._link is not None:
            self._link.reset()

    def set_gpi(self, port: int, high: bool) -> None:
        """A photo-eye on input `port` changes. Raises KeyError for an input that is not there."""
        self._side.set_gpi(port, high, self._now_us())
        self._send()

    def set_antenna(self, port: int, is_connected: bool) -> None:
        """Pull or put back the cable of an antenna."""
        self._side.set_antenna(port, is_connected, self._now_us())
        self._send()

    # --- what the links call --------------------------------------------------------------------------------------

    def client_came(self, link: _Link) -> None:
        """Accept the first client; tell it of a second, and show that one out."""
        self._open.add(link)
        if self._link is not None and not self._link.transport.is_closing():
            self._side.another_attempt(self._now_us())
            self._send()
            link.transport.write(attempt_event(CLIENT_EXISTS, self._now_us()))
            link.close()
            return
        self._link = link
        self._side.connect(self._now_us())
        self._send()

    def client_said(self, link: _Link, data: bytes) -> None:
        """Bytes from the client; what one that was shown out says is not heard."""
        if link is self._link:
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
        data = self._side.data_to_send()
        if data:
            self._link.transport.write(data)
        if self._side.closing:
            self._link.close()
        else:
            self._link.keep_alive(self._side.config.keepalive_ms / 1000)

    def keepalive_due(self) -> None:
        """The keepalive period has passed."""
        self._side.keepalive()
        self._send()

    async def _inventory(self) -> None:
        """Look at the world, slice by slice."""
        loop = asyncio.get_running_loop()
        while True:
            began_s = loop.time()
            await self._clock.sleep(SLICE_S)
            await asyncio.sleep(max(0.0, began_s + MIN_SLICE_REAL_S - loop.time()))
            try:
                self._inventory_until(self._now_us())
            except Exception:
                logger.exception("simulated reader %s: the world failed; the link is cut", self.name)
                self.cut()
                raise

    def _inventory_until(self, now_us: int) -> None:
        side = self._side
        if not side.listening:
            side.radio.skip(now_us)
        elif self._link is not None and self._link.is_full:
            side.overflow(now_us)
        else:
            side.drained()
        while (window := side.radio.next_window(now_us)) is not None:
            ports = window.antennas or frozenset(range(1, side.config.antennas + 1))
            seeing = ports - side.config.disconnected
            sightings = self._source.inventory(self.name, seeing, window.from_us, window.to_us)
            side.radio.observed(window, sightings)
        self._send()


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
