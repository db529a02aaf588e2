"""More comes than a document expects: an alert until that is accepted or taken back."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from backend.catalog.model import SkuSpec
from backend.catalog.service import put_skus
from backend.documents.service import SQL
from backend.documents.surplus import _surplus
from tests.house import GTIN, Gateway, arrived, crossed, scan, tag
from tests.integration.test_documents import Clerk, clerk, send_cases
from tests.integration.test_races import waits

__all__ = ["clerk"]


async def surplus(clerk: Clerk) -> dict[str, list[dict[str, Any]]]:
    """What more came than expected, by document, as the alerts that stand say."""
    rows = (await clerk.get("alerts?standing=true"))["rows"]
    return {row["key"]: row["detail"]["lines"] for row in rows if row["kind"] == "over_receipt"}


def line(expected: int, received: int, number: int | None = 1, **more: Any) -> dict[str, Any]:
    named = {"line": number, "sku": "BOX", "lot": None, "expected": expected, "accepted": 0, "received": received}
    return named | more


async def receive(clerk: Clerk, name: str, units: int, code: str = GTIN, **more: Any) -> None:
    """Units come at site `a` under a receipt, by scan."""
    more = {"zone": "dock", "document": "r1", "quantity": units} | more
    await clerk.here.say(scan("receive", code, 700 + clerk.here.seq, scan_id=name, **more))


async def test_what_came_beyond_the_expected_is_told_until_it_is_accepted(clerk: Clerk) -> None:
    await clerk.make("r1", "receipt", 10)
    await receive(clerk, "whole", 10)
    assert await surplus(clerk) == {}
    await receive(clerk, "more", 3)
    assert await surplus(clerk) == {"r1": [line(10, 13)]}
    await clerk.event("r1", "close")
    assert await surplus(clerk) == {"r1": [line(10, 13)]}, "nobody has said what it is"
    assert await clerk.post("documents/r1/accept-surplus", reason="a gift") == {"units": 3}
    assert await surplus(clerk) == {}
    assert await clerk.post("documents/r1/accept-surplus", reason="a gift") == {"units": 0}
    (shown,) = (await clerk.get("documents/r1"))["lines"]
    assert (shown["expected"], shown["come"], shown["accepted"]) == (10, 13, 3)
    row = await clerk.database.pool.fetchrow("SELECT units, reason, actor FROM document_surplus")
    assert tuple(row.values()) == (3, "a gift", "local")


async def test_a_surplus_that_grew_since_it_was_read_is_not_accepted(clerk: Clerk) -> None:
    await clerk.make("r1", "receipt", 1)
    await receive(clerk, "one", 2)
    async with clerk.session.get("/api/v1/documents/r1") as response:
        seen = response.headers["ETag"]
    await receive(clerk, "two", 5)
    for match, status, accepted in ((seen, 412, 0), ("*", 200, 6)):
        headers = {"Idempotency-Key": f"surplus-{status}", "If-Match": match}
        body = {"reason": "one more"}
        async with clerk.session.post("/api/v1/documents/r1/accept-surplus", json=body, headers=headers) as response:
            assert response.status == status, await response.text()
        (shown,) = (await clerk.get("documents/r1"))["lines"]
        assert shown["accepted"] == accepted


async def test_more_than_what_was_accepted_is_told_anew(clerk: Clerk) -> None:
    await clerk.make("r1", "receipt", 1)
    await receive(clerk, "one", 2)
    await clerk.post("documents/r1/accept-surplus", reason="fine")
    await receive(clerk, "two", 2)
    assert await surplus(clerk) == {"r1": [line(1, 4, accepted=1)]}


async def test_what_is_taken_back_was_no_surplus(clerk: Clerk) -> None:
    await clerk.make("r1", "receipt", 2)
    await receive(clerk, "right", 2)
    await receive(clerk, "twice", 2)
    await receive(clerk, "thing", 1, f"01{GTIN}2155")
    assert await surplus(clerk) == {"r1": [line(2, 5)]}
    await clerk.post("scans/gun-1/thing/reverse", reason="never came")
    assert await surplus(clerk) == {"r1": [line(2, 4)]}
    await clerk.post("scans/gun-1/twice/reverse", reason="counted twice")
    assert await surplus(clerk) == {}
    (shown,) = (await clerk.get("documents/r1"))["lines"]
    assert shown["come"] == 2
    assert (await clerk.post("scans/gun-1/twice/reverse", reason="again"))["postings"] == 0
    (shown,) = (await clerk.get("documents/r1"))["lines"]
    assert shown["come"] == 2


async def test_damage_that_is_taken_back_is_no_damage_of_the_document(clerk: Clerk) -> None:
    await clerk.make("r1", "receipt", 2)
    await receive(clerk, "right", 2)
    await clerk.here.say(scan("damage", GTIN, 760, scan_id="b", zone="dock", quantity=1, document="r1"))
    await clerk.post("scans/gun-1/b/reverse", reason="it is whole")
    (shown,) = (await clerk.get("documents/r1"))["lines"]
    assert (shown["come"], shown["damaged"]) == (2, 0)


async def test_things_that_cross_the_door_beyond_the_expected_are_told(clerk: Clerk) -> None:
    await clerk.make("r1", "receipt", 2)
    await clerk.door("r1")
    await clerk.here.say(*(crossed(serial, "in", 610 + serial) for serial in (21, 22)))
    assert await surplus(clerk) == {}
    await clerk.here.say(crossed(23, "in", 640))
    assert await surplus(clerk) == {"r1": [line(2, 3)]}


async def test_goods_that_nobody_announced_are_told_with_what_they_are(clerk: Clerk) -> None:
    lines = [{"sku": "BOX", "quantity": 2, "lot": "A"}]
    await clerk.post("documents", code="r1", kind="receipt", site="a", lines=lines)
    await clerk.door("r1")
    await clerk.here.say(crossed(21, "in", 610))
    assert await surplus(clerk) == {"r1": [line(0, 1, None)]}
    assert await clerk.post("documents/r1/accept-surplus", reason="other lot") == {"units": 1}
    assert await surplus(clerk) == {}


async def test_what_came_of_a_lot_beyond_its_line_is_of_the_line_of_any_lot(clerk: Clerk) -> None:
    lines = [{"sku": "BOX", "quantity": 2, "lot": "A"}, {"sku": "BOX", "quantity": 3}]
    await clerk.post("documents", code="r1", kind="receipt", site="a", lines=lines)
    await receive(clerk, "all", 5, f"01{GTIN}10A")
    assert await surplus(clerk) == {}
    await receive(clerk, "more", 1, f"01{GTIN}10A")
    assert await surplus(clerk) == {"r1": [line(2, 6, lot="A")]}
    (alert,) = (await clerk.get("alerts?standing=true"))["rows"]
    assert alert["detail"]["units"] == 1
    assert await clerk.post("documents/r1/accept-surplus", reason="a gift") == {"units": 1}
    await receive(clerk, "any", 1)
    assert await surplus(clerk) == {"r1": [line(2, 6, lot="A", accepted=1)]}
    assert await clerk.post("documents/r1/accept-surplus", reason="a gift") == {"units": 1}
    assert await surplus(clerk) == {}


async def test_an_alert_tells_of_so_many_lines_and_of_all_units(clerk: Clerk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("backend.documents.surplus.LINES_TOLD", 1)
    lines = [{"sku": "BOX", "quantity": 1, "lot": lot} for lot in "AB"]
    await clerk.post("documents", code="r1", kind="receipt", site="a", lines=lines)
    for lot in "AB":
        await receive(clerk, lot, 3, f"01{GTIN}10{lot}")
    assert await surplus(clerk) == {"r1": [line(1, 3, lot="A")]}
    (alert,) = (await clerk.get("alerts?standing=true"))["rows"]
    assert alert["detail"]["units"] == 4


async def test_a_document_that_expects_nothing_has_no_surplus(clerk: Clerk) -> None:
    await clerk.make("r1", "return")
    await receive(clerk, "blind", 5)
    assert await surplus(clerk) == {}


async def test_a_transfer_that_brings_more_than_was_asked_for_is_told_where_it_comes(clerk: Clerk) -> None:
    await send_cases(clerk, 6)
    await clerk.there.say(scan("receive", GTIN, 720, scan_id="c", zone="dock", quantity=8, document="t1"))
    assert await surplus(clerk) == {"t1": [line(6, 8)]}
    (alert,) = (await clerk.get("alerts?standing=true"))["rows"]
    assert (alert["site"], alert["about"]) == ("b", "document t1 · BOX · 2 units")


async def test_what_is_announced_afterwards_was_no_surplus(clerk: Clerk) -> None:
    things = [{"epc": tag(serial), "sku": "BOX"} for serial in (31, 32)]
    await clerk.post("receipts", site="a", document="r0", things=[{"epc": tag(30), "sku": "BOX"}])
    await clerk.make("r1", "receipt")
    await clerk.door("r1")
    await clerk.here.say(*(crossed(serial, "in", 610 + serial) for serial in (31, 32)))
    assert await surplus(clerk) == {}
    await clerk.post("receipts", site="a", document="r1", things=things)
    assert await surplus(clerk) == {}


@pytest.mark.parametrize("turn", range(5))
async def test_two_gateways_that_count_on_one_document_at_once_see_the_sum(clerk: Clerk, turn: int) -> None:
    await clerk.make("r1", "receipt", 10)
    gateways = [Gateway(clerk.here.service, "a", f"g{number}") for number in range(4)]
    events = [scan("receive", GTIN, 700, scan_id=f"s{turn}{one.name}", zone="dock", quantity=3, document="r1")
              for one in gateways]  # fmt: skip
    await asyncio.gather(*(one.say(event) for one, event in zip(gateways, events, strict=True)))
    assert await surplus(clerk) == {"r1": [line(10, 12)]}


TIN = "09506000134369"


async def test_goods_of_one_document_that_two_gateways_bring_at_once_are_added_up(
    clerk: Clerk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Zones see what a transfer brought, so neither gateway counts on it; the one that looked first saw no surplus, and
    must not have the last word."""
    await put_skus(clerk.database, [SkuSpec("TIN", "A tin", gtins={TIN: 1})])
    tin = tag(52, TIN)
    await clerk.here.say(arrived(50, "rack", 601), arrived(51, "rack", 601), arrived(tin, "rack", 601))
    lines = [{"sku": "BOX", "quantity": 1}, {"sku": "TIN", "quantity": 1}]
    await clerk.post("documents", code="t1", kind="transfer", site="a", to_site="b", lines=lines)
    await clerk.event("t1", "approve", "allocate")
    await clerk.door("t1")
    await clerk.here.say(crossed(50, "out", 610), crossed(51, "out", 610), crossed(tin, "out", 610))
    look, looked, goes_on = _surplus, asyncio.Event(), asyncio.Event()

    async def slowly(*asked: Any) -> Any:
        found = await look(*asked)
        if not looked.is_set():
            looked.set()
            await goes_on.wait()
        return found

    monkeypatch.setattr("backend.documents.surplus._surplus", slowly)
    other = Gateway(clerk.there.service, "b", "gc")
    first = asyncio.ensure_future(other.say(arrived(tin, "dock", 701)))
    await looked.wait()
    second = asyncio.ensure_future(clerk.there.say(arrived(50, "dock", 700), arrived(51, "dock", 700)))
    held = asyncio.ensure_future(waits(clerk.database))
    await asyncio.wait({second, held}, return_when=asyncio.FIRST_COMPLETED)
    goes_on.set()
    await asyncio.gather(first, second)
    assert await surplus(clerk) == {"t1": [line(1, 2)]}
    held.cancel()


