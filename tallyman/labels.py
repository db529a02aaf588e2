"""The command that hands out labels to print and encode."""

from __future__ import annotations

import asyncio
from datetime import date
from pathlib import Path

import typer

from backend.api.problems import ProblemError
from backend.ingest.labels import LabelOrder, labels_csv, make_labels
from backend.store.database import Database
from wire.clock import Clock, SystemClock

ACTOR = "command line"


async def run_labels(
    database_url: str,
    site: str,
    gtin: str,
    count: int,
    company_prefix_digits: int,
    lot: str,
    expires_on: date | None,
    file: Path | None,
) -> int:
    """Hand out labels; 1 when they are refused, with the reason."""
    order = LabelOrder(site, gtin, count, company_prefix_digits, lot, expires_on)
    async with Database.open(database_url) as database:
        try:
            await print_labels(database, SystemClock(), order, file)
        except ProblemError as error:
            typer.echo(error.detail, err=True)
            return 1
    return 0


async def print_labels(database: Database, clock: Clock, order: LabelOrder, file: Path | None) -> None:
    """Write a new list of labels as CSV, to a file or the terminal. Raises ProblemError as make_labels does."""
    text = labels_csv(await make_labels(database, clock, order, ACTOR))
    if file is None:
        typer.echo(text, nl=False)
    else:
        await asyncio.to_thread(file.write_text, text, encoding="utf-8")
