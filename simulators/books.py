"""The office's own books of a day: what it made, and what people really did with goods that carry no tag (pure).

Written by the play as it happens, from what people do and nothing else; neither gateway nor backend has a part in it,
so it can judge both.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from simulators.truth import IN_TRANSIT, SELLABLE, BalanceKey

OUTSIDE: Final = ("supplier", "customer", "scrap", "count_difference")
"""Places that are not counted as stock."""

ENDED: Final = ("shipped", "cancelled")


class Heap(NamedTuple):
    """Units that are all alike and stand together."""

    site: str
    zone: str
    sku: str
    lot: str
    condition: str = SELLABLE


class ChannelTerms(NamedTuple):
    """What a channel leaves alone of each SKU at each site, and what all others leave to it."""

    buffer: int
    protected: int


class Inspected(NamedTuple):
    """A decision about units that came back or broke."""

    site: str
    sku: str
    lot: str
    quantity: int
    condition: str
    disposition: str


@dataclass(slots=True)
class Line:
    """Units of one SKU that a document expects, and what went and came under it."""

    expected: int
    gone: int = 0
    come: int = 0


@dataclass(slots=True)
class Paper:
    """A document and what really went and came under it."""

    kind: str
    site: str
    status: str
    lines: dict[str, Line]


@dataclass(slots=True)
class Order:
    """An order of one line, served from one site. Its units are held, fulfilled or given back."""

    channel: str
    site: str
    sku: str
    quantity: int
    status: str = "reserved"
    picked: int = 0
    fulfilled: int = 0

    @property
    def held(self) -> int:
        """Units still promised."""
        return 0 if self.status in ENDED else self.quantity - self.fulfilled

    @property
    def released(self) -> int:
        """Units given back."""
        return self.quantity - self.fulfilled - self.held


class CountLine(NamedTuple):
    """Units of one kind that somebody counted, and by how many they differ from what everybody believed."""

    counted: int
    difference: int = 0


@dataclass(slots=True)
class Sheet:
    """A blind count of one zone, by SKU and condition."""

    site: str
    zone: str
    status: str
    lines: dict[tuple[str, str], CountLine] = field(default_factory=dict)


@dataclass(slots=True)
class Books:
    """Everything that the office knows at an instant."""

    channels: dict[str, ChannelTerms]
    units: Counter[Heap] = field(default_factory=Counter)
    papers: dict[str, Paper] = field(default_factory=dict)
    orders: dict[str, Order] = field(default_factory=dict)
    refused: set[str] = field(default_factory=set)
    """Orders that must not be granted: they asked for more than there is."""
    inspections: list[Inspected] = field(default_factory=list)
    counts: dict[str, Sheet] = field(default_factory=dict)
    promised_out: Counter[tuple[str, str]] = field(default_factory=Counter)
    """Units promised to transfers that have not left yet, by (site, SKU)."""

    def move(self, taken: Heap, given: Heap, quantity: int) -> None:
        """Units go from one heap to another."""
        self.units[taken] -= quantity
        self.units[given] += quantity

    def balances(self) -> dict[BalanceKey, int]:
        """Units in every place of the company where there are any, in transit included."""
        return {(*heap,): units for heap, units in self.units.items() if units and heap.zone not in OUTSIDE}

    def free(self, site: str, sku: str) -> int:
        """Sellable units at a site that nobody was promised."""
        there = sum(
            units
            for heap, units in self.units.items()
            if (heap.site, heap.sku, heap.condition) == (site, sku, SELLABLE)
            and heap.zone not in (*OUTSIDE, IN_TRANSIT)
        )
        held = sum(order.held for order in self.orders.values() if (order.site, order.sku) == (site, sku))
        return there - held - self.promised_out[site, sku]

    def available(self, channel: str, site: str, sku: str) -> int:
        """What a channel may still promise: what is free, less what it leaves alone and what others keep to themselves
        and were not promised yet."""
        kept = 0
        for other, terms in self.channels.items():
            if other != channel:
                held = sum(
                    order.held
                    for order in self.orders.values()
                    if (order.channel, order.site, order.sku) == (other, site, sku)
                )
                kept += max(0, terms.protected - held)
        return max(0, self.free(site, sku) - self.channels[channel].buffer - kept)
