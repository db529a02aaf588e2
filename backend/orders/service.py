"""What happens to an order after it was reserved: confirmed, cancelled, expired, filled up as stock comes.

Whoever changes an order locks it first and its availabilities after it (backend/store/database.py has the order of all
locks), so a confirmation and an expiry of the same reservation come one after the other, and the second one finds what
the first one made of it.
"""

from __future__ import annotations

import logging
from collections import Counter, defaultdict
from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any, Final

from backend.api import etag, paging
from backend.api.paging import Page
from backend.api.problems import ProblemError
from backend.orders.model import ENDED, Event, Status, Wish, after
from backend.orders.reserving import SQL, lock_stand
from backend.orders.sourcing import Asked
from backend.orders.terms import read_terms
from backend.orders.views import OrderHead, OrderLineView, OrderParams, OrderView, PromiseView
from backend.stock.promises import Wanted, hold, release, settle_short
from backend.store.database import Connection, Database, Record
from wire.clock import Clock

logger = logging.getLogger(__name__)

EXPIRE_ROWS: Final = 200
"""Reservations ended in one transaction: it holds their locks for some milliseconds."""

FILL_ROWS: Final = 200
"""Lines served in one transaction, likewise."""

LOOK_EVERY_S: Final = 1.0
"""Real seconds between two looks for reservations whose time is over and for lines that stock came for."""


async def change(database: Database, clock: Clock, code: str, event: Event, if_match: str | None = None) -> OrderView:
    """Let an event happen to an order, if it is still what the caller's tag was made of.

    Raises ProblemError: `not-found`, `changed-meanwhile`, or `wrong-state` when it may not happen.
    """
    async with database.transaction() as connection:
        row = await connection.fetchrow(SQL["lock_order"], code)
        if row is None:
            raise ProblemError("not-found", f"no order {code!r}")
        if if_match is not None:
            etag.require_match(if_match, await read_order(connection, code))
        now = clock.now()
        if row["status"] == "reserved" and event == "confirm" and row["expires_at"] <= now:
            raise ProblemError("wrong-state", f"the reservation {code!r} ended at {row['expires_at'].isoformat()}")
        status = after(row["status"], event)
        if status is None:
            raise ProblemError("wrong-state", f"order {code!r} is {row['status']}: it cannot {event} any more")
        await _enter(connection, clock, [row], status)
        return await read_order(connection, code)


async def _enter(connection: Connection, clock: Clock, orders: Sequence[Record], status: Status) -> None:
    """Give locked orders a status; one that ends gives back what it holds and waits for nothing."""
    if not orders:
        return
    ids = [order["order_id"] for order in orders]
    now = clock.now()
    if status in ENDED:
        rows = await connection.fetch(SQL["order_allocations"], ids)
        await release(connection, [(row["allocation_id"], row["held"]) for row in rows if row["held"]], now)
        await settle_short(connection, [row["allocation_id"] for row in rows], now)
        await connection.execute(SQL["end_waiting"], ids)
    await connection.execute(SQL["set_statuses"], ids, status, now)
    await connection.execute(SQL["tell_orders"], [order["code"] for order in orders], [status] * len(orders), now)


async def ship(connection: Connection, clock: Clock, order_id: int) -> None:
    """An order whose shipment is closed is shipped: what it still holds or waits for is given back."""
    orders = await connection.fetch(SQL["lock_orders"], [order_id])
    await _enter(connection, clock, [one for one in orders if after(one["status"], "ship") is not None], "shipped")


async def note_picked(connection: Connection, picked: Sequence[tuple[int, int, int]], now: datetime) -> None:
    """Count units picked for orders: (order, SKU, units) each. A confirmed order is being picked from then on."""
    orders = await connection.fetch(SQL["lock_orders"], sorted({order_id for order_id, *_ in picked}))
    await connection.execute(SQL["note_picked"], *(list(column) for column in zip(*picked, strict=True)))
    begun = [one for one in orders if one["status"] == "confirmed"]
    if begun:
        await connection.execute(SQL["set_statuses"], [one["order_id"] for one in begun], "picking", now)
        await connection.execute(SQL["tell_orders"], [one["code"] for one in begun], ["picking"] * len(begun), now)


async def expire_due(database: Database, clock: Clock) -> int:
    """End reservations whose time is over; answers how many."""
    ended = 0
    while True:
        async with database.transaction() as connection:
            rows = await connection.fetch(SQL["due_reservations"], clock.now(), EXPIRE_ROWS)
            if rows:
                await _enter(connection, clock, rows, "expired")
        ended += len(rows)
        if len(rows) < EXPIRE_ROWS:
            return ended


