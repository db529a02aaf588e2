"""What the page shows, kept once for all clients, with the latest deltas (no IO).

`seq` is `<generation>.<number>`: a generation begins when the picture is loaded afresh, numbers count its deltas. A
client of another generation, or too far behind, cannot be told what it missed and gets a snapshot.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Sequence
from typing import Final

from backend.live.protocol import Delta, LiveStock, Snapshot, Surroundings
from backend.stock.views import MovementView

MOVEMENTS_KEPT: Final = 50
"""A newcomer sees these; older ones are asked of the API."""

DELTAS_KEPT: Final = 300
"""Half a minute at ten a second: a page that lost its line for a moment is told what it missed."""


class Picture:
    """Stock by (site, zone, SKU), the latest movements, and the surroundings, as of the last delta."""

    def __init__(self, generation: str, stock: Iterable[LiveStock], movements: Sequence[MovementView]) -> None:
        self._generation = generation
        self._number = 0
        self._stock = {(row.site, row.zone, row.sku): row for row in stock if row.net != 0}
        self._movements = deque(movements, maxlen=MOVEMENTS_KEPT)
        self._surroundings = Surroundings()
        self._deltas: deque[str] = deque(maxlen=DELTAS_KEPT)
        self._snapshot: str | None = None

    @property
    def number(self) -> int:
        """How many deltas there have been in this generation."""
        return self._number

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
        self._deltas.append(delta.model_dump_json(exclude=same))
        self._snapshot = None
        return True

    @property
    def seq(self) -> str:
        """The name of the latest delta."""
        return f"{self._generation}.{self._number}"

    def snapshot(self) -> str:
        """The whole picture as a message; encoded once for all who ask before the next change."""
        if self._snapshot is None:
            self._snapshot = Snapshot(
                seq=self.seq,
                stock=tuple(self._stock.values()),
                movements=tuple(self._movements),
                sites=self._surroundings.sites,
                gateways=self._surroundings.gateways,
                alerts=self._surroundings.alerts,
            ).model_dump_json()
        return self._snapshot

    def number_of(self, seq: str | None) -> int | None:
        """The number that a client's `seq` means in this generation, None when it means nothing here."""
        generation, _, number = (seq or "").rpartition(".")
        if generation != self._generation or not (number.isascii() and number.isdigit()) or len(number) > 18:
            return None
        return int(number)

    def behind(self, number: int | None) -> list[str] | None:
        """The deltas after `number`, oldest first; None when they are not all there and only a snapshot helps."""
        if number is None or not self._number - len(self._deltas) <= number <= self._number:
            return None
        missed = self._number - number
        return list(self._deltas)[len(self._deltas) - missed :] if missed else []

    def _differs(self, row: LiveStock) -> bool:
        known = self._stock.get((row.site, row.zone, row.sku))
        return row.net != (known.net if known is not None else 0)

    def _put(self, row: LiveStock) -> None:
        key = (row.site, row.zone, row.sku)
        if row.net == 0:
            self._stock.pop(key, None)
        else:
            self._stock[key] = row
