"""Stock, single things and movements over HTTP."""

from __future__ import annotations

from typing import Final

from backend.api.paging import Page
from backend.api.permissions import Permission
from backend.api.routing import Call, Routes
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

HOT_MAX_AGE_S: Final = 1
"""A screen that asks for stock all the time is as fresh as a replica some milliseconds behind makes it, and a thousand
such screens ask once a second. No more: a person who looks again expects what has happened."""

ROUTES: Final = Routes()
"""The routes of this capability."""


@ROUTES.get(
    "/api/v1/stock",
    Permission.STOCK_READ,
    "Units by site, zone, SKU, lot and condition, now or at a past instant",
    max_age_s=HOT_MAX_AGE_S,
)
async def get_stock(call: Call, params: StockParams) -> Page[StockView]:
    """A page of stock."""
    return await views.stock(call.database, params)


@ROUTES.get(
    "/api/v1/stock/card",
    Permission.STOCK_READ,
    "What changed a SKU's stock at a site, newest first, with the units after each change",
)
async def get_stock_card(call: Call, params: CardParams) -> Page[CardEntry]:
    """A page of a stock card."""
    return await views.card(call.database, params)


@ROUTES.get("/api/v1/items/{epc}", Permission.ITEMS_READ, "One thing by its EPC", "not-found")
async def get_item(call: Call, params: EpcParams) -> ItemView:
    """One thing."""
    return await views.item(call.database, params)


@ROUTES.get(
    "/api/v1/items/{epc}/history",
    Permission.ITEMS_READ,
    "What was seen of one thing and what it changed, newest first",
    "not-found",
)
async def get_item_history(call: Call, params: HistoryParams) -> Page[HistoryView]:
    """A page of one thing's past."""
    return await views.history(call.database, params)


@ROUTES.get(
    "/api/v1/movements",
    Permission.MOVEMENTS_READ,
    "What readers and portals decided, newest first",
    max_age_s=HOT_MAX_AGE_S,
)
async def list_movements(call: Call, params: MovementParams) -> Page[MovementView]:
    """A page of movements."""
    return await views.movements(call.database, params)
