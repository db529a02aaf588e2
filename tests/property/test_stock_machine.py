"""Anything a warehouse may do, in any order, over the API and the gateways' streams, against a model that only adds.

The model knows what each site has, what is promised to whom, what is under way, and where each thing is. After each
step the store must say the same: never more promised than there is, what a transfer sent is what came, what is under
way and what was given up, an order granted exactly when it fits what its channel may still promise, an alert for each
document of which more came than was expected and accepted. Batches count whole or not at all, and a site's own rules
say what its scans do. `tallyman verify` agrees after each run of steps.

`STOCK_MACHINE_STEPS` says how many steps that change something there are at least (`make soak`: 50,000), in
`STOCK_MACHINE_SEED` stands the number that a run printed, to have the same again.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import os
import random
from collections import Counter
from typing import Any, Final

import aiohttp
import pytest
from hypothesis import HealthCheck, Phase, seed, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from backend.channels.service import ChannelSpec, put_channel
from backend.ingest.service import IngestService
from backend.ingest.verify import verify
from backend.store.database import Database
from tests.house import Gateway, SetClock, arrived, at, crossed, furnish, tag
from tests.property.stock_model import CHANNELS, SITES, Model, Paper, Promise
from tests.property.stock_terminal import Stage, Terminal
from tests.serving import serving

STEPS: Final = int(os.environ.get("STOCK_MACHINE_STEPS", "200"))
SEED: Final = int(os.environ.get("STOCK_MACHINE_SEED") or random.SystemRandom().randrange(1 << 32))
STEPS_OF_RUN: Final = 50

RECEIVING: Final = {"intent": "receive", "place": "scanned", "sources": ["supplier"]}
SCAN_RULES: Final[tuple[dict[str, Any], ...]] = (
    RECEIVING,
    RECEIVING,
    RECEIVING | {"refusal": "by transfer alone"},
    {"intent": "damage", "place": "stays", "condition": "damaged"},
    {"intent": "damage", "place": "scrap"},
)

ZONES: Final = ("dock", "rack", "shelf")
SERIALS: Final = range(1, 7)

RUNS: Final = settings(
    max_examples=5,
    stateful_step_count=STEPS_OF_RUN,
    deadline=None,
    database=None,
    # to find a shorter run that fails too would take minutes, and the log of this one says all
    phases=(Phase.generate,),
    suppress_health_check=list(HealthCheck),
)

KEPT: Final = {
    "store",
    "site",
    "zone",
    "portal",
    "sku",
    "sku_gtin",
    "lot",
    "channel",
    "channel_rule",
    "schema_migration",
}
"""Tables that all runs share."""

site_names = st.sampled_from(SITES)
zone_names = st.sampled_from(ZONES)
channel_names = st.sampled_from(CHANNELS)
few = st.integers(1, 6)


class Warehouse(Terminal):
    """The rules."""

    @initialize()
    def clear(self) -> None:
        self.model = Model()
        self.refused: list[str] = []
        self.run(self._clear())
        service = IngestService(self.stage.database, self.stage.clock)
        self.gateways = {site: Gateway(service, site, f"g{site}") for site in SITES}
        for channel in CHANNELS:
            self.post(f"channels/{channel}/rules", rules=[])

    async def _clear(self) -> None:
        rows = await self.stage.database.pool.fetch(
            "SELECT relname FROM pg_class WHERE relkind IN ('r', 'p') AND NOT relispartition"
            " AND relnamespace = 'public'::regnamespace"
        )
        names = sorted({row["relname"] for row in rows} - KEPT)
        await self.stage.database.pool.execute(f"TRUNCATE {', '.join(names)}")

    # Goods --------------------------------------------------------------------------------------------------------

    @rule(site=site_names, zone=zone_names, units=few)
    def receive(self, site: str, zone: str, units: int) -> None:
        refused = self.model.refuses[site]
        self.scan(site, "receive", units, zone=zone, refused=refused)
        if not refused:
            self.model.change(site, units)

    @rule(site=site_names, zone=zone_names, units=few)
    def pick_without_an_order(self, site: str, zone: str, units: int) -> None:
        self.scan(site, "pick", units, zone=zone)

    @rule(site=site_names, zone=zone_names, units=st.integers(1, 2))
    def damage(self, site: str, zone: str, units: int) -> None:
        self.scan(site, "damage", units, zone=zone)
        self.model.change(site, -units)
        if not self.model.scraps[site]:
            self.model.damaged[site, zone] += units

    @precondition(lambda self: any(self.model.damaged.values()))
    @rule(
        data=st.data(),
        said=st.lists(
            st.tuples(st.sampled_from(["resell", "refurbish", "scrap", "vendor"]), st.integers(1, 2)),
            min_size=1,
            max_size=3,
        ),
    )
    def inspect_many(self, data: st.DataObject, said: list[tuple[str, int]]) -> None:
        self.tick()
        heaps = st.sampled_from(sorted(heap for heap, units in self.model.damaged.items() if units))
        rows = [(data.draw(heaps), *one) for one in said]
        wanted: Counter[tuple[str, str]] = Counter()
        for heap, _, units in rows:
            wanted[heap] += units
        lacking = {heap for heap, units in wanted.items() if units > self.model.damaged[heap]}
        asked = {"sku": "BOX", "condition": "damaged", "reason": "looked at"}
        inspections = [
            {"site": heap[0], "zone": heap[1], "disposition": fate, "quantity": units} | asked
            for heap, fate, units in rows
        ]
        answer = self.post("inspection-batches", 422 if lacking else 200, inspections=inspections)
        if lacking:
            wrong = {number for number, (heap, _, _) in enumerate(rows, 1) if heap in lacking}
            assert {one["row"] for one in answer["errors"]} == wrong
            return
        assert len(set(answer["inspection_ids"])) == len(rows)
        for heap, fate, units in rows:
            self.model.damaged[heap] -= units
            if fate == "resell":
                self.model.change(heap[0], units)

    @rule(site=site_names, rule=st.sampled_from(SCAN_RULES))
    def set_scan_rule(self, site: str, rule: dict[str, Any]) -> None:
        self.tick()
        self.post(f"sites/{site}/scan-rules", **rule)
        if rule["intent"] == "damage":
            self.model.scraps[site] = rule["place"] == "scrap"
        else:
            self.model.refuses[site] = "refusal" in rule

    @rule(serial=st.sampled_from(SERIALS), site=site_names, zone=zone_names)
    def see(self, serial: int, site: str, zone: str) -> None:
        place = self.model.things.get(serial, ("nowhere", ""))
        if place is None or any(serial in one.things and one.to_site != site for one in self.model.papers.values()):
            return
        self.say(site, arrived(serial, zone, self.tick()))
        self._come(serial, site, zone, place)

    def _come(self, serial: int, site: str, zone: str, place: tuple[str, str]) -> None:
        kind, before = place
        if kind == "away":
            self.model.under_way[before] -= 1
        elif kind in SITES and kind != site:
            self.model.change(kind, -1)
        if kind != site:
            self.model.change(site, 1)
        for one in self.model.papers.values():
            if serial in one.things:
                one.things.discard(serial)
                one.come += 1
        self.model.things[serial] = (site, zone)
        self.model.left.pop(serial, None)

    @rule(serial=st.sampled_from(SERIALS))
    def cross_out(self, serial: int) -> None:
        place = self.model.things.get(serial)
        if place is None or place[0] not in SITES:
            return
        site = place[0]
        paper = self.model.at_door(site)
        if paper is not None and paper.site != site:
            return
        self.say(site, crossed(serial, "out", self.tick()))
        self.model.leave(paper, site, 1)
        shipped = paper is not None and paper.kind == "shipment"
        self.model.things[serial] = None if shipped else ("away", site)
        if paper is not None and paper.kind == "transfer":
            paper.things.add(serial)
        if paper is not None:
            self.model.left[serial] = paper.code

    @rule(serial=st.sampled_from(SERIALS), site=site_names)
    def turn_back(self, serial: int, site: str) -> None:
        paper = self.model.at_door(site)
        if paper is None or paper.site != site or self.model.left.get(serial) != paper.code:
            return
        self.say(site, crossed(serial, "in", self.tick()))
        paper.things.discard(serial)
        self.model.turn_back(paper)
        self.model.things[serial] = (site, "dock")
        del self.model.left[serial]

    @rule(serial=st.sampled_from(SERIALS), site=site_names)
    def cross_in(self, serial: int, site: str) -> None:
        place = self.model.things.get(serial)
        if place is None or place[0] != "away":
            return
        if any(serial in one.things and one.to_site != site for one in self.model.papers.values()):
            return
        paper = self.model.at_door(site)
        if paper is not None and paper.to_site == site and serial not in paper.things:
            return
        self.say(site, crossed(serial, "in", self.tick()))
        self._come(serial, site, "dock", place)

    @precondition(lambda self: any(gateway.sent for gateway in self.gateways.values()))
    @rule(site=site_names, back=st.integers(1, 3))
    def repeat_a_batch(self, site: str, back: int) -> None:
        sent = self.gateways[site].sent[-back:]
        if sent:
            self.run(self.gateways[site].service.apply(sent[0]))

    @rule(site=site_names, zone=zone_names, lost=st.sets(st.sampled_from(SERIALS), max_size=2))
    def count(self, site: str, zone: str, lost: set[int]) -> None:
        there = {serial for serial, place in self.model.things.items() if place == (site, zone)}
        code, now = f"c{next(self.numbers)}", at(self.tick()).isoformat()
        self.post("counts", code=code, site=site, zones=[zone], subject="things")
        reads = [{"epc": tag(one), "at": now} for one in sorted(there - lost)]
        self.post(f"counts/{code}/passes", zone=zone, started_at=now, ended_at=now, operator="dewi", reads=reads)
        closed = self.post(f"counts/{code}/events", event="close")
        assert {one["epc"] for one in closed["things"]} == {tag(one) for one in there & lost}
        self.post(f"counts/{code}/events", event="approve")
        for serial in there & lost:
            self.model.things[serial] = None
            self.model.change(site, -1)

    # Orders -------------------------------------------------------------------------------------------------------

    @rule(channel=channel_names, site=site_names, buffer=st.integers(0, 3), protected=st.integers(0, 3))
    def set_rule(self, channel: str, site: str, buffer: int, protected: int) -> None:
        self.tick()
        self.model.rules[channel, site] = (buffer, protected)
        rules = [
            {"site": of_site, "buffer": alone, "protected": kept}
            for (of_channel, of_site), (alone, kept) in self.model.rules.items()
            if of_channel == channel
        ]
        self.post(f"channels/{channel}/rules", rules=rules)

    def _body(self, code: str, channel: str, site: str, units: int, hold_s: float | None) -> dict[str, Any]:
        lines = [{"sku": "BOX", "quantity": units}]
        return {"code": code, "channel": channel, "sites": [site], "hold_s": hold_s, "lines": lines}

    def _granted(self, code: str, channel: str, site: str, units: int, hold_s: float | None) -> None:
        self.model.promises.append(Promise(code, site, units, channel))
        self.model.orders[code] = "confirmed" if hold_s is None else "reserved"

    @rule(channel=channel_names, site=site_names, units=few, hold_s=st.sampled_from([None, 900_000.0 / 2]))
    def reserve(self, channel: str, site: str, units: int, hold_s: float | None) -> None:
        self.tick()
        code, fits = f"o{next(self.numbers)}", units <= self.model.available(channel, site)
        self.post("orders", 200 if fits else 409, **self._body(code, channel, site, units, hold_s))
        if fits:
            self._granted(code, channel, site, units, hold_s)

    @rule(wishes=st.lists(st.tuples(channel_names, site_names, few), min_size=2, max_size=5))
    def reserve_many(self, wishes: list[tuple[str, str, int]]) -> None:
        self.tick()
        named = [(f"o{next(self.numbers)}", *wish) for wish in wishes]
        answer = self.post("order-batches", orders=[self._body(*one, None) for one in named])
        for (code, channel, site, units), outcome in zip(named, answer["outcomes"], strict=True):
            fits = units <= self.model.available(channel, site)
            assert (outcome["granted"] is not None) == fits
            if fits:
                self._granted(code, channel, site, units, None)

    @precondition(lambda self: self.model.orders)
    @rule(data=st.data(), event=st.sampled_from(["confirm", "cancel"]))
    def change_order(self, data: st.DataObject, event: str) -> None:
        code = data.draw(st.sampled_from(sorted(self.model.orders)))
        status = self.model.orders[code]
        may = status == "reserved" or (event == "cancel" and status == "confirmed")
        self.tick()
        self.post(f"orders/{code}/events", 200 if may else 409, event=event)
        if may:
            self.model.orders[code] = {"confirm": "confirmed", "cancel": "cancelled"}[event]
        if may and event == "cancel":
            self.model.release(code)

    # Papers -------------------------------------------------------------------------------------------------------

    @precondition(lambda self: "confirmed" in self.model.orders.values())
    @rule(data=st.data())
    def make_shipment(self, data: st.DataObject) -> None:
        code = data.draw(
            st.sampled_from(sorted(one for one, status in self.model.orders.items() if status == "confirmed"))
        )
        site = next(one.site for one in self.model.promises if one.holder == code)
        self.tick()
        paper = Paper(f"p{next(self.numbers)}", "shipment", site, order=code)
        self.post("documents", code=paper.code, kind="shipment", site=site, order=code, lines=[])
        self.model.papers[paper.code] = paper

    @rule(site=site_names, units=few, sent=st.booleans())
    def make_transfer(self, site: str, units: int, sent: bool) -> None:
        """One in two is sent at once: step by step hardly any would be under way before the run ends."""
        self.tick()
        to_site = "b" if site == "a" else "a"
        paper = Paper(f"p{next(self.numbers)}", "transfer", site, to_site, expected=units)
        lines = [{"sku": "BOX", "quantity": units}]
        self.post("documents", code=paper.code, kind="transfer", site=site, to_site=to_site, lines=lines)
        self.post(f"documents/{paper.code}/events", event="approve")
        fits = units <= self.model.free(site)
        self.post(f"documents/{paper.code}/events", 200 if fits else 409, event="allocate")
        if fits:
            paper.status = "allocated"
            self.model.papers[paper.code] = paper
            self.model.promises.append(Promise(paper.code, site, units))
        if fits and sent:
            self._ship(paper, units)
            self.post(f"documents/{paper.code}/events", event="send")
            paper.status = "in_transit"
            self.model.release(paper.code)

    def _ship(self, paper: Paper, units: int) -> None:
        self.scan(paper.site, "ship", units, document=paper.code)
        self.model.leave(paper, paper.site, units)
        paper.loose += units

    def _open_papers(self, *statuses: str) -> list[str]:
        """Shipments and transfers in one of these."""
        papers = self.model.papers.items()
        return sorted(code for code, one in papers if one.kind != "receipt" and one.status in statuses)

    @precondition(lambda self: self._open_papers("open", "allocated"))
    @rule(data=st.data(), units=few)
    def ship_units(self, data: st.DataObject, units: int) -> None:
        paper = self.model.papers[data.draw(st.sampled_from(self._open_papers("open", "allocated")))]
        self._ship(paper, units)

    @precondition(lambda self: self._open_papers("in_transit"))
    @rule(data=st.data(), zone=zone_names)
    def receive_units(self, data: st.DataObject, zone: str) -> None:
        paper = self.model.papers[data.draw(st.sampled_from(self._open_papers("in_transit")))]
        if not paper.loose or paper.to_site is None:
            return
        units = data.draw(st.integers(1, paper.loose))
        self.scan(paper.to_site, "receive", units, zone=zone, document=paper.code)
        paper.loose -= units
        paper.come += units
        self.model.under_way[paper.site] -= units
        self.model.change(paper.to_site, units)

    @precondition(lambda self: self._open_papers("open", "allocated", "in_transit"))
    @rule(data=st.data())
    def open_door(self, data: st.DataObject) -> None:
        paper = self.model.papers[data.draw(st.sampled_from(self._open_papers("open", "allocated", "in_transit")))]
        site = paper.site if paper.status != "in_transit" else paper.to_site
        assert site is not None
        self.tick()
        self.post(f"doors/{site}/d", document=paper.code)
        self.model.doors[site] = paper.code

    @precondition(lambda self: self._open_papers("open", "allocated", "in_transit"))
    @rule(data=st.data())
    def end_paper(self, data: st.DataObject) -> None:
        paper = self.model.papers[data.draw(st.sampled_from(self._open_papers("open", "allocated", "in_transit")))]
        event, status = ("send", "in_transit") if paper.status == "allocated" else ("close", "closed")
        if event == "send" and self.model.doors[paper.site] == paper.code:
            return
        self.tick()
        self.post(f"documents/{paper.code}/events", event=event)
        if event == "send":
            paper.status = status
        else:
            self.model.end(paper, status)
        self.model.release(paper.code)
        if paper.order is not None and self.model.orders[paper.order] == "confirmed":
            self.model.orders[paper.order] = "shipped"
            self.model.release(paper.order)

    @rule(
        site=site_names,
        zone=zone_names,
        expected=st.lists(few, min_size=1, max_size=3),
        come=st.integers(0, 8),
        wrong=st.sampled_from(["", "", "", "sku", "code"]),
    )
    def make_receipts(self, site: str, zone: str, expected: list[int], come: int, wrong: str) -> None:
        """Something comes for the first at once: step by step hardly any would be complete before the run ends."""
        self.tick()
        papers = [Paper(f"p{next(self.numbers)}", "receipt", site, expected=units) for units in expected]
        documents = [
            {"code": one.code, "kind": "receipt", "site": site, "lines": [{"sku": "BOX", "quantity": one.expected}]}
            for one in papers
        ]
        if wrong == "code":
            documents.append(documents[0])
        elif wrong == "sku":
            lines = [{"sku": "GHOST", "quantity": 1}]
            documents.append(documents[0] | {"code": f"p{next(self.numbers)}", "lines": lines})
        answer = self.post("document-batches", 422 if wrong else 200, documents=documents)
        if wrong:
            assert [one["row"] for one in answer["errors"]] == [len(documents)]
            self.refused += [one["code"] for one in documents]
            return
        assert [one["code"] for one in answer["documents"]] == [one.code for one in papers]
        self.model.papers |= {one.code: one for one in papers}
        if come:
            self._receive(papers[0], zone, come)

    def _receive(self, paper: Paper, zone: str, units: int) -> None:
        refused = self.model.refuses[paper.site]
        number = self.scan(paper.site, "receive", units, zone=zone, document=paper.code, refused=refused)
        if not refused:
            paper.scans[number] = units
            paper.come += units
            self.model.change(paper.site, units)

    def _receipts(self) -> list[str]:
        return sorted(code for code, one in self.model.papers.items() if one.kind == "receipt")

    @precondition(lambda self: self._receipts())
    @rule(data=st.data(), zone=zone_names, units=few)
    def receive_for_a_receipt(self, data: st.DataObject, zone: str, units: int) -> None:
        self._receive(self.model.papers[data.draw(st.sampled_from(self._receipts()))], zone, units)

    @precondition(lambda self: any(one.scans for one in self.model.papers.values()))
    @rule(data=st.data(), ways=st.lists(st.booleans(), min_size=1, max_size=2))
    def reverse_a_receipt(self, data: st.DataObject, ways: list[bool]) -> None:
        """By the scan or by its posting, perhaps again by the other: that changes nothing."""
        scans = sorted((number, code) for code, one in self.model.papers.items() for number in one.scans)
        number, code = data.draw(st.sampled_from(scans))
        paper = self.model.papers[code]
        self.tick()
        asked = "SELECT min(posting_id) FROM posting JOIN scan USING (gateway, epoch, seq) WHERE scan_id = $1"
        posting = self.run(self.stage.database.pool.fetchval(asked, number))
        paths = [f"scans/gun-1/{number}" if by_scan else f"postings/{posting}" for by_scan in ways]
        made = [self.post(f"{path}/reverse", reason="counted twice")["postings"] for path in paths]
        assert made == [1, 0][: len(made)]
        units = paper.scans.pop(number)
        paper.come -= units
        self.model.change(paper.site, -units)

    @precondition(lambda self: self.model.surplus())
    @rule(data=st.data())
    def accept_surplus(self, data: st.DataObject) -> None:
        paper = self.model.papers[data.draw(st.sampled_from(sorted(self.model.surplus())))]
        self.tick()
        assert self.post(f"documents/{paper.code}/accept-surplus", reason="a gift") == {"units": paper.surplus}
        paper.accepted += paper.surplus

    def _sent(self) -> list[str]:
        """Transfers of which something is under way, and nothing more will follow."""
        sent = self._open_papers("in_transit", "closed")
        return [code for code in sent if self.model.papers[code].loose or self.model.papers[code].things]

    @precondition(lambda self: any(self.model.papers[code].kind == "transfer" for code in self._sent()))
    @rule(data=st.data())
    def write_off(self, data: st.DataObject) -> None:
        transfers = [code for code in self._sent() if self.model.papers[code].kind == "transfer"]
        paper = self.model.papers[data.draw(st.sampled_from(transfers))]
        self.tick()
        if paper.status == "in_transit":
            self.post(f"documents/{paper.code}/write-off", 409, reason="too soon")
            self.post(f"documents/{paper.code}/events", event="close")
            self.model.end(paper, "closed")
        away = [serial for serial in paper.things if self.model.things[serial] == ("away", paper.site)]
        answer = self.post(f"documents/{paper.code}/write-off", reason="gone")
        assert answer == {"things": len(away), "units": paper.loose}
        self.model.under_way[paper.site] -= len(away) + paper.loose
        paper.lost, paper.loose = paper.lost + paper.loose, 0
        self.model.things |= dict.fromkeys(away, ("given up", paper.site))

    # What must hold -----------------------------------------------------------------------------------------------

    @invariant()
    def the_store_says_the_same(self) -> None:
        said, surplus = self.run(self._said())
        assert surplus == self.model.surplus()
        for site in SITES:
            on_hand, reserved, under_way = said[site]
            assert 0 <= reserved <= max(on_hand, 0)
            assert (on_hand, reserved, under_way) == (
                self.model.on_hand[site],
                self.model.reserved(site),
                self.model.under_way[site],
            )

    async def _said(self) -> tuple[dict[str, tuple[int, int, int]], dict[str, int]]:
        """By site what is on hand, reserved and under way; by document what the alerts say of a surplus."""
        rows = await self.stage.database.pool.fetch(
            "SELECT site.code,"
            " coalesce((SELECT sum(on_hand) FROM availability AS a WHERE a.site_id = site.site_id"
            "  AND condition = 'sellable'), 0)::int AS on_hand,"
            " coalesce((SELECT sum(reserved) FROM availability AS a WHERE a.site_id = site.site_id), 0)::int"
            " AS reserved,"
            " coalesce((SELECT sum(net) FROM balance JOIN zone USING (zone_id) WHERE zone.site_id = site.site_id"
            "  AND kind = 'in_transit'), 0)::int AS under_way,"
            " (SELECT jsonb_object_agg(key, detail['units']) FROM alert WHERE kind = 'over_receipt'"
            "  AND cleared_at IS NULL) AS surplus FROM site"
        )
        stocks = {row["code"]: (row["on_hand"], row["reserved"], row["under_way"]) for row in rows}
        return stocks, rows[0]["surplus"] or {}

    def teardown(self) -> None:
        assert self.run(verify(self.stage.database)) == []
        made = self.stage.database.pool.fetchval("SELECT count(*) FROM document WHERE code = ANY ($1)", self.refused)
        assert self.run(made) == 0
        for holder, status in self.model.orders.items():
            shown = self.get(f"orders/{holder}")
            held = sum(one["held"] for line in shown["lines"] for one in line["promises"])
            assert (shown["status"], held) == (
                status,
                sum(one.held for one in self.model.promises if one.holder == holder),
            )
        for paper in self.model.papers.values():
            shown = self.get(f"documents/{paper.code}")
            assert shown["status"] == paper.status
            assert sum(line["gone"] for line in shown["lines"]) == paper.gone
            assert sum(line["come"] for line in shown["lines"]) == paper.come
            assert sum(line["accepted"] for line in shown["lines"]) == paper.accepted
            if paper.kind == "transfer":
                assert paper.gone == paper.come + paper.loose + paper.lost + len(paper.things)


async def _stage(database_url: str, runner: asyncio.Runner, stack: Any) -> Stage:
    database = await stack.enter_async_context(Database.open(database_url, max_connections=4))
    await furnish(database)
    for channel in CHANNELS:
        await put_channel(database, ChannelSpec(channel, "website"))
    clock = SetClock(100)
    served = await stack.enter_async_context(serving(database, clock=clock))
    session = await stack.enter_async_context(aiohttp.ClientSession(served.url))
    return Stage(runner, database, session, clock)


@pytest.mark.timeout(7200)
def test_whatever_happens_in_whatever_order_the_store_and_the_model_agree(
    database_url: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with asyncio.Runner() as runner:
        stack = contextlib.AsyncExitStack()
        Warehouse.stage = runner.run(_stage(database_url, runner, stack))
        stage = Warehouse.stage
        print(f"STOCK_MACHINE_SEED={SEED}")  # with a failure's report, wherever the test ran
        with capsys.disabled():
            print(f" STOCK_MACHINE_SEED={SEED}", end=" ", flush=True)
        try:
            for number in itertools.count(SEED):
                if stage.steps >= STEPS:
                    break
                seed(number)(Warehouse)
                run_state_machine_as_test(Warehouse, settings=RUNS)  # type: ignore[no-untyped-call]
        finally:
            runner.run(stack.aclose())
            with capsys.disabled():
                print(f"{stage.steps} steps", end=" ", flush=True)
