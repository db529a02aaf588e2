"""What an event means: movements and scans to observations (pure). A rule is a row of a table, not a branch.

A movement speaks of one item; `departed` is presence alone and never moves stock. A scan speaks of one item when its
code names one (a serial number, an SSCC, an asset), else of so many units of a GTIN, for which `sources` says in which
zones they are looked for. What an intent does is said by its rule (scanning.py).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import date, datetime
from typing import NamedTuple

from backend.catalog.model import Site, Zone
from backend.effects.observation import Goods, Key, Observation
from backend.effects.scanning import SCANNED, STAYS, ScanRule
from backend.ledger.model import SELLABLE, Slot


class Held(NamedTuple):
    """Units that stand somewhere: where scans of goods without serial numbers may take from."""

    slot: Slot
    expires_on: date | None
    lot: str
    units: int


def moved(
    kind: str,
    direction: str | None,
    key: Key,
    place_id: int | None,
    unknown_id: int,
    condition: str | None = None,
    origin_id: int | None = None,
) -> Observation:
    """A gateway's movement. `place_id` is the zone for `arrived` and `moved`; for `crossed` it is what the crossing
    meant, as are `condition` and `origin_id` (crossing.py); a `departed` is presence alone."""
    if kind == "departed":
        return Observation(key, present=False)
    if kind == "crossed":
        out = direction == "out"
        return Observation(
            key, place_id, unknown_id, leaves=out, present=not out, condition=condition, first_origin_id=origin_id
        )
    return Observation(key, place_id, unknown_id, lingers=True, present=True)


def target(rule: ScanRule, site: Site, zone: Zone | None) -> Zone | None:
    """Where a scan puts goods; None: nowhere else."""
    if rule.place == SCANNED:
        return zone
    return None if rule.place == STAYS else site.virtual(rule.place)


def scanned(key: Key, place_id: int | None, unknown_id: int, *, leaves: bool, condition: str | None) -> Observation:
    """A scan of one item. A person's word counts at once, also just after the item left."""
    present = None if place_id is None else not leaves
    return Observation(key, place_id, unknown_id, leaves=leaves, present=present, condition=condition)


class Take(NamedTuple):
    """Units that a scan without serial numbers moves between two balances."""

    taken: Slot
    given: Slot
    quantity: int


def sources(
    rule: ScanRule, site: Site, held: Iterable[Held], to: Zone | None, lot: str | None, day: date | None = None
) -> list[Held]:
    """Where a scan takes from, the best first: the likeliest kind of zone, then the lot that expires first, then the
    larger heap, then the code; so the same stock gives the same answer everywhere.
    What expired before `day` is left."""
    by_id = {zone.zone_id: zone for zone in site.zones.values()}
    rank = {kind: place for place, kind in enumerate(rule.sources)}

    def order(one: Held) -> tuple[int, date, int, str, str]:
        zone = by_id[one.slot.zone_id]
        return rank[zone.kind], one.expires_on or date.max, -one.units, zone.code, one.lot

    return sorted(
        (
            one
            for one in held
            if one.units > 0
            and one.slot.zone_id in by_id
            and by_id[one.slot.zone_id].kind in rank
            and (to is None or one.slot.zone_id != to.zone_id)
            and one.slot.condition == SELLABLE
            and lot in (None, one.lot)
            and (day is None or one.expires_on is None or one.expires_on >= day)
        ),
        key=order,
    )


def promised_first(held: Sequence[Held], wanted: Mapping[int, int], owing: Slot) -> list[Held]:
    """Heaps in the order in which an order's pick takes from them: first, of each lot (`wanted`), as many units as it
    was promised; then what else there is; last, what was promised and lies nowhere, which the place of `owing` owes."""
    left = dict(wanted)
    first: list[Held] = []
    rest: list[Held] = []
    for one in held:
        units = min(one.units, left.get(one.slot.lot_id, 0))
        if units > 0:
            left[one.slot.lot_id] -= units
            first.append(one._replace(units=units))
        if one.units > units:
            rest.append(one._replace(units=one.units - units))
    owed = [Held(owing._replace(lot_id=lot_id), None, "", units) for lot_id, units in sorted(left.items()) if units > 0]
    return first + rest + owed


