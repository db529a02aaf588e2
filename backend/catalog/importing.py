"""Sites, zones, portals and SKUs from CSV files, all of a file or none of it.

What a file names is defined, or changed to what the file says; what it does not name stays as it is. Importing a file
again therefore changes nothing.

    sites      code, name [, region, time_zone]
    zones      site, code, kind [, name, parent]         a parent is a zone of the same site
    portals    site, code, inside_zone [, name]
    skus       code, name [, unit, value, currency, length_mm, width_mm, height_mm, weight_g, abc_class,
               shelf_life_days, gtin, gtin_quantity, pack]   a line for each GTIN; units in one thing with it
    lots       sku, code [, expires_on]

Rows come from a file or from the API (sheet.sheet_of): both are checked here and nowhere else. Of a SKU, a column that
is left out stays as it is, an empty cell clears it.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple

from backend.catalog.model import (
    ABC_CLASSES,
    MAX_LOT_CHARS,
    PACKS,
    REAL_KINDS,
    VIRTUAL_KINDS,
    gtin14,
    pack_of,
    require_code,
    require_sku_code,
)
from backend.catalog.service import SQL as CATALOG_SQL
from backend.catalog.service import lot_ids, sku_ids
from backend.catalog.sheet import Faults, Row, read_sheet
from backend.errors import CatalogError
from backend.store.database import Connection, Queries

SQL: Final = Queries(Path(__file__).with_name("importing.sql"))


async def define_sites(connection: Connection, rows: Sequence[Row], faults: Faults) -> int:
    """Define sites inside the caller's transaction; returns how many. Raises ImportRefusedError."""
    for row in rows:
        _check(row, "code", lambda code: require_code(code, "site"))
    _refuse_repeats(rows, ("code",))
    zones = {row.text("time_zone", "UTC") for row in rows}
    known = {row["name"] for row in await connection.fetch(SQL["known_time_zones"], sorted(zones))}
    for row in rows:
        if row.text("time_zone", "UTC") not in known:
            row.refuse("time_zone", f"{row.text('time_zone')!r} is no time zone; write it as Asia/Jakarta")
    faults.settle()
    await connection.execute(CATALOG_SQL["count_revision"])
    await connection.execute(
        SQL["put_sites"],
        [row.text("code") for row in rows],
        [row.text("name") for row in rows],
        [row.text("region") for row in rows],
        [row.text("time_zone", "UTC") for row in rows],
        list(VIRTUAL_KINDS),
    )
    return len(rows)


async def define_zones(connection: Connection, rows: Sequence[Row], faults: Faults) -> int:
    """Define zones inside the caller's transaction; returns how many. Raises ImportRefusedError."""
    for row in rows:
        _check(row, "code", lambda code: require_code(code, "zone"))
        if row.text("code") in VIRTUAL_KINDS:
            row.refuse("code", f"{row.text('code')!r} is kept for the site's virtual zone; choose another")
        if row.text("kind") not in REAL_KINDS:
            row.refuse("kind", f"{row.text('kind')!r} is none of {', '.join(REAL_KINDS)}")
    _refuse_repeats(rows, ("site", "code"))
    await connection.execute(CATALOG_SQL["count_revision"])
    sites = await site_ids(connection, rows)
    await _check_parents(connection, rows, sites)
    faults.settle()
    where, codes = [sites[row.text("site")] for row in rows], [row.text("code") for row in rows]
    names, kinds = [row.text("name") for row in rows], [row.text("kind") for row in rows]
    await connection.execute(SQL["put_zones"], where, codes, names, kinds)
    await connection.execute(SQL["join_parents"], where, codes, [row.text("parent") for row in rows])
    return len(rows)


async def define_portals(connection: Connection, rows: Sequence[Row], faults: Faults) -> int:
    """Define portals inside the caller's transaction; returns how many. Raises ImportRefusedError."""
    for row in rows:
        _check(row, "code", lambda code: require_code(code, "portal"))
    _refuse_repeats(rows, ("site", "code"))
    await connection.execute(CATALOG_SQL["count_revision"])
    sites = await site_ids(connection, rows)
    zones = await real_zones(connection, sites.values())
    inside = [zones.get((sites.get(row.text("site"), 0), row.text("inside_zone"))) for row in rows]
    for row, zone_id in zip(rows, inside, strict=True):
        if zone_id is None and row.text("site") in sites:
            row.refuse("inside_zone", unknown_zone(row, "inside_zone"))
    faults.settle()
    await connection.execute(
        SQL["put_portals"],
        [sites[row.text("site")] for row in rows],
        [row.text("code") for row in rows],
        [row.text("name") for row in rows],
        inside,
    )
    return len(rows)


