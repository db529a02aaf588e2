"""Scans: counted once, found a thing or a heap to act on, applied or refused with a reason.

A scan is claimed first: of two transactions with the same (device, scan_id) the second waits, then knows it came again.
What a person is told is final: a refused scan stays refused, the person scans anew.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime

from backend.catalog.model import Site, Zone
from backend.catalog.service import Goods, goods_of, lot_ids
from backend.effects import rules
from backend.effects.identity import Named, of_scan
from backend.effects.observation import Goods as ItemGoods
from backend.effects.observation import Key
from backend.effects.rules import Held, ScanRule
from backend.errors import CatalogError
from backend.ingest.items import SQL, Admitted, Item
from backend.ledger.model import SELLABLE, Cause, Slot, Transfer
from backend.store.database import Connection
from gs1.element import ScannedCode, parse_scan
from gs1.errors import ScanError
from wire.events import Scan


@dataclass(slots=True)
class Claimed:
    """A scan that is new, and what became of it so far. A reason means: refused."""

    seq: int
    scan: Scan
    rule: ScanRule
    code: ScannedCode | None = None
    name: Named | None = None
    zone: Zone | None = None
    item: Item | None = None
    place_id: int | None = None
    leaves: bool = False
    condition: str | None = None
    reason: str = ""
    bindings: list[Key] = field(default_factory=list)


@dataclass(slots=True)
class ScanWork:
    """The scans of one transaction. Call claim, observe, transfers, settle in this order."""

    connection: Connection
    site: Site
    gateway: str
    epoch: str
    now: datetime
    claimed: list[Claimed] = field(default_factory=list)

    @property
    def named(self) -> dict[str, Named]:
        """The things that scans name, by identity; those of refused scans are not asked for."""
        return {one.name.identity: one.name for one in self.claimed if one.name is not None and not one.reason}

    @property
    def causes(self) -> dict[Key, Cause]:
        """For each observation: who scanned, and why."""
        return {key: self._cause(one) for one in self.claimed for key in (self._key(one), *one.bindings)}

    def _key(self, one: Claimed) -> Key:
        return one.scan.observed_at, self.gateway, self.epoch, one.seq

    def _cause(self, one: Claimed) -> Cause:
        scan = one.scan
        return Cause(scan.intent, scan.operator, "operator", scan.document, self.gateway, self.epoch, one.seq)

    async def claim(self, scans: Sequence[tuple[int, Scan]]) -> None:
        """Write new scans, note those that came again, and read the codes of the new ones."""
        if not scans:
            return
        first: dict[tuple[str, str], int] = {}
        for seq, scan in scans:
            first.setdefault((scan.device, scan.scan_id), seq)
        once = [(seq, scan) for seq, scan in scans if first[scan.device, scan.scan_id] == seq]
        rows = await self.connection.fetch(
            SQL["claim_scans"],
            self.now,
            self.site.site_id,
            self.gateway,
            self.epoch,
            [scan.device for _, scan in once],
            [scan.scan_id for _, scan in once],
            [scan.observed_at for _, scan in once],
            [seq for seq, _ in once],
            [scan.operator for _, scan in once],
            [scan.intent for _, scan in once],
            [scan.code for _, scan in once],
            [scan.zone for _, scan in once],
            [scan.quantity for _, scan in once],
            [scan.lot for _, scan in once],
            [scan.document for _, scan in once],
        )
        new = {row["seq"] for row in rows}
        self.claimed = [self._read(seq, scan) for seq, scan in scans if seq in new]
        again = [(seq, scan) for seq, scan in scans if seq not in new]
        if again:
            await self.connection.execute(
                SQL["repeat_scans"],
                self.gateway,
                self.epoch,
                self.now,
                [seq for seq, _ in again],
                [scan.device for _, scan in again],
                [scan.scan_id for _, scan in again],
            )

    def _read(self, seq: int, scan: Scan) -> Claimed:
        rule = rules.SCAN_RULES[scan.intent]
        one = Claimed(seq, scan, rule)
        try:
            one.code = parse_scan(scan.code)
            one.name = of_scan(one.code)
        except ScanError as error:
            one.reason = f"the code cannot be read: {error}"
        if scan.zone is not None:
            one.zone = self.site.real_zone(scan.zone)
            if one.zone is None:
                one.reason = one.reason or f"site {self.site.code} has no zone {scan.zone!r}"
        elif rule.to == "zone":
            one.reason = one.reason or f"{scan.intent} needs the zone that the goods are put in"
        return one

    async def observe(self, admitted: Admitted, latest: datetime, earliest: datetime) -> None:
        """Give each scan of one thing to its item as an observation."""
        unknown_id = self.site.virtual("unknown").zone_id
        for one in self.claimed:
            wrong = rules.impossible_date(one.scan.observed_at, earliest, latest)
            if wrong is not None:
                one.reason = one.reason or wrong
            if one.reason or one.name is None:
                continue
            one.item = admitted.by_identity.get(one.name.identity)
            if one.item is None:
                one.reason = admitted.faults[one.name.identity].reason
                continue
            to = rules.target(one.rule, self.site, one.zone)
            one.place_id = None if to is None else to.zone_id
            one.leaves = to is not None and not to.is_real
            one.condition = one.rule.condition
            if one.rule.changes_stock:
                key = self._key(one)
                one.item.fresh.append(
                    rules.scanned(key, one.place_id, unknown_id, leaves=one.leaves, condition=one.condition)
                )
        await self._bind_received()

    async def _bind_received(self) -> None:
        """A receipt's scan also says where the thing's units came from, and its lot."""
        received = [
            (one, one.item, one.item.state.goods)
            for one in self.claimed
            if one.scan.intent == "receive" and one.item is not None and not one.reason
        ]
        of_goods = [(one, item, goods) for one, item, goods in received if goods is not None]
        if not of_goods:
            return
        lots = await self._lots([(one, goods.sku_id) for one, _, goods in of_goods])
        supplier = self.site.virtual("supplier").zone_id
        for one, item, goods in of_goods:
            if one.reason:
                item.fresh = [seen for seen in item.fresh if seen.key != self._key(one)]
                continue
            lot_id = lots.get((goods.sku_id, _lot_code(one) or ""), goods.lot_id)
            bound = ItemGoods(goods.sku_id, lot_id, goods.quantity)
            (row,) = await self.connection.fetch(
                SQL["add_binding"],
                one.scan.observed_at,
                one.scan.operator,
                [item.item_id],
                [bound.sku_id],
                [bound.lot_id],
                [bound.quantity],
                [supplier],
                [None],
                [None],
                [one.scan.document or "scan"],
            )
            key = (one.scan.observed_at, "", "", row["binding_id"])
            one.bindings.append(key)
            item.fresh.append(rules.bound(key, bound, supplier, None, None))

    async def _lots(self, wanted: Sequence[tuple[Claimed, int]]) -> dict[tuple[int, str], int]:
        """Lots that scans name, made where missing; a scan whose lot contradicts the catalog is refused."""
        found: dict[tuple[int, str], int] = {}
        for one, sku_id in wanted:
            lot = _lot_code(one)
            if lot is None:
                continue
            expires_on = one.code.expires_on if one.code is not None else None
            try:
                found |= await lot_ids(self.connection, {(sku_id, lot): expires_on})
            except CatalogError as error:
                one.reason = str(error)
        return found

    async def transfers(self) -> list[Transfer]:
        """The postings of scans that name so many of a kind, in the order in which they were scanned."""
        heaps = [one for one in self.claimed if one.name is None and not one.reason and one.code is not None]
        heaps = [one for one in heaps if one.rule.changes_stock]
        goods = await goods_of(self.connection, (gtin for one in heaps if (gtin := _gtin(one)) is not None))
        for one in heaps:
            gtin = _gtin(one)
            if gtin is None or gtin not in goods:
                one.reason = f"no SKU has GTIN {gtin}" if gtin else "the code names no goods"
        known = [(one, goods[gtin]) for one in heaps if (gtin := _gtin(one)) is not None and not one.reason]
        lots = await self._lots([(one, found.sku_id) for one, found in known])
        held = await self._held({found.sku_id for _, found in known})
        transfers: list[Transfer] = []
        for one, found in sorted(known, key=lambda pair: (pair[0].scan.observed_at, pair[0].seq)):
            if not one.reason:
                transfers += self._move(one, found, lots, held)
        return transfers

    def _move(
        self, one: Claimed, goods: Goods, lots: dict[tuple[int, str], int], held: dict[Slot, Held]
    ) -> list[Transfer]:
        quantity = one.scan.quantity * goods.quantity * ((one.code and one.code.count) or 1)
        lot = _lot_code(one)
        lot_id = goods.lot_id if lot is None else lots[goods.sku_id, lot]
        to = rules.target(one.rule, self.site, one.zone)
        heaps: list[Held] = []
        if one.scan.intent == "receive":
            source = self.site.virtual("supplier")
        elif one.scan.intent == "damage":
            if one.zone is None:
                one.reason = "damage to goods without a serial number needs the zone they are in"
                return []
            source = to = one.zone
        else:
            of_sku = [heap for heap in held.values() if heap.slot.sku_id == goods.sku_id]
            heaps = rules.sources(one.rule, self.site, of_sku, to, lot)
            source = rules.fallback(one.rule, self.site, to)
        if to is None:
            return []
        owing = Slot(source.zone_id, goods.sku_id, lot_id, SELLABLE)
        moves = rules.take(quantity, heaps, owing, to.zone_id, one.rule.condition or SELLABLE)
        for move in moves:
            if move.taken in held:
                held[move.taken] = held[move.taken]._replace(units=held[move.taken].units - move.quantity)
        cause = self._cause(one)
        return [Transfer(one.scan.observed_at, *move, None, cause) for move in moves]

    async def _held(self, sku_ids: set[int]) -> dict[Slot, Held]:
        if not sku_ids:
            return {}
        rows = await self.connection.fetch(SQL["held_stock"], self.site.site_id, sorted(sku_ids))
        slots = ((Slot(row["zone_id"], row["sku_id"], row["lot_id"], row["condition"]), row) for row in rows)
        return {slot: Held(slot, row["expires_on"], row["lot"], row["net"]) for slot, row in slots}

    async def settle(self) -> None:
        """Write what became of each claimed scan."""
        if not self.claimed:
            return
        await self.connection.execute(
            SQL["settle_scans"],
            [one.scan.device for one in self.claimed],
            [one.scan.scan_id for one in self.claimed],
            ["refused" if one.reason else "applied" for one in self.claimed],
            [one.reason[:MAX_REASON_CHARS] for one in self.claimed],
            [None if one.item is None else one.item.item_id for one in self.claimed],
            [one.place_id for one in self.claimed],
            [one.leaves for one in self.claimed],
            [one.condition for one in self.claimed],
        )


MAX_REASON_CHARS = 500
"""What wire.ack.ScanOutcome carries to the device."""


def _lot_code(one: Claimed) -> str | None:
    return (one.code.lot if one.code is not None else None) or one.scan.lot


def _gtin(one: Claimed) -> str | None:
    if one.code is None:
        return None
    return one.code.gtin or one.code.content_gtin
