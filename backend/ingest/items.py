"""Items in the database: found, made, locked, folded, saved. Every statement takes all items of a batch at once."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, NamedTuple, cast

from backend.catalog.model import Places, Site, Zone
from backend.catalog.service import Goods as CatalogGoods
from backend.catalog.service import goods_of
from backend.effects import rules
from backend.effects.containment import Join
from backend.effects.identity import Named, Unnamed, of_epc
from backend.effects.observation import Goods, Observation
from backend.effects.plain import Stood
from backend.effects.timeline import Change, State, advance, is_late, splice
from backend.ingest.pallet_names import names_pallet, with_contents
from backend.store import arrays
from backend.store.database import Connection, Queries, Record

SQL = Queries.beside(__file__)

UNPLACED_KINDS = ("supplier", "unknown")
"""Zones that an item is in while nothing has placed it: no observation ever puts one there."""


_UNTAGGED: Final[tuple[bytes | None, None]] = (None, None)


@dataclass(slots=True)
class Item:
    """One locked item: its row, and the observations of this transaction."""

    item_id: int
    epc: bytes | None
    identity: str | None
    state: State
    unplaced_in: int
    was_away: bool = False
    contained: bool = False
    rides: bool = False
    fresh: list[Observation] = field(default_factory=list)
    joins: list[Join] = field(default_factory=list)

    @property
    def is_pallet(self) -> bool:
        """Whether things may stand on it: it has an SSCC."""
        return self.identity is not None and names_pallet(self.identity)


class NewItem(NamedTuple):
    """An item to be made. `zone_id` is where an unplaced one is kept."""

    epc: bytes | None
    identity: str | None
    kind: str
    goods: Goods | None
    zone_id: int
    origin_id: int | None = None
    document: str | None = None


@dataclass(slots=True)
class Admitted:
    """Locked items by what names them, and why the others name nothing."""

    by_epc: dict[bytes, Item] = field(default_factory=dict)
    by_identity: dict[str, Item] = field(default_factory=dict)
    faults: dict[bytes | str, Unnamed] = field(default_factory=dict)

    @property
    def all(self) -> dict[int, Item]:
        """Every item once, by its number."""
        return {item.item_id: item for item in (*self.by_epc.values(), *self.by_identity.values())}


class UnknownThingsError(Exception):
    """A batch names things that are not there yet, and has locked others: what is made is made before anything is
    locked, so its transaction has to begin again."""


async def lock_known(connection: Connection, epcs: Collection[bytes]) -> list[Stood]:
    """The items of these EPCs, locked, in one statement. Raises UnknownThingsError when one of them is new."""
    rows = await connection.fetch(SQL["lock_known"], arrays.octets(epcs))
    if len(rows) < len(epcs):
        raise UnknownThingsError
    return cast("list[Stood]", rows)


async def admit(
    connection: Connection, places: Places, site: Site, epcs: Collection[bytes], named: Mapping[str, Named]
) -> Admitted:
    """Lock the items of these EPCs and identities, making those that are new and can be named.

    New ones come first and in the order of their EPCs, then all are locked by number, with whatever was ever on a
    pallet: the one lock order.
    """
    admitted = Admitted()
    ids = await _find(connection, epcs, named)
    unknown_epcs = [epc for epc in epcs if epc not in ids]
    unknown_names = {identity: name for identity, name in named.items() if identity not in ids}
    if unknown_epcs or unknown_names:
        await _make(connection, site, unknown_epcs, unknown_names, admitted)
        ids = await _find(connection, epcs, named)
    numbers = await with_contents(connection, ids.values()) if any(map(names_pallet, ids)) else ids.values()
    items = await lock(connection, places, numbers)
    for name, item_id in ids.items():
        if isinstance(name, bytes):
            admitted.by_epc[name] = items[item_id]
        else:
            admitted.by_identity[name] = items[item_id]
    for epc in unknown_epcs:
        if epc not in admitted.by_epc and epc not in admitted.faults:
            admitted.faults[epc] = Unnamed("identity_taken", "another tag already names the same thing: rewrite one")
    return admitted


async def _find(connection: Connection, epcs: Collection[bytes], named: Collection[str]) -> dict[bytes | str, int]:
    ids: dict[bytes | str, int] = {}
    if epcs:
        ids.update(
            (row["epc"], row["item_id"]) for row in await connection.fetch(SQL["find_items"], arrays.octets(epcs))
        )
    if named:
        rows = await connection.fetch(SQL["find_identities"], list(named))
        ids.update((row["identity"], row["item_id"]) for row in rows)
    return ids


async def _make(
    connection: Connection, site: Site, epcs: Iterable[bytes], named: Mapping[str, Named], admitted: Admitted
) -> None:
    wanted: dict[str, tuple[bytes | None, Named]] = {identity: (None, name) for identity, name in named.items()}
    for tag in epcs:
        found = of_epc(tag)
        if isinstance(found, Unnamed):
            admitted.faults[tag] = found
        elif wanted.get(found.identity, _UNTAGGED)[0] is None:
            wanted[found.identity] = (tag, found)
    goods = await goods_of(connection, (name.gtin for _, name in wanted.values() if name.gtin is not None))
    unknown_zone = site.virtual("unknown").zone_id
    new: list[NewItem] = []
    for identity, (epc, name) in wanted.items():
        if name.gtin is not None and name.gtin not in goods:
            fault = Unnamed(f"unknown_gtin:{name.gtin}", f"no SKU has GTIN {name.gtin}: import it with its SKU")
            admitted.faults[identity] = fault
            if epc is not None:
                admitted.faults[epc] = fault
        else:
            new.append(NewItem(epc, identity, name.kind, _goods(goods, name.gtin), unknown_zone))
    await make(connection, new)


def _goods(known: Mapping[str, CatalogGoods], gtin: str | None) -> Goods | None:
    if gtin is None:
        return None
    found = known[gtin]
    return Goods(found.sku_id, found.lot_id, found.quantity)


async def make(connection: Connection, new: Sequence[NewItem]) -> None:
    """Make items that are not there yet; one known by its label alone gets its EPC instead."""
    tagged = [one for one in new if one.epc is not None and one.identity is not None]
    if tagged:
        await connection.fetch(SQL["adopt_tags"], [one.epc for one in tagged], [one.identity for one in tagged])
    if new:
        made = await connection.fetch(
            SQL["add_items"],
            [one.epc for one in new],
            [one.identity for one in new],
            [one.kind for one in new],
            [one.goods and one.goods.sku_id for one in new],
            [one.goods and one.goods.lot_id for one in new],
            [one.goods.quantity if one.goods else 1 for one in new],
            [one.zone_id for one in new],
            [one.origin_id for one in new],
            [one.document for one in new],
        )
        if tagged and len(made) < len(new):  # another transaction made them meanwhile, by their labels perhaps
            await connection.fetch(SQL["adopt_tags"], [one.epc for one in tagged], [one.identity for one in tagged])


async def lock(connection: Connection, places: Places, item_ids: Iterable[int]) -> dict[int, Item]:
    """Items with their states, locked in the order of their numbers."""
    rows = await connection.fetch(SQL["lock_items"], arrays.numbers(sorted(set(item_ids))))
    return {item.item_id: item for item in _items(places, rows)}


def _items(places: Places, rows: Iterable[Record]) -> list[Item]:
    zones = places.zone_by_id
    return [
        Item(
            row["item_id"],
            row["epc"],
            row["identity"],
            state_of(places, row),
            _unplaced(places, zones[row["zone_id"]]),
            was_away=not zones[row["zone_id"]].is_real,
            contained=row["contained"],
            rides=row["rides"],
        )
        for row in rows
    ]


def _unplaced(places: Places, zone: Zone) -> int:
    """The zone that an item now in `zone` is in once nothing places it any more."""
    return (zone if zone.kind in UNPLACED_KINDS else places.site_of(zone.zone_id).virtual("unknown")).zone_id


def state_of(places: Places, row: Record) -> State:
    """The state that a row of an item holds."""
    zone_id, sku_id, observed_at = row["zone_id"], row["sku_id"], row["observed_at"]
    return State(
        None if places.zone_by_id[zone_id].kind in UNPLACED_KINDS else zone_id,
        None if sku_id is None else Goods(sku_id, row["lot_id"], row["quantity"]),
        row["condition"],
        row["origin_zone_id"],
        row["left_at"],
        row["present"],
        None if observed_at is None else (observed_at, row["gateway"], row["epoch"], row["seq"]),
    )


async def fold(connection: Connection, places: Places, items: Iterable[Item]) -> list[tuple[Item, Change]]:
    """Take each item's fresh observations into its state and save it; answers the postings that they make.

    An item whose observations are all newer than its state takes a step for each; one with a late observation is
    folded anew from its whole history.
    """
    changes: list[tuple[Item, Change]] = []
    touched: list[Item] = []
    late: list[Item] = []
    for item in items:
        if not item.fresh:
            continue
        touched.append(item)
        if len(item.fresh) > 1:
            item.fresh.sort(key=lambda seen: seen.key)
        if is_late(item.state, item.fresh):
            late.append(item)
            continue
        item.state, made = advance(item.state, item.fresh)
        changes += [(item, change) for change in made]
    if late:
        histories = await read_histories(connection, places, [item.item_id for item in late])
        for item in late:
            start, known = histories[item.item_id]
            new = {seen.key for seen in item.fresh}  # a binding stands in the store before it is folded
            item.state, made = splice(start, (seen for seen in known if seen.key not in new), item.fresh)
            changes += [(item, change) for change in made]
    await save(connection, touched)
    return changes


async def save(connection: Connection, items: Sequence[Item]) -> None:
    """Write the states of items."""
    if not items:
        return
    states = [item.state for item in items]
    keys = [state.key or (None, None, None, None) for state in states]
    await connection.execute(
        SQL["save_items"],
        arrays.numbers([item.item_id for item in items]),
        arrays.numbers([item.unplaced_in if item.state.place_id is None else item.state.place_id for item in items]),
        arrays.numbers([state.goods and state.goods.sku_id for state in states]),
        arrays.numbers([state.goods and state.goods.lot_id for state in states]),
        arrays.numbers([state.goods.quantity if state.goods else 1 for state in states]),
        arrays.numbers([state.origin_id for state in states]),
        arrays.texts([state.condition for state in states]),
        arrays.instants([state.left_at for state in states]),
        arrays.truths([state.present for state in states]),
        arrays.instants([key[0] for key in keys]),
        arrays.texts([key[1] for key in keys]),
        arrays.texts([key[2] for key in keys]),
        arrays.numbers([key[3] for key in keys]),
    )


async def read_histories(
    connection: Connection, places: Places, item_ids: Sequence[int]
) -> dict[int, tuple[State, list[Observation]]]:
    """For each item its state before the first observation, and every observation in the store, in no order."""
    known: dict[int, list[Observation]] = defaultdict(list)
    unknowns = {site_id: site.virtual("unknown").zone_id for site_id, site in places.site_by_id.items()}
    for row in await connection.fetch(SQL["item_movements"], item_ids):
        key = (row["observed_at"], row["gateway"], row["epoch"], row["seq"])
        seen = rules.moved(
            row["kind"],
            row["direction"],
            key,
            row["place_id"],
            unknowns[row["site_id"]],
            row["condition"],
            row["origin_id"],
        )
        known[row["item_id"]].append(seen)
    for row in await connection.fetch(SQL["item_scans"], item_ids):
        key = (row["observed_at"], row["gateway"], row["epoch"], row["seq"])
        seen = rules.scanned(
            key, row["place_id"], unknowns[row["site_id"]], leaves=row["leaves"], condition=row["condition"]
        )
        known[row["item_id"]].append(seen)
    for row in await connection.fetch(SQL["item_bindings"], item_ids):
        seen = rules.bound(
            (row["bound_at"], "", "", row["binding_id"]),
            None if row["sku_id"] is None else Goods(row["sku_id"], row["lot_id"], row["quantity"]),
            row["origin_zone_id"],
            row["zone_id"],
            row["condition"],
        )
        known[row["item_id"]].append(seen)
    histories = {}
    for row in await connection.fetch(SQL["item_starts"], item_ids):
        goods = None
        if row["first_sku_id"] is not None:
            goods = Goods(row["first_sku_id"], row["first_lot_id"], row["first_quantity"])
        start = State(None, goods, origin_id=row["first_origin_zone_id"])
        histories[row["item_id"]] = (start, known[row["item_id"]])
    return histories