async def define_skus(connection: Connection, rows: Sequence[Row], faults: Faults) -> int:
    """Define SKUs inside the caller's transaction; returns how many. Raises ImportRefusedError."""
    first: dict[str, Row] = {}
    gtins: dict[str, tuple[Row, int, str]] = {}
    for row in rows:
        _check(row, "code", require_sku_code)
        _refuse_another_meaning(row, first.setdefault(row.text("code"), row))
        quantity = row.whole("gtin_quantity") or 1
        pack = row.choice("pack", PACKS) or pack_of(quantity)
        if row.text("gtin"):
            gtin = _check(row, "gtin", gtin14)
            other, *_ = gtins.setdefault(gtin, (row, quantity, pack))
            if other is not row:
                row.refuse("gtin", f"{row.text('gtin')} stands in line {other.line} already")
        for column in ("gtin_quantity", "pack"):
            if row.text(column) and not row.text("gtin"):
                row.refuse(column, "needs a gtin beside it")
    described = await _described(connection, first)
    faults.settle()
    codes = list(first)
    units = [row.text("unit", "each") for row in first.values()]
    await connection.execute(CATALOG_SQL["put_skus"], codes, [row.text("name") for row in first.values()], units)
    await connection.execute(CATALOG_SQL["put_unlotted"], codes)
    await connection.execute(
        CATALOG_SQL["describe_skus"], codes, *([one[name] for one in described] for name in DESCRIPTION)
    )
    owners = [row.text("code") for row, *_ in gtins.values()]
    quantities, packs = ([told[place] for told in gtins.values()] for place in (1, 2))
    for taken in await connection.fetch(CATALOG_SQL["put_gtins"], list(gtins), owners, quantities, packs):
        gtins[taken["gtin"]][0].refuse("gtin", f"{taken['gtin']} belongs to SKU {taken['owner']} already")
    faults.settle()
    return len(codes)


async def _described(connection: Connection, first: Mapping[str, Row]) -> list[dict[str, Any]]:
    """What describes each SKU after its row: what the row says, and what is known where it has no such column."""
    known = {row["code"]: row for row in await connection.fetch(CATALOG_SQL["lock_skus"], sorted(first))}
    described = []
    for code, row in first.items():
        before = known.get(code)
        told: dict[str, Any] = {}
        for name, read in DESCRIPTION.items():
            if name in row.cells:
                told[name] = read(row, name)
            else:
                told[name] = None if before is None else before[name]
        if (told["value"] is None) != (told["currency"] is None):
            row.refuse("currency", "value and currency go together: give both, or clear both")
        described.append(told)
    return described


def _currency(row: Row, column: str) -> str | None:
    text = row.text(column)
    if text and not _CURRENCY.match(text):
        row.refuse(column, f"{text!r} is no currency; write its three capital letters, as EUR")
        return None
    return text or None


DESCRIPTION: Final[dict[str, Callable[[Row, str], Any]]] = {
    "value": Row.money,
    "currency": _currency,
    "length_mm": Row.whole,
    "width_mm": Row.whole,
    "height_mm": Row.whole,
    "weight_g": Row.whole,
    "abc_class": lambda row, column: row.choice(column, ABC_CLASSES),
    "shelf_life_days": Row.whole,
}
"""What describes a SKU, and how each cell of it is read."""

_CURRENCY: Final = re.compile(r"^[A-Z]{3}$")


async def define_lots(connection: Connection, rows: Sequence[Row], faults: Faults) -> int:
    """Define lots inside the caller's transaction; returns how many. Raises ImportRefusedError, also for a lot that is
    known to expire on another day: stock was promised by it."""
    skus = await sku_ids(connection, (row.text("sku") for row in rows))
    for row in rows:
        if row.needed("sku") and row.text("sku") not in skus:
            row.refuse("sku", f"no SKU {row.text('sku')!r}; import it first, with `tallyman import skus`")
        if len(row.needed("code")) > MAX_LOT_CHARS:
            row.refuse("code", f"is longer than {MAX_LOT_CHARS} characters")
    _refuse_repeats(rows, ("sku", "code"))
    days = [row.day("expires_on") for row in rows]
    faults.settle()
    keys = [(skus[row.text("sku")], row.text("code")) for row in rows]
    known = await connection.fetch(CATALOG_SQL["lots"], [sku for sku, _ in keys], [code for _, code in keys])
    told = dict(zip(keys, zip(rows, days, strict=True), strict=True))
    for lot in known:
        row, day = told[lot["sku_id"], lot["code"]]
        if day is not None and lot["expires_on"] not in (None, day):
            row.refuse("expires_on", f"lot {lot['code']!r} is known to expire on {lot['expires_on']}")
    faults.settle()
    await lot_ids(connection, dict(zip(keys, days, strict=True)))
    return len(rows)


