"""Follows the feed, keeps the picture, and serves clients that never wait for each other.

One task reads what changed, at most ten times a second, woken by NOTIFY and by a slow poll. Pages share one picture,
followers of a channel another (offers.py); how each client is served is in stage.py.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
from collections.abc import Callable
from typing import Final

from backend.errors import FellBehindError
from backend.live.feed import Feed
from backend.live.offers import Offers
from backend.live.picture import Picture
from backend.live.stage import Send, Stage
from backend.metrics import LiveMetrics
from backend.store.database import UNAVAILABLE, Database
from wire.clock import Clock

logger = logging.getLogger(__name__)

INTERVAL_S: Final = 0.1
"""At most ten deltas a second: faster than eyes, slow enough to gather a burst into one."""

POLL_S: Final = 1.0
"""Without NOTIFY (a pooler between, a change made by hand) the page is this late; gateways and alerts always are."""

RETRY_S: Final = 1.0


def _nobody_listens() -> None:
    """Before the feed is open; it looks at everything once it is."""


class Hub:
    """The pictures of one process and everyone who looks at them."""

    def __init__(self, database: Database, metrics: LiveMetrics, clock: Clock) -> None:
        self._database = database
        self._metrics = metrics
        self._page: Stage[Picture] = Stage(metrics)
        self._offers = Offers(database, clock, metrics)
        self._wake: Callable[[], None] = _nobody_listens

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
        self._page.show(picture)
        self._offers.forget()

    async def _follow(self, feed: Feed) -> None:
        picture, self._wake = self._page.picture, feed.wake
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
                self._page.tell()
            await self._offers.look(feed.take_available())
            await asyncio.sleep(INTERVAL_S)

    async def serve(self, seq: str | None, send: Send) -> None:
        """Tell a page everything behind `seq`, then what comes, until cancelled; TimeoutError when too slow."""
        await self._page.serve(seq, send)

    async def serve_offers(self, channel: str, seq: str | None, send: Send) -> None:
        """Likewise, tell whoever sells by a channel what it may promise."""
        async with self._offers.follow(channel) as stage:
            self._wake()
            await stage.serve(seq, send)
