"""How things come to be known: announced to the tag, labelled before they are tagged, or found by the first sweep."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

from backend.ingest.commissioning import sweep
from backend.ingest.labels import LabelOrder, make_labels
from backend.ingest.service import IngestService
from backend.store.database import Database
from gs1.epc import encode_sgtin96, encode_sscc96, parse_epc
from gs1.identity import Sgtin
from tallyman.labels import print_labels
from tests.house import GTIN, Gateway, arrived, at, crossed, furnish, place, stock, tag
from tests.integration.test_documents import Clerk, clerk
from wire.clock import ScaledClock

__all__ = ["clerk"]

SSCC = "095060001343520000"
PALLET = encode_sscc96(SSCC, 7).hex().upper()
UNKNOWN_GTIN = "09506000134369"


def thing(serial: int, **more: Any) -> dict[str, Any]:
    return {"epc": tag(serial), "sku": "BOX", **more}


async def test_what_came_is_held_against_what_was_announced_to_the_tag(clerk: Clerk) -> None:
    things = [thing(serial, lot="L1", expires_on="2026-12-31", sscc=SSCC) for serial in (21, 22)]
    things.append(thing(23, lot="L2"))
    document = await clerk.post("receipts", document="ASN-7", site="a", things=things)
    assert (document["kind"], document["status"], document["site"]) == ("receipt", "open", "a")
    assert [(line["sku"], line["lot"], line["expected"], line["come"]) for line in document["lines"]] == [
        ("BOX", "L1", 2, 0),
        ("BOX", "L2", 1, 0),
    ]
    assert {one["identity"] for one in document["things"] if one["expected"]} == {
        f"(00){SSCC}",
        *(f"(01){GTIN}(21){serial}" for serial in (21, 22, 23)),
    }
    await clerk.door("ASN-7")
    # only the pallet's tag is read, and a box that nobody announced
    await clerk.here.say(crossed(PALLET, "in", 650), crossed(24, "in", 651))
    document = await clerk.get("documents/ASN-7")
    assert [(line["lot"], line["come"]) for line in document["lines"] if line["line_no"]] == [("L1", 2), ("L2", 0)]
    missing = [one["epc"] for one in document["things"] if one["expected"] and one["come_at"] is None]
    surplus = [one["epc"] for one in document["things"] if not one["expected"]]
    assert (missing, surplus) == ([tag(23)], [tag(24)])
    found = await stock(clerk.database, virtual=True)
    assert (found["a/dock/BOX/L1/sellable"], found["a/supplier/BOX/L1/sellable"]) == (2, -2)


async def test_an_announcement_that_comes_after_its_goods_still_counts_them(clerk: Clerk) -> None:
    await clerk.make("ASN-8", "receipt")
    await clerk.door("ASN-8")
    await clerk.here.say(crossed(21, "in", 590), crossed(PALLET, "in", 591))
    document = await clerk.post("receipts", document="ASN-8", site="a", things=[thing(21), thing(22, sscc=SSCC)])
    assert await place(clerk.database, 22) == "a/dock"
    assert document["lines"][0]["expected"] == 2
    problem = await clerk.post("receipts", 422, document="ASN-8", site="a", things=[thing(25)])
    assert "other lines" in problem["errors"][0]["what"]


async def test_a_wrong_announcement_says_each_fault_and_changes_nothing(clerk: Clerk) -> None:
    before = await clerk.database.pool.fetchval("SELECT count(*) FROM item")
    await clerk.make("s1", "shipment")
    things = [thing(21, sscc=SSCC[:-1] + "1"), thing(22, sku="NONE"), thing(21), {"epc": "zz", "sku": "BOX"}]
    problem = await clerk.post("receipts", 422, document="ASN-9", site="a", things=things)
    assert [(one["row"], one["column"]) for one in problem["errors"]] == [
        (1, "sscc"),
        (2, "sku"),
        (3, "epc"),
        (4, "epc"),
    ]
    problem = await clerk.post("receipts", 422, document="s1", site="a", things=[thing(21)])
    assert "names a shipment already" in problem["errors"][0]["what"]
    assert await clerk.database.pool.fetchval("SELECT count(*) FROM item") == before


async def test_labels_are_bound_before_they_are_applied(clerk: Clerk) -> None:
    run = await clerk.post(
        "labels", site="a", gtin=GTIN, count=3, company_prefix_digits=7, lot="L9", expires_on="2027-01-31"
    )
    # ten boxes with the serial numbers 1 to 10 are known already
    assert [label["serial"] for label in run["labels"]] == ["11", "12", "13"]
    found = parse_epc(bytes.fromhex(run["labels"][0]["epc"]))
    assert isinstance(found, Sgtin)
    assert (found.gtin, found.serial, found.scheme) == (GTIN, "11", "sgtin-96")
    assert run["labels"][0]["uri"] == "urn:epc:id:sgtin:9506000.013435.11"
    assert (await clerk.get(f"labels/{run['number']}")) == run
    await clerk.here.say(arrived(run["labels"][0]["epc"], "rack", 650))
    assert (await stock(clerk.database))["a/rack/BOX/L9/sellable"] == 1
    async with clerk.session.get(f"/api/v1/labels/{run['number']}/csv") as response:
        assert response.content_type == "text/csv"
        lines = (await response.text()).splitlines()
    assert lines[0] == "epc,uri,gtin,serial,sku,name,lot,expires_on"
    assert lines[1].endswith(f"{GTIN},11,BOX,A box,L9,2027-01-31")
    for wrong, said in (
        ({"gtin": UNKNOWN_GTIN}, "no SKU has GTIN"),
        ({"gtin": GTIN[:-1] + "9"}, "check digit"),
        ({"site": "nowhere"}, "no site 'nowhere'"),
        ({"lot": "L9", "expires_on": "2028-01-31"}, "expires on 2027-01-31"),
        ({"lot": "L8", "expires_on": "2026-03-01"}, "is past"),
    ):
        body = {"site": "a", "gtin": GTIN, "count": 1, "company_prefix_digits": 7} | wrong
        assert said in (await clerk.post("labels", 422, **body))["detail"]


async def test_no_serial_number_is_handed_out_twice(database: Database) -> None:
    await furnish(database)
    clock = ScaledClock(at(600))
    runs = await asyncio.gather(
        *(make_labels(database, clock, LabelOrder("a", GTIN, count, 7), "dewi") for count in (5, 1, 30, 7, 12, 3))
    )
    serials = [label.serial for run in runs for label in run.labels]
    assert len(serials) == len(set(serials)) == 58


async def test_a_first_sweep_makes_things_of_what_nobody_knew(database: Database) -> None:
    await furnish(database)
    clock = ScaledClock(at(600), 0.001)
    gateway = Gateway(IngestService(database, clock), "a", "ga")
    await gateway.say(arrived(1, "rack", 10))
    unknown = encode_sgtin96(UNKNOWN_GTIN, 1, 7).hex().upper()
    done = await sweep(
        database, clock, "a", "shelf", [tag(1), tag(2), tag(3), tag(3), unknown, PALLET, "xx", "XX"], "dewi"
    )
    assert (done.new, done.placed) == (3, 4)
    assert [one["epc"] for one in done.refused] == ["XX", unknown]
    assert f"no SKU has GTIN {UNKNOWN_GTIN}" in done.refused[1]["what"]
    assert await stock(database, virtual=True) == {"a/shelf/BOX//sellable": 3, "a/unknown/BOX//sellable": -3}
    again = await sweep(database, clock, "a", "shelf", [tag(1), tag(2)], "dewi")
    assert (again.new, again.placed) == (0, 2)
    postings = await database.pool.fetchval("SELECT count(*) FROM posting")
    assert postings == 4
    # a read that is older than the walk changes no place
    await gateway.say(arrived(2, "rack", 20))
    assert await place(database, 2) == "a/shelf"


async def test_the_command_prints_labels(database: Database, tmp_path: Path) -> None:
    await furnish(database)
    order = LabelOrder("a", GTIN, 2, 7)
    file = tmp_path / "labels.csv"
    await print_labels(database, ScaledClock(at(600)), order, file)
    assert [line.split(",")[3] for line in file.read_text().splitlines()] == ["serial", "1", "2"]
