"""Whoever picks whatever lots for whom: while orders ship what was picked for them, nobody falls short.

Lots are received, ordered, picked by name or not, taken back, cancelled and shipped in any order over the API and a
gateway's scans; whether a pick is granted is the program's to say, what follows from it is checked.
"""

from __future__ import annotations

import random
from collections import Counter
from dataclasses import dataclass, field

import pytest

from tests.house import GTIN, scan
from tests.integration.test_documents import Clerk, clerk

__all__ = ["clerk"]

EXPIRIES = {"OLD": "17260630", "MID": "17261130", "NEW": "17270630"}
STEPS = 90


@dataclass
class Order:
    """What an order wants, and what was picked for it, by lot; the scans that did, not taken back yet."""

    units: int
    picked: Counter[str] = field(default_factory=Counter)
    scans: dict[str, Counter[str]] = field(default_factory=dict)


@dataclass
class Shop:
    """One run: every step is drawn by `chance`."""

    clerk: Clerk
    chance: random.Random
    open: dict[str, Order] = field(default_factory=dict)
    shipped: dict[str, Order] = field(default_factory=dict)
    outcomes: Counter[str] = field(default_factory=Counter)
    number: int = 0

    def name(self, what: str) -> str:
        self.number += 1
        return f"{what}{self.number}"

    async def scan(self, intent: str, lot: str | None, units: int, **more: str) -> str:
        """Answers the outcome's state."""
        code = f"01{GTIN}{EXPIRIES[lot]}10{lot}" if lot else f"01{GTIN}"
        at_s = 700 + self.number
        ack = await self.clerk.here.say(scan(intent, code, at_s, quantity=units, **more))
        return ack.scans[0].state

    async def moved(self, scan_id: str) -> Counter[str]:
        """Units by lot that a scan moved."""
        rows = await self.clerk.database.pool.fetch(
            "SELECT lot.code AS lot, sum(posting.quantity)::int AS units"
            " FROM posting JOIN scan USING (gateway, epoch, seq)"
            " JOIN balance ON balance_id = from_balance_id JOIN lot USING (lot_id)"
            " WHERE scan_id = $1 AND reverses_id IS NULL GROUP BY lot.code",
            scan_id,
        )
        return Counter({row["lot"]: row["units"] for row in rows})

    async def receive(self) -> None:
        lot, units = self.chance.choice(list(EXPIRIES)), self.chance.randint(1, 4)
        assert await self.scan("receive", lot, units, zone="shelf", scan_id=self.name("r")) == "applied"

    async def order(self) -> None:
        code, units = self.name("o"), self.chance.randint(1, 4)
        least_days = self.chance.choice([0, 0, 0, 200])
        body = {"code": code, "channel": "web", "hold_s": None}
        body["lines"] = [{"sku": "BOX", "quantity": units, "least_days": least_days}]
        headers = {"Idempotency-Key": code}
        async with self.clerk.session.post("/api/v1/orders", json=body, headers=headers) as response:
            assert response.status in (200, 409)
            if response.status == 200:
                self.open[code] = Order(units)

    async def pick(self) -> None:
        waiting = [code for code, order in self.open.items() if order.picked.total() < order.units]
        if not waiting:
            return
        code, scan_id = self.chance.choice(waiting), self.name("p")
        order, lot = self.open[code], self.chance.choice([*EXPIRIES, None])
        units = self.chance.randint(1, order.units - order.picked.total())
        state = await self.scan("pick", lot, units, zone="rack", document=code, scan_id=scan_id)
        self.outcomes[state] += 1
        if state == "applied":
            order.scans[scan_id] = await self.moved(scan_id)
            order.picked += order.scans[scan_id]

    async def take_back(self) -> None:
        code = self.chance.choice(list(self.open))
        order = self.open[code]
        if order.scans:
            scan_id = self.chance.choice(list(order.scans))
            await self.clerk.post(f"scans/gun-1/{scan_id}/reverse", reason="others")
            order.picked -= order.scans.pop(scan_id)

    async def cancel(self) -> None:
        code = self.chance.choice(list(self.open))
        await self.clerk.post(f"orders/{code}/events", event="cancel")
        del self.open[code]

    async def ship(self) -> None:
        ready = [code for code, order in self.open.items() if order.picked.total() == order.units]
        if not ready:
            return
        code = self.chance.choice(ready)
        order, paper = self.open.pop(code), self.name("s")
        await self.clerk.make(paper, "shipment", order.units, order=code)
        for lot, units in order.picked.items():
            if units:
                shipped = await self.scan("ship", lot or None, units, document=paper, scan_id=self.name("x"))
                assert shipped == "applied"
        await self.clerk.event(paper, "close")
        self.shipped[code] = order

    async def check(self) -> None:
        assert "short" not in await self.clerk.alerts()
        for code, order in self.open.items():
            picks = await self.clerk.get(f"orders/{code}/picks")
            left = sum(row["units"] for row in (*picks["picks"], *picks["unplaced"]))
            assert left == order.units - order.picked.total()


@pytest.mark.parametrize("seed", range(4))
async def test_orders_that_ship_what_was_picked_for_them_take_nothing_from_others(clerk: Clerk, seed: int) -> None:
    await clerk.database.pool.execute("UPDATE lot SET status = 'held' WHERE code = ''")
    shop = Shop(clerk, random.Random(seed))
    steps = [shop.receive, shop.order, shop.order, shop.pick, shop.pick, shop.pick, shop.pick, shop.ship]
    for _ in range(STEPS):
        step = shop.chance.choice([*steps, *([shop.take_back, shop.cancel] if shop.open else [])])
        await step()
        await shop.check()
    for code, order in shop.shipped.items():
        shown = await clerk.get(f"orders/{code}")
        promises = shown["lines"][0]["promises"]
        assert (shown["status"], sum(one["fulfilled"] for one in promises)) == ("shipped", order.units)
        by_lot = Counter[str]()
        for one in promises:
            by_lot[one["lot"]] += one["fulfilled"]
        assert +by_lot == +order.picked, "each promise was kept with the lot that was picked for it"
    assert shop.shipped
    assert shop.outcomes["applied"] > 3
