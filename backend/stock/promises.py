"""Post to the ledger and keep the promises true: the one way in which stock changes.

Balances follow the postings zone by zone; availability follows them site by site, in the same transaction. When goods
that were promised leave for those who were promised them (a fulfilment), the promise ends with them. When they leave
otherwise, the physical world wins: the posting stands, and the promises made last fall short, at once and loudly.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Sequence
from datetime import datetime
from pathlib import Path
from typing import Final, NamedTuple

from backend.alerts.service import Alert, clear_alerts, raise_alerts
from backend.alerts.wording import Detail
from backend.catalog.model import VIRTUAL_KINDS, Places
from backend.ledger import service as ledger
from backend.ledger.model import Balance, Transfer
from backend.ledger.verify import CHECK_TIMEOUT_S, MAX_FINDINGS, Finding
from backend.stock.model import Fulfilment, Held, HolderKind, Shelf, Shortage, shelf_deltas, shorten
from backend.store.database import Connection, Queries, Record

SQL: Final = Queries(Path(__file__).with_name("promises.sql"))


class Ahead(NamedTuple):
    """Availabilities that a transaction changes after its postings: by their keys, and by allocations of them."""

    shelves: Collection[Shelf] = ()
    allocation_ids: Sequence[int] = ()


NOTHING_AHEAD: Final = Ahead()

Wanted = tuple[int, int, HolderKind, int]
"""Units to be promised: availability, units, kind and line of the holder."""


async def post(
    connection: Connection,
    places: Places,
    transfers: Sequence[Transfer],
    recorded_at: datetime,
    fulfilments: Sequence[Fulfilment] = (),
    swapped: Ahead = NOTHING_AHEAD,
) -> list[Balance]:
    """Write transfers as postings in the caller's transaction and bring balances and availability after them.

    Answers every balance that was touched. `fulfilments` are the allocations that these transfers serve. Locks
    balances, then availabilities, each in their order; with them those that the caller changes next (`swapped`).
    """
    balances = await ledger.post(connection, places, transfers, recorded_at)
    deltas = Counter(shelf_deltas(places, ((balance.slot, balance.delta) for balance in balances)))
    ended: Counter[Shelf] = Counter()
    found: list[int] = []
    if fulfilments or swapped.allocation_ids:
        ids = [*swapped.allocation_ids, *(one.allocation_id for one in fulfilments)]
        await _lock_all(connection, {*deltas, *swapped.shelves}, ids)
    if fulfilments:
        ended, found = await _fulfil(connection, fulfilments)
    if deltas or ended:
        lacking = await _change(connection, sorted({*deltas, *ended}), deltas, ended, recorded_at)
        await _cut(connection, lacking, recorded_at)
    await settle_short(connection, found, recorded_at)
    return balances


async def _lock_all(connection: Connection, shelves: Collection[Shelf], allocation_ids: Sequence[int]) -> None:
    """Lock at once, in their order, what is locked in several steps below: two orders one after the other are none."""
    keys = [[shelf[place] for shelf in shelves] for place in range(len(Shelf._fields))]
    await connection.fetch(SQL["lock_all"], *keys, allocation_ids)


async def _fulfil(connection: Connection, fulfilments: Sequence[Fulfilment]) -> tuple[Counter[Shelf], list[int]]:
    """End promises with the goods that leave for them; how many units of each shelf were held for these, and the
    allocations of which all was found that had fallen short."""
    ids = [one.allocation_id for one in fulfilments]
    shelves = {row["availability_id"]: _shelf(row) for row in await connection.fetch(SQL["lock_shelves"], ids)}
    ended: Counter[Shelf] = Counter()
    rows = await connection.fetch(
        SQL["fulfil"], ids, [one.quantity for one in fulfilments], [one.left_before for one in fulfilments]
    )
    for row in rows:
        ended[shelves[row["availability_id"]]] += row["of_held"]
    return ended, [row["allocation_id"] for row in rows if row["is_found"]]


async def _change(
    connection: Connection, shelves: list[Shelf], deltas: Counter[Shelf], ended: Counter[Shelf], now: datetime
) -> dict[int, int]:
    """Move availabilities, made where missing; the units that are lacking to the promises of each."""
    lacking: dict[int, int] = {}
    wanted = shelves
    for _ in range(2):
        columns = [list(column) for column in zip(*wanted, strict=True)]
        rows = await connection.fetch(
            SQL["change_availability"], *columns, [deltas[one] for one in wanted], [ended[one] for one in wanted], now
        )
        lacking.update((row["availability_id"], row["lacking"]) for row in rows if row["lacking"])
        wanted = sorted(set(wanted) - {_shelf(row) for row in rows})
        if not wanted:
            break
        await connection.execute(SQL["make_availability"], *(list(column) for column in zip(*wanted, strict=True)))
    return lacking


async def _cut(connection: Connection, lacking: dict[int, int], now: datetime) -> None:
    """Let promises fall short where the goods are gone."""
    losses: list[Shortage] = []
    for availability_id, units in lacking.items():
        holders = [Held(row["allocation_id"], row["held"]) for row in await holders_of(connection, availability_id)]
        losses += shorten(units, holders)
    if not losses:
        return
    rows = await connection.fetch(
        SQL["cut_short"], [one.allocation_id for one in losses], [one.quantity for one in losses], now
    )
    await raise_alerts(
        connection,
        [
            Alert(
                "short",
                str(row["allocation_id"]),
                row["site_id"],
                Detail(
                    order=row["order"], document=row["document"], sku=row["sku"], lot=row["lot"], units=row["short"]
                ),
            )
            for row in rows
        ],
        now,
    )


async def holders_of(connection: Connection, availability_id: int) -> list[Record]:
    """Allocations that hold units of an availability, oldest first: `allocation_id, held`."""
    return await connection.fetch(SQL["holders"], availability_id)


async def hold(connection: Connection, wanted: Sequence[Wanted], now: datetime) -> list[Record]:
    """Promise units. The caller has locked the availabilities
    in lock order in this transaction and seen that the units are free. Answers the allocations, in the order asked for.

    Raises asyncpg.CheckViolationError (never_oversold) when they are not free after all.
    """
    if not wanted:
        return []
    columns = [list(column) for column in zip(*wanted, strict=True)]
    return await connection.fetch(SQL["hold"], *columns, now)


async def release(connection: Connection, given: Sequence[tuple[int, int]], now: datetime) -> None:
    """Give promised units back: (allocation, units) each, never more than it holds. Locks the availabilities."""
    if not given:
        return
    ids = [allocation_id for allocation_id, _ in given]
    await connection.fetch(SQL["lock_shelves"], ids)
    await connection.execute(SQL["release"], ids, [units for _, units in given], now)


async def settle_short(connection: Connection, allocation_ids: Sequence[int], now: datetime) -> None:
    """What fell short of allocations is no worry any more: they were served after all, or nobody wants them."""
    await clear_alerts(connection, [("short", str(allocation_id)) for allocation_id in allocation_ids], now)


async def promise_findings(connection: Connection) -> list[Finding]:
    """Availabilities that do not follow from balances and allocations, as the connection's snapshot sees them."""
    rows = await connection.fetch(
        SQL["availability_differences"], MAX_FINDINGS, list(VIRTUAL_KINDS), timeout=CHECK_TIMEOUT_S
    )
    return [
        Finding(
            "availability",
            row["name"],
            f"{row['on_hand']} on hand, its balances add up to {row['net']};"
            f" {row['reserved']} reserved, its allocations hold {row['held']}",
        )
        for row in rows
    ]


def _shelf(row: Record) -> Shelf:
    return Shelf(row["site_id"], row["sku_id"], row["lot_id"], row["condition"])
