"""Reservations a second: one hot SKU, many SKUs, and over HTTP.

The peer of the same run is what a textbook does: 32 clients, each with a connection of its own, `SELECT … FOR UPDATE`
on the SKU's row, a look, an update and one allocation row. Ours makes more of each reservation (an order, its line, the
allocation, the outbox) and answers with what was promised; its clients are 128 tasks that ask again when answered. The
collector of cycles is set for both as the backend sets it. Rounds of both take turns; the median of each counts. Both
speak to the same PostgreSQL, with fsync on.
"""

from __future__ import annotations

import asyncio
import itertools
import logging
import statistics
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Final

import aiohttp
import asyncpg

from backend.app import calm_collector, run_backend
from backend.catalog.model import SiteSpec, SkuSpec, ZoneSpec
from backend.catalog.service import put_site, put_skus, read_places
from backend.channels.service import ChannelSpec, put_channel
from backend.config import BackendConfig, HttpSettings
from backend.ledger.model import SELLABLE, Cause, Slot, Transfer
from backend.orders.granter import Granter
from backend.orders.reserving import NewOrder, OrderLine, Request
from backend.stock.promises import post
from backend.store.database import Database
from backend.store.migrate import migrate
from bench.report import Case, line
from tallyman.embedded.broker import Broker
from tallyman.embedded.postgres import EmbeddedPostgres
from wire.clock import SystemClock

SKUS: Final = 10_000
STOCK: Final = 10_000_000
PEERS: Final = 32
CLIENTS: Final = 128
HTTP_CLIENTS: Final = 64
ROUND_S: Final = 3.0
ROUNDS: Final = 3

LEAST_RATIO: Final = 4.0
MOST_P99_MS: Final = 50.0

numbers = itertools.count(1)


async def stocked(database: Database) -> None:
    """One site with plenty of every SKU."""
    await put_site(database, SiteSpec("NORTH", zones=(ZoneSpec("rack", "storage"),)))
    await put_skus(database, [SkuSpec(f"S{number}") for number in range(SKUS)])
    await put_channel(database, ChannelSpec("web", "website"))
    async with database.transaction() as connection:
        places = await read_places(connection)
        zones = places.by_code["NORTH"].zones
        rows = await connection.fetch("SELECT sku_id, lot_id FROM lot ORDER BY sku_id")
        now, cause = SystemClock().now(), Cause("receive", "bench", "bench")
        transfers = []
        for row in rows:
            taken, given = (
                Slot(zones[code].zone_id, row["sku_id"], row["lot_id"], SELLABLE) for code in ("supplier", "rack")
            )
            transfers.append(Transfer(now, taken, given, STOCK, None, cause))
        await post(connection, places, transfers, now)


async def timed(clients: int, ask: Callable[[], Awaitable[None]]) -> tuple[float, float]:
    """Answers a second, and the 99th percentile of their waits in milliseconds, of clients that ask again at once."""
    waits: list[float] = []
    end = time.perf_counter() + ROUND_S

    async def client() -> None:
        while (began := time.perf_counter()) < end:
            await ask()
            waits.append(time.perf_counter() - began)

    began = time.perf_counter()
    await asyncio.gather(*(client() for _ in range(clients)))
    rate = len(waits) / (time.perf_counter() - began)
    return rate, statistics.quantiles(waits, n=100)[98] * 1000


async def textbook(pool: asyncpg.Pool, sku_id: int) -> None:
    """One reservation as a textbook makes it."""
    async with pool.acquire() as connection, connection.transaction():
        row = await connection.fetchrow(
            "SELECT availability_id, on_hand, reserved FROM availability WHERE sku_id = $1 FOR UPDATE", sku_id
        )
        assert row["on_hand"] - row["reserved"] >= 1
        await connection.execute(
            "UPDATE availability SET reserved = reserved + 1 WHERE availability_id = $1", row["availability_id"]
        )
        await connection.execute(
            "INSERT INTO allocation (availability_id, holder_kind, holder_id, granted, held, made_at)"
            " VALUES ($1, 'order', 1, 1, 1, now())",
            row["availability_id"],
        )


