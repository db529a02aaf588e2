"""Sites, zones, portals and SKUs from CSV files, all of a file or none of it.

What a file names is defined, or changed to what the file says; what it does not name stays as it is. Importing a file
again therefore changes nothing.

    sites      code, name [, region, time_zone]
    zones      site, code, kind [, name, parent]         a parent is a zone of the same site
    portals    site, code, inside_zone [, name]
    skus       code, name [, unit, gtin, gtin_quantity]  a line for each GTIN of a SKU; units in one thing with it
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from backend.catalog.model import REAL_KINDS, VIRTUAL_KINDS, gtin14, require_code, require_sku_code
from backend.catalog.service import SQL as CATALOG_SQL
from backend.catalog.sheet import Row, read_sheet
from backend.errors import CatalogError
from backend.store.database import Connection, Queries

SQL: Final = Queries(Path(__file__).with_name("importing.sql"))


async def import_sites(connection: Connection, text: str) -> int:
    """Define sites inside the caller's transaction; returns how many. Raises ImportRefusedError."""
    rows, faults = read_sheet(text, ("code", "name"), ("region", "time_zone"))
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


async def import_zones(connection: Connection, text: str) -> int:
    """Define zones inside the caller's transaction; returns how many. Raises ImportRefusedError."""
    rows, faults = read_sheet(text, ("site", "code", "kind"), ("name", "parent"))
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


async def import_portals(connection: Connection, text: str) -> int:
    """Define portals inside the caller's transaction; returns how many. Raises ImportRefusedError."""
    rows, faults = read_sheet(text, ("site", "code", "inside_zone"), ("name",))
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


async def import_skus(connection: Connection, text: str) -> int:
    """Define SKUs inside the caller's transaction; returns how many. Raises ImportRefusedError."""
    rows, faults = read_sheet(text, ("code", "name"), ("unit", "gtin", "gtin_quantity"))
    first: dict[str, Row] = {}
    gtins: dict[str, tuple[Row, int]] = {}
    for row in rows:
        _check(row, "code", require_sku_code)
        _refuse_another_meaning(row, first.setdefault(row.text("code"), row))
        quantity = row.whole("gtin_quantity") or 1
        if row.text("gtin"):
            gtin = _check(row, "gtin", gtin14)
            other, _ = gtins.setdefault(gtin, (row, quantity))
            if other is not row:
                row.refuse("gtin", f"{row.text('gtin')} stands in line {other.line} already")
        elif row.text("gtin_quantity"):
            row.refuse("gtin_quantity", "needs a gtin beside it")
    faults.settle()
    codes = list(first)
    units = [row.text("unit", "each") for row in first.values()]
    await connection.execute(CATALOG_SQL["put_skus"], codes, [row.text("name") for row in first.values()], units)
    await connection.execute(CATALOG_SQL["put_unlotted"], codes)
    owners = [row.text("code") for row, _ in gtins.values()]
    quantities = [quantity for _, quantity in gtins.values()]
    for taken in await connection.fetch(CATALOG_SQL["put_gtins"], list(gtins), owners, quantities):
        gtins[taken["gtin"]][0].refuse("gtin", f"{taken['gtin']} belongs to SKU {taken['owner']} already")
    faults.settle()
    return len(codes)


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
    for column in ("name", "unit"):
        if row.text(column) != first.text(column):
            row.refuse(column, f"{row.text(column)!r} differs from line {first.line}, which defines the same SKU")
