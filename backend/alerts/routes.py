"""Alerts over HTTP."""

from __future__ import annotations

from typing import Final

from backend.alerts import views
from backend.alerts.views import AlertParams, AlertView
from backend.api.paging import Page
from backend.api.permissions import Permission
from backend.api.routing import Call, Routes

ROUTES: Final = Routes()
"""The routes of this capability."""


@ROUTES.get("/api/v1/alerts", Permission.ALERTS_READ, "Alerts, newest first", primary=True)
async def list_alerts(call: Call, params: AlertParams) -> Page[AlertView]:
    """A page of alerts."""
    return await views.alerts(call.database, params)
