"""Whatever asyncpg says when a connection is cut at any moment, it is known as the database being away."""

import asyncio

import asyncpg
import pytest

from backend.store.database import UNAVAILABLE

CUTS = 150
"""asyncpg answers a few cuts in a hundred differently from the rest; this many meet them nearly always."""


async def test_every_cut_is_the_database_being_away(database_url: str) -> None:
    killer = await asyncpg.connect(database_url)
    try:
        for _ in range(CUTS):
            await cut(database_url, killer)
    finally:
        await killer.close()


async def cut(database_url: str, killer: asyncpg.Connection) -> None:
    """End a connection from the other side while it is used; what it then says must be one of UNAVAILABLE."""
    connection = await asyncpg.connect(database_url)
    pid = await connection.fetchval("SELECT pg_backend_pid()")
    ending = asyncio.create_task(killer.fetchval("SELECT pg_terminate_backend($1)", pid))
    try:
        with pytest.raises(UNAVAILABLE):
            await use(connection)
    finally:
        await ending
        connection.terminate()


async def use(connection: asyncpg.Connection) -> None:
    while True:
        await connection.fetch("SELECT $1::int", 1)
