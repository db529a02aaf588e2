"""Units without serial numbers at a site, as the scans of one transaction find them and leave them to the next."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import date

from backend.effects.rules import Held, Take
from backend.ingest.items import SQL
from backend.ledger.model import SELLABLE, Slot
from backend.store.database import Connection


@dataclass(slots=True)
class Heaps:
    """What a site holds of the SKUs that scans name. `lots`: those that scans name, by (SKU, code). `lotted`: of
    the broken SKUs, those that have lots."""

    lots: dict[tuple[int, str], int]
    held: dict[Slot, Held]
    lotted: frozenset[int]

    @classmethod
    async def read(
        cls,
        connection: Connection,
        site_id: int,
        sku_ids: Collection[int],
        lots: dict[tuple[int, str], int],
        broken: Collection[int],
    ) -> Heaps:
        """The heaps of these SKUs at a site. `broken`: those of them that broke as a lot that nobody named."""
        if not sku_ids:
            return cls(lots, {}, frozenset())
        held: dict[Slot, Held] = {}
        for row in await connection.fetch(SQL["held_stock"], site_id, sorted(sku_ids)):
            slot = Slot(row["zone_id"], row["sku_id"], row["lot_id"], row["condition"])
            held[slot] = Held(slot, row["expires_on"], row["lot"], row["net"])
        rows = await connection.fetch(SQL["lotted"], sorted(broken)) if broken else []
        return cls(lots, held, frozenset(row["sku_id"] for row in rows))

    def of(self, sku_id: int) -> list[Held]:
        """The heaps of a SKU."""
        return [heap for heap in self.held.values() if heap.slot.sku_id == sku_id]

    def move(self, takes: Iterable[Take], lot: str, expires_on: date | None) -> None:
        """Let what a scan moved count for the next. `lot` and its expiry, as the scan says them, are of what no heap
        held."""
        for one in takes:
            source = self.held.get(one.taken)
            if source is not None:
                self.held[one.taken] = source._replace(units=source.units - one.quantity)
            if one.given.condition == SELLABLE:
                known = self.held.get(one.given) or (source or Held(one.taken, expires_on, lot, 0))
                before = known.units if known.slot == one.given else 0
                self.held[one.given] = known._replace(slot=one.given, units=before + one.quantity)
