"""Locks are taken in the one order (backend/store/database.py): whoever waits for one holds none that comes behind it.

Each test holds a row that comes early in the order, lets something begin that needs it, and finds free what comes
later.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable
from typing import Any

import asyncpg
import pytest

from backend.documents.service import SQL
from tests.house import GTIN, arrived, at, crossed, scan, tag
from tests.integration.test_documents import Clerk, clerk, order
from tests.integration.test_lot_substitution import receive
from tests.integration.test_races import waits
from wire.events import ReaderHealth

__all__ = ["clerk"]

pytestmark = pytest.mark.timeout(30)
"""Where the order is broken, two wait for each other."""


@pytest.fixture
async def other(clerk: Clerk, database_url: str) -> AsyncIterator[asyncpg.Connection]:
    """Somebody else's connection, in a transaction."""
    connection = await asyncpg.connect(database_url)
    await connection.execute("BEGIN")
    yield connection
    await connection.close()


async def holds(other: asyncpg.Connection, rows: str, *args: Any) -> None:
    """Lock rows; they must be there, and free."""
    assert await other.fetch(f"SELECT * FROM {rows} FOR NO KEY UPDATE NOWAIT", *args)


async def behind(clerk: Clerk, other: asyncpg.Connection, work: Awaitable[Any], free: str) -> Any:
    """Let work begin that waits for what the other holds; what is `free` it has not locked. Then let it end."""
    task = asyncio.ensure_future(work)
    await waits(clerk.database)
    await holds(other, free)
    await other.execute("COMMIT")
    return await task


ITEM = "item WHERE epc = $1"


async def test_settling_departures_takes_things_before_their_document(clerk: Clerk, other: asyncpg.Connection) -> None:
    await clerk.make("s1", "shipment", 1)
    await clerk.here.say(crossed(1, "out", 610))
    await holds(other, ITEM, bytes.fromhex(tag(1)))
    span = {"first_at": at(600).isoformat(), "last_at": at(620).isoformat()}
    settling = clerk.post("departures/settle", site="a", portal="d", document="s1", **span)
    answer = await behind(clerk, other, settling, "document, departure")
    assert answer == {"settled": 1}


async def test_writing_off_takes_things_before_their_document(clerk: Clerk, other: asyncpg.Connection) -> None:
    await clerk.make("t1", "transfer", 1, to_site="b")
    await clerk.event("t1", "approve", "allocate")
    await clerk.door("t1")
    await clerk.here.say(crossed(1, "out", 610))
    await clerk.event("t1", "send", "receive", "close")
    await holds(other, ITEM, bytes.fromhex(tag(1)))
    answer = await behind(clerk, other, clerk.post("documents/t1/write-off", reason="fell off"), "document")
    assert answer == {"things": 1, "units": 0}


async def test_inspections_take_things_before_balances(clerk: Clerk, other: asyncpg.Connection) -> None:
    await clerk.here.say(scan("damage", f"01{GTIN}211", 610, scan_id="d"))
    await clerk.here.say(scan("receive", GTIN, 611, scan_id="r", zone="dock", quantity=2))
    await clerk.here.say(scan("damage", GTIN, 612, scan_id="b", zone="dock", quantity=2))
    await holds(other, ITEM, bytes.fromhex(tag(1)))
    sent = [
        {"site": "a", "zone": "dock", "sku": "BOX", "condition": "damaged", "disposition": "scrap", "reason": "x"},
        {"site": "a", "epc": tag(1), "disposition": "scrap", "reason": "x"},
    ]
    answer = await behind(clerk, other, clerk.post("inspection-batches", inspections=sent), "balance")
    assert len(answer["inspection_ids"]) == 2


async def test_what_units_are_held_against_is_locked_in_the_order_of_balances(
    clerk: Clerk, other: asyncpg.Connection
) -> None:
    """They go from the shelf to the dock, whose balance comes first."""
    await clerk.here.say(scan("receive", GTIN, 611, scan_id="r", zone="shelf", quantity=2))
    await clerk.here.say(scan("receive", GTIN, 612, scan_id="s", zone="dock", quantity=2))
    await clerk.here.say(scan("damage", GTIN, 613, scan_id="b", zone="shelf", quantity=2))
    of_zone = "balance JOIN zone USING (zone_id) WHERE zone.code = '{}' AND net > 0"
    sellable = f"{of_zone.format('dock')} AND condition = 'sellable'"
    await other.execute(f"SELECT FROM {sellable} FOR NO KEY UPDATE OF balance")
    word = {"site": "a", "zone": "shelf", "sku": "BOX", "condition": "damaged", "disposition": "resell"}
    work = asyncio.ensure_future(clerk.post("inspections", **word, quantity=2, to_zone="dock", reason="x"))
    await waits(clerk.database)
    free = f"SELECT FROM {of_zone.format('shelf')} AND condition = 'damaged' FOR NO KEY UPDATE OF balance NOWAIT"
    assert await other.execute(free) == "SELECT 1"
    await other.execute("COMMIT")
    assert (await work)["inspection_id"]


