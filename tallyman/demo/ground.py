"""The ground the demo stands on: PostgreSQL and a broker, embedded or somebody's own, and a folder for the journals."""

from __future__ import annotations

import shutil
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import asyncpg

from tallyman.embedded.account import default_state_dir
from tallyman.embedded.broker import Broker
from tallyman.embedded.postgres import EmbeddedPostgres
from tallyman.errors import DemoError


@dataclass(frozen=True, slots=True)
class Ground:
    """Where everything of a run is reached."""

    database_url: str
    mqtt_url: str
    journals: Path


@asynccontextmanager
async def prepared(
    data_dir: Path | None, *, database_url: str | None, mqtt_url: str | None, fresh: bool
) -> AsyncIterator[Ground]:
    """Start what is not given by URL, and stop it at the end. `fresh` begins with empty database and journals.

    Raises DemoError when a database that is not the demo's own would have to be emptied.
    """
    state = data_dir or default_state_dir()
    async with AsyncExitStack() as stack:
        if database_url is None:
            database_url = (await stack.enter_async_context(EmbeddedPostgres(state / "postgres", fresh=fresh))).dsn
        elif fresh:
            await _refuse_a_used_one(database_url)
        if mqtt_url is None:
            mqtt_url = (await stack.enter_async_context(Broker())).url
        journals = state / "journals"
        if fresh and journals.exists():
            shutil.rmtree(journals)
        journals.mkdir(parents=True, exist_ok=True)
        yield Ground(database_url, mqtt_url, journals)


async def _refuse_a_used_one(database_url: str) -> None:
    connection = await asyncpg.connect(database_url)
    try:
        used = await connection.fetchval("SELECT to_regclass('site') IS NOT NULL")
    finally:
        await connection.close()
    if used:
        raise DemoError("--fresh would empty a database that is not the demo's own: give an empty one, or leave it out")
