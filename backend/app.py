"""The backend program: everything is made and joined here, and nowhere else.

MQTT ──▶ ingest ──▶ PostgreSQL ──▶ outbox ──▶ hub ──▶ WebSockets
                        ▲
HTTP ──▶ routes ────────┘
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import logging
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import asdict
from functools import partial
from typing import Final

from aiohttp import web

import backend.alerts.routes
import backend.catalog.routes
import backend.channels.routes
import backend.counts.routes
import backend.documents.routes
import backend.ingest.commission_routes
import backend.ingest.departure_routes
import backend.ingest.reversal_routes
import backend.ingest.routes
import backend.ingest.scan_rules
import backend.orders.routes
import backend.returns.routes
import backend.stock.lot_routes
import backend.stock.routes
from backend.api.guard import Guard
from backend.api.idempotency import KeyStore
from backend.api.routing import Desk, Route
from backend.api.server import Check, Served, make_app
from backend.config import BackendConfig, HttpSettings
from backend.documents import service as documents
from backend.errors import ConfigError, SchemaError
from backend.ingest.listener import IngestListener
from backend.ingest.service import IngestService
from backend.live import outbox
from backend.live.hub import Hub
from backend.live.routes import LiveRoute
from backend.metrics import BackendMetrics
from backend.orders import service as orders
from backend.orders.granter import Granter
from backend.returns import service as returns
from backend.stock import lots
from backend.store.database import UNAVAILABLE, Database
from backend.store.migrate import ensure_partitions, read_migrations
from backend.store.reads import Reads
from wire.clock import Clock
from wire.mqtt import MqttLink

logger = logging.getLogger(__name__)

UPKEEP_S: Final = 3600.0
"""Partitions are made months ahead and keys live for days: an hour is often."""

REST: Final = 4
"""After a long look so many times its length passes before the next: a database that is slow is not asked more."""

COLLECT_AFTER: Final = 50_000
"""New objects between two looks for cycles. A batch makes twenty thousand and drops them all by itself; at Python's 700
the collector walks them thirty times over, which took a quarter of the ingest's time."""

SHUTDOWN_S: Final = 5.0
"""How long a request at work may still take when the program is told to stop."""


async def run_backend(
    config: BackendConfig,
    clock: Clock,
    *,
    stop: asyncio.Event | None = None,
    ready: Callable[[str], None] | None = None,
) -> None:
    """Run ingest, the API, the page and the live feed until `stop` is set.

    `ready` is called with the URL once requests are answered. Raises StoreError when the database cannot be used,
    LinkError for an unusable MQTT URL, ConfigError when the address cannot be listened on.
    """
    calm_collector()
    stop = stop or asyncio.Event()
    async with contextlib.AsyncExitStack() as stack:
        database = await stack.enter_async_context(Database.open(config.database_url))
        await _require_schema(database)
        reads = None
        if config.read_dsn is not None:
            reads = Reads(database, await stack.enter_async_context(Database.open(config.read_dsn)))
        metrics = BackendMetrics()
        keys = KeyStore(database, clock)
        service = IngestService(database, clock)
        metrics.show_ingest(lambda: asdict(service.stats))
        link = await stack.enter_async_context(_ingest(service, config.mqtt_url))
        hub = Hub(database, metrics.live, clock)
        granter = await stack.enter_async_context(Granter(database, clock).running())
        served = Served(
            routes=all_routes(service, granter),
            desk=Desk(database, reads.database if reads else database, clock),
            guard=Guard(config.http.token.get_secret_value() if config.http.token else None),
            keys=keys,
            metrics=metrics,
            checks={"database": _database_check(database), "mqtt": _mqtt_check(link)},
            reads=reads,
        )
        app = make_app(served)
        LiveRoute(hub, metrics.live, database).mount(app)
        url = await stack.enter_async_context(_listening(app, config.http))
        async with asyncio.TaskGroup() as group:
            running = (
                hub.run(),
                _again("upkeep", UPKEEP_S, partial(_keep_up, database, keys, clock)),
                _again("orders", orders.LOOK_EVERY_S, partial(orders.look, database, clock)),
                _again("late transfers", documents.LOOK_EVERY_S, partial(documents.raise_late, database, clock)),
                _again("returned goods", returns.LOOK_EVERY_S, partial(returns.watch_overdue, database, clock)),
                _again("promised lots", lots.LOOK_EVERY_S, partial(lots.watch_promised, database, clock)),
            )
            tasks = [group.create_task(one) for one in running]
            logger.info("serving url=%s", url)
            if ready is not None:
                ready(url)
            await stop.wait()
            for task in tasks:
                task.cancel()


