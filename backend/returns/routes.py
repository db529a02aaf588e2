"""Inspections over HTTP."""

from __future__ import annotations

from typing import Final

from backend.api.paging import Page
from backend.api.permissions import Permission
from backend.api.routing import Call, Routes
from backend.catalog.views import SiteName
from backend.returns import service, views
from backend.returns.service import Inspection
from backend.returns.views import (
    InspectionBatch,
    InspectionBody,
    InspectionMade,
    InspectionParams,
    InspectionsMade,
    InspectionView,
    TimeLimit,
)

ROUTES: Final = Routes()
"""The routes of this capability."""


@ROUTES.post(
    "/api/v1/inspections",
    Permission.STOCK_INSPECT,
    "Decide what becomes of goods that came back or broke",
    "not-found",
    "refused",
)
async def inspect(call: Call, body: InspectionBody) -> InspectionMade:
    """A decision."""
    number = await service.inspect(call.database, call.clock, Inspection(**dict(body)), *call.who)
    return InspectionMade(inspection_id=number)


@ROUTES.post(
    "/api/v1/inspection-batches",
    Permission.STOCK_INSPECT,
    "Decide what becomes of many goods: all decisions count, or none and an error for each wrong row",
    "refused-rows",
)
async def inspect_many(call: Call, body: InspectionBatch) -> InspectionsMade:
    """Many decisions."""
    words = [Inspection(**dict(one)) for one in body.inspections]
    return InspectionsMade(inspection_ids=await service.inspect_many(call.database, call.clock, words, *call.who))


@ROUTES.get(
    "/api/v1/inspections",
    Permission.STOCK_READ,
    "What was decided about goods that came back or broke, newest first",
)
async def list_inspections(call: Call, params: InspectionParams) -> Page[InspectionView]:
    """A page of decisions."""
    return await views.inspections(call.database, params)


@ROUTES.get(
    "/api/v1/sites/{site}/inspection-limit",
    Permission.STOCK_READ,
    "How many hours a site may leave returned goods",
    "not-found",
    primary=True,
)
async def get_time_limit(call: Call, params: SiteName) -> TimeLimit:
    """A site's time limit."""
    return await views.time_limit(call.database, params.site)


@ROUTES.post(
    "/api/v1/sites/{site}/inspection-limit",
    Permission.CATALOG_WRITE,
    "Say how many hours a site may leave returned goods",
    "not-found",
)
async def put_time_limit(call: Call, params: SiteName, body: TimeLimit) -> TimeLimit:
    """A new time limit."""
    await service.put_time_limit(call.database, params.site, body.within_h)
    return body
