"""Pallets over the API and at doors: their load goes with them, leaves and comes under documents, parts from them."""

from __future__ import annotations

from typing import Any

import pytest

from gs1.epc import encode_sscc96
from tests.house import GTIN, arrived, at, crossed, place, scan, stock, tag, warned
from tests.integration.test_documents import Clerk, clerk, order

__all__ = ["clerk"]

SSCC, OTHER = "095060001343520000", "095060001343520017"
PALLET = encode_sscc96(SSCC, 7).hex().upper()
LABEL = f"(01){GTIN}(21)"


async def load(clerk: Clerk, *serials: int, sscc: str = SSCC, **more: Any) -> dict[str, Any]:
    """Boxes put on a pallet, by their labels."""
    add = [f"{LABEL}{serial}" for serial in serials]
    return await clerk.post(f"pallets/{sscc}/contents", site="a", add=add, **more)


async def test_a_load_goes_where_its_pallet_goes(clerk: Clerk) -> None:
    await clerk.here.say(arrived(PALLET, "rack", 601))
    answer = await load(clerk, 1, 2, document="build-7")
    assert (answer["things"], answer["parted"], answer["zone"]) == (2, 0, "rack")
    await clerk.here.say(arrived(PALLET, "shelf", 700, kind="moved"))
    assert [await place(clerk.database, serial) for serial in (1, 2, 3)] == ["a/shelf", "a/shelf", "a/rack"]
    rows = (await clerk.get(f"pallets/{SSCC}/contents?limit=1"))["rows"]
    assert (rows[0]["epc"], rows[0]["zone"], rows[0]["sku"]) == (tag(1), "shelf", "BOX")
    await clerk.post(f"pallets/{SSCC}/contents", site="a", remove=[tag(1)], at=at(750).isoformat())
    await clerk.here.say(arrived(PALLET, "dock", 800, kind="moved"))
    assert [await place(clerk.database, serial) for serial in (1, 2)] == ["a/shelf", "a/dock"]
    reasons = await clerk.database.pool.fetch("SELECT DISTINCT reason, gateway FROM posting WHERE item_id IS NOT NULL")
    assert {tuple(row) for row in reasons} == {("arrived", "ga"), ("moved", "ga")}


async def test_a_pallet_first_seen_together_with_its_load_tells_it_once(clerk: Clerk) -> None:
    await load(clerk, 1, 2, 3)
    await clerk.here.say(
        crossed(1, "in", 610), crossed(PALLET, "in", 611), crossed(2, "in", 612), arrived(3, "shelf", 613)
    )
    found = await stock(clerk.database)
    assert found == {"a/rack/BOX//sellable": 7, "a/dock/BOX//sellable": 2, "a/shelf/BOX//sellable": 1}


async def test_what_is_wrong_is_told_by_row_and_nothing_is_changed(clerk: Clerk) -> None:
    await load(clerk, 1)
    case = f"(00){OTHER}"
    await clerk.post(f"pallets/{SSCC}/contents", site="a", add=[case])
    problem = await clerk.post(
        f"pallets/{OTHER}/contents",
        422,
        site="a",
        add=[f"(00){SSCC}", case, GTIN, "nonsense", f"{LABEL}2", tag(2), "(01)09506000134369(21)1"],
        remove=[f"{LABEL}1"],
    )
    said = {(one["column"], one["row"]): one["what"] for one in problem["errors"]}
    assert said.keys() == {("add", 1), ("add", 2), ("add", 3), ("add", 4), ("add", 6), ("add", 7), ("remove", 1)}
    assert "cannot come to stand on its own load" in said["add", 1]
    assert "cannot stand on itself" in said["add", 2]
    assert "serial number is missing" in said["add", 3]
    assert "no SKU has GTIN" in said["add", 7]
    assert "does not stand on" in said["remove", 1]
    assert await clerk.database.pool.fetchval("SELECT count(*) FROM aggregation") == 2
    refused = await clerk.post(f"pallets/{SSCC}/contents", 422, site="nowhere", add=[tag(1)])
    assert "no site 'nowhere'" in refused["detail"]
    assert "SSCC" in (await clerk.post(f"pallets/{SSCC[:-1]}1/contents", 422, site="a", add=[tag(1)]))["detail"]


