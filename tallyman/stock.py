"""Commands that show stock at a terminal, as CSV: what is where, now or then, and what should be counted today."""

from __future__ import annotations

import csv
import sys
from collections.abc import Mapping
from typing import Final

import typer
from pydantic import ValidationError

from backend.api.paging import MAX_LIMIT
from backend.api.problems import ProblemError
from backend.counts import planning
from backend.counts.views import DueView
from backend.stock import views
from backend.stock.views import COLUMNS, StockParams
from backend.store.database import Database
from wire.clock import Clock, SystemClock

EXPIRES: Final = "expires_on"


async def show_stock(database_url: str, asked: Mapping[str, str | None]) -> int:
    """Write every row of stock that is asked for; 2 when the question cannot be read, with the reason."""
    try:
        params = StockParams(**{name: value for name, value in asked.items() if value is not None}, limit=MAX_LIMIT)
    except ValidationError as error:
        for fault in error.errors():
            typer.echo(f"--{'-'.join(str(fault['loc'][0]).split('_'))}: {fault['msg']}", err=True)
        return 2
    async with Database.open(database_url) as database:
        await print_stock(database, params)
    return 0


async def print_stock(database: Database, params: StockParams) -> None:
    """Write stock page by page: the columns of its group, with SKU and lot the expiry too, and the units."""
    wanted = params.group.split(",")
    columns: list[str] = [name for name in COLUMNS if name in wanted]
    columns += [EXPIRES] if {"sku", "lot"} <= set(wanted) else []
    writer = csv.writer(sys.stdout, lineterminator="\n")
    writer.writerow((*columns, "units"))
    while True:
        page = await views.stock(database, params)
        for row in page.rows:
            told = row.model_dump(mode="json")
            writer.writerow([*("" if told[name] is None else told[name] for name in columns), told["units"]])
        if page.next is None:
            return
        params = params.model_copy(update={"cursor": page.next})


async def show_due(database_url: str, site: str) -> int:
    """Write what a site should count today; 1 for a site that does not exist."""
    async with Database.open(database_url) as database:
        try:
            await print_due(database, SystemClock(), site)
        except ProblemError as error:
            typer.echo(error.detail, err=True)
            return 1
    return 0


async def print_due(database: Database, clock: Clock, site: str) -> None:
    """Write what a site should count now, the most urgent first. Raises ProblemError for an unknown site."""
    rows = await planning.due(database, clock, site)
    writer = csv.DictWriter(sys.stdout, list(DueView.model_fields), lineterminator="\n")
    writer.writeheader()
    writer.writerows(DueView(**one.cell._asdict(), score=one.score).model_dump(mode="json") for one in rows)
