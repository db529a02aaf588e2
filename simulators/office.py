"""The office work of a day, told beforehand: what the clerks of each site do, when, and what their books say of it.

    desk of a site     receipt ─▶ put away ─▶ orders: placed, confirmed, picked, shipped, some cancelled, one too large
                       and between them: damage and its inspection, a transfer to another site that loses some units
                       on the road, a return and its inspections, a blind count while goods are picked

A desk is a process that yields deeds in order of time: a call of the API, or a scan with the desk's handheld. What it
yields it has booked already; whoever plays it does each deed at its instant, after the one before has taken effect.
Goods of the office carry no tags, so every number of theirs is exact.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final

import numpy as np

from readers.read import from_us
from simulators.api_call import NOT_AVAILABLE, OK, ApiCall
from simulators.books import Books, ChannelTerms, CountLine, Heap, Inspected, Line, Order, Paper, Sheet
from simulators.errors import ScenarioError
from simulators.scenario import Office, OfficeGoods, OfficeTransfer, Plan, Scenario
from simulators.scene import HandheldScan
from simulators.truth import IN_TRANSIT, SELLABLE
from wire.ack import ScanRequest

CANCELS_EVERY: Final = 5
KEEPS_EVERY: Final = 7
"""Of a desk's orders so many are cancelled, and so many stay confirmed until after the day."""

READY_S: Final = 6.0
"""Who counts begins so long after the count is made: the clerk who makes it may be some seconds late."""

PICKED_MEANWHILE: Final = 2
"""Units that are picked while their goods are counted."""

HOLD_S: Final = 6 * 3600.0
"""A reservation outlives the day's longest wait of a clerk."""


@dataclass(frozen=True, slots=True)
class DeskScan:
    """A scan at an instant."""

    at_us: int
    scan: HandheldScan


Deed = ApiCall | DeskScan


class OfficeDay:
    """Every desk of a scenario's office, and their books."""

    def __init__(self, scenario: Scenario, office: Office, seed: int, start_us: int) -> None:
        self.office = office
        self.run = f"{start_us // 1_000_000:x}"
        self.reason = f"looked at on day {self.run}"
        """Of every inspection of the day."""
        self.start_us = start_us
        self.books = Books({one.code: ChannelTerms(one.buffer, one.protected) for one in office.channels})
        self.desks = {
            site.code: Desk(self, site.code, scenario.plan_of(site), np.random.default_rng([seed, number]))
            for number, site in enumerate(scenario.sites)
        }

    def require_new(self, skus: Iterable[str]) -> None:
        """Raises ScenarioError when goods of the office are there already: the day's books begin empty."""
        known = {goods.sku for goods in self.office.goods} & set(skus)
        if known:
            raise ScenarioError(
                f"{', '.join(sorted(known))} from an earlier day: begin with an empty database (--fresh)"
            )

    def opening(self) -> Iterator[ApiCall]:
        """What is said before the day begins: the channels and their rules."""
        for one in self.office.channels:
            yield ApiCall(self.start_us, "channels", {"code": one.code, "kind": one.kind})
            rule = {"buffer": one.buffer, "protected": one.protected}
            yield ApiCall(self.start_us, f"channels/{one.code}/rules", {"rules": [rule]})

    @property
    def devices(self) -> tuple[tuple[str, str], ...]:
        """Site and name of every desk's handheld."""
        return tuple((code, desk.device) for code, desk in self.desks.items())


