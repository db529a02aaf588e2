"""What the backend is told before a run, as the CSV files its importers take: sites, zones, portals, SKUs; the receipts
that announce loads; the opening stock. Goods that the first sweep alone shall find are in no file.

Times and places of the run itself are never told.
"""

from __future__ import annotations

import csv
from collections.abc import Iterable, Sequence
from io import StringIO

from simulators.scenario import Scenario
from simulators.truth import SELLABLE
from simulators.world import World


def catalog_files(scenario: Scenario) -> dict[str, str]:
    """`sites`, `zones`, `portals`, `skus` → CSV text, in the order in which they must be imported."""
    zones, portals = [], []
    for site in scenario.sites:
        plan = scenario.plan_of(site)
        zones += [(site.code, zone.code, zone.name, zone.kind, "") for zone in plan.zones]
        portals += [(site.code, door.code, door.name, door.inside_zone) for door in plan.doors]
    return {
        "sites": _csv(
            ("code", "name", "region", "time_zone"),
            ((site.code, site.name, site.region, site.time_zone) for site in scenario.sites),
        ),
        "zones": _csv(("site", "code", "name", "kind", "parent"), zones),
        "portals": _csv(("site", "code", "name", "inside_zone"), portals),
        "skus": _csv(
            ("code", "name", "unit", "gtin", "gtin_quantity"),
            [
                *((one.sku, one.name, one.unit, one.gtin, one.quantity) for one in scenario.products),
                *(
                    (one.sku, one.name, "each", one.gtin, 1)
                    for one in (scenario.office.goods if scenario.office else ())
                ),
            ],
        ),
    }


def stock_files(world: World) -> dict[str, str]:
    """`receipts`, `opening-stock` → CSV text: every announced thing, and every thing whose place is told beforehand."""
    receipts: list[Sequence[object]] = []
    opening: list[Sequence[object]] = []
    for site, loads in world.openings.items():
        for pallet in loads.all:
            for tag in (world.goods.tags[number] for number in pallet.loaded):
                place = world.truth.place(tag.hex, world.start_us)
                if tag.sku is None:
                    continue
                if pallet.known == "announced":
                    receipts.append((site, pallet.receipt, tag.hex, tag.sku, tag.lot, tag.expires_on, pallet.sscc))
                elif pallet.known == "imported" and place is not None:
                    lot = (tag.sku, tag.lot, tag.expires_on)
                    opening.append((*place, *lot, SELLABLE, tag.quantity, tag.hex))
    return {
        "receipts": receipts_csv(receipts),
        "opening-stock": opening_csv(opening),
    }


def receipts_csv(rows: Iterable[Sequence[object]]) -> str:
    """Rows (site, document, EPC, SKU, lot, expiry, SSCC) as the receipts file."""
    return _csv(("site", "document", "epc", "sku", "lot", "expires_on", "sscc"), rows)


def opening_csv(rows: Iterable[Sequence[object]]) -> str:
    """Rows (site, zone, SKU, lot, expiry, condition, quantity, EPC) as the opening stock file."""
    return _csv(("site", "zone", "sku", "lot", "expires_on", "condition", "quantity", "epc"), rows)


def _csv(header: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    text = StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(header)
    writer.writerows(["" if value is None else value for value in row] for row in rows)
    return text.getvalue()
