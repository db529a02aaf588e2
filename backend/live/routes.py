"""The WebSockets: /api/v1/live for pages, /api/v1/channels/{code}/live for whoever sells by a channel (protocol.py)."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Final

from aiohttp import WSCloseCode, WSMsgType, web

from backend.api import guard
from backend.api.guard import LIVE_PROTOCOL
from backend.api.permissions import Permission
from backend.api.problems import ProblemError
from backend.channels.service import read_channels
from backend.live.hub import Hub
from backend.live.stage import Send
from backend.metrics import LiveMetrics
from backend.store.database import Database

logger = logging.getLogger(__name__)

PING_S: Final = 10.0
"""A line that does not answer a ping within this time is closed; cellular routers forget idle ones after 30 s."""

MAX_INBOUND_BYTES: Final = 4096
"""Clients have nothing to say."""

CLOSE_S: Final = 1.0

Tell = Callable[[str | None, Send], Awaitable[None]]
"""Tells a client everything behind a `seq`, until cancelled."""

PATH: Final = "/api/v1/live"
CHANNEL_PATH: Final = "/api/v1/channels/{code}/live"


class LiveRoute:
    """Serves the hub to browsers and followers of channels, and lets every client go when the server stops."""

    def __init__(self, hub: Hub, metrics: LiveMetrics, database: Database) -> None:
        self._hub = hub
        self._database = database
        self._metrics = metrics
        self._open: set[web.WebSocketResponse] = set()

    def mount(self, app: web.Application) -> None:
        """Serve it, and close every line at shutdown."""
        app.router.add_get(PATH, self._serve_page)
        app.router.add_get(CHANNEL_PATH, self._serve_channel)
        app.on_shutdown.append(self._close_all)

    async def _serve_page(self, request: web.Request) -> web.WebSocketResponse:
        guard.require(request, Permission.LIVE_READ)
        return await self._serve(request, self._hub.serve)

    async def _serve_channel(self, request: web.Request) -> web.WebSocketResponse:
        guard.require(request, Permission.CHANNELS_READ)
        code = request.match_info["code"]
        if "\0" in code or code not in await read_channels(self._database.pool):
            raise ProblemError("not-found", f"no channel {code!r}")
        return await self._serve(request, partial(self._hub.serve_offers, code))

    async def _serve(self, request: web.Request, tell: Tell) -> web.WebSocketResponse:
        socket = web.WebSocketResponse(
            protocols=(LIVE_PROTOCOL,), heartbeat=PING_S, max_msg_size=MAX_INBOUND_BYTES, timeout=CLOSE_S
        )
        if not socket.can_prepare(request).ok:
            raise ProblemError("invalid-request", "this address speaks WebSocket only: open it with `ws://`")
        await socket.prepare(request)
        self._open.add(socket)
        telling = asyncio.create_task(self._tell(socket, request.query.get("seq"), tell), name="live client")
        try:
            async for message in socket:
                if message.type is WSMsgType.ERROR:
                    break
        finally:
            self._open.discard(socket)
            telling.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await telling
        return socket

    async def _tell(self, socket: web.WebSocketResponse, seq: str | None, tell: Tell) -> None:
        try:
            await tell(seq, socket.send_str)
        except TimeoutError:
            self._metrics.dropped.inc()
            await self._drop(socket)
        except ConnectionError:
            return  # the client left between two messages

    @staticmethod
    async def _drop(socket: web.WebSocketResponse) -> None:
        await socket.close(code=WSCloseCode.TRY_AGAIN_LATER, message=b"too slow", drain=False)

    async def _close_all(self, _app: web.Application) -> None:
        closing = [socket.close(code=WSCloseCode.GOING_AWAY, drain=False) for socket in self._open]
        await asyncio.gather(*closing, return_exceptions=True)
