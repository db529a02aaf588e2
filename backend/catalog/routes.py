"""Sites and zones over HTTP."""

from __future__ import annotations

from backend.api.paging import Page, Paged
from backend.api.permissions import Permission
from backend.api.routing import Call, Route
from backend.catalog import views
from backend.catalog.views import SiteView, ZoneParams, ZoneView
from backend.store.database import Database


def routes(database: Database) -> list[Route]:
    """The routes of this capability, reading from `database`."""

    async def list_sites(call: Call) -> Page[SiteView]:
        return await views.sites(database, call.params)

    async def list_zones(call: Call) -> Page[ZoneView]:
        return await views.zones(database, call.params)

    return [
        Route(
            method="GET",
            path="/api/v1/sites",
            operation="list_sites",
            summary="Sites by code",
            permission=Permission.CATALOG_READ,
            answer=Page[SiteView],
            params=Paged,
            handler=list_sites,
        ),
        Route(
            method="GET",
            path="/api/v1/zones",
            operation="list_zones",
            summary="Zones by site and code",
            permission=Permission.CATALOG_READ,
            answer=Page[ZoneView],
            params=ZoneParams,
            handler=list_zones,
        ),
    ]
