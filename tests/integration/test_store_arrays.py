"""Array literals: PostgreSQL reads back what was written, whatever it is."""

from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import asyncpg
import pytest

from backend.store import arrays
from backend.store.database import Database

TRICKY = ["", "plain", "NULL", "null", "\x7f", 'a"b', "a\\b", "{1,2}", "a,b", " spaced ", "é日本\n\t", "'; --", None]


async def back(database: Database, literal: str, kind: str) -> Any:
    return await database.pool.fetchval(f"SELECT $1::text::{kind}[]", literal)


async def test_whatever_goes_in_comes_back(database: Database) -> None:
    late = datetime(2026, 3, 2, 8, 0, 0, 123456, tzinfo=timezone(timedelta(hours=7)))
    assert await back(database, arrays.texts(TRICKY), "text") == TRICKY
    simple = ["NULL", "", "{}", "a,b", None, "日本"]  # nothing that JSON escapes: written natively
    assert await back(database, arrays.texts(simple), "text") == simple
    assert await back(database, arrays.numbers([0.25, None, 1e-7]), "float8") == [0.25, None, 1e-7]
    early = datetime(2000, 1, 1, tzinfo=UTC)
    assert await back(database, arrays.instants([early]), "timestamptz") == [early]
    assert await back(database, arrays.numbers([1, -(1 << 62), None, 0]), "bigint") == [1, -(1 << 62), None, 0]
    assert await back(database, arrays.instants([late, None]), "timestamptz") == [late.astimezone(UTC), None]
    assert await back(database, arrays.truths([True, False]), "bool") == [True, False]
    assert await back(database, arrays.octets([b"", b"\x00\xff\\", b"NULL"]), "bytea") == [b"", b"\x00\xff\\", b"NULL"]
    for literal in (arrays.texts([]), arrays.numbers([]), arrays.octets([])):
        assert await back(database, literal, "text") == []


async def test_what_the_database_cannot_hold_it_refuses(database: Database) -> None:
    with pytest.raises(asyncpg.DataError):
        await back(database, arrays.texts(["a\0b"]), "text")
