"""Stock, single things and movements over HTTP."""

from __future__ import annotations

from functools import partial
from typing import Final

from backend.api.paging import Page
from backend.api.permissions import Permission
from backend.api.routing import Call, Route
from backend.stock import views
from backend.stock.views import (
    CardEntry,
    CardParams,
    EpcParams,
    HistoryParams,
    HistoryView,
    ItemView,
    MovementParams,
    MovementView,
    StockParams,
    StockView,
)
from backend.store.database import Database

HOT_MAX_AGE_S: Final = 1
"""A screen that asks for stock all the time is as fresh as a replica some milliseconds behind makes it, and a thousand
such screens ask once a second. No more: a person who looks again expects what has happened."""


def routes(database: Database) -> list[Route]:
    """The routes of this capability, reading from `database`."""

    async def get_stock(call: Call) -> Page[StockView]:
        return await views.stock(database, call.params)

    async def get_card(call: Call) -> Page[CardEntry]:
        return await views.card(database, call.params)

    async def get_item(call: Call) -> ItemView:
        return await views.item(database, call.params)

    async def get_item_history(call: Call) -> Page[HistoryView]:
        return await views.history(database, call.params)

    async def list_movements(call: Call) -> Page[MovementView]:
        return await views.movements(database, call.params)

    get = partial(Route, method="GET")
    return [
        get(
            path="/api/v1/stock",
            operation="get_stock",
            summary="Units by site, zone, SKU, lot and condition, now or at a past instant",
            max_age_s=HOT_MAX_AGE_S,
            permission=Permission.STOCK_READ,
            answer=Page[StockView],
            params=StockParams,
            handler=get_stock,
        ),
        get(
            path="/api/v1/stock/card",
            operation="get_stock_card",
            summary="What changed a SKU's stock at a site, newest first, with the units after each change",
            permission=Permission.STOCK_READ,
            answer=Page[CardEntry],
            params=CardParams,
            handler=get_card,
        ),
        get(
            path="/api/v1/items/{epc}",
            operation="get_item",
            summary="One thing by its EPC",
            permission=Permission.ITEMS_READ,
            answer=ItemView,
            params=EpcParams,
            handler=get_item,
            problems=("not-found",),
        ),
        get(
            path="/api/v1/items/{epc}/history",
            operation="get_item_history",
            summary="What was seen of one thing and what it changed, newest first",
            permission=Permission.ITEMS_READ,
            answer=Page[HistoryView],
            params=HistoryParams,
            handler=get_item_history,
            problems=("not-found",),
        ),
        get(
            path="/api/v1/movements",
            operation="list_movements",
            summary="What readers and portals decided, newest first",
            max_age_s=HOT_MAX_AGE_S,
            permission=Permission.MOVEMENTS_READ,
            answer=Page[MovementView],
            params=MovementParams,
            handler=list_movements,
        ),
    ]