async def test_what_was_accepted_of_a_long_document_is_read_once(clerk: Clerk) -> None:
    """Not once for each of its lines."""
    lines = 400
    await clerk.make("r1", "receipt", 1)
    pool = clerk.database.pool
    await pool.execute("INSERT INTO sku (code) SELECT 'K' || n FROM generate_series(1, $1::int) AS n", lines)
    await pool.execute(
        "INSERT INTO document_line (document_id, line_no, sku_id, expected, come)"
        " SELECT document_id, sku_id, sku_id, 1, 2 FROM document, sku WHERE sku.code LIKE 'K%'"
    )
    await pool.execute(
        "INSERT INTO document_surplus (document_id, sku_id, units, reason, actor, accepted_at)"
        " SELECT document_id, sku_id, 1, 'a gift', 'dewi', made_at FROM document, sku WHERE sku.code LIKE 'K%'"
    )
    await pool.execute("ANALYZE document_line, document_surplus")
    read = "SELECT seq_tup_read + idx_tup_fetch FROM pg_stat_xact_user_tables WHERE relname = 'document_surplus'"
    async with clerk.database.transaction() as connection:
        document_id = await connection.fetchval("SELECT document_id FROM document")
        rows = await connection.fetch(SQL["document_lines"], [document_id])
        assert sum(row["accepted"] for row in rows) == lines
        assert lines <= await connection.fetchval(read) <= 2 * lines
