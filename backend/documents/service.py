"""Make documents, open doors for them, move them through their lives, and count what crosses under them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence
from datetime import datetime
from typing import Final, NamedTuple

from backend.alerts.service import Alert, AlertName, clear_alerts, raise_alerts
from backend.alerts.wording import Detail
from backend.api.problems import ProblemError
from backend.catalog.service import day_at, read_places
from backend.documents.model import AT_DOOR, Back, Event, Kept, Left, Promise, after, serve, unserve
from backend.effects.crossing import CROSSINGS, DoorBook, Meaning, Opening
from backend.orders.service import ship as ship_order
from backend.stock.model import Fulfilment
from backend.stock.promises import Wanted, hold, release, settle_short
from backend.store.database import Connection, Database, Queries, Record
from wire.clock import Clock

SQL: Final = Queries.beside(__file__)

LOOK_EVERY_S: Final = 30.0
"""Real seconds between two looks for late transfers: they are hours late or days."""


async def change_document(database: Database, clock: Clock, code: str, event: Event) -> None:
    """Let an event happen to a document. Raises ProblemError: `not-found`; `wrong-state` when it may not happen now;
    `not-available` when a transfer's goods are not there."""
    async with database.transaction() as connection:
        document = await lock_document(connection, code)
        now = clock.now()
        status = after(document["kind"], document["status"], event)
        if status is None:
            raise ProblemError("wrong-state", f"{document['kind']} {code!r} is {document['status']}: it cannot {event}")
        if event == "cancel" and await connection.fetchval(SQL["moved_anything"], document["document_id"]):
            raise ProblemError("wrong-state", f"goods of {code!r} have moved already: close it instead")
        if event == "allocate":
            await _allocate(connection, document, now)
        if status in ("in_transit", "cancelled", "closed"):
            held = await connection.fetch(SQL["transfer_allocations"], document["document_id"])
            await release(connection, [(row["allocation_id"], row["held"]) for row in held if row["held"]], now)
            await settle_short(connection, [row["allocation_id"] for row in held], now)
        if status in ("cancelled", "closed"):
            await _end(connection, document, now)
        await connection.execute(SQL["set_document_status"], document["document_id"], status, now)
        if status == "closed" and document["order_id"] is not None:
            await ship_order(connection, clock, document["order_id"])


async def lock_document(connection: Connection, code: str) -> Record:
    """A document, locked: whoever changes it holds this. Raises ProblemError `not-found`."""
    document = await connection.fetchrow(SQL["lock_document"], code)
    if document is None:
        raise ProblemError("not-found", f"no document {code!r}")
    return document


async def _allocate(connection: Connection, document: Record, now: datetime) -> None:
    """Promise a transfer's goods to it at its source, what expires first first and nothing that has expired; all of
    them, or none."""
    lines = await connection.fetch(SQL["lines_to_allocate"], document["document_id"])
    today = await day_at(connection, document["site_id"], now)
    for line in lines:
        if line["expires_on"] is not None and line["expires_on"] < today:
            raise ProblemError(
                "not-available",
                f"line {line['line_no']}, {line['sku']}: lot {line['lot']!r} expired on {line['expires_on']}: "
                "send another lot, or inspect this one and scrap it",
            )
    skus = sorted({line["sku_id"] for line in lines})
    rows = await connection.fetch(SQL["lock_source"], document["site_id"], skus, today)
    free = {row["availability_id"]: row["free"] for row in rows}
    shelves = sorted(rows, key=lambda row: (row["expires_on"] is None, row["expires_on"] or today))
    wanted: list[Wanted] = []
    errors = []
    for line in sorted(lines, key=lambda line: (line["lot_id"] is None, line["line_no"])):
        open_units = line["expected"]
        for row in shelves:
            if row["sku_id"] != line["sku_id"] or line["lot_id"] not in (None, row["lot_id"]):
                continue
            units = min(open_units, free[row["availability_id"]])
            if units:
                wanted.append((row["availability_id"], units, "transfer", line["line_id"]))
                free[row["availability_id"]] -= units
                open_units -= units
        if open_units:
            errors.append(
                {"line": line["line_no"], "sku": line["sku"], "asked": line["expected"], "lacking": open_units}
            )
    if errors:
        first = errors[0]
        detail = f"line {first['line']}, {first['sku']}: {first['lacking']} units are lacking at the source"
        raise ProblemError("not-available", detail, errors=errors)
    await hold(connection, wanted, now)


