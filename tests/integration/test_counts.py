"""Counts over the API: sweeps, words and scans while stock moves, who may approve, and what is posted then."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable
from typing import Any

import aiohttp
import asyncpg
import pytest

from backend.ingest.service import IngestService
from backend.ingest.verify import verify
from backend.store.database import Database
from tests.house import (
    CASE_GTIN,
    GTIN,
    Gateway,
    SetClock,
    arrived,
    at,
    crossed,
    furnish,
    place,
    scan,
    stock,
    tag,
    warned,
)
from tests.integration.test_documents import Clerk
from tests.serving import serving


@pytest.fixture
async def clerk(database: Database) -> AsyncIterator[Clerk]:
    """Ten tagged boxes on the rack of site `a`; it is ten minutes after the beginning."""
    await furnish(database)
    clock = SetClock(600)
    service = IngestService(database, clock)
    here, there = Gateway(service, "a", "ga"), Gateway(service, "b", "gb")
    await here.say(*(arrived(serial, "rack", serial) for serial in range(1, 11)))
    async with serving(database, clock=clock) as served, aiohttp.ClientSession(served.url) as session:
        yield Clerk(session, database, clock, here, there)
    assert await verify(database) == []


def set_clock(clerk: Clerk, seconds: float) -> None:
    assert isinstance(clerk.clock, SetClock)
    clerk.clock.seconds = seconds


async def make(clerk: Clerk, code: str = "c1", zones: Iterable[str] = ("rack",), **more: Any) -> dict[str, Any]:
    return await clerk.post("counts", code=code, site="a", zones=list(zones), **more)


def sweep(serials: Iterable[int], seconds: float, zone: str = "rack", **more: Any) -> dict[str, Any]:
    """A sweep that reads a tag each second."""
    reads = [{"epc": tag(one), "at": at(seconds + place).isoformat()} for place, one in enumerate(serials)]
    span = {"started_at": at(seconds).isoformat(), "ended_at": at(seconds + max(len(reads), 1)).isoformat()}
    return {"zone": zone, "reads": reads, **span, **more}


def told(units: int, seconds: float, zone: str = "shelf", **more: Any) -> dict[str, Any]:
    """So many boxes without serial numbers, told at an instant."""
    when = at(seconds).isoformat()
    word = {"sku": "BOX", "quantity": units, "at": when, **more}
    return {"zone": zone, "units": [word], "started_at": when, "ended_at": when, "operator": "dewi"}


async def event(
    clerk: Clerk, name: str, expect: int = 200, code: str = "c1", seconds: float = 650, **more: Any
) -> dict[str, Any]:
    """Let something happen to a count, at an instant."""
    set_clock(clerk, seconds)
    return await clerk.post(f"counts/{code}/events", expect, event=name, **more)


async def worth(clerk: Clerk, value: int) -> None:
    await clerk.database.pool.execute("UPDATE sku SET value = $1, currency = 'IDR'", value)


def findings(view: dict[str, Any]) -> dict[str, str]:
    return {one["epc"]: one["finding"] for one in view["things"]}


async def test_a_sweep_finds_what_is_missing_and_what_stands_elsewhere(clerk: Clerk) -> None:
    await clerk.here.say(arrived(11, "shelf", 20))
    await make(clerk, subject="things")
    taken = await clerk.post("counts/c1/passes", **sweep([1, 2, 3, 4, 5, 6, 7, 11], 601, operator="dewi"))
    assert taken == {"reads": 8, "units": 0, "unread": []}
    blind = await clerk.get("counts/c1")
    assert (blind["expected"], blind["lines"], blind["things"]) == (None, [], [])
    closed = await event(clerk, "close")
    assert findings(closed) == {tag(8): "missing", tag(9): "missing", tag(10): "missing", tag(11): "found"}
    (line,) = closed["lines"]
    assert (line["expected_least"], line["expected_most"], line["counted"], line["difference"]) == (10, 10, 8, -2)
    assert await place(clerk.database, 8) == "a/rack"
    assert await warned(clerk.database) == {("count_variance", "count c1 · zone rack · 4 units")}
    approved = await event(clerk, "approve")
    assert (approved["status"], approved["approved_by"]) == ("approved", "local")
    assert await stock(clerk.database) == {"a/rack/BOX//sellable": 8, "a/count_difference/BOX//sellable": 3}
    assert await place(clerk.database, 11) == "a/rack"
    assert await clerk.alerts() == set()
    (row,) = [one for one in (await clerk.get(f"items/{tag(8)}/history"))["rows"] if one["what"] == "count"]
    assert (row["actor"], row["document"], row["to_zone"]) == ("local", "c1", "a/count_difference")


async def test_what_moves_during_a_sweep_is_no_difference(clerk: Clerk) -> None:
    await make(clerk, zones=("rack", "shelf"), subject="things")
    await clerk.post("counts/c1/passes", **sweep([1, 2, 3, 4, 5, 6, 7, 8], 601))
    # 9 goes out and comes elsewhere while the rack is swept; 10 too, and nobody hears of it until the count is closed
    await clerk.here.say(arrived(9, "shelf", 604, kind="moved"))
    await clerk.post("counts/c1/passes", **sweep([9], 620, zone="shelf"))
    assert findings(await event(clerk, "close")) == {tag(10): "missing"}
    late = Gateway(clerk.here.service, "a", "ga2")
    await late.say(crossed(10, "out", 603))
    approved = await event(clerk, "approve")
    assert (approved["things"], [line["difference"] for line in approved["lines"]]) == ([], [0, 0])
    assert await place(clerk.database, 10) == "a/in_transit"


async def test_news_that_comes_after_the_approval_is_put_before_or_behind_the_count(clerk: Clerk) -> None:
    await make(clerk, subject="things")
    await clerk.post("counts/c1/passes", **sweep(range(1, 9), 601, operator="dewi"))
    await event(clerk, "close")
    await event(clerk, "approve")
    late = Gateway(clerk.here.service, "a", "ga2")
    await late.say(crossed(9, "out", 500), arrived(10, "shelf", 700))
    assert await place(clerk.database, 9) == "a/count_difference"
    assert await place(clerk.database, 10) == "a/shelf"


async def test_units_are_held_against_the_instant_of_their_word(clerk: Clerk) -> None:
    await clerk.here.say(scan("receive", f"01{GTIN}", 100, scan_id="r", zone="shelf", quantity=20))
    await make(clerk, zones=("shelf",), subject="units")
    await clerk.post("counts/c1/passes", **told(20, 610))
    await clerk.here.say(scan("pick", f"01{GTIN}", 611, scan_id="m", zone="dock", quantity=5))
    same = await event(clerk, "close")
    assert [line["difference"] for line in same["lines"]] == [0]
    late = Gateway(clerk.here.service, "a", "ga2")
    await late.say(scan("pick", f"01{GTIN}", 609, scan_id="l", zone="dock", quantity=3, document="x"))
    approved = await event(clerk, "approve")
    assert [(line["expected_least"], line["counted"]) for line in approved["lines"]] == [(17, 20)]
    found = await stock(clerk.database, virtual=True)
    assert (found["a/shelf/BOX//sellable"], found["a/count_difference/BOX//sellable"]) == (15, -3)


async def test_spots_add_up_and_a_newer_word_on_one_replaces_the_older(clerk: Clerk) -> None:
    await clerk.here.say(scan("receive", f"01{GTIN}", 100, scan_id="r", zone="shelf", quantity=20))
    await make(clerk, zones=("shelf",), subject="units", blind=False, tolerance_units=2)
    assert [row["units"] for row in (await clerk.get("counts/c1"))["expected"]] == [20]
    await clerk.post("counts/c1/passes", **told(9, 610, spot="top"))
    await clerk.here.say(scan("pick", f"01{GTIN}", 615, scan_id="m", zone="dock", quantity=5))
    await clerk.post("counts/c1/passes", **told(7, 620, spot="bottom"))
    await clerk.post("counts/c1/passes", **told(4, 625, spot="bottom"))
    (line,) = (await event(clerk, "close"))["lines"]
    assert (line["expected_least"], line["expected_most"], line["counted"], line["difference"]) == (15, 20, 13, -2)
    assert await clerk.alerts() == set()


async def test_what_nobody_told_of_a_counted_zone_is_not_there(clerk: Clerk) -> None:
    await clerk.here.say(scan("receive", f"01{GTIN}", 100, scan_id="r", zone="shelf", quantity=20))
    await make(clerk, zones=("shelf",), subject="units")
    when = {"started_at": at(610).isoformat(), "ended_at": at(611).isoformat()}
    await clerk.post("counts/c1/passes", zone="shelf", units=[], operator="dewi", **when)
    await event(clerk, "close")
    await event(clerk, "approve")
    assert (await stock(clerk.database))["a/count_difference/BOX//sellable"] == 20


async def test_scans_for_a_count_and_passes_feed_the_same_one(clerk: Clerk) -> None:
    await clerk.here.say(scan("receive", f"01{CASE_GTIN}", 100, scan_id="r", zone="shelf", quantity=2))
    await clerk.here.say(scan("receive", f"01{GTIN}10L1", 101, scan_id="q", zone="shelf", quantity=3))
    await make(clerk, zones=("shelf", "rack"))
    await clerk.here.say(
        scan("count", f"01{CASE_GTIN}", 610, scan_id="1", zone="shelf", quantity=2, document="c1"),
        scan("count", f"01{GTIN}", 611, scan_id="2", zone="shelf", document="c1"),
        scan("count", f"01{GTIN}", 612, scan_id="3", zone="shelf", document="c1"),
        scan("count", f"01{GTIN}21{3}", 613, scan_id="4", zone="rack", document="c1"),
    )
    await clerk.post("counts/c1/passes", **sweep([1, 2, 4, 5, 6, 7, 8, 9, 10], 620))
    refused = await event(clerk, "close", 409)
    assert refused["errors"] == [
        {"zone": "rack", "subject": "units"},
        {"zone": "shelf", "subject": "things"},
    ]
    closed = await event(clerk, "close", partial=True)
    assert closed["things"] == []
    lines = {(one["zone"], one["lot"], one["subject"]): one["difference"] for one in closed["lines"]}
    assert lines == {("rack", "", "things"): 0, ("shelf", "", "units"): 0, ("shelf", "L1", "units"): -1}
    # "dewi" scanned, "local" swept: neither may approve
    said = await event(clerk, "approve", 422)
    assert "somebody who did not count" in said["detail"]
    assert (await stock(clerk.database))["a/shelf/BOX/L1/sellable"] == 3


@pytest.mark.parametrize(
    ("scanned", "told"),
    [
        ({"seconds": 700}, "count 'c1' is closed: nothing more is counted for it unless it is recounted"),
        ({"seconds": 590}, "count 'c1' is closed"),
        ({"seconds": 620, "zone": "dock"}, "zone 'dock' is not counted by count 'c1'"),
        ({"seconds": 620, "zone": None}, "count 'c1' is of several zones: say which"),
    ],
)
async def test_what_is_scanned_for_a_count_that_does_not_count_it_is_refused(
    clerk: Clerk, scanned: dict[str, Any], told: str
) -> None:
    await make(clerk, zones=("shelf", "rack"), subject="units")
    await clerk.here.say(scan("count", f"01{GTIN}", 611, scan_id="1", zone="shelf", document="c1"))
    await event(clerk, "close", partial=True)
    more = {"zone": "shelf", "document": "c1", "scan_id": "x"} | scanned
    ack = await clerk.here.say(scan("count", f"01{GTIN}", **more))
    (outcome,) = ack.scans
    assert outcome.state == "refused"
    assert told in outcome.reason


async def test_a_scan_that_comes_late_counts_until_the_count_is_approved(clerk: Clerk) -> None:
    await clerk.here.say(scan("receive", f"01{GTIN}", 100, scan_id="r", zone="shelf", quantity=2))
    await make(clerk, zones=("shelf",), subject="units")
    early = scan("count", f"01{GTIN}", 580, scan_id="e", zone="shelf", document="c1")
    (refused,) = (await clerk.here.say(early)).scans
    assert refused.reason.startswith(f"count 'c1' was not open at {at(580).isoformat()}: scan anew")
    await clerk.here.say(scan("count", f"01{GTIN}", 611, scan_id="1", zone="shelf", document="c1"))
    assert [one["difference"] for one in (await event(clerk, "close"))["lines"]] == [-1]
    late = scan("count", f"01{GTIN}", 612, scan_id="2", zone="shelf", document="c1")
    assert [one.state for one in (await clerk.here.say(late)).scans] == ["applied"]
    assert [one["difference"] for one in (await event(clerk, "approve"))["lines"]] == [0]
    again = scan("count", f"01{GTIN}", 613, scan_id="3", zone="shelf", document="c1")
    (refused,) = (await clerk.here.say(again)).scans
    assert (refused.state, refused.reason) == ("refused", "count 'c1' is approved: nothing more is counted for it")
    (refused,) = (await clerk.there.say(scan("count", f"01{GTIN}", 611, scan_id="4", document="c1"))).scans
    assert refused.reason == "count 'c1' is of another site"


async def test_within_tolerance_whoever_counted_may_approve(clerk: Clerk) -> None:
    assert (await clerk.get("sites/a/count-rule"))["tolerance_units"] == 0
    await clerk.post("sites/a/count-rule", tolerance_units=1, tolerance_value=500)
    assert (await clerk.get("sites/a/count-rule"))["tolerance_units"] == 1
    await worth(clerk, 501)
    await make(clerk, subject="things")
    await clerk.post("counts/c1/passes", **sweep(range(1, 10), 601))
    closed = await event(clerk, "close")
    assert [float(line["value"]) for line in closed["lines"]] == [-501]
    await event(clerk, "approve", 422)
    await worth(clerk, 500)
    await event(clerk, "approve")
    assert await place(clerk.database, 10) == "a/count_difference"


async def test_a_recount_counts_anew_what_differed_and_keeps_the_rest(clerk: Clerk) -> None:
    await clerk.here.say(arrived(11, "shelf", 20))
    await make(clerk, zones=("rack", "shelf"), subject="things")
    await clerk.post("counts/c1/passes", **sweep(range(1, 10), 601))
    await clerk.post("counts/c1/passes", **sweep([11], 620, zone="shelf"))
    assert findings(await event(clerk, "close")) == {tag(10): "missing"}
    again = await event(clerk, "recount")
    assert (again["status"], again["round"]) == ("open", 2)
    early = await clerk.post("counts/c1/passes", 422, **sweep(range(1, 11), 400))
    assert "before the round opened" in early["detail"]
    assert (await event(clerk, "close", 409))["errors"] == [{"zone": "rack", "subject": "things"}]
    await clerk.post("counts/c1/passes", **sweep(range(1, 11), 660))
    closed = await event(clerk, "close")
    assert closed["things"] == []
    assert {(one["zone"], one["counted"]) for one in closed["lines"]} == {("rack", 10), ("shelf", 1)}
    await event(clerk, "recount", 422)
    await event(clerk, "approve")
    await event(clerk, "recount", 409)


async def test_only_the_named_skus_are_counted_and_strange_tags_are_told(clerk: Clerk) -> None:
    await make(clerk, skus=["BOX"], subject="things")
    strange = tag(1, "09506000149301")
    reads = sweep(range(1, 11), 601)
    reads["reads"].append({"epc": strange, "at": at(602).isoformat()})
    reads["reads"].append({"epc": "FFFF", "at": at(602).isoformat()})
    taken = await clerk.post("counts/c1/passes", **reads)
    assert {one["epc"] for one in taken["unread"]} == {strange, "FFFF"}
    closed = await event(clerk, "close")
    assert closed["things"] == []
    assert {one["epc"] for one in closed["unread"]} == {strange, "FFFF"}


async def test_a_thing_that_just_left_is_not_brought_back_by_its_tag(clerk: Clerk) -> None:
    await make(clerk, subject="things")
    await clerk.here.say(crossed(1, "out", 602))
    await clerk.post("counts/c1/passes", **sweep(range(1, 11), 605))
    assert (await event(clerk, "close"))["things"] == []
    await event(clerk, "approve")
    assert await place(clerk.database, 1) == "a/in_transit"


async def test_what_a_count_finds_of_a_transfer_has_come(clerk: Clerk) -> None:
    await clerk.post("documents", code="t1", kind="transfer", site="b", to_site="a", lines=[])
    await clerk.event("t1", "approve", "allocate")
    await clerk.there.say(arrived(21, "rack", 500))
    await clerk.door("t1", "b")
    await clerk.there.say(crossed(21, "out", 610))
    await make(clerk, subject="things")
    await clerk.post("counts/c1/passes", **sweep([*range(1, 11), 21], 640, operator="dewi"))
    await event(clerk, "close")
    await event(clerk, "approve")
    (thing,) = (await clerk.get("documents/t1"))["things"]
    assert thing["come_at"] is not None
    assert await place(clerk.database, 21) == "a/rack"


@pytest.mark.parametrize(
    ("status", "body", "said"),
    [
        (404, {"site": "moon"}, "no site"),
        (422, {"zones": ["moon"]}, "no zone"),
        (422, {"zones": ["in_transit"]}, "no zone"),
        (422, {"skus": ["GHOST"]}, "no SKU"),
        (409, {"code": "s1"}, "a document or an order"),
    ],
)
async def test_counts_that_cannot_be(clerk: Clerk, status: int, body: dict[str, Any], said: str) -> None:
    await clerk.make("s1", "shipment", 1)
    answer = await clerk.post("counts", status, **{"code": "c1", "site": "a", "zones": ["rack"], **body})
    assert said in answer["detail"]
    assert (await clerk.get("counts"))["rows"] == []


async def test_finds_that_cannot_be(clerk: Clerk) -> None:
    await make(clerk, subject="things")
    assert "not counted by" in (await clerk.post("counts/c1/passes", 422, **sweep([1], 601, zone="shelf")))["detail"]
    assert "things alone" in (await clerk.post("counts/c1/passes", 422, **told(1, 601, zone="rack")))["detail"]
    assert "in the future" in (await clerk.post("counts/c1/passes", 422, **sweep([1], 5000)))["detail"]
    outside = sweep([1], 601) | {"reads": [{"epc": tag(1), "at": at(700).isoformat()}]}
    assert "outside the pass" in (await clerk.post("counts/c1/passes", 422, **outside))["detail"]
    assert "nothing was counted" in (await event(clerk, "close", 409))["detail"]
    await event(clerk, "cancel")
    assert "cancelled" in (await clerk.post("counts/c1/passes", 409, **sweep([1], 601)))["detail"]


async def test_a_change_of_a_count_that_somebody_else_changed_is_refused(clerk: Clerk) -> None:
    await make(clerk, subject="things")
    async with clerk.session.get("/api/v1/counts/c1") as response:
        tagged = response.headers["ETag"]
    await clerk.post("counts/c1/passes", **sweep(range(1, 11), 601))
    for known, status in ((tagged, 412), ("*", 200)):
        headers = {"Idempotency-Key": f"etag-{status}", "If-Match": known}
        async with clerk.session.post("/api/v1/counts/c1/events", json={"event": "close"}, headers=headers) as response:
            assert response.status == status


async def test_the_days_counts_are_what_is_due_and_made_once(clerk: Clerk) -> None:
    await clerk.here.say(scan("receive", f"01{GTIN}", 100, scan_id="r", zone="shelf", quantity=3))
    await clerk.here.say(scan("damage", f"01{GTIN}", 110, scan_id="d", zone="dock"))
    due = (await clerk.get("sites/a/counts/due"))["rows"]
    assert [(row["zone"], row["counted"]) for row in due[:1]] == [("dock", False)]
    assert due[0]["owed"] is True
    assert {row["zone"] for row in due} == {"dock", "rack", "shelf"}
    made = (await clerk.post("sites/a/counts/plan", subject="things"))["counts"]
    assert len(made) == 3
    assert (await clerk.post("sites/a/counts/plan"))["counts"] == []
    assert (await clerk.get("sites/a/counts/due"))["rows"] == []
    await clerk.post("sites/moon/counts/plan", 404)


async def test_accuracy_and_who_keeps_differing(clerk: Clerk) -> None:
    await worth(clerk, 100)
    present = list(range(1, 11))
    for number in (1, 2):
        present.pop()
        code = f"c{number}"
        await make(clerk, code, subject="things")
        await clerk.post(f"counts/{code}/passes", **sweep(present, 600 + 100 * number, operator="dewi"))
        for name in ("close", "approve"):
            await event(clerk, name, code=code, seconds=650 + 100 * number)
    for by, name in (("site", "a"), ("zone", "a/rack"), ("sku", "BOX"), ("class", "C")):
        (row,) = (await clerk.get(f"count-accuracy?by={by}"))["rows"]
        assert (row["name"], row["lines"], row["agreed"], row["different_units"]) == (name, 2, 0, 2)
        assert (row["expected_units"], row["unit_accuracy"], row["value_accuracy"]) == (19, 1 - 2 / 19, 1 - 2 / 19)
    (offender,) = (await clerk.get("count-offenders?site=a"))["rows"]
    assert (offender["zone"], offender["sku"], offender["variances"], offender["units"]) == ("rack", "BOX", 2, 2)
    assert await warned(clerk.database) == {("count_repeat", "zone rack · BOX · 2 differences")}
    for number in (3, 4):
        code = f"c{number}"
        await make(clerk, code, subject="things")
        await clerk.post(f"counts/{code}/passes", **sweep(present, 600 + 100 * number))
        for name in ("close", "approve"):
            await event(clerk, name, code=code, seconds=650 + 100 * number)
    assert await clerk.alerts() == set()
    assert await verify(clerk.database) == []


async def test_an_approval_takes_things_before_it_makes_lots(clerk: Clerk, database_url: str) -> None:
    """As everybody does who receives things of a new lot."""
    await make(clerk, zones=("rack", "dock"))
    await clerk.post("counts/c1/passes", **sweep(range(1, 11), 601, operator="dewi"))
    await event(clerk, "close", partial=True)
    late = scan("count", f"01{GTIN}10LATE", 605, scan_id="c", zone="dock", quantity=2, document="c1")
    assert [one.state for one in (await clerk.here.say(late)).scans] == ["applied"]
    other = await asyncpg.connect(database_url)
    await other.execute("BEGIN; SET LOCAL lock_timeout = '2s'; SELECT FROM item FOR NO KEY UPDATE")
    approving = asyncio.ensure_future(event(clerk, "approve"))
    async with asyncio.timeout(10):
        while not await other.fetchval("SELECT count(*) FROM pg_locks WHERE NOT granted"):
            await asyncio.sleep(0.01)
    await other.execute("INSERT INTO lot (sku_id, code) SELECT sku_id, 'LATE' FROM sku")
    await other.execute("COMMIT")
    assert (await approving)["status"] == "approved"
    await other.close()
    assert (await stock(clerk.database))["a/dock/BOX/LATE/sellable"] == 2
