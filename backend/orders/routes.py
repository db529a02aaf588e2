"""Orders over HTTP."""

from __future__ import annotations

import asyncio
from typing import Final

from backend.api.idempotency import Answer
from backend.api.paging import Page
from backend.api.permissions import Permission
from backend.api.problems import ProblemError
from backend.api.routing import Call, Routes
from backend.orders import picks, service
from backend.orders.granter import Granter
from backend.orders.picks import PickList
from backend.orders.reserving import Keyed, NewOrder, OrderLine, Request
from backend.orders.views import (
    BulkBody,
    BulkOutcome,
    BulkView,
    ChangeBody,
    GrantedView,
    OrderBody,
    OrderCode,
    OrderHead,
    OrderParams,
    OrderView,
)


def routes(granter: Granter) -> Routes:
    """The routes of this capability."""
    routes = Routes()

    @routes.post(
        "/api/v1/orders",
        Permission.ORDERS_RESERVE,
        "Reserve stock for an order, for a limited time or for good",
        "not-available",
        "code-taken",
        "refused",
        grouped=True,
    )
    async def reserve_order(call: Call, body: OrderBody) -> GrantedView | Answer:
        return await granter.reserve(Request(_order(body), call.actor, Keyed(call.key, call.digest)))

    @routes.post(
        "/api/v1/order-batches",
        Permission.ORDERS_RESERVE,
        "Reserve stock for many orders, each with its own outcome",
        grouped=True,
    )
    async def reserve_orders(call: Call, body: BulkBody) -> BulkView:
        requests = [
            Request(_order(one), call.actor, Keyed(f"{call.key}/{place}", call.digest))
            for place, one in enumerate(body.orders)
        ]
        return BulkView(outcomes=await asyncio.gather(*(_outcome(granter, one) for one in requests)))

    return Routes([*routes, *ROUTES])


ROUTES: Final = Routes()
"""Those that no granter is needed for."""


@ROUTES.post(
    "/api/v1/orders/{code}/events",
    Permission.ORDERS_CHANGE,
    "Confirm, pack or cancel an order",
    "not-found",
    "wrong-state",
    "changed-meanwhile",
)
async def change_order(call: Call, params: OrderCode, body: ChangeBody) -> OrderView:
    """Let something happen to an order, if it is still what the caller read."""
    return await service.change(call.database, call.clock, params.code, body.event, call.if_match)


@ROUTES.get("/api/v1/orders", Permission.ORDERS_READ, "Orders, newest first")
async def list_orders(call: Call, params: OrderParams) -> Page[OrderHead]:
    """Orders, newest first."""
    return await service.list_orders(call.database, params)


@ROUTES.get(
    "/api/v1/orders/{code}",
    Permission.ORDERS_READ,
    "One order: what it was promised and what became of it",
    "not-found",
    primary=True,
)
async def get_order(call: Call, params: OrderCode) -> OrderView:
    """One order."""
    async with call.database.snapshot() as connection:
        return await service.read_order(connection, params.code)


@ROUTES.get(
    "/api/v1/orders/{code}/picks",
    Permission.ORDERS_READ,
    "Where to pick what an order was promised: pick faces first, things by EPC",
    "not-found",
    "wrong-state",
    primary=True,
)
async def list_picks(call: Call, params: OrderCode) -> PickList:
    """Where to pick an order."""
    async with call.database.snapshot() as connection:
        return await picks.pick_list(connection, params.code)


async def _outcome(granter: Granter, request: Request) -> BulkOutcome:
    """One order's outcome; what stands in its way is told, not raised."""
    code = request.order.code
    try:
        granted = await granter.reserve(request)
    except ProblemError as error:
        return BulkOutcome(order=code, problem=error.document())
    view = GrantedView.model_validate_json(granted.body) if isinstance(granted, Answer) else granted
    return BulkOutcome(order=code, granted=view)


def _order(body: OrderBody) -> NewOrder:
    return NewOrder(
        body.code,
        body.channel,
        tuple(OrderLine(line.sku, line.quantity, line.least_days) for line in body.lines),
        body.region,
        None if body.sites is None else tuple(body.sites),
        body.backorder,
        body.most_sites,
        body.hold_s,
    )
