"""Settling departures over HTTP."""

from __future__ import annotations

from typing import Final

from backend.api.permissions import Permission
from backend.api.routing import Call, Routes
from backend.documents.views import SettleBody, SettledView
from backend.ingest.departures import Settlement, settle

ROUTES: Final = Routes()
"""The route by which a person explains what left."""


@ROUTES.post(
    "/api/v1/departures/settle",
    Permission.DOCUMENTS_CHANGE,
    "Say what things were that left without a document",
    "not-found",
    "refused",
)
async def settle_departures(call: Call, body: SettleBody) -> SettledView:
    """What left is explained."""
    who = call.principal
    return SettledView(settled=await settle(call.database, call.clock, Settlement(**dict(body)), who.actor, who.role))
