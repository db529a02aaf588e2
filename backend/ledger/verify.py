"""Does the ledger add up? Every check recomputes something from the postings and names what differs."""

from __future__ import annotations

from typing import Final, NamedTuple

from backend.ledger.service import SQL
from backend.store.database import Connection

MAX_FINDINGS: Final = 100
"""Of each kind: a broken store has one cause and thousands of consequences; the first hundred tell the cause."""

CHECK_TIMEOUT_S: Final = 3600.0
"""One check reads a whole table: minutes, where years of postings are kept."""


class Finding(NamedTuple):
    """One thing that does not follow: the rule that is broken, what breaks it, and how."""

    rule: str
    subject: str
    what: str

    def __str__(self) -> str:
        return f"{self.rule}: {self.subject}: {self.what}"


async def ledger_findings(connection: Connection) -> list[Finding]:
    """Balances against postings, and items against their postings, as the connection's snapshot sees them."""
    findings = [
        Finding(
            "balance",
            row["name"] or f"number {row['balance_id']}",
            f"{row['net']}, its postings add up to {row['posted']}",
        )
        for row in await connection.fetch(SQL["balance_differences"], MAX_FINDINGS, timeout=CHECK_TIMEOUT_S)
    ]
    findings += [
        Finding("posting", f"number {row['posting_id']}", "takes and gives different SKUs, or the same balance")
        for row in await connection.fetch(SQL["crooked_postings"], MAX_FINDINGS, timeout=CHECK_TIMEOUT_S)
    ]
    findings += [
        Finding(
            "item",
            row["identity"] or (row["epc"].hex().upper() if row["epc"] else f"number {row['item_id']}"),
            f"stands for {row['stands'] or 0} in {row['zone']}, its postings add up to {row['posted'] or 0}",
        )
        for row in await connection.fetch(SQL["item_differences"], MAX_FINDINGS, timeout=CHECK_TIMEOUT_S)
    ]
    return findings
