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
    """Write transfers as postings in the caller's transaction: two statements, whatever their number, and a third where
    balances have to be made.

    Answers every balance that they touched. Balances are locked in the order of their slots, those that exist before
    those that are made.
    """
    if not transfers:
        return []
    changes = deltas(transfers)
    balances = await _change(connection, places, "change_balances", list(changes.items()), recorded_at)
    if len(balances) < len(changes):
        there = {balance.slot for balance in balances}
        missing = [(slot, delta) for slot, delta in changes.items() if slot not in there]
        balances += await _change(connection, places, "make_balances", missing, recorded_at)
    await _add_postings(connection, transfers, {one.slot: one.balance_id for one in balances}, recorded_at)
    return balances


async def _change(
    connection: Connection, places: Places, name: str, changes: Sequence[tuple[Slot, int]], recorded_at: datetime
) -> list[Balance]:
    """Run a statement that adds deltas to balances; answers those it found or made."""
    zones = places.zone_by_id
    slots, added = zip(*changes, strict=True)
    zone_ids, sku_ids, lot_ids, conditions = zip(*slots, strict=True)
    row = await connection.fetchrow(
        SQL[name],
        arrays.numbers([zones[zone_id].site_id for zone_id in zone_ids]),
        arrays.numbers(zone_ids),
        arrays.numbers(sku_ids),
        arrays.numbers(lot_ids),
        arrays.texts(conditions),
        arrays.numbers(added),
        recorded_at,
    )
    assert row is not None
    answered = zip(row["places"] or (), row["balance_ids"] or (), row["nets"] or (), strict=True)
    return [Balance(number, slots[place - 1], net, added[place - 1]) for place, number, net in answered]


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
