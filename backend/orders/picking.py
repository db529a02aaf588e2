"""Where to pick what an order was promised (pure): the likeliest kind of zone first, then the fullest, then by code."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Final, NamedTuple

PICK_KINDS: Final = ("pick_face", "storage", "receiving", "staging", "dock", "returns")
"""Kinds of zones that are picked from, the first first: a pick face is there for it; what lies at a dock is still on
its way to where it belongs."""


class Need(NamedTuple):
    """Units of a lot at a site that a line was promised and that nobody has picked yet."""

    line_no: int
    site_id: int
    sku_id: int
    lot_id: int
    expires_on: date | None
    units: int


class Tagged(NamedTuple):
    """A thing that stands in a zone: its EPC (None: known by its label alone), identity and units."""

    epc: bytes | None
    identity: str | None
    units: int


@dataclass(slots=True)
class Place:
    """What a zone holds of a lot: all units, things included, and those things, what stands longest first."""

    site_id: int
    sku_id: int
    lot_id: int
    zone: str
    kind: str
    units: int
    things: list[Tagged] = field(default_factory=list)


class Pick(NamedTuple):
    """Units to be taken from a zone for a line: these things, and `loose` units without a serial number. `opens`: the
    last thing holds more than is wanted."""

    need: Need
    zone: str
    units: int
    things: tuple[Tagged, ...]
    loose: int
    opens: bool


class Unplaced(NamedTuple):
    """Units that were promised and stand in no zone that is picked from."""

    need: Need
    units: int


def plan(needs: Sequence[Need], places: Iterable[Place]) -> tuple[list[Pick], list[Unplaced]]:
    """Picks for all needs of an order, none of them twice, and what has no place. `places` are used up."""
    rank = {kind: order for order, kind in enumerate(PICK_KINDS)}
    fitting = sorted(
        (place for place in places if place.kind in rank and place.units > 0),
        key=lambda place: (rank[place.kind], -place.units, place.zone),
    )
    picks: list[Pick] = []
    unplaced: list[Unplaced] = []
    for need in needs:
        wanted = need.units
        for place in fitting:
            if wanted and place.units > 0 and (place.site_id, place.sku_id, place.lot_id) == need[1:4]:
                pick = _take(need, place, min(wanted, place.units))
                picks.append(pick)
                wanted -= pick.units
        if wanted:
            unplaced.append(Unplaced(need, wanted))
    return picks, unplaced


def _take(need: Need, place: Place, units: int) -> Pick:
    """Take units from a place: whole things first, then loose units, and a thing is opened only when nothing else is
    left."""
    loose = max(0, place.units - sum(thing.units for thing in place.things))
    whole: list[Tagged] = []
    others: list[Tagged] = []
    open_units = units
    for thing in place.things:
        if thing.units <= open_units:
            whole.append(thing)
            open_units -= thing.units
        else:
            others.append(thing)
    taken_loose = min(open_units, loose)
    opened = others[:1] if open_units > taken_loose else []
    place.things = others[len(opened) :]
    place.units -= units
    return Pick(need, place.zone, units, (*whole, *opened), taken_loose, bool(opened))
