"""What pages are shown: stock, the latest movements, and what stands around them (no IO)."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Sequence
from typing import Final

from backend.live.numbered import Numbered
from backend.live.protocol import Delta, LiveStock, Snapshot, Surroundings
from backend.stock.views import MovementView

MOVEMENTS_KEPT: Final = 50
"""A newcomer sees these; older ones are asked of the API."""


class Picture(Numbered):
    """Stock by (site, zone, SKU), the latest movements, and the surroundings, as of the last delta."""

    def __init__(self, generation: str, stock: Iterable[LiveStock], movements: Sequence[MovementView]) -> None:
        super().__init__(generation)
        self._stock = {(row.site, row.zone, row.sku): row for row in stock if row.net != 0}
        self._movements = deque(movements, maxlen=MOVEMENTS_KEPT)
        self._surroundings = Surroundings()

    def change(self, stock: Iterable[LiveStock], movements: Sequence[MovementView], surroundings: Surroundings) -> bool:
        """Take over what is now; whether anything differed, so that there is a new delta.

        Of many movements at once only those are told that a page can show.
        """
        changed = [row for row in stock if self._differs(row)]
        told = tuple(movements[-MOVEMENTS_KEPT:])
        before = self._surroundings
        if not changed and not told and surroundings == before:
            return False
        self._number += 1
        delta = Delta(
            seq=self.seq,
            stock=tuple(changed),
            movements=told,
            sites=surroundings.sites if surroundings.sites != before.sites else None,
            gateways=surroundings.gateways if surroundings.gateways != before.gateways else None,
            alerts=surroundings.alerts if surroundings.alerts != before.alerts else None,
        )
        for row in changed:
            self._put(row)
        self._movements.extend(told)
        self._surroundings = surroundings
        same = {name for name in Surroundings.model_fields if getattr(delta, name) is None}
        self._keep(delta.model_dump_json(exclude=same))
        return True

    def _whole(self) -> str:
        return Snapshot(
            seq=self.seq,
            stock=tuple(self._stock.values()),
            movements=tuple(self._movements),
            sites=self._surroundings.sites,
            gateways=self._surroundings.gateways,
            alerts=self._surroundings.alerts,
        ).model_dump_json()

    def _differs(self, row: LiveStock) -> bool:
        known = self._stock.get((row.site, row.zone, row.sku))
        return row.net != (known.net if known is not None else 0)

    def _put(self, row: LiveStock) -> None:
        key = (row.site, row.zone, row.sku)
        if row.net == 0:
            self._stock.pop(key, None)
        else:
            self._stock[key] = row
