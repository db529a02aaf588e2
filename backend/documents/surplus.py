"""More came than a document expects: an alert until somebody accepts it, or what came is taken back.

A document that expects nothing at all, as a return that nobody announced, has no surplus.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Final, NamedTuple

from backend.alerts.service import Alert, AlertName, clear_alerts, raise_alerts
from backend.alerts.wording import Detail
from backend.documents.service import SQL, lock_document
from backend.store.database import Connection, Record
from wire.clock import Clock

LINES_TOLD: Final = 100
"""Lines that the alert tells of: standing alerts are read every second, and a document may have thousands. All of them
stand in the document."""


class Over(NamedTuple):
    """A line of a document, and units that came on it beyond what was expected and accepted."""

    line: Record
    units: int


async def tell_surplus(connection: Connection, document_ids: Collection[int], now: datetime) -> None:
    """Raise an alert for each of these documents of which more has come than expected, clear those of the others. It is
    the last that a transaction does, and done once: of two that bring goods of one document the later waits here for
    the earlier, then sees what both brought."""
    if not document_ids:
        return
    ids = sorted(document_ids)
    await connection.fetch(SQL["hold_surplus"], ids)
    over: defaultdict[int, list[Over]] = defaultdict(list)
    for one in await _surplus(connection, ids):
        over[one.line["document_id"]].append(one)
    heads = await connection.fetch(SQL["arrival_sites"], ids)
    cleared: list[AlertName] = [("over_receipt", row["code"]) for row in heads if row["document_id"] not in over]
    raised = [
        Alert("over_receipt", row["code"], row["site_id"], _detail(row["code"], lines))
        for row in heads
        if (lines := over[row["document_id"]])
    ]
    await clear_alerts(connection, cleared, now)
    await raise_alerts(connection, raised, now)


async def hold_surplus(connection: Connection, code: str) -> int:
    """Lock a document, and let nothing more come of it until the transaction ends; answers its number. Raises
    ProblemError `not-found`."""
    document_id = int((await lock_document(connection, code))["document_id"])
    await connection.fetch(SQL["hold_surplus"], [document_id])
    return document_id


async def accept_surplus(
    connection: Connection, clock: Clock, code: str, document_id: int, reason: str, actor: str
) -> int:
    """Accept what came of a document that is held beyond what it expects, and end the alert; answers how many units.
    Done again it finds nothing more."""
    now = clock.now()
    over = await _surplus(connection, [document_id])
    columns = ([one.line["sku_id"] for one in over], [one.line["lot_id"] for one in over], [one.units for one in over])
    await connection.execute(SQL["accept_surplus"], document_id, *columns, reason, actor, now)
    await clear_alerts(connection, [("over_receipt", code)], now)
    return sum(columns[2])


async def _surplus(connection: Connection, document_ids: list[int]) -> list[Over]:
    """What more came than was expected and accepted, of documents that expect anything. What came of a lot beyond its
    own line is of the line of any lot, as far as that waits for more."""
    rows = await connection.fetch(SQL["document_lines"], document_ids)
    expecting = {row["document_id"] for row in rows if row["expected"]}
    open_units = {(row["document_id"], row["sku_id"]): -_beyond(row) for row in rows if row["lot_id"] is None}
    over: list[Over] = []
    for row in rows:
        units, goods = _beyond(row), (row["document_id"], row["sku_id"])
        if row["lot_id"] is not None and units > 0:
            taken = min(units, max(0, open_units.get(goods, 0)))
            open_units[goods] = open_units.get(goods, 0) - taken
            units -= taken
        if units > 0 and row["document_id"] in expecting:
            over.append(Over(row, units))
    return over


def _beyond(line: Record) -> int:
    """Units of a line that came beyond what was expected and accepted; below 0, so many still to come."""
    return int(line["come"] - line["expected"] - line["accepted"])


def _detail(code: str, over: Sequence[Over]) -> Detail:
    skus = sorted({str(one.line["sku"]) for one in over})
    units = sum(one.units for one in over)
    return Detail(document=code, skus=skus, units=units, lines=[_told(one.line) for one in over[:LINES_TOLD]])


def _told(line: Record) -> dict[str, object]:
    named = {name: line[name] for name in ("sku", "lot", "expected", "accepted")}
    return {"line": line["line_no"], **named, "received": line["come"]}
