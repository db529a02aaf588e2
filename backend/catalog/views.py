"""What the API shows of the catalog."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, Field

from backend.api import paging
from backend.api.paging import Page, Paged
from backend.catalog import service
from backend.catalog.model import VIRTUAL_KINDS
from backend.store.database import Database


class SiteView(BaseModel):
    """A warehouse."""

    code: str
    name: str
    region: str
    time_zone: str


class ZoneView(BaseModel):
    """An area of a site. A virtual one stands for what is outside the house, so each posting has two ends."""

    site: str
    code: str
    name: str
    kind: str
    virtual: bool
    parent: str | None


class ZoneParams(Paged):
    """Which zones."""

    site: Annotated[str | None, Field(description="Only the zones of this site")] = None


async def sites(database: Database, params: Paged) -> Page[SiteView]:
    """A page of sites by code."""
    (after,) = paging.decode("sites", params.cursor, (str,)) if params.cursor else ("",)
    rows = await service.list_sites(database, after=after, limit=params.limit + 1)
    views = [
        SiteView(code=row["code"], name=row["name"], region=row["region"], time_zone=row["time_zone"]) for row in rows
    ]
    return paging.page("sites", views, params.limit, [(view.code,) for view in views])


async def zones(database: Database, params: ZoneParams) -> Page[ZoneView]:
    """A page of zones by site and code."""
    site, code = paging.decode("zones", params.cursor, (str, str)) if params.cursor else ("", "")
    rows = await service.list_zones(database, site=params.site, after=(site, code), limit=params.limit + 1)
    views = [ZoneView(**row, virtual=row["kind"] in VIRTUAL_KINDS) for row in rows]
    return paging.page("zones", views, params.limit, [(view.site, view.code) for view in views])
