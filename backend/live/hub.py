"""Follows the feed, keeps the picture, and serves clients that never wait for each other.

One task reads what changed, at most ten times a second, woken by NOTIFY and by a slow poll. Clients hold nothing but
their place in the picture's deltas: one that is behind is told what it missed, one that is too far behind gets a
snapshot, one whose line takes nothing for SLOW_CLIENT_S is dropped. The feed never waits for any of them.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
from collections.abc import Awaitable, Callable
from typing import Final

from backend.errors import FellBehindError
from backend.live.feed import Feed
from backend.live.picture import Picture
from backend.live.protocol import Beat
from backend.metrics import LiveMetrics
from backend.store.database import UNAVAILABLE, Database

logger = logging.getLogger(__name__)

INTERVAL_S: Final = 0.1
"""At most ten deltas a second: faster than eyes, slow enough to gather a burst into one."""

POLL_S: Final = 1.0
"""Without NOTIFY (a pooler between, a change made by hand) the page is this late; gateways and alerts always are."""

RETRY_S: Final = 1.0

BEAT_S: Final = 5.0
"""A page takes a line that is silent for 20 s for dead."""

SLOW_CLIENT_S: Final = 10.0
"""A client that has not taken one message in this time is dropped; it comes back and is resynchronised."""

Send = Callable[[str], Awaitable[None]]

BEAT: Final = Beat().model_dump_json()


class Hub:
    """The picture of one process and everyone who looks at it."""

    def __init__(self, database: Database, metrics: LiveMetrics) -> None:
        self._database = database
        self._metrics = metrics
        self._picture: Picture | None = None
        self._news = asyncio.Event()

    async def run(self) -> None:
        """Follow the database until cancelled; after it was away the picture is loaded afresh."""
        down = False
        while True:
            try:
                async with Feed.open(self._database) as feed:
                    await self._load(feed)
                    if down:
                        logger.info("live feed is back")
                        down = False
                    await self._follow(feed)
            except FellBehindError as error:
                logger.warning("live feed loads everything anew: %s", error)
                continue
            except UNAVAILABLE as error:
                if not down:
                    logger.warning("live feed lost: %s", error)
                    down = True
            await asyncio.sleep(RETRY_S)

    async def _load(self, feed: Feed) -> None:
        stock, movements = await feed.load()
        picture = Picture(secrets.token_hex(4), stock, movements)
        picture.change((), (), await feed.surroundings())
        self._picture = picture
        self._tell()

    async def _follow(self, feed: Feed) -> None:
        picture = self._picture
        assert picture is not None
        loop = asyncio.get_running_loop()
        looked_around_at = loop.time()
        surroundings = await feed.surroundings()
        while True:
            await feed.wait(POLL_S)
            stock, movements = await feed.read()
            if loop.time() - looked_around_at >= POLL_S:
                surroundings = await feed.surroundings()
                looked_around_at = loop.time()
            if picture.change(stock, movements, surroundings):
                self._metrics.deltas.inc()
                self._tell()
            await asyncio.sleep(INTERVAL_S)

    async def serve(self, seq: str | None, send: Send) -> None:
        """Tell one client everything behind `seq`, then what comes, until cancelled; TimeoutError when too slow."""
        with self._metrics.clients.track_inprogress():
            known: Picture | None = None
            number: int | None = None
            while True:
                picture = await self._next(known, number)
                if picture is None:
                    messages = [BEAT]
                else:
                    if picture is not known:
                        number = picture.number_of(seq) if known is None else None
                        known = picture
                    missed = picture.behind(number)
                    if missed is None:
                        self._metrics.snapshots.inc()
                    messages = [picture.snapshot()] if missed is None else missed
                    number = picture.number
                for message in messages:
                    async with asyncio.timeout(SLOW_CLIENT_S):
                        await send(message)

    async def _next(self, known: Picture | None, number: int | None) -> Picture | None:
        """The picture once it holds something that the client has not been told; None after BEAT_S without any."""
        try:
            async with asyncio.timeout(BEAT_S):
                while self._picture is None or (self._picture is known and self._picture.number == number):
                    await self._news.wait()
        except TimeoutError:
            return None
        return self._picture

    def _tell(self) -> None:
        """Wake every client; whoever comes after this waits for the next news."""
        news, self._news = self._news, asyncio.Event()
        news.set()
