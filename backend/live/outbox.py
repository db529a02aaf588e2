"""Keep the outbox short: what nobody can still be waiting for is deleted, the oldest first, in small steps."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Final

from backend.store.database import Database, Queries
from wire.clock import Clock

SQL: Final = Queries.beside(__file__)

KEEP: Final = timedelta(hours=24)
"""Pages are fractions of a second behind. A day leaves time to look at what was told, and to other readers to come back
from a night; whoever is further behind loads everything anew (feed.py)."""

ROWS_PER_STEP: Final = 5000
"""Of one transaction: tens of milliseconds, so that nothing else waits for it."""

PAUSE_S: Final = 0.05
"""Between two steps, so that a long backlog does not take the disk from the ingest."""


async def trim(database: Database, clock: Clock) -> int:
    """Delete what is older than KEEP; how many rows that were."""
    oldest = clock.now() - KEEP
    trimmed = 0
    while True:
        async with database.transaction() as connection:
            count: int = await connection.fetchval(SQL["trim_outbox"], oldest, ROWS_PER_STEP)
        trimmed += count
        if count < ROWS_PER_STEP:
            return trimmed
        await asyncio.sleep(PAUSE_S)
