"""Take back what was wrong, with a reason: nothing is deleted, other postings say the opposite.

    what is named                       what happens
    a movement or scan of a thing       it is left out of the thing's history, which is folded anew, and out of those
                                        of all that stood on it; the ledger gets the difference, instant by instant
    a scan of units, or its posting     each posting gets one that gives back what it took, at the same instant
    any other posting of units          likewise, that one

Reversing twice changes nothing, whichever way: what a scan posted is taken back with the scan. What left under a
shipment or transfer is not taken back so: it comes back by a return. What was picked for an order is to be picked
again; what was received under a document has not come of it.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Final, NamedTuple

from backend.api.problems import ProblemError
from backend.catalog.service import read_places
from backend.documents.service import SQL as DOCUMENTS
from backend.documents.surplus import tell_surplus
from backend.ingest.batch import note_owed
from backend.ingest.items import SQL, lock
from backend.ingest.pallet_names import SQL as PALLETS
from backend.ingest.pallet_names import with_contents
from backend.ingest.pallets import Telling, take_back_come
from backend.ledger.model import Cause, Slot, Transfer
from backend.orders.reserving import SQL as ORDERS
from backend.orders.swapping import unpick
from backend.stock.promises import post
from backend.store.database import Connection, Database, Record
from wire.clock import Clock

Event = tuple[str, str, int]
"""Gateway, epoch and number of an event."""

REVERSAL: Final = "reversal: "


class Undone(NamedTuple):
    """What was taken back: the postings that this made, and of a thing its history, with those of what goes with it."""

    transfers: list[Transfer]
    telling: Telling | None


async def reverse_scan(
    database: Database, clock: Clock, device: str, scan_id: str, reason: str, actor: str, role: str
) -> int:
    """Take a scan back; answers how many postings that made.

    Raises ProblemError: `not-found`, or `refused` for one that changed nothing or let goods leave under a document.
    """
    async with database.transaction() as connection:
        scan = await connection.fetchrow(SQL["scan_to_reverse"], device, scan_id)
        if scan is None:
            raise ProblemError("not-found", f"device {device!r} never sent a scan {scan_id!r}")
        if scan["state"] != "applied":
            raise ProblemError("refused", f"scan {scan_id!r} was refused: it changed nothing")
        return await _reverse_scan(connection, clock, scan, Cause(REVERSAL + reason, actor, role))


async def _reverse_scan(connection: Connection, clock: Clock, scan: Record, cause: Cause) -> int:
    """Take an applied scan back; answers how many postings that made."""
    document = scan["document"] if scan["intent"] == "ship" else None
    if document is not None and await connection.fetch(DOCUMENTS["named_documents"], [document]):
        raise _left_under(document)
    event = (scan["gateway"], scan["epoch"], scan["seq"])
    made = await _reverse(connection, clock, event, None, scan["item_id"], cause, scan["document"])
    if made is None:
        return 0
    if scan["document"] is not None:
        units = [(one.given.sku_id, one.given.lot_id, one.quantity) for one in made.transfers if one.item_id is None]
        if scan["intent"] == "pick":
            await unpick(connection, scan["document"], units, scan["item_id"])
        elif scan["intent"] in ("receive", "damage"):
            await _uncount(connection, scan, units, made.telling, clock.now())
    return len(made.transfers)


async def _uncount(
    connection: Connection,
    scan: Record,
    units: Sequence[tuple[int, int, int]],
    telling: Telling | None,
    now: datetime,
) -> None:
    """What a scan received, or found damaged, under a document it names counts there no more: SKU, lot and units each,
    or a thing and what stood on it."""
    for document in await connection.fetch(DOCUMENTS["named_documents"], [scan["document"]]):
        number = document["document_id"]
        came = scan["intent"] == "receive"
        if units:
            skus, lots, counts = (list(column) for column in zip(*units, strict=True))
            less, none = [-count for count in counts], [0] * len(counts)
            columns = (none, less, none) if came else (none, none, less)
            await connection.execute(DOCUMENTS["count_units"], [number] * len(counts), skus, lots, *columns)
        if came and telling is not None:
            await take_back_come(connection, number, scan["observed_at"], telling)
        await tell_surplus(connection, [number], now)


async def reverse_posting(database: Database, clock: Clock, posting_id: int, reason: str, actor: str, role: str) -> int:
    """Take a posting back, with everything else that the event behind it changed; answers how many postings that made.

    Raises ProblemError: `not-found`, or `refused` for a posting that is a reversal itself or follows from a document,
    and as reverse_scan does.
    """
    async with database.transaction() as connection:
        posting = await connection.fetchrow(SQL["posting_to_reverse"], posting_id)
        if posting is None:
            raise ProblemError("not-found", f"no posting {posting_id}")
        if posting["reverses_id"] is not None:
            raise ProblemError("refused", f"posting {posting_id} takes another one back itself")
        cause = Cause(REVERSAL + reason, actor, role)
        event = (posting["gateway"], posting["epoch"], posting["seq"])
        scan = None if posting["seq"] is None else await connection.fetchrow(SQL["scan_of_event"], *event)
        if scan is not None:
            return await _reverse_scan(connection, clock, scan, cause)
        if posting["item_id"] is None:
            made = await _reverse(connection, clock, None, posting_id, None, cause)
            return 0 if made is None else len(made.transfers)
        if posting["seq"] is None:
            raise ProblemError("refused", "it follows from a document's word on a thing: say another word on it")
        return await _reverse_movement(connection, clock, event, posting["item_id"], cause)


async def _reverse_movement(connection: Connection, clock: Clock, event: Event, item_id: int, cause: Cause) -> int:
    """Take a movement of a thing, or of what carried it, back; answers how many postings that made."""
    thing = await connection.fetchval(PALLETS["thing_of_event"], item_id, *event)
    crossed = await connection.fetchrow(SQL["crossed_under"], thing, *event)
    if crossed is not None and crossed["direction"] == "out":
        raise _left_under(crossed["code"])
    made = await _reverse(connection, clock, event, None, item_id, cause, crossed["code"] if crossed else None)
    if made is None:
        return 0
    if crossed is not None and made.telling is not None:
        await take_back_come(connection, crossed["document_id"], crossed["observed_at"], made.telling)
        await tell_surplus(connection, [crossed["document_id"]], clock.now())
    return len(made.transfers)


def _left_under(document: str) -> ProblemError:
    return ProblemError("refused", f"it left under {document!r}: take it back by a return, or in at its door")


async def _reverse(
    connection: Connection,
    clock: Clock,
    event: Event | None,
    posting_id: int | None,
    item_id: int | None,
    cause: Cause,
    name: str | None = None,
) -> Undone | None:
    """Take it back; None where it was done before. `name`: of the document or order that it was for, locked after the
    thing and before all else."""
    now = clock.now()
    places = await read_places(connection)
    named = event or (None, None, None)
    telling = None
    if item_id is not None and event is not None:
        item_id = await connection.fetchval(PALLETS["thing_of_event"], item_id, *event) or item_id
        locked = await lock(connection, places, await with_contents(connection, [item_id]))
        telling = await Telling.begin(connection, places, locked.values(), locked.keys())
    if name is not None:
        await connection.fetch(DOCUMENTS["lock_document"], name)
        await connection.fetch(ORDERS["lock_order"], name)
    reversal = cause.reason.removeprefix(REVERSAL)
    if await connection.fetchval(SQL["add_reversal"], now, *named, posting_id, reversal, cause.actor) is None:
        return None
    transfers: list[Transfer] = []
    if telling is not None and item_id is not None and event is not None:
        if not telling.withdraw(item_id, event):
            raise ProblemError("refused", "that event changed nothing that could be taken back")
        transfers += (
            Transfer(change.at, change.taken, change.given, change.quantity, item.item_id, cause)
            for item, change in (await telling.settle(now)).changes
        )
    transfers += await _opposites(connection, named, posting_id, cause)
    if not transfers and item_id is None:
        raise ProblemError("refused", "nothing stands of it that could be taken back")
    balances = await post(connection, places, transfers, now)
    await note_owed(connection, places, balances, now)
    await connection.execute(SQL["tell"], now, "", None)
    return Undone(transfers, telling)


async def _opposites(
    connection: Connection,
    event: tuple[str | None, str | None, int | None],
    posting_id: int | None,
    cause: Cause,
) -> list[Transfer]:
    """For each posting of units, the one that takes it back."""
    return [
        Transfer(
            row["observed_at"],
            Slot(row["to_zone_id"], row["sku_id"], row["to_lot_id"], row["to_condition"]),
            Slot(row["from_zone_id"], row["sku_id"], row["from_lot_id"], row["from_condition"]),
            row["quantity"],
            None,
            cause._replace(document=row["document"]),
            row["posting_id"],
        )
        for row in await connection.fetch(SQL["postings_of_units"], *event, posting_id)
    ]
