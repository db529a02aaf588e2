"""More came than a document expects: an alert until somebody accepts it, or what came is taken back.

A document that expects nothing at all, as a return that nobody announced, has no surplus.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Sequence
from datetime import datetime

from backend.alerts.service import Alert, AlertName, clear_alerts, raise_alerts
from backend.alerts.wording import Detail
from backend.documents.service import SQL, lock_document
from backend.store.database import Connection, Database, Record
from wire.clock import Clock


async def tell_surplus(connection: Connection, document_ids: Collection[int], now: datetime) -> None:
    """Raise an alert for each of these documents of which more has come than expected, clear those of the others. The
    caller has locked them, or sees that nothing came of them in this transaction that others could not see."""
    if not document_ids:
        return
    ids = sorted(document_ids)
    over: defaultdict[int, list[Record]] = defaultdict(list)
    for row in await _surplus(connection, ids):
        over[row["document_id"]].append(row)
    heads = await connection.fetch(SQL["arrival_sites"], ids)
    cleared: list[AlertName] = [("over_receipt", row["code"]) for row in heads if row["document_id"] not in over]
    raised = [
        Alert("over_receipt", row["code"], row["site_id"], _detail(row["code"], lines))
        for row in heads
        if (lines := over[row["document_id"]])
    ]
    await clear_alerts(connection, cleared, now)
    await raise_alerts(connection, raised, now)


async def accept_surplus(database: Database, clock: Clock, code: str, reason: str, actor: str) -> int:
    """Accept what came of a document beyond what it expects, and end the alert; answers how many units. Done again it
    finds nothing more. Raises ProblemError `not-found`."""
    async with database.transaction() as connection:
        document = await lock_document(connection, code)
        now = clock.now()
        rows = await _surplus(connection, [document["document_id"]])
        columns = (
            [row["sku_id"] for row in rows],
            [row["lot_id"] for row in rows],
            [_units(row) for row in rows],
        )
        await connection.execute(SQL["accept_surplus"], document["document_id"], *columns, reason, actor, now)
        await clear_alerts(connection, [("over_receipt", code)], now)
    return sum(columns[2])


async def _surplus(connection: Connection, document_ids: list[int]) -> list[Record]:
    """The lines on which more came than was expected and accepted, of documents that expect anything."""
    rows = await connection.fetch(SQL["document_lines"], document_ids)
    expecting = {row["document_id"] for row in rows if row["expected"]}
    return [row for row in rows if row["document_id"] in expecting and row["come"] > row["expected"] + row["accepted"]]


def _units(row: Record) -> int:
    """Those of a line that came beyond what was expected and accepted."""
    return int(row["come"] - row["expected"] - row["accepted"])


def _detail(code: str, lines: Sequence[Record]) -> Detail:
    skus = sorted({str(row["sku"]) for row in lines})
    return Detail(document=code, skus=skus, units=sum(map(_units, lines)), lines=[_told(row) for row in lines])


def _told(row: Record) -> dict[str, object]:
    named = {name: row[name] for name in ("sku", "lot", "expected", "accepted")}
    return {"line": row["line_no"], **named, "received": row["come"]}
