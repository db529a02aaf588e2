"""A simulated Impinj R700 behind its IoT device interface: HTTP to control it, an HTTP stream and MQTT for its events.

    request                                             answer
    -------                                             ------
    GET  /api/v1/status                                 {"status": "idle" or "running", "activePreset": …}
    GET  /api/v1/profiles/inventory/presets             ["default", …]
    POST /api/v1/profiles/inventory/presets/X/start     204, and events from now on; 404 for a preset that is not there
    POST /api/v1/profiles/stop                          204
    GET  /api/v1/data/stream                            a JSON event a line, CRLF after STREAM_KEEPALIVE_S of silence
    GET, PUT /api/v1/mqtt                               its MQTT settings; `active` connects it to its broker

Each tag sighting is one event. What is asked of it needs HTTP's basic authentication where a password is set.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import hmac
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from typing import Any, Final
from urllib.parse import quote

from aiohttp import web

from simulators.publishing import MAX_BUFFERED_EVENTS, BrokerFeed, Watcher
from simulators.sighting import TagSource
from simulators.tag_memory import TagMemories
from simulators.ticker import Ticker
from simulators.vendor_events import R700_FIELDS, r700_status, r700_tags
from wire.clock import Clock
from wire.mqtt import MqttLink

STREAM_KEEPALIVE_S: Final = 30.0

MAX_STREAM_LINES: Final = 10_000
"""A client of the stream that is so far behind is dropped."""

USER: Final = "root"
PRESETS: Final = ("default", "fast", "dense")

MQTT_SETTINGS: Final = {
    "active": False,
    "brokerHostname": "",
    "brokerPort": 1883,
    "clientId": "",
    "eventTopic": "",
    "eventBufferSize": MAX_BUFFERED_EVENTS,
    "eventQualityOfService": 1,
}
"""Events are published at quality of service 1 and no other."""

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class SimulatedR700:
    """One reader. `start` serves its interface; it inventories when a preset is started."""

    def __init__(
        self,
        hostname: str,
        source: TagSource,
        clock: Clock,
        antennas: int = 4,
        *,
        fields: frozenset[str] = R700_FIELDS,
        password: str | None = None,
        ticker: Ticker | None = None,
        memories: TagMemories | None = None,
    ) -> None:
        self.hostname = hostname
        self.mqtt = dict(MQTT_SETTINGS)
        self._clock = clock
        self._watcher = Watcher(hostname, source, clock, antennas)
        self._fields = fields
        self._login = None if password is None else b"Basic " + base64.b64encode(f"{USER}:{password}".encode())
        self._ticker = ticker or Ticker(clock)
        self._memories = TagMemories() if memories is None else memories
        self._preset: str | None = None
        self._streams: set[asyncio.Queue[bytes]] = set()
        self._runner: web.AppRunner | None = None
        self._broker = AsyncExitStack()
        self._feed: BrokerFeed | None = None

    async def start(self, host: str = "127.0.0.1", port: int = 0) -> int:
        """Listen; returns the port. Raises OSError."""
        app = web.Application(middlewares=[self._check_login])
        app.add_routes(
            [
                web.get("/api/v1/status", self._get_status),
                web.get("/api/v1/profiles/inventory/presets", self._get_presets),
                web.post("/api/v1/profiles/inventory/presets/{preset}/start", self._start_preset),
                web.post("/api/v1/profiles/stop", self._stop_preset),
                web.get("/api/v1/data/stream", self._stream),
                web.get("/api/v1/mqtt", self._get_mqtt),
                web.put("/api/v1/mqtt", self._put_mqtt),
            ]
        )
        self._runner = web.AppRunner(app, shutdown_timeout=0.1)
        await self._runner.setup()
        await web.TCPSite(self._runner, host, port).start()
        self._ticker.add(self._look)
        return int(self._runner.addresses[0][1])

    async def stop(self) -> None:
        """End everything."""
        await self._ticker.remove(self._look)
        await self._broker.aclose()
        if self._runner is not None:
            await self._runner.cleanup()

    def _look(self) -> None:
        sightings = self._watcher.look()
        if sightings is not None and len(sightings):
            for event in r700_tags(sightings, self.hostname, self._memories, self._fields):
                self._tell(event)

    def _tell(self, event: bytes) -> None:
        for lines in tuple(self._streams):
            if lines.full():
                self._streams.discard(lines)
            else:
                lines.put_nowait(event)
        if self._feed is not None:
            self._feed.put(str(self.mqtt["eventTopic"]), event)

    def _switch(self, preset: str | None) -> None:
        if preset != self._preset:
            self._preset = preset
            self._watcher.switch(preset is not None)
            self._tell(r700_status("idle" if preset is None else "running", self.hostname, self._clock.now()))

    # --- what it answers --------------------------------------------------------------------------------------------

    @web.middleware
    async def _check_login(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        given = request.headers.get("Authorization", "")
        if self._login is not None and not hmac.compare_digest(given.encode(), self._login):
            raise web.HTTPUnauthorized(headers={"WWW-Authenticate": "Basic"})
        return await handler(request)

    async def _get_status(self, _: web.Request) -> web.Response:
        status: dict[str, Any] = {"status": "idle" if self._preset is None else "running"}
        if self._preset is not None:
            status["activePreset"] = {"id": self._preset, "profile": "inventory"}
        return web.json_response(status)

    async def _get_presets(self, _: web.Request) -> web.Response:
        return web.json_response(PRESETS)

    async def _start_preset(self, request: web.Request) -> web.Response:
        preset = request.match_info["preset"]
        if preset not in PRESETS:
            return web.json_response({"message": f"no preset {preset}"}, status=404)
        self._switch(preset)
        return web.Response(status=204)

    async def _stop_preset(self, _: web.Request) -> web.Response:
        self._switch(None)
        return web.Response(status=204)

    async def _stream(self, request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": "application/x-ndjson"})
        response.enable_chunked_encoding()
        await response.prepare(request)
        lines: asyncio.Queue[bytes] = asyncio.Queue(MAX_STREAM_LINES)
        self._streams.add(lines)
        try:
            while lines in self._streams or not lines.empty():
                line = b""
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(STREAM_KEEPALIVE_S):
                        line = await lines.get()
                await response.write(line + b"\r\n")
        except ConnectionError:
            pass  # the client has left
        finally:
            self._streams.discard(lines)
        return response

    async def _get_mqtt(self, _: web.Request) -> web.Response:
        return web.json_response(self.mqtt)

    async def _put_mqtt(self, request: web.Request) -> web.Response:
        try:
            asked = await request.json()
        except ValueError:
            asked = None
        complaint = _complaint(asked)
        if complaint:
            return web.json_response({"message": complaint}, status=400)
        wanted = {**MQTT_SETTINGS, **asked}
        await self._broker.aclose()
        self._feed, self.mqtt = None, wanted
        if wanted["active"]:
            url = f"mqtt://{quote(str(wanted['brokerHostname']))}:{wanted['brokerPort']}"
            link = await self._broker.enter_async_context(MqttLink(url, str(wanted["clientId"] or self.hostname)))
            self._feed = await self._broker.enter_async_context(BrokerFeed(link, int(wanted["eventBufferSize"])))
        return web.Response(status=204)


def _complaint(asked: object) -> str:
    """What is wrong with MQTT settings that are to be put; empty for good ones."""
    if not isinstance(asked, dict) or set(asked) - set(MQTT_SETTINGS):
        return f"settings are an object with {', '.join(MQTT_SETTINGS)}"
    wanted = {**MQTT_SETTINGS, **asked}
    if any(type(wanted[name]) is not type(default) for name, default in MQTT_SETTINGS.items()):
        return "a setting has the wrong type"
    if wanted["eventQualityOfService"] != 1 or wanted["eventBufferSize"] < 1:
        return "this reader publishes at quality of service 1, from a buffer of at least 1"
    if wanted["active"] and not (wanted["brokerHostname"] and wanted["eventTopic"]):
        return "an active link needs brokerHostname and eventTopic"
    return ""
