"""Alerts over HTTP."""

from __future__ import annotations

from backend.alerts import views
from backend.alerts.views import AlertParams, AlertView
from backend.api.paging import Page
from backend.api.permissions import Permission
from backend.api.routing import Call, Route
from backend.store.database import Database


def routes(database: Database) -> list[Route]:
    """The routes of this capability, reading from `database`."""

    async def list_alerts(call: Call) -> Page[AlertView]:
        return await views.alerts(database, call.params)

    return [
        Route(
            method="GET",
            path="/api/v1/alerts",
            operation="list_alerts",
            summary="Alerts, newest first",
            permission=Permission.ALERTS_READ,
            answer=Page[AlertView],
            params=AlertParams,
            handler=list_alerts,
        )
    ]
