"""What was wrong is taken back by postings of its own; the stock card tells all of it."""

from __future__ import annotations

import asyncio
from datetime import datetime
from typing import Any

import pytest

from tests.house import GTIN, arrived, at, crossed, place, scan, stock, tag
from tests.integration.test_documents import Clerk, clerk
from tests.integration.test_pallets import PALLET, SSCC, load

__all__ = ["clerk"]


async def card(clerk: Clerk, **more: str) -> list[dict[str, Any]]:
    asked = "&".join(f"{name}={value}" for name, value in {"sku": "BOX", "site": "a", **more}.items())
    return list((await clerk.get(f"stock/card?{asked}"))["rows"])


async def test_a_scan_of_units_is_taken_back_where_and_when_it_counted(clerk: Clerk) -> None:
    await clerk.here.say(scan("receive", f"01{GTIN}", 610, scan_id="r", zone="dock", quantity=5))
    assert await clerk.post("scans/gun-1/r/reverse", reason="counted twice") == {"postings": 1}
    assert (await stock(clerk.database)).get("a/dock/BOX//sellable") is None
    newest, wrong = (await card(clerk))[:2]
    assert (newest["delta"], newest["units"], newest["reason"]) == (-5, 10, "reversal: counted twice")
    assert newest["reverses_id"] == wrong["posting_id"]
    assert newest["observed_at"] == wrong["observed_at"]
    assert await clerk.post("scans/gun-1/r/reverse", reason="again") == {"postings": 0}


async def test_a_scan_of_a_thing_is_left_out_of_its_history(clerk: Clerk) -> None:
    await clerk.here.say(scan("damage", f"01{GTIN}211", 610, scan_id="d"))
    await clerk.here.say(arrived(1, "shelf", 620))
    assert (await stock(clerk.database))["a/shelf/BOX//damaged"] == 1
    await clerk.post("scans/gun-1/d/reverse", reason="the wrong box")
    assert await stock(clerk.database) == {"a/rack/BOX//sellable": 9, "a/shelf/BOX//sellable": 1}


async def test_a_thing_of_which_the_only_word_is_taken_back_is_nowhere(clerk: Clerk) -> None:
    await clerk.here.say(scan("receive", f"01{GTIN}2177", 610, scan_id="r", zone="dock"))
    assert await clerk.post("scans/gun-1/r/reverse", reason="it never came") == {"postings": 1}
    assert await stock(clerk.database) == {"a/rack/BOX//sellable": 10}
    await clerk.here.say(arrived(77, "shelf", 620))
    assert await place(clerk.database, 77) == "a/shelf"


async def test_a_posting_of_a_thing_takes_its_movement_back(clerk: Clerk) -> None:
    await clerk.here.say(crossed(1, "out", 610))
    (entry,) = [one for one in await card(clerk) if one["reason"] == "crossed"]
    await clerk.post(f"postings/{entry['posting_id']}/reverse", reason="it stood beside the door")
    assert await place(clerk.database, 1) == "a/rack"
    assert await stock(clerk.database) == {"a/rack/BOX//sellable": 10}
    await clerk.here.say(arrived(1, "dock", 700))
    assert await place(clerk.database, 1) == "a/dock"


async def posting_of(clerk: Clerk, scan_id: str) -> int:
    """A posting that a scan made, the first."""
    asked = "SELECT min(posting_id) FROM posting JOIN scan USING (gateway, epoch, seq) WHERE scan_id = $1"
    return int(await clerk.database.pool.fetchval(asked, scan_id))


