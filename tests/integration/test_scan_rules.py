"""What scans do at a site is data: its own rules come before those of every site, and nobody can write nonsense."""

from __future__ import annotations

import itertools
from datetime import UTC, datetime
from typing import Any, get_args

import asyncpg

from backend.catalog.model import REAL_KINDS
from backend.effects.scanning import SCANS, ScanRule, fault
from backend.ingest.scan_rules import SQL, read_book
from tests.house import GTIN, scan, stock
from tests.integration.test_documents import Clerk, clerk, order
from wire.events import Intent

__all__ = ["clerk"]

numbers = itertools.count(1)


async def say(clerk: Clerk, intent: str, code: str = GTIN, **more: Any) -> str:
    """A scan at site `a`; why it was refused, empty when it was not."""
    number = next(numbers)
    (outcome,) = (await clerk.here.say(scan(intent, code, 650 + number, scan_id=f"r{number}", **more))).scans
    assert (outcome.state == "applied") == (not outcome.reason)
    return outcome.reason


async def rule(clerk: Clerk, expect: int = 200, site: str = "a", **body: Any) -> dict[str, Any]:
    return await clerk.post(f"sites/{site}/scan-rules", expect, **body)


async def test_the_rules_of_every_site_are_shown_and_a_sites_own_in_their_place(clerk: Clerk) -> None:
    before = (await clerk.get("sites/a/scan-rules"))["rows"]
    assert {(one["intent"], one["kind"]) for one in before} == set(SCANS)
    own = {"intent": "damage", "kind": "", "place": "stays", "condition": "quarantined", "sources": []}
    own |= {"takes_expired": True, "refusal": ""}
    assert await rule(clerk, **own) == own
    assert own in (await clerk.get("sites/a/scan-rules"))["rows"]
    assert (await clerk.get("sites/b/scan-rules"))["rows"] == before
    assert await say(clerk, "damage", f"01{GTIN}211") == ""
    assert (await stock(clerk.database))["a/rack/BOX//quarantined"] == 1


async def test_goods_are_taken_from_where_the_site_says(clerk: Clerk) -> None:
    for zone in ("dock", "shelf"):
        assert await say(clerk, "receive", zone=zone, quantity=5) == ""
    await rule(clerk, intent="move", place="scanned", sources=["pick_face"])
    assert await say(clerk, "move", zone="rack", quantity=2) == ""
    assert (await stock(clerk.database))["a/shelf/BOX//sellable"] == 3
    await rule(clerk, intent="move", place="scanned", sources=["receiving", "pick_face"])
    assert await say(clerk, "move", zone="rack", quantity=2) == ""
    assert (await stock(clerk.database))["a/dock/BOX//sellable"] == 3


async def test_what_is_received_comes_from_where_the_site_says_in_what_condition_it_says(clerk: Clerk) -> None:
    await rule(clerk, intent="receive", place="scanned", sources=["vendor"], condition="quarantined")
    assert await say(clerk, "receive", zone="dock", quantity=4) == ""
    assert await say(clerk, "receive", f"01{GTIN}21777", zone="dock") == ""
    found = await stock(clerk.database, virtual=True)
    assert (found["a/dock/BOX//quarantined"], found["a/vendor/BOX//sellable"]) == (5, -4)


async def test_damaged_goods_may_be_scrapped_at_once(clerk: Clerk) -> None:
    assert await say(clerk, "receive", zone="dock", quantity=5) == ""
    await rule(clerk, intent="damage", place="scrap")
    assert await say(clerk, "damage", zone="dock", quantity=2) == ""
    assert await say(clerk, "damage", f"01{GTIN}211") == ""
    found = await stock(clerk.database, virtual=True)
    assert (found["a/dock/BOX//sellable"], found["a/scrap/BOX//sellable"]) == (3, 3)


async def test_a_site_refuses_with_its_own_words_and_another_does_not(clerk: Clerk) -> None:
    await rule(clerk, intent="receive", place="scanned", sources=["supplier"], refusal="name the receipt")
    await rule(clerk, intent="receive", kind="receipt", place="scanned", sources=["supplier"])
    before = await stock(clerk.database)
    assert await say(clerk, "receive", zone="dock") == "name the receipt"
    assert await stock(clerk.database) == before
    await clerk.make("r1", "receipt", 1)
    assert await say(clerk, "receive", zone="dock", document="r1") == ""
    (outcome,) = (await clerk.there.say(scan("receive", GTIN, 640, scan_id="there", zone="dock"))).scans
    assert outcome.state == "applied"
    await rule(clerk, intent="count", place="stays", refusal="count at night")
    assert await say(clerk, "count", zone="dock") == "count at night"


