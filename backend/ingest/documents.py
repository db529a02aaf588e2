"""What documents say of things, read from CSV files and checked against the catalog; receiving.py applies it.

    receipts        site, document, epc, sku [, lot, expires_on, quantity, sscc]
                    things on their way to a site: what each is, and the pallet it comes on
    opening-stock   site, zone, sku [, lot, expires_on, condition, quantity, epc]
                    what stands in a zone now: one thing with its EPC, or so many units without

EPCs are hex of tag memory. A thing's quantity is the one of its GTIN where the file gives none.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Final

from backend.catalog.importing import real_zones, site_ids, unknown_zone
from backend.catalog.model import CONDITIONS, MAX_LOT_CHARS
from backend.catalog.service import SQL as CATALOG_SQL
from backend.catalog.service import Goods as CatalogGoods
from backend.catalog.service import goods_of, lot_ids, sku_ids
from backend.catalog.sheet import Faults, Row, read_sheet
from backend.effects.identity import Named, Unnamed, of_epc, of_sscc
from backend.effects.observation import Goods
from backend.ledger.model import SELLABLE
from backend.store.database import Connection
from gs1 import checkdigit
from gs1.errors import IdentityError

MAX_DOCUMENT_CHARS: Final = 64
"""As long as scans may name them (wire.events)."""

_DOCUMENT: Final = re.compile(rf"^[A-Za-z0-9][A-Za-z0-9._:-]{{0,{MAX_DOCUMENT_CHARS - 1}}}$")
"""What a document may be called everywhere else."""

_EPC: Final = re.compile(r"^(?:[0-9A-F]{4}){1,31}$")


@dataclass(frozen=True, slots=True)
class Tagged:
    """One thing that a line names: its tag, what it is called (kind `other` and no identity when no GS1 key is on the
    tag), and what it holds; a pallet or an asset holds nothing itself."""

    row: Row
    epc: bytes
    kind: str
    identity: str | None
    goods: Goods | None


@dataclass(frozen=True, slots=True)
class Announced:
    """A thing that a receipt announces to a site, and the pallet it comes on."""

    thing: Tagged
    site_id: int
    document: str
    pallet: Named | None


@dataclass(frozen=True, slots=True)
class Standing:
    """What stands in a zone: one thing, or (with `thing` None) units without serial numbers."""

    row: Row
    site_id: int
    zone_id: int
    goods: Goods
    condition: str
    thing: Tagged | None


@dataclass(frozen=True, slots=True)
class _Line:
    """A line's cells as far as they can be understood without the catalog."""

    row: Row
    epc: bytes | None
    named: Named | Unnamed | None
    quantity: int | None
    lot: str
    expires_on: date | None


def receipts_sheet(text: str) -> tuple[list[Row], Faults]:
    """The rows of a receipts file. Raises ImportRefusedError when its header is not right."""
    return read_sheet(text, ("site", "document", "epc", "sku"), ("lot", "expires_on", "quantity", "sscc"))


async def read_receipts(connection: Connection, rows: Sequence[Row], faults: Faults) -> list[Announced]:
    """What rows of receipts announce. Raises ImportRefusedError naming every fault."""
    lines = [_line(row) for row in rows]
    pallets = [_pallet(row) for row in rows]
    for row in rows:
        row.needed("epc")
        if row.needed("document") and not _DOCUMENT.match(row.text("document")):
            row.refuse("document", f"use letters, digits, '.', '_', ':' and '-', at most {MAX_DOCUMENT_CHARS}")
    sites = await site_ids(connection, rows)
    goods = await _goods(connection, lines, faults)
    return [
        Announced(_tagged(line, line.epc, held), sites[line.row.text("site")], line.row.text("document"), pallet)
        for line, held, pallet in zip(lines, goods, pallets, strict=True)
        if line.epc is not None
    ]


async def read_opening_stock(connection: Connection, text: str) -> list[Standing]:
    """What an opening stock file says. Raises ImportRefusedError naming every fault."""
    rows, faults = read_sheet(text, ("site", "zone", "sku"), ("lot", "expires_on", "condition", "quantity", "epc"))
    lines = [_line(row) for row in rows]
    sites = await site_ids(connection, rows)
    zones = await real_zones(connection, sites.values())
    for row in rows:
        place = (sites.get(row.text("site"), 0), row.text("zone"))
        if row.needed("zone") and row.text("site") in sites and place not in zones:
            row.refuse("zone", unknown_zone(row, "zone"))
        if row.text("condition", SELLABLE) not in CONDITIONS:
            row.refuse("condition", f"{row.text('condition')!r} is none of {', '.join(CONDITIONS)}")
        if not row.text("epc") and not row.text("quantity"):
            row.refuse("quantity", "is needed where no epc is given")
    _refuse_repeated_heaps(row for row in rows if not row.text("epc"))
    goods = await _goods(connection, lines, faults)
    return [
        Standing(
            line.row,
            sites[line.row.text("site")],
            zones[sites[line.row.text("site")], line.row.text("zone")],
            held,
            line.row.text("condition", SELLABLE),
            None if line.epc is None else _tagged(line, line.epc, held),
        )
        for line, held in zip(lines, goods, strict=True)
    ]


