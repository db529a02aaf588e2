"""Pallets in the database: which things go together, what they say of each other, and what follows from it.

A batch that names a pallet, or a thing that ever was on one, tells their histories together (effects/containment.py)
and posts the difference to what was told before. Everything else is folded as ever (items.py) and pays
nothing for this.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, NamedTuple

from backend.alerts.service import Alert, AlertName, clear_alerts, raise_alerts
from backend.alerts.wording import Detail
from backend.catalog.model import Places
from backend.documents.service import note_arrived
from backend.effects.containment import Join, Source, Told, tell
from backend.effects.observation import Goods, Key, Observation
from backend.effects.timeline import Change, is_late, retell
from backend.ingest.items import Item, fold, lock, read_histories, save
from backend.ingest.pallet_names import SQL, with_contents
from backend.store.database import Connection


class Carried(NamedTuple):
    """A thing that an observation of its pallet took along. `pallet_id`: what was observed; `goods`: what it is now."""

    item_id: int
    pallet_id: int
    key: Key
    goods: Goods | None


@dataclass(slots=True)
class Folded:
    """What came of the observations of a transaction: the postings they make, and what pallets took along."""

    changes: list[tuple[Item, Change]] = field(default_factory=list)
    carried: list[Carried] = field(default_factory=list)


async def fold_together(connection: Connection, places: Places, items: Iterable[Item], now: datetime) -> Folded:
    """Take each item's fresh observations and joins into its state and into those of what stands on it; save all."""
    alone: list[Item] = []
    bound: list[Item] = []
    for item in items:
        (bound if _is_bound(item) else alone).append(item)
    folded = Folded()
    if bound:
        # What stands on a pallet whose first news comes together with its own is told with it, and only with it.
        below = await with_contents(connection, [item.item_id for item in bound])
        bound += (item for item in alone if item.item_id in below)
        alone = [item for item in alone if item.item_id not in below]
        telling = await Telling.begin(connection, places, bound, below)
        if telling.is_needed:
            folded = await telling.settle(now)
        else:
            alone += bound
    folded.changes += await fold(connection, places, alone)
    return folded


def _is_bound(item: Item) -> bool:
    """Whether what is new of an item may say more than of itself, or may rest on more than its own observations: it is
    a pallet, it is put on one or taken off, its pallet is somewhere, or the news is older than what it rests on."""
    if item.joins or not item.fresh:
        return bool(item.joins)
    if item.is_pallet or not item.contained:
        return item.is_pallet
    return item.rides or is_late(item.state, [min(item.fresh, key=lambda seen: seen.key)])


