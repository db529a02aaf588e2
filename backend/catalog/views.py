"""What the API takes and shows of the catalog."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import date
from decimal import Decimal
from typing import Annotated, Any, Final

from pydantic import BaseModel, Field

from backend.api import paging
from backend.api.paging import Page, Paged
from backend.api.problems import ProblemError
from backend.catalog import service
from backend.catalog.model import VIRTUAL_KINDS
from backend.store.database import Database, Record

MAX_ROWS: Final = 10_000
"""Rows of one bulk request: a transaction of a second or so. A whole catalog is a file."""

Text = Annotated[str, Field(max_length=200)]
Size = Annotated[int, Field(ge=1, le=1_000_000_000)]
Money = Annotated[Decimal, Field(ge=0, max_digits=14, decimal_places=4)]


class SiteBody(BaseModel):
    """What is said of a warehouse. `time_zone` is an IANA name."""

    name: Text
    region: Text = ""
    time_zone: Text = "UTC"


class SiteRow(SiteBody):
    """A warehouse to be defined."""

    code: Text


class SiteView(BaseModel):
    """A warehouse."""

    code: str
    name: str
    region: str
    time_zone: str


class ZoneBody(BaseModel):
    """What is said of an area of a site. `parent`: the zone of the same site that it lies in."""

    kind: Text
    name: Text = ""
    parent: Text | None = None


class ZoneRow(ZoneBody):
    """A zone to be defined."""

    site: Text
    code: Text


class ZoneView(BaseModel):
    """An area of a site. A virtual one stands for what is outside the house, so each posting has two ends."""

    site: str
    code: str
    name: str
    kind: str
    virtual: bool
    parent: str | None


class PortalBody(BaseModel):
    """What is said of a door: what crosses it inwards comes to stand in this zone."""

    inside_zone: Text
    name: Text = ""


class PortalRow(PortalBody):
    """A door to be defined."""

    site: Text
    code: Text


class PortalView(BaseModel):
    """A door, and the zone behind it."""

    site: str
    code: str
    name: str
    inside_zone: str


class Pack(BaseModel):
    """A way in which a SKU is packed: its GTIN, and how many units one thing with it holds."""

    gtin: Text
    quantity: Size = 1
    pack: Annotated[Text | None, Field(description="each, inner, case or pallet; by the quantity if left out")] = None


class SkuBody(BaseModel):
    """What is said of a SKU. What describes it and is left out stays as it is; null clears it. GTINs are only added."""

    name: Text
    unit: Text = "each"
    value: Annotated[Money | None, Field(description="Of one unit, in `currency`")] = None
    currency: Annotated[str | None, Field(description="ISO 4217")] = None
    length_mm: Size | None = None
    width_mm: Size | None = None
    height_mm: Size | None = None
    weight_g: Size | None = None
    abc_class: Annotated[Text | None, Field(description="A, B or C: how fast it turns")] = None
    shelf_life_days: Size | None = None
    packs: Annotated[list[Pack], Field(max_length=100)] = []


class SkuRow(SkuBody):
    """A SKU to be defined."""

    code: Text


class SkuView(BaseModel):
    """A SKU, what describes it, and how it is packed."""

    code: str
    name: str
    unit: str
    value: Decimal | None
    currency: str | None
    length_mm: int | None
    width_mm: int | None
    height_mm: int | None
    weight_g: int | None
    abc_class: str | None
    shelf_life_days: int | None
    packs: list[Pack]


class LotBody(BaseModel):
    """What is said of a lot. A day that is known does not change: stock was promised by it."""

    expires_on: date | None = None


class LotRow(LotBody):
    """A lot to be defined."""

    sku: Text
    code: Text


class LotView(BaseModel):
    """A lot of a SKU. Only a released one is promised to anybody."""

    sku: str
    code: str
    expires_on: date | None
    status: str


class Bulk(BaseModel):
    """Many rows of one kind: all of them are taken in, or none and an error for each that is wrong."""

    rows: Annotated[list[Any], Field(min_length=1, max_length=MAX_ROWS)]


class SitesBody(Bulk):
    """Sites to be defined."""

    rows: Annotated[list[SiteRow], Field(min_length=1, max_length=MAX_ROWS)]


class ZonesBody(Bulk):
    """Zones to be defined."""

    rows: Annotated[list[ZoneRow], Field(min_length=1, max_length=MAX_ROWS)]


class PortalsBody(Bulk):
    """Portals to be defined."""

    rows: Annotated[list[PortalRow], Field(min_length=1, max_length=MAX_ROWS)]


class SkusBody(Bulk):
    """SKUs to be defined."""

    rows: Annotated[list[SkuRow], Field(min_length=1, max_length=MAX_ROWS)]


class LotsBody(Bulk):
    """Lots to be defined."""

    rows: Annotated[list[LotRow], Field(min_length=1, max_length=MAX_ROWS)]


class DefinedView(BaseModel):
    """How many were defined."""

    defined: int


class SiteName(BaseModel):
    """One site."""

    site: Text


class CodeParams(BaseModel):
    """One of a kind, by its code."""

    code: Text


class SiteCodeParams(BaseModel):
    """One of a site's, by its code."""

    site: Text
    code: Text


