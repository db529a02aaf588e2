"""Reads from a replica, never behind what the reader itself has written.

    POST ── commit ── where the log ends ──▶ Tallyman-LSN: 0/1A2B3C
    GET with Tallyman-LSN: 0/1A2B3C ── has the replica replayed it? ── yes, or within REPLAY_WAIT_S ──▶ the replica
                                                                    └─ no, or it does not answer ─────▶ the primary
    GET without ──────────────────────────────────────────────────────────────────────────────────────▶ the replica

The place is taken after the commit, so it lies behind the commit's own record (PostgreSQL 18 documentation, 9.28.3
and 9.28.4).
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Iterator
from contextvars import ContextVar
from typing import Any, Final

from backend.store.database import UNAVAILABLE, Connection, Database, Pool, Record

REPLAY_WAIT_S: Final = 0.5
"""A replica beside its primary is milliseconds behind. One that is further behind is not worth the caller's waiting:
the primary answers at once."""

REPLAY_POLL_S: Final = 0.02

_FROM_PRIMARY: ContextVar[bool] = ContextVar("from_primary", default=False)

_REPLAYED: Final = """
SELECT CASE WHEN pg_is_in_recovery() THEN pg_last_wal_replay_lsn() >= $1::text::pg_lsn ELSE true END
"""


class _EitherPool:
    """The replica's pool, or the primary's for a request that must not read behind itself."""

    def __init__(self, primary: Pool, replica: Pool) -> None:
        self._primary = primary
        self._replica = replica

    def _chosen(self) -> Pool:
        return self._primary if _FROM_PRIMARY.get() else self._replica

    async def execute(self, query: str, *args: Any) -> str:
        return await self._chosen().execute(query, *args)

    async def fetch(self, query: str, *args: Any, timeout: float | None = None) -> list[Record]:  # noqa: ASYNC109
        return await self._chosen().fetch(query, *args, timeout=timeout)

    async def fetchrow(self, query: str, *args: Any) -> Record | None:
        return await self._chosen().fetchrow(query, *args)

    async def fetchval(self, query: str, *args: Any) -> Any:
        return await self._chosen().fetchval(query, *args)

    def acquire(self) -> contextlib.AbstractAsyncContextManager[Connection]:
        return self._chosen().acquire()

    async def close(self) -> None:
        """Nothing: both pools belong to those who opened them."""

    def terminate(self) -> None:
        """Nothing, likewise."""


class Reads:
    """Which database answers a request that only reads. `database` is what the routes are given."""

    def __init__(self, primary: Database, replica: Database) -> None:
        self.database: Final = Database(_EitherPool(primary.pool, replica.pool))
        self._primary = primary
        self._replica = replica

    async def written(self) -> str:
        """Where the primary's log ends now: whatever was committed before lies before it."""
        return str(await self._primary.pool.fetchval("SELECT pg_current_wal_lsn()::text"))

    async def must_ask_primary(self, lsn: str) -> bool:
        """Whether the replica still lacks what was written up to `lsn`, after REPLAY_WAIT_S at most."""
        try:
            async with asyncio.timeout(REPLAY_WAIT_S):
                while not await self._replica.pool.fetchval(_REPLAYED, lsn):
                    await asyncio.sleep(REPLAY_POLL_S)
        except UNAVAILABLE:  # a TimeoutError too
            return True
        return False


@contextlib.contextmanager
def from_primary() -> Iterator[None]:
    """What is read in this context is read from the primary."""
    token = _FROM_PRIMARY.set(True)
    try:
        yield
    finally:
        _FROM_PRIMARY.reset(token)
