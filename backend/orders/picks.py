"""Where to pick an order: read out of the database what picking.py decides upon."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Final

from pydantic import BaseModel

from backend.api.problems import ProblemError
from backend.orders.picking import PICK_KINDS, Need, Place, Tagged, plan
from backend.orders.reserving import SQL as ORDERS
from backend.store.database import Connection, Queries

SQL: Final = Queries(Path(__file__).with_name("picking.sql"))

MAX_THINGS: Final = 10_000
"""Things looked at for one order, what stands longest first: more than a person picks in a day."""

PICKED_IN: Final = frozenset({"confirmed", "picking"})
"""States in which an order is picked."""


class PickedThing(BaseModel):
    """A thing to be taken."""

    epc: str | None
    identity: str | None
    units: int


class PickView(BaseModel):
    """Units to be taken from a zone for a line: these things, and loose units. `opens`: the last thing holds more."""

    line: int
    sku: str
    site: str
    zone: str
    lot: str
    expires_on: date | None
    units: int
    things: list[PickedThing]
    loose: int
    opens: bool


class UnplacedView(BaseModel):
    """Units that were promised and stand in no zone that is picked from."""

    line: int
    sku: str
    site: str
    lot: str
    units: int


class PickList(BaseModel):
    """Where to pick what an order was promised and nobody has picked yet."""

    order: str
    picks: list[PickView]
    unplaced: list[UnplacedView]


async def pick_list(connection: Connection, code: str) -> PickList:
    """Where to pick an order. Raises ProblemError: `not-found`, `wrong-state` for one that is not to be picked."""
    head = await connection.fetchrow(ORDERS["order_head"], code)
    if head is None:
        raise ProblemError("not-found", f"no order {code!r}")
    if head["status"] not in PICKED_IN:
        raise ProblemError("wrong-state", f"order {code!r} is {head['status']}: nothing is picked for it")
    rows = await connection.fetch(SQL["needs"], head["order_id"])
    names = {(row["site_id"], row["sku_id"], row["lot_id"]): row for row in rows}
    needs = [Need(**{name: row[name] for name in Need._fields}) for row in rows]
    picks, unplaced = plan(needs, await _places(connection, needs))
    return PickList(
        order=code,
        picks=[
            PickView(
                line=one.need.line_no,
                **{name: names[one.need[1:4]][name] for name in ("sku", "site", "lot", "expires_on")},
                zone=one.zone,
                units=one.units,
                things=[
                    PickedThing(epc=thing.epc and thing.epc.hex().upper(), identity=thing.identity, units=thing.units)
                    for thing in one.things
                ],
                loose=one.loose,
                opens=one.opens,
            )
            for one in picks
        ],
        unplaced=[
            UnplacedView(
                line=one.need.line_no,
                **{name: names[one.need[1:4]][name] for name in ("sku", "site", "lot")},
                units=one.units,
            )
            for one in unplaced
        ],
    )


async def _places(connection: Connection, needs: list[Need]) -> list[Place]:
    if not needs:
        return []
    sites, lots = [need.site_id for need in needs], [need.lot_id for need in needs]
    places: dict[tuple[int, int], Place] = {}
    for row in await connection.fetch(SQL["places"], sites, lots, list(PICK_KINDS)):
        places[row["zone_id"], row["lot_id"]] = Place(
            row["site_id"], row["sku_id"], row["lot_id"], row["zone"], row["kind"], row["units"]
        )
    zones = sorted({zone_id for zone_id, _ in places})
    skus = sorted({need.sku_id for need in needs})
    for row in await connection.fetch(SQL["things"], skus, sorted(set(lots)), zones, MAX_THINGS):
        place = places.get((row["zone_id"], row["lot_id"]))
        if place is not None:
            place.things.append(Tagged(row["epc"], row["identity"], row["units"]))
    return list(places.values())