class LotParams(BaseModel):
    """One lot."""

    sku: Text
    code: Text


class ZoneParams(Paged):
    """Which zones."""

    site: Annotated[str | None, Field(description="Only the zones of this site")] = None


class PortalParams(Paged):
    """Which portals."""

    site: Annotated[str | None, Field(description="Only the portals of this site")] = None


class LotsParams(Paged):
    """Which lots."""

    sku: Annotated[str | None, Field(description="Only the lots of this SKU")] = None


def site_view(row: Record) -> SiteView:
    """A site as it is shown."""
    return SiteView(code=row["code"], name=row["name"], region=row["region"], time_zone=row["time_zone"])


def zone_view(row: Record) -> ZoneView:
    """A zone as it is shown."""
    return ZoneView(**row, virtual=row["kind"] in VIRTUAL_KINDS)


def portal_view(row: Record) -> PortalView:
    """A portal as it is shown."""
    return PortalView(**row)


def sku_view(row: Record) -> SkuView:
    """A SKU as it is shown."""
    return SkuView(**row)


def lot_view(row: Record) -> LotView:
    """A lot as it is shown."""
    return LotView(**row)


async def sites(database: Database, params: Paged) -> Page[SiteView]:
    """A page of sites by code."""
    (after,) = paging.decode("sites", params.cursor, (str,)) if params.cursor else ("",)
    views = [site_view(row) for row in await service.list_sites(database, after=after, limit=params.limit + 1)]
    return paging.page("sites", views, params.limit, [(view.code,) for view in views])


async def zones(database: Database, params: ZoneParams) -> Page[ZoneView]:
    """A page of zones by site and code."""
    after = _pair("zones", params)
    rows = await service.list_zones(database, site=params.site, after=after, limit=params.limit + 1)
    views = [zone_view(row) for row in rows]
    return paging.page("zones", views, params.limit, [(view.site, view.code) for view in views])


async def portals(database: Database, params: PortalParams) -> Page[PortalView]:
    """A page of portals by site and code."""
    after = _pair("portals", params)
    rows = await service.list_portals(database, site=params.site, after=after, limit=params.limit + 1)
    views = [portal_view(row) for row in rows]
    return paging.page("portals", views, params.limit, [(view.site, view.code) for view in views])


async def skus(database: Database, params: Paged) -> Page[SkuView]:
    """A page of SKUs by code."""
    (after,) = paging.decode("skus", params.cursor, (str,)) if params.cursor else ("",)
    views = [sku_view(row) for row in await service.list_skus(database, after=after, limit=params.limit + 1)]
    return paging.page("skus", views, params.limit, [(view.code,) for view in views])


async def lots(database: Database, params: LotsParams) -> Page[LotView]:
    """A page of lots by SKU and code."""
    after = _pair("lots", params)
    rows = await service.list_lots(database, sku=params.sku, after=after, limit=params.limit + 1)
    views = [lot_view(row) for row in rows]
    return paging.page("lots", views, params.limit, [(view.sku, view.code) for view in views])


def _pair(name: str, params: Paged) -> tuple[str, str]:
    if params.cursor is None:
        return "", ""
    first, second = paging.decode(name, params.cursor, (str, str))
    return first, second


One = Callable[[Database, dict[str, str]], Awaitable[BaseModel | None]]


async def site(database: Database, key: dict[str, str]) -> SiteView | None:
    """The site of a code."""
    rows = await service.list_sites(database, limit=1, code=key["code"])
    return site_view(rows[0]) if rows else None


async def zone(database: Database, key: dict[str, str]) -> ZoneView | None:
    """The zone of a site and code."""
    rows = await service.list_zones(database, site=key["site"], limit=1, code=key["code"])
    return zone_view(rows[0]) if rows else None


async def portal(database: Database, key: dict[str, str]) -> PortalView | None:
    """The portal of a site and code."""
    rows = await service.list_portals(database, site=key["site"], limit=1, code=key["code"])
    return portal_view(rows[0]) if rows else None


async def sku(database: Database, key: dict[str, str]) -> SkuView | None:
    """The SKU of a code."""
    rows = await service.list_skus(database, limit=1, code=key["code"])
    return sku_view(rows[0]) if rows else None


async def lot(database: Database, key: dict[str, str]) -> LotView | None:
    """The lot of a SKU and code."""
    rows = await service.list_lots(database, sku=key["sku"], limit=1, code=key["code"])
    return lot_view(rows[0]) if rows else None


async def require(database: Database, one: One, key: dict[str, str]) -> BaseModel:
    """What `one` finds. Raises ProblemError when it finds nothing."""
    found = await one(database, key)
    if found is None:
        raise ProblemError("not-found", f"there is no {one.__name__} {'/'.join(key.values())!r}")
    return found
