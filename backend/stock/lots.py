"""Hold, recall and release lots: with a reason, kept for good, and an alert for what is promised of them already.

A lot that is not released is promised to nobody from then on. What was promised before stays promised: a person decides
what becomes of it, so an alert stands for each site while it is.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final, Literal

from backend.alerts.service import Alert, AlertName, clear_alerts, raise_alerts
from backend.alerts.wording import Detail
from backend.api.problems import ProblemError
from backend.store.database import Connection, Database, Queries, Record
from wire.clock import Clock

SQL: Final = Queries(Path(__file__).with_name("lots.sql"))

LOOK_EVERY_S: Final = 30.0
"""Real seconds between two looks at what is still promised: people settle orders over minutes."""

LotStatus = Literal["released", "held", "recalled"]


async def set_status(
    database: Database, clock: Clock, sku: str, lot: str, status: LotStatus, reason: str, actor: str
) -> None:
    """Say of a lot that it is held, recalled or released. Said twice it changes nothing.

    Raises ProblemError (`not-found`) for a lot that nobody named.
    """
    async with database.transaction() as connection:
        row = await lock_lot(connection, sku, lot)
        if row["status"] != status:
            await connection.execute(SQL["set_status"], row["lot_id"], status, reason, actor, clock.now())
            await connection.execute(SQL["tell_lot"], row["lot_id"], clock.now())
            await tell_promised(connection, clock)


async def lock_lot(connection: Connection, sku: str, lot: str) -> Record:
    """A lot, locked: `lot_id, status`. Raises ProblemError (`not-found`)."""
    row = await connection.fetchrow(SQL["lock_lot"], sku, lot)
    if row is None:
        raise ProblemError("not-found", f"SKU {sku!r} has no lot {lot!r}: receive it, or import it with its SKU")
    return row


async def tell_promised(connection: Connection, clock: Clock) -> None:
    """Raise an alert for each site that has promised a lot which is not released; clear those of what is settled."""
    now = clock.now()
    alerts = [
        Alert(
            "lot_promised",
            f"{row['lot_id']}/{row['site_id']}",
            row["site_id"],
            Detail(sku=row["sku"], lot=row["lot"], status=row["status"], units=row["units"]),
        )
        for row in await connection.fetch(SQL["promised"])
    ]
    wanted = {alert.key for alert in alerts}
    standing = [row["key"] for row in await connection.fetch(SQL["standing"])]
    over: list[AlertName] = [("lot_promised", key) for key in standing if key not in wanted]
    await clear_alerts(connection, over, now)
    await raise_alerts(connection, alerts, now)


async def watch_promised(database: Database, clock: Clock) -> None:
    """Keep the alerts true: promises end, and are made good."""
    async with database.transaction() as connection:
        await tell_promised(connection, clock)


async def words(database: Database, sku: str, lot: str, below: int | None, limit: int) -> list[Record]:
    """What was said of a lot, newest first: `lot_word_id, before, status, reason, actor, said_at`."""
    return await database.pool.fetch(SQL["lot_words"], sku, lot, below, limit)
