"""Movements a second through the ingest, from a batch's bytes as MQTT carries them to its commit and its Ack.

What is timed: `wire.events.decode_upstream` and `IngestService.apply`: items, movements, ledger, balances, promises,
outbox and cursor committed with fsync on. Every movement takes a random one of SITE's things to another random zone, so
nothing is gathered by luck: a batch of a thousand touches about two thousand balances. The bytes are made before the
clock starts. GATEWAYS gateways send at the same time, each its next batch when the one before is answered; a gateway
sees things of its own.

The bare limit of the same run (bench/reference.sql) makes the same moves of the same things on the same server in
three set-based statements a batch, from arrays made before the clock starts, with the same number of connections at
work. It parses nothing, checks nothing, tells nobody. Rounds of both take turns; the median of each counts. Beside the
rates stands the CPU time that a movement takes of this process and of the server, which other programs on the machine
disturb less; the bare limit's Python is no more than the making of asyncpg's arguments.

The second half asks whether it stays flat: the same with twenty times as many things.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import random
import statistics
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Final, NamedTuple

import asyncpg

from backend.app import calm_collector
from backend.catalog.model import SiteSpec, SkuSpec, ZoneSpec
from backend.catalog.service import put_site, put_skus
from backend.ingest.service import IngestService
from backend.ledger.verify import ledger_findings
from backend.store.database import Database, Queries
from backend.store.migrate import migrate
from bench.report import Case, line
from tallyman.embedded.postgres import EmbeddedPostgres
from wire.clock import SystemClock
from wire.events import MAX_EVENTS_PER_BATCH, Evidence, Movement, decode_upstream, encode, encode_batch

REFERENCE: Final = Queries(Path(__file__).with_name("reference.sql"))

GATEWAYS: Final = 2
ZONES: Final = 20
SKUS: Final = 1000
FEW_ITEMS: Final = 100_000
MANY_ITEMS: Final = 2_000_000
BATCHES: Final = 20
"""Of each gateway in a round."""
ROUNDS: Final = 5

LEAST_RATIO: Final = 0.6
LEAST_FLAT: Final = 1 / 1.3
"""Many things may cost 1.3 times what few cost."""

EPC_PREFIX: Final = "3034257BF7194E40"
SITE: Final = "NORTH"
SEEDED_DAYS_AGO: Final = 2


@dataclass(slots=True)
class Moves:
    """One batch: its bytes, and the same moves as the arrays of the bare limit."""

    payload: bytes
    items: list[int]
    zones: list[int]
    times: list[datetime]
    skus: list[int]
    taken: list[int]
    balances: tuple[list[int], list[int], list[int]]


class Spent(NamedTuple):
    """What a round took for each movement: by the clock, and of CPU in this process and in the server."""

    wall_s: float
    python_s: float
    server_s: float

    @classmethod
    def until_now(cls, server_pid: int) -> Spent:
        """The three clocks."""
        return cls(time.perf_counter(), time.process_time(), server_cpu_s(server_pid))

    def per_move(self, since: Spent, moves: int) -> Spent:
        """What was spent since, for each movement."""
        return Spent(*((now - then) / moves for now, then in zip(self, since, strict=True)))


def server_cpu_s(pid: int) -> float:
    """CPU time of a server and its processes, those that have ended included; 0 where the system has no /proc."""
    ticks = 0
    for path in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):  # gone since the folder was listed
            numbers = path.read_text().rpartition(")")[2].split()
            of_server = int(path.parent.name) == pid
            if of_server or int(numbers[1]) == pid:
                # utime, stime and, of those that ended, cutime, cstime: fields 14 to 17 of proc_pid_stat(5)
                ticks += sum(map(int, numbers[11 : 15 if of_server else 13]))
    return ticks / os.sysconf("SC_CLK_TCK")


@dataclass(slots=True)
class Store:
    """A database with so many things, and where the moves made so far have left them."""

    dsn: str
    server_pid: int
    items: int
    zone_ids: list[int] = field(default_factory=list)
    at: dict[int, int] = field(default_factory=dict)
    sku_of: dict[int, int] = field(default_factory=dict)
    sent: Counter[int] = field(default_factory=Counter)
    ours: list[Spent] = field(default_factory=list)
    bare: list[Spent] = field(default_factory=list)

    async def fill(self) -> None:
        """Migrate, and put the things in."""
        clock = SystemClock()
        await migrate(self.dsn, clock)
        async with Database.open(self.dsn) as database:
            zones = tuple(ZoneSpec(f"Z{number}", "storage") for number in range(ZONES))
            await put_site(database, SiteSpec(SITE, zones=zones))
            await put_skus(database, [SkuSpec(f"S{number}") for number in range(SKUS)])
        then = clock.now() - timedelta(days=SEEDED_DAYS_AGO)
        connection = await asyncpg.connect(self.dsn)
        try:
            await connection.execute(REFERENCE["seed_items"], self.items, then)
            await connection.execute(REFERENCE["seed_balances"])
            await connection.execute(REFERENCE["seed_postings"], then)
            await connection.execute(REFERENCE["seed_availability"])
            await connection.execute(REFERENCE["make"])
            await connection.execute(REFERENCE["fill_items"])
            await connection.execute(REFERENCE["fill_balances"])
            await connection.execute("VACUUM (ANALYZE)")
            await connection.execute("CHECKPOINT")
            zone_rows = await connection.fetch("SELECT zone_id FROM zone WHERE kind = 'storage' ORDER BY zone_id")
            self.zone_ids = [row["zone_id"] for row in zone_rows]
            for row in await connection.fetch("SELECT item_id, sku_id, zone_id FROM item"):
                self.at[row["item_id"]] = row["zone_id"]
                self.sku_of[row["item_id"]] = row["sku_id"]
        finally:
            await connection.close()

    def moves(self, gateway: int, chance: random.Random) -> Moves:
        """The next batch of a gateway: things of its own, each to another zone."""
        own = range(1 + gateway, self.items + 1, GATEWAYS)
        items = sorted(chance.sample(own, MAX_EVENTS_PER_BATCH))
        chance.shuffle(items)
        now = SystemClock().now()
        first_seq = self.sent[gateway] + 1
        self.sent[gateway] += len(items)
        events, zones, times, taken = [], [], [], []
        deltas: Counter[tuple[int, int]] = Counter()
        for place, item in enumerate(items):
            before = self.at[item]
            zone = chance.choice([one for one in self.zone_ids if one != before])
            at = now + timedelta(microseconds=place)
            events.append(self._event(item, before, zone, at))
            zones.append(zone)
            times.append(at)
            taken.append(before)
            deltas[before, self.sku_of[item]] -= 1
            deltas[zone, self.sku_of[item]] += 1
            self.at[item] = zone
        payload = encode_batch(SITE, f"g{gateway}", f"{gateway:016x}", first_seq, now.isoformat(), events)
        keys = sorted(deltas)
        balances = [key[0] for key in keys], [key[1] for key in keys], [deltas[key] for key in keys]
        return Moves(payload, items, zones, times, [self.sku_of[item] for item in items], taken, balances)

    def _event(self, item: int, before: int, zone: int, at: datetime) -> bytes:
        antennas = (f"r{zone % 4}/1", f"r{zone % 4}/2")
        evidence = Evidence(reads=17, antennas=antennas, first_at=at - timedelta(seconds=3), last_at=at)
        return encode(
            Movement(
                kind="moved",
                epc=f"{EPC_PREFIX}{item:08X}",
                zone=f"Z{self.zone_ids.index(zone)}",
                from_zone=f"Z{self.zone_ids.index(before)}",
                observed_at=at,
                decided_at=at + timedelta(milliseconds=250),
                confidence=0.9731,
                evidence=evidence,
                method="zone-rule/1",
            )
        )


async def ingest(service: IngestService, batches: Sequence[Moves]) -> None:
    """One gateway's batches, one after another, as the listener takes them."""
    for batch in batches:
        message = decode_upstream(batch.payload)
        ack = await service.apply(message)
        assert ack.through == message.last_seq, ack  # type: ignore[union-attr]