async def test_a_shipped_pallet_takes_its_load_to_the_customer_and_keeps_the_promise(clerk: Clerk) -> None:
    await order(clerk, 3)
    await load(clerk, 1, 2, 3)
    await clerk.make("s1", "shipment", 3, order="o1")
    await clerk.door("s1")
    await clerk.here.say(crossed(PALLET, "out", 610))
    found = await stock(clerk.database)
    assert (found["a/customer/BOX//sellable"], found["a/rack/BOX//sellable"]) == (3, 7)
    document = await clerk.get("documents/s1")
    assert [(line["expected"], line["gone"]) for line in document["lines"]] == [(3, 3)]
    assert {thing["epc"] for thing in document["things"] if thing["gone_at"]} == {PALLET, tag(1), tag(2), tag(3)}
    assert await clerk.promised() == 0


async def test_a_pallet_that_turns_back_takes_its_load_back_into_the_promise(clerk: Clerk) -> None:
    await order(clerk, 3)
    await load(clerk, 1, 2)
    await clerk.make("s1", "shipment", 3, order="o1")
    await clerk.door("s1")
    await clerk.here.say(crossed(PALLET, "out", 610))
    assert await clerk.promised() == 1
    await clerk.here.say(crossed(PALLET, "in", 700))
    document = await clerk.get("documents/s1")
    assert ([(line["gone"], line["come"]) for line in document["lines"]], document["things"]) == ([(0, 0)], [])
    assert await clerk.promised() == 3
    await clerk.here.say(crossed(PALLET, "out", 800), crossed(PALLET, "in", 830))
    document = await clerk.get("documents/s1")
    assert ([(line["gone"], line["come"]) for line in document["lines"]], document["things"]) == ([(0, 0)], [])
    assert await clerk.promised() == 3, "in one batch with its leaving, too"
    (promise,) = (await clerk.get("orders/o1"))["lines"][0]["promises"]
    assert (promise["held"], promise["fulfilled"], promise["short"]) == (3, 0, 0)
    await clerk.here.say(crossed(PALLET, "out", 850), crossed(PALLET, "in", 860), crossed(PALLET, "out", 870))
    assert await clerk.promised() == 1
    assert {one["epc"] for one in (await clerk.get("documents/s1"))["things"]} == {PALLET, tag(1), tag(2)}
    await clerk.here.say(crossed(PALLET, "in", 890))
    assert await clerk.promised() == 3
    assert (await stock(clerk.database))["a/dock/BOX//sellable"] == 2


async def test_what_a_pallet_brings_under_a_shipment_has_not_come_of_it(clerk: Clerk) -> None:
    await load(clerk, 1, 2)
    await clerk.here.say(crossed(PALLET, "out", 610))
    await clerk.make("s1", "shipment", 3)
    await clerk.door("s1")
    await clerk.here.say(crossed(PALLET, "in", 700))
    document = await clerk.get("documents/s1")
    assert ([(line["gone"], line["come"]) for line in document["lines"]], document["things"]) == ([(0, 0)], [])


async def test_a_pallet_that_left_unexplained_is_settled_with_its_load(clerk: Clerk) -> None:
    await order(clerk, 2)
    await load(clerk, 1, 2)
    await clerk.here.say(crossed(PALLET, "out", 610))
    assert (await stock(clerk.database))["a/in_transit/BOX//sellable"] == 2
    await clerk.make("s1", "shipment", 2, order="o1")
    span = {"first_at": at(600).isoformat(), "last_at": at(700).isoformat()}
    await clerk.post("departures/settle", site="a", portal="d", document="s1", **span)
    assert (await stock(clerk.database))["a/customer/BOX//sellable"] == 2
    assert {thing["epc"] for thing in (await clerk.get("documents/s1"))["things"]} == {PALLET, tag(1), tag(2)}


async def test_a_transfer_has_come_with_its_pallet_whatever_stands_at_the_door(clerk: Clerk) -> None:
    await load(clerk, 1, 2)
    await clerk.make("t1", "transfer", 2, to_site="b")
    await clerk.event("t1", "approve", "allocate")
    await clerk.door("t1")
    await clerk.here.say(crossed(PALLET, "out", 610))
    await clerk.event("t1", "send")
    await clerk.there.say(crossed(PALLET, "in", 900))
    document = await clerk.get("documents/t1")
    assert [(line["gone"], line["come"]) for line in document["lines"]] == [(2, 2)]
    assert await place(clerk.database, 1) == "b/dock"