@pytest.mark.parametrize("first", ["scan", "posting"])
async def test_what_a_scan_posted_is_taken_back_once_whichever_way(clerk: Clerk, first: str) -> None:
    await clerk.make("r1", "receipt", 2)
    await clerk.here.say(scan("receive", GTIN, 610, scan_id="r", zone="dock", quantity=5, document="r1"))
    ways = ["scans/gun-1/r/reverse", f"postings/{await posting_of(clerk, 'r')}/reverse"]
    assert "over_receipt" in await clerk.alerts()
    answers = [await clerk.post(way, reason="x") for way in (ways if first == "scan" else reversed(ways))]
    assert answers == [{"postings": 1}, {"postings": 0}]
    assert await stock(clerk.database) == {"a/rack/BOX//sellable": 10}
    assert (await clerk.get("documents/r1"))["lines"][0]["come"] == 0
    assert "over_receipt" not in await clerk.alerts()


@pytest.mark.parametrize("turn", range(4))
async def test_a_scan_and_its_posting_taken_back_at_once_are_taken_back_once(clerk: Clerk, turn: int) -> None:
    await clerk.here.say(scan("receive", GTIN, 610, scan_id="r", zone="dock", quantity=5))
    ways = ["scans/gun-1/r/reverse", f"postings/{await posting_of(clerk, 'r')}/reverse"] * 2
    answers = await asyncio.gather(*(clerk.post(way, reason="x") for way in ways))
    assert sorted(one["postings"] for one in answers) == [0, 0, 0, 1]
    assert await stock(clerk.database) == {"a/rack/BOX//sellable": 10}


async def test_one_posting_of_a_scan_takes_all_of_it_back(clerk: Clerk) -> None:
    """What is not in one zone is taken from another: two postings of one scan."""
    await clerk.here.say(
        scan("receive", GTIN, 605, scan_id="r", zone="dock", quantity=2),
        scan("receive", GTIN, 606, scan_id="q", zone="shelf", quantity=2),
        scan("move", GTIN, 610, scan_id="m", zone="rack", quantity=3),
    )
    before = {"a/rack/BOX//sellable": 10, "a/dock/BOX//sellable": 2, "a/shelf/BOX//sellable": 2}
    assert await stock(clerk.database) != before
    assert await clerk.post(f"postings/{await posting_of(clerk, 'm')}/reverse", reason="x") == {"postings": 2}
    assert await stock(clerk.database) == before


async def test_what_was_taken_back_by_its_posting_alone_stays_taken_back(clerk: Clerk) -> None:
    """As a store may hold it that was written before postings went the way of their scan."""
    await clerk.here.say(scan("receive", GTIN, 610, scan_id="r", zone="dock", quantity=5))
    posting = await posting_of(clerk, "r")
    assert await clerk.post(f"postings/{posting}/reverse", reason="x") == {"postings": 1}
    await clerk.database.pool.execute(
        "UPDATE reversal SET gateway = NULL, epoch = NULL, seq = NULL, posting_id = $1", posting
    )
    refused = await clerk.post("scans/gun-1/r/reverse", 422, reason="x")
    assert refused["detail"] == "nothing stands of it that could be taken back"
    assert await stock(clerk.database) == {"a/rack/BOX//sellable": 10}


async def test_a_posting_of_a_scan_is_taken_back_as_the_scan_is(clerk: Clerk) -> None:
    await clerk.make("s1", "shipment", 2)
    await clerk.here.say(
        scan("receive", GTIN, 605, scan_id="r", zone="dock", quantity=2),
        scan("ship", GTIN, 610, scan_id="s", quantity=2, document="s1"),
    )
    refused = await clerk.post(f"postings/{await posting_of(clerk, 's')}/reverse", 422, reason="x")
    assert "by a return" in refused["detail"]
    await clerk.make("r1", "receipt", 1)
    await clerk.here.say(scan("receive", f"01{GTIN}2177", 620, scan_id="t", zone="dock", document="r1"))
    await clerk.post(f"postings/{await posting_of(clerk, 't')}/reverse", reason="x")
    shown = await clerk.get("documents/r1")
    assert (shown["lines"][0]["come"], shown["things"]) == (0, [])


