"""What may be promised (pure): the key of a promise, what physical changes do to it, and who falls short."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Literal, NamedTuple

from backend.catalog.model import Places
from backend.ledger.model import Slot

HolderKind = Literal["order", "transfer"]
"""What an allocation is for: a line of a customer's order, or a line of a transfer to another site."""


class Shelf(NamedTuple):
    """A key of promises: everything alike that a site holds, wherever in the site it stands. Its order is the order
    in which availabilities are locked."""

    site_id: int
    sku_id: int
    lot_id: int
    condition: str


class Fulfilment(NamedTuple):
    """Units that serve an allocation: they leave the site by the postings made with it, or left before and were missed
    then (`left_before`). Below zero: they had left for it and are back, so it holds them again."""

    allocation_id: int
    quantity: int
    left_before: bool = False


class Held(NamedTuple):
    """An allocation that still holds units of an availability."""

    allocation_id: int
    held: int


class Shortage(NamedTuple):
    """Units that an allocation loses because the physical world took them."""

    allocation_id: int
    quantity: int


def shelf_deltas(places: Places, changes: Iterable[tuple[Slot, int]]) -> dict[Shelf, int]:
    """What changes of balances add to what each site holds; a move inside a site adds nothing and is left out."""
    zones = places.zone_by_id
    site_of: dict[int, int | None] = {}
    total: dict[tuple[int, int, int, str], int] = {}
    for (zone_id, sku_id, lot_id, condition), delta in changes:
        if zone_id not in site_of:
            site_of[zone_id] = zones[zone_id].site_id if zones[zone_id].is_real else None
        site_id = site_of[zone_id]
        if site_id is not None:
            shelf = (site_id, sku_id, lot_id, condition)
            total[shelf] = total.get(shelf, 0) + delta
    return {Shelf(*shelf): total[shelf] for shelf in sorted(shelf for shelf, delta in total.items() if delta)}


def shorten(lacking: int, holders: Sequence[Held]) -> list[Shortage]:
    """Who loses `lacking` units: the promise made last loses first, so an older promise stays good. `holders` is in
    the order in which they were made; together they hold at least `lacking`."""
    lost: list[Shortage] = []
    for holder in reversed(holders):
        if not lacking:
            break
        taken = min(lacking, holder.held)
        lost.append(Shortage(holder.allocation_id, taken))
        lacking -= taken
    return lost
