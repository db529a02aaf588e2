"""Define and read sites, zones, portals, SKUs and lots."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import date, datetime
from typing import NamedTuple

from backend.api.problems import ProblemError
from backend.catalog.model import VIRTUAL_KINDS, Places, Portal, Site, SiteSpec, SkuSpec, Zone, gtin14, pack_of
from backend.errors import CatalogError
from backend.store.database import Connection, Database, Queries, Record

SQL = Queries.beside(__file__)


class Goods(NamedTuple):
    """What one thing with a GTIN is: SKU, units of it, and the SKU's lot of the empty code."""

    sku_id: int
    quantity: int
    lot_id: int


class PlacesCopy:
    """Every site, zone and portal in memory, read again when the catalog moved on or the store is another one."""

    def __init__(self) -> None:
        self._places = Places(0, ())
        self._store_id = ""

    async def at(self, connection: Connection, store_id: str, revision: int) -> Places:
        """The places of that store as of `revision`; the caller read both in its own transaction."""
        if (self._store_id, self._places.revision) != (store_id, revision):
            self._places, self._store_id = await read_places(connection), store_id
        return self._places


def site_of(places: Places, code: str) -> Site:
    """The site of that code. Raises ProblemError `not-found`."""
    site = places.by_code.get(code)
    if site is None:
        raise ProblemError("not-found", f"no site {code!r}")
    return site


async def read_places(connection: Connection) -> Places:
    """Every site with its zones and portals, all of one revision."""
    row = await connection.fetchrow(SQL["places"])
    assert row is not None
    zones: dict[int, dict[str, Zone]] = defaultdict(dict)
    by_id = {zone.zone_id: zone for zone in (Zone(*one) for one in row["zones"])}
    for zone in by_id.values():
        zones[zone.site_id][zone.code] = zone
    portals: dict[int, dict[str, Portal]] = defaultdict(dict)
    for portal_id, site_id, code, inside_id in row["portals"]:
        portals[site_id][code] = Portal(portal_id, site_id, code, by_id[inside_id])
    sites = (Site(site_id, code, zones[site_id], portals[site_id]) for site_id, code in row["sites"])
    return Places(row["catalog_revision"], sites)


async def day_at(connection: Connection, site_id: int, at: datetime) -> date:
    """What day an instant lies in at a site: a lot that expires that day still lives."""
    day: date = await connection.fetchval(SQL["site_day"], site_id, at)
    return day


async def put_site(database: Database, spec: SiteSpec) -> None:
    """Define a site with its zones and portals, or change it. Zones that the spec leaves out stay.

    Raises CatalogError when the definition cannot stand.
    """
    spec.check()
    async with database.transaction() as connection:
        await connection.execute(SQL["count_revision"])
        site_id = await connection.fetchval(SQL["put_site"], spec.code, spec.name, spec.region, spec.time_zone)
        for kind in VIRTUAL_KINDS:
            await connection.execute(SQL["put_zone"], site_id, kind, "", kind, None)
        for zone in spec.zones:
            await connection.execute(SQL["put_zone"], site_id, zone.code, zone.name, zone.kind, zone.parent)
        for portal in spec.portals:
            await connection.execute(SQL["put_portal"], site_id, portal.code, portal.name, portal.inside_zone)


async def put_skus(database: Database, specs: Sequence[SkuSpec]) -> None:
    """Define SKUs with their GTINs, or change them, all or none.

    Raises CatalogError for a definition that cannot stand and for a GTIN that belongs to another SKU.
    """
    for spec in specs:
        spec.check()
    owners: dict[str, str] = {}
    for spec in specs:
        for gtin in map(gtin14, spec.gtins):
            if owners.setdefault(gtin, spec.code) != spec.code:
                raise CatalogError(f"GTIN {gtin} is given to both SKU {owners[gtin]} and SKU {spec.code}")
    codes = [spec.code for spec in specs]
    if len(set(codes)) < len(codes):
        raise CatalogError("the same SKU is defined twice")
    async with database.transaction() as connection:
        taken = await add_skus(connection, specs)
        if taken:
            gtin, owner = min(taken.items())
            raise CatalogError(f"GTIN {gtin} belongs to SKU {owner}")


