"""Apply what documents say: things announced or standing somewhere become items, bindings and postings.

A thing that nobody knew begins its history with the document: announced, it comes from the site's supplier; standing
somewhere, from the site's unknown. What readers saw before gets a binding, an observation of the document's own, later
than everything seen so far, and is folded with it; so late reads are still put before the document's word.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final, NamedTuple

from backend.catalog.model import Places
from backend.catalog.service import read_places
from backend.documents.surplus import tell_surplus
from backend.effects import rules
from backend.effects.identity import Named
from backend.effects.observation import Key
from backend.effects.timeline import State
from backend.ingest.aggregating import JoinWord, write_joins
from backend.ingest.batch import item_transfers, note_owed
from backend.ingest.documents import Announced, Standing, Tagged
from backend.ingest.items import SQL as ITEMS_SQL
from backend.ingest.items import Item, NewItem, lock, make
from backend.ingest.pallet_names import with_contents
from backend.ingest.pallets import count_carried
from backend.ledger.model import SELLABLE, Cause, Slot, Transfer
from backend.stock.promises import post
from backend.store import arrays
from backend.store.database import Connection, Queries

SQL: Final = Queries(Path(__file__).with_name("receiving.sql"))

ROLE: Final = "import"
RECEIPT: Final = "receipt"
OPENING: Final = "opening"
SWEEP: Final = "sweep"
"""Reasons of the postings that documents make."""

_TICK: Final = timedelta(microseconds=1)


class Word(NamedTuple):
    """What a document says of one thing. `place_id` and `condition` are None where it is only announced; `origin_id`
    is where its units come from, or with `keeps_origin` from where they come if nothing has said so yet."""

    thing: Tagged
    document: str
    pallet: Named | None
    origin_id: int
    keeps_origin: bool
    place_id: int | None = None
    condition: str | None = None


@dataclass(slots=True)
class Receiving:
    """One import's transaction. `came`: the documents of which something came."""

    connection: Connection
    places: Places
    actor: str
    now: datetime
    came: set[int] = field(default_factory=set)

    @classmethod
    async def begin(cls, connection: Connection, actor: str, now: datetime) -> Receiving:
        """With the places as the transaction sees them."""
        return cls(connection, await read_places(connection), actor, now)

    async def announce(self, announced: Sequence[Announced]) -> dict[int, Item]:
        """Things that receipts announce, by their places, and the pallets they come on. Their documents are to be
        written, and what came of them told, by the caller (expecting.py)."""
        words = [
            Word(one.thing, one.document, one.pallet, self._virtual(one.site_id, "supplier"), keeps_origin=False)
            for one in announced
        ]
        return await self._take(words, [], RECEIPT)

    async def open(self, standing: Sequence[Standing], document: str) -> None:
        """Stock that stands in zones. Raises ImportRefusedError for units that another file has told of already."""
        words = [
            Word(
                one.thing,
                document,
                None,
                self._virtual(one.site_id, "unknown"),
                keeps_origin=True,
                place_id=one.zone_id,
                condition=one.condition,
            )
            for one in standing
            if one.thing is not None
        ]
        heaps = [one for one in standing if one.thing is None]
        await self._refuse_opened_twice(heaps)
        cause = Cause(OPENING, self.actor, ROLE, document)
        transfers = []
        for heap in heaps:
            sku_id, lot_id, quantity = heap.goods
            taken = Slot(self._virtual(heap.site_id, "unknown"), sku_id, lot_id, SELLABLE)
            given = Slot(heap.zone_id, sku_id, lot_id, heap.condition)
            transfers.append(Transfer(self.now, taken, given, quantity, None, cause))
        await self._take(words, transfers, OPENING)
        await tell_surplus(self.connection, self.came, self.now)

    async def sweep(self, things: Sequence[Tagged], site_id: int, zone_id: int, document: str) -> None:
        """Things that were read in a zone by somebody who walked it: they are there, in whatever condition."""
        unknown = self._virtual(site_id, "unknown")
        words = [Word(thing, document, None, unknown, keeps_origin=True, place_id=zone_id) for thing in things]
        await self._take(words, [], SWEEP)
        await tell_surplus(self.connection, self.came, self.now)

    def _virtual(self, site_id: int, kind: str) -> int:
        return self.places.site_by_id[site_id].virtual(kind).zone_id

    async def _take(self, words: Sequence[Word], transfers: list[Transfer], reason: str) -> dict[int, Item]:
        items, joined = await self._items(words)
        said = await self._bind(words, items) | joined
        causes = {key: Cause(reason, self.actor, ROLE, word.document) for key, word in said.items()}
        moved, carried = await item_transfers(self.connection, self.places, items.values(), causes, self.now)
        transfers += moved
        self.came |= await count_carried(self.connection, carried)
        balances = await post(self.connection, self.places, transfers, self.now)
        await note_owed(self.connection, self.places, balances, self.now)
        await self.connection.execute(ITEMS_SQL["tell"], self.now, "", None)
        return items

    async def _items(self, words: Sequence[Word]) -> tuple[dict[int, Item], dict[Key, Word]]:
        """The items of the words, by the words' places in their order, made where they are missing, all locked; and the
        words that put them on pallets, by their keys."""
        pallets = {word.pallet.identity: word for word in words if word.pallet is not None}
        await make(
            self.connection,
            [
                *(NewItem(None, identity, "sscc", None, word.origin_id) for identity, word in pallets.items()),
                *(_new(word) for word in words),
            ],
        )
        by_epc, by_identity = await self._find(words, pallets)
        numbers = [_number(word.thing, by_epc, by_identity) for word in words]
        parents = {identity: by_identity[identity] for identity in pallets}
        everything = await with_contents(self.connection, [*numbers, *parents.values()])
        locked = await lock(self.connection, self.places, everything)
        await self.connection.execute(ITEMS_SQL["name_documents"], numbers, [word.document for word in words])
        loaded = [(word, number) for word, number in zip(words, numbers, strict=True) if word.pallet is not None]
        joins = await write_joins(
            self.connection,
            [
                JoinWord(locked[number], locked[parents[word.pallet.identity]], self.now, self.actor, word.document)
                for word, number in loaded
                if word.pallet is not None
            ],
            self.now,
        )
        joined = {join.key: word for join, (word, _) in zip(joins, loaded, strict=True)}
        return {place: locked[number] for place, number in enumerate(numbers)}, joined

    async def _find(
        self, words: Sequence[Word], pallets: Iterable[str]
    ) -> tuple[Mapping[bytes, int], Mapping[str, int]]:
        epcs = await self.connection.fetch(ITEMS_SQL["find_items"], arrays.octets([word.thing.epc for word in words]))
        names = {word.thing.identity for word in words if word.thing.identity is not None}
        identities = await self.connection.fetch(ITEMS_SQL["find_identities"], [*names, *pallets])
        return (
            {row["epc"]: row["item_id"] for row in epcs},
            {row["identity"]: row["item_id"] for row in identities},
        )

    async def _bind(self, words: Sequence[Word], items: Mapping[int, Item]) -> dict[Key, Word]:
        """Give each item what the document says that its state does not say already; the words by their keys."""
        said = [(word, items[place]) for place, word in enumerate(words) if not _agrees(word, items[place].state)]
        if not said:
            return {}
        latest = max((item.state.key[0] for _, item in said if item.state.key is not None), default=self.now)
        bound_at = max(self.now, latest + _TICK)
        rows = await self.connection.fetch(
            ITEMS_SQL["add_binding"],
            bound_at,
            self.actor,
            [item.item_id for _, item in said],
            [word.thing.goods and word.thing.goods.sku_id for word, _ in said],
            [word.thing.goods and word.thing.goods.lot_id for word, _ in said],
            [word.thing.goods and word.thing.goods.quantity for word, _ in said],
            [_origin(word, item.state) for word, item in said],
            [word.place_id for word, _ in said],
            [word.condition for word, _ in said],
            [word.document for word, _ in said],
        )
        numbers = {row["item_id"]: row["binding_id"] for row in rows}
        bindings: dict[Key, Word] = {}
        for word, item in said:
            key = (bound_at, "", "", numbers[item.item_id])
            origin_id = _origin(word, item.state)
            item.fresh.append(rules.bound(key, word.thing.goods, origin_id, word.place_id, word.condition))
            bindings[key] = word
            if origin_id is not None and item.state.place_id is None:
                item.unplaced_in = origin_id
        return bindings

    async def _refuse_opened_twice(self, heaps: Sequence[Standing]) -> None:
        """Opening stock says what there was before anything was posted: a second word on it would count twice."""
        if not heaps:
            return
        rows = await self.connection.fetch(
            SQL["opened"],
            OPENING,
            [heap.zone_id for heap in heaps],
            [heap.goods.sku_id for heap in heaps],
            [heap.goods.lot_id for heap in heaps],
            [heap.condition for heap in heaps],
        )
        for row in rows:
            heaps[row["place"] - 1].row.refuse(
                "quantity", f"this stock was opened before, by {row['document']}; count it to correct it"
            )
        heaps[0].row.faults.settle()


def _new(word: Word) -> NewItem:
    thing = word.thing
    return NewItem(thing.epc, thing.identity, thing.kind, thing.goods, word.origin_id, word.origin_id, word.document)


def _number(thing: Tagged, by_epc: Mapping[bytes, int], by_identity: Mapping[str, int]) -> int:
    """The item that a tag names: by its EPC, or by its identity where another tag said the same before."""
    if thing.epc in by_epc:
        return by_epc[thing.epc]
    assert thing.identity is not None
    return by_identity[thing.identity]


def _agrees(word: Word, state: State) -> bool:
    """Whether an item's state says already what the document says."""
    return (
        state.goods == word.thing.goods
        and (word.place_id is None or state.place_id == word.place_id)
        and (word.condition is None or state.condition == word.condition)
        and _origin(word, state) in (None, state.origin_id)
    )


def _origin(word: Word, state: State) -> int | None:
    """Where the item's units come from by the document; None: it does not say."""
    return None if word.keeps_origin and state.origin_id is not None else word.origin_id
