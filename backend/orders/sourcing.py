"""Which sites and lots serve an order (pure): nothing beyond what is free and what the channel may take.

A `Shelf` is one SKU at one site with its lots; a `Stand` holds all that a group of requests asks about, as it stands
under the locks, and each grant lowers it, so the next request sees what the ones before it were granted.

For one request, in this order:

1. The cheapest site that can serve it whole serves it.
2. Else sites are taken one after the other, each the one that serves the most units still open (the cheaper of two
   equals), until all is served or `most_sites` are used.
3. What is left waits when the request allows a back-order; otherwise nothing is granted and each line says why.

At a site the lot that expires first goes first (FEFO); lots that would not live long enough are passed over, and so
are units that the channel must leave alone (backend/channels/model.py).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from heapq import heapify, heappop, heappush
from typing import NamedTuple

from backend.channels.model import Rulebook
from backend.orders.model import Grant, Lacking, Lot, Wish, fresh_enough


class Asked(NamedTuple):
    """What a request wants of whom. `site_ids` None: any site. `region` decides what a site costs."""

    channel_id: int
    region: str
    wishes: tuple[Wish, ...]
    site_ids: tuple[int, ...] | None = None
    backorder: bool = False
    most_sites: int = 3


class Sourced(NamedTuple):
    """What a request was granted; `lacking` is what waits, or why nothing was."""

    grants: list[Grant]
    lacking: list[Lacking]

    @property
    def granted(self) -> int:
        """Units promised."""
        return sum(grant.quantity for grant in self.grants)


Wishes = Mapping[int, Sequence[Wish]]
"""The lines of a request by SKU."""


@dataclass(slots=True)
class Shelf:
    """One SKU at one site: its lots in the order in which they expire, and what each channel was promised of it."""

    lots: list[Lot] = field(default_factory=list)
    promised: dict[int, int] = field(default_factory=dict)


@dataclass(slots=True)
class Stand:
    """All shelves that a group of requests touches, by (site, SKU). Granting changes it. `today`: what day it is at
    each of their sites."""

    today: Mapping[int, date]
    rulebook: Rulebook
    costs: Mapping[tuple[int, str], int]
    shelves: dict[tuple[int, int], Shelf]

    def source(self, asked: Asked) -> Sourced:
        """Serve one request from what is left, and take it off."""
        sites = self._sites(asked)
        wishes = _by_sku(asked)
        open_units = {wish.line_no: wish.quantity for wish in asked.wishes}
        wanted = sum(open_units.values())
        most: list[tuple[int, int]] = []
        for at, site in enumerate(sites):
            units = self._serves(asked, wishes, site, open_units)
            if units == wanted:
                return Sourced(self._take(asked, wishes, site, open_units), [])
            most.append((-units, at))
        grants: list[Grant] = []
        heapify(most)
        for _ in range(asked.most_sites):
            best = self._best(asked, wishes, sites, most, open_units)
            if best is None:
                break
            grants += self._take(asked, wishes, sites[best], open_units)
        if any(open_units.values()) and not asked.backorder:
            self._move(asked, grants, 1)
            grants = []
        lacking = [
            Lacking(wish.line_no, wish.sku_id, open_units[wish.line_no], self._why(asked, sites, wish))
            for wish in asked.wishes
            if open_units[wish.line_no]
        ]
        return Sourced(grants, lacking)

    def _sites(self, asked: Asked) -> list[int]:
        """The sites that hold anything of what is asked for, the cheapest first."""
        skus = {wish.sku_id for wish in asked.wishes}
        found = {site for site, sku in self.shelves if sku in skus}
        if asked.site_ids is not None:
            found &= set(asked.site_ids)
        return sorted(found, key=lambda site: (self.costs.get((site, asked.region), UNKNOWN_COST), site))

    def _best(
        self,
        asked: Asked,
        wishes: Wishes,
        sites: Sequence[int],
        most: list[tuple[int, int]],
        open_units: dict[int, int],
    ) -> int | None:
        """Which of the sites serves the most units still open, taken out of the heap `most`; None when none serves any.
        What is known of a site is what it could serve before others served: it serves that, or less."""
        while most:
            _, at = heappop(most)
            now = (-self._serves(asked, wishes, sites[at], open_units), at)
            if not most or now <= most[0]:
                return at if now[0] else None
            heappush(most, now)
        return None

    def _serves(self, asked: Asked, wishes: Wishes, site: int, open_units: Mapping[int, int]) -> int:
        """How many of the open units the site could serve. Lines on the same SKU share what is there."""
        return sum(
            grant.quantity
            for sku_id, of_sku in wishes.items()
            for grant in self._plan(asked, site, sku_id, of_sku, open_units)
        )

    def _plan(
        self, asked: Asked, site: int, sku_id: int, wishes: Sequence[Wish], wanted: Mapping[int, int]
    ) -> list[Grant]:
        """Grants of one SKU at one site, without taking anything. The line that asks for the longest life chooses
        first: what lives long enough for it is the least."""
        shelf = self.shelves.get((site, sku_id))
        if shelf is None:
            return []
        least = min(wish.least_days for wish in wishes)
        today = self.today[site]
        free = sum(lot.free for lot in shelf.lots if fresh_enough(lot, today, least))
        limit = self.rulebook.available(asked.channel_id, site, sku_id, free, shelf.promised)
        left = {lot.availability_id: lot.free for lot in shelf.lots}
        grants: list[Grant] = []
        for wish in sorted(wishes, key=lambda wish: -wish.least_days):
            units = min(wanted[wish.line_no], limit)
            for lot in shelf.lots:
                taken = min(units, left[lot.availability_id]) if fresh_enough(lot, today, wish.least_days) else 0
                if taken > 0:
                    grants.append(Grant(wish.line_no, site, lot.availability_id, taken))
                    left[lot.availability_id] -= taken
                    limit -= taken
                    units -= taken
        return grants

    def _take(self, asked: Asked, wishes: Wishes, site: int, open_units: dict[int, int]) -> list[Grant]:
        grants: list[Grant] = []
        for sku_id, of_sku in wishes.items():
            grants += self._plan(asked, site, sku_id, of_sku, open_units)
        for grant in grants:
            open_units[grant.line_no] -= grant.quantity
        self._move(asked, grants, -1)
        return grants

    def _move(self, asked: Asked, grants: Iterable[Grant], sign: int) -> None:
        sku_of = {wish.line_no: wish.sku_id for wish in asked.wishes}
        for grant in grants:
            shelf = self.shelves[grant.site_id, sku_of[grant.line_no]]
            shelf.lots = [
                lot._replace(free=lot.free + sign * grant.quantity)
                if lot.availability_id == grant.availability_id
                else lot
                for lot in shelf.lots
            ]
            before = shelf.promised.get(asked.channel_id, 0)
            shelf.promised[asked.channel_id] = before - sign * grant.quantity

    def _why(self, asked: Asked, sites: Sequence[int], wish: Wish) -> str:
        """Why a line is not served whole, for the person who asked."""
        refusal = self.rulebook.refusal(asked.channel_id, sites, wish.sku_id) if sites else None
        if refusal is not None:
            return refusal
        lots = [(site, lot) for site in sites if (shelf := self.shelves.get((site, wish.sku_id))) for lot in shelf.lots]
        free = sum(max(0, lot.free) for _, lot in lots)
        fresh = sum(max(0, lot.free) for site, lot in lots if fresh_enough(lot, self.today[site], wish.least_days))
        if not free:
            return "nothing of it is free at any site that may serve this order"
        if fresh < min(free, wish.quantity):
            return f"of {free} free units only {fresh} live {wish.least_days} days more"
        if fresh < wish.quantity:
            return f"only {fresh} units are free"
        return "the rest is kept for other channels or as this channel's buffer, or lies at more sites than allowed"


def _by_sku(asked: Asked) -> Wishes:
    wishes: defaultdict[int, list[Wish]] = defaultdict(list)
    for wish in asked.wishes:
        wishes[wish.sku_id].append(wish)
    return wishes


UNKNOWN_COST = 1_000_000
"""A site without a lane to the region serves it last, and still before nobody does."""