async def _end(connection: Connection, document: Record, now: datetime) -> None:
    """A document that ends stands open nowhere; what a transfer lost on its way is told."""
    await connection.execute(SQL["close_doors_of"], document["document_id"], now)
    if document["kind"] != "transfer":
        return
    await clear_alerts(connection, [("transfer_late", document["code"])], now)
    things = await connection.fetch(SQL["missing_things"], document["document_id"])
    units = await connection.fetch(SQL["missing_units"], document["document_id"])
    missing = len(things) + sum(row["missing"] for row in units)
    if missing:
        alert = Alert(
            "transfer_missing",
            document["code"],
            document["to_site_id"],
            Detail(document=document["code"], missing=missing),
        )
        await raise_alerts(connection, [alert], now)


async def open_door(database: Database, clock: Clock, site: str, portal: str, code: str, actor: str) -> None:
    """Let a document stand open at a door from now on; the one before it is closed.

    Raises ProblemError: `not-found`, or `refused` when the document does not belong at this door now.
    """
    async with database.transaction() as connection:
        document = await lock_document(connection, code)
        places = await read_places(connection)
        at = places.by_code.get(site)
        if at is None or portal not in at.portals:
            raise ProblemError("not-found", f"no portal {portal!r} at site {site!r}")
        if document["status"] not in AT_DOOR[document["kind"]]:
            raise ProblemError("refused", f"{document['kind']} {code!r} is {document['status']}: it opens no door")
        here = (
            {document["site_id"], document["to_site_id"]}
            if document["status"] == "in_transit"
            else {document["site_id"]}
        )
        if at.site_id not in here:
            raise ProblemError("refused", f"{document['kind']} {code!r} does not cross a door of site {site!r}")
        now = clock.now()
        row = await connection.fetchrow(SQL["open_door"], site, portal, document["document_id"], now)
        assert row is not None
        await connection.execute(SQL["add_opening"], row["portal_id"], document["document_id"], now, actor)


async def close_door(database: Database, clock: Clock, site: str, portal: str) -> str:
    """Let nothing stand open at a door any more; answers the document that did. Raises ProblemError for none."""
    async with database.transaction() as connection:
        code = await connection.fetchval(SQL["close_door"], site, portal, clock.now())
    if code is None:
        raise ProblemError("not-found", f"nothing stands open at portal {portal!r} of site {site!r}")
    return str(code)


async def read_doors(
    connection: Connection, site_id: int, portal_ids: Collection[int], first: datetime, last: datetime
) -> DoorBook:
    """What stood open at a site's doors from `first` to `last`, and what crossings mean there."""
    openings = [Opening(**row) for row in await connection.fetch(SQL["openings"], sorted(portal_ids), first, last)]
    own = {
        (row["direction"], row["kind"]): Meaning(row["place"], row["condition"])
        for row in await connection.fetch(SQL["own_rules"], site_id)
    }
    return DoorBook(openings, own)


async def read_rules(connection: Connection, site_id: int) -> dict[tuple[str, str], Meaning]:
    """What crossings mean at a site, by direction and kind of the open document."""
    own = await connection.fetch(SQL["own_rules"], site_id)
    return {**CROSSINGS, **{(row["direction"], row["kind"]): Meaning(row["place"], row["condition"]) for row in own}}


async def put_rule(database: Database, site: str, direction: str, kind: str, place: str, condition: str | None) -> None:
    """What a crossing means at a site, in place of what it means elsewhere. Raises ProblemError for an unknown site."""
    async with database.transaction() as connection:
        if await connection.fetchval(SQL["put_crossing_rule"], site, direction, kind, place, condition) is None:
            raise ProblemError("not-found", f"no site {site!r}")


class Crossed(NamedTuple):
    """A thing that crossed a door. `document_id` None: nothing explained it."""

    seq: int
    item_id: int
    portal_id: int
    direction: str
    observed_at: datetime
    document_id: int | None
    unassigned: bool


