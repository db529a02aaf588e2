"""CSV files become catalog, items and stock: whole or not at all, and what is wrong is told by line and column."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any

import pytest

from backend.catalog.sheet import MAX_FAULTS, MAX_LINES
from backend.errors import CatalogError, ImportRefusedError
from backend.ingest.importing import import_csv
from backend.ingest.service import IngestService
from backend.ingest.verify import verify
from backend.store.database import Database
from gs1.epc import encode_grai96, encode_sgtin96
from tests.postgres import START
from wire.clock import ScaledClock
from wire.events import Movement, ReceivedBatch

GTIN = "09506000134352"
CASE_GTIN = "19506000134359"
SSCC = "095060001343520000"
EPOCH = "00000000000000aa"

FILES = {
    "sites": "code,name,region,time_zone\njakarta,Jakarta,java,Asia/Jakarta\nmedan,Medan,,\n",
    "zones": "site,code,kind,name,parent\n"
    + "".join(
        f"{site},dock,dock,Dock,\n{site},rack,storage,Rack,\n{site},shelf,storage,,rack\n"
        for site in ("jakarta", "medan")
    ),
    "portals": "site,code,inside_zone\njakarta,d1,dock\nmedan,d1,dock\n",
    "skus": "code,name,unit,gtin,gtin_quantity\n"
    f"MILK,Milk,each,{GTIN},\nMILK,Milk,each,{CASE_GTIN},12\nNUT,Nuts,each,,\n",
}

Import = Callable[..., Awaitable[Any]]


def epc(serial: int, gtin: str = GTIN, kind: int = 1) -> str:
    return encode_sgtin96(gtin, serial, 7, kind).hex().upper()


def crossed_in(tag: str, seconds: float, seq: int = 1, site: str = "jakarta") -> ReceivedBatch:
    at = START + timedelta(seconds=seconds)
    event = Movement(kind="crossed", epc=tag, portal="d1", direction="in", observed_at=at, decided_at=at)
    return ReceivedBatch(site=site, gateway=f"gw-{site}", epoch=EPOCH, first_seq=seq, sent_at=at, events=(event,))


@pytest.fixture
def load(database: Database) -> Import:
    async def load(kind: str, text: str) -> Any:
        return await import_csv(database, ScaledClock(START + timedelta(hours=1), 0.001), kind, text)

    return load


@pytest.fixture
async def house(load: Import) -> None:
    for kind, text in FILES.items():
        await load(kind, text)


async def refused(load: Import, kind: str, text: str) -> list[str]:
    with pytest.raises(ImportRefusedError) as caught:
        await load(kind, text)
    return [str(fault) for fault in caught.value.faults]


async def stock(database: Database) -> dict[str, int]:
    rows = await database.pool.fetch(
        "SELECT site.code || '/' || zone.code || '/' || sku.code || '/' || lot.code || '/' || condition AS key, net"
        " FROM balance JOIN site USING (site_id) JOIN zone USING (zone_id) JOIN sku USING (sku_id)"
        " JOIN lot USING (lot_id) WHERE net <> 0"
    )
    return {row["key"]: row["net"] for row in rows}


async def item(database: Database, tag: str) -> Any:
    row = await database.pool.fetchrow(
        "SELECT item.*, sku.code AS sku, lot.code AS lot, lot.expires_on, zone.code AS zone, parent.identity AS parent"
        " FROM item LEFT JOIN sku USING (sku_id) LEFT JOIN lot USING (lot_id) JOIN zone USING (zone_id)"
        " LEFT JOIN item AS parent ON parent.item_id = item.parent_id WHERE item.epc = $1",
        bytes.fromhex(tag),
    )
    assert row is not None
    return row


async def count(database: Database, *tables: str) -> list[int]:
    return [await database.pool.fetchval(f"SELECT count(*) FROM {table}") for table in tables]


# The catalog ----------------------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("house")
async def test_the_catalog_is_defined_and_importing_it_again_changes_nothing(database: Database, load: Import) -> None:
    tables = ("site", "zone", "portal", "sku", "sku_gtin", "lot")
    before = await count(database, *tables)
    assert before == [2, 2 * (3 + 7), 2, 2, 2, 2]
    for kind, text in FILES.items():
        await load(kind, text)
    assert await count(database, *tables) == before
    row = await database.pool.fetchrow(
        "SELECT zone.kind, parent.code AS parent, parent.site_id = zone.site_id AS same FROM zone"
        " JOIN zone AS parent ON parent.zone_id = zone.parent_id JOIN site ON site.site_id = zone.site_id"
        " WHERE zone.code = 'shelf' AND site.code = 'medan'"
    )
    assert tuple(row.values()) == ("storage", "rack", True)
    assert await database.pool.fetchval("SELECT quantity FROM sku_gtin WHERE gtin = $1", CASE_GTIN) == 12
    assert await database.pool.fetchval("SELECT time_zone FROM site WHERE code = 'medan'") == "UTC"


@pytest.mark.usefixtures("house")
async def test_a_file_changes_what_it_names(database: Database, load: Import) -> None:
    revision = await database.pool.fetchval("SELECT catalog_revision FROM store")
    result = await load("zones", "kind;code;site;parent\nstaging;shelf;medan;\n")
    assert str(result) == "1 lines of zones imported"
    row = await database.pool.fetchrow(
        "SELECT kind, parent_id FROM zone JOIN site USING (site_id) WHERE zone.code = 'shelf' AND site.code = 'medan'"
    )
    assert tuple(row.values()) == ("staging", None)
    assert await database.pool.fetchval("SELECT catalog_revision FROM store") > revision


@pytest.mark.parametrize(
    "text",
    [
        "\ufeffcode,name\njakarta,Jakarta\n",
        "code;name\r\njakarta;Jakarta\r\n",
        '"code" , "NAME"\n\n jakarta ,"Jakarta"\n,\n'.replace(" , ", ","),
        "name,code\nJakarta,jakarta",
    ],
)
async def test_what_spreadsheets_write_is_read(database: Database, load: Import, text: str) -> None:
    await load("sites", text)
    row = await database.pool.fetchrow("SELECT code, name FROM site")
    assert tuple(row.values()) == ("jakarta", "Jakarta")


@pytest.mark.parametrize(
    ("kind", "text", "faults"),
    [
        ("sites", "", ["line 1: the file is empty; its first line must name code, name"]),
        (
            "sites",
            "code,title,title\nx,y,z\n",
            [
                "line 1, name: this column is missing; the header must name code, name",
                "line 1, title: this column is not known; take it out, or name one of code, name, region, time_zone",
            ],
        ),
        ("sites", "code,name,name\n", ["line 1, name: this column stands there twice"]),
        (
            "sites",
            'code,name,time_zone\na/b,x,\n,x,\nok,"two\nlines",\nsolo\nok,x,Mars/Base\n',
            [
                "line 2, code: site 'a/b': use letters, digits, '.', '_' and '-', at most 63",
                "line 3, code: is empty, and is needed",
                "line 4, name: holds a line break or another control character; take it out",
                "line 6: has 1 cells, the header has 3; quote a cell that holds ','",
                "line 7, code: 'ok' stands in line 4 already",
                "line 7, time_zone: 'Mars/Base' is no time zone; write it as Asia/Jakarta",
            ],
        ),
        ("sites", 'code,name\na,"b" c\n', ["line 2: cannot be read as CSV"]),
        (
            "zones",
            "site,code,kind,parent\n"
            "nowhere,a,dock,\njakarta,supplier,dock,\njakarta,a,garden,\njakarta,rack,storage,shelf\njakarta,b,dock,c\n",
            [
                "line 2, site: no site 'nowhere'; import it first, with `tallyman import sites`",
                "line 3, code: 'supplier' is kept for the site's virtual zone; choose another",
                "line 4, kind: 'garden' is none of",
                "line 5, parent: zone 'rack' would lie within itself",
                "line 6, parent: no zone 'c' at site jakarta, neither before nor in this file",
            ],
        ),
        (
            "portals",
            "site,code,inside_zone\njakarta,d2,attic\njakarta,d3,supplier\njakarta,d4,\n",
            [
                "line 2, inside_zone: no zone 'attic' at site jakarta; import it first, with `tallyman import zones`",
                "line 3, inside_zone: no zone 'supplier' at site jakarta",
                "line 4, inside_zone: no zone '' at site jakarta",
            ],
        ),
        (
            "skus",
            f"code,name,gtin,gtin_quantity\nA,a,{GTIN[:-1]}9,\nA,other,,\nB,b,{GTIN},0\nC,c,{GTIN},\nD,d,,5\n",
            [
                "line 2, gtin: GTIN",
                "line 3, name: 'other' differs from line 2, which defines the same SKU",
                "line 4, gtin_quantity: '0' is no whole number",
                f"line 5, gtin: {GTIN} stands in line 4 already",
                "line 6, gtin_quantity: needs a gtin beside it",
            ],
        ),
        ("skus", f"code,name,gtin\nA,a,\nB,b,{GTIN}\n", [f"line 3, gtin: {GTIN} belongs to SKU MILK already"]),
    ],
)
@pytest.mark.usefixtures("house")
async def test_faults_of_the_catalog_are_told_by_line_and_nothing_is_taken(
    database: Database, load: Import, kind: str, text: str, faults: list[str]
) -> None:
    tables = ("site", "zone", "portal", "sku", "sku_gtin", "lot")
    before = await count(database, *tables)
    found = await refused(load, kind, text)
    assert len(found) == len(faults), found
    assert all(mine.startswith(wanted) for mine, wanted in zip(found, faults, strict=True)), found
    assert await count(database, *tables) == before


async def test_a_file_of_faults_and_a_file_without_end_are_given_up(load: Import) -> None:
    found = await refused(load, "sites", "code,name\n" + "/,x\n" * (MAX_FAULTS + 50))
    assert len(found) == MAX_FAULTS + 1
    assert found[-1].endswith("mend these first")
    found = await refused(load, "sites", "code,name\n" + "ok,x\n" * (MAX_LINES + 1))
    assert found[-1] == f"line {MAX_LINES + 2}: is beyond the {MAX_LINES} lines of one file; cut it in parts"


async def test_a_kind_that_is_none(load: Import) -> None:
    with pytest.raises(CatalogError, match="choose one of sites, zones, portals, skus, receipts, opening-stock"):
        await load("stock", "")


# Receipts -------------------------------------------------------------------------------------------------------------


def receipt(*lines: str) -> str:
    return "site,document,epc,sku,lot,expires_on,sscc\n" + "\n".join(lines)


@pytest.mark.usefixtures("house")
async def test_what_a_receipt_announces_comes_from_the_supplier_when_it_is_seen(
    database: Database, load: Import
) -> None:
    case = epc(2, CASE_GTIN)
    strange = "AD3830770CCDD0AD383004B1"
    lines = [
        f"jakarta,ASN-1,{epc(1)},MILK,L1,2026-12-31,{SSCC}",
        f"jakarta,ASN-1,{case},MILK,L1,,{SSCC}",
        f"jakarta,ASN-1,{strange.lower()},NUT,,,",
    ]
    assert str(await load("receipts", receipt(*lines))) == "3 lines of receipts imported"
    assert await stock(database) == {}
    first = await item(database, epc(1))
    assert (first["kind"], first["identity"]) == ("sgtin", f"(01){GTIN}(21)1")
    assert (first["sku"], first["lot"], str(first["expires_on"])) == ("MILK", "L1", "2026-12-31")
    assert (first["zone"], first["document"], first["parent"]) == ("supplier", "ASN-1", f"(00){SSCC}")
    assert (await item(database, case))["quantity"] == 12
    assert [(await item(database, strange))[name] for name in ("kind", "identity", "sku")] == ["other", None, "NUT"]
    service = IngestService(database, ScaledClock(START + timedelta(hours=2)))
    for seq, tag in enumerate((epc(1), case, strange), 1):
        await service.apply(crossed_in(tag, 10 * seq, seq))
    assert await stock(database) == {
        "jakarta/dock/MILK/L1/sellable": 13,
        "jakarta/supplier/MILK/L1/sellable": -13,
        "jakarta/dock/NUT//sellable": 1,
        "jakarta/supplier/NUT//sellable": -1,
    }
    assert await verify(database) == []


@pytest.mark.usefixtures("house")
async def test_a_receipt_counts_once(database: Database, load: Import) -> None:
    lines = [f"jakarta,ASN-1,{epc(number)},MILK,,," for number in (1, 2)]
    await load("receipts", receipt(*lines))
    tables = ("item", "binding", "posting", "document_import")
    before = await count(database, *tables)
    more = [*reversed(lines), f"jakarta,ASN-2,{epc(3)},MILK,,,"]
    assert str(await load("receipts", receipt(*more))) == (
        "1 lines of receipts imported; 2 were imported before and changed nothing"
    )
    assert await count(database, *tables) == [before[0] + 1, 0, 0, before[3] + 1]
    found = await refused(load, "receipts", receipt(*lines, f"jakarta,ASN-1,{epc(4)},MILK,,,"))
    assert found == [
        "line 2, document: was imported on 2026-03-02 09:00 UTC with other lines; "
        "give what is new a document of its own"
    ]
    found = await refused(load, "receipts", receipt(f"medan,ASN-1,{epc(5)},MILK,,,"))
    assert found == ["line 2, document: 'ASN-1' names a receipt already, of this site or another; give it another name"]
    await load("receipts", receipt(f"medan,ASN-3,{epc(5)},MILK,,,"))


@pytest.mark.usefixtures("house")
async def test_a_thing_seen_before_its_receipt_is_bound_to_lot_and_supplier(database: Database, load: Import) -> None:
    service = IngestService(database, ScaledClock(START + timedelta(hours=2)))
    await service.apply(crossed_in(epc(1), 10))
    assert await stock(database) == {"jakarta/dock/MILK//sellable": 1, "jakarta/unknown/MILK//sellable": -1}
    await load("receipts", receipt(f"jakarta,ASN-1,{epc(1)},MILK,L1,2026-12-31,{SSCC}"))
    assert await stock(database) == {"jakarta/dock/MILK/L1/sellable": 1, "jakarta/supplier/MILK/L1/sellable": -1}
    row = await item(database, epc(1))
    assert (row["zone"], row["lot"], row["parent"], row["document"]) == ("dock", "L1", f"(00){SSCC}", "ASN-1")
    postings = await database.pool.fetch("SELECT * FROM posting WHERE reason = 'receipt'")
    assert {(one["document"], one["actor"], one["role"]) for one in postings} == {("ASN-1", "import", "import")}
    assert await verify(database) == []
    # a late read is put before the document's word
    await service.apply(crossed_in(epc(1), 5, seq=2, site="medan"))
    await service.apply(crossed_in(epc(1), 5, seq=1, site="medan"))
    assert (await item(database, epc(1)))["zone"] == "dock"
    assert await stock(database) == {"jakarta/dock/MILK/L1/sellable": 1, "jakarta/supplier/MILK/L1/sellable": -1}
    assert await verify(database) == []


@pytest.mark.usefixtures("house")
async def test_another_tag_that_names_the_same_thing_is_the_same_thing(database: Database, load: Import) -> None:
    await load("receipts", receipt(f"jakarta,ASN-1,{epc(1, kind=1)},MILK,,,"))
    await load("receipts", receipt(f"jakarta,ASN-2,{epc(1, kind=2)},MILK,L2,,"))
    assert await count(database, "item") == [1]
    assert (await item(database, epc(1)))["lot"] == "L2"
    assert await verify(database) == []


@pytest.mark.usefixtures("house")
async def test_faults_of_receipts_are_told_by_line_and_nothing_is_taken(database: Database, load: Import) -> None:
    await load("receipts", receipt(f"jakarta,ASN-1,{epc(1)},MILK,L1,2026-12-31,"))
    tables = ("item", "lot", "document_import", "binding")
    before = await count(database, *tables)
    cage = encode_grai96("9506000134376", 1, 7).hex().upper()
    found = await refused(
        load,
        "receipts",
        receipt(
            f"nowhere,A,{epc(2)},MILK,,,",
            f"jakarta,,{epc(3)},MILK,,,",
            f"jakarta,A,{epc(4)},TEA,,,",
            "jakarta,A,XYZ,MILK,,,",
            f"jakarta,A,{epc(5)},NUT,,,",
            f"jakarta,A,{epc(6)},MILK,L1,31.12.2026,",
            f"jakarta,A,{epc(7)},MILK,,2026-12-31,",
            f"jakarta,A,{epc(8)},MILK,,,{SSCC[:-1]}4",
            f"jakarta,A,{epc(9)},MILK,,,",
            f"jakarta,A,{epc(9, kind=3)},MILK,,,",
            f"jakarta,A,{cage},MILK,,,",
            "jakarta,A,,MILK,,,",
            f"jakarta,A,{epc(10)},MILK,{'L' * 21},,",
        ),
    )
    wanted = [
        "line 2, site: no site 'nowhere'",
        "line 3, document: is empty",
        "line 4, sku: no SKU 'TEA'; import it first, with `tallyman import skus`",
        "line 5, epc: 'XYZ' is no tag memory",
        "line 6, epc: the tag's GTIN belongs to another SKU than 'NUT'",
        "line 7, expires_on: '31.12.2026' is no day; write it as 2026-12-31",
        "line 8, expires_on: needs a lot beside it",
        "line 9, sscc: ",
        "line 11, epc: names the same thing as line 10",
        "line 12, epc: (8003)",
        "line 13, epc: is empty",
        "line 14, lot: is longer than 20",
    ]
    assert len(found) == len(wanted), found
    assert all(mine.startswith(want) for mine, want in zip(found, wanted, strict=True)), found
    found = await refused(
        load,
        "receipts",
        receipt(
            f"jakarta,A,{epc(2)},MILK,L1,2027-01-01,",
            f"jakarta,A,{epc(3)},MILK,L2,2027-01-01,",
            f"jakarta,A,{epc(4)},MILK,L2,2027-01-02,",
        ),
    )
    assert found == [
        "line 2, expires_on: lot 'L1' is known to expire on 2026-12-31",
        "line 4, expires_on: differs from line 3, which names the same lot",
    ]
    assert await count(database, *tables) == before


# Opening stock --------------------------------------------------------------------------------------------------------


def opening(*lines: str) -> str:
    return "site,zone,sku,lot,expires_on,condition,quantity,epc\n" + "\n".join(lines)


@pytest.mark.usefixtures("house")
async def test_opening_stock_stands_where_it_says_and_counts_once(database: Database, load: Import) -> None:
    text = opening(
        f"jakarta,rack,MILK,L1,2026-12-31,sellable,12,{epc(1, CASE_GTIN)}",
        f"jakarta,rack,MILK,L1,,damaged,,{epc(2)}",
        "jakarta,shelf,NUT,,,,500,",
        "medan,shelf,NUT,,,damaged,3,",
    )
    expected = {
        "jakarta/rack/MILK/L1/sellable": 12,
        "jakarta/rack/MILK/L1/damaged": 1,
        "jakarta/unknown/MILK/L1/sellable": -13,
        "jakarta/shelf/NUT//sellable": 500,
        "jakarta/unknown/NUT//sellable": -500,
        "medan/shelf/NUT//damaged": 3,
        "medan/unknown/NUT//sellable": -3,
    }
    assert str(await load("opening-stock", text)) == "4 lines of opening-stock imported"
    assert await stock(database) == expected
    assert (await item(database, epc(2)))["condition"] == "damaged"
    again = await load("opening-stock", text.replace(",", ";").replace("\n", "\r\n"))
    assert str(again) == "0 lines of opening-stock imported; 4 were imported before and changed nothing"
    found = await refused(load, "opening-stock", opening(f"medan,rack,MILK,,,,,{epc(3)}", "jakarta,shelf,NUT,,,,700,"))
    assert len(found) == 1
    assert found[0].startswith("line 3, quantity: this stock was opened before, by opening-stock/")
    assert await stock(database) == expected
    assert await verify(database) == []


@pytest.mark.usefixtures("house")
async def test_opening_stock_moves_what_readers_saw_elsewhere_and_late_reads_do_not_move_it_back(
    database: Database, load: Import
) -> None:
    service = IngestService(database, ScaledClock(START + timedelta(hours=2)))
    await service.apply(crossed_in(epc(1), 10))
    await load("receipts", receipt(f"medan,ASN-1,{epc(2)},MILK,,,"))
    await load("opening-stock", opening(f"jakarta,rack,MILK,L1,,,,{epc(1)}", f"jakarta,rack,MILK,,,,,{epc(2)}"))
    expected = {
        "jakarta/rack/MILK/L1/sellable": 1,
        "jakarta/unknown/MILK/L1/sellable": -1,
        "jakarta/rack/MILK//sellable": 1,
        "medan/supplier/MILK//sellable": -1,
    }
    assert await stock(database) == expected
    assert await verify(database) == []
    await service.apply(crossed_in(epc(1), 60, seq=2))
    assert await stock(database) == expected
    assert await verify(database) == []
    await service.apply(crossed_in(epc(1), 3700, seq=3))
    assert (await item(database, epc(1)))["zone"] == "dock"
    assert await verify(database) == []


@pytest.mark.usefixtures("house")
async def test_goods_that_were_owed_are_made_good_by_opening_stock(database: Database, load: Import) -> None:
    nut = await database.pool.fetchrow(
        "INSERT INTO balance (site_id, zone_id, sku_id, lot_id, condition, net)"
        " SELECT site_id, zone_id, sku_id, lot_id, 'sellable', -2 FROM site JOIN zone USING (site_id), sku"
        " JOIN lot USING (sku_id) WHERE site.code = 'jakarta' AND zone.code = 'rack' AND sku.code = 'NUT'"
        " RETURNING balance_id, site_id"
    )
    await database.pool.execute(
        "INSERT INTO alert (kind, key, site_id, raised_at) VALUES ('owed', $1, $2, $3)",
        str(nut["balance_id"]),
        nut["site_id"],
        START,
    )
    await load("opening-stock", opening("jakarta,rack,NUT,,,,10,"))
    assert await database.pool.fetchval("SELECT cleared_at IS NOT NULL FROM alert")
    assert (await stock(database))["jakarta/rack/NUT//sellable"] == 8


@pytest.mark.usefixtures("house")
async def test_faults_of_opening_stock_are_told_by_line_and_nothing_is_taken(database: Database, load: Import) -> None:
    found = await refused(
        load,
        "opening-stock",
        opening(
            "jakarta,attic,NUT,,,,1,",
            "jakarta,supplier,NUT,,,,1,",
            "jakarta,,NUT,,,,1,",
            "jakarta,rack,NUT,,,rotten,1,",
            "jakarta,rack,NUT,,,,,",
            "jakarta,rack,NUT,,,,1.5,",
            "jakarta,shelf,NUT,,,,1,",
            "jakarta,shelf,NUT,,,sellable,2,",
        ),
    )
    wanted = [
        "line 2, zone: no zone 'attic' at site jakarta; import it first, with `tallyman import zones`",
        "line 3, zone: no zone 'supplier'",
        "line 4, zone: is empty",
        "line 5, condition: 'rotten' is none of sellable, damaged",
        "line 6, quantity: is needed where no epc is given",
        "line 7, quantity: '1.5' is no whole number",
        "line 7, quantity: line 6 tells of the same stock",
        "line 9, quantity: line 8 tells of the same stock; add the two up",
    ]
    assert len(found) == len(wanted), found
    assert all(mine.startswith(want) for mine, want in zip(found, wanted, strict=True)), found
    assert await count(database, "item", "posting", "balance", "document_import") == [0, 0, 0, 0]
