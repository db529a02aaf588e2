"""Does everything add up? `tallyman verify` works out what the store must say from what it was told, and names what
differs.

balance, posting, item   the ledger's own sums (backend/ledger/verify.py)
availability             what sites hold and promised follows from balances and allocations (backend/stock/promises.py)
place                    each item is what the fold over its observations and its pallets' says, and on what they say
cursor                   each number 1 … through of an epoch stands in the store exactly once
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

from backend.catalog.model import Places
from backend.catalog.service import read_places
from backend.effects.containment import tell
from backend.effects.timeline import State, fold
from backend.ingest.items import state_of
from backend.ingest.pallets import read_sources
from backend.ledger.verify import CHECK_TIMEOUT_S, MAX_FINDINGS, Finding, ledger_findings
from backend.stock.promises import promise_findings
from backend.store.database import Connection, Database, Queries, Record

SQL: Final = Queries(Path(__file__).with_name("verify.sql"))

FAULTS: Final = {
    "missing": "neither settled, set aside nor lost",
    "doubled": "settled more than once",
    "beyond": "settled, but beyond the cursor",
}
"""What is wrong with a run of numbers, in words."""

ITEMS_PER_READ: Final = 2000
"""Histories of so many items are in memory at a time."""


async def verify(database: Database) -> list[Finding]:
    """Everything that differs, as of one instant; empty when all is well."""
    async with database.snapshot() as connection:
        findings = await ledger_findings(connection)
        findings += await promise_findings(connection)
        findings += await _cursor_findings(connection)
        findings += await _place_findings(connection)
    return findings


async def _cursor_findings(connection: Connection) -> list[Finding]:
    return [
        Finding("cursor", f"{row['gateway']}/{row['epoch']}", f"{_run(row)} {FAULTS[row['fault']]}")
        for row in await connection.fetch(SQL["cursor_faults"], MAX_FINDINGS, timeout=CHECK_TIMEOUT_S)
    ]


async def _place_findings(connection: Connection) -> list[Finding]:
    findings: list[Finding] = []
    places = await read_places(connection)
    last = 0
    while len(findings) < MAX_FINDINGS:
        rows = await connection.fetch(SQL["items_after"], last, ITEMS_PER_READ)
        if not rows:
            break
        last = rows[-1]["item_id"]
        ids = [row["item_id"] for row in rows]
        sources = await read_sources(connection, places, ids)
        for row, (item_id, told) in zip(rows, tell(sources, ids).items(), strict=True):
            folded = fold(sources[item_id].start, told.observations)
            if row["zone_id"] not in places.zone_by_id:
                findings.append(Finding("place", _name(row), f"is in zone {row['zone_id']}, which does not exist"))
            elif folded != (held := state_of(places, row)):
                findings.append(Finding("place", _name(row), _difference(places, held, folded)))
            elif (row["parent_id"], row["parted_from"]) != (told.parent_id, told.parted_from):
                said = f"is on item {row['parent_id']}, parted from {row['parted_from']}"
                should = f"on {told.parent_id}, parted from {told.parted_from}"
                findings.append(Finding("place", _name(row), f"{said}; by what was said and seen, {should}"))
    return findings


def _run(row: Record) -> str:
    return f"number {row['first']}" if row["first"] == row["last"] else f"numbers {row['first']} to {row['last']}"


def _name(row: Record) -> str:
    return str(row["identity"] or (row["epc"].hex().upper() if row["epc"] else f"item {row['item_id']}"))


def _difference(places: Places, held: State, folded: State) -> str:
    parts = []
    for name, was, should in zip(State._fields, held, folded, strict=True):
        if was != should:
            parts.append(f"{name} is {_shown(places, name, was)}, its observations say {_shown(places, name, should)}")
    return "; ".join(parts)


def _shown(places: Places, field: str, value: object) -> object:
    if isinstance(value, int) and field in ("place_id", "origin_id") and value in places.zone_by_id:
        return f"{places.site_of(value).code}/{places.zone_by_id[value].code}"
    return value
