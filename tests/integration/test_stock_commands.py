"""What a person at a terminal sees of stock: the commands' own work on a real database."""

from __future__ import annotations

import csv
from io import StringIO

import pytest

from backend.ingest.service import IngestService
from backend.stock.views import StockParams
from backend.store.database import Database
from tallyman.stock import print_due, print_stock, show_stock
from tests.house import Gateway, SetClock, arrived, at, furnish


@pytest.fixture
async def stocked(database: Database) -> Database:
    """Three boxes on the rack of site `a`; one of them is on the shelf a minute later."""
    await furnish(database)
    gateway = Gateway(IngestService(database, SetClock(600)), "a", "ga")
    await gateway.say(*(arrived(serial, "rack", serial) for serial in (1, 2, 3)), arrived(3, "shelf", 60))
    return database


async def rows_of(database: Database, capsys: pytest.CaptureFixture[str], params: StockParams) -> list[dict[str, str]]:
    await print_stock(database, params)
    return list(csv.DictReader(StringIO(capsys.readouterr().out)))


async def test_stock_now_and_then(stocked: Database, capsys: pytest.CaptureFixture[str]) -> None:
    now = await rows_of(stocked, capsys, StockParams(site="a"))
    assert [(row["zone"], row["sku"], row["expires_on"], row["units"]) for row in now] == [
        ("rack", "BOX", "", "2"),
        ("shelf", "BOX", "", "1"),
    ]
    then = await rows_of(stocked, capsys, StockParams(group="zone", as_of=at(30)))
    assert then == [{"zone": "rack", "units": "3"}]


async def test_every_page_is_written(stocked: Database, capsys: pytest.CaptureFixture[str]) -> None:
    assert len(await rows_of(stocked, capsys, StockParams(limit=1))) == 2


async def test_what_cannot_be_asked_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    assert await show_stock("postgresql://nowhere", {"as_of": "yesterday", "group": "site,colour"}) == 2
    told = capsys.readouterr().err
    assert "--as-of:" in told
    assert "'colour' is none of" in told


async def test_what_is_due_for_counting(stocked: Database, capsys: pytest.CaptureFixture[str]) -> None:
    await print_due(stocked, SetClock(86_400), "a")
    rows = list(csv.DictReader(StringIO(capsys.readouterr().out)))
    assert [(row["zone"], row["sku"]) for row in rows] == [("rack", "BOX"), ("shelf", "BOX")]
    assert float(rows[0]["score"]) >= 1
