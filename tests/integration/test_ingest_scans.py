"""Scans through the ingest service: counted once, found, applied or refused with a reason that a person can use."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from backend.ingest.service import IngestService
from backend.ingest.verify import verify
from backend.store.database import Database
from tests.house import CASE_GTIN, GTIN, Gateway, arrived, at, crossed, furnish, place, scan, stock, tag, warned
from wire.ack import Ack
from wire.clock import ScaledClock

LABEL = f"(01){GTIN}(21)1"
SSCC = "095060001343520000"


@pytest.fixture
async def service(database: Database) -> AsyncIterator[IngestService]:
    """A service on furnished warehouses; whatever a test did, the store must add up afterwards."""
    await furnish(database)
    yield IngestService(database, ScaledClock(at(3600)))
    assert await verify(database) == []


@pytest.fixture
def gateway(service: IngestService) -> Gateway:
    return Gateway(service, "a", "ga")


def outcomes(ack: Ack) -> list[tuple[str, str, str]]:
    return [(one.scan_id, one.state, one.reason) for one in ack.scans]


async def test_a_label_and_its_tag_are_one_thing(database: Database, gateway: Gateway) -> None:
    await gateway.say(arrived(1, "dock", 0))
    ack = await gateway.say(scan("put_away", LABEL, 10, zone="rack"))
    assert outcomes(ack) == [("s1", "applied", "")]
    assert await place(database, 1) == "a/rack"
    assert await stock(database) == {"a/rack/BOX//sellable": 1}
    row = await database.pool.fetchrow("SELECT actor, role, reason, seq FROM posting ORDER BY posting_id DESC")
    assert tuple(row.values()) == ("dewi", "operator", "put_away", 2)


async def test_a_label_scanned_before_its_tag_is_read(database: Database, gateway: Gateway) -> None:
    await gateway.say(scan("receive", LABEL + "(10)L7(17)270131", 0, zone="dock", document="PO-1"))
    assert await stock(database, virtual=True) == {"a/dock/BOX/L7/sellable": 1, "a/supplier/BOX/L7/sellable": -1}
    await gateway.say(arrived(1, "rack", 60))
    assert await stock(database) == {"a/rack/BOX/L7/sellable": 1}
    assert await database.pool.fetchval("SELECT count(*) FROM item") == 1
    assert str(await database.pool.fetchval("SELECT expires_on FROM lot WHERE code = 'L7'")) == "2027-01-31"


async def test_a_tag_and_its_label_in_one_batch(database: Database, gateway: Gateway) -> None:
    await gateway.say(scan("move", LABEL, 20, zone="shelf"), arrived(1, "dock", 10), arrived(2, "dock", 11))
    assert await stock(database) == {"a/shelf/BOX//sellable": 1, "a/dock/BOX//sellable": 1}


@pytest.mark.parametrize(
    ("intent", "left"),
    [
        ("pick", "a/shelf/BOX//sellable"),
        ("pack", "a/shelf/BOX//sellable"),
        ("ship", "a/in_transit/BOX//sellable"),
        ("damage", "a/rack/BOX//damaged"),
        ("count", "a/rack/BOX//sellable"),
    ],
)
async def test_what_a_scan_does_to_one_thing(database: Database, gateway: Gateway, intent: str, left: str) -> None:
    await gateway.say(arrived(1, "rack", 0))
    zone = "shelf" if intent in ("pick", "pack") else None
    await gateway.say(scan(intent, LABEL, 10, zone=zone))
    assert await stock(database) == {left: 1}


async def test_damage_stays_through_later_moves(database: Database, gateway: Gateway) -> None:
    await gateway.say(arrived(1, "rack", 0), scan("damage", LABEL, 10), arrived(1, "shelf", 20))
    assert await stock(database) == {"a/shelf/BOX//damaged": 1}


async def test_a_scan_that_comes_late_is_spliced(database: Database, service: IngestService) -> None:
    here, there = Gateway(service, "a", "ga"), Gateway(service, "b", "gb")
    await there.say(crossed(1, "in", 100))
    await here.say(scan("receive", LABEL, 10, zone="dock"), scan("ship", LABEL, 50, scan_id="s2"))
    assert await stock(database, virtual=True) == {"b/dock/BOX//sellable": 1, "a/supplier/BOX//sellable": -1}


async def test_a_pallet_label_has_a_place(database: Database, gateway: Gateway) -> None:
    await gateway.say(scan("receive", f"(00){SSCC}", 0, zone="dock"), scan("move", SSCC, 9, zone="rack", scan_id="s2"))
    row = await database.pool.fetchrow("SELECT item.kind, identity, code FROM item JOIN zone USING (zone_id)")
    assert tuple(row.values()) == ("sscc", f"(00){SSCC}", "rack")


async def test_goods_without_serial_numbers(database: Database, gateway: Gateway) -> None:
    ack = await gateway.say(
        scan("receive", CASE_GTIN, 0, zone="dock", quantity=2, scan_id="in"),
        scan("receive", f"(01){GTIN}(10)OLD(17)261231", 1, zone="rack", quantity=5, scan_id="old"),
        scan("receive", f"(01){GTIN}(10)NEW(17)271231", 2, zone="rack", quantity=5, scan_id="new"),
        scan("put_away", CASE_GTIN, 10, zone="rack", scan_id="up"),
    )
    assert {one.state for one in ack.scans} == {"applied"}
    assert await stock(database) == {
        "a/dock/BOX//sellable": 12,
        "a/rack/BOX//sellable": 12,
        "a/rack/BOX/OLD/sellable": 5,
        "a/rack/BOX/NEW/sellable": 5,
    }
    await gateway.say(scan("pick", GTIN, 20, zone="shelf", quantity=7, scan_id="pick"))
    after = await stock(database)
    assert after["a/shelf/BOX/OLD/sellable"] == 5
    assert after["a/shelf/BOX/NEW/sellable"] == 2
    await gateway.say(scan("damage", GTIN, 30, zone="shelf", lot="NEW", scan_id="drop"))
    assert (await stock(database))["a/shelf/BOX/NEW/damaged"] == 1


async def test_what_breaks_without_a_lot_is_the_one_that_lies_there(database: Database, gateway: Gateway) -> None:
    """In the batch that brought it, too, and out of the heap that a person means."""
    await gateway.say(
        scan("receive", f"01{GTIN}10OLD", 0, zone="rack", quantity=5, scan_id="old"),
        scan("damage", GTIN, 1, zone="rack", quantity=2, scan_id="drop"),
    )
    assert await stock(database) == {"a/rack/BOX/OLD/sellable": 3, "a/rack/BOX/OLD/damaged": 2}
    await gateway.say(scan("receive", f"01{GTIN}10NEW", 5, zone="rack", quantity=5, scan_id="new"))
    before = await stock(database)
    ack = await gateway.say(
        scan("damage", GTIN, 10, zone="rack", scan_id="which"), scan("damage", GTIN, 11, zone="shelf", scan_id="none")
    )
    assert [(state, reason) for _, state, reason in sorted(outcomes(ack))] == [
        ("refused", "zone shelf holds no lot of these goods, site a holds NEW, OLD: say which lot it is"),
        (
            "refused",
            "zone rack holds several lots, NEW (5), OLD (3): scan the code with its lot, or say which",
        ),
    ]
    assert await stock(database) == before
    await gateway.say(scan("damage", GTIN, 12, zone="rack", lot="NEW", scan_id="said"))
    assert (await stock(database))["a/rack/BOX/NEW/damaged"] == 1


async def test_goods_without_lots_break_as_ever(database: Database, gateway: Gateway) -> None:
    await gateway.say(scan("damage", GTIN, 10, zone="rack"))
    assert await stock(database) == {"a/rack/BOX//damaged": 1, "a/rack/BOX//sellable": -1}


async def test_stock_without_a_lot_beside_lots_is_named_by_an_empty_one(database: Database, gateway: Gateway) -> None:
    await gateway.say(
        scan("receive", f"01{GTIN}10OLD", 0, zone="rack", quantity=5, scan_id="old"),
        scan("receive", GTIN, 1, zone="rack", quantity=4, scan_id="bare"),
        scan("damage", GTIN, 2, zone="rack", lot="", scan_id="drop"),
    )
    assert (await stock(database))["a/rack/BOX//damaged"] == 1


async def test_what_nobody_received_yet_is_owed(database: Database, gateway: Gateway) -> None:
    await gateway.say(scan("pick", GTIN, 20, zone="dock", quantity=3))
    assert await stock(database) == {"a/dock/BOX//sellable": 3, "a/shelf/BOX//sellable": -3}
    assert await warned(database) == {("owed", "zone shelf · BOX · sellable · 3 units")}
    await gateway.say(scan("receive", GTIN, 5, zone="shelf", quantity=3, scan_id="late"))
    assert await stock(database) == {"a/dock/BOX//sellable": 3}
    assert await database.pool.fetchval("SELECT count(*) FROM alert WHERE cleared_at IS NULL") == 0


async def test_a_scan_counts_once_whoever_repeats_it(database: Database, service: IngestService) -> None:
    one, other = Gateway(service, "a", "ga"), Gateway(service, "a", "gb")
    again = scan("receive", GTIN, 0, zone="dock")
    acks = [await one.say(again), await one.say(again), await other.say(again), await one.say(again, again)]
    assert await stock(database) == {"a/dock/BOX//sellable": 1}
    assert [outcomes(ack) for ack in acks] == [[("s1", "applied", "")]] * 4
    acks = [await service.apply(one.sent[0]), await service.apply(one.sent[1])]
    assert [outcomes(ack) for ack in acks] == [[("s1", "applied", "")]] * 2


async def test_two_gateways_with_the_same_scan_at_once(database: Database, service: IngestService) -> None:
    gateways = [Gateway(service, "a", f"g{number}") for number in range(6)]
    scans = [scan("receive", GTIN, 0, zone="dock", scan_id=f"s{number}") for number in range(8)]
    acks = await asyncio.gather(
        *(one.say(*(scans if number % 2 else scans[::-1])) for number, one in enumerate(gateways))
    )
    assert await stock(database) == {"a/dock/BOX//sellable": 8}
    assert {state for ack in acks for _, state, _ in outcomes(ack)} == {"applied"}


@pytest.mark.parametrize(
    ("code", "more", "why"),
    [
        ("00012345678905", {"zone": "dock"}, "no SKU has GTIN 00012345678905"),
        ("(01)00012345678905(21)7", {"zone": "dock"}, "no SKU has GTIN 00012345678905"),
        ("hello", {"zone": "dock"}, "the code cannot be read"),
        (GTIN, {"zone": "attic"}, "site a has no zone 'attic'"),
        (GTIN, {"zone": "supplier"}, "site a has no zone 'supplier'"),
        (GTIN, {}, "receive needs the zone"),
        (f"(01){GTIN}(10)L1(17)280101", {"zone": "dock"}, "lot 'L1' expires on 2027-01-31, not on 2028-01-01"),
        (f"(01){GTIN}(21)9(10)L1(17)280101", {"zone": "dock"}, "lot 'L1' expires on 2027-01-31, not on 2028-01-01"),
    ],
)
async def test_a_refused_scan_says_why_and_changes_nothing(
    database: Database, gateway: Gateway, code: str, more: dict[str, str], why: str
) -> None:
    await gateway.say(scan("receive", f"(01){GTIN}(10)L1(17)270131", 0, zone="dock", scan_id="first"))
    before = await stock(database, virtual=True)
    ack = await gateway.say(scan("receive", code, 5, **more))
    ((_, state, reason),) = outcomes(ack)
    assert state == "refused"
    assert why in reason
    assert await stock(database, virtual=True) == before
    assert outcomes(await gateway.service.apply(gateway.sent[-1])) == outcomes(ack)


async def test_a_scan_from_tomorrow_is_refused(database: Database, gateway: Gateway) -> None:
    ack = await gateway.say(
        scan("receive", GTIN, 90_000, zone="dock"), scan("move", LABEL, 90_000, zone="dock", scan_id="s2")
    )
    assert all("check the clock" in reason for _, _, reason in outcomes(ack))
    assert await stock(database) == {}


async def test_a_thing_of_another_site_comes_here_by_scan(database: Database, service: IngestService) -> None:
    here, there = Gateway(service, "a", "ga"), Gateway(service, "b", "gb")
    await there.say(arrived(1, "rack", 0))
    await here.say(scan("put_away", LABEL, 10, zone="rack"))
    assert await place(database, tag(1)) == "a/rack"
    assert await stock(database) == {"a/rack/BOX//sellable": 1}
