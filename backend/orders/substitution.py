"""Which promise a pick serves, and what a pick of another lot than the one promised means (pure).

    picked                          serves
    the lot that was promised       that promise
    another lot of the same goods   a promise of another lot, the one that expires last, which is swapped: its units are
                                    given back, and as many of the picked lot are promised in their place
    a lot that nobody knows         a promise of any lot, the one that expires first, as it is
    more than was promised          none: it stands at the site, for anyone

A swap takes only what nobody was promised of the picked lot, and only what the order may have of it: else the pick is
refused, and says which lot to pick. So no promise of anybody is touched but the order's own.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import NamedTuple

from backend.orders.model import Lot, fresh_enough

Goods = tuple[int, int]
"""SKU and lot."""


class Promised(NamedTuple):
    """Units of a lot promised to a line at one site. `held`: still promised; `open`: not picked yet."""

    allocation_id: int
    order_id: int
    line_id: int
    sku_id: int
    lot_id: int
    lot: str
    expires_on: date | None
    least_days: int
    held: int
    open: int


class Shelf(NamedTuple):
    """A lot at the site: `free` units of it were promised to nobody."""

    sku_id: int
    lot_id: int
    lot: str
    expires_on: date | None
    status: str
    free: int


class Swap(NamedTuple):
    """Units of an allocation that are given back, and of which goods as many are promised to its line instead."""

    allocation_id: int
    line_id: int
    goods: Goods
    units: int


@dataclass(slots=True)
class Picking:
    """The promises of orders at a site, while a transaction's picks are counted on them one after the other."""

    today: date
    promised: list[Promised] = field(default_factory=list)
    shelves: dict[Goods, Shelf] = field(default_factory=dict)
    picked: Counter[int] = field(default_factory=Counter)
    swaps: list[Swap] = field(default_factory=list)

    @property
    def given(self) -> list[int]:
        """The allocations of which a swap gives units back, in their order."""
        return sorted({swap.allocation_id for swap in self.swaps})

    @property
    def taken(self) -> list[Goods]:
        """The goods that swaps promise instead, in their order."""
        return sorted({swap.goods for swap in self.swaps})

    def wanted(self, order_id: int, sku_id: int, day: date | None = None) -> dict[int, int]:
        """Units of each lot that an order still waits to be picked. `day`: of those that had not expired before."""
        open_units: defaultdict[int, int] = defaultdict(int)
        for one in self._of(order_id, sku_id):
            if day is None or one.expires_on is None or one.expires_on >= day:
                open_units[one.lot_id] += one.open
        return dict(open_units)

    def serve(self, order_id: int, sku_id: int, lots: Sequence[tuple[int | None, int]], brought: int = 0) -> str | None:
        """Count units of lots (None: nobody knows which) that were picked together on the order's promises; else why
        they are refused. `brought`: so many of them come to the site only now."""
        picked: Counter[int] = Counter()
        swaps: list[Swap] = []
        for lot_id, units in lots:
            left = units
            for one in self._fitting(order_id, sku_id, lot_id):
                taken = min(left, one.open - picked[one.allocation_id])
                picked[one.allocation_id] += taken
                left -= taken
            if left and lot_id is not None:
                others = self._swappable(order_id, sku_id, lot_id, left, picked, swaps)
                refused = self._refusal(sku_id, lot_id, others, brought, swaps)
                if refused is not None:
                    return refused
                for one, taken in others:
                    picked[one.allocation_id] += taken
                    swaps.append(Swap(one.allocation_id, one.line_id, (sku_id, lot_id), taken))
        self._commit(picked, swaps)
        return None

    def _of(self, order_id: int, sku_id: int) -> Iterable[Promised]:
        return (one for one in self.promised if (one.order_id, one.sku_id) == (order_id, sku_id))

    def _fitting(self, order_id: int, sku_id: int, lot_id: int | None) -> list[Promised]:
        fitting = [one for one in self._of(order_id, sku_id) if lot_id in (None, one.lot_id)]
        return sorted(fitting, key=lambda one: (one.expires_on or date.max, one.allocation_id))

    def _swappable(
        self,
        order_id: int,
        sku_id: int,
        lot_id: int,
        units: int,
        picked: Counter[int],
        swaps: Sequence[Swap],
    ) -> list[tuple[Promised, int]]:
        """Promises of other lots for so many units, what expires last first."""
        gone: Counter[int] = Counter()
        for swap in swaps:
            gone[swap.allocation_id] += swap.units
        others: list[tuple[Promised, int]] = []
        for one in reversed(self._fitting(order_id, sku_id, None)):
            taken = min(units, one.held - gone[one.allocation_id], one.open - picked[one.allocation_id])
            if one.lot_id != lot_id and taken > 0:
                others.append((one, taken))
                units -= taken
        return others

    def _refusal(
        self,
        sku_id: int,
        lot_id: int,
        others: Sequence[tuple[Promised, int]],
        brought: int,
        swaps: Sequence[Swap],
    ) -> str | None:
        """Why promises of other lots are not swapped for this one."""
        if not others:
            return None
        promised = ", ".join(sorted({one.lot or "no lot" for one, _ in others}))
        instead = f"the order was promised {promised}: pick that"
        shelf = self.shelves.get((sku_id, lot_id))
        name = "stock without a lot" if shelf is not None and not shelf.lot else f"lot {shelf.lot}" if shelf else "it"
        free = (0 if shelf is None else shelf.free) + brought
        free -= sum(one.units for one in swaps if one.goods == (sku_id, lot_id))
        wanted = sum(taken for _, taken in others)
        if free < wanted:
            return f"of {name} {max(free, 0)} units are promised to nobody, not {wanted}; {instead}"
        if shelf is None:
            return None
        if shelf.status != "released":
            return f"{name} is {shelf.status}; {instead}"
        days = max(one.least_days for one, _ in others)
        if not fresh_enough(Lot(0, shelf.expires_on, free), self.today, days):
            return f"{name} expires on {shelf.expires_on}, too soon for the order; {instead}"
        return None

    def _commit(self, picked: Counter[int], swaps: Sequence[Swap]) -> None:
        """What was picked is open no more; what was swapped is promised no more, and counted where it is promised."""
        swapped: Counter[int] = Counter()
        for swap in swaps:
            swapped[swap.allocation_id] += swap.units
            shelf = self.shelves.get(swap.goods)
            if shelf is not None:
                self.shelves[swap.goods] = shelf._replace(free=shelf.free - swap.units)
        self.promised = [
            one._replace(open=one.open - picked[one.allocation_id], held=one.held - swapped[one.allocation_id])
            for one in self.promised
        ]
        self.picked += picked - swapped
        self.swaps += swaps
