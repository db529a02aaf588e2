"""Two at once: what one decides upon is what stands when it counts, and nobody waits for somebody who waits for him."""

from __future__ import annotations

import asyncio
from typing import Any

import aiohttp
import pytest

from backend.api.idempotency import JoinedDatabase
from backend.catalog.importing import DEFINITIONS
from backend.catalog.model import VIRTUAL_KINDS
from backend.catalog.service import lot_ids, read_places
from backend.catalog.sheet import sheet_of
from backend.counts.planning import plan_day
from backend.documents.service import SQL as DOCUMENTS
from backend.errors import ImportRefusedError, StoreError
from backend.store.database import Database
from backend.store.migrate import migrate
from tests.house import GTIN, arrived, at, crossed, furnish, scan, stock, tag
from tests.integration.test_counts import clerk, make, set_clock, sweep, told
from tests.integration.test_documents import Clerk
from tests.postgres import START
from wire.clock import ScaledClock

__all__ = ["clerk"]


async def asked(clerk: Clerk, path: str, mark: str, body: dict[str, Any]) -> int:
    headers = {"Idempotency-Key": path, "If-Match": mark}
    async with clerk.session.post(f"/api/v1/{path}", json=body, headers=headers) as response:
        return response.status


async def mark_of(clerk: Clerk, path: str) -> str:
    async with clerk.session.get(f"/api/v1/{path}") as response:
        return response.headers["ETag"]


async def waits(database: Database) -> None:
    """Return once somebody waits for a lock."""
    async with asyncio.timeout(5):
        while not await database.pool.fetchval("SELECT count(*) FROM pg_locks WHERE NOT granted"):
            await asyncio.sleep(0.01)


@pytest.mark.parametrize(
    ("path", "changed", "shown", "body"),
    [
        (
            "lots/BOX/L1/status",
            "UPDATE lot SET status = 'held' WHERE code = 'L1'",
            "lots/BOX/L1",
            {"status": "recalled", "reason": "a smell"},
        ),
        (
            "channels/web/rules",
            "UPDATE channel SET revision = revision + 1 WHERE code = 'web'",
            "channels/web",
            {"rules": [{"buffer": 1}]},
        ),
    ],
    ids=["lot", "channel"],
)
async def test_a_tag_is_held_against_what_somebody_changes_at_this_moment(
    clerk: Clerk, path: str, changed: str, shown: str, body: dict[str, Any]
) -> None:
    await clerk.post("lots", rows=[{"sku": "BOX", "code": "L1"}])
    await clerk.post("channels", code="web", kind="website")
    mark = await mark_of(clerk, shown)
    async with clerk.database.transaction() as connection:
        await connection.execute(changed)
        asking = asyncio.create_task(asked(clerk, path, mark, body))
        await waits(clerk.database)
    assert await asking == 412


async def test_a_gtin_that_another_sku_gets_at_this_moment_is_refused(database: Database) -> None:
    await furnish(database)

    async def define(connection: Any, code: str) -> None:
        row = {"code": code, "name": code, "gtin": "09506000134369"}
        await DEFINITIONS["skus"].define(connection, *sheet_of([(1, row)]))

    async def late() -> None:
        async with database.transaction() as connection:
            await define(connection, "LATE")

    async with database.transaction() as connection:
        await define(connection, "FIRST")
        waiting = asyncio.create_task(late())
        await waits(database)
    with pytest.raises(ImportRefusedError, match="belongs to SKU"):
        await waiting


class Counted:
    """A connection that counts what it is asked."""

    def __init__(self, connection: Any) -> None:
        self.connection, self.asked = connection, 0

    def __getattr__(self, name: str) -> Any:
        self.asked += 1
        return getattr(self.connection, name)


async def test_the_places_are_of_one_instant(database: Database) -> None:
    """Read by several statements, a door could come with a zone behind it that was not read."""
    await furnish(database)
    async with database.transaction() as connection:
        counted = Counted(connection)
        places = await read_places(counted)  # type: ignore[arg-type]
    site = places.by_code["a"]
    assert counted.asked == 1
    assert site.portals["d"].inside is site.zones["dock"]
    assert set(site.zones) == {"dock", "rack", "shelf", *VIRTUAL_KINDS}


async def test_a_pass_and_a_batch_of_the_same_thing_and_lot_do_not_wait_for_each_other(clerk: Clerk) -> None:
    await make(clerk)
    await clerk.post("lots", rows=[{"sku": "BOX", "code": "L1"}])
    set_clock(clerk, 640)
    body = sweep(range(1, 11), 610) | {"units": told(1, 615, lot="L1")["units"]}
    async with clerk.database.transaction() as connection:
        await connection.execute("SELECT * FROM item WHERE epc = $1 FOR NO KEY UPDATE", bytes.fromhex(tag(1)))
        passing = asyncio.create_task(clerk.post("counts/c1/passes", **body))
        await waits(clerk.database)
        sku_id = await connection.fetchval("SELECT sku_id FROM sku WHERE code = 'BOX'")
        await lot_ids(connection, {(sku_id, "L1"): None, (sku_id, "L2"): None})
    assert (await passing)["units"] == 1


