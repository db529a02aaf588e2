"""Lists of labels to print and encode: serial numbers that nobody has, bound to SKU, lot and expiry beforehand.

A thing begins its life in the database with its label; where it stands, the first reader that sees it says. A serial
number is handed out once: a counter for each GTIN is moved under its own lock and never back, and a number that
somebody else's tag bears already is passed over.
"""

from __future__ import annotations

import csv
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from io import StringIO
from pathlib import Path
from typing import Final, NamedTuple

from backend.api.problems import ProblemError
from backend.catalog.model import gtin14
from backend.catalog.service import day_at, goods_of, lot_ids, read_places
from backend.effects.identity import of_sgtin
from backend.errors import CatalogError
from backend.store.database import Connection, Database, Queries, Record
from gs1.epc import encode_sgtin96, parse_epc, pure_uri
from gs1.errors import IdentityError
from gs1.identity import Sgtin
from wire.clock import Clock

SQL: Final = Queries(Path(__file__).with_name("labels.sql"))

MAX_LABELS: Final = 10_000
"""Of one list: more than a day of a label printer; a transaction of a second or so."""

SERIAL_BITS: Final = 38
"""What SGTIN-96 has for the serial number."""


@dataclass(frozen=True, slots=True)
class LabelOrder:
    """So many labels for things of a GTIN. `company_prefix_digits`: of the GTIN's company prefix, 6 to 12, which the
    tag says and the number alone does not. `filter`: of the tag, as GS1 numbers them (1: a point-of-sale item)."""

    site: str
    gtin: str
    count: int
    company_prefix_digits: int
    lot: str = ""
    expires_on: date | None = None
    document: str = ""
    filter: int = 1


class Label(NamedTuple):
    """What one label bears: EPC memory as upper-case hex, the pure identity URI, GTIN and serial number."""

    epc: str
    uri: str
    gtin: str
    serial: str


class LabelRun(NamedTuple):
    """A list of labels, and what they were bound to."""

    number: int
    site: str
    sku: str
    name: str
    lot: str
    expires_on: date | None
    document: str
    actor: str
    made_at: datetime
    labels: list[Label]


async def make_labels(database: Database, clock: Clock, order: LabelOrder, actor: str) -> LabelRun:
    """Hand out serial numbers and bind them. Raises ProblemError (`refused`), saying what to mend."""
    if not 1 <= order.count <= MAX_LABELS:
        raise ProblemError("refused", f"count: {order.count} is not from 1 to {MAX_LABELS}")
    async with database.transaction() as connection:
        site = (await read_places(connection)).by_code.get(order.site)
        if site is None:
            raise ProblemError("refused", f"site: no site {order.site!r}; define it first")
        today = await day_at(connection, site.site_id, clock.now())
        if order.expires_on is not None and order.expires_on < today:
            raise ProblemError("refused", f"expires_on: {order.expires_on} is past: nothing new has expired")
        gtin, sku_id, quantity, lot_id = await _goods(connection, order)
        number = await connection.fetchval(
            SQL["add_run"], site.site_id, gtin, sku_id, lot_id, order.document, actor, clock.now()
        )
        made = 0
        while made < order.count:
            tags = await _next(connection, order, gtin, order.count - made)
            rows = await connection.fetch(
                SQL["add_labelled"],
                list(tags),
                list(tags.values()),
                sku_id,
                lot_id,
                quantity,
                site.virtual("unknown").zone_id,
                order.document or None,
                number,
            )
            made += len(rows)
        return await _read(connection, number)


async def read_labels(database: Database, number: int) -> LabelRun:
    """A list of labels that was made before, to print it again. Raises ProblemError (`not-found`)."""
    async with database.snapshot() as connection:
        return await _read(connection, number)


def labels_csv(run: LabelRun) -> str:
    """A list as a printer's program takes it: one line for each label."""
    out = StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(("epc", "uri", "gtin", "serial", "sku", "name", "lot", "expires_on"))
    for label in run.labels:
        writer.writerow((*label, run.sku, run.name, run.lot, run.expires_on or ""))
    return out.getvalue()


async def _goods(connection: Connection, order: LabelOrder) -> tuple[str, int, int, int]:
    """GTIN of 14 digits, SKU, units and lot of the things to be labelled."""
    try:
        gtin = gtin14(order.gtin)
        goods = (await goods_of(connection, [gtin])).get(gtin)
        if goods is None:
            raise ProblemError("refused", f"gtin: no SKU has GTIN {gtin}; define it with its SKU first")
        if order.expires_on is not None and not order.lot:
            raise ProblemError("refused", "expires_on: needs a lot beside it: stock without a lot has no one date")
        key = (goods.sku_id, order.lot)
        lot_id = (await lot_ids(connection, {key: order.expires_on}))[key]
        encode_sgtin96(gtin, 1, order.company_prefix_digits, order.filter)
    except (CatalogError, IdentityError) as error:
        raise ProblemError("refused", str(error)) from error
    return gtin, goods.sku_id, goods.quantity, lot_id


async def _next(connection: Connection, order: LabelOrder, gtin: str, count: int) -> dict[bytes, str]:
    """The next serial numbers of a GTIN, as EPC → identity."""
    first = await connection.fetchval(SQL["take_serials"], gtin, count)
    if first + count > 1 << SERIAL_BITS:
        raise ProblemError("refused", f"gtin: {gtin} has no serial number left that SGTIN-96 can hold")
    return {
        encode_sgtin96(gtin, serial, order.company_prefix_digits, order.filter): of_sgtin(gtin, str(serial)).identity
        for serial in range(first, first + count)
    }


async def _read(connection: Connection, number: int) -> LabelRun:
    run = await connection.fetchrow(SQL["run"], number)
    if run is None:
        raise ProblemError("not-found", f"no list of labels {number}")
    rows = await connection.fetch(SQL["labels"], number)
    return LabelRun(
        number,
        run["site"],
        run["sku"],
        run["name"],
        run["lot"],
        run["expires_on"],
        run["document"],
        run["actor"],
        run["made_at"],
        _labels(rows),
    )


def _labels(rows: Sequence[Record]) -> list[Label]:
    labels = []
    for row in rows:
        found = parse_epc(row["epc"])
        assert isinstance(found, Sgtin)
        labels.append(Label(row["epc"].hex().upper(), pure_uri(found), found.gtin, found.serial))
    return labels
