"""What is really the case: where each tag is at every instant, which doors it crossed, and what stock follows.

Written by the world from geometry alone. Neither gateway nor backend has a part in it, so it can judge both.
A tag outside a door is in transit of the site it left. A tag that has not yet come in anywhere has no place: nobody
has seen it, the ledger knows it at most from its announcement.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal

from simulators.geometry import AISLE, YARD, Passage
from simulators.goods import Tag

IN_TRANSIT: Final = "in_transit"
CUSTOMER: Final = "customer"
SELLABLE: Final = "sellable"
"""Nothing breaks in this world yet."""

Place = tuple[str, str]
"""Site code and zone code; for what has left, IN_TRANSIT, or CUSTOMER when it was shipped."""

BalanceKey = tuple[str, str, str, str, str]
"""Site, zone, SKU, lot, condition."""


@dataclass(frozen=True, slots=True)
class Crossing:
    """One tag passed a portal."""

    at_us: int
    epc: str
    site: str
    portal: str
    direction: Literal["in", "out"]


@dataclass(frozen=True, slots=True)
class PlaceChange:
    """One tag came from `before` (None: from where nobody knew it) to `after`."""

    at_us: int
    epc: str
    before: Place | None
    after: Place


class Truth:
    """The record of a run. Walks are recorded when they begin, with the instants they will pass zones and doors:
    ask for an instant, or wait until the world stands still."""

    def __init__(self, tags: Sequence[Tag]) -> None:
        self._tags = tags
        self._number_of = {tag.hex: tag.number for tag in tags}
        self._times: list[list[int]] = [[] for _ in tags]
        self._stays: list[list[Place]] = [[] for _ in tags]
        self._crossings: list[Crossing] = []
        self._changes: list[PlaceChange] = []

    def stands(self, tag: int, site: str, zone: str, at_us: int) -> None:
        """A tag is at a place from the start."""
        self._times[tag].append(at_us)
        self._stays[tag].append((site, zone))

    def passed(self, tag: int, site: str, passage: Passage, outside: str = IN_TRANSIT) -> None:
        """A tag passes from one place of a site into another; passages of a tag come in order of time. `outside`: what
        is outside the doors."""
        if passage.door is not None and passage.direction is not None:
            epc = self._tags[tag].hex
            self._crossings.append(Crossing(passage.at_us, epc, site, passage.door, passage.direction))
        if passage.after == AISLE:
            return
        after = (site, outside if passage.after == YARD else passage.after)
        stays = self._stays[tag]
        before = stays[-1] if stays else None
        if before != after:
            self._changes.append(PlaceChange(passage.at_us, self._tags[tag].hex, before, after))
            self._times[tag].append(passage.at_us)
            stays.append(after)

    def place(self, epc: str, at_us: int | None = None) -> Place | None:
        """Where a tag is at an instant (at the end of all that is recorded when none is given), by its EPC in
        upper-case hex; None for a tag that has not come in anywhere, and for one that is not of this world."""
        number = self._number_of.get(epc)
        return None if number is None else self._place(number, at_us)

    def places(self, at_us: int | None = None) -> dict[str, Place]:
        """EPC (upper-case hex) → place, of every tag that has been in a site; pallets and cages included."""
        found = ((tag.hex, self._place(tag.number, at_us)) for tag in self._tags)
        return {epc: place for epc, place in found if place is not None}

    def balances(self, at_us: int | None = None) -> dict[BalanceKey, int]:
        """Units of stock in every place where there are any. What virtual places other than in transit hold or owe
        (customer, supplier, unknown) follows from double entry and is not listed."""
        total: Counter[BalanceKey] = Counter()
        for tag in self._tags:
            place = self._place(tag.number, at_us)
            if tag.sku is not None and place is not None and place[1] != CUSTOMER:
                total[(*place, tag.sku, tag.lot, SELLABLE)] += tag.quantity
        return dict(total)

    def crossings(self, at_us: int | None = None) -> list[Crossing]:
        """Every passage through a portal up to an instant, in order of time."""
        return sorted(
            (crossing for crossing in self._crossings if at_us is None or crossing.at_us <= at_us),
            key=lambda crossing: (crossing.at_us, crossing.epc),
        )

    def changes(self, at_us: int | None = None) -> list[PlaceChange]:
        """Every change of place up to an instant, in order of time."""
        return sorted(
            (change for change in self._changes if at_us is None or change.at_us <= at_us),
            key=lambda change: (change.at_us, change.epc),
        )

    def _place(self, number: int, at_us: int | None) -> Place | None:
        stays = self._stays[number]
        last = len(stays) if at_us is None else bisect_right(self._times[number], at_us)
        return stays[last - 1] if last else None