def calm_collector() -> None:
    """Let Python look for cycles seldom, and never among what the program was started with."""
    gc.freeze()
    gc.set_threshold(COLLECT_AFTER)


def all_routes(service: IngestService, granter: Granter) -> list[Route]:
    """Every route of the API."""
    return [
        *backend.catalog.routes.routes(),
        *backend.stock.routes.ROUTES,
        *backend.stock.lot_routes.ROUTES,
        *backend.ingest.routes.routes(service),
        *backend.alerts.routes.ROUTES,
        *backend.channels.routes.ROUTES,
        *backend.orders.routes.routes(granter),
        *backend.documents.routes.ROUTES,
        *backend.ingest.departure_routes.ROUTES,
        *backend.ingest.commission_routes.ROUTES,
        *backend.ingest.reversal_routes.ROUTES,
        *backend.ingest.scan_rules.ROUTES,
        *backend.returns.routes.ROUTES,
        *backend.counts.routes.ROUTES,
    ]


async def _require_schema(database: Database) -> None:
    applied = {row["name"] for row in await database.pool.fetch("SELECT name FROM schema_migration")}
    missing = [migration.name for migration in read_migrations() if migration.name not in applied]
    if missing:
        raise SchemaError(f"the database lacks {', '.join(missing)}: run `tallyman migrate` first")


@contextlib.asynccontextmanager
async def _ingest(service: IngestService, url: str) -> AsyncIterator[MqttLink]:
    link = MqttLink(url, f"tallyman-backend-{secrets.token_hex(4)}")
    listener = IngestListener(service, link)
    listener.subscribe()
    async with link:
        try:
            yield link
        finally:
            await listener.close()


@contextlib.asynccontextmanager
async def _listening(app: web.Application, http: HttpSettings) -> AsyncIterator[str]:
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=SHUTDOWN_S)
    await runner.setup()
    try:
        try:
            await web.TCPSite(runner, http.host, http.port).start()
        except OSError as error:
            raise ConfigError(f"http: cannot listen on {http.host}:{http.port}: {error.strerror}") from error
        host = f"[{http.host}]" if ":" in http.host else http.host
        yield f"http://{host}:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()


async def _again(what: str, every_s: float, look: Callable[[], Awaitable[object]]) -> None:
    """Look at something for as long as the program runs; while the database is away, later."""
    loop = asyncio.get_running_loop()
    away = False
    while True:
        began = loop.time()
        try:
            await look()
        except UNAVAILABLE as error:
            if not away:
                logger.warning("not looked at, tried again later what=%s: %s", what, error)
            away = True
        else:
            if away:
                logger.info("looked at again what=%s", what)
            away = False
        await asyncio.sleep(max(every_s, (loop.time() - began) * REST))


async def _keep_up(database: Database, keys: KeyStore, clock: Clock) -> None:
    """Make partitions ahead of their time, forget old keys and what the outbox has told long ago."""
    async with database.transaction() as connection:
        await ensure_partitions(connection, clock.now())
    await keys.sweep()
    await outbox.trim(database, clock)


def _database_check(database: Database) -> Check:
    async def check() -> str | None:
        try:
            await database.store_id()
        except UNAVAILABLE as error:
            return f"does not answer: {error}"
        return None

    return check


def _mqtt_check(link: MqttLink) -> Check:
    async def check() -> str | None:
        return None if link.connected else f"no connection to {link.broker}"

    return check
