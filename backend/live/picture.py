"""What clients are shown, kept once for all of them, with the latest deltas (no IO): the page's picture, and for each
channel that is followed what it may promise.

`seq` is `<generation>.<number>`: a generation begins when the picture is loaded afresh, numbers count its deltas. A
client of another generation, or too far behind, cannot be told what it missed and gets a snapshot.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Collection, Iterable, Sequence
from typing import Final

from backend.channels.service import Offer
from backend.live.protocol import Delta, LiveStock, OfferDelta, OfferSnapshot, Snapshot, Surroundings
from backend.stock.views import MovementView

MOVEMENTS_KEPT: Final = 50
"""A newcomer sees these; older ones are asked of the API."""

DELTAS_KEPT: Final = 300
"""Half a minute at ten a second: a page that lost its line for a moment is told what it missed."""

CHARS_KEPT: Final = 16_000_000
"""Of these deltas together: two snapshots of a hundred thousand offers. A new rule can make a delta as large as one:
three hundred of them would fill the memory; whoever missed so much is better served by a snapshot."""


class Numbered(ABC):
    """A picture's deltas as messages, by their numbers, and its snapshot."""

    def __init__(self, generation: str) -> None:
        self._generation = generation
        self._number = 0
        self._deltas: deque[str] = deque()
        self._chars = 0
        self._snapshot: str | None = None

    @property
    def number(self) -> int:
        """How many deltas there have been in this generation."""
        return self._number

    @property
    def seq(self) -> str:
        """The name of the latest delta."""
        return f"{self._generation}.{self._number}"

    def snapshot(self) -> str:
        """The whole picture as a message; encoded once for all who ask before the next change."""
        if self._snapshot is None:
            self._snapshot = self._whole()
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

    @abstractmethod
    def _whole(self) -> str:
        """The snapshot, encoded now."""

    def _keep(self, delta: str) -> None:
        """The delta of the number that was counted up for it."""
        self._deltas.append(delta)
        self._chars += len(delta)
        while len(self._deltas) > DELTAS_KEPT or self._chars > CHARS_KEPT:
            self._chars -= len(self._deltas.popleft())
        self._snapshot = None


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


Place = tuple[str, str]
"""A site and a SKU, by code."""


class OfferPicture(Numbered):
    """What a channel may promise, by SKU and site, above nothing."""

    def __init__(self, generation: str, channel: str, offers: Iterable[Offer]) -> None:
        super().__init__(generation)
        self._channel = channel
        self._offers = {(one.sku, one.site): one for one in offers}

    def change(self, offers: Iterable[Offer], places: Collection[Place] | None = None) -> bool:
        """Take over what may be promised now at these places (None: everywhere), where nothing is promised that is not
        among the offers; whether anything differed."""
        now = {(one.sku, one.site): one for one in offers}
        looked = self._offers.keys() | now.keys() if places is None else {(sku, site) for site, sku in places}
        changed = sorted(key for key in looked if now.get(key) != self._offers.get(key))
        if not changed:
            return False
        self._number += 1
        told = []
        for key in changed:
            if key in now:
                self._offers[key] = now[key]
                told.append(now[key])
            else:
                told.append(self._offers.pop(key)._replace(available=0))
        self._keep(OfferDelta.model_construct(None, seq=self.seq, offers=tuple(told)).model_dump_json())
        return True

    def _whole(self) -> str:
        # not validated: a hundred thousand offers, and their types are known
        offers = tuple(self._offers[key] for key in sorted(self._offers))
        return OfferSnapshot.model_construct(None, seq=self.seq, channel=self._channel, offers=offers).model_dump_json()
