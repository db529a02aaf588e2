"""What channels may promise, told as it changes to whoever follows one.

What changes it, and how that is noticed:

    stock, promises, a lot's status      rows of the outbox say where: there it is asked anew
    rules, channels, sites               the catalog's revision moved on: everything is asked anew
    the day at a site: lots expire       likewise
    a date of expiry that becomes known  everything is asked anew every LOOK_S

A channel that nobody has followed for KEEP_S costs nothing; one that is followed shares its questions with all others.
"""

from __future__ import annotations

import asyncio
import math
import secrets
from collections.abc import AsyncIterator, Collection
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, Final

from backend.channels.service import offers
from backend.live.offer_picture import OfferPicture, Place
from backend.live.stage import Stage
from backend.metrics import LiveMetrics
from backend.store.database import Database, Queries
from wire.clock import Clock

SQL: Final = Queries.beside(__file__)

LOOK_S: Final = 600.0
"""Goods whose date becomes known expire in weeks: ten minutes are nothing, and a hundred thousand SKUs at sites take a
second to ask."""

TERMS_S: Final = 1.0
"""Between two looks at what decides beyond stock; pages are told of gateways and alerts as often."""

KEEP_S: Final = 60.0
"""A follower that lost its line for a moment is told what it missed, as a page is."""


@dataclass(slots=True)
class _Channel:
    """A channel that is followed, or was until `left_at`."""

    stage: Stage[OfferPicture]
    followers: int = 0
    left_at: float = math.inf


class Offers:
    """The pictures of all channels that are followed."""

    def __init__(self, database: Database, clock: Clock, metrics: LiveMetrics) -> None:
        self._database = database
        self._clock = clock
        self._metrics = metrics
        self._channels: dict[str, _Channel] = {}
        self._terms: tuple[Any, ...] | None = None
        self._looked_at = self._asked_at = -math.inf

    @asynccontextmanager
    async def follow(self, code: str) -> AsyncIterator[Stage[OfferPicture]]:
        """Where a channel is told of, for as long as the block lasts."""
        channel = self._channels.setdefault(code, _Channel(Stage(self._metrics)))
        channel.followers += 1
        try:
            yield channel.stage
        finally:
            channel.followers -= 1
            channel.left_at = asyncio.get_running_loop().time()

    def forget(self) -> None:
        """What changed meanwhile was not heard: everything is asked anew, under another generation."""
        for channel in self._channels.values():
            channel.stage.show(None)

    async def look(self, places: Collection[Place]) -> None:
        """Tell followers what their channels may promise now. `places`: where stock or promises changed."""
        now = asyncio.get_running_loop().time()
        for code in [code for code, one in self._channels.items() if not one.followers and now - one.left_at > KEEP_S]:
            del self._channels[code]
        if not self._channels:
            return
        fresh = any(one.stage.picture is None for one in self._channels.values())
        if not (fresh or places or now - self._asked_at >= TERMS_S):
            return
        whole = fresh or now - self._looked_at >= LOOK_S
        async with self._database.snapshot() as connection:
            at, self._asked_at = self._clock.now(), now
            row = await connection.fetchrow(SQL["offer_terms"], at)
            assert row is not None
            terms = (row["catalog_revision"], *row["days"])
            whole = whole or terms != self._terms
            if not (whole or places):
                return
            channels = dict(self._channels)
            found = await offers(connection, channels, at, None if whole else places)
        if whole:
            self._terms, self._looked_at = terms, now
        for code, channel in channels.items():
            await asyncio.sleep(0)  # as in `offers`: comparing as many takes as long
            picture = channel.stage.picture
            if picture is None:
                channel.stage.show(OfferPicture(secrets.token_hex(4), code, found[code]))
            elif picture.change(found[code], None if whole else places):
                channel.stage.tell()
