"""What followers of a channel are shown: what it may promise (no IO)."""

from __future__ import annotations

from collections.abc import Collection, Iterable

from backend.channels.service import Offer
from backend.live.numbered import Numbered
from backend.live.protocol import OfferDelta, OfferSnapshot

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
