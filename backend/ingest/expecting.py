"""The document behind an announcement: what is expected of it to the tag, so that what comes can be held against it.

An announcement makes its receipt, or fills in the one of that name that a person made before. Its lines say how many
units of each SKU and lot are to come; its things are those announced, and the pallets they come on.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Sequence
from datetime import datetime
from pathlib import Path
from typing import Final

from backend.documents.service import SQL as DOCUMENTS
from backend.documents.surplus import tell_surplus
from backend.ingest.documents import Announced
from backend.store.database import Connection, Queries

SQL: Final = Queries(Path(__file__).with_name("expecting.sql"))


async def expect(
    connection: Connection,
    announced: Sequence[Announced],
    item_ids: Sequence[int],
    came: Collection[int],
    actor: str,
    now: datetime,
) -> None:
    """Write the receipts of things announced, and tell what came beyond the expected of them and of those of which
    something `came`; `item_ids` are the things, in the same order.

    Raises ImportRefusedError for a name that belongs to another document, or to one that is not open any more.
    """
    by_code: defaultdict[str, list[tuple[Announced, int]]] = defaultdict(list)
    for one, item_id in zip(announced, item_ids, strict=True):
        by_code[one.document].append((one, item_id))
    numbers = await _documents(connection, by_code, actor, now)
    for code, ones in by_code.items():
        units: Counter[tuple[int, int]] = Counter()
        for one, _ in ones:
            assert one.thing.goods is not None
            units[one.thing.goods.sku_id, one.thing.goods.lot_id] += one.thing.goods.quantity
        lines = sorted(units.items())
        await connection.execute(
            SQL["expect_units"],
            numbers[code],
            [sku_id for (sku_id, _), _ in lines],
            [lot_id for (_, lot_id), _ in lines],
            [quantity for _, quantity in lines],
        )
        await connection.execute(SQL["expect_things"], numbers[code], [item_id for _, item_id in ones])
    await tell_surplus(connection, {*numbers.values(), *came}, now)


async def _documents(
    connection: Connection, by_code: dict[str, list[tuple[Announced, int]]], actor: str, now: datetime
) -> dict[str, int]:
    """The receipts of these names, made where they are missing."""
    for code, ones in sorted(by_code.items()):
        row = (code, "receipt", ones[0][0].site_id, None, None, "", "open", None, now, actor)
        await connection.fetchval(DOCUMENTS["add_document"], *row)
    found = {row["code"]: row for row in await connection.fetch(DOCUMENTS["named_documents"], sorted(by_code))}
    for code, ones in by_code.items():
        known = found[code]
        for one, _ in ones:
            if (known["kind"], known["site_id"]) != ("receipt", one.site_id):
                one.thing.row.refuse(
                    "document",
                    f"{code!r} names a {known['kind']} already, of this site or another; give it another name",
                )
                break
            if known["status"] != "open":
                one.thing.row.refuse("document", f"receipt {code!r} is {known['status']}; announce under a new name")
                break
    for ones in by_code.values():
        ones[0][0].thing.row.faults.settle()
    return {code: row["document_id"] for code, row in found.items()}
