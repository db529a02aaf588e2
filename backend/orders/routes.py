"""Orders over HTTP."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from functools import partial
from typing import Any

from backend.api.idempotency import Answer
from backend.api.paging import Page
from backend.api.permissions import Permission
from backend.api.problems import ProblemError
from backend.api.routing import Call, Route
from backend.orders import service
from backend.orders.granter import Granter
from backend.orders.picks import PickList, pick_list
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
from backend.store.database import Database
from wire.clock import Clock


@dataclass(frozen=True, slots=True)
class _Desk:
    """Answers for the routes below."""

    database: Database
    replica: Database
    granter: Granter
    clock: Clock

    async def reserve(self, call: Call) -> GrantedView | Answer:
        """A new order."""
        request = Request(_order(call.body), call.principal.actor, Keyed(call.key, call.digest))
        return await self.granter.reserve(request)

    async def reserve_many(self, call: Call) -> BulkView:
        """Many new orders."""
        body: BulkBody = call.body
        requests = [
            Request(_order(one), call.principal.actor, Keyed(f"{call.key}/{place}", call.digest))
            for place, one in enumerate(body.orders)
        ]
        return BulkView(outcomes=await asyncio.gather(*(_outcome(self.granter, one) for one in requests)))

    async def change(self, call: Call) -> OrderView:
        """Let something happen to an order, if it is still what the caller read."""
        assert call.database is not None
        return await service.change(call.database, self.clock, call.params.code, call.body.event, call.if_match)

    async def get(self, call: Call) -> OrderView:
        """One order."""
        async with self.database.snapshot() as connection:
            return await service.read_order(connection, call.params.code)

    async def list_picks(self, call: Call) -> PickList:
        """Where to pick an order."""
        async with self.database.snapshot() as connection:
            return await pick_list(connection, call.params.code)

    async def list_orders(self, call: Call) -> Page[OrderHead]:
        """Orders, newest first."""
        return await service.list_orders(self.replica, call.params)


def routes(database: Database, replica: Database, granter: Granter, clock: Clock) -> list[Route]:
    """The routes of this capability."""
    desk = _Desk(database, replica, granter, clock)
    return [*_changes(desk), *_reads(desk)]


def _changes(desk: _Desk) -> list[Route]:
    reserve = partial(Route, method="POST", permission=Permission.ORDERS_RESERVE, grouped=True)
    return [
        reserve(
            path="/api/v1/orders",
            operation="reserve_order",
            summary="Reserve stock for an order, for a limited time or for good",
            answer=GrantedView,
            body=OrderBody,
            problems=("not-available", "code-taken", "refused"),
            handler=desk.reserve,
        ),
        reserve(
            path="/api/v1/order-batches",
            operation="reserve_orders",
            summary="Reserve stock for many orders, each with its own outcome",
            answer=BulkView,
            body=BulkBody,
            handler=desk.reserve_many,
        ),
        Route(
            method="POST",
            path="/api/v1/orders/{code}/events",
            operation="change_order",
            summary="Confirm, pack or cancel an order",
            permission=Permission.ORDERS_CHANGE,
            answer=OrderView,
            params=OrderCode,
            body=ChangeBody,
            problems=("not-found", "wrong-state", "changed-meanwhile"),
            handler=desk.change,
        ),
    ]


def _reads(desk: _Desk) -> list[Route]:
    get = partial(Route, method="GET", permission=Permission.ORDERS_READ)
    return [
        get(
            path="/api/v1/orders",
            operation="list_orders",
            summary="Orders, newest first",
            answer=Page[OrderHead],
            params=OrderParams,
            handler=desk.list_orders,
        ),
        get(
            path="/api/v1/orders/{code}",
            operation="get_order",
            summary="One order: what it was promised and what became of it",
            answer=OrderView,
            params=OrderCode,
            problems=("not-found",),
            handler=desk.get,
        ),
        get(
            path="/api/v1/orders/{code}/picks",
            operation="list_picks",
            summary="Where to pick what an order was promised: pick faces first, things by EPC",
            answer=PickList,
            params=OrderCode,
            problems=("not-found", "wrong-state"),
            handler=desk.list_picks,
        ),
    ]


async def _outcome(granter: Granter, request: Request) -> BulkOutcome:
    """One order's outcome; what stands in its way is told, not raised."""
    code = request.order.code
    try:
        granted = await granter.reserve(request)
    except ProblemError as error:
        return BulkOutcome(order=code, problem=error.document())
    view = GrantedView.model_validate_json(granted.body) if isinstance(granted, Answer) else granted
    return BulkOutcome(order=code, granted=view)


def _order(body: Any) -> NewOrder:
    assert isinstance(body, OrderBody)
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
