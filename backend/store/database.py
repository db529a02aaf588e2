"""The pool of connections, SQL by name, and the store's identity.

Locks are taken in one order by everybody, so that no two transactions wait for each other:

    a count · a gateway's cursor · scans by (device, scan_id) · new items by EPC · items by item_id · new lots by
    (SKU, code) · documents · orders by order_id · balances by (zone, SKU, lot, condition), those that exist before
    those that are made · availabilities by (site, SKU, lot, condition), which also guard their allocations · new orders
    by code · alerts by (kind, key) · what came of documents, an advisory lock by their number (hold_surplus), and under
    it their alerts of a surplus

A transaction may leave steps out, never turn back. Rows of `document_item` and `departure` are guarded by the lock of
their item, lines of an order by that of the order. The catalog stands apart: the store's revision, then sites, zones,
portals and lanes; SKUs by code, then their GTINs; a channel, then the store's revision; a lot whose status somebody
changes, before alerts alone. Keys of idempotency and definitions are advisory locks, taken before all others.

Two places turn back, because what they lock is known no sooner. A lot that is new is made by a file before its things
are locked, by a scan after the orders that it names: they meet only where both make the same lot at the same moment.
Alerts are locked by (kind, key) within one statement, and a transaction may raise several kinds one after the other.
Where two waited for each other all the same, PostgreSQL parts them after a second: ingest and the granter begin again
by themselves (backend/ingest/service.py, backend/orders/granter.py), a caller of the API comes again (UNAVAILABLE).
"""

from __future__ import annotations

import asyncio
import contextlib
import re
from collections.abc import AsyncIterable, AsyncIterator, Mapping
from pathlib import Path
from typing import Any, Final, Protocol
from uuid import uuid4

import asyncpg
from pydantic_core import from_json, to_json

from backend.errors import SchemaError, StoreError, StoreUnavailableError
from wire.clock import Clock

Record = Mapping[str, Any]
"""One row, by column name."""


class Executor(Protocol):
    """What runs a statement: one connection, or the pool with any of its own."""

    async def execute(self, query: str, *args: Any) -> str:
        """Run it; the answer is the command's tag."""

    async def fetch(self, query: str, *args: Any, timeout: float | None = None) -> list[Record]:  # noqa: ASYNC109
        """Every row; `timeout` in seconds instead of COMMAND_TIMEOUT_S."""

    async def fetchrow(self, query: str, *args: Any) -> Record | None:
        """The first row, if any."""

    async def fetchval(self, query: str, *args: Any) -> Any:
        """The first column of the first row, or None."""


class Connection(Executor, Protocol):
    """One connection as the services take it: from the pool, or one of their own."""

    def transaction(self, **options: Any) -> contextlib.AbstractAsyncContextManager[Any]:
        """A transaction, or inside one a savepoint."""

    def cursor(self, query: str, *args: Any) -> AsyncIterable[Record]:
        """Rows one after the other, inside a transaction."""

    async def set_type_codec(self, typename: str, **options: Any) -> None:
        """How a type travels."""


class Pool(Executor, Protocol):
    """Connections shared by everybody in this process."""

    def acquire(self) -> contextlib.AbstractAsyncContextManager[Connection]:
        """One connection for oneself."""

    async def close(self) -> None:
        """Wait for the connections in use, then close them all."""

    def terminate(self) -> None:
        """Cut them all."""


MIN_CONNECTIONS: Final = 1
MAX_CONNECTIONS: Final = 16
"""PostgreSQL grants 100 by default; several backend processes and a person with psql must fit beside each other."""

COMMAND_TIMEOUT_S: Final = 60.0
"""Longer than the slowest batch on a busy machine; a statement beyond it is stuck, and its batch comes again."""

CLOSE_TIMEOUT_S: Final = 5.0
"""Connections still busy after it are cut: what they did is rolled back, and their batches come again."""

UNAVAILABLE: Final = (
    OSError,
    TimeoutError,
    asyncpg.PostgresConnectionError,
    asyncpg.OperatorInterventionError,
    asyncpg.InsufficientResourcesError,
    asyncpg.ReadOnlySQLTransactionError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,
    asyncpg.DeadlockDetectedError,
)
"""What asyncpg raises when the database is away, going down, coming up, full, or a standby not yet promoted, or when it
parted two who waited for each other: the same call may succeed later. A connection that is cut while its next statement
begins sometimes ends in InternalClientError (MagicStack/asyncpg#1069): seen when PostgreSQL was killed."""

