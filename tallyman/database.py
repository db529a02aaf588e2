"""Commands on the backend's database: migrate, verify, import, export."""

from __future__ import annotations

import asyncio
from pathlib import Path

import typer

from backend.catalog.exporting import export_csv
from backend.errors import ImportRefusedError, LineFault
from backend.ingest.importing import import_csv
from backend.ingest.verify import verify as find_differences
from backend.store.database import Database, renew_store
from backend.store.migrate import migrate as apply_migrations
from wire.clock import SystemClock


async def migrate(database_url: str, *, new_store: bool) -> int:
    """Bring the schema up to date; with `new_store`, rename the store so that gateways send again."""
    applied = await apply_migrations(database_url, SystemClock())
    typer.echo(f"applied {len(applied)} migrations: {', '.join(applied)}" if applied else "the schema is up to date")
    if new_store:
        async with Database.open(database_url) as database:
            typer.echo(f"the store is now {await renew_store(database, SystemClock())}")
    return 0


async def verify(database_url: str) -> int:
    """Print each thing that does not follow from postings and events; 1 when there is one."""
    async with Database.open(database_url) as database:
        findings = await find_differences(database)
    for finding in findings:
        typer.echo(f"FAIL {finding}")
    if not findings:
        typer.echo("ok: every balance, place and cursor follows from the postings and events")
    return 1 if findings else 0


async def import_file(database_url: str, kind: str, file: Path) -> int:
    """Import one CSV file whole or not at all. Raises ImportRefusedError, also for a file that is no text."""
    raw = await asyncio.to_thread(file.read_bytes)
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        raise ImportRefusedError([LineFault(line, "", "is no text in UTF-8; save the file as UTF-8")]) from error
    async with Database.open(database_url) as database:
        result = await import_csv(database, SystemClock(), kind, text)
    typer.echo(f"{file}: {result}")
    return 0


async def export_file(database_url: str, kind: str, file: Path | None) -> int:
    """Write one kind of the catalog as a CSV file, or to the terminal."""
    async with Database.open(database_url) as database:
        text = await export_csv(database, kind)
    if file is None:
        typer.echo(text, nl=False)
    else:
        await asyncio.to_thread(file.write_text, text, encoding="utf-8")
    return 0