@dataclass(slots=True)
class Telling:
    """Histories as they were before this transaction, of all things that go together with those given, and these things
    locked. `withdrawn`: the key of an event that is taken back. `told`: the histories as they are since they were
    settled."""

    connection: Connection
    places: Places
    items: dict[int, Item]
    before: dict[int, Source]
    fresh: dict[int, list[Observation]]
    joins: dict[int, list[Join]]
    withdrawn: Key | None = None
    told: dict[int, Told] = field(default_factory=dict)

    @classmethod
    async def begin(
        cls, connection: Connection, places: Places, given: Collection[Item], below: AbstractSet[int]
    ) -> Telling:
        """Lock and read whatever the given items carry, and read what carries them. `below`: these and all that was
        ever on them."""
        items = {item.item_id: item for item in given}
        if carried := below - items.keys():
            items |= await lock(connection, places, carried)
        sources = await read_sources(connection, places, items)
        fresh = {item.item_id: item.fresh for item in given}
        joins = {item.item_id: item.joins for item in given}
        new = {seen.key for seens in fresh.values() for seen in seens}
        new_joins = {join.key for ones in joins.values() for join in ones}
        before = {
            item_id: Source(
                source.start,
                [seen for seen in source.own if seen.key not in new],
                [join for join in source.joins if join.key not in new_joins],
            )
            for item_id, source in sources.items()
        }
        return cls(connection, places, items, before, fresh, joins)

    @property
    def is_needed(self) -> bool:
        """Whether any of these things was ever on another."""
        return any(self.joins.values()) or any(source.joins for source in self.before.values())

    def withdraw(self, item_id: int, event: tuple[str, str, int]) -> bool:
        """Leave out what an event (gateway, epoch, number) said of a thing; False when it said nothing."""
        source = self.before[item_id]
        keys = [seen.key for seen in source.own] + [join.key for join in source.joins]
        self.withdrawn = next((key for key in keys if key[1:] == event), None)
        return self.withdrawn is not None

    async def settle(self, now: datetime) -> Folded:
        """Tell the histories anew and save what follows: states, what is on what, and who parted."""
        after = {item_id: self._after(item_id) for item_id in self.before}
        was, told = tell(self.before, self.items), tell(after, self.items)
        folded = Folded()
        for item_id, item in self.items.items():
            brought_by = self._brought_by(after, item_id)
            if not brought_by:
                continue
            before, anew = was[item_id], told[item_id]
            start = self.before[item_id].start
            item.state, changes = retell(start, before.observations, anew.observations, brought_by)
            folded.changes += [(item, change) for change in changes]
            new = sorted(anew.carried.keys() - before.carried.keys())
            folded.carried += [Carried(item_id, anew.carried[key], key, item.state.goods) for key in new]
        await save(self.connection, list(self.items.values()))
        await self._save_parents(told, now)
        self.told = told
        return folded

    @property
    def carried(self) -> list[Carried]:
        """Every observation that took one of the things along, as they are told now."""
        return [
            Carried(item_id, pallet_id, key, self.items[item_id].state.goods)
            for item_id, told in self.told.items()
            for key, pallet_id in told.carried.items()
        ]

    def _after(self, item_id: int) -> Source:
        start, own, joins = self.before[item_id]
        return Source(
            start,
            [seen for seen in (*own, *self.fresh.get(item_id, ())) if seen.key != self.withdrawn],
            [join for join in (*joins, *self.joins.get(item_id, ())) if join.key != self.withdrawn],
        )

    def _brought_by(self, after: Mapping[int, Source], item_id: int) -> list[Key]:
        """The keys that may have changed what is told of a thing: its own, and those of all it was ever on."""
        if self.withdrawn is not None:
            return [self.withdrawn]
        waiting, seen = [item_id], {item_id}
        keys: list[Key] = []
        while waiting:
            one = waiting.pop()
            keys += (observed.key for observed in self.fresh.get(one, ()))
            keys += (join.key for join in self.joins.get(one, ()))
            parents = {join.parent_id for join in after[one].joins if join.parent_id is not None} - seen
            waiting += parents
            seen |= parents
        return sorted(keys)

    async def _save_parents(self, told: Mapping[int, Told], now: datetime) -> None:
        """Write what is on what, and say of each pallet how many things were read elsewhere than it."""
        parents, parted = [one.parent_id for one in told.values()], [one.parted_from for one in told.values()]
        rides = [one.rides for one in told.values()]
        rows = await self.connection.fetch(SQL["save_parents"], list(told), parents, parted, rides)
        pallets = [row["pallet_id"] for row in rows]
        if not pallets:
            return
        raised: list[Alert] = []
        cleared: list[AlertName] = []
        for row in await self.connection.fetch(SQL["parted"], pallets):
            key = str(row["item_id"])
            if row["things"]:
                detail = Detail(pallet=row["pallet"], things=row["things"])
                raised.append(Alert("left_pallet", key, row["site_id"], detail))
            else:
                cleared.append(("left_pallet", key))
        await clear_alerts(self.connection, cleared, now)
        await raise_alerts(self.connection, raised, now)


async def count_carried(connection: Connection, carried: Sequence[Carried]) -> set[int]:
    """Count what pallets took along with the documents that explained it, and what a transfer brought as come. The
    movements and scans behind it stand in the store. Answers the documents of which something has come."""
    if not carried:
        return set()
    columns = _columns(carried)
    came = {row["document_id"] for row in await connection.fetch(SQL["count_carried"], *columns) if row["has_come"]}
    seen: defaultdict[int, list[tuple[int, datetime]]] = defaultdict(list)
    for row in await connection.fetch(SQL["carried_to"], *columns):
        seen[row["site_id"]].append((row["item_id"], row["observed_at"]))
    for site_id, here in seen.items():
        came |= await note_arrived(connection, site_id, here)
    return came


async def take_back_come(connection: Connection, document_id: int, at: datetime, telling: Telling) -> None:
    """What the event of an instant said has come of a document has not, unless another event says so too. `telling`:
    of the things it spoke of and their load, settled without it."""
    columns = _columns(telling.carried)
    await connection.execute(SQL["take_back_come"], document_id, list(telling.items), at, *columns)


def _columns(carried: Sequence[Carried]) -> tuple[list[Any], ...]:
    """Things, pallets and the pallets' observations, as parallel arrays."""
    return (
        [one.item_id for one in carried],
        [one.pallet_id for one in carried],
        *([one.key[part] for one in carried] for part in range(4)),
    )


async def read_sources(connection: Connection, places: Places, item_ids: Iterable[int]) -> dict[int, Source]:
    """What the store knows of things and of everything they were ever on, each by itself."""
    above = [row["item_id"] for row in await connection.fetch(SQL["with_parents"], list(item_ids))]
    histories = await read_histories(connection, places, above)
    joins: defaultdict[int, list[Join]] = defaultdict(list)
    for row in await connection.fetch(SQL["joins"], above):
        key = (row["observed_at"], row["gateway"], row["epoch"], row["seq"])
        joins[row["item_id"]].append(Join(key, row["parent_id"]))
    return {item_id: Source(start, own, joins[item_id]) for item_id, (start, own) in histories.items()}
