"""The status of lots over HTTP."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from pydantic import BaseModel, Field

from backend.api import etag, paging
from backend.api.paging import Page, Paged
from backend.api.permissions import Permission
from backend.api.routing import Call, Route
from backend.catalog import views
from backend.stock import lots
from backend.stock.lots import LotStatus
from backend.store.database import Database
from wire.clock import Clock


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


def routes(replica: Database, clock: Clock) -> list[Route]:
    """The routes of this part."""

    async def set_status(call: Call) -> BaseModel:
        assert call.database is not None
        key = {"sku": call.params.sku, "code": call.params.code}
        before = await views.require(call.database, views.lot, key)
        etag.require_match(call.if_match, before)
        body: LotStatusBody = call.body
        actor = call.principal.actor
        await lots.set_status(call.database, clock, key["sku"], key["code"], body.status, body.reason, actor)
        return await views.require(call.database, views.lot, key)

    async def list_words(call: Call) -> Page[LotWordView]:
        params: LotWordParams = call.params
        (below,) = paging.decode("lot_words", params.cursor, (int,)) if params.cursor else (None,)
        rows = await lots.words(replica, params.sku, params.code, below, params.limit + 1)
        shown = [LotWordView(**{name: row[name] for name in LotWordView.model_fields}) for row in rows]
        return paging.page("lot_words", shown, params.limit, [(row["lot_word_id"],) for row in rows])

    return [
        Route(
            method="POST",
            path="/api/v1/lots/{sku}/{code}/status",
            operation="set_lot_status",
            summary="Hold, recall or release a lot, with a reason; what is promised of it already raises an alert",
            permission=Permission.LOTS_CHANGE,
            answer=views.LotView,
            params=views.LotParams,
            body=LotStatusBody,
            problems=("not-found", "changed-meanwhile"),
            handler=set_status,
        ),
        Route(
            method="GET",
            path="/api/v1/lots/{sku}/{code}/status",
            operation="list_lot_words",
            summary="Who held, recalled or released a lot, when and why, newest first",
            permission=Permission.CATALOG_READ,
            answer=Page[LotWordView],
            params=LotWordParams,
            handler=list_words,
        ),
    ]