async def test_a_pick_that_swaps_lots_locks_all_availabilities_at_once(clerk: Clerk, other: asyncpg.Connection) -> None:
    """The batch also brings a thing of another lot, whose availability comes behind those that are swapped."""
    await receive(clerk)
    await order(clerk, 3)
    await clerk.here.say(scan("receive", f"(01){GTIN}(10)ZED", 640, scan_id="z", zone="dock", quantity=1))
    lots = "availability JOIN lot USING (lot_id) WHERE lot.code = '{}'"
    await other.execute(f"SELECT FROM {lots.format('OLD')} FOR NO KEY UPDATE OF availability")
    work = asyncio.ensure_future(
        clerk.here.say(
            scan("receive", f"(01){GTIN}(10)ZED", 650, scan_id="y", zone="dock", quantity=1),
            scan("pick", f"01{GTIN}10NEW", 651, scan_id="p", zone="dock", document="o1"),
        )
    )
    await waits(clerk.database)
    free = f"SELECT FROM {lots.format('ZED')} FOR NO KEY UPDATE OF availability NOWAIT"
    assert await other.execute(free) == "SELECT 1"
    await other.execute("COMMIT")
    assert [one.state for one in (await work).scans] == ["applied", "applied"]


async def test_what_leaves_for_a_promise_locks_all_availabilities_at_once(
    clerk: Clerk, other: asyncpg.Connection
) -> None:
    """A promise of the later lot is kept while the earlier one comes."""
    await receive(clerk)
    await order(clerk, 3)
    picked = await clerk.here.say(scan("pick", f"01{GTIN}10NEW", 645, scan_id="p", zone="dock", document="o1"))
    assert [one.state for one in picked.scans] == ["applied"]
    await clerk.make("s1", "shipment", 3, order="o1")
    lots = "availability JOIN lot USING (lot_id) WHERE lot.code = '{}'"
    await other.execute(f"SELECT FROM {lots.format('OLD')} FOR NO KEY UPDATE OF availability")
    work = asyncio.ensure_future(
        clerk.here.say(
            scan("receive", f"01{GTIN}10OLD", 650, scan_id="y", zone="dock", quantity=1),
            scan("ship", f"01{GTIN}10NEW", 651, scan_id="q", document="s1"),
        )
    )
    await waits(clerk.database)
    free = f"SELECT FROM {lots.format('NEW')} FOR NO KEY UPDATE OF availability NOWAIT"
    assert await other.execute(free) == "SELECT 1"
    await other.execute("COMMIT")
    assert [one.state for one in (await work).scans] == ["applied", "applied"]


async def test_a_batch_takes_documents_before_orders(clerk: Clerk, other: asyncpg.Connection) -> None:
    """As whoever closes a shipment does, which ships its order."""
    await order(clerk, 2)
    await clerk.make("s1", "shipment", 2, order="o1")
    await clerk.door("s1")
    await holds(other, "document WHERE code = 's1'")
    events = [crossed(1, "out", 610), scan("pick", f"01{GTIN}212", 611, scan_id="p", zone="dock", document="o1")]
    await behind(clerk, other, clerk.here.say(*events), "sales_order")
    assert (await clerk.event("s1", "close"))["status"] == "closed"


async def test_taking_a_scan_back_takes_its_order_before_balances(clerk: Clerk, other: asyncpg.Connection) -> None:
    await clerk.here.say(scan("receive", GTIN, 605, scan_id="r", zone="shelf", quantity=2))
    await order(clerk, 2)
    await clerk.here.say(scan("pick", GTIN, 611, scan_id="p", zone="dock", document="o1", quantity=2))
    await holds(other, "sales_order")
    answer = await behind(clerk, other, clerk.post("scans/gun-1/p/reverse", reason="x"), "balance")
    assert answer == {"postings": 1}


async def test_a_time_limit_takes_the_revision_before_its_site(clerk: Clerk, other: asyncpg.Connection) -> None:
    """As whoever changes a site otherwise."""
    await holds(other, "store")
    await behind(clerk, other, clerk.post("sites/a/inspection-limit", within_h=4), "site")
    assert await clerk.get("sites/a/inspection-limit") == {"within_h": 4}


SURPLUS = "SELECT pg_try_advisory_xact_lock(7265104, (document_id % 256)::int) FROM document WHERE code = $1"


async def arrive(clerk: Clerk) -> None:
    """Thing 1 is under way to `b` by a transfer that asks for it; a reader there is lost."""
    await clerk.make("t1", "transfer", 1, to_site="b")
    await clerk.event("t1", "approve", "allocate")
    await clerk.door("t1")
    await clerk.here.say(crossed(1, "out", 610))
    await clerk.there.say(ReaderHealth(reader="r", state="lost", observed_at=at(611)))


async def test_what_came_of_documents_is_locked_behind_every_other_alert(
    clerk: Clerk, other: asyncpg.Connection
) -> None:
    await arrive(clerk)
    await holds(other, "alert WHERE kind = 'reader_lost'")
    back = ReaderHealth(reader="r", state="connected", observed_at=at(701))
    task = asyncio.ensure_future(clerk.there.say(arrived(1, "dock", 700), back))
    await waits(clerk.database)
    assert await other.fetchval(SURPLUS, "t1")
    await other.execute("COMMIT")
    await task


async def test_what_came_of_documents_is_locked_before_their_alerts_of_a_surplus(
    clerk: Clerk, other: asyncpg.Connection
) -> None:
    await clerk.make("r1", "receipt", 1)
    over = scan("receive", GTIN, 650, scan_id="over", zone="dock", quantity=3, document="r1")
    await clerk.here.say(over)
    assert await other.fetchval(SURPLUS, "r1")
    work = clerk.post("documents/r1/accept-surplus", reason="a gift")
    assert await behind(clerk, other, work, "alert WHERE kind = 'over_receipt'") == {"units": 2}


async def test_what_came_of_however_many_documents_takes_so_many_locks(clerk: Clerk) -> None:
    held = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND pid = pg_backend_pid()"
    async with clerk.database.transaction() as connection:
        await connection.fetch(SQL["hold_surplus"], list(range(10_000)))
        assert await connection.fetchval(held) == 256
