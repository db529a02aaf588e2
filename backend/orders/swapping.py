"""Count picks on the promises of their orders, and swap the promise where another lot was picked.

    begin    the orders are locked, their promises and the site's shelves are read
    serve    each pick finds its promise, or is refused (substitution.py); the ledger is posted
    settle   the shelves are locked and looked at once more; promises are given back and made

The shelves are locked after the balances, as everywhere, so what was read at the beginning may be promised to somebody
else by then: the transaction is made anew (PromiseMovedError), and reads what is true now.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Sequence
from datetime import date, datetime
from pathlib import Path
from typing import Final

from backend.catalog.service import day_at
from backend.orders.reserving import SQL as ORDERS
from backend.orders.substitution import Picking, Promised, Shelf
from backend.stock.promises import Wanted, hold, release
from backend.store.database import Connection, Queries

SQL: Final = Queries(Path(__file__).with_name("swapping.sql"))


class PromiseMovedError(Exception):
    """What a swap needs was promised to somebody else, or left, between the look and the lock: the same again, event by
    event, finds out."""


async def begin(connection: Connection, site_id: int, order_ids: Collection[int], now: datetime) -> Picking:
    """What orders may be picked at a site. Locks the orders."""
    if not order_ids:
        return Picking(date.min)
    picking = Picking(await day_at(connection, site_id, now))
    ids = sorted(order_ids)
    await connection.fetch(ORDERS["lock_orders"], ids)
    picking.promised = [Promised(**row) for row in await connection.fetch(SQL["promised"], ids, site_id)]
    skus = sorted({one.sku_id for one in picking.promised})
    for row in await connection.fetch(SQL["shelves"], site_id, skus):
        picking.shelves[row["sku_id"], row["lot_id"]] = Shelf(**row)
    return picking


async def settle(connection: Connection, site_id: int, picking: Picking, now: datetime) -> None:
    """Write what was picked and swapped, after the postings. Raises PromiseMovedError."""
    picked = Counter(picking.picked)
    if picking.swaps:
        picked += await _swap(connection, site_id, picking, now)
    if picked:
        await connection.execute(SQL["count_picked"], list(picked), list(picked.values()))


async def unpick(
    connection: Connection, order: str, units: Sequence[tuple[int, int, int]], item_id: int | None = None
) -> None:
    """Let what a scan picked for an order, now taken back, be picked again: SKU, lot and units each, or a thing. The
    promises stay with the lots that they are of."""
    goods = list(units)
    if item_id is not None:
        row = await connection.fetchrow(SQL["goods_of_thing"], item_id)
        goods += [] if row is None else [(row["sku_id"], row["lot_id"], row["quantity"])]
    for sku_id, lot_id, quantity in goods:
        await connection.execute(SQL["unpick"], order, sku_id, lot_id, quantity)


async def _swap(connection: Connection, site_id: int, picking: Picking, now: datetime) -> Counter[int]:
    """Give back and promise; units by the allocations that are new."""
    given: Counter[int] = Counter()
    taken: Counter[tuple[int, tuple[int, int]]] = Counter()
    for swap in picking.swaps:
        given[swap.allocation_id] += swap.units
        taken[swap.line_id, swap.goods] += swap.units
    skus, lots = zip(*sorted({goods for _, goods in taken}), strict=True)
    rows = await connection.fetch(SQL["lock_swap"], site_id, list(skus), list(lots), list(given))
    shelves = {(row["sku_id"], row["lot_id"]): row for row in rows}
    held = {row["allocation_id"]: row["held"] for row in await connection.fetch(SQL["held"], list(given))}
    wanted: Counter[tuple[int, int]] = Counter()
    for (_, goods), units in taken.items():
        wanted[goods] += units
    short = any(goods not in shelves or shelves[goods]["free"] < units for goods, units in wanted.items())
    if short or any(held.get(allocation_id, 0) < units for allocation_id, units in given.items()):
        raise PromiseMovedError("a promise that a pick swaps was changed meanwhile")
    await release(connection, list(given.items()), now)
    made: list[Wanted] = [
        (shelves[goods]["availability_id"], units, "order", line_id) for (line_id, goods), units in taken.items()
    ]
    return Counter({row["allocation_id"]: row["held"] for row in await hold(connection, made, now)})