REFUSED: Final = (asyncpg.InvalidAuthorizationSpecificationError, asyncpg.InvalidCatalogNameError)
"""It answers, and lets this user or this database's name not in: until somebody changes the one or the other."""

BAD_ADDRESS: Final = (ValueError, OverflowError)
"""What an address that nobody could connect to brings about before anything is tried."""

_NAME: Final = re.compile(r"^--\s*name:\s*(\w+)\s*$", re.MULTILINE)
_JSONB_VERSION: Final = b"\x01"


class Queries:
    """The SQL of one room, by name, from the `queries.sql` beside its Python."""

    def __init__(self, path: Path) -> None:
        parts = _NAME.split(path.read_text(encoding="utf-8"))
        self._by_name: dict[str, str] = dict(zip(parts[1::2], (text.strip() for text in parts[2::2]), strict=True))

    @classmethod
    def beside(cls, module_file: str) -> Queries:
        """The queries of the folder that a module stands in; call it with `__file__`."""
        return cls(Path(module_file).with_name("queries.sql"))

    def __getitem__(self, name: str) -> str:
        return self._by_name[name]

    @property
    def names(self) -> frozenset[str]:
        """The names of all queries of the file."""
        return frozenset(self._by_name)


class Database:
    """A pool of connections to one store. Open it with `async with Database.open(dsn) as database`."""

    def __init__(self, pool: Pool) -> None:
        self.pool = pool

    @classmethod
    @contextlib.asynccontextmanager
    async def open(cls, dsn: str, *, max_connections: int = MAX_CONNECTIONS) -> AsyncIterator[Database]:
        """Connect, check that the schema is there, and close the pool at the end.

        Raises StoreUnavailableError when nothing answers, SchemaError when the schema is missing, StoreError when
        the database lets nobody in or its address cannot be used.
        """
        try:
            pool = await asyncpg.create_pool(
                dsn,
                min_size=MIN_CONNECTIONS,
                max_size=max_connections,
                command_timeout=COMMAND_TIMEOUT_S,
                init=_prepare,
                reset=_keep,
                # jit costs more to plan than the batch statements take to run
                server_settings={"timezone": "UTC", "application_name": "tallyman", "jit": "off"},
            )
        except UNAVAILABLE as error:
            raise StoreUnavailableError(f"the database does not answer: {error}") from error
        except REFUSED as error:
            raise StoreError(f"the database lets nobody in: {error}") from error
        except BAD_ADDRESS as error:
            raise StoreError(f"the database's address cannot be used: {error}") from error
        try:
            async with pool.acquire() as connection:
                if await connection.fetchval("SELECT to_regclass('store')") is None:
                    raise SchemaError("the database holds no Tallyman schema: run `tallyman migrate` first")
            yield cls(pool)
        finally:
            await _close(pool)

    @contextlib.asynccontextmanager
    async def transaction(self) -> AsyncIterator[Connection]:
        """One connection in one transaction, read committed."""
        async with self.pool.acquire() as connection, connection.transaction():
            yield connection

    @contextlib.asynccontextmanager
    async def snapshot(self) -> AsyncIterator[Connection]:
        """One connection in a read-only transaction that sees a single instant of the whole store."""
        async with (
            self.pool.acquire() as connection,
            connection.transaction(isolation="repeatable_read", readonly=True),
        ):
            yield connection

    async def store_id(self) -> str:
        """The identity that acknowledgements carry."""
        return str(await self.pool.fetchval("SELECT store_id FROM store"))


async def renew_store(database: Database, clock: Clock) -> str:
    """Give the store a new identity and return it: to be done after a restore or a promotion, so that gateways send
    again what this store does not hold."""
    identity = uuid4()
    await database.pool.execute("UPDATE store SET store_id = $1, made_at = $2", identity, clock.now())
    return str(identity)


async def _prepare(connection: Connection) -> None:
    """jsonb travels as Python values, in the binary form."""
    await connection.set_type_codec(
        "jsonb",
        schema="pg_catalog",
        encoder=lambda value: _JSONB_VERSION + to_json(value),
        decoder=lambda data: from_json(data[1:]),
        format="binary",
    )


async def _keep(connection: Connection) -> None:
    """Give a connection back as it is: locks and settings end with their transactions here, a listener ends its own
    listening. asyncpg would else ask the server to forget all of it after each use, as long as a short read takes."""


async def _close(pool: Pool) -> None:
    """Close in order; a connection that does not come back in time is cut."""
    try:
        await asyncio.wait_for(pool.close(), CLOSE_TIMEOUT_S)
    except TimeoutError:
        pool.terminate()