async def fill(database: Database, clock: Clock) -> int:
    """Promise to lines that wait or fell short what has become free, the best channel and the oldest order first, and
    look at each of them once; answers how many units."""
    units = 0
    behind: list[Any] = [None, None, None]
    while True:
        async with database.transaction() as connection:
            lines = await connection.fetch(SQL["unserved_lines"], FILL_ROWS, *behind)
            if lines:
                units += await _fill_lines(connection, clock, lines)
        if len(lines) < FILL_ROWS:
            return units
        behind = [lines[-1][name] for name in ("priority", "placed_at", "line_id")]


async def _fill_lines(connection: Connection, clock: Clock, lines: Sequence[Record]) -> int:
    """Serve lines of locked orders. What they lack is read under the locks: another process may have served them
    between the snapshot that found them and the lock."""
    now = clock.now()
    terms = await read_terms(connection)
    stand, _ = await lock_stand(connection, terms, (line["sku_id"] for line in lines), now)
    rows = await connection.fetch(SQL["lacking_lines"], [line["line_id"] for line in lines])
    lacking = {row["line_id"]: row for row in rows}
    used: dict[int, set[int]] = {}
    wanted: list[Wanted] = []
    served: Counter[int] = Counter()
    for line in lines:
        lacks = lacking[line["line_id"]]
        sites = used.setdefault(line["order_id"], set(lacks["sites"]))
        wish = Wish(1, line["sku_id"], lacks["units"], line["least_days"])
        asked = Asked(line["channel_id"], line["region"], (wish,), *_reach(line, sites))
        for grant in stand.source(asked).grants:
            wanted.append((grant.availability_id, grant.quantity, "order", line["line_id"]))
            served[line["line_id"]] += grant.quantity
            sites.add(grant.site_id)
    if wanted:
        await hold(connection, wanted, now)
        await _settle_served(connection, lines, served, clock)
    return served.total()


def _reach(line: Record, used: Collection[int]) -> tuple[tuple[int, ...] | None, bool, int]:
    """Which sites may serve a line (None: any), with a back-order, and how many of them: with those that serve its
    order already they are no more than it allows."""
    more = line["most_sites"] - len(used)
    if more > 0:
        return tuple(line["site_ids"]) if line["site_ids"] else None, True, more
    return tuple(used), True, len(used)


async def _settle_served(connection: Connection, lines: Sequence[Record], served: Counter[int], clock: Clock) -> None:
    """What fell short is replaced first, then what waited is served."""
    shorts: defaultdict[int, list[Record]] = defaultdict(list)
    for row in await connection.fetch(SQL["short_allocations"], list(served)):
        shorts[row["line_id"]].append(row)
    replaced: list[tuple[int, int]] = []
    waited: list[tuple[int, int]] = []
    for line in lines:
        units = served[line["line_id"]]
        for row in shorts[line["line_id"]]:
            taken = min(units, row["short"])
            if taken:
                replaced.append((row["allocation_id"], taken))
                units -= taken
        if units:
            waited.append((line["line_id"], units))
    if replaced:
        rows = await connection.fetch(SQL["replace_short"], *(list(column) for column in zip(*replaced, strict=True)))
        await settle_short(connection, [row["allocation_id"] for row in rows if not row["short"]], clock.now())
    if waited:
        await connection.execute(SQL["serve_waiting"], *(list(column) for column in zip(*waited, strict=True)))
    orders = {line["code"]: line["status"] for line in lines if served[line["line_id"]]}
    await connection.execute(SQL["tell_orders"], list(orders), list(orders.values()), clock.now())


async def look(database: Database, clock: Clock) -> None:
    """End reservations that nobody confirmed in time, and fill back-orders."""
    await expire_due(database, clock)
    await fill(database, clock)


async def read_order(connection: Connection, code: str) -> OrderView:
    """One order with its lines and promises. Raises ProblemError when there is none."""
    head = await connection.fetchrow(SQL["order_head"], code)
    if head is None:
        raise ProblemError("not-found", f"no order {code!r}")
    lines = await connection.fetch(SQL["order_lines"], head["order_id"])
    promises: defaultdict[int, list[PromiseView]] = defaultdict(list)
    for row in await connection.fetch(SQL["order_promises"], [line["line_id"] for line in lines]):
        promises[row["line_id"]].append(PromiseView(**_without(row, "line_id", "allocation_id")))
    views = [
        OrderLineView(line=line["line_no"], promises=promises[line["line_id"]], **_without(line, "line_id", "line_no"))
        for line in lines
    ]
    return OrderView(**_without(head, "order_id"), lines=views)


async def list_orders(database: Database, params: OrderParams) -> Page[OrderHead]:
    """A page of orders, newest first."""
    (below,) = paging.decode("orders", params.cursor, (int,)) if params.cursor else (None,)
    rows = await database.pool.fetch(SQL["list_orders"], below, params.status, params.channel, params.limit + 1)
    views = [OrderHead(**_without(row, "order_id")) for row in rows]
    return paging.page("orders", views, params.limit, [(row["order_id"],) for row in rows])


def _without(row: Record, *names: str) -> dict[str, object]:
    return {name: value for name, value in row.items() if name not in names}