class Desk:
    """One site's clerk and the people who handle goods for it."""

    def __init__(self, day: OfficeDay, site: str, plan: Plan, chance: np.random.Generator) -> None:
        self.device = f"{site}-desk"
        self._day = day
        self._books = day.books
        self._site = site
        self._chance = chance
        self._at_us = day.start_us + round(day.office.begins_s * 1e6)
        self._made = 0
        self._scanned = 0
        self._receiving = _zone(plan, "receiving")
        self._storage = _zone(plan, "storage")
        self._packing = _zone(plan, "packing")

    def deeds(self) -> Iterator[Deed]:
        """The site's day. What is yielded is booked."""
        office = self._day.office
        yield from self._receive_and_put_away()
        transfers = [one for one in office.transfers if one.from_site == self._site]
        for number in range(1, office.orders + 1):
            yield from self._order(number)
            if number == office.orders // 3:
                yield from self._damage()
            if number == office.orders // 2:
                for transfer in transfers:
                    yield from self._transfer(transfer)
                yield from self._too_large()
            if number == 2 * office.orders // 3:
                yield from self._return()
            if number == 5 * office.orders // 6:
                yield from self._count()

    # Receipts -------------------------------------------------------------------------------------------------------

    def _receive_and_put_away(self) -> Iterator[Deed]:
        goods = self._day.office.goods
        receipt = self._code("receipt")
        paper = self._paper(receipt, "receipt", "open", {one.sku: one.received for one in goods})
        yield self._make(receipt, paper, party="Day's supplier")
        for one in goods:
            paper.lines[one.sku].come += one.received
            self._books.move(self._heap(one, "supplier"), self._heap(one, self._receiving), one.received)
            yield self._scan("receive", one, one.received, self._receiving, receipt, lot=True)
        paper.status = "closed"
        yield self._happens(receipt, "close")
        for one in goods:
            self._books.move(self._heap(one, self._receiving), self._heap(one, self._storage), one.received)
            yield self._scan("put_away", one, one.received, self._storage)

    # Orders ---------------------------------------------------------------------------------------------------------

    def _order(self, number: int) -> Iterator[Deed]:
        office = self._day.office
        channel = office.channels[number % len(office.channels)].code
        one, quantity = self._one(), int(self._chance.integers(1, office.most_units + 1))
        if self._books.available(channel, self._site, one.sku) < quantity:
            return
        code = self._code("order")
        order = self._books.orders[code] = Order(channel, self._site, one.sku, quantity)
        yield self._reserve(code, channel, one, quantity)
        if number % CANCELS_EVERY == 0:
            order.status = "cancelled"
            yield self._call(f"orders/{code}/events", {"event": "cancel"})
            return
        order.status = "confirmed"
        yield self._call(f"orders/{code}/events", {"event": "confirm"})
        if number % KEEPS_EVERY == 0:
            return
        order.status, order.picked = "picking", quantity
        self._books.move(self._heap(one, self._storage), self._heap(one, self._packing), quantity)
        yield self._scan("pick", one, quantity, self._packing, code)
        yield from self._ship(code, order, one)

    def _ship(self, code: str, order: Order, one: OfficeGoods) -> Iterator[Deed]:
        shipment = self._code("shipment")
        paper = self._paper(shipment, "shipment", "open", {one.sku: order.quantity})
        yield self._make(shipment, paper, order=code)
        paper.lines[one.sku].gone += order.quantity
        order.fulfilled = order.quantity
        self._books.move(self._heap(one, self._packing), self._heap(one, "customer"), order.quantity)
        yield self._scan("ship", one, order.quantity, None, shipment)
        paper.status, order.status = "closed", "shipped"
        yield self._happens(shipment, "close")

    def _too_large(self) -> Iterator[Deed]:
        """Somebody asks for more than there is, on every channel."""
        for channel in self._books.channels:
            one, code = self._one(), self._code("order")
            there = self._books.available(channel, self._site, one.sku)
            self._books.refused.add(code)
            yield self._reserve(code, channel, one, there + 1, NOT_AVAILABLE)

    def _reserve(self, code: str, channel: str, one: OfficeGoods, quantity: int, expect: int = OK) -> ApiCall:
        lines = [{"sku": one.sku, "quantity": quantity}]
        body = {"code": code, "channel": channel, "sites": [self._site], "lines": lines, "hold_s": HOLD_S}
        return self._call("orders", body, expect, twice=True)

    # Damage, returns, transfers -------------------------------------------------------------------------------------

    def _damage(self) -> Iterator[Deed]:
        one, whole = self._one(), self._storage
        damaged = self._heap(one, whole)._replace(condition="damaged")
        self._books.move(self._heap(one, whole), damaged, 2)
        self._books.inspections.append(Inspected(self._site, one.sku, one.lot, 2, SELLABLE, "damage"))
        yield self._scan("damage", one, 2, whole, lot=True, reason=self._day.reason, photo=f"cam/{self._site}/1")
        yield self._inspect(damaged, 1, "scrap", damaged._replace(zone="scrap"))

    def _return(self) -> Iterator[Deed]:
        shipped = [
            order for order in self._books.orders.values() if order.status == "shipped" and order.site == self._site
        ]
        if not shipped:
            return
        order = shipped[int(self._chance.integers(len(shipped)))]
        one = next(goods for goods in self._day.office.goods if goods.sku == order.sku)
        code = self._code("return")
        paper = self._paper(code, "return", "open", {one.sku: order.quantity})
        yield self._make(code, paper, party="A customer")
        returned = self._heap(one, self._receiving)._replace(condition="returned")
        paper.lines[one.sku].come += order.quantity
        self._books.move(self._heap(one, "customer"), returned, order.quantity)
        yield self._scan("receive", one, order.quantity, self._receiving, code, lot=True)
        paper.status = "closed"
        yield self._happens(code, "close")
        if order.quantity > 1:
            yield self._inspect(returned, order.quantity - 1, "resell", self._heap(one, self._storage))
        yield self._inspect(returned, 1, "quarantine", returned._replace(condition="quarantined"))

    def _inspect(self, heap: Heap, quantity: int, disposition: str, after: Heap) -> ApiCall:
        self._books.move(heap, after, quantity)
        self._books.inspections.append(Inspected(heap.site, heap.sku, heap.lot, quantity, heap.condition, disposition))
        body = {
            "site": heap.site,
            "zone": heap.zone,
            "sku": heap.sku,
            "lot": heap.lot,
            "condition": heap.condition,
            "quantity": quantity,
            "disposition": disposition,
            "reason": self._day.reason,
        }
        moved = after.zone not in (heap.zone, "scrap")
        return self._call("inspections", {**body, "to_zone": after.zone} if moved else body)

    def _transfer(self, transfer: OfficeTransfer) -> Iterator[Deed]:
        one = next(goods for goods in self._day.office.goods if goods.sku == transfer.sku)
        there, quantity = self._day.desks[transfer.to_site], transfer.quantity
        code = self._code("transfer")
        paper = self._paper(code, "transfer", "requested", {one.sku: quantity})
        yield self._make(code, paper, to_site=transfer.to_site)
        paper.status = "approved"
        yield self._happens(code, "approve")
        paper.status = "allocated"
        self._books.promised_out[self._site, one.sku] += quantity
        yield self._happens(code, "allocate")
        road = self._heap(one, IN_TRANSIT)
        paper.lines[one.sku].gone += quantity
        self._books.promised_out[self._site, one.sku] -= quantity
        self._books.move(self._heap(one, self._storage), road, quantity)
        yield self._scan("ship", one, quantity, None, code)
        paper.status = "in_transit"
        yield self._happens(code, "send")
        arrived = quantity - transfer.lost
        paper.lines[one.sku].come += arrived
        self._books.move(road, there.stored(one), arrived)
        self._at_us += round(self._day.office.travel_s * 1e6)
        yield there.take_in(one, arrived, code, self._next())
        paper.status = "received"
        yield self._happens(code, "receive")
        paper.status = "closed"
        yield self._happens(code, "close")

    # Counts ---------------------------------------------------------------------------------------------------------

    def _count(self) -> Iterator[Deed]:
        """Somebody counts storage, blind, and another one picks from it meanwhile: that is no difference. A unit that
        is gone without a word is one. Goods that come here from other sites are left out: their clerks book them."""
        coming = {one.sku for one in self._day.office.transfers if one.to_site == self._site}
        goods = [one for one in self._day.office.goods if one.sku not in coming]
        picked = self._for_picking(goods)
        if picked is None:
            return
        moving, channel = picked
        code, order_code = self._code("count"), self._code("order")
        order = self._books.orders[order_code] = Order(channel, self._site, moving.sku, PICKED_MEANWHILE)
        yield self._reserve(order_code, channel, moving, PICKED_MEANWHILE)
        order.status = "confirmed"
        yield self._call(f"orders/{order_code}/events", {"event": "confirm"})
        skus = [one.sku for one in goods]
        sheet = self._books.counts[code] = Sheet(self._site, self._storage, "open")
        body = {"code": code, "site": self._site, "zones": [self._storage], "subject": "units", "skus": skus}
        yield self._call("counts", {**body, "blind": True})
        self._at_us += round(READY_S * 1e6)
        lost = max(goods, key=lambda one: self._books.free(self._site, one.sku))
        self._books.move(self.stored(lost), self._heap(lost, "count_difference"), 1)
        # half of what moves is told before it moves, the rest behind it; everything else between
        half = self._books.units[self.stored(moving)] // 2
        yield self._scan("count", moving, half, self._storage, code, lot=True)
        order.status, order.picked = "picking", order.quantity
        self._books.move(self.stored(moving), self._heap(moving, self._packing), order.quantity)
        yield self._scan("pick", moving, order.quantity, self._packing, order_code)
        for one in goods:
            there, difference = self._books.units[self.stored(one)], -1 if one is lost else 0
            rest = there - half if one is moving else there
            if there or difference:
                sheet.lines[one.sku, SELLABLE] = CountLine(there, difference)
            if rest:
                yield self._scan("count", one, rest, self._storage, code, lot=True)
        yield self._tell_damaged(code, sheet, goods)
        sheet.status = "closed"
        yield self._call(f"counts/{code}/events", {"event": "close"})
        sheet.status = "approved"
        yield self._call(f"counts/{code}/events", {"event": "approve"})
        yield from self._ship(order_code, order, moving)

    def _for_picking(self, goods: Iterable[OfficeGoods]) -> tuple[OfficeGoods, str] | None:
        """Goods that some channel may still sell enough of, with that channel; None where there are none."""
        for one in goods:
            for channel in self._books.channels:
                if self._books.available(channel, self._site, one.sku) > 2 * PICKED_MEANWHILE:
                    return one, channel
        return None

    def _tell_damaged(self, code: str, sheet: Sheet, goods: Iterable[OfficeGoods]) -> ApiCall:
        """What of the goods lies broken in storage, told at the desk: a scan does not say so."""
        at_us = self._next()
        at = (from_us(at_us) - timedelta(milliseconds=1)).isoformat()
        units = []
        for one in goods:
            broken = self._books.units[self.stored(one)._replace(condition="damaged")]
            if broken:
                sheet.lines[one.sku, "damaged"] = CountLine(broken)
                units.append({"sku": one.sku, "quantity": broken, "at": at, "lot": one.lot, "condition": "damaged"})
        body = {"zone": self._storage, "started_at": at, "ended_at": at, "operator": f"{self._site.lower()}-counter"}
        return ApiCall(at_us, f"counts/{code}/passes", {**body, "units": units})

    def stored(self, one: OfficeGoods) -> Heap:
        """Where the site keeps its goods."""
        return self._heap(one, self._storage)

    def take_in(self, one: OfficeGoods, quantity: int, transfer: str, at_us: int) -> DeskScan:
        """The site scans what came to it under another's transfer, at the storage where it is put."""
        return self._scan("receive", one, quantity, self._storage, transfer, lot=True, at_us=at_us)

    # Words ----------------------------------------------------------------------------------------------------------

    def _next(self) -> int:
        """The instant of the next deed."""
        self._at_us += round(self._chance.uniform(*self._day.office.gap_s) * 1e6)
        return self._at_us

    def _code(self, kind: str) -> str:
        self._made += 1
        return f"{kind}-{self._site}-{self._day.run}-{self._made}"

    def _one(self) -> OfficeGoods:
        goods = self._day.office.goods
        return goods[int(self._chance.integers(len(goods)))]

    def _heap(self, one: OfficeGoods, zone: str) -> Heap:
        return Heap(self._site, zone, one.sku, one.lot)

    def _paper(self, code: str, kind: str, status: str, units: Mapping[str, int]) -> Paper:
        paper = Paper(kind, self._site, status, {sku: Line(expected) for sku, expected in units.items()})
        self._books.papers[code] = paper
        return paper

    def _make(self, code: str, paper: Paper, **more: str) -> ApiCall:
        lines = [{"sku": sku, "quantity": line.expected} for sku, line in paper.lines.items()]
        return self._call("documents", {"code": code, "kind": paper.kind, "site": paper.site, "lines": lines, **more})

    def _happens(self, code: str, event: str) -> ApiCall:
        return self._call(f"documents/{code}/events", {"event": event})

    def _call(self, path: str, body: Mapping[str, Any], expect: int = OK, *, twice: bool = False) -> ApiCall:
        return ApiCall(self._next(), path, body, expect, twice)

    def _scan(
        self,
        intent: str,
        one: OfficeGoods,
        quantity: int,
        zone: str | None,
        document: str | None = None,
        *,
        lot: bool = False,
        at_us: int | None = None,
        **more: str,
    ) -> DeskScan:
        self._scanned += 1
        at_us = self._next() if at_us is None else at_us
        request = ScanRequest.model_validate(
            {
                "scan_id": f"{self._day.run}-{self.device}-{self._scanned}",
                "operator": f"{self._site.lower()}-desk",
                "intent": intent,
                "code": f"]C101{one.gtin}" + (f"10{one.lot}" if lot else ""),
                "zone": zone,
                "quantity": quantity,
                "document": document,
                "scanned_at": from_us(at_us) - timedelta(milliseconds=1),
                **more,
            }
        )
        return DeskScan(at_us, HandheldScan(self._site, self.device, request))


def _zone(plan: Plan, kind: str) -> str:
    for zone in plan.zones:
        if zone.kind == kind:
            return zone.code
    raise ScenarioError(f"an office needs a zone of kind {kind}: add one to the plan")
