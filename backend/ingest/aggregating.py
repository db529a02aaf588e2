"""Put things on a pallet and take them off: by scan, by a document, or by a person over the API.

Each word is a row of `aggregation`; the histories of the things are told anew with it (pallets.py). Nothing ever comes
to be on itself, whatever the number of steps between: else it could not be said where it is.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple

from backend.effects.containment import Join
from backend.ingest.items import Item
from backend.ingest.pallet_names import SQL, with_contents
from backend.store.database import Connection


class JoinWord(NamedTuple):
    """From `at` on `item` is on `parent`; None: on nothing. A scan says so under its own gateway, epoch and number."""

    item: Item
    parent: Item | None
    at: datetime
    actor: str
    document: str = ""
    gateway: str = ""
    epoch: str = ""
    seq: int | None = None


async def refusal(connection: Connection, item: Item, parent: Item) -> str | None:
    """Why a thing, locked as its parent is, cannot be put on the parent; None when it can."""
    if not parent.is_pallet:
        return f"{parent.identity or 'it'} is no pallet or case with an SSCC: things stand on those alone"
    if item.item_id == parent.item_id:
        return "a pallet cannot stand on itself"
    if item.is_pallet:
        await connection.execute(SQL["hold_nesting"])
        if parent.item_id in await with_contents(connection, [item.item_id]):
            return f"{parent.identity} stood on {item.identity} itself: a pallet cannot come to stand on its own load"
    return None


async def write_joins(connection: Connection, words: Sequence[JoinWord], now: datetime) -> list[Join]:
    """Write words on locked things that nothing refuses, and give each to its item to be told; the joins in order."""
    if not words:
        return []
    rows = await connection.fetch(
        SQL["add_joins"],
        now,
        [word.item.item_id for word in words],
        [None if word.parent is None else word.parent.item_id for word in words],
        [word.at for word in words],
        [word.gateway for word in words],
        [word.epoch for word in words],
        [word.seq for word in words],
        [word.document for word in words],
        [word.actor for word in words],
    )
    joins = []
    for word, row in zip(words, sorted(rows, key=lambda row: row["aggregation_id"]), strict=True):
        key = (row["observed_at"], row["gateway"], row["epoch"], row["seq"])
        joins.append(Join(key, None if word.parent is None else word.parent.item_id))
        word.item.joins.append(joins[-1])
        word.item.contained = True
    return joins
