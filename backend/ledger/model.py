"""What a posting is: units from one balance to another, when, and by whose word (pure)."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Final, NamedTuple

SELLABLE: Final = "sellable"


class Slot(NamedTuple):
    """A key of the balances: zone, SKU, lot, condition. Its order is the order in which balances are locked."""

    zone_id: int
    sku_id: int
    lot_id: int
    condition: str


class Cause(NamedTuple):
    """Who changed stock, and why: on every posting."""

    reason: str
    actor: str
    role: str
    document: str | None = None
    gateway: str | None = None
    epoch: str | None = None
    seq: int | None = None


class Transfer(NamedTuple):
    """A posting to be made. `reverses_id`: the posting that it takes back."""

    observed_at: datetime
    taken: Slot
    given: Slot
    quantity: int
    item_id: int | None
    cause: Cause
    reverses_id: int | None = None


class Balance(NamedTuple):
    """A balance just after a change of `delta`."""

    balance_id: int
    slot: Slot
    net: int
    delta: int


def deltas(transfers: Iterable[Transfer]) -> dict[Slot, int]:
    """What transfers add to each balance they touch, in lock order; 0 where they cancel each other."""
    total: dict[Slot, int] = {}
    for transfer in transfers:
        taken, given, quantity = transfer[1:4]
        total[taken] = total.get(taken, 0) - quantity
        total[given] = total.get(given, 0) + quantity
    return {slot: total[slot] for slot in sorted(total)}