async def come(clerk: Clerk, code: str) -> list[datetime]:
    """When each thing of a document came."""
    rows = await clerk.database.pool.fetch(
        "SELECT come_at FROM document_item JOIN document USING (document_id) WHERE code = $1 AND come_at IS NOT NULL"
        " ORDER BY come_at",
        code,
    )
    return [row["come_at"] for row in rows]


async def test_what_is_received_twice_has_come_until_both_are_taken_back(clerk: Clerk) -> None:
    await clerk.make("r1", "receipt", 1)
    for number, zone in enumerate(("dock", "rack", "shelf")):
        one = scan("receive", f"01{GTIN}2177", 610 + number, scan_id=f"r{number}", zone=zone, document="r1")
        await clerk.here.say(one)
    assert await come(clerk, "r1") == [at(610)]
    await clerk.post("scans/gun-1/r1/reverse", reason="x")
    assert await come(clerk, "r1") == [at(610)], "another said so first"
    await clerk.post("scans/gun-1/r0/reverse", reason="x")
    assert await come(clerk, "r1") == [at(612)], "what was taken back says nothing any more"
    await clerk.post("scans/gun-1/r2/reverse", reason="x")
    assert await come(clerk, "r1") == []
    assert (await clerk.get("documents/r1"))["things"] == []


async def test_what_crossed_the_door_as_well_has_come_though_its_scan_is_taken_back(clerk: Clerk) -> None:
    await clerk.make("r1", "receipt", 1)
    await clerk.door("r1")
    await clerk.here.say(scan("receive", f"01{GTIN}2177", 610, scan_id="r", zone="dock", document="r1"))
    await clerk.here.say(crossed(77, "in", 620))
    await clerk.post("scans/gun-1/r/reverse", reason="x")
    assert await come(clerk, "r1") == [at(620)]
    assert await stock(clerk.database) == {"a/rack/BOX//sellable": 10, "a/dock/BOX//sellable": 1}


@pytest.mark.parametrize("first", ["scan", "crossing"])
async def test_what_a_scan_and_the_door_saw_has_not_come_when_both_are_taken_back(clerk: Clerk, first: str) -> None:
    await clerk.make("r1", "receipt", 1)
    await clerk.door("r1")
    await clerk.here.say(crossed(76, "in", 610), crossed(77, "in", 611))
    await clerk.here.say(scan("receive", f"01{GTIN}2177", 620, scan_id="r", zone="rack", document="r1"))
    assert "over_receipt" in await clerk.alerts()
    asked = "SELECT max(posting_id) FROM posting WHERE reason = 'crossed'"
    ways = ["scans/gun-1/r/reverse", f"postings/{await clerk.database.pool.fetchval(asked)}/reverse"]
    for way in ways if first == "scan" else reversed(ways):
        assert len(await come(clerk, "r1")) == 2
        await clerk.post(way, reason="a stray")
    assert await come(clerk, "r1") == [at(610)]
    assert "over_receipt" not in await clerk.alerts()


@pytest.mark.parametrize("crosses", [False, True])
async def test_a_receipt_of_a_pallet_is_taken_back_with_its_load(clerk: Clerk, crosses: bool) -> None:
    await load(clerk, 31, 32, 33)
    await clerk.make("r1", "receipt", 1)
    await clerk.door("r1")
    await clerk.here.say(scan("receive", f"00{SSCC}", 610, scan_id="p", zone="dock", document="r1"))
    if crosses:
        await clerk.here.say(crossed(PALLET, "in", 620))
    assert "over_receipt" in await clerk.alerts()
    await clerk.post("scans/gun-1/p/reverse", reason="x")
    shown = await clerk.get("documents/r1")
    assert shown["lines"][0]["come"] == (3 if crosses else 0)
    assert await come(clerk, "r1") == [at(620)] * (4 if crosses else 0), "the pallet and its load"
    assert ("over_receipt" in await clerk.alerts()) == crosses


