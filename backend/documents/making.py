"""Make documents, one or many: all of them, or none and what stands in the way of each."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import NamedTuple

from backend.api.rows import RowFault, refused_alone, refused_rows
from backend.catalog.model import Places
from backend.catalog.service import lot_ids, read_places, sku_ids
from backend.documents.model import FIRST, Kind
from backend.documents.service import SQL
from backend.orders.reserving import SQL as ORDERS
from backend.store.database import Connection, Database, Record
from wire.clock import Clock


class DocumentLine(NamedTuple):
    """Units that a document expects, by code; without a lot any will do."""

    sku: str
    quantity: int
    lot: str | None = None


@dataclass(frozen=True, slots=True)
class DocumentSpec:
    """A document to be made. `site`: where its goods cross the first door."""

    code: str
    kind: Kind
    site: str
    lines: tuple[DocumentLine, ...] = ()
    to_site: str | None = None
    order: str | None = None
    party: str = ""
    promised_at: datetime | None = None


class _Known(NamedTuple):
    """What the documents to be made speak of, by code."""

    places: Places
    skus: Mapping[str, int]
    orders: Mapping[str, Record]
    now: datetime


async def make_document(database: Database, clock: Clock, spec: DocumentSpec, actor: str) -> None:
    """Make a document. Raises ProblemError: `refused` for what does not exist or fit, `code-taken`."""
    async with database.transaction() as connection:
        faults = await _make(connection, clock.now(), [spec], actor)
        if faults:
            raise refused_alone(faults)


async def make_documents(database: Database, clock: Clock, specs: Sequence[DocumentSpec], actor: str) -> None:
    """Make documents, all or none. Raises ProblemError `refused-rows` naming each fault."""
    async with database.transaction() as connection:
        faults = await _make(connection, clock.now(), specs, actor)
        if faults:
            raise refused_rows(faults)


async def _make(connection: Connection, now: datetime, specs: Sequence[DocumentSpec], actor: str) -> list[RowFault]:
    """Make documents in the caller's transaction, which is to be rolled back when there are faults."""
    known = await _look(connection, specs, now)
    rows = dict(enumerate(specs, 1))
    faults = [fault for row, spec in rows.items() for fault in _faults(row, spec, known)]
    first: dict[str, int] = {}
    for row, spec in rows.items():
        if first.setdefault(spec.code, row) != row:
            faults.append(RowFault(row, "code", f"row {first[spec.code]} names {spec.code!r} too", "code-taken"))
    if faults:
        return sorted(faults)
    lots = await lot_ids(
        connection,
        {(known.skus[one.sku], one.lot): None for spec in specs for one in spec.lines if one.lot is not None},
    )
    for row, spec in sorted(rows.items(), key=lambda pair: pair[1].code):
        if not await _add(connection, spec, known, lots, actor):
            faults.append(RowFault(row, "code", f"a document {spec.code!r} exists", "code-taken"))
    return sorted(faults)


async def _look(connection: Connection, specs: Sequence[DocumentSpec], now: datetime) -> _Known:
    places = await read_places(connection)
    skus = await sku_ids(connection, (line.sku for spec in specs for line in spec.lines))
    named = sorted({spec.order for spec in specs if spec.order is not None})
    orders = {row["code"]: row for row in await connection.fetch(ORDERS["orders_by_code"], named)} if named else {}
    return _Known(places, skus, orders, now)


def _faults(row: int, spec: DocumentSpec, known: _Known) -> Iterator[RowFault]:
    """What stands in the way of a document, the first first."""
    site, to_site = known.places.by_code.get(spec.site), known.places.by_code.get(spec.to_site or "")
    if site is None:
        yield RowFault(row, "site", f"no site {spec.site!r}")
    if spec.to_site is not None and to_site is None:
        yield RowFault(row, "to_site", f"no site {spec.to_site!r}")
    elif (spec.kind == "transfer") != (to_site is not None):
        yield RowFault(row, "to_site", "a transfer names the site it goes to, and nothing else does")
    elif to_site is not None and site is to_site:
        yield RowFault(row, "to_site", "a transfer goes to another site")
    if spec.promised_at is not None and spec.promised_at < known.now:
        said = f"promised_at: {spec.promised_at.isoformat()} is past: say when it will come, or nothing"
        yield RowFault(row, "promised_at", said)
    wrong = _wrong_order(spec, known)
    if wrong is not None:
        yield RowFault(row, "order", wrong)
    for number, line in enumerate(spec.lines, 1):
        if line.sku not in known.skus:
            yield RowFault(row, f"lines.{number}.sku", f"no SKU {line.sku!r}: import it first")


def _wrong_order(spec: DocumentSpec, known: _Known) -> str | None:
    if spec.order is None:
        return None
    if spec.kind != "shipment":
        return "only a shipment serves an order"
    order = known.orders.get(spec.order)
    if order is None:
        return f"no order {spec.order!r}"
    if order["status"] in ("shipped", "cancelled", "expired", "reserved"):
        return f"order {spec.order!r} is {order['status']}: only a confirmed one is shipped"
    return None


async def _add(
    connection: Connection, spec: DocumentSpec, known: _Known, lots: Mapping[tuple[int, str], int], actor: str
) -> bool:
    """Write a document that nothing stands in the way of; False when its code is taken."""
    site, to_site = known.places.by_code[spec.site], known.places.by_code.get(spec.to_site or "")
    promised_at = spec.promised_at
    if promised_at is None and to_site is not None:
        days = await connection.fetchval(SQL["lane_days"], site.site_id, to_site.site_id)
        promised_at = None if days is None else known.now + timedelta(days=days)
    document_id = await connection.fetchval(
        SQL["add_document"],
        spec.code,
        spec.kind,
        site.site_id,
        to_site and to_site.site_id,
        None if spec.order is None else known.orders[spec.order]["order_id"],
        spec.party,
        FIRST[spec.kind],
        promised_at,
        known.now,
        actor,
    )
    if document_id is None:
        return False
    if spec.lines:
        await connection.execute(
            SQL["add_document_lines"],
            document_id,
            list(range(1, len(spec.lines) + 1)),
            [known.skus[line.sku] for line in spec.lines],
            [None if line.lot is None else lots[known.skus[line.sku], line.lot] for line in spec.lines],
            [line.quantity for line in spec.lines],
        )
    return True
