"""Inspections over HTTP."""

from __future__ import annotations

from backend.api.paging import Page
from backend.api.permissions import Permission
from backend.api.routing import Call, Route
from backend.returns import service, views
from backend.returns.service import Inspection
from backend.returns.views import InspectionBody, InspectionMade, InspectionParams, InspectionView
from backend.store.database import Database
from wire.clock import Clock


def routes(replica: Database, clock: Clock) -> list[Route]:
    """The routes of this capability."""

    async def inspect(call: Call) -> InspectionMade:
        assert call.database is not None
        word = Inspection(**call.body.model_dump())
        number = await service.inspect(call.database, clock, word, call.principal.actor, call.principal.role)
        return InspectionMade(inspection_id=number)

    async def list_inspections(call: Call) -> Page[InspectionView]:
        return await views.inspections(replica, call.params)

    return [
        Route(
            method="POST",
            path="/api/v1/inspections",
            operation="inspect",
            summary="Decide what becomes of goods that came back or broke",
            permission=Permission.STOCK_INSPECT,
            answer=InspectionMade,
            body=InspectionBody,
            problems=("not-found", "refused"),
            handler=inspect,
        ),
        Route(
            method="GET",
            path="/api/v1/inspections",
            operation="list_inspections",
            summary="What was decided about goods that came back or broke, newest first",
            permission=Permission.STOCK_READ,
            answer=Page[InspectionView],
            params=InspectionParams,
            handler=list_inspections,
        ),
    ]