async def test_lots_that_are_known_are_not_locked(database: Database) -> None:
    await furnish(database)
    sku_id = await database.pool.fetchval("SELECT sku_id FROM sku WHERE code = 'BOX'")
    async with database.transaction() as connection:
        first = await lot_ids(connection, {(sku_id, "L1"): None})
    async with database.transaction() as holding, database.transaction() as connection:
        await holding.execute("SELECT * FROM lot FOR NO KEY UPDATE")
        await connection.execute("SET LOCAL lock_timeout = '1s'")
        assert await lot_ids(connection, {(sku_id, "L1"): None}) == first


async def test_two_who_plan_the_day_at_once_make_its_counts_once(clerk: Clerk) -> None:
    set_clock(clerk, 200 * 24 * 3600)
    async with clerk.database.transaction() as connection:
        first = await plan_day(JoinedDatabase(connection), clerk.clock, "a", "both", "first")
        asking = asyncio.create_task(clerk.post("sites/a/counts/plan"))
        await waits(clerk.database)
    assert first
    assert (await asking)["counts"] == []


async def test_two_who_wait_for_each_other_are_told_to_come_again(clerk: Clerk) -> None:
    """Whatever order of locks somebody else's program takes."""
    await clerk.post("lots", rows=[{"sku": "BOX", "code": "L1"}])
    await clerk.database.pool.execute("CREATE TABLE other (number integer); INSERT INTO other VALUES (1)")
    await clerk.database.pool.execute(
        "CREATE FUNCTION meddle() RETURNS trigger LANGUAGE plpgsql AS"
        " $$ BEGIN UPDATE other SET number = 2; RETURN NEW; END $$;"
        " CREATE TRIGGER meddle AFTER UPDATE ON lot FOR EACH ROW EXECUTE FUNCTION meddle()"
    )
    async with clerk.database.transaction() as connection:
        await connection.execute("SET LOCAL deadlock_timeout = '20s'")  # the other one finds out first
        await connection.execute("UPDATE other SET number = 3")
        body = {"status": "recalled", "reason": "a smell"}
        asking = asyncio.create_task(asked(clerk, "lots/BOX/L1/status", "*", body))
        await waits(clerk.database)
        await connection.execute("SELECT * FROM lot FOR UPDATE")
    assert await asking == 503


async def test_a_document_that_ends_while_it_is_waited_for_takes_no_scan(clerk: Clerk) -> None:
    """What crossed its door meanwhile has crossed it all the same."""
    received = scan("receive", GTIN, 601, scan_id="r", zone="dock", quantity=2)
    await clerk.here.say(received, arrived(31, "rack", 601))
    await clerk.make("s1", "shipment", 2)
    await clerk.post("doors/a/d", document="s1")
    async with clerk.database.transaction() as connection:
        document_id = (await connection.fetchrow(DOCUMENTS["lock_document"], "s1"))["document_id"]
        ship = (scan("ship", code, 640, scan_id=code, document="s1") for code in (GTIN, f"01{GTIN}2131"))
        saying = asyncio.ensure_future(clerk.here.say(*ship, crossed(31, "out", 641)))
        await waits(clerk.database)
        await connection.execute(DOCUMENTS["set_document_status"], document_id, "closed", at(642))
    outcomes = (await saying).scans
    said = "shipment 's1' is closed: open it, or name another document"
    assert [(one.state, one.reason) for one in outcomes] == [("refused", said)] * 2
    assert sum(line["gone"] for line in (await clerk.get("documents/s1"))["lines"]) == 1
    assert (await stock(clerk.database))["a/dock/BOX//sellable"] == 2


async def test_groups_without_their_sku_are_paged_whole(api: aiohttp.ClientSession, served: Any) -> None:
    """Lots of two SKUs that share a code and expire on different days are one group."""
    days = {"CASE": "2027-01-01", "DRUM": "2027-02-01"}
    rows = [{"sku": sku, "code": "L", "expires_on": day} for sku, day in days.items()]
    async with api.post("/api/v1/lots", json={"rows": rows}, headers={"Idempotency-Key": "l"}) as response:
        assert response.status == 200
    for sku in ("CASE", "DRUM"):
        await served.house.put("jakarta", "rack", sku, 5)
    await served.house.database.pool.execute(
        "UPDATE balance SET lot_id = lot.lot_id FROM lot WHERE lot.sku_id = balance.sku_id AND lot.code = 'L'"
    )
    shown: list[tuple[str, int]] = []
    cursor = ""
    while True:
        async with api.get(f"/api/v1/stock?group=lot&limit=1{cursor}") as response:
            page = await response.json()
        shown += ((row["lot"], row["units"]) for row in page["rows"])
        if page["next"] is None:
            break
        cursor = f"&cursor={page['next']}"
    assert shown == [("L", 10)]


async def test_a_database_that_lets_nobody_in_is_told_in_words(postgres_server: str) -> None:
    somebody = postgres_server.format("postgres").replace("postgres@", "nobody_here@")
    for dsn in (postgres_server.format("nowhere"), somebody):
        with pytest.raises(StoreError, match=r"nowhere|nobody_here"):
            await migrate(dsn, ScaledClock(START))
        with pytest.raises(StoreError, match=r"nowhere|nobody_here"):
            async with Database.open(dsn):
                pass
