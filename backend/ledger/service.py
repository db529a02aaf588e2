"""Write postings and move the balances they touch."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from backend.catalog.model import Places
from backend.ledger.model import Balance, Transfer, deltas
from backend.store import arrays
from backend.store.database import Connection, Queries

SQL = Queries.beside(__file__)

POSTING_COLUMNS = (
    "recorded_at",
    "observed_at",
    "from_balance_id",
    "to_balance_id",
    "quantity",
    "item_id",
    "reason",
    "document",
    "actor",
    "role",
    "gateway",
    "epoch",
    "seq",
    "reverses_id",
)


async def post(
    connection: Connection, places: Places, transfers: Sequence[Transfer], recorded_at: datetime
) -> list[Balance]:
    """Write transfers as postings in the caller's transaction: two statements, whatever their number.

    Answers every balance that they touched. Balances are locked in the order of their slots.
    """
    if not transfers:
        return []
    changes = deltas(transfers)
    zones = places.zone_by_id
    zone_ids, sku_ids, lot_ids, conditions = zip(*changes, strict=True)
    row = await connection.fetchrow(
        SQL["change_balances"],
        arrays.numbers([zones[zone_id].site_id for zone_id in zone_ids]),
        arrays.numbers(zone_ids),
        arrays.numbers(sku_ids),
        arrays.numbers(lot_ids),
        arrays.texts(conditions),
        arrays.numbers(changes.values()),
        recorded_at,
    )
    assert row is not None
    balances = [
        Balance(balance_id, slot, net, delta)
        for balance_id, (slot, delta), net in zip(row["balance_ids"], changes.items(), row["nets"], strict=True)
    ]
    ids = dict(zip(changes, row["balance_ids"], strict=True))
    await connection.copy_records_to_table(
        "posting",
        columns=POSTING_COLUMNS,
        records=[
            (
                recorded_at,
                observed_at,
                ids[taken],
                ids[given],
                quantity,
                item_id,
                cause.reason,
                cause.document,
                cause.actor,
                cause.role,
                cause.gateway,
                cause.epoch,
                cause.seq,
                reverses_id,
            )
            for observed_at, taken, given, quantity, item_id, cause, reverses_id in transfers
        ],
    )
    return balances
