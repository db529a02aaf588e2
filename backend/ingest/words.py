"""A person's word on stock: where a thing is and in what state, or so many units from here to there.

A word on a thing is an observation like any other: it stands in the thing's history at its own instant, so whatever is
seen of the thing later still counts, and an event that comes late is put before it. A word on units without serial
numbers is a posting.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple

from backend.catalog.model import Places
from backend.documents.model import Left
from backend.documents.service import fulfilments
from backend.effects import rules
from backend.effects.observation import Key
from backend.ingest.batch import item_transfers, note_owed
from backend.ingest.items import SQL, lock
from backend.ingest.pallet_names import with_contents
from backend.ingest.pallets import Carried, count_carried
from backend.ledger.model import Balance, Cause, Slot, Transfer
from backend.stock.model import Fulfilment
from backend.stock.promises import post
from backend.store.database import Connection


class ThingWord(NamedTuple):
    """What is said of a thing at an instant; a part left None says nothing. `cause`: its own, if it has one."""

    item_id: int
    at: datetime
    place_id: int | None = None
    condition: str | None = None
    cause: Cause | None = None


class UnitsWord(NamedTuple):
    """Units without serial numbers that go from one balance to another at an instant. `cause`: its own, if any."""

    at: datetime
    taken: Slot
    given: Slot
    quantity: int
    cause: Cause | None = None


class Said(NamedTuple):
    """What words did: what pallets took along, every balance that was touched, and the documents of which something
    came."""

    carried: list[Carried]
    balances: list[Balance]
    came: set[int]


class Served(NamedTuple):
    """A document under which the things named had left its site before."""

    document_id: int
    site_id: int


async def say(
    connection: Connection,
    places: Places,
    words: Sequence[ThingWord | UnitsWord],
    cause: Cause,
    now: datetime,
    served: Served | None = None,
) -> Said:
    """Let words count, in the caller's transaction; the things named, and those on pallets named, keep the promises of
    what they `served`. `cause`: of the words that have none of their own. The caller tells of what came beyond the
    expected (tell_surplus), when all else is done."""
    things = [word for word in words if isinstance(word, ThingWord)]
    items = await lock(connection, places, await with_contents(connection, (word.item_id for word in things)))
    causes: dict[Key, Cause] = {}
    for word, key in zip(things, await _write(connection, things, cause), strict=True):
        items[word.item_id].fresh.append(rules.bound(key, None, None, word.place_id, word.condition))
        causes[key] = word.cause or cause
    transfers, carried = await item_transfers(connection, places, items.values(), causes, now)
    came = await count_carried(connection, carried)
    transfers += (
        Transfer(word.at, word.taken, word.given, word.quantity, None, word.cause or cause)
        for word in words
        if isinstance(word, UnitsWord)
    )
    kept: list[Fulfilment] = []
    if served is not None:
        goods = [items[word.item_id].state.goods for word in things] + [one.goods for one in carried]
        left = [Left(*served, *one) for one in goods if one is not None]
        kept = [one._replace(left_before=True) for one in await fulfilments(connection, left)]
    balances = await post(connection, places, transfers, now, kept)
    await note_owed(connection, places, balances, now)
    return Said(carried, balances, came)


async def _write(connection: Connection, things: Sequence[ThingWord], cause: Cause) -> list[Key]:
    """Write the words on things; their keys, in the same order."""
    if not things:
        return []
    rows = await connection.fetch(
        SQL["add_words"],
        cause.actor,
        [one.document or one.reason for one in (word.cause or cause for word in things)],
        [word.item_id for word in things],
        [word.at for word in things],
        [word.place_id for word in things],
        [word.condition for word in things],
    )
    numbers = {(row["item_id"], row["bound_at"]): row["binding_id"] for row in rows}
    return [(word.at, "", "", numbers[word.item_id, word.at]) for word in things]