class Definition(NamedTuple):
    """A kind of catalog rows: the columns that are needed, those that may be there, and what defines them."""

    needed: tuple[str, ...]
    optional: tuple[str, ...]
    define: Callable[[Connection, Sequence[Row], Faults], Awaitable[int]]

    @property
    def columns(self) -> tuple[str, ...]:
        """Every column, in the order of an exported file."""
        return (*self.needed, *self.optional)

    async def take(self, connection: Connection, text: str) -> int:
        """Define what a CSV file says; returns how many. Raises ImportRefusedError."""
        return await self.define(connection, *read_sheet(text, self.needed, self.optional))


DEFINITIONS: Final = {
    "sites": Definition(("code", "name"), ("region", "time_zone"), define_sites),
    "zones": Definition(("site", "code", "kind"), ("name", "parent"), define_zones),
    "portals": Definition(("site", "code", "inside_zone"), ("name",), define_portals),
    "skus": Definition(("code", "name"), ("unit", *DESCRIPTION, "gtin", "gtin_quantity", "pack"), define_skus),
    "lots": Definition(("sku", "code"), ("expires_on",), define_lots),
}
"""In the order in which they need each other."""


async def site_ids(connection: Connection, rows: Sequence[Row]) -> dict[str, int]:
    """Sites by code, of the rows' column `site`; a row whose site does not exist gets a fault."""
    codes = sorted({row.text("site") for row in rows})
    found = {row["code"]: row["site_id"] for row in await connection.fetch(SQL["sites_by_code"], codes)}
    for row in rows:
        if row.needed("site") and row.text("site") not in found:
            row.refuse("site", f"no site {row.text('site')!r}; import it first, with `tallyman import sites`")
    return found


async def real_zones(connection: Connection, sites: Iterable[int]) -> dict[tuple[int, str], int]:
    """The zones of sites where goods can stand, by (site, code)."""
    rows = await connection.fetch(SQL["zones_of_sites"], sorted(sites))
    return {(row["site_id"], row["code"]): row["zone_id"] for row in rows if row["kind"] in REAL_KINDS}


def unknown_zone(row: Row, column: str) -> str:
    """What to say of a row that names a zone its site does not have."""
    return f"no zone {row.text(column)!r} at site {row.text('site')}; import it first, with `tallyman import zones`"


async def _check_parents(connection: Connection, rows: Sequence[Row], sites: Mapping[str, int]) -> None:
    """A parent must exist, before or in the file, and no zone may end up within itself."""
    parents: dict[tuple[int, str], str | None] = {
        (row["site_id"], row["code"]): row["parent"]
        for row in await connection.fetch(SQL["zones_of_sites"], sorted(sites.values()))
        if row["kind"] in REAL_KINDS
    }
    placed = [(sites[row.text("site")], row) for row in rows if row.text("site") in sites]
    parents.update({(site_id, row.text("code")): row.text("parent") or None for site_id, row in placed})
    for site_id, row in placed:
        seen, code = {row.text("code")}, row.text("parent") or None
        if code is not None and (site_id, code) not in parents:
            row.refuse("parent", f"no zone {code!r} at site {row.text('site')}, neither before nor in this file")
            continue
        while code is not None and code not in seen:
            seen.add(code)
            code = parents.get((site_id, code))
        if code is not None:
            row.refuse("parent", f"zone {code!r} would lie within itself")


def _check(row: Row, column: str, check: Callable[[str], Any]) -> Any:
    """What `check` makes of a cell that is needed; what it raises becomes the row's fault."""
    if not row.needed(column):
        return ""
    try:
        return check(row.text(column))
    except CatalogError as error:
        row.refuse(column, str(error))
        return row.text(column)


def _refuse_repeats(rows: Iterable[Row], key: tuple[str, ...]) -> None:
    """The same thing defined in two lines."""
    first: dict[tuple[str, ...], Row] = {}
    for row in rows:
        other = first.setdefault(tuple(row.text(column) for column in key), row)
        if other is not row:
            row.refuse(key[-1], f"{row.text(key[-1])!r} stands in line {other.line} already")


def _refuse_another_meaning(row: Row, first: Row) -> None:
    """A SKU's lines must agree in what they say of it."""
    for column in ("name", "unit", *DESCRIPTION):
        if row.text(column) != first.text(column):
            row.refuse(column, f"{row.text(column)!r} differs from line {first.line}, which defines the same SKU")
