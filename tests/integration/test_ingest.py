"""The ingest service on a real PostgreSQL: exactly once, in any order, nothing lost to one bad event."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import datetime

import pytest

from backend.catalog.model import PortalSpec, SiteSpec, SkuSpec, ZoneSpec
from backend.catalog.service import put_site, put_skus
from backend.ingest.service import IngestService
from backend.ingest.verify import verify
from backend.store.database import Database, renew_store
from tests.house import EPOCH, Gateway, SetClock, arrived, at, crossed, furnish, place, stock, tag, warned
from tests.postgres import START
from wire.ack import GatewayStatus
from wire.clock import ScaledClock
from wire.events import Lost, ReaderHealth

CLOCK = ScaledClock(at(3600))


@pytest.fixture
async def service(database: Database) -> AsyncIterator[IngestService]:
    """A service on furnished warehouses; whatever a test did, the store must add up afterwards."""
    await furnish(database)
    yield IngestService(database, CLOCK)
    assert await verify(database) == []


@pytest.fixture
def gateway(service: IngestService) -> Gateway:
    return Gateway(service, "a", "ga")


async def count(database: Database, table: str) -> int:
    return int(await database.pool.fetchval(f"SELECT count(*) FROM {table}"))


async def alerts(database: Database) -> set[tuple[str, str]]:
    rows = await database.pool.fetch("SELECT kind, key FROM alert WHERE cleared_at IS NULL")
    return {(row["kind"], row["key"]) for row in rows}


async def test_a_tag_walks_through_the_house(database: Database, gateway: Gateway) -> None:
    ack = await gateway.say(crossed(1, "in", 0), arrived(1, "rack", 60), arrived(2, "dock", 61))
    assert ack.through == 3
    assert ack.store == await database.store_id()
    assert await stock(database) == {"a/rack/BOX//sellable": 1, "a/dock/BOX//sellable": 1}
    await gateway.say(arrived(1, "shelf", 120, kind="moved"), arrived(2, "dock", 130, kind="departed"))
    assert await stock(database) == {"a/shelf/BOX//sellable": 1, "a/dock/BOX//sellable": 1}
    await gateway.say(crossed(1, "out", 180))
    assert await stock(database) == {"a/in_transit/BOX//sellable": 1, "a/dock/BOX//sellable": 1}
    assert await place(database, 1) == "a/in_transit"
    assert sum((await stock(database, virtual=True)).values()) == 0


async def test_a_batch_counts_once_however_often_it_comes(database: Database, gateway: Gateway) -> None:
    await gateway.say(crossed(1, "in", 0), arrived(2, "dock", 1))
    for _ in range(3):
        assert (await gateway.service.apply(gateway.sent[0])).through == 2
    assert await stock(database) == {"a/dock/BOX//sellable": 2}
    assert await count(database, "movement") == 2


async def test_a_batch_that_overlaps_counts_its_new_part(database: Database, gateway: Gateway) -> None:
    events = [arrived(serial, "dock", serial) for serial in range(1, 6)]
    await gateway.say(*events[:3])
    assert (await gateway.service.apply(gateway.batch(2, events[1:]))).through == 5
    assert await count(database, "movement") == 5


async def test_a_gap_applies_nothing(database: Database, gateway: Gateway) -> None:
    later = gateway.batch(2, [arrived(2, "dock", 2)])
    assert (await gateway.service.apply(later)).through == 0
    assert await count(database, "movement") == 0
    await gateway.say(arrived(1, "dock", 1))
    assert (await gateway.service.apply(later)).through == 2
    assert await stock(database) == {"a/dock/BOX//sellable": 2}


async def test_two_workers_with_the_same_batch(database: Database, gateway: Gateway) -> None:
    other = IngestService(database, CLOCK)
    for first in range(1, 400, 40):
        batch = gateway.batch(first, [arrived(serial % 50, "dock", serial) for serial in range(first, first + 40)])
        acks = await asyncio.gather(*(one.apply(batch) for one in (gateway.service, other) * 2))
        assert {ack.through for ack in acks} == {first + 39}
    assert await count(database, "movement") == 400
    assert await stock(database) == {"a/dock/BOX//sellable": 50}


async def test_many_gateways_at_the_same_items_do_not_wait_for_each_other(
    database: Database, service: IngestService
) -> None:
    async def speak(number: int) -> None:
        gateway = Gateway(service, "ab"[number % 2], f"g{number}")
        for turn in range(10):
            serials = range(60) if (turn + number) % 2 else range(59, -1, -1)
            zone = ("dock", "rack", "shelf")[turn % 3]
            await gateway.say(*(arrived(serial, zone, turn * 100 + number) for serial in serials))

    await asyncio.gather(*(speak(number) for number in range(6)))
    assert await count(database, "movement") == 6 * 10 * 60
    assert await count(database, "item") == 60
    assert sum((await stock(database)).values()) == 60


async def test_an_older_observation_changes_the_past_alone(database: Database, service: IngestService) -> None:
    here, there = Gateway(service, "a", "ga"), Gateway(service, "b", "gb")
    await there.say(crossed(1, "in", 300))
    now = await stock(database)
    await here.say(crossed(1, "in", 100), arrived(1, "rack", 150), crossed(1, "out", 200))
    assert await stock(database) == now == {"b/dock/BOX//sellable": 1}
    assert await as_of(database, 120) == {"a/dock": 1}
    assert await as_of(database, 170) == {"a/rack": 1}
    assert await as_of(database, 250) == {"a/in_transit": 1}
    assert await as_of(database, 50) == {}


async def as_of(database: Database, seconds: float) -> dict[str, int]:
    rows = await database.pool.fetch(
        "SELECT site.code || '/' || zone.code AS name, sum(quantity)::int AS net FROM ("
        " SELECT to_balance_id AS balance_id, quantity FROM posting WHERE observed_at <= $1"
        " UNION ALL SELECT from_balance_id, -quantity FROM posting WHERE observed_at <= $1) AS entry"
        " JOIN balance USING (balance_id) JOIN zone USING (zone_id) JOIN site ON site.site_id = zone.site_id"
        " WHERE zone.kind NOT IN ('unknown', 'supplier') GROUP BY 1 HAVING sum(quantity) <> 0",
        at(seconds),
    )
    return {row["name"]: row["net"] for row in rows}


async def test_reads_just_after_leaving_do_not_bring_it_back(database: Database, gateway: Gateway) -> None:
    await gateway.say(crossed(1, "out", 100), arrived(1, "dock", 105))
    assert await place(database, 1) == "a/in_transit"
    await gateway.say(arrived(1, "dock", 111))
    assert await place(database, 1) == "a/dock"


async def test_a_load_that_returns_through_the_door_is_back_at_once(database: Database, gateway: Gateway) -> None:
    await gateway.say(crossed(1, "out", 100), crossed(1, "in", 104))
    assert await place(database, 1) == "a/dock"


async def test_assets_and_pallets_have_a_place_and_no_stock(database: Database, gateway: Gateway) -> None:
    sscc, grai, giai = "3114257BF4499602D2000000", "3314257BF40C0E400000162E", "3414257BF40000000000162E"
    await gateway.say(*(arrived(epc, "dock", 1) for epc in (sscc, grai, giai)), crossed(sscc, "out", 30))
    rows = await database.pool.fetch("SELECT kind FROM item ORDER BY item_id")
    assert sorted(row["kind"] for row in rows) == ["giai", "grai", "sscc"]
    assert await place(database, sscc) == "a/in_transit"
    assert await stock(database, virtual=True) == {}


async def test_what_the_catalog_lacks_waits_and_is_replayed(database: Database, service: IngestService) -> None:
    gateway = Gateway(service, "a", "ga")
    other_gtin = "00012345678905"
    ack = await gateway.say(
        arrived(tag(1, other_gtin), "dock", 1),
        arrived(2, "attic", 2),
        crossed(3, "in", 3, portal="d9"),
        arrived("AD380100B2C3D4E5F6071829", "dock", 4),
        arrived(5, "dock", 5),
    )
    assert ack.through == 5
    assert await stock(database) == {"a/dock/BOX//sellable": 1}
    rows = await database.pool.fetch("SELECT cause, seq, event FROM quarantine ORDER BY seq")
    assert [row["cause"] for row in rows] == [
        f"unknown_gtin:{other_gtin}",
        "unknown_zone:a/attic",
        "unknown_portal:a/d9",
        "bad_epc",
    ]
    assert rows[1]["event"]["zone"] == "attic"
    assert (await service.replay(f"unknown_gtin:{other_gtin}")) == (0, 1)

    await put_skus(database, [SkuSpec("CAN", gtins={other_gtin: 1})])
    await put_site(database, SiteSpec("a", zones=(ZoneSpec("attic", "storage"),), portals=()))
    assert (await service.replay(f"unknown_gtin:{other_gtin}")) == (1, 0)
    assert (await service.replay("unknown_zone:a/attic")) == (1, 0)
    assert (await service.replay("unknown_zone:a/attic")) == (0, 0)
    assert await stock(database) == {
        "a/dock/BOX//sellable": 1,
        "a/dock/CAN//sellable": 1,
        "a/attic/BOX//sellable": 1,
    }
    row = await database.pool.fetchrow(
        "SELECT gateway, epoch, seq FROM movement JOIN zone USING (zone_id) WHERE code = 'attic'"
    )
    assert tuple(row.values()) == ("ga", EPOCH, 2)
    assert await service.dismiss("bad_epc") == 1


async def test_a_zone_made_by_hand_is_known_from_then_on(
    database: Database, service: IngestService, gateway: Gateway
) -> None:
    await gateway.say(arrived(1, "dock", 1), arrived(2, "attic", 2))
    await database.pool.execute("INSERT INTO zone (site_id, code, kind) SELECT site_id, 'attic', 'storage' FROM site")
    await gateway.say(arrived(1, "attic", 3))
    assert await stock(database) == {"a/attic/BOX//sellable": 1}
    assert (await service.replay("unknown_zone:a/attic")) == (1, 0)


async def test_an_unknown_site_waits_as_a_whole(database: Database, service: IngestService) -> None:
    gateway = Gateway(service, "c", "gc")
    assert (await gateway.say(arrived(1, "dock", 1), arrived(2, "dock", 2))).through == 2
    await put_site(database, SiteSpec("c", zones=(ZoneSpec("dock", "dock"),), portals=(PortalSpec("d", "dock"),)))
    assert await service.replay("unknown_site:c") == (2, 0)
    assert await stock(database) == {"c/dock/BOX//sellable": 2}


async def test_impossible_dates_wait(database: Database, gateway: Gateway) -> None:
    await gateway.say(
        arrived(1, "dock", 3 * 3600), arrived(2, "dock", 3600 + 200), arrived(3, "dock", -30 * 365.25 * 86400)
    )
    rows = await database.pool.fetch("SELECT seq, cause FROM quarantine ORDER BY seq")
    assert [tuple(row.values()) for row in rows] == [(1, "clock_skew"), (3, "clock_skew")]


@pytest.mark.parametrize(
    "bad",
    [
        b'{"kind":"arrived"}',
        b"17",
        b"null",
        b'{"kind":"arrived","epc":"3034","zone":"dock","observed_at":"0001-01-01T00:00:00+14:00","decided_at":"2026-03-02T08:00:00Z"}',
        b'{"kind":"scan","scan_id":"x","device":"g","operator":"\\u0000","intent":"pick","code":"1","observed_at":"2026-03-02T08:00:00Z"}',
        b'{"kind":"arrived","epc":"3034","zone":"dock","observed_at":"2026-03-02T08:00:00Z","decided_at":"2026-03-02T08:00:00Z","method":"\\u0000"}',
        b'{"kind":"reader_health","reader":"r","state":"lost","detail":"a\\u0000b","observed_at":"2026-03-02T08:00:00Z"}',
    ],
)
async def test_one_bad_event_costs_only_itself(database: Database, gateway: Gateway, bad: bytes) -> None:
    good = [arrived(serial, "dock", serial).model_dump_json(exclude_none=True).encode() for serial in (1, 2)]
    ack = await gateway.service.apply(gateway.raw_batch(1, [good[0], bad, good[1]]))
    assert ack.through == 3
    assert await stock(database) == {"a/dock/BOX//sellable": 2}
    row = await database.pool.fetchrow("SELECT seq, event, raw FROM quarantine")
    assert row["seq"] == 2
    assert (row["event"] is None) != (row["raw"] is None) or bad == b"null"


async def test_bytes_that_are_no_message_are_kept_once(database: Database, service: IngestService) -> None:
    for _ in range(3):
        await service.set_aside("a", "ga", b"\x00\xff", "not JSON\0")
    row = await database.pool.fetchrow("SELECT cause, raw, seq FROM quarantine")
    assert tuple(row.values()) == ("unreadable_message:ga", b"\x00\xff", None)


async def test_a_lost_range_moves_the_cursor_and_is_said(database: Database, gateway: Gateway) -> None:
    await gateway.say(arrived(1, "dock", 1))
    lost = Lost(
        site="a", gateway="ga", epoch=EPOCH, from_seq=1, through_seq=10, reason="journal was full", sent_at=START
    )
    beyond = lost.model_copy(update={"from_seq": 12, "through_seq": 20})
    assert (await gateway.service.apply(beyond)).through == 1
    for _ in range(2):
        assert (await gateway.service.apply(lost)).through == 10
    row = await database.pool.fetchrow("SELECT from_seq, through_seq, reason FROM lost_range")
    assert tuple(row.values()) == (2, 10, "journal was full")
    assert await warned(database) == {("lost_range", "gateway ga · 9 events · journal was full")}
    gateway.seq = 10
    assert (await gateway.say(arrived(2, "dock", 2))).through == 11


async def test_a_new_epoch_counts_from_one(database: Database, service: IngestService) -> None:
    await Gateway(service, "a", "ga").say(arrived(1, "dock", 1))
    renewed = await renew_store(database, CLOCK)
    ack = await Gateway(service, "a", "ga", epoch="00000000000000bb").say(arrived(1, "rack", 2))
    assert (ack.through, ack.store) == (1, renewed)
    assert await stock(database) == {"a/rack/BOX//sellable": 1}


async def test_readers_raise_and_clear_alerts(database: Database, gateway: Gateway) -> None:
    def health(state: str, seconds: float) -> ReaderHealth:
        return ReaderHealth(reader="r1", state=state, observed_at=at(seconds))

    unplugged = health("antenna_lost", 2).model_copy(update={"detail": "antenna 2 is not connected"})
    await gateway.say(health("lost", 1), unplugged)
    assert await warned(database) == {
        ("reader_lost", "gateway ga · reader r1"),
        ("antenna_lost", "gateway ga · reader r1 · antenna 2 is not connected"),
    }
    await gateway.say(health("connected", 3))
    assert await alerts(database) == {("antenna_lost", "ga/r1")}
    await gateway.say(health("antenna_back", 4), health("lost", 5), health("connected", 6))
    assert await alerts(database) == set()
    assert await count(database, "reader_health") == 6


async def test_a_birth_message_shows_what_the_catalog_lacks(database: Database, service: IngestService) -> None:
    status = GatewayStatus(
        site="a", gateway="ga", online=True, epoch=EPOCH, config_hash="0" * 64,
        zones=("dock", "attic"), portals=("d", "d9"), readers=("r1",), at=START,
    )  # fmt: skip
    await service.note_status(status)
    assert await warned(database) == {
        ("unknown_place", "gateway ga · zone attic"),
        ("unknown_place", "gateway ga · door d9"),
    }
    await service.note_status(status.model_copy(update={"zones": ("dock",), "portals": ("d",), "online": False}))
    assert await alerts(database) == {("gateway_offline", "ga")}
    await service.note_status(status.model_copy(update={"zones": (), "portals": ()}))
    assert await alerts(database) == set()
    await service.note_status(status.model_copy(update={"site": "moon", "zones": ("dock",), "portals": ()}))
    assert await warned(database) == {("unknown_place", "moon · gateway ga · zone dock")}


async def test_a_gateway_is_offline_since_that_was_heard(database: Database) -> None:
    """Its last will was written when it came up."""
    clock = SetClock(10)
    service = IngestService(database, clock)
    born = GatewayStatus(site="a", gateway="ga", online=True, epoch=EPOCH, config_hash="0" * 64, at=at(5))

    async def since(status: GatewayStatus, seconds: float) -> datetime:
        clock.seconds = seconds
        await service.note_status(status)
        moment: datetime = await database.pool.fetchval("SELECT status_at FROM gateway")
        return moment

    will = born.model_copy(update={"online": False})
    assert await since(born, 10) == at(5)
    assert await since(will, 60) == at(60)
    assert await since(will, 90) == at(60), "a retained will is heard again by who comes later"
    assert await since(born.model_copy(update={"at": at(100)}), 101) == at(100)


async def test_a_batch_tells_the_outbox_once(database: Database, gateway: Gateway) -> None:
    heard = asyncio.Queue[str]()
    async with database.pool.acquire() as connection:
        await connection.add_listener("tallyman_outbox", lambda *_: heard.put_nowait("told"))
        await gateway.say(crossed(1, "in", 0), arrived(2, "dock", 1), arrived(2, "rack", 2))
        await asyncio.wait_for(heard.get(), 5)
        assert heard.empty()
        await connection.reset()
    rows = await database.pool.fetch("SELECT kind, key, payload FROM outbox ORDER BY kind, outbox_id")
    assert [row["kind"] for row in rows] == ["availability", "movement", "stock"]
    assert [one["kind"] for one in rows[1]["payload"]["movements"]] == ["crossed", "arrived", "arrived"]
    changed = await database.pool.fetch(
        "SELECT zone.code, net FROM balance JOIN zone USING (zone_id) WHERE balance_id = ANY ($1)",
        rows[2]["payload"]["balances"],
    )
    assert {tuple(row) for row in changed} == {("unknown", -2), ("dock", 1), ("rack", 1)}
    assert rows[2]["key"] == "a"