async def in_process(dsn: str) -> list[Case]:
    """The service against the textbook on one hot SKU, and spread over all SKUs."""
    peers: list[float] = []
    hot: list[tuple[float, float]] = []
    spread: list[tuple[float, float]] = []
    skus = itertools.cycle(f"S{number * 7919 % SKUS}" for number in range(SKUS))
    async with Database.open(dsn) as database, asyncpg.create_pool(dsn, min_size=PEERS, max_size=PEERS) as pool:
        sku_id = await pool.fetchval("SELECT sku_id FROM sku WHERE code = 'S0'")

        async with Granter(database, SystemClock()).running() as granter:

            async def ask(sku: str) -> None:
                order = NewOrder(f"o{next(numbers)}", "web", (OrderLine(sku, 1),))
                await granter.reserve(Request(order, "bench"))

            for _ in range(ROUNDS):
                peers.append((await timed(PEERS, lambda: textbook(pool, sku_id)))[0])
                hot.append(await timed(CLIENTS, lambda: ask("S0")))
                spread.append(await timed(CLIENTS, lambda: ask(next(skus))))
    peer = statistics.median(peers)
    name = f"SELECT … FOR UPDATE, {PEERS} clients, one hot SKU"
    p99_ms = statistics.median(p99 for _, p99 in hot)
    return [
        Case("one hot SKU, in process", statistics.median(rate for rate, _ in hot), "1/s", name, peer, LEAST_RATIO),
        Case("one hot SKU, room below the 99th percentile", MOST_P99_MS, "ms", "its p99", p99_ms, 1.0),
        Case(f"{SKUS:,} SKUs, in process", statistics.median(rate for rate, _ in spread), "1/s", name, peer),
        Case(f"{SKUS:,} SKUs, 99th percentile", statistics.median(p99 for _, p99 in spread), "ms"),
    ]


async def over_http(dsn: str) -> list[Case]:
    """The same by HTTP, server and clients in this process."""
    async with Broker() as broker:
        config = BackendConfig(database_url=dsn, mqtt_url=broker.url, http=HttpSettings(port=0))
        stop, url = asyncio.Event(), asyncio.get_running_loop().create_future()
        server = asyncio.create_task(run_backend(config, SystemClock(), stop=stop, ready=url.set_result))
        try:
            async with aiohttp.ClientSession(await url, connector=aiohttp.TCPConnector(limit=HTTP_CLIENTS)) as session:

                async def ask() -> None:
                    name = f"h{next(numbers)}"
                    body = {"code": name, "channel": "web", "lines": [{"sku": "S0", "quantity": 1}]}
                    async with session.post("/api/v1/orders", json=body, headers={"Idempotency-Key": name}) as response:
                        assert response.status == 200, await response.text()

                rate, p99_ms = await timed(HTTP_CLIENTS, ask)
        finally:
            stop.set()
            await server
    return [
        Case(f"one hot SKU over HTTP, {HTTP_CLIENTS} clients in the server's process", rate, "1/s"),
        Case("… 99th percentile", p99_ms, "ms"),
    ]


async def played(folder: Path) -> list[Case]:
    """All cases on a database of their own."""
    async with EmbeddedPostgres(folder / "pg") as postgres:
        await migrate(postgres.dsn, SystemClock())
        async with Database.open(postgres.dsn) as database:
            await stocked(database)
        return [*await in_process(postgres.dsn), *await over_http(postgres.dsn)]


def main() -> None:
    logging.disable(logging.CRITICAL)
    calm_collector()
    with tempfile.TemporaryDirectory(prefix="tm-bench-", ignore_cleanup_errors=True) as name:
        folder = Path(name)
        # Run by root, PostgreSQL runs under an account of its own, which must get in.
        folder.chmod(0o755)
        print(line("reserve", asyncio.run(played(folder))))


if __name__ == "__main__":
    main()