async def bare(connection: Any, batches: Sequence[Moves]) -> None:
    """The same moves by the bare limit."""
    for batch in batches:
        async with connection.transaction():
            await connection.execute(REFERENCE["move_items"], batch.items, batch.zones, batch.times)
            await connection.execute(
                REFERENCE["add_postings"],
                batch.times[0],
                batch.times,
                batch.items,
                batch.skus,
                batch.taken,
                batch.zones,
            )
            await connection.execute(REFERENCE["change_balances"], *batch.balances)


async def play(store: Store, chance: random.Random) -> None:
    """One round: ours and the bare limit, with the same moves."""
    batches = [[store.moves(gateway, chance) for _ in range(BATCHES)] for gateway in range(GATEWAYS)]
    moves = GATEWAYS * BATCHES * MAX_EVENTS_PER_BATCH
    async with (
        Database.open(store.dsn) as database,
        asyncpg.create_pool(store.dsn, min_size=GATEWAYS, max_size=GATEWAYS) as pool,
    ):
        service = IngestService(database, SystemClock())
        began = Spent.until_now(store.server_pid)
        await asyncio.gather(*(ingest(service, own) for own in batches))
        store.ours.append(Spent.until_now(store.server_pid).per_move(began, moves))
        assert service.stats.quarantined == 0, service.stats

        connections = [await pool.acquire() for _ in range(GATEWAYS)]
        began = Spent.until_now(store.server_pid)
        await asyncio.gather(*(bare(one, own) for one, own in zip(connections, batches, strict=True)))
        store.bare.append(Spent.until_now(store.server_pid).per_move(began, moves))
        for one in connections:
            await pool.release(one)