async def test_what_a_transfer_brought_has_come_though_its_scan_is_taken_back(clerk: Clerk) -> None:
    await clerk.make("t1", "transfer", 1, to_site="b")
    await clerk.event("t1", "approve", "allocate")
    await clerk.door("t1")
    await clerk.here.say(crossed(1, "out", 610))
    await clerk.event("t1", "send")
    await clerk.there.say(scan("receive", f"01{GTIN}211", 620, scan_id="r", zone="dock", document="t1"))
    assert await come(clerk, "t1") == [at(620)]
    await clerk.there.say(arrived(1, "shelf", 630))
    await clerk.post("scans/gun-1/r/reverse", reason="x")
    assert await come(clerk, "t1") == [at(630)]
    await clerk.there.say(scan("receive", f"01{GTIN}212", 640, scan_id="q", zone="dock", document="t1"))
    await clerk.post("scans/gun-1/q/reverse", reason="x")
    assert await come(clerk, "t1") == [at(630)]


async def test_late_reads_after_a_reversal_do_not_bring_the_wrong_event_back(clerk: Clerk) -> None:
    await clerk.here.say(crossed(1, "out", 610))
    (entry,) = [one for one in await card(clerk) if one["reason"] == "crossed"]
    await clerk.post(f"postings/{entry['posting_id']}/reverse", reason="a stray")
    await clerk.here.say(arrived(1, "shelf", 605))
    assert await place(clerk.database, 1) == "a/shelf"


async def test_a_crossing_out_under_a_shipment_is_not_taken_back_by_its_posting(clerk: Clerk) -> None:
    await clerk.make("s1", "shipment", 1)
    await clerk.post("doors/a/d", document="s1")
    await clerk.here.say(crossed(1, "out", 610))
    (entry,) = [one for one in await card(clerk) if one["reason"] == "crossed"]
    refused = await clerk.post(f"postings/{entry['posting_id']}/reverse", 422, reason="a stray")
    assert "left under 's1'" in refused["detail"]
    assert (await clerk.get("documents/s1"))["lines"][0]["gone"] == 1
    assert (await stock(clerk.database))["a/rack/BOX//sellable"] == 9


async def test_what_cannot_be_taken_back_says_why(clerk: Clerk) -> None:
    await clerk.post("scans/gun-1/ghost/reverse", 404, reason="x")
    await clerk.post("postings/999999/reverse", 404, reason="x")
    await clerk.make("s1", "shipment", 2)
    await clerk.here.say(scan("ship", f"01{GTIN}", 700, scan_id="s", quantity=2, document="s1"))
    refused = await clerk.post("scans/gun-1/s/reverse", 422, reason="x")
    assert "by a return" in refused["detail"]
    await clerk.here.say(scan("pick", "]C1nonsense", 710, scan_id="n", zone="shelf"))
    assert "was refused" in (await clerk.post("scans/gun-1/n/reverse", 422, reason="x"))["detail"]


async def test_the_stock_card_tells_each_change_and_what_was_there_after_it(clerk: Clerk) -> None:
    await clerk.here.say(arrived(1, "shelf", 610), arrived(2, "shelf", 611), crossed(1, "out", 612))
    await clerk.here.say(scan("damage", f"01{GTIN}212", 620))
    whole = await card(clerk)
    assert [(one["delta"], one["units"]) for one in whole[:3]] == [(0, 9), (-1, 9), (1, 10)]
    assert whole[0]["to_condition"] == "damaged"
    shelf = await card(clerk, zone="shelf")
    assert [(one["delta"], one["units"]) for one in shelf] == [(0, 1), (-1, 1), (1, 2), (1, 1)]
    first = await clerk.get("stock/card?sku=BOX&site=a&limit=5")
    second = await clerk.get(f"stock/card?sku=BOX&site=a&limit=50&cursor={first['next']}")
    assert first["rows"] + second["rows"] == whole
    assert whole[-1]["units"] == 1
    assert tag(1)
