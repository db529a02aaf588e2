"""A small house in a real database, and the API, the page and the live feed served from it on loopback.

The house is written row by row, so what the API says can be compared with what was put in.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from backend.api.guard import Guard
from backend.api.idempotency import KeyStore
from backend.api.routing import Desk
from backend.api.server import Served, make_app
from backend.app import all_routes
from backend.catalog.model import PortalSpec, SiteSpec, SkuSpec, ZoneSpec
from backend.catalog.service import put_site, put_skus, read_places
from backend.ingest.service import IngestService
from backend.ledger.model import Cause, Slot, Transfer
from backend.live.hub import Hub
from backend.live.routes import LiveRoute
from backend.metrics import BackendMetrics
from backend.orders.granter import Granter
from backend.stock.promises import post
from backend.store.database import Database
from tests.postgres import START
from wire.clock import Clock, ScaledClock

EPOCH = "00000000000000aa"


def at(seconds: float) -> datetime:
    """So many seconds after the tests' beginning."""
    return START + timedelta(seconds=seconds)


def epc_of(serial: int) -> str:
    """The EPC of a test tag, as upper-case hex."""
    return f"3034257BF7194E40{serial:08X}"


@dataclass
class House:
    """Two sites with their goods. Every method writes in one transaction, outbox included, as the services do."""

    database: Database
    items: dict[int, int] = field(default_factory=dict)
    movements: int = 0

    async def furnish(self) -> None:
        """Jakarta and Surabaya with a dock, a rack and one door each, and two SKUs."""
        for code, name in (("jakarta", "Jakarta"), ("surabaya", "Surabaya")):
            zones = (ZoneSpec("dock", "dock", "Dock"), ZoneSpec("rack", "storage", "Rack"))
            await put_site(
                self.database, SiteSpec(code, name, "java", "Asia/Jakarta", zones, (PortalSpec("d1", "dock"),))
            )
        await put_skus(self.database, [SkuSpec("CASE", "A case"), SkuSpec("DRUM", "A drum")])

    async def put(
        self, site: str, zone: str, sku: str, units: int, seconds: float = 0, condition: str = "sellable"
    ) -> None:
        """Take units from the supplier and give them to a zone, observed so many seconds after the beginning."""
        async with self.database.transaction() as connection:
            places = await read_places(connection)
            goods = await connection.fetchrow(
                "SELECT sku_id, lot_id FROM sku JOIN lot USING (sku_id) WHERE sku.code = $1 AND lot.code = ''", sku
            )
            taken, given = (
                Slot(places.by_code[site].zones[code].zone_id, goods["sku_id"], goods["lot_id"], condition)
                for code in (("supplier", zone) if units > 0 else (zone, "supplier"))
            )
            cause = Cause("test", "test", "test")
            await post(connection, places, [Transfer(at(seconds), taken, given, abs(units), None, cause)], at(seconds))
            await connection.execute("NOTIFY tallyman_outbox")

    async def tell(self, connection: Any, kind: str, key: str, payload: dict[str, Any]) -> None:
        """An outbox row, and the notification that wakes its readers."""
        await connection.execute(
            "INSERT INTO outbox (recorded_at, kind, key, payload) VALUES ($1, $2, $3, $4)", at(0), kind, key, payload
        )
        await connection.execute("NOTIFY tallyman_outbox")

    async def add_item(self, serial: int, site: str, zone: str, sku: str = "CASE") -> None:
        """A tagged thing standing in a zone."""
        self.items[serial] = await self.database.pool.fetchval(
            "INSERT INTO item (epc, kind, sku_id, lot_id, quantity, origin_zone_id, first_quantity,"
            " first_origin_zone_id, zone_id, present, observed_at)"
            " SELECT $1, 'sgtin', sku_id, lot_id, 1, zone_id, 1, zone_id, zone_id, true, $5"
            " FROM site JOIN zone USING (site_id), sku JOIN lot USING (sku_id)"
            " WHERE site.code = $2 AND zone.code = $3 AND sku.code = $4 AND lot.code = '' RETURNING item_id",
            bytes.fromhex(epc_of(serial)),
            site,
            zone,
            sku,
            at(0),
        )

    async def cross(self, serial: int, site: str, direction: str, seconds: float) -> None:
        """A tagged thing crosses its site's door."""
        self.movements += 1
        async with self.database.transaction() as connection:
            await connection.execute(
                "INSERT INTO movement (recorded_at, observed_at, decided_at, gateway, epoch, seq, kind, item_id,"
                " site_id, portal_id, direction, confidence)"
                " SELECT $1, $1, $1, 'g1', $2, $3, 'crossed', $4, site_id, portal_id, $5, 1"
                " FROM site JOIN portal USING (site_id) WHERE site.code = $6",
                at(seconds),
                EPOCH,
                self.movements,
                self.items[serial],
                direction,
                site,
            )
            payload = {
                "id": f"g1/{EPOCH}/{self.movements}",
                "kind": "crossed",
                "epc": epc_of(serial),
                "sku": "CASE",
                "site": site,
                "zone": None,
                "from_zone": None,
                "portal": "d1",
                "direction": direction,
                "observed_at": at(seconds).isoformat(),
                "decided_at": at(seconds).isoformat(),
                "recorded_at": at(seconds).isoformat(),
                "confidence": 1.0,
            }
            await self.tell(connection, "movement", site, {"movements": [payload]})


@dataclass
class Serving:
    """A served house: where it answers, and what it counts."""

    url: str
    house: House
    hub: Hub
    metrics: BackendMetrics


@contextlib.asynccontextmanager
async def serving(
    database: Database, guard: Guard | None = None, port: int = 0, clock: Clock | None = None
) -> AsyncIterator[Serving]:
    """Serve a database's house on a loopback port; 0: a free one."""
    metrics = BackendMetrics()
    clock = clock or ScaledClock(START)
    hub = Hub(database, metrics.live, clock)
    granter = Granter(database, clock)
    routes, desk = all_routes(IngestService(database, clock), granter), Desk(database, database, clock)
    app = make_app(Served(routes, desk, guard or Guard(), KeyStore(database, clock), metrics, {}))
    LiveRoute(hub, metrics.live, database).mount(app)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", port).start()
    running = asyncio.create_task(hub.run())
    try:
        async with granter.running():
            yield Serving(f"http://127.0.0.1:{runner.addresses[0][1]}", House(database), hub, metrics)
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        await runner.cleanup()


@pytest.fixture
async def served(database: Database) -> AsyncIterator[Serving]:
    """A furnished house, served without a token."""
    await House(database).furnish()
    async with serving(database) as served:
        yield served


@pytest.fixture
async def api(served: Serving) -> AsyncIterator[aiohttp.ClientSession]:
    """A caller of the served house."""
    async with aiohttp.ClientSession(served.url) as session:
        yield session
