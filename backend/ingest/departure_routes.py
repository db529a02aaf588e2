"""Settling departures over HTTP."""

from __future__ import annotations

from backend.api.permissions import Permission
from backend.api.routing import Call, Route
from backend.documents.views import SettleBody, SettledView
from backend.ingest.departures import Settlement, settle
from wire.clock import Clock


def routes(clock: Clock) -> list[Route]:
    """The route by which a person explains what left."""

    async def settle_departures(call: Call) -> SettledView:
        assert call.database is not None
        word = Settlement(**call.body.model_dump())
        settled = await settle(call.database, clock, word, call.principal.actor, call.principal.role)
        return SettledView(settled=settled)

    return [
        Route(
            method="POST",
            path="/api/v1/departures/settle",
            operation="settle_departures",
            summary="Say what things were that left without a document",
            permission=Permission.DOCUMENTS_CHANGE,
            answer=SettledView,
            body=SettleBody,
            problems=("not-found", "refused"),
            handler=settle_departures,
        )
    ]
