"""Reversals over HTTP."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, Field

from backend.api.permissions import Permission
from backend.api.routing import Call, Route
from backend.ingest.reversal import reverse_posting, reverse_scan
from wire.clock import Clock


class ReversalBody(BaseModel):
    """Why it is taken back."""

    reason: Annotated[str, Field(min_length=1, max_length=400, pattern=r"^[^\x00]*$")]


class ReversedView(BaseModel):
    """How many postings took it back; none when that was done before."""

    postings: int


class ScanParams(BaseModel):
    """One scan, by the device that made it and the id it gave it."""

    device: str
    scan_id: str


class PostingParams(BaseModel):
    """One posting."""

    posting_id: Annotated[int, Field(ge=1, le=(1 << 63) - 1)]


def routes(clock: Clock) -> list[Route]:
    """The routes by which a person takes back what was wrong."""

    async def scan(call: Call) -> ReversedView:
        assert call.database is not None
        who, params = call.principal, call.params
        made = await reverse_scan(
            call.database, clock, params.device, params.scan_id, call.body.reason, who.actor, who.role
        )
        return ReversedView(postings=made)

    async def posting(call: Call) -> ReversedView:
        assert call.database is not None
        who = call.principal
        made = await reverse_posting(
            call.database, clock, call.params.posting_id, call.body.reason, who.actor, who.role
        )
        return ReversedView(postings=made)

    return [
        Route(
            method="POST",
            path="/api/v1/scans/{device}/{scan_id}/reverse",
            operation="reverse_scan",
            summary="Take a scan back, with a reason",
            permission=Permission.STOCK_REVERSE,
            answer=ReversedView,
            params=ScanParams,
            body=ReversalBody,
            problems=("not-found", "refused"),
            handler=scan,
        ),
        Route(
            method="POST",
            path="/api/v1/postings/{posting_id}/reverse",
            operation="reverse_posting",
            summary="Take a posting back, and all that the event behind it changed, with a reason",
            permission=Permission.STOCK_REVERSE,
            answer=ReversedView,
            params=PostingParams,
            body=ReversalBody,
            problems=("not-found", "refused"),
            handler=posting,
        ),
    ]