async def test_what_has_expired_is_refused_where_the_site_says_so(clerk: Clerk) -> None:
    await clerk.database.pool.execute("UPDATE site SET time_zone = 'Pacific/Pago_Pago' WHERE code = 'a'")
    old, lives = f"01{GTIN}1726022810OLD", f"01{GTIN}1726030110LIVES"
    assert await say(clerk, "receive", old, zone="dock", quantity=3) == "", "everywhere else it is taken"
    await rule(clerk, intent="receive", place="scanned", sources=["supplier"], takes_expired=False)
    said = "lot OLD expired on 2026-02-28: receive takes no such goods here"
    assert await say(clerk, "receive", old, zone="dock", quantity=3) == said
    assert await say(clerk, "receive", f"(01){GTIN}(10)OLD(21)888", zone="dock") == said, "a thing with a lot"
    assert await say(clerk, "receive", lives, zone="dock", quantity=3) == "", "to the end of its day at the site"
    await rule(clerk, intent="put_away", place="scanned", sources=["receiving"], takes_expired=False)
    assert await say(clerk, "put_away", zone="rack", quantity=3) == ""
    found = await stock(clerk.database)
    assert (found["a/dock/BOX/OLD/sellable"], found["a/rack/BOX/LIVES/sellable"]) == (3, 3), "what expired is left"
    assert await say(clerk, "put_away", f"01{GTIN}10OLD", zone="rack") == said.replace("receive", "put_away")


async def test_a_promise_that_expired_is_not_picked_where_the_site_refuses_it(clerk: Clerk) -> None:
    assert await say(clerk, "receive", f"01{GTIN}1726030310SOON", zone="shelf", quantity=2) == ""
    await order(clerk, 2)
    await rule(clerk, intent="pick", place="scanned", sources=["pick_face", "storage"], takes_expired=False)
    await clerk.database.pool.execute("UPDATE lot SET expires_on = '2026-03-01' WHERE code = 'SOON'")
    assert await say(clerk, "pick", zone="dock", document="o1", quantity=2) == ""
    found = await stock(clerk.database)
    assert found["a/shelf/BOX/SOON/sellable"] == 2
    assert found["a/dock/BOX//sellable"] == 2


async def test_a_thing_is_refused_by_the_lot_it_is_of(clerk: Clerk) -> None:
    assert await say(clerk, "receive", f"(01){GTIN}(17)260228(10)OLD(21)999", zone="dock") == ""
    await rule(clerk, intent="move", place="scanned", sources=["storage"], takes_expired=False)
    assert "lot OLD expired" in await say(clerk, "move", f"01{GTIN}21999", zone="rack")
    assert await say(clerk, "move", f"01{GTIN}211", zone="dock") == ""


async def test_a_scan_of_a_day_that_no_calendar_of_the_site_has_is_refused_and_holds_up_no_other(clerk: Clerk) -> None:
    await rule(clerk, intent="receive", place="scanned", sources=["supplier"], takes_expired=False)
    await clerk.database.pool.execute("UPDATE site SET time_zone = 'Asia/Jakarta' WHERE code = 'a'")
    far = scan("receive", GTIN, 640, scan_id="far", zone="dock")
    far = far.model_copy(update={"observed_at": datetime(9999, 12, 31, 20, tzinfo=UTC)})
    outcomes = (await clerk.here.say(far, scan("receive", GTIN, 641, scan_id="near", zone="dock"))).scans
    reasons = {one.scan_id: one.reason for one in outcomes}
    assert reasons.keys() == {"far", "near"}
    assert reasons["near"] == ""
    assert "9999" in reasons["far"]
    assert (await stock(clerk.database))["a/dock/BOX//sellable"] == 1


async def test_rules_that_cannot_be_are_refused(clerk: Clerk) -> None:
    refused = await rule(clerk, 422, intent="pick", place="scanned", sources=["moon"])
    assert refused["detail"].startswith("sources: name kinds of zones")
    await rule(clerk, 404, "x", intent="count", place="stays")
    await rule(clerk, 400, intent="dance", place="stays")
    assert await clerk.database.pool.fetchval("SELECT count(*) FROM scan_rule") == 0


async def test_the_database_holds_a_rule_to_what_the_program_does(clerk: Clerk) -> None:
    """Somebody with psql can write no rule that the API would have refused, and any that it would not."""
    places = ("scanned", "stays", "customer", "in_transit", "vendor", "scrap", "supplier", "storage")
    sources: tuple[tuple[str, ...], ...] = ((), ("supplier",), ("in_transit",), ("customer",), ("storage",))
    sources += (("dock", "storage"), ("dock", "scrap"), ("dock", "storage", "dock"), REAL_KINDS)
    looked = taken = 0
    async with clerk.database.transaction() as connection:
        site_id = await connection.fetchval("SELECT site_id FROM site WHERE code = 'a'")
        for intent, kind, place, source, condition, takes_expired in itertools.product(
            get_args(Intent), ("", "transfer", "return"), places, sources, (None, "damaged", "sellable"), (True, False)
        ):
            one = ScanRule(place, source, condition, takes_expired)
            looked += 1
            try:
                async with connection.transaction():
                    await connection.execute(SQL["put_scan_rule"], site_id, intent, kind, *one)
                fits = True
            except asyncpg.CheckViolationError:
                fits = False
            assert fits == (fault(intent, kind, one) is None), (intent, kind, one)
            taken += fits
        assert looked > 12000
        assert 300 < taken < 1500
        assert (await read_book(connection, site_id)).rule("count") == SCANS["count", ""]
