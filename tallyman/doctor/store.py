"""The backend's database: is it there, new enough, brought up to date, and does its clock agree?"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import urlsplit

import asyncpg

from backend.errors import MigrationError
from backend.store.database import UNAVAILABLE
from backend.store.migrate import read_migrations
from tallyman.doctor.finding import Check, Finding, fail, ok, reason

CONNECT_S: Final = 6.0
LEAST_VERSION: Final = 150_000
"""PostgreSQL 15, as server_version_num has it: the oldest that the operator's guide promises."""

MAX_SKEW_S: Final = 2.0
"""recorded_at is given by the backend; logs of both are read side by side."""

MAX_LAG_S: Final = 30.0
"""Answers from a replica may lag a moment; beyond this people count stock that has left."""

REFUSED: Final = (asyncpg.InvalidAuthorizationSpecificationError, asyncpg.InvalidCatalogNameError)


@dataclass(frozen=True, slots=True)
class Store:
    """An open connection, and where it leads."""

    connection: Any
    where: str


async def check_version(store: Store) -> list[Finding]:
    """Is it new enough?"""
    number = int(await store.connection.fetchval("SHOW server_version_num"))
    name = await store.connection.fetchval("SHOW server_version")
    if number < LEAST_VERSION:
        return [fail("  version", f"PostgreSQL {name}", "upgrade to PostgreSQL 15 or newer")]
    size = await store.connection.fetchval("SELECT pg_database_size(current_database())")
    return [ok("  version", f"PostgreSQL {name}, {size / (1 << 20):,.0f} MiB")]


async def check_migrations(store: Store) -> list[Finding]:
    """Does its schema fit this program?"""
    ours = {migration.name: migration.sha256 for migration in read_migrations()}
    if await store.connection.fetchval("SELECT to_regclass('schema_migration')") is None:
        return [fail("  migrations", f"none of {len(ours)} applied", "run tallyman migrate")]
    rows = await store.connection.fetch("SELECT name, sha256 FROM schema_migration ORDER BY name")
    theirs = {row["name"]: row["sha256"] for row in rows}
    if strangers := sorted(set(theirs) - set(ours)):
        said = f"migrated by a newer program: {', '.join(strangers)}"
        return [fail("  migrations", said, "install the version of Tallyman that migrated it, or a newer one")]
    if missing := sorted(set(ours) - set(theirs)):
        return [fail("  migrations", f"missing: {', '.join(missing)}", "run tallyman migrate")]
    if changed := sorted(name for name in ours if ours[name] != theirs[name]):
        said = f"changed after they were applied: {', '.join(changed)}"
        return [fail("  migrations", said, "install Tallyman anew: its own files were edited")]
    return [ok("  migrations", f"all {len(ours)} applied")]


async def check_clock(store: Store) -> list[Finding]:
    """Does its clock agree with this machine's?"""
    began_s = time.time()
    theirs_s = float(await store.connection.fetchval("SELECT extract(epoch FROM clock_timestamp())"))
    skew_s = theirs_s - (began_s + time.time()) / 2
    said = f"{skew_s:+.3f} s against this machine"
    if abs(skew_s) > MAX_SKEW_S:
        return [fail("  clock", said, "run an NTP client on both machines")]
    return [ok("  clock", said)]


async def check_writable(store: Store) -> list[Finding]:
    """Is it the primary?"""
    if await store.connection.fetchval("SELECT pg_is_in_recovery()"):
        return [fail("  primary", "a standby, which takes no writes", "give the primary's address, or promote it")]
    return [ok("  primary", "takes writes")]


async def check_lag(store: Store) -> list[Finding]:
    """How far behind is a replica?"""
    if not await store.connection.fetchval("SELECT pg_is_in_recovery()"):
        return [ok("  replica", "is the primary itself: no lag")]
    lag = await store.connection.fetchval(
        "SELECT CASE WHEN pg_last_wal_receive_lsn() = pg_last_wal_replay_lsn() THEN 0"
        " ELSE coalesce(extract(epoch FROM clock_timestamp() - pg_last_xact_replay_timestamp()), 0) END"
    )
    said = f"{float(lag):.1f} s behind"
    if lag > MAX_LAG_S:
        return [fail("  replica", said, "check its replication; until then leave read_dsn out")]
    return [ok("  replica", said)]


STORE_CHECKS: Final = (
    Check("version", check_version),
    Check("primary", check_writable),
    Check("migrations", check_migrations),
    Check("clock", check_clock),
)
REPLICA_CHECKS: Final = (Check("version", check_version), Check("lag", check_lag))


async def check_store(
    url: str, name: str = "database", checks: tuple[Check[Store], ...] = STORE_CHECKS
) -> list[Finding]:
    """Reach, then every row."""
    where = _where(url)
    try:
        connection = await asyncpg.connect(url, timeout=CONNECT_S)
    except REFUSED as error:
        return [fail(name, f"{where}: {error}", "check user, password and database name in its URL")]
    except (*UNAVAILABLE, ValueError) as error:
        why = reason(error) if isinstance(error, OSError) else str(error)
        said = f"{where}: {why or f'no answer within {CONNECT_S:g} s'}"
        return [fail(name, said, "check its URL, that it runs, and that no firewall stands between")]
    findings = [ok(name, f"{where} answers")]
    try:
        for check in checks:
            findings += await check.look(Store(connection, where))
    except (asyncpg.PostgresError, MigrationError, *UNAVAILABLE) as error:
        findings.append(fail(f"  {check.name}", str(error), "look into the database's log"))
    finally:
        await connection.close()
    return findings


def _where(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.hostname or 'local socket'}{f':{parts.port}' if parts.port else ''}{parts.path}"
