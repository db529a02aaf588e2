"""Reads from a replica, never behind what the reader itself has written.

    POST ── commit ── where the log ends ──▶ Tallyman-LSN: 0/1A2B3C
    GET with Tallyman-LSN: 0/1A2B3C ── has the replica replayed it? ── yes, or within REPLAY_WAIT_S ──▶ the replica
                                                                    └─ no, or it does not answer ─────▶ the primary
    GET without ──────────────────────────────────────────────────────────────────────────────────────▶ the replica

A replica that answers not, or breaks off, has the primary answer in its place: reading twice changes nothing. One that
is slow is asked meanwhile whether it is still there: a long answer is waited for, a hanging replica is not.

The place is taken after the commit, so it lies behind the commit's own record (PostgreSQL 18 documentation, 9.28.3
and 9.28.4).
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import math
from collections.abc import Awaitable, Callable, Iterator
from contextvars import ContextVar
from typing import Any, Final, TypeVar

import asyncpg

from backend.store.database import UNAVAILABLE, Connection, Database, Pool, Record

logger = logging.getLogger(__name__)

T = TypeVar("T")

REPLAY_WAIT_S: Final = 0.5
"""A replica beside its primary is milliseconds behind. One that is further behind is not worth the caller's waiting:
the primary answers at once."""

REPLAY_POLL_S: Final = 0.02

ANSWER_S: Final = 1.0
"""A replica that says nothing for so long, beyond the waiting above, hangs."""

AWAY_S: Final = 5.0
"""One that did not answer is not asked again for so long: else every caller would wait for it anew."""

BROKEN_OFF: Final = (*UNAVAILABLE, asyncpg.SerializationError)
"""What a replica's reads end in when it is away, and when what it replays needs what they look at (SQLSTATE 40001,
PostgreSQL 18 documentation, 26.4.2)."""

ANYTHING: Final = "0/0"
"""A place of the log that every replica has reached."""

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
        self._abandoned: set[asyncio.Future[Any]] = set()
        self._away_until = -math.inf

    async def written(self) -> str:
        """Where the primary's log ends now: whatever was committed before lies before it."""
        return str(await self._primary.pool.fetchval("SELECT pg_current_wal_lsn()::text"))

    async def answer(self, lsn: str | None, read: Callable[[], Awaitable[T]]) -> T:
        """What `read` answers, of a store that holds what was written up to `lsn`; None: whatever the replica holds."""
        if not self._is_away() and (lsn is None or await self._holds(lsn)):
            try:
                return await self._watched(read)
            except BROKEN_OFF as error:
                self._leave_alone(error)
        with _from_primary():
            return await read()

    def _is_away(self) -> bool:
        return asyncio.get_running_loop().time() < self._away_until

    def _leave_alone(self, why: object) -> None:
        if not self._is_away():
            logger.warning("the replica does not answer, the primary does: %s", why)
        self._away_until = asyncio.get_running_loop().time() + AWAY_S

    async def _watched(self, read: Callable[[], Awaitable[T]]) -> T:
        """What `read` answers of the replica. Raises TimeoutError once the replica says nothing else either."""
        reading = asyncio.ensure_future(read())
        try:
            while not (await asyncio.wait({reading}, timeout=ANSWER_S))[0]:
                if not await self._holds(ANYTHING):
                    raise TimeoutError("neither the read nor another question was answered")
            return reading.result()
        finally:
            self._abandon(reading)

    async def _holds(self, lsn: str) -> bool:
        """Whether the replica has what was written up to `lsn`, after REPLAY_WAIT_S at most."""
        looking = asyncio.create_task(self._replays(lsn))
        try:
            await asyncio.wait({looking}, timeout=ANSWER_S)
            error = looking.exception() if looking.done() else TimeoutError(f"nothing within {ANSWER_S:g} s")
            if error is not None:
                self._leave_alone(error)
                return False
            return looking.result()
        finally:
            self._abandon(looking)

    async def _replays(self, lsn: str) -> bool:
        loop = asyncio.get_running_loop()
        until = loop.time() + REPLAY_WAIT_S
        while not await self._replica.pool.fetchval(_REPLAYED, lsn):
            if loop.time() >= until:
                return False
            await asyncio.sleep(REPLAY_POLL_S)
        return True

    def _abandon(self, task: asyncio.Future[Any]) -> None:
        """Wait no more for what is asked of the replica: asyncpg hears of a cancellation only once the server has, so
        what hangs ends by itself."""
        task.cancel()
        self._abandoned.add(task)
        task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Future[Any]) -> None:
        self._abandoned.discard(task)
        if not task.cancelled():
            task.exception()  # else asyncio tells the log that nobody looked at it


@contextlib.contextmanager
def _from_primary() -> Iterator[None]:
    """What is read in this context is read from the primary."""
    token = _FROM_PRIMARY.set(True)
    try:
        yield
    finally:
        _FROM_PRIMARY.reset(token)
