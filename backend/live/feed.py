"""What changed since one last looked, from the outbox.

Rows are taken in (xid, outbox_id) order and only of transactions older than every one still at work, so nothing that
commits late is passed over. A row of stock says where something changed, not what it is now: transactions number
themselves in another order than they commit in, so the value is read afresh, which makes each one right when it is
told and the last one right for good. So it is with availabilities: where one changed, what may be promised is asked
anew (offers.py).
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Collection
from typing import Any, Final, NamedTuple, Protocol, cast

import asyncpg

from backend.alerts.wording import about
from backend.catalog.model import VIRTUAL_KINDS
from backend.errors import FellBehindError
from backend.ingest import views as ingest_views
from backend.live.picture import MOVEMENTS_KEPT
from backend.live.protocol import LiveAlert, LiveGateway, LiveSite, LiveStock, Surroundings
from backend.stock import views as stock_views
from backend.stock.views import MovementView
from backend.store.database import Connection, Database, Queries, Record

SQL: Final = Queries.beside(__file__)

CHANNEL: Final = "tallyman_outbox"

ROWS_PER_READ: Final = 5000
"""A burst is read in parts, so that none keeps more than a few MiB of rows in memory."""

ALERTS_SHOWN: Final = 100

GATEWAYS_SHOWN: Final = 1000

HIDDEN_KINDS: Final = [kind for kind in VIRTUAL_KINDS if kind != "in_transit"]
"""Zones that mirror the outside world; their units mean nothing on a page."""


class Listener(Connection, Protocol):
    """A connection that hears notifications and of its own end."""

    async def add_listener(self, channel: str, callback: Callable[..., None]) -> None:
        """Call back for each notification of the channel."""

    async def remove_listener(self, channel: str, callback: Callable[..., None]) -> None:
        """Not any more."""

    def add_termination_listener(self, callback: Callable[..., None]) -> None:
        """Call back when the connection ends."""

    def remove_termination_listener(self, callback: Callable[..., None]) -> None:
        """Not any more."""

    def is_closed(self) -> bool:
        """Whether it has ended."""


class Place(NamedTuple):
    """How far the outbox has been read."""

    xid: int
    outbox_id: int


class Feed:
    """One reader of the outbox, with a connection of its own. Open it with `async with Feed.open(database)`."""

    def __init__(self, database: Database, connection: Connection) -> None:
        self._database = database
        self._connection = connection
        self._place = Place(0, 0)
        self._woken = asyncio.Event()
        self._lost = False
        self._available: set[tuple[str, str]] = set()

    @classmethod
    @contextlib.asynccontextmanager
    async def open(cls, database: Database) -> AsyncIterator[Feed]:
        """Listen for news; the connection goes back to the pool at the end."""
        async with database.pool.acquire() as acquired:
            connection = cast("Listener", acquired)
            feed = cls(database, connection)
            connection.add_termination_listener(feed._terminated)
            await connection.add_listener(CHANNEL, feed._notified)
            try:
                yield feed
            finally:
                connection.remove_termination_listener(feed._terminated)
                if not connection.is_closed():
                    await connection.remove_listener(CHANNEL, feed._notified)

    def _notified(self, *_: object) -> None:
        self._woken.set()

    def _terminated(self, *_: object) -> None:
        self._lost = True
        self._woken.set()

    def wake(self) -> None:
        """There is something to do, though nothing has changed."""
        self._woken.set()

    async def wait(self, at_most_s: float) -> None:
        """Return when there is news, or after `at_most_s` seconds."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(at_most_s):
                await self._woken.wait()
        self._woken.clear()
        if self._lost:
            raise asyncpg.ConnectionDoesNotExistError("the connection that listens was closed")

    async def load(self) -> tuple[list[LiveStock], list[MovementView]]:
        """Everything as of one instant, and begin reading the outbox behind it."""
        async with self._database.snapshot() as connection:
            self._place = Place(await connection.fetchval(SQL["horizon"]), 0)
            stock = await connection.fetch(SQL["all_stock"], HIDDEN_KINDS)
            latest = await stock_views.latest_movements(connection, MOVEMENTS_KEPT)
        return [LiveStock(**row) for row in stock], latest

    async def read(self) -> tuple[list[LiveStock], list[MovementView]]:
        """Where stock changed since the last read, with what it is now, and the latest movements since.

        Raises FellBehindError when some of what came since was trimmed before it was read.
        """
        before = self._place
        touched: set[int] = set()
        told: list[Any] = []
        while True:
            rows = await self._connection.fetch(SQL["outbox_behind"], *self._place, ROWS_PER_READ)
            for row in rows:
                payload = row["payload"]
                if row["kind"] == "stock":
                    touched.update(payload["balances"])
                elif row["kind"] == "availability":
                    self._available.add((payload["site"], payload["sku"]))
                elif row["kind"] == "movement":
                    told += payload["movements"][-MOVEMENTS_KEPT:]
            del told[:-MOVEMENTS_KEPT]
            if rows:
                self._place = Place(rows[-1]["xid"], rows[-1]["outbox_id"])
            if len(rows) < ROWS_PER_READ:
                break
        trimmed = await self._connection.fetchrow(SQL["outbox_trimmed"])
        if trimmed is not None and Place(trimmed["trimmed_xid"], trimmed["trimmed_id"]) > before:
            raise FellBehindError("the outbox was trimmed beyond what was read of it")
        return await self._now_at(touched), [MovementView.model_validate(one) for one in told]

    def take_available(self) -> set[tuple[str, str]]:
        """Sites and SKUs, by code, of which what may be promised may have changed by what was read since this was last
        asked."""
        taken, self._available = self._available, set()
        return taken

    async def _now_at(self, balances: Collection[int]) -> list[LiveStock]:
        if not balances:
            return []
        rows = await self._connection.fetch(SQL["stock_at"], list(balances), HIDDEN_KINDS)
        return [LiveStock(**row) for row in rows]

    async def surroundings(self) -> Surroundings:
        """Sites, gateways and standing alerts as they are now."""
        sites = await self._connection.fetch(SQL["sites_and_zones"], HIDDEN_KINDS)
        alerts = await self._connection.fetch(SQL["standing_alerts"], ALERTS_SHOWN)
        gateways = await ingest_views.all_gateways(self._connection, GATEWAYS_SHOWN)
        return Surroundings(
            sites=tuple(LiveSite.model_validate(dict(row)) for row in sites),
            gateways=tuple(_live_gateway(view) for view in gateways),
            alerts=tuple(_live_alert(row) for row in alerts),
        )


def _live_alert(row: Record) -> LiveAlert:
    return LiveAlert(
        alert_id=row["alert_id"],
        kind=row["kind"],
        key=row["key"],
        site=row["site"],
        about=about(row["key"], row["site"], row["detail"]),
        raised_at=row["raised_at"],
    )


def _live_gateway(view: ingest_views.GatewayView) -> LiveGateway:
    return LiveGateway(
        gateway=view.gateway,
        site=view.site or view.claimed_site,
        online=view.online,
        since=view.status_at,
        readers=tuple(view.readers),
        unknown_zones=tuple(view.unknown_zones),
        unknown_portals=tuple(view.unknown_portals),
    )
