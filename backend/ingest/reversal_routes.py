"""Reversals over HTTP."""

from __future__ import annotations

from typing import Annotated, Final

from pydantic import BaseModel, Field

from backend.api.permissions import Permission
from backend.api.routing import Call, Routes
from backend.ingest import reversal


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


ROUTES: Final = Routes()
"""The routes by which a person takes back what was wrong."""


@ROUTES.post(
    "/api/v1/scans/{device}/{scan_id}/reverse",
    Permission.STOCK_REVERSE,
    "Take a scan back, with a reason",
    "not-found",
    "refused",
)
async def reverse_scan(call: Call, params: ScanParams, body: ReversalBody) -> ReversedView:
    """A scan is taken back."""
    made = await reversal.reverse_scan(call.database, call.clock, params.device, params.scan_id, body.reason, *call.who)
    return ReversedView(postings=made)


@ROUTES.post(
    "/api/v1/postings/{posting_id}/reverse",
    Permission.STOCK_REVERSE,
    "Take a posting back, and all that the event behind it changed, with a reason",
    "not-found",
    "refused",
)
async def reverse_posting(call: Call, params: PostingParams, body: ReversalBody) -> ReversedView:
    """A posting is taken back."""
    made = await reversal.reverse_posting(call.database, call.clock, params.posting_id, body.reason, *call.who)
    return ReversedView(postings=made)
