"""What `tallyman verify` says of a house in which everything happened once: the very numbers, and nothing more."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

import pytest

from backend.catalog.model import PortalSpec, SiteSpec, SkuSpec, ZoneSpec
from backend.catalog.service import put_site, put_skus
from backend.ingest.importing import import_csv
from backend.ingest.service import IngestService
from backend.ingest.verify import verify
from backend.ledger.verify import MAX_FINDINGS
from backend.store.database import Database
from gs1.epc import encode_sgtin96
from tests.postgres import START
from wire.clock import ScaledClock
from wire.events import Lost, Movement, ReaderHealth, ReceivedBatch, Scan

GTIN = "09506000134352"
EPOCH = "00000000000000aa"
SOURCE = f"g1/{EPOCH}"
THING = f"(01){GTIN}(21)1"
LOST = "neither settled, set aside nor lost"
DOUBLED = "settled more than once"
BEYOND = "settled, but beyond the cursor"
NUT = "(SELECT sku_id FROM sku WHERE code = 'NUT')"


def tag(serial: int) -> str:
    return encode_sgtin96(GTIN, str(serial), 7, 1).hex().upper()


def batch(first_seq: int, *events: Movement | Scan | ReaderHealth) -> ReceivedBatch:
    return ReceivedBatch(site="jakarta", gateway="g1", epoch=EPOCH, first_seq=first_seq, sent_at=START, events=events)


def moved(serial: int, seconds: float, zone: str) -> Movement:
    at = START + timedelta(seconds=seconds)
    return Movement(kind="moved", epc=tag(serial), zone=zone, observed_at=at, decided_at=at)


@pytest.fixture
async def house(database: Database) -> Database:
    """Numbers 1 to 12: movements, a scan and its repeat, health, a late read, a replayed event, four lost; a receipt
    and opening stock."""
    zones = (ZoneSpec("dock", "dock"), ZoneSpec("rack", "storage"))
    await put_site(database, SiteSpec("jakarta", zones=zones, portals=(PortalSpec("d1", "dock"),)))
    await put_skus(database, [SkuSpec("MILK", gtins={GTIN: 1}), SkuSpec("NUT")])
    clock = ScaledClock(START + timedelta(hours=1), 0.001)
    service = IngestService(database, clock)
    at = START + timedelta(seconds=30)
    scan = Scan(scan_id="s1", device="h1", operator="ana", intent="damage", code=f"01{GTIN}211", observed_at=at)
    health = ReaderHealth(reader="r1", state="connected", observed_at=at)
    await service.apply(batch(1, moved(1, 10, "dock"), moved(2, 20, "dock"), scan, scan, health))
    await service.apply(batch(6, moved(1, 5, "rack"), moved(1, 40, "attic"), moved(2, 50, "rack")))
    lost = Lost(site="jakarta", gateway="g1", epoch=EPOCH, from_seq=9, through_seq=12, reason="disk", sent_at=START)
    assert (await service.apply(lost)).through == 12
    await put_site(database, SiteSpec("jakarta", zones=(*zones, ZoneSpec("attic", "storage"))))
    assert (await service.replay("unknown_zone:jakarta/attic")).applied == 1
    receipts = f"site,document,epc,sku,lot\njakarta,A1,{tag(1)},MILK,L1\njakarta,A1,{tag(3)},MILK,\n"
    opening = f"site,zone,sku,quantity,epc\njakarta,rack,NUT,5,\njakarta,rack,MILK,,{tag(4)}\n"
    await import_csv(database, clock, "receipts", receipts)
    await import_csv(database, clock, "opening-stock", opening)
    return database


async def found(database: Database, *damage: str) -> list[tuple[str, str, str]]:
    for statement in damage:
        await database.pool.execute(statement)
    return [(finding.rule, finding.subject, finding.what) for finding in await verify(database)]


async def test_everything_adds_up(house: Database) -> None:
    assert await found(house) == []


async def test_a_balance_is_named_with_both_sums(house: Database) -> None:
    damage = f"UPDATE balance SET net = net + 2 WHERE net = 5 AND sku_id = {NUT}"
    assert await found(house, damage) == [
        ("balance", "jakarta/rack/NUT//sellable", "7, its postings add up to 5"),
        (
            "availability",
            "jakarta/NUT//sellable",
            "5 on hand, its balances add up to 7; 0 reserved, its allocations hold 0",
        ),
    ]
    assert str((await verify(house))[0]) == "balance: jakarta/rack/NUT//sellable: 7, its postings add up to 5"


async def test_a_balance_that_no_posting_made(house: Database) -> None:
    damage = (
        "INSERT INTO balance (site_id, zone_id, sku_id, lot_id, condition, net)"
        " SELECT site_id, zone_id, sku_id, lot_id, 'returned', -1 FROM zone, sku JOIN lot USING (sku_id)"
        " WHERE zone.code = 'dock' AND sku.code = 'NUT'"
    )
    assert await found(house, damage) == [
        ("balance", "jakarta/dock/NUT//returned", "-1, its postings add up to 0"),
        (
            "availability",
            "jakarta/NUT//returned",
            "0 on hand, its balances add up to -1; 0 reserved, its allocations hold 0",
        ),
    ]


async def test_a_posting_that_turns_one_sku_into_another(house: Database) -> None:
    damage = (
        "UPDATE posting SET to_balance_id = (SELECT max(balance_id) FROM balance JOIN sku USING (sku_id)"
        " WHERE code = 'MILK') WHERE item_id IS NULL"
    )
    findings = await found(house, damage)
    assert {rule for rule, *_ in findings} == {"posting", "balance"}
    assert next(what for rule, _, what in findings if rule == "posting").startswith("takes and gives different SKUs")


async def test_an_item_without_its_postings(house: Database) -> None:
    damage = f"UPDATE posting SET item_id = NULL WHERE item_id = (SELECT item_id FROM item WHERE identity = '{THING}')"
    findings = await found(house, damage)
    assert {(rule, subject) for rule, subject, _ in findings} == {("item", THING)}
    assert all("its postings add up to 0" in what for *_, what in findings)


@pytest.mark.parametrize(
    ("change", "part"),
    [
        ("zone_id = (SELECT zone_id FROM zone WHERE code = 'dock')", "place_id is jakarta/dock, its observations say"),
        ("condition = 'sellable'", "condition is sellable, its observations say damaged"),
        ("lot_id = (SELECT min(lot_id) FROM lot WHERE lot.sku_id = item.sku_id AND code = '')", "goods is "),
        ("present = false", "present is False, its observations say True"),
        ("origin_zone_id = 999999", "origin_id is 999999, its observations say jakarta/supplier"),
        ("seq = 99", "key is "),
    ],
)
async def test_each_part_of_an_item_is_held_against_its_observations(house: Database, change: str, part: str) -> None:
    findings = await found(house, f"UPDATE item SET {change} WHERE identity = '{THING}'")
    ((subject, what),) = [(subject, what) for rule, subject, what in findings if rule == "place"]
    assert subject == THING
    assert what.startswith(part)


def movement(seq: int) -> str:
    return (
        "INSERT INTO movement (recorded_at, observed_at, gateway, epoch, seq, kind, item_id, site_id, decided_at,"
        f" confidence) SELECT recorded_at, observed_at, gateway, epoch, {seq}, 'departed', item_id, site_id,"
        " decided_at, confidence FROM movement LIMIT 1"
    )


@pytest.mark.parametrize(
    ("damage", "expected"),
    [
        (["DELETE FROM reader_health"], [(SOURCE, f"number 5 {LOST}")]),
        (["DELETE FROM scan_repeat"], [(SOURCE, f"number 4 {LOST}")]),
        (["UPDATE lost_range SET from_seq = 11"], [(SOURCE, f"numbers 9 to 10 {LOST}")]),
        (["UPDATE lost_range SET through_seq = 10"], [(SOURCE, f"numbers 11 to 12 {LOST}")]),
        (["UPDATE lost_range SET from_seq = 8"], [(SOURCE, f"number 8 {DOUBLED}")]),
        ([movement(5)], [(SOURCE, f"number 5 {DOUBLED}")]),
        ([movement(10)], [(SOURCE, f"number 10 {DOUBLED}")]),
        (["UPDATE quarantine SET state = 'open'"], [(SOURCE, f"number 7 {DOUBLED}")]),
        (["UPDATE quarantine SET state = 'dismissed'"], [(SOURCE, f"number 7 {DOUBLED}")]),
        ([movement(13)], [(SOURCE, f"number 13 {BEYOND}")]),
        ([movement(15)], [(SOURCE, f"numbers 13 to 14 {LOST}"), (SOURCE, f"number 15 {BEYOND}")]),
        (["UPDATE ingest_cursor SET through = 14"], [(SOURCE, f"numbers 13 to 14 {LOST}")]),
        (
            ["UPDATE reader_health SET epoch = 'other'"],
            [
                (SOURCE, f"number 5 {LOST}"),
                ("g1/other", f"numbers 1 to 4 {LOST}"),
                ("g1/other", f"number 5 {BEYOND}"),
            ],
        ),
    ],
)
async def test_numbers_that_are_not_settled_exactly_once_are_named(
    house: Database, damage: Sequence[str], expected: list[tuple[str, str]]
) -> None:
    findings = await found(house, *damage)
    assert [(subject, what) for rule, subject, what in findings if rule == "cursor"] == expected


async def test_only_so_many_findings_of_each_rule_are_told(house: Database) -> None:
    findings = await found(
        house,
        "INSERT INTO balance (site_id, zone_id, sku_id, lot_id, condition, net)"
        " SELECT site_id, zone_id, sku_id, lot_id, 'odd ' || number, 1 FROM zone, sku JOIN lot USING (sku_id),"
        f" generate_series(1, {MAX_FINDINGS + 5}) AS n (number) WHERE zone.code = 'dock' AND sku.code = 'NUT'",
        "UPDATE ingest_cursor SET through = 14",
    )
    rules = [rule for rule, *_ in findings]
    assert (rules.count("balance"), rules.count("cursor")) == (MAX_FINDINGS, 1)
