"""The catalog as CSV files, in the columns in which it is imported: what comes out can be taken in again."""

from __future__ import annotations

import csv
from collections.abc import AsyncIterator, Iterable
from io import StringIO
from typing import Any, Final

from backend.catalog import service
from backend.catalog.importing import DEFINITIONS, DESCRIPTION
from backend.catalog.model import REAL_KINDS
from backend.errors import CatalogError
from backend.store.database import Database

ROWS_A_READ: Final = 1000
"""Rows in one statement: a long file is many short reads."""


async def export_csv(database: Database, kind: str) -> str:
    """Everything of a kind (a key of DEFINITIONS) as the text of a CSV file. Raises CatalogError for another kind."""
    if kind not in DEFINITIONS:
        raise CatalogError(f"{kind!r} is no kind of export; choose one of {', '.join(DEFINITIONS)}")
    out = StringIO()
    writer = csv.DictWriter(out, DEFINITIONS[kind].columns, extrasaction="ignore", lineterminator="\n")
    writer.writeheader()
    async for row in _rows(database, kind):
        writer.writerow(row)
    return out.getvalue()


async def _rows(database: Database, kind: str) -> AsyncIterator[dict[str, Any]]:
    """The lines of a kind, in the order of their keys. The virtual zones come with their site and are left out."""
    after: Any = "" if kind in ("sites", "skus") else ("", "")
    while True:
        rows = [dict(row) for row in await _LISTS[kind](database, after=after, limit=ROWS_A_READ)]
        for row in rows:
            if kind != "zones" or row["kind"] in REAL_KINDS:
                for line in _lines(row):
                    yield line
        if len(rows) < ROWS_A_READ:
            return
        last = rows[-1]
        after = last["code"] if kind in ("sites", "skus") else (last.get("site") or last.get("sku"), last["code"])


_LISTS: Final[dict[str, Any]] = {
    "sites": service.list_sites,
    "zones": service.list_zones,
    "portals": service.list_portals,
    "skus": service.list_skus,
    "lots": service.list_lots,
}


def _lines(row: dict[str, Any]) -> Iterable[dict[str, Any]]:
    """A row as the lines of its file: a SKU has one for each of its packs."""
    if "packs" not in row:
        return [row]
    packs = [
        {"gtin": pack["gtin"], "gtin_quantity": pack["quantity"], "pack": pack["pack"]} for pack in row["packs"]
    ] or [{}]
    head = {name: row[name] for name in ("code", "name", "unit", *DESCRIPTION)}
    return [head | pack for pack in packs]
