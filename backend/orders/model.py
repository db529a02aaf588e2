"""An order's life (pure): one table of what may happen when.

    status      event      next        what happens to its promises
    (new)       reserve    reserved    granted, whole or with a back-order; or nothing is made and the answer says why
    reserved    confirm    confirmed   kept, without a time limit
    reserved    expire     expired     given back
    reserved    cancel     cancelled   given back
    confirmed   cancel     cancelled   given back
    confirmed   pick       picking     kept: picked goods are still promised
    picking     pick       picking
    picking     cancel     cancelled   given back; picked goods stand where they were put, for anyone
    picking     pack       packed
    confirmed   ship       shipped     fulfilled as the goods leave; what has not left is given back
    picking     ship       shipped
    packed      ship       shipped
    packed      cancel     cancelled

Shipped, cancelled and expired are ends. An order that falls short, or waits for stock, stays where it is: each line
says how many units are promised, short and waiting.
"""

from __future__ import annotations

from datetime import date, timedelta
from typing import Final, Literal, NamedTuple

Status = Literal["reserved", "confirmed", "picking", "packed", "shipped", "cancelled", "expired"]
Event = Literal["confirm", "expire", "cancel", "pick", "pack", "ship"]

LIFE: Final[dict[tuple[Status, Event], Status]] = {
    ("reserved", "confirm"): "confirmed",
    ("reserved", "expire"): "expired",
    ("reserved", "cancel"): "cancelled",
    ("confirmed", "cancel"): "cancelled",
    ("confirmed", "pick"): "picking",
    ("picking", "pick"): "picking",
    ("picking", "cancel"): "cancelled",
    ("picking", "pack"): "packed",
    ("confirmed", "ship"): "shipped",
    ("picking", "ship"): "shipped",
    ("packed", "ship"): "shipped",
    ("packed", "cancel"): "cancelled",
}

ENDED: Final[frozenset[Status]] = frozenset({"shipped", "cancelled", "expired"})


def after(status: Status, event: Event) -> Status | None:
    """The status after an event; None where it may not happen."""
    return LIFE.get((status, event))


class Wish(NamedTuple):
    """A line of what is asked for. `least_days`: the lot must live so many days more."""

    line_no: int
    sku_id: int
    quantity: int
    least_days: int = 0


class Lot(NamedTuple):
    """Units of a SKU at a site that are all alike, and how many of them nobody was promised."""

    availability_id: int
    expires_on: date | None
    free: int


class Grant(NamedTuple):
    """Units promised to a line, of one lot at one site."""

    line_no: int
    site_id: int
    availability_id: int
    quantity: int


class Lacking(NamedTuple):
    """Units of a line that cannot be promised, and why."""

    line_no: int
    sku_id: int
    quantity: int
    reason: str


def fresh_enough(lot: Lot, today: date, least_days: int) -> bool:
    """Whether a lot may be promised today, by its site's day, to somebody who wants it to live `least_days` more."""
    return lot.expires_on is None or lot.expires_on >= today + timedelta(days=least_days)
