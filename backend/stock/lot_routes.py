"""The status of lots over HTTP."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Final

from pydantic import BaseModel, Field

from backend.api import etag, paging
from backend.api.paging import Page, Paged
from backend.api.permissions import Permission
from backend.api.routing import Call, Routes
from backend.catalog import views
from backend.stock import lots
from backend.stock.lots import LotStatus


class LotStatusBody(BaseModel):
    """What a person says of a lot, and why."""

    status: LotStatus
    reason: Annotated[str, Field(min_length=1, max_length=500, pattern=r"^[^\x00]*$")]


class LotWordView(BaseModel):
    """What was said of a lot: its status before and after, why, by whom and when."""

    before: LotStatus
    status: LotStatus
    reason: str
    actor: str
    said_at: datetime


class LotWordParams(Paged):
    """Which lot."""

    sku: str
    code: str


ROUTES: Final = Routes()
"""The routes of this part."""


@ROUTES.post(
    "/api/v1/lots/{sku}/{code}/status",
    Permission.LOTS_CHANGE,
    "Hold, recall or release a lot, with a reason; what is promised of it already raises an alert",
    "not-found",
    "changed-meanwhile",
    answer=views.LotView,
)
async def set_lot_status(call: Call, params: views.LotParams, body: LotStatusBody) -> BaseModel:
    """Let a person's word on a lot count, if it is still what the caller read."""
    key = dict(params)
    async with call.database.transaction() as connection:
        await lots.lock_lot(connection, params.sku, params.code)
        etag.require_match(call.if_match, await views.require(call.database, views.lot, key))
        await lots.set_status(call.database, call.clock, params.sku, params.code, body.status, body.reason, call.actor)
    return await views.require(call.database, views.lot, key)


@ROUTES.get(
    "/api/v1/lots/{sku}/{code}/status",
    Permission.CATALOG_READ,
    "Who held, recalled or released a lot, when and why, newest first",
)
async def list_lot_words(call: Call, params: LotWordParams) -> Page[LotWordView]:
    """A page of what was said of a lot."""
    (below,) = paging.decode("lot_words", params.cursor, (int,)) if params.cursor else (None,)
    rows = await lots.words(call.database, params.sku, params.code, below, params.limit + 1)
    shown = [LotWordView(**{name: row[name] for name in LotWordView.model_fields}) for row in rows]
    return paging.page("lot_words", shown, params.limit, [(row["lot_word_id"],) for row in rows])