def lot_that_lies(site: Site, zone: Zone, held: Iterable[Held]) -> Held | str:
    """The one lot of a SKU that lies in a zone, for a scan that names none; else why it must name one. `held`: what the
    site holds of the SKU, sellable; the answer names its lots."""
    real = {one.zone_id for one in site.zones.values() if one.is_real}
    there = sorted((one for one in held if one.units > 0 and one.slot.zone_id in real), key=lambda one: one.lot)
    here = [one for one in there if one.slot.zone_id == zone.zone_id]
    if len(here) == 1:
        return here[0]
    if here:
        told = ", ".join(f"{one.lot} ({one.units})" if one.lot else f"without a lot ({one.units})" for one in here)
        return f"zone {zone.code} holds several lots, {told}: scan the code with its lot, or say which"
    lots = sorted({one.lot for one in there if one.lot})
    told = f"site {site.code} holds {', '.join(lots)}" if lots else f"nor does site {site.code}"
    return f"zone {zone.code} holds no lot of these goods, {told}: say which lot it is"


def fallback(rule: ScanRule, site: Site, to: Zone | None) -> Zone:
    """The zone that owes what no balance holds: the first by kind and code; the unknown where the site has none."""
    rank = {kind: place for place, kind in enumerate(rule.sources)}
    zones = [zone for zone in site.zones.values() if zone.kind in rank and zone != to]
    return min(zones, key=lambda zone: (rank[zone.kind], zone.code), default=site.virtual("unknown"))


def take(quantity: int, held: Sequence[Held], owing: Slot, to_zone_id: int, condition: str) -> list[Take]:
    """Take units from heaps in their order; what they lack is owed by `owing`: goods that a person holds in the hand
    exist, whatever the books say."""
    moves: list[Take] = []
    for one in held:
        moved = min(quantity, one.units)
        if moved:
            given = one.slot._replace(zone_id=to_zone_id, condition=condition)
            moves.append(Take(one.slot, given, moved))
            quantity -= moved
    if quantity:
        moves.append(Take(owing, owing._replace(zone_id=to_zone_id, condition=condition), quantity))
    return moves


class CountNamed(NamedTuple):
    """A count that a scan of the instant `at` names. `open`: one of its rounds was open then."""

    code: str
    at: datetime
    site_id: int
    status: str
    zone_ids: Sequence[int]
    open: bool


def uncounted(count: CountNamed, site: Site, zone: Zone | None) -> str | None:
    """Why a scan of a zone (None: it names none) does not count for a count; None when it does. A scan that comes late
    counts until the count is approved."""
    name = f"count {count.code!r}"
    if count.site_id != site.site_id:
        return f"{name} is of another site"
    if count.status in ("approved", "cancelled"):
        return f"{name} is {count.status}: nothing more is counted for it"
    if not count.open and count.status == "closed":
        return f"{name} is closed: nothing more is counted for it unless it is recounted"
    if not count.open:
        return f"{name} was not open at {count.at.isoformat()}: scan anew, or check the clock of the device"
    if zone is None and len(count.zone_ids) > 1:
        return f"{name} is of several zones: say which"
    if zone is not None and zone.zone_id not in count.zone_ids:
        return f"zone {zone.code!r} is not counted by {name}"
    return None


def impossible_date(observed_at: datetime, earliest: datetime, latest: datetime) -> str | None:
    """Why an event's date cannot be right, or None."""
    if observed_at > latest:
        return f"observed at {observed_at.isoformat()}, which has not come yet: check the clock of the gateway"
    if observed_at < earliest:
        return f"observed at {observed_at.isoformat()}, before this could have been recorded: check the clock"
    return None


def bound(
    key: Key, goods: Goods | None, origin_id: int | None, place_id: int | None, condition: str | None
) -> Observation:
    """A document's word: what the item is, where its units came from, and perhaps where and in what state it is."""
    return Observation(key, place_id, origin_id, condition=condition, goods=goods, origin_id=origin_id)
