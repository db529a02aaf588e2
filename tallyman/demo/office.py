"""The clerks of a day at work: each desk's deeds through the public API and its handheld, at their instants.

A desk does one deed after the other, each after the one before has taken effect: an answer of the API, a scan's outcome
as the handheld hears it. So a clerk can be late, and then the world waits (`due`): no more than PATIENCE_S of its time
pass while a deed that is due is not done. Only for a scan at a site whose line is down it does not wait: the line comes
back in the world's time.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping
from contextlib import AsyncExitStack
from datetime import datetime, timedelta
from typing import Final

import aiohttp

from readers.read import from_us, to_us
from simulators.api_call import ApiCall
from simulators.dock import Dock
from simulators.office import Deed, DeskScan, OfficeDay
from simulators.scanner import Handheld
from tallyman.demo.sites import DemoSite
from wire.clock import Clock
from wire.mqtt import MqttLink

logger = logging.getLogger(__name__)

PATIENCE_S: Final = 5.0
"""Simulated seconds: a clerk types no faster."""

LOOK_S: Final = 0.02
"""Real seconds between two looks at the trucks' papers."""

RETRY_S: Final = 0.2
TRIES: Final = 100
"""An answer that says `later` (409 with Retry-After, 503) or none at all is asked for again, under the same key."""


class Clerks:
    """All desks of a day. `due` is the instant beyond which the world must wait for them."""

    def __init__(self, day: OfficeDay, dock: Dock, clock: Clock) -> None:
        self.refused: list[str] = []
        """Answers and outcomes that were not what the day's plan says."""
        self.done = 0
        self.day = day
        self.dock = dock
        self._clock = clock
        self._pending: dict[str, Deed] = {}
        self._sites: Mapping[str, DemoSite] = {}

    def due(self) -> datetime | None:
        """No further than this until what is due is done."""
        waiting = [deed.at_us for deed in self._pending.values() if not self._cut_off(deed)]
        first = min([*waiting, *(call.at_us for call in self.dock.calls[:1])], default=None)
        return None if first is None else from_us(first) + timedelta(seconds=PATIENCE_S)

    def _cut_off(self, deed: Deed) -> bool:
        return isinstance(deed, DeskScan) and self._sites[deed.scan.site].line.refusing

    async def play_dock(self, url: str, still: asyncio.Event) -> None:
        """The papers of trucks, one after the other as they are due, until the world stands still and all is said."""
        said = 0
        async with aiohttp.ClientSession(url) as session:
            while self.dock.calls or not still.is_set():
                while self.dock.calls:
                    await self._call(session, self.dock.calls[0], f"{self.day.run}-dock-{said}")
                    del self.dock.calls[0]
                    said += 1
                    self.done += 1
                await asyncio.sleep(LOOK_S)

    async def play(self, url: str, sites: Mapping[str, DemoSite], over: asyncio.Event) -> None:
        """The whole day, or until `over` is set; a deed that was begun is finished. The play is over with it."""
        self._sites = sites
        async with AsyncExitStack() as stack:
            session = await stack.enter_async_context(aiohttp.ClientSession(url))
            handhelds: dict[str, Handheld] = {}
            for site, device in self.day.devices:
                link = MqttLink(sites[site].mqtt_url, f"handheld-{site}-{device}")
                handhelds[device] = Handheld(link, site, device)
                await stack.enter_async_context(link)
            for number, call in enumerate(self.day.opening()):
                await self._call(session, call, f"{self.day.run}-opening-{number}")
            async with asyncio.TaskGroup() as group:
                for site in self.day.desks:
                    group.create_task(self._desk(site, session, handhelds, over))
            over.set()

    async def _desk(
        self, site: str, session: aiohttp.ClientSession, handhelds: Mapping[str, Handheld], over: asyncio.Event
    ) -> None:
        try:
            for number, deed in enumerate(self.day.desks[site].deeds()):
                self._pending[site] = deed
                await self._clock.sleep((deed.at_us - to_us(self._clock.now())) / 1e6)
                await self._do(deed, session, handhelds, f"{self.day.run}-{site}-{number}")
                self.done += 1
                if over.is_set():
                    return
        finally:
            self._pending.pop(site, None)

    async def _do(
        self, deed: Deed, session: aiohttp.ClientSession, handhelds: Mapping[str, Handheld], key: str
    ) -> None:
        match deed:
            case ApiCall():
                await self._call(session, deed, key)
                if deed.twice:
                    await self._call(session, deed, key)
            case DeskScan():
                await self._scan(handhelds[deed.scan.device], deed)

    async def _call(self, session: aiohttp.ClientSession, call: ApiCall, key: str) -> None:
        for _ in range(TRIES):
            async with session.post(
                f"/api/v1/{call.path}", json=call.body, headers={"Idempotency-Key": key}
            ) as response:
                status, text = response.status, await response.text()
                if status < 500 and "Retry-After" not in response.headers:
                    break
            await asyncio.sleep(RETRY_S)
        if status != call.expect:
            self._wrong(f"{call.path} {dict(call.body)}: {status}, not {call.expect}: {text}")

    async def _scan(self, handheld: Handheld, deed: DeskScan) -> None:
        outcome = await handheld.judged(deed.scan.request)
        if outcome.state != "applied":
            self._wrong(f"scan {deed.scan.request.intent} {outcome.scan_id}: {outcome.state}: {outcome.reason}")

    def _wrong(self, what: str) -> None:
        logger.warning("a deed of the day failed: %s", what)
        self.refused.append(what)
