"""Write postings and move the balances they touch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime

from backend.catalog.model import Places
from backend.ledger.model import Balance, Slot, Transfer, deltas
from backend.store import arrays
from backend.store.database import Connection, Queries

SQL = Queries.beside(__file__)


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
    # what was written in an order is answered in it; a balance taken for another would be the worst of faults
    assert row["zone_ids"] == list(zone_ids)
    assert row["lot_ids"] == list(lot_ids)
    numbers = row["balance_ids"]
    await _add_postings(connection, transfers, dict(zip(changes, numbers, strict=True)), recorded_at)
    return list(map(Balance._make, zip(numbers, changes, row["nets"], changes.values(), strict=True)))


async def _add_postings(
    connection: Connection, transfers: Sequence[Transfer], balance_ids: Mapping[Slot, int], recorded_at: datetime
) -> None:
    instants, taken, given, quantities, items, causes, reverses = zip(*transfers, strict=True)
    reasons, actors, roles, documents, gateways, epochs, seqs = zip(*causes, strict=True)
    await connection.execute(
        SQL["add_postings"],
        recorded_at,
        arrays.instants(instants),
        arrays.numbers([balance_ids[slot] for slot in taken]),
        arrays.numbers([balance_ids[slot] for slot in given]),
        arrays.numbers(quantities),
        arrays.sparse(items, arrays.numbers),
        arrays.texts(reasons),
        arrays.sparse(documents, arrays.texts),
        arrays.texts(actors),
        arrays.texts(roles),
        arrays.sparse(gateways, arrays.texts),
        arrays.sparse(epochs, arrays.texts),
        arrays.sparse(seqs, arrays.numbers),
        arrays.sparse(reverses, arrays.numbers),
    )