async def test_a_thing_read_elsewhere_parts_from_its_pallet_until_the_pallet_follows(clerk: Clerk) -> None:
    await load(clerk, 1, 2)
    await clerk.here.say(arrived(PALLET, "shelf", 650))
    await clerk.here.say(arrived(1, "dock", 800, kind="moved"))
    view = await clerk.get(f"pallets/{SSCC}")
    assert (view["things"], view["parted"]) == (1, 1)
    assert ("left_pallet", f"pallet (00){SSCC} · 1 thing") in await warned(clerk.database)
    # news of the pallet that came late: it had been at the dock then
    await clerk.here.say(arrived(PALLET, "dock", 790, kind="moved"))
    assert (await clerk.get(f"pallets/{SSCC}"))["parted"] == 0
    assert "left_pallet" not in await clerk.alerts()
    await clerk.here.say(arrived(PALLET, "rack", 890, kind="moved"))
    assert [await place(clerk.database, serial) for serial in (1, 2)] == ["a/rack", "a/rack"]


async def test_scans_put_on_and_take_off_and_what_was_wrong_is_taken_back(clerk: Clerk) -> None:
    await clerk.here.say(arrived(PALLET, "shelf", 601))
    ack = await clerk.here.say(
        scan("aggregate", f"{LABEL}1", 610, scan_id="on", pallet=f"(00){SSCC}"),
        scan("aggregate", f"{LABEL}2", 611, scan_id="two", pallet=f"]C100{SSCC}"),
        scan("disaggregate", f"{LABEL}2", 612, scan_id="off"),
        scan("aggregate", f"{LABEL}3", 613, scan_id="bare"),
        scan("aggregate", f"{LABEL}3", 614, scan_id="no-sscc", pallet=f"{LABEL}4"),
        scan("aggregate", GTIN, 615, scan_id="kind", pallet=f"(00){SSCC}"),
    )
    outcomes = {one.scan_id: (one.state, one.reason) for one in ack.scans}
    assert {name for name, (state, _) in outcomes.items() if state == "applied"} == {"on", "two", "off"}
    assert "needs the code of the pallet" in outcomes["bare"][1]
    assert "no SSCC" in outcomes["no-sscc"][1]
    assert "names one thing" in outcomes["kind"][1]
    await clerk.here.say(arrived(PALLET, "dock", 700, kind="moved"))
    assert [await place(clerk.database, serial) for serial in (1, 2, 3)] == ["a/dock", "a/shelf", "a/rack"]
    await clerk.post("scans/gun-1/on/reverse", reason="the wrong box")
    assert await place(clerk.database, 1) == "a/rack"
    assert (await clerk.get(f"pallets/{SSCC}"))["things"] == 0


async def test_a_reversed_crossing_of_a_pallet_is_none_of_its_load(clerk: Clerk) -> None:
    await load(clerk, 1)
    await clerk.here.say(arrived(PALLET, "shelf", 650))
    await clerk.here.say(arrived(PALLET, "dock", 700, kind="moved"))
    assert await place(clerk.database, 1) == "a/dock"
    posting = await clerk.database.pool.fetchval("SELECT max(posting_id) FROM posting")
    await clerk.post(f"postings/{posting}/reverse", reason="a ghost")
    assert await place(clerk.database, 1) == await place(clerk.database, PALLET) == "a/shelf"


@pytest.mark.parametrize("first", ["pallet", "case"])
async def test_a_case_on_a_pallet_takes_its_own_load_along(clerk: Clerk, first: str) -> None:
    steps = [
        load(clerk, 1, sscc=OTHER),
        clerk.post(f"pallets/{SSCC}/contents", site="a", add=[f"(00){OTHER}"]),
    ]
    for step in steps if first == "case" else reversed(steps):
        await step
    await clerk.here.say(arrived(PALLET, "shelf", 650))
    assert await place(clerk.database, 1) == "a/shelf"