async def note_crossings(connection: Connection, gateway: str, epoch: str, crossed: Sequence[Crossed]) -> None:
    """Count things that crossed with their documents; those that left without one wait as departures."""
    gone = [one for one in crossed if one.direction == "out" and one.document_id is not None]
    come = [one for one in crossed if one.direction == "in" and one.document_id is not None]
    for name, ones in (("note_gone", gone), ("note_come", come)):
        if ones:
            columns = zip(*((one.document_id, one.item_id, one.observed_at) for one in ones), strict=True)
            await connection.execute(SQL[name], *(list(column) for column in columns))
    if gone:
        first = min(one.observed_at for one in gone)
        await connection.execute(SQL["first_left"], sorted({one.document_id for one in gone}), first)
    lone = [one for one in crossed if one.unassigned]
    if lone:
        await connection.execute(
            SQL["add_departures"],
            gateway,
            epoch,
            [one.seq for one in lone],
            [one.item_id for one in lone],
            [one.portal_id for one in lone],
            [one.observed_at for one in lone],
        )


async def tell_departures(connection: Connection, portal_ids: Collection[int], now: datetime) -> None:
    """Raise an alert for each door with departures that wait, clear those of doors without any."""
    rows = await connection.fetch(SQL["open_departures"], sorted(portal_ids))
    waiting = {row["portal_id"] for row in rows}
    cleared: list[AlertName] = [("unexpected_departure", str(one)) for one in sorted(set(portal_ids) - waiting)]
    await clear_alerts(connection, cleared, now)
    raised = [
        Alert(
            "unexpected_departure",
            str(row["portal_id"]),
            row["site_id"],
            Detail(portal=row["portal"], things=row["things"]),
        )
        for row in rows
    ]
    await raise_alerts(connection, raised, now)


async def note_arrived(connection: Connection, site_id: int, seen: Iterable[tuple[int, datetime]]) -> set[int]:
    """Things seen at a site that a transfer sent there have come, also when no document stood at the door. Answers the
    transfers that they have come of."""
    rows = sorted(seen)
    if not rows:
        return set()
    came = await connection.fetch(
        SQL["note_arrived"], [item_id for item_id, _ in rows], [at for _, at in rows], site_id
    )
    return {row["document_id"] for row in came}


async def fulfilments(connection: Connection, left: Sequence[Left]) -> list[Fulfilment]:
    """The promises that units leaving under documents keep."""
    if not left:
        return []
    total: defaultdict[tuple[int, int, int, int], int] = defaultdict(int)
    for one in left:
        total[one[:4]] += one.quantity
    rows = await connection.fetch(SQL["promises_of"], sorted({one.document_id for one in left}))
    return serve((Left(*key, quantity) for key, quantity in total.items()), [Promise(**row) for row in rows])


async def turn_back(
    connection: Connection, back: Sequence[Back], served: Iterable[Fulfilment] = ()
) -> list[Fulfilment]:
    """Things that came back in have not left under their documents; the promises that wait for them again."""
    if not back:
        return []
    columns = zip(*((one.document_id, one.item_id, one.at) for one in back), strict=True)
    rows = await connection.fetch(SQL["turn_back"], *(list(column) for column in columns))
    turned = {(row["document_id"], row["item_id"]) for row in rows}
    left = {(one.document_id, one.item_id): one.left for one in back}
    if not turned:
        return []
    kept = await connection.fetch(SQL["kept_promises"], sorted({document_id for document_id, _ in turned}))
    units = (one for key in sorted(turned) if (one := left[key]) is not None)
    return unserve(units, [Kept(**row) for row in kept], served)


async def raise_late(database: Database, clock: Clock) -> int:
    """Raise an alert for each transfer that should have come by now; answers how many are late."""
    now = clock.now()
    async with database.transaction() as connection:
        rows = await connection.fetch(SQL["late_transfers"], now)
        alerts = [
            Alert(
                "transfer_late",
                row["code"],
                row["site_id"],
                Detail(document=row["code"], promised_at=row["promised_at"]),
            )
            for row in rows
        ]
        await raise_alerts(connection, alerts, now)
    return len(rows)