def _line(row: Row) -> _Line:
    lot = row.text("lot")
    if len(lot) > MAX_LOT_CHARS:
        row.refuse("lot", f"is longer than {MAX_LOT_CHARS} characters")
    if row.text("expires_on") and not lot:
        row.refuse("expires_on", "needs a lot beside it: stock without a lot has no one date")
    text = row.text("epc").upper()
    if text and not _EPC.match(text):
        row.refuse("epc", f"{row.text('epc')!r} is no tag memory: hex digits in fours, at most {31 * 4}")
        text = ""
    epc = bytes.fromhex(text) or None
    return _Line(row, epc, of_epc(epc) if epc else None, row.whole("quantity"), lot, row.day("expires_on"))


def _pallet(row: Row) -> Named | None:
    sscc = row.text("sscc")
    if not sscc:
        return None
    try:
        checkdigit.require(sscc, 18, "SSCC")
    except IdentityError as error:
        row.refuse("sscc", str(error))
    return of_sscc(sscc)


def _tagged(line: _Line, epc: bytes, goods: Goods) -> Tagged:
    named = line.named
    if isinstance(named, Named):
        return Tagged(line.row, epc, named.kind, named.identity, goods)
    return Tagged(line.row, epc, "other", None, goods)


async def _goods(connection: Connection, lines: Sequence[_Line], faults: Faults) -> list[Goods]:
    """What each line's goods are, lots made where they are missing. Raises ImportRefusedError for any fault so far."""
    _refuse_repeated_things(lines)
    skus = await sku_ids(connection, (line.row.text("sku") for line in lines))
    gtins = {line.named.gtin for line in lines if isinstance(line.named, Named) and line.named.gtin is not None}
    registered = await goods_of(connection, gtins)
    for line in lines:
        code = line.row.needed("sku")
        if code and code not in skus:
            line.row.refuse("sku", f"no SKU {code!r}; import it first, with `tallyman import skus`")
        elif (of_gtin := _registered(line, registered)) is not None and of_gtin.sku_id != skus.get(code):
            line.row.refuse("epc", f"the tag's GTIN belongs to another SKU than {code!r}")
        if line.named is not None and isinstance(line.named, Named) and line.named.kind != "sgtin":
            line.row.refuse("epc", f"{line.named.identity} names a pallet or an asset, which is no stock itself")
    faults.settle()
    lots = await _lots(connection, [(skus[line.row.text("sku")], line) for line in lines], faults)
    goods = []
    for line in lines:
        sku_id = skus[line.row.text("sku")]
        of_gtin = _registered(line, registered)
        quantity = line.quantity or (of_gtin.quantity if of_gtin is not None else 1)
        goods.append(Goods(sku_id, lots[sku_id, line.lot], quantity))
    return goods


def _registered(line: _Line, registered: Mapping[str, CatalogGoods]) -> CatalogGoods | None:
    """What the catalog says of the GTIN on a line's tag, if anything."""
    if not isinstance(line.named, Named) or line.named.gtin is None:
        return None
    return registered.get(line.named.gtin)


async def _lots(
    connection: Connection, lines: Sequence[tuple[int, _Line]], faults: Faults
) -> dict[tuple[int, str], int]:
    """Lots by (SKU, code), made where missing. A lot expires on one day, whichever line or file says so."""
    told: dict[tuple[int, str], _Line] = {}
    for sku_id, line in lines:
        other = told.setdefault((sku_id, line.lot), line)
        if other.expires_on is None:
            told[sku_id, line.lot] = line
        elif line.expires_on not in (None, other.expires_on):
            line.row.refuse("expires_on", f"differs from line {other.row.line}, which names the same lot")
    keys = list(told)
    known = await connection.fetch(CATALOG_SQL["lots"], [sku for sku, _ in keys], [code for _, code in keys])
    for row in known:
        line = told[row["sku_id"], row["code"]]
        if row["expires_on"] is not None and line.expires_on not in (None, row["expires_on"]):
            line.row.refuse("expires_on", f"lot {row['code']!r} is known to expire on {row['expires_on']}")
    faults.settle()
    return await lot_ids(connection, {key: line.expires_on for key, line in told.items()})


def _refuse_repeated_things(lines: Iterable[_Line]) -> None:
    """The same tag in two lines, or two tags that name the same thing."""
    first: dict[bytes | str, _Line] = {}
    for line in lines:
        if line.epc is None:
            continue
        name = line.named.identity if isinstance(line.named, Named) else line.epc
        other = first.setdefault(name, line)
        if other is not line:
            line.row.refuse("epc", f"names the same thing as line {other.row.line}; take one of them out")


def _refuse_repeated_heaps(rows: Iterable[Row]) -> None:
    """Units of the same kind in the same zone told in two lines."""
    first: dict[tuple[str, ...], Row] = {}
    for row in rows:
        key = tuple(row.text(column) for column in ("site", "zone", "sku", "lot"))
        other = first.setdefault((*key, row.text("condition", SELLABLE)), row)
        if other is not row:
            row.refuse("quantity", f"line {other.line} tells of the same stock; add the two up")
