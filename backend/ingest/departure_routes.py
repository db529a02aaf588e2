"""Settling departures, and writing off what transfers lost, over HTTP."""

from __future__ import annotations

from typing import Final

from backend.api.permissions import Permission
from backend.api.routing import Call, Routes
from backend.documents.views import DocumentCode, SettleBody, SettledView, WriteOffBody, WriteOffView
from backend.ingest.departures import Settlement, settle
from backend.ingest.losses import write_off

ROUTES: Final = Routes()
"""The routes by which a person explains what left."""


@ROUTES.post(
    "/api/v1/departures/settle",
    Permission.DOCUMENTS_CHANGE,
    "Say what things were that left without a document",
    "not-found",
    "refused",
)
async def settle_departures(call: Call, body: SettleBody) -> SettledView:
    """What left is explained."""
    return SettledView(settled=await settle(call.database, call.clock, Settlement(**dict(body)), *call.who))


@ROUTES.post(
    "/api/v1/documents/{code}/write-off",
    Permission.DOCUMENTS_CHANGE,
    "Give up what a closed transfer lost: it is written off, with a reason",
    "not-found",
    "wrong-state",
)
async def write_off_lost(call: Call, params: DocumentCode, body: WriteOffBody) -> WriteOffView:
    """What a transfer lost is written off."""
    lost = await write_off(call.database, call.clock, params.code, body.reason, *call.who)
    return WriteOffView(**lost._asdict())