async def played(folder: Path) -> list[Case]:
    """Both sizes on one server, their rounds in turn."""
    chance = random.Random(1)
    async with EmbeddedPostgres(folder / "pg") as postgres:
        few = Store(postgres.dsn, postgres.pid, FEW_ITEMS)
        many = Store(postgres.dsn.replace("/tallyman?", "/many?"), postgres.pid, MANY_ITEMS)
        connection = await asyncpg.connect(postgres.dsn)
        await connection.execute("CREATE DATABASE many")
        await connection.close()
        for store in (few, many):
            await store.fill()
            await play(store, chance)
            store.ours.clear()
            store.bare.clear()
        for _ in range(ROUNDS):
            await play(few, chance)
            await play(many, chance)
        async with Database.open(few.dsn) as database, database.snapshot() as reading:
            assert not await ledger_findings(reading)
    return cases(few, many)


def cases(few: Store, many: Store) -> list[Case]:
    """What the rounds showed."""
    ours, theirs, ours_many, theirs_many = map(middle, (few.ours, few.bare, many.ours, many.bare))
    name, few_items, many_items = "three bare statements a batch", f"{FEW_ITEMS:,} items", f"{MANY_ITEMS:,} items"
    return [
        Case(few_items, 1 / ours.wall_s, "movements/s", name, 1 / theirs.wall_s, LEAST_RATIO),
        Case(many_items, 1 / ours_many.wall_s, "movements/s", few_items, 1 / ours.wall_s, LEAST_FLAT),
        Case(f"{many_items}, bare", 1 / theirs_many.wall_s, "movements/s", f"{few_items}, bare", 1 / theirs.wall_s),
        Case(f"{few_items}, CPU of Python", ours.python_s * 1e6, "µs", name, theirs.python_s * 1e6),
        Case(f"{few_items}, CPU of PostgreSQL", ours.server_s * 1e6, "µs", name, theirs.server_s * 1e6),
        Case(f"{many_items}, CPU of PostgreSQL", ours_many.server_s * 1e6, "µs", name, theirs_many.server_s * 1e6),
    ]


def middle(rounds: Sequence[Spent]) -> Spent:
    """The median of each clock."""
    return Spent(*map(statistics.median, zip(*rounds, strict=True)))


def main() -> None:
    logging.disable(logging.CRITICAL)
    calm_collector()
    with tempfile.TemporaryDirectory(prefix="tm-bench-", ignore_cleanup_errors=True) as name:
        folder = Path(name)
        # Run by root, PostgreSQL runs under an account of its own, which must get in.
        folder.chmod(0o755)
        print(line("ingest", asyncio.run(played(folder))))


if __name__ == "__main__":
    main()
