"""The API under 2,000 connections: reads of stock, and picks, on two backend processes.

Nine of ten requests read the stock of one SKU at one site over HTTP, on CONNECTIONS kept connections, half of them to
each process. One of ten is a pick. The API takes no scans, so picks enter as every scan does: over MQTT, in a gateway's
batches, one each BATCH_S; a pick has ended when the Ack that covers it has come. Both processes hear every batch, and
the cursor lets one win.

First everybody asks again as soon as answered: the saturation. Then for PLAY_S requests begin at fixed times, half as
many a second, whether or not those before them have ended (open loop), and each is waited for from the time at which
it should have begun. Clients, broker, both processes and PostgreSQL share the machine.

The bare limit of the same run is an aiohttp handler, in two processes as well, that does one SELECT and answers with
its row: no rights, no parameters checked, no models, no tag. It is asked by the same clients on as many connections.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import logging
import random
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import asyncpg
from aiohttp import web

from backend.app import calm_collector
from backend.catalog.model import SiteSpec, SkuSpec, ZoneSpec
from backend.catalog.service import put_site, put_skus, read_places
from backend.ledger.model import SELLABLE, Cause, Slot, Transfer
from backend.stock.promises import post
from backend.store.database import Database
from backend.store.migrate import migrate
from bench.report import Case, line
from gs1 import checkdigit
from tallyman.embedded.broker import Broker
from tallyman.embedded.postgres import EmbeddedPostgres
from wire.ack import decode_ack
from wire.clock import SystemClock
from wire.events import MAX_EVENTS_PER_BATCH, Scan, encode, encode_batch
from wire.mqtt import InboundMessage, MqttLink
from wire.topics import topic

CONNECTIONS: Final = 2000
PROCESSES: Final = 2
SKUS: Final = 1000
STOCK: Final = 10_000_000
PICKS_OF: Final = 10
"""One request of so many is a pick."""

SATURATE_S: Final = 8.0
PLAY_S: Final = 60.0
SHARE: Final = 0.5
BATCH_S: Final = 0.05
ANSWER_S: Final = 30.0
"""Whatever has not been answered by then counts as an error."""

MOST_P99_MS: Final = 250.0
POOL: Final = 16
"""Connections of the bare handler to the database: as many as a backend process has."""

SITE: Final = "NORTH"
GATEWAY: Final = "g0"
EPOCH: Final = "00000000000000aa"

BARE: Final = """
SELECT sum(net)::bigint AS units FROM balance
JOIN site USING (site_id) JOIN sku USING (sku_id) JOIN zone USING (zone_id)
WHERE site.code = 'NORTH' AND sku.code = $1 AND zone.kind = 'pick_face'
"""


def gtin(number: int) -> str:
    """A GTIN-14 of the demonstration prefix."""
    body = f"0950600{number:06d}"
    return body + checkdigit.of(body)


async def stocked(dsn: str) -> None:
    """One site with plenty of every SKU to pick."""
    await migrate(dsn, SystemClock())
    async with Database.open(dsn) as database:
        await put_site(database, SiteSpec(SITE, zones=(ZoneSpec("face", "pick_face"), ZoneSpec("pack", "packing"))))
        await put_skus(database, [SkuSpec(f"S{number}", gtins={gtin(number): 1}) for number in range(SKUS)])
        async with database.transaction() as connection:
            places = await read_places(connection)
            zones = places.by_code[SITE].zones
            now, cause = SystemClock().now(), Cause("receive", "bench", "bench")
            transfers = []
            for row in await connection.fetch("SELECT sku_id, lot_id FROM lot ORDER BY sku_id"):
                taken, given = (
                    Slot(zones[code].zone_id, row["sku_id"], row["lot_id"], SELLABLE) for code in ("supplier", "face")
                )
                transfers.append(Transfer(now, taken, given, STOCK, None, cause))
            await post(connection, places, transfers, now)


class Line:
    """One kept HTTP connection, one request at a time."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer
        self._turn = asyncio.Lock()

    async def ask(self, path: str) -> None:
        """Raises AssertionError for any answer but 200."""
        async with self._turn:
            self._writer.write(f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n".encode())
            head = await self._reader.readuntil(b"\r\n\r\n")
            assert head.startswith(b"HTTP/1.1 200"), head
            length = head.lower().split(b"content-length: ")[1].split(b"\r\n")[0]
            await self._reader.readexactly(int(length))

    def close(self) -> None:
        self._writer.close()


class Handhelds:
    """The pickers of a site and their gateway: batches of what was scanned, and who waits for which number."""

    def __init__(self, link: MqttLink) -> None:
        self._link = link
        self._waiting: list[tuple[bytes, asyncio.Future[None]]] = []
        self._sent: dict[int, asyncio.Future[None]] = {}
        self._through = 0
        self._next_seq = 1
        self._names = itertools.count()
        link.subscribe(topic(SITE, GATEWAY, "ack"), self._acked)

    async def pick(self, number: int) -> None:
        """Scan a pick of one SKU, and wait until it is committed and answered."""
        scan = Scan(
            scan_id=f"s{next(self._names)}",
            device=f"d{number % 200}",
            operator="bench",
            intent="pick",
            code=f"01{gtin(number)}",
            zone="pack",
            observed_at=datetime.now(UTC),
        )
        done = asyncio.get_running_loop().create_future()
        self._waiting.append((encode(scan), done))
        await done

    async def _acked(self, message: InboundMessage) -> None:
        ack = decode_ack(message.payload)
        assert all(one.state == "applied" for one in ack.scans), ack.scans
        for seq in range(self._through + 1, ack.through + 1):
            future = self._sent.pop(seq)
            if not future.done():
                future.set_result(None)
        self._through = max(self._through, ack.through)

    async def run(self) -> None:
        """Send what was scanned, each BATCH_S, until cancelled."""
        while True:
            await asyncio.sleep(BATCH_S)
            batch, self._waiting = self._waiting[:MAX_EVENTS_PER_BATCH], self._waiting[MAX_EVENTS_PER_BATCH:]
            if not batch:
                continue
            first = self._next_seq
            self._next_seq += len(batch)
            self._sent.update(enumerate((done for _, done in batch), first))
            now = datetime.now(UTC).isoformat()
            payload = encode_batch(SITE, GATEWAY, EPOCH, first, now, [event for event, _ in batch])
            await self._link.publish(topic(SITE, GATEWAY, "events"), payload)


Ask = Callable[[int], Awaitable[None]]
"""Does the request with this number."""


async def saturated(ask: Ask) -> float:
    """Requests a second when everybody asks again as soon as answered."""
    numbers = itertools.count()
    end = time.perf_counter() + SATURATE_S

    async def client() -> None:
        while time.perf_counter() < end:
            await ask(next(numbers))

    began = time.perf_counter()
    async with asyncio.TaskGroup() as group:
        for _ in range(CONNECTIONS):
            group.create_task(client())
    return next(numbers) / (time.perf_counter() - began)


async def at_rate(ask: Ask, rate: float, seconds: float) -> tuple[list[float], int]:
    """Begin requests at fixed times; how long after its time each was answered, in ms, and how many failed."""
    waits: list[float] = []
    failed = 0
    began = time.perf_counter()

    async def one(number: int) -> None:
        nonlocal failed
        try:
            async with asyncio.timeout(ANSWER_S):
                await ask(number)
        except (AssertionError, OSError, TimeoutError, asyncio.IncompleteReadError):
            failed += 1
        else:
            waits.append((time.perf_counter() - began - number / rate) * 1000)

    async with asyncio.TaskGroup() as group:
        for number in range(int(rate * seconds)):
            early = number / rate - (time.perf_counter() - began)
            if early > 0:
                await asyncio.sleep(early)
            group.create_task(one(number))
    return waits, failed


@contextlib.asynccontextmanager
async def processes(commands: list[list[str]], ports: list[int], path: str) -> AsyncIterator[list[Line]]:
    """Start servers, wait until each answers, and open the connections to them."""
    started = [await asyncio.create_subprocess_exec(*one, stdout=subprocess.DEVNULL) for one in commands]
    lines: list[Line] = []
    try:
        for port in ports:
            while True:
                with contextlib.suppress(OSError, AssertionError, asyncio.IncompleteReadError):
                    first = Line(*await asyncio.open_connection("127.0.0.1", port))
                    await first.ask(path)
                    first.close()
                    break
                await asyncio.sleep(0.1)
        for number in range(CONNECTIONS):
            lines.append(Line(*await asyncio.open_connection("127.0.0.1", ports[number % len(ports)])))
        yield lines
    finally:
        for one in lines:
            one.close()
        for process in started:
            process.terminate()
        await asyncio.gather(*(process.wait() for process in started))


async def free_ports(count: int) -> list[int]:
    """Ports that nobody listens on."""
    servers = [await asyncio.start_server(lambda *_: None, "127.0.0.1", 0) for _ in range(count)]
    ports = [server.sockets[0].getsockname()[1] for server in servers]
    for server in servers:
        server.close()
        await server.wait_closed()
    return ports


async def measure_bare(dsn: str, chance: random.Random) -> float:
    """Saturation of the bare handler."""
    ports = await free_ports(PROCESSES)
    commands = [[sys.executable, "-m", "bench.api", dsn, str(port)] for port in ports]
    async with processes(commands, ports, "/bare/S0") as lines:

        async def ask(number: int) -> None:
            await lines[number % CONNECTIONS].ask(f"/bare/S{chance.randrange(SKUS)}")

        return await saturated(ask)


async def measure_backend(dsn: str, folder: Path, chance: random.Random) -> tuple[float, list[float], int]:
    """Saturation of two backends; then, at half of it, the waits in ms and the number of failures."""
    ports = await free_ports(PROCESSES)
    async with Broker() as broker, MqttLink(broker.url, "bench") as link:
        commands = []
        for port in ports:
            config = folder / f"backend-{port}.toml"
            config.write_text(f'database_url = "{dsn}"\nmqtt_url = "{broker.url}"\n[http]\nport = {port}\n')
            commands.append([str(Path(sys.executable).with_name("tallyman")), "backend", "--config", str(config)])
        handhelds = Handhelds(link)
        async with processes(commands, ports, "/readyz") as lines:
            sending = asyncio.create_task(handhelds.run())

            async def ask(number: int) -> None:
                sku = chance.randrange(SKUS)
                if number % PICKS_OF == 0:
                    await handhelds.pick(sku)
                else:
                    await lines[number % CONNECTIONS].ask(f"/api/v1/stock?site={SITE}&sku=S{sku}")

            try:
                most = await saturated(ask)
                waits, failed = await at_rate(ask, most * SHARE, PLAY_S)
            finally:
                sending.cancel()
        return most, waits, failed


async def played(folder: Path) -> list[Case]:
    """The bare handler and the backend, one after the other, on one database."""
    chance = random.Random(1)
    async with EmbeddedPostgres(folder / "pg") as postgres:
        await stocked(postgres.dsn)
        bare = await measure_bare(postgres.dsn, chance)
        most, waits, failed = await measure_backend(postgres.dsn, folder, chance)
    rate, p99_ms = most * SHARE, statistics.quantiles(waits, n=100)[98]
    load = f"{CONNECTIONS:,} connections, {rate:,.0f}/s for {PLAY_S:.0f} s"
    return [
        Case("saturation, 9 reads of stock to 1 pick", most, "1/s", "a bare handler with one SELECT", bare),
        Case(f"answered without an error, {load}", len(waits), "requests", "asked", len(waits) + failed, 1.0),
        Case(f"room below the 99th percentile, {load}", MOST_P99_MS, "ms", "its p99", p99_ms, 1.0),
        Case("… median", statistics.median(waits), "ms"),
    ]


async def serve_bare(dsn: str, port: int) -> None:
    """The bare handler, until killed."""
    async with asyncpg.create_pool(dsn, min_size=1, max_size=POOL) as pool:

        async def answer(request: web.Request) -> web.Response:
            row = await pool.fetchrow(BARE, request.match_info["sku"])
            return web.json_response({"units": row["units"]})

        app = web.Application()
        app.router.add_get("/bare/{sku}", answer)
        runner = web.AppRunner(app, access_log=None)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", port).start()
        await asyncio.Event().wait()


def main(arguments: list[str]) -> None:
    logging.disable(logging.CRITICAL)
    calm_collector()
    if arguments:
        asyncio.run(serve_bare(arguments[0], int(arguments[1])))
        return
    with tempfile.TemporaryDirectory(prefix="tm-bench-", ignore_cleanup_errors=True) as name:
        folder = Path(name)
        # Run by root, PostgreSQL runs under an account of its own, which must get in.
        folder.chmod(0o755)
        print(line("api", asyncio.run(played(folder))))


if __name__ == "__main__":
    main(sys.argv[1:])
