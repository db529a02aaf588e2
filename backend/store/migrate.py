"""Bring a database to this program's schema, and keep a month's partition ready ahead of the clock.

Migrations are the files `NNNN_name.sql` of the folder beside this one. Each is applied once, in its own transaction,
under one advisory lock; its checksum is kept, and a file changed after it was applied is an error, never run again.
"""

from __future__ import annotations

import hashlib
import logging
from datetime import UTC, datetime
from pathlib import Path
from typing import Final, NamedTuple
from uuid import uuid4

import asyncpg

from backend.errors import MigrationError, StoreError, StoreUnavailableError
from backend.store.database import BAD_ADDRESS, REFUSED, UNAVAILABLE, Connection
from wire.clock import Clock

logger = logging.getLogger(__name__)

MIGRATIONS: Final = Path(__file__).with_name("migrations")

PARTITIONED: Final = ("posting", "movement")
"""Tables ranged by the month of `recorded_at`."""

MONTHS_AHEAD: Final = 2
"""Partitions made beyond the current month: a backend that nobody restarts makes the next one weeks before its time."""

_LOCK_KEY: Final = 0x7461_6C6C_796D_616E  # "tallyman"


class Migration(NamedTuple):
    """One file: its name without the suffix, its SQL and its checksum."""

    name: str
    sql: str
    sha256: str


def read_migrations(folder: Path = MIGRATIONS) -> list[Migration]:
    """The migrations in their order. Raises MigrationError when the numbers are not 1, 2, 3 …"""
    found = []
    for number, path in enumerate(sorted(folder.glob("*.sql")), 1):
        if path.name[:5] != f"{number:04d}_":
            raise MigrationError(f"{path.name} should be number {number:04d}")
        sql = path.read_text(encoding="utf-8")
        found.append(Migration(path.stem, sql, hashlib.sha256(sql.encode()).hexdigest()))
    return found


async def migrate(dsn: str, clock: Clock, folder: Path = MIGRATIONS) -> list[str]:
    """Apply what is missing and return its names; make the partitions that `clock` will need.

    Raises MigrationError when the database holds other migrations, StoreUnavailableError when nothing answers,
    StoreError when the database lets nobody in or its address cannot be used.
    """
    try:
        connection = await asyncpg.connect(dsn, server_settings={"timezone": "UTC", "application_name": "tallyman"})
    except UNAVAILABLE as error:
        raise StoreUnavailableError(f"the database does not answer: {error}") from error
    except REFUSED as error:
        raise StoreError(f"the database lets nobody in: {error}") from error
    except BAD_ADDRESS as error:
        raise StoreError(f"the database's address cannot be used: {error}") from error
    try:
        await connection.execute("SELECT pg_advisory_lock($1)", _LOCK_KEY)
        applied = await _apply(connection, read_migrations(folder), clock.now())
        await ensure_partitions(connection, clock.now())
    finally:
        await connection.close()
    return applied


async def _apply(connection: Connection, migrations: list[Migration], now: datetime) -> list[str]:
    await connection.execute(
        "CREATE TABLE IF NOT EXISTS schema_migration "
        "(name text PRIMARY KEY, sha256 text NOT NULL, applied_at timestamptz NOT NULL)"
    )
    rows = await connection.fetch("SELECT name, sha256 FROM schema_migration ORDER BY name")
    done = {row["name"]: row["sha256"] for row in rows}
    ours = {migration.name for migration in migrations}
    if strangers := sorted(set(done) - ours):
        raise MigrationError(f"the database was migrated by a newer program: it holds {', '.join(strangers)}")
    applied = []
    for migration in migrations:
        if migration.name in done:
            if done[migration.name] != migration.sha256:
                raise MigrationError(f"{migration.name} was changed after it was applied; add a new migration instead")
            continue
        async with connection.transaction():
            await connection.execute(migration.sql)
            await connection.execute(
                "INSERT INTO schema_migration VALUES ($1, $2, $3)", migration.name, migration.sha256, now
            )
        applied.append(migration.name)
    if await connection.fetchval("SELECT to_regclass('store')") is not None:
        await connection.execute(
            "INSERT INTO store (store_id, made_at) VALUES ($1, $2) ON CONFLICT DO NOTHING", uuid4(), now
        )
    return applied


async def ensure_partitions(connection: Connection, now: datetime) -> None:
    """Make the partitions of this month and the next ones.

    A month whose rows already stand in the rest partition (a clock that jumped) stays there; that is said once.
    """
    async with connection.transaction():
        await connection.execute("SELECT pg_advisory_xact_lock($1)", _LOCK_KEY)
        for offset in range(MONTHS_AHEAD + 1):
            first, beyond = month(now, offset), month(now, offset + 1)
            for table in PARTITIONED:
                name = f"{table}_{first:%Y_%m}"
                if await connection.fetchval("SELECT to_regclass($1)", name) is not None:
                    continue
                try:
                    async with connection.transaction():
                        await connection.execute(
                            f"CREATE TABLE {name} PARTITION OF {table} "
                            f"FOR VALUES FROM ('{first.isoformat()}') TO ('{beyond.isoformat()}')"
                        )
                except asyncpg.CheckViolationError:
                    logger.warning("partition kept in rest table=%s month=%s", table, f"{first:%Y-%m}")


def month(at: datetime, offset: int = 0) -> datetime:
    """The first instant, UTC, of the month `offset` months after the one `at` lies in."""
    at = at.astimezone(UTC)
    years, index = divmod(at.month - 1 + offset, 12)
    return datetime(at.year + years, index + 1, 1, tzinfo=UTC)
