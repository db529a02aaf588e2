"""Scans: counted once, found a thing or a heap to act on, applied or refused with a reason.

A scan is claimed first: of two transactions with the same (device, scan_id) the second waits, then knows it came again.
What a person is told is final: a refused scan stays refused, the person scans anew.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any, NamedTuple

from backend.catalog.model import Places, Site, Zone
from backend.catalog.service import Goods, goods_of, lot_ids
from backend.documents.model import scan_refusal
from backend.documents.service import SQL as DOCUMENTS
from backend.effects import rules
from backend.effects.identity import Named, of_scan
from backend.effects.observation import Goods as ItemGoods
from backend.effects.observation import Key
from backend.effects.rules import CountNamed, Held
from backend.effects.scanning import DAMAGED, JOINING, SCANNED, STILL, ScanBook, ScanRule
from backend.errors import CatalogError
from backend.ingest.aggregating import JoinWord, refusal, write_joins
from backend.ingest.heaps import Heaps
from backend.ingest.items import SQL, Admitted, Item
from backend.ingest.scan_rules import SQL as SCAN_RULES
from backend.ingest.scan_rules import read_book
from backend.ledger.model import SELLABLE, Cause, Slot, Transfer
from backend.orders import swapping
from backend.orders.model import after
from backend.orders.reserving import SQL as ORDERS
from backend.orders.service import note_picked
from backend.orders.substitution import Picking
from backend.stock.model import Shelf as StockShelf
from backend.stock.promises import Ahead
from backend.store.database import Connection, Record
from gs1.element import ScannedCode, parse_scan
from gs1.errors import ScanError
from wire.events import Scan


class Document(NamedTuple):
    """A document that a scan names."""

    document_id: int
    kind: str
    site_id: int


@dataclass(slots=True)
class Claimed:
    """A scan that is new, and what became of it so far. A reason means: refused. `units`: SKU, lot and units that it
    moves without serial numbers. `day`: of the site, when it was scanned, where its rule takes nothing that expired
    before."""

    seq: int
    scan: Scan
    rule: ScanRule
    code: ScannedCode | None = None
    name: Named | None = None
    pallet: Named | None = None
    zone: Zone | None = None
    item: Item | None = None
    place_id: int | None = None
    leaves: bool = False
    condition: str | None = None
    reason: str = ""
    document: Document | None = None
    order_id: int | None = None
    day: date | None = None
    units: list[tuple[int, int, int]] = field(default_factory=list)
    bindings: list[Key] = field(default_factory=list)


def read_pallet(one: Claimed) -> None:
    """Read which pallet an aggregating scan speaks of, and refuse one that does not say what stands on what."""
    scan = one.scan
    if one.name is None:
        one.reason = one.reason or f"{scan.intent} needs a code that names one thing, with its serial number or SSCC"
    elif scan.intent == "disaggregate":
        return
    elif scan.pallet is None:
        one.reason = one.reason or "aggregate needs the code of the pallet or case that it is put on"
    else:
        try:
            one.pallet = of_scan(parse_scan(scan.pallet))
        except ScanError as error:
            one.reason = one.reason or f"the pallet's code cannot be read: {error}"
        if one.pallet is None or one.pallet.kind != "sscc":
            one.reason = one.reason or f"{scan.pallet!r} is no SSCC: things stand on pallets and cases that have one"


async def join_scanned(
    connection: Connection, claimed: Sequence[Claimed], admitted: Admitted, gateway: str, epoch: str, now: datetime
) -> None:
    """Let scans count that put things on pallets or take them off."""
    for one in claimed:
        scan = one.scan
        if one.reason or one.item is None or scan.intent not in JOINING:
            continue
        parent = None if one.pallet is None else admitted.by_identity[one.pallet.identity]
        if parent is not None:
            one.reason = await refusal(connection, one.item, parent) or ""
        if not one.reason:
            said = (scan.observed_at, scan.operator, scan.document or "", gateway, epoch, one.seq)
            await write_joins(connection, [JoinWord(one.item, parent, *said)], now)


@dataclass(slots=True)
class ScanWork:
    """The scans of one transaction. Call claim, refuse_ended, find_promises, observe, transfers, count, swap_promises,
    settle in this order."""

    connection: Connection
    places: Places
    site: Site
    gateway: str
    epoch: str
    now: datetime
    claimed: list[Claimed] = field(default_factory=list)
    picking: Picking = field(default_factory=lambda: Picking(date.min))

    @property
    def named(self) -> dict[str, Named]:
        """The things that scans name, by identity; those of refused scans are not asked for."""
        names = (name for one in self.claimed if not one.reason for name in (one.name, one.pallet))
        return {name.identity: name for name in names if name is not None}

    @property
    def causes(self) -> dict[Key, Cause]:
        """For each observation: who scanned, and why."""
        return {key: self._cause(one) for one in self.claimed for key in (self._key(one), *one.bindings)}

    def _key(self, one: Claimed) -> Key:
        return one.scan.observed_at, self.gateway, self.epoch, one.seq

    def _cause(self, one: Claimed) -> Cause:
        scan = one.scan
        reason = scan.intent if scan.reason is None else f"{scan.intent}: {scan.reason}"
        return Cause(reason, scan.operator, "operator", scan.document, self.gateway, self.epoch, one.seq)

    async def claim(self, scans: Sequence[tuple[int, Scan]], latest: datetime, earliest: datetime) -> None:
        """Write new scans, note those that came again, and read the codes of the new ones; those of no instant between
        the earliest and the latest are refused."""
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
            [scan.reason for _, scan in once],
            [scan.photo for _, scan in once],
        )
        new = {row["seq"] for row in rows}
        book = await read_book(self.connection, self.site.site_id)
        self.claimed = [self._read(seq, scan, book) for seq, scan in scans if seq in new]
        await self._name_documents()
        await self._rule(book, latest, earliest)
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

    def _read(self, seq: int, scan: Scan, book: ScanBook) -> Claimed:
        rule = book.rule(scan.intent)
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
        elif rule.place == SCANNED:
            one.reason = one.reason or f"{scan.intent} needs the zone that the goods are put in"
        if scan.intent in JOINING:
            read_pallet(one)
        return one

    async def _rule(self, book: ScanBook, latest: datetime, earliest: datetime) -> None:
        """Find what scans do that name a document; refuse those that the site refuses, and those that have an
        impossible date: it may lie in no year of a calendar at the site."""
        for one in self.claimed:
            one.rule = book.rule(one.scan.intent, one.document and one.document.kind)
            one.reason = one.reason or one.rule.refusal
            one.reason = one.reason or rules.impossible_date(one.scan.observed_at, earliest, latest) or ""
        fresh = [one for one in self.claimed if not one.rule.takes_expired and not one.reason]
        if fresh:
            times = [one.scan.observed_at for one in fresh]
            rows = await self.connection.fetch(SCAN_RULES["days_at"], self.site.site_id, times)
            for one, row in zip(fresh, rows, strict=True):
                one.day = row["day"]

    async def _refuse_expired(self, goods: Sequence[tuple[Claimed, int]]) -> None:
        """Refuse scans of these lots that had expired, where the site's rule takes no such goods."""
        asked = [(one, lot_id) for one, lot_id in goods if one.day is not None]
        if not asked:
            return
        rows = await self.connection.fetch(SCAN_RULES["lots_that_end"], sorted({lot_id for _, lot_id in asked}))
        lots = {row["lot_id"]: row for row in rows}
        for one, lot_id in asked:
            lot = lots.get(lot_id)
            if lot is not None and one.day is not None and lot["expires_on"] < one.day:
                said = f"lot {lot['code']} expired on {lot['expires_on']}: {one.scan.intent} takes no such goods here"
                one.reason = one.reason or said

    async def _name_documents(self) -> None:
        """Find the documents and orders that scans name; one that is not open refuses its scans. A name that nobody
        made a document of is a remark."""
        codes = sorted({one.scan.document for one in self.claimed if one.scan.document is not None})
        if not codes:
            return
        documents = {row["code"]: row for row in await self.connection.fetch(DOCUMENTS["named_documents"], codes)}
        orders = {row["code"]: row for row in await self.connection.fetch(ORDERS["orders_by_code"], codes)}
        for one in self.claimed:
            document, order = documents.get(one.scan.document or ""), orders.get(one.scan.document or "")
            if document is not None:
                wrong = scan_refusal(document["code"], document["kind"], document["status"], one.scan.intent)
                one.reason = one.reason or wrong or ""
                one.document = Document(document["document_id"], document["kind"], document["site_id"])
            elif order is not None and one.scan.intent in ("pick", "pack"):
                if after(order["status"], "pick") is None and order["status"] != "packed":
                    one.reason = one.reason or f"order {order['code']!r} is {order['status']}: nothing is picked for it"
                one.order_id = order["order_id"]
        await self._name_counts([one for one in self.claimed if one.scan.intent == "count" and one.scan.document])

    async def _name_counts(self, scans: Sequence[Claimed]) -> None:
        """Refuse what is scanned for a count that does not count it: nobody is to think that it does."""
        if not scans:
            return
        rows = await self.connection.fetch(
            SQL["named_counts"], [one.scan.document for one in scans], [one.scan.observed_at for one in scans]
        )
        counts = {(row["code"], row["at"]): CountNamed(**row) for row in rows}
        for one in scans:
            count = counts.get((one.scan.document or "", one.scan.observed_at))
            if count is not None:
                one.reason = one.reason or rules.uncounted(count, self.site, one.zone) or ""

    async def find_promises(self) -> None:
        """Read what the orders that picks name were promised here; the orders are locked from now on."""
        named = {
            one.order_id
            for one in self.claimed
            if one.order_id is not None and one.scan.intent == "pick" and not one.reason
        }
        self.picking = await swapping.begin(self.connection, self.site.site_id, named, self.now)

    @property
    def swapped(self) -> Ahead:
        """The availabilities that swaps will change."""
        site_id = self.site.site_id
        shelves = [StockShelf(site_id, *goods, SELLABLE) for goods in self.picking.taken]
        return Ahead(shelves, self.picking.given)

    async def swap_promises(self) -> None:
        """Count picks on the promises that they serve; where another lot was picked it is promised instead."""
        await swapping.settle(self.connection, self.site.site_id, self.picking, self.now)

    def _serve(self, one: Claimed, sku_id: int, lots: Sequence[tuple[int | None, int]], brought: int = 0) -> bool:
        """Whether a pick for an order may be: it serves what the order was promised."""
        if one.order_id is None or one.scan.intent != "pick":
            return True
        one.reason = self.picking.serve(one.order_id, sku_id, lots, brought) or ""
        return not one.reason

    def _serve_thing(self, one: Claimed, item: Item) -> bool:
        """Likewise, of one thing; one that stood elsewhere comes to the site with the pick, if that is the newest word
        on it."""
        state = item.state
        if state.goods is None:
            return True
        zone = None if state.place_id is None else self.places.zone_by_id[state.place_id]
        here = zone is not None and zone.is_real and zone.site_id == self.site.site_id
        comes = not here and state.condition == SELLABLE and (state.key is None or state.key < self._key(one))
        units = state.goods.quantity
        return self._serve(one, state.goods.sku_id, [(state.goods.lot_id, units)], units if comes else 0)

    async def observe(self, admitted: Admitted) -> None:
        """Give each scan of one thing to its item as an observation."""
        unknown_id = self.site.virtual("unknown").zone_id
        items = [(one, admitted.by_identity.get(one.name.identity)) for one in self.claimed if one.name is not None]
        of_goods = [(one, item.state.goods) for one, item in items if item is not None]
        await self._refuse_expired([(one, goods.lot_id) for one, goods in of_goods if goods is not None])
        for one in self.claimed:
            if one.reason or one.name is None:
                continue
            one.item = admitted.by_identity.get(one.name.identity)
            if one.item is None:
                one.reason = admitted.faults[one.name.identity].reason
                continue
            if not self._serve_thing(one, one.item):
                continue
            to = rules.target(one.rule, self.site, one.zone)
            one.place_id = None if to is None else to.zone_id
            one.leaves = to is not None and not to.is_real
            one.condition = one.rule.condition
            if one.scan.intent not in STILL:
                key = self._key(one)
                one.item.fresh.append(
                    rules.scanned(key, one.place_id, unknown_id, leaves=one.leaves, condition=one.condition)
                )
        await self._bind_received()
        await join_scanned(self.connection, self.claimed, admitted, self.gateway, self.epoch, self.now)

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
        named = [(one, lots.get((goods.sku_id, _lot_code(one) or ""))) for one, _, goods in of_goods]
        await self._refuse_expired([(one, lot_id) for one, lot_id in named if lot_id is not None])
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
        ones = [one for one in self.claimed if one.name is None and not one.reason and one.code is not None]
        ones = [one for one in ones if one.scan.intent not in STILL]
        goods = await goods_of(self.connection, (gtin for one in ones if (gtin := _gtin(one)) is not None))
        for one in ones:
            gtin = _gtin(one)
            if gtin is None or gtin not in goods:
                one.reason = f"no SKU has GTIN {gtin}" if gtin else "the code names no goods"
        known = [(one, goods[gtin]) for one in ones if (gtin := _gtin(one)) is not None and not one.reason]
        lots = await self._lots([(one, found.sku_id) for one, found in known])
        lotted = [(one, lots.get((found.sku_id, _lot_code(one) or ""))) for one, found in known]
        await self._refuse_expired([(one, lot_id) for one, lot_id in lotted if lot_id is not None])
        named = {found.sku_id for _, found in known}
        broken = {found.sku_id for one, found in known if one.scan.intent == "damage" and _lot_code(one) is None}
        heaps = await Heaps.read(self.connection, self.site.site_id, named, lots, broken)
        transfers: list[Transfer] = []
        for one, found in sorted(known, key=lambda pair: (pair[0].scan.observed_at, pair[0].seq)):
            if not one.reason:
                transfers += self._move(one, found, heaps)
        return transfers

    def _move(self, one: Claimed, goods: Goods, heaps: Heaps) -> list[Transfer]:
        quantity = one.scan.quantity * goods.quantity * ((one.code and one.code.count) or 1)
        lot = _lot_code(one)
        lot_id = goods.lot_id if lot is None else heaps.lots[goods.sku_id, lot]
        to = rules.target(one.rule, self.site, one.zone)
        condition = one.rule.condition or SELLABLE
        found: list[Held] = []
        if one.scan.intent == "receive":
            sender = self.site
            if one.document is not None and one.document.kind == "transfer":
                sender = self.places.site_by_id[one.document.site_id]
            source = sender.virtual(one.rule.sources[0])
        elif one.scan.intent == "damage":
            if one.zone is None:
                one.reason = "damage to goods without a serial number needs the zone they are in"
                return []
            source, to = one.zone, to or one.zone
            if lot is None and goods.sku_id in heaps.lotted:
                lies = rules.lot_that_lies(self.site, one.zone, heaps.of(goods.sku_id))
                if isinstance(lies, str):
                    one.reason = lies
                    return []
                lot_id = lies.slot.lot_id
        else:
            found = rules.sources(one.rule, self.site, heaps.of(goods.sku_id), to, lot, one.day)
            source = rules.fallback(one.rule, self.site, to)
        if to is None:
            return []
        owing = Slot(source.zone_id, goods.sku_id, lot_id, SELLABLE)
        if one.order_id is not None and one.scan.intent == "pick" and lot is None:
            wanted = self.picking.wanted(one.order_id, goods.sku_id, one.day)
            found = rules.promised_first(found, wanted, owing)
        moves = rules.take(quantity, found, owing, to.zone_id, condition)
        # what no heap holds is of the lot that the scan names, or of one that nobody knows
        known = {heap.slot for heap in found} if lot is None else {owing, *(move.taken for move in moves)}
        picked = [(move.taken.lot_id if move.taken in known else None, move.quantity) for move in moves]
        if not self._serve(one, goods.sku_id, picked):
            return []
        one.units = [(move.taken.sku_id, move.taken.lot_id, move.quantity) for move in moves]
        heaps.move(moves, lot or "", None if one.code is None else one.code.expires_on)
        cause = self._cause(one)
        return [Transfer(one.scan.observed_at, *move, None, cause) for move in moves]

    @property
    def documents(self) -> dict[int, int]:
        """The documents under which scans let goods leave, by the number of the scan."""
        return {
            one.seq: one.document.document_id
            for one in self.claimed
            if one.document is not None and one.scan.intent == "ship" and not one.reason
        }

    @property
    def counted_on(self) -> set[int]:
        """The documents that scans count on, unless they are refused yet."""
        return {
            one.document.document_id
            for one in self.claimed
            if one.document is not None and one.scan.intent in COUNTED and not one.reason
        }

    def refuse_ended(self, documents: Iterable[Record]) -> None:
        """Refuse scans that these documents, locked now, do not take any more."""
        locked = {row["document_id"]: row for row in documents}
        for one in self.claimed:
            row = None if one.document is None else locked.get(one.document.document_id)
            if row is not None:
                wrong = scan_refusal(row["code"], row["kind"], row["status"], one.scan.intent)
                one.reason = one.reason or wrong or ""

    async def count(self) -> set[int]:
        """Count what applied scans moved under documents and picked for orders; answers the documents of which it has
        come."""
        came: set[int] = set()
        counted: list[tuple[int, int, int, int, int, int]] = []
        things: dict[str, list[tuple[int, int, datetime]]] = {"note_gone": [], "note_come": []}
        picked: list[tuple[int, int, int]] = []
        for one in self.claimed:
            if one.reason:
                continue
            intent, goods = one.scan.intent, None if one.item is None else one.item.state.goods
            if one.order_id is not None and intent == "pick":
                units = [goods] if isinstance(goods, ItemGoods) else [ItemGoods(*each) for each in one.units]
                picked += ((one.order_id, each.sku_id, each.quantity) for each in units)
            if one.document is None or intent not in COUNTED:
                continue
            column = COUNTED[intent]
            if column == "come":
                came.add(one.document.document_id)
            for sku_id, lot_id, units_moved in one.units:
                numbers = [units_moved if name == column else 0 for name in ("gone", "come", "damaged")]
                counted.append((one.document.document_id, sku_id, lot_id, numbers[0], numbers[1], numbers[2]))
            if one.item is not None and column in ("gone", "come"):
                things[f"note_{column}"].append((one.document.document_id, one.item.item_id, one.scan.observed_at))
        for name, rows in things.items():
            if rows:
                await self.connection.execute(DOCUMENTS[name], *(list(column) for column in zip(*rows, strict=True)))
        if counted:
            await self.connection.execute(
                DOCUMENTS["count_units"], *(list(column) for column in zip(*counted, strict=True))
            )
        if picked:
            await note_picked(self.connection, picked, self.now)
        return came

    async def note_damage(self, transfers: Iterable[Transfer]) -> None:
        """Let what damage scans found broken stand with the inspections. `transfers`: what this transaction posts."""
        before = {one.cause.seq: one.taken.condition for one in transfers}
        rows: list[tuple[Any, ...]] = []
        for one in self.claimed:
            if one.reason or one.scan.intent != "damage":
                continue
            item, scan = one.item, one.scan
            units = [ItemGoods(*each) for each in one.units] if item is None else [item.state.goods]
            rows += (
                (
                    one.seq,
                    scan.observed_at,
                    goods.sku_id,
                    goods.lot_id,
                    item and item.item_id,
                    goods.quantity,
                    before.get(one.seq, DAMAGED),
                    scan.reason or "",
                    scan.photo or "",
                    scan.operator,
                )
                for goods in units
                if goods is not None
            )
        if rows:
            columns = (list(column) for column in zip(*rows, strict=True))
            await self.connection.execute(SQL["note_damage"], self.site.site_id, self.gateway, self.epoch, *columns)

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


COUNTED = {"ship": "gone", "receive": "come", "damage": "damaged"}
"""Which column of a document's line an intent counts in."""

MAX_REASON_CHARS = 500
"""What wire.ack.ScanOutcome carries to the device."""


def _lot_code(one: Claimed) -> str | None:
    """The lot that a scan names; an empty one is stock without a lot."""
    return (one.code.lot if one.code is not None else None) or one.scan.lot


def _gtin(one: Claimed) -> str | None:
    if one.code is None:
        return None
    return one.code.gtin or one.code.content_gtin
