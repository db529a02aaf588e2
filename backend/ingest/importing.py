"""One entry for every CSV import: the catalog, receipts and opening stock. A file is one transaction.

The catalog's files may be imported again and again: they define. Receipts and opening stock move goods, so each
document counts once: taken again, it changes nothing; a document of the same name with other lines is refused.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Final, NamedTuple

from pydantic_core import to_json

from backend.catalog.importing import DEFINITIONS
from backend.catalog.sheet import Faults, Row
from backend.errors import CatalogError
from backend.ingest.documents import read_opening_stock, read_receipts, receipts_sheet
from backend.ingest.expecting import expect
from backend.ingest.receiving import SQL, Receiving
from backend.store.database import Connection, Database
from wire.clock import Clock

KINDS: Final = (*DEFINITIONS, "receipts", "opening-stock")
"""In the order in which they need each other."""

DIGEST_SHOWN: Final = 12
"""Hex digits of a file's digest in the name of its opening stock: enough that no two files of a house are alike."""


class Imported(NamedTuple):
    """What an import took in, and how many lines it passed over because their document was taken in before."""

    kind: str
    lines: int
    repeated: int = 0

    def __str__(self) -> str:
        repeated = f"; {self.repeated} were imported before and changed nothing" if self.repeated else ""
        return f"{self.lines} lines of {self.kind} imported{repeated}"


async def import_csv(database: Database, clock: Clock, kind: str, text: str, *, actor: str = "import") -> Imported:
    """Import the text of a CSV file of one of KINDS, all of it or nothing.

    Raises ImportRefusedError naming each fault by line and column, CatalogError for a kind that is none.
    """
    if kind not in KINDS:
        raise CatalogError(f"{kind!r} is no kind of import; choose one of {', '.join(KINDS)}")
    async with database.transaction() as connection:
        if kind in DEFINITIONS:
            return Imported(kind, await DEFINITIONS[kind].take(connection, text))
        if kind == "receipts":
            return Imported(kind, *await announce(connection, *receipts_sheet(text), actor, clock.now()))
        return await _opening_stock(connection, text, actor, clock.now())


async def announce(
    connection: Connection, rows: Sequence[Row], faults: Faults, actor: str, now: datetime
) -> tuple[int, int]:
    """Take in what rows of receipts announce, and make their documents; how many lines are new, and how many came
    before. Raises ImportRefusedError naming each fault by row and column."""
    announced = await read_receipts(connection, rows, faults)
    documents: dict[str, list[Row]] = {}
    for one in announced:
        documents.setdefault(_document(one.thing.row), []).append(one.thing.row)
    repeated = await _note(connection, "receipts", documents, actor, now)
    fresh = [one for one in announced if _document(one.thing.row) not in repeated]
    receiving = await Receiving.begin(connection, actor, now)
    items = await receiving.announce(fresh)
    things = [items[place].item_id for place in range(len(fresh))]
    await expect(connection, fresh, things, receiving.came, actor, now)
    return len(fresh), len(announced) - len(fresh)


async def _opening_stock(connection: Connection, text: str, actor: str, now: datetime) -> Imported:
    standing = await read_opening_stock(connection, text)
    rows = [one.row for one in standing]
    document = f"opening-stock/{_digest(rows)[:DIGEST_SHOWN]}"
    if await _note(connection, "opening-stock", {document: rows}, actor, now):
        return Imported("opening-stock", 0, len(rows))
    receiving = await Receiving.begin(connection, actor, now)
    await receiving.open(standing, document)
    return Imported("opening-stock", len(rows))


async def _note(
    connection: Connection, kind: str, documents: Mapping[str, list[Row]], actor: str, now: datetime
) -> frozenset[str]:
    """Keep in mind that documents are taken in; answers those that were before, with the same lines.

    Raises ImportRefusedError for one that was taken in with other lines.
    """
    digests = {document: _digest(rows) for document, rows in documents.items()}
    counts = [len(rows) for rows in documents.values()]
    noted = await connection.fetch(
        SQL["note_documents"], kind, actor, now, list(digests), list(digests.values()), counts
    )
    before = digests.keys() - {row["document"] for row in noted}
    for known in await connection.fetch(SQL["documents"], kind, sorted(before)):
        if known["sha256"] != digests[known["document"]]:
            documents[known["document"]][0].refuse(
                "document",
                f"was imported on {known['recorded_at']:%Y-%m-%d %H:%M} UTC with other lines; "
                "give what is new a document of its own",
            )
    for rows in documents.values():
        rows[0].faults.settle()
    return frozenset(before)


def _document(row: Row) -> str:
    """A receipt's name among all sites."""
    return f"{row.text('site')}/{row.text('document')}"


def _digest(rows: Iterable[Row]) -> str:
    """What lines say, whatever their order, delimiter and line ends."""
    lines = sorted(to_json({name: cell for name, cell in sorted(row.cells.items()) if cell}) for row in rows)
    return hashlib.sha256(b"\n".join(lines)).hexdigest()
