"""Gateways and the quarantine over HTTP."""

from __future__ import annotations

from backend.api.paging import Page, Paged
from backend.api.permissions import Permission
from backend.api.routing import Call, Route
from backend.ingest import views
from backend.ingest.views import GatewayView, QuarantineParams, QuarantineView
from backend.store.database import Database


def routes(database: Database) -> list[Route]:
    """The routes of this capability, reading from `database`."""

    async def list_gateways(call: Call) -> Page[GatewayView]:
        return await views.gateways(database, call.params)

    async def get_quarantine(call: Call) -> QuarantineView:
        return await views.quarantine(database, call.params)

    return [
        Route(
            method="GET",
            path="/api/v1/gateways",
            operation="list_gateways",
            summary="Gateways, their state, and what they name that the catalog lacks",
            permission=Permission.GATEWAYS_READ,
            answer=Page[GatewayView],
            params=Paged,
            handler=list_gateways,
        ),
        Route(
            method="GET",
            path="/api/v1/quarantine",
            operation="get_quarantine",
            summary="Events that were set aside, and their causes",
            permission=Permission.QUARANTINE_READ,
            answer=QuarantineView,
            params=QuarantineParams,
            handler=get_quarantine,
        ),
    ]