async def add_skus(connection: Connection, specs: Sequence[SkuSpec]) -> dict[str, str]:
    """Write SKUs that were checked, in the caller's transaction; answers the GTINs that belong to another SKU already,
    with that SKU: the caller must roll back."""
    codes = [spec.code for spec in specs]
    await connection.execute(SQL["put_skus"], codes, [spec.name for spec in specs], [spec.unit for spec in specs])
    await connection.execute(SQL["put_unlotted"], codes)
    gtins = [
        (gtin14(gtin), spec.code, quantity, pack_of(quantity))
        for spec in specs
        for gtin, quantity in spec.gtins.items()
    ]
    if not gtins:
        return {}
    rows = await connection.fetch(SQL["put_gtins"], *(list(column) for column in zip(*gtins, strict=True)))
    return {row["gtin"]: row["owner"] for row in rows}


async def goods_of(connection: Connection, gtins: Iterable[str]) -> dict[str, Goods]:
    """What GTINs (14 digits) stand for; those that nobody registered are missing from the answer."""
    wanted = sorted(set(gtins))
    if not wanted:
        return {}
    rows = await connection.fetch(SQL["skus_by_gtin"], wanted)
    return {row["gtin"]: Goods(row["sku_id"], row["quantity"], row["lot_id"]) for row in rows}


async def sku_ids(connection: Connection, codes: Iterable[str]) -> dict[str, int]:
    """SKUs by code; those that do not exist are missing from the answer."""
    rows = await connection.fetch(SQL["skus_by_code"], sorted(set(codes)))
    return {row["code"]: row["sku_id"] for row in rows}


async def lot_ids(connection: Connection, wanted: Mapping[tuple[int, str], date | None]) -> dict[tuple[int, str], int]:
    """Lots by (SKU, code), made where missing; the values are their expiry where it is known. Lots that are known are
    only read: whoever names the same ones waits for nobody.

    Raises CatalogError when a lot is known with another expiry date.
    """
    found = await _known_lots(connection, wanted)
    missing = {
        key: day for key, day in wanted.items() if key not in found or (day and found[key]["expires_on"] is None)
    }
    if missing:
        keys = sorted(missing)
        skus, codes = [sku for sku, _ in keys], [code for _, code in keys]
        await connection.execute(SQL["put_lots"], skus, codes, [missing[key] for key in keys])
        found |= await _known_lots(connection, missing)
    for key, row in found.items():
        if wanted[key] is not None and row["expires_on"] != wanted[key]:
            raise CatalogError(f"lot {key[1]!r} expires on {row['expires_on']}, not on {wanted[key]}")
    return {key: row["lot_id"] for key, row in found.items()}


async def _known_lots(connection: Connection, keys: Iterable[tuple[int, str]]) -> dict[tuple[int, str], Record]:
    pairs = sorted(keys)
    if not pairs:
        return {}
    rows = await connection.fetch(SQL["lots"], [sku for sku, _ in pairs], [code for _, code in pairs])
    return {(row["sku_id"], row["code"]): row for row in rows}


async def list_sites(database: Database, *, after: str = "", limit: int = 100, code: str | None = None) -> list[Record]:
    """Sites by code, or the one of a code: `site_id, code, name, region, time_zone`."""
    return await database.pool.fetch(SQL["list_sites"], after, limit, code)


async def list_zones(
    database: Database,
    *,
    site: str | None = None,
    after: tuple[str, str] = ("", ""),
    limit: int = 100,
    code: str | None = None,
) -> list[Record]:
    """Zones by (site, code), or those of a code: `site, code, name, kind, parent`."""
    return await database.pool.fetch(SQL["list_zones"], site, *after, limit, code)


async def list_portals(
    database: Database,
    *,
    site: str | None = None,
    after: tuple[str, str] = ("", ""),
    limit: int = 100,
    code: str | None = None,
) -> list[Record]:
    """Portals by (site, code), or those of a code: `site, code, name, inside_zone`."""
    return await database.pool.fetch(SQL["list_portals"], site, *after, limit, code)


async def list_skus(database: Database, *, after: str = "", limit: int = 100, code: str | None = None) -> list[Record]:
    """SKUs by code, or the one of a code: `code, name, unit`, what describes them, and `packs` (objects of `gtin,
    quantity, pack`)."""
    return await database.pool.fetch(SQL["list_skus"], after, limit, code)


async def list_lots(
    database: Database,
    *,
    sku: str | None = None,
    after: tuple[str, str] = ("", ""),
    limit: int = 100,
    code: str | None = None,
) -> list[Record]:
    """Lots by (SKU, code), or those of a code: `sku, code, expires_on, status`."""
    return await database.pool.fetch(SQL["list_lots"], sku, *after, limit, code)
