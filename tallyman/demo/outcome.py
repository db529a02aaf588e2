"""The end of a demo: everything stands still, every journal is drained; now the database is judged."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import asyncpg
from rich.console import Console
from rich.table import Table

from tallyman.demo.compare import BalanceKey, Comparison, JournalCheck, check_journal, compare
from tallyman.demo.evidence import EvidenceLog
from tallyman.demo.paperwork import Paperwork
from tallyman.demo.sites import DemoSite
from tallyman.demo.stage import Stage

SHOWN_WRONG = 20
"""Wrong items listed on the terminal; the report file has them all, each with its reads."""

CROSSINGS_SQL = """
SELECT item.epc, count(*) FILTER (WHERE direction = 'in') AS inwards,
       count(*) FILTER (WHERE direction = 'out') AS outwards
FROM movement JOIN item USING (item_id)
WHERE movement.kind = 'crossed' AND (movement.gateway, movement.epoch) IN (SELECT * FROM unnest($1::text[], $2::text[]))
GROUP BY item.epc ORDER BY item.epc
"""


@dataclass(slots=True)
class Outcome:
    """What the report says."""

    scenario: str
    seed: int
    speed: float
    achieved_speed: float
    reads: int
    tags_read: int
    late_reads: int
    movements: int
    applied: int
    quarantined: int
    comparison: Comparison
    journals: Mapping[str, JournalCheck]
    findings: Sequence[str]
    crossings: list[dict[str, Any]] = field(default_factory=list)
    paperwork: Paperwork = field(default_factory=Paperwork)
    undrained: int = 0

    @property
    def lost_events(self) -> int:
        """Events in a journal that the database does not have."""
        return sum(len(check.lost) for check in self.journals.values()) + self.undrained

    @property
    def duplicated_events(self) -> int:
        """Events that the database has more than once, or that no journal holds."""
        return sum(len(check.duplicated) for check in self.journals.values())

    @property
    def exit_code(self) -> int:
        """0 when nothing was lost or doubled, the books balance, the office's papers are right, and the
        places are right within the bounds."""
        exact = self.lost_events == 0 and self.duplicated_events == 0 and not self.findings and self.paperwork.right
        return 0 if exact and self.comparison.within_bounds else 1

    def report(self) -> dict[str, Any]:
        """As JSON holds it."""
        return {
            "scenario": self.scenario,
            "seed": self.seed,
            "speed": self.speed,
            "achieved_speed": self.achieved_speed,
            "reads": self.reads,
            "tags_read": self.tags_read,
            "late_reads": self.late_reads,
            "movements": self.movements,
            "applied": self.applied,
            "quarantined": self.quarantined,
            "items_checked": self.comparison.items_checked,
            "items_wrong": len(self.comparison.wrong_items),
            "balances_checked": self.comparison.balances_checked,
            "balances_wrong": len(self.comparison.wrong_balances),
            "lost_events": self.lost_events,
            "duplicated_events": self.duplicated_events,
            "verify": "ok" if not self.findings else list(self.findings),
            "wrong_items": self.comparison.wrong_items,
            "wrong_balances": self.comparison.wrong_balances,
            "crossings": self.crossings,
            **self.paperwork.report(),
        }


async def judge(
    connection: asyncpg.Connection[Any],
    stage: Stage,
    sites: Sequence[DemoSite],
    before: Mapping[BalanceKey, int],
    log: EvidenceLog,
) -> tuple[Comparison, dict[str, JournalCheck], list[dict[str, Any]]]:
    """Places and balances against the stage's truth, journals against the database, and the crossings of a recording.

    Every wrong item comes with the reads that its readers took of it.
    """
    places = stage.places()
    comparison = Comparison()
    if places is not None:
        comparison = await compare(connection, places, stage.balances(), before)
        for wrong in comparison.wrong_items:
            wrong |= log.of(bytes.fromhex(wrong["epc"]))
    journals = {
        site.config.gateway: await check_journal(connection, site.config.gateway, site.journal) for site in sites
    }
    crossings = []
    if places is None:
        rows = await connection.fetch(
            CROSSINGS_SQL, [site.config.gateway for site in sites], [site.stats.epoch for site in sites]
        )
        crossings = [
            {"epc": bytes(row["epc"]).hex().upper(), "in": row["inwards"], "out": row["outwards"]} for row in rows
        ]
    return comparison, journals, crossings


def show(outcome: Outcome, console: Console) -> None:
    """The summary for a person."""
    table = Table(title="The database against the truth", show_header=False)
    for name, value in outcome.report().items():
        if not isinstance(value, list):
            table.add_row(name, f"{value:,}" if isinstance(value, int) else str(value))
    console.print(table)
    for wrong in outcome.comparison.wrong_items[:SHOWN_WRONG]:
        console.print(f"wrong item {wrong['epc']}: is at {wrong['truth']}, the database says {wrong['database']}")
        console.print(f"    reads {wrong['reads_by_antenna']}", highlight=False)
    for wrong in outcome.comparison.wrong_balances[:SHOWN_WRONG]:
        console.print(f"wrong balance {wrong['balance']}: is {wrong['truth']}, the database says {wrong['database']}")
    for what, wrongs in outcome.paperwork.wrong.items():
        for wrong in wrongs[:SHOWN_WRONG]:
            console.print(f"wrong {what}: {wrong}", style="red")
    for finding in outcome.findings[:SHOWN_WRONG]:
        console.print(f"verify: {finding}", style="red")
    if outcome.crossings:
        crossings = Table("EPC", "in", "out", title="Crossings by tag")
        for row in outcome.crossings:
            crossings.add_row(row["epc"], str(row["in"]), str(row["out"]))
        total_in, total_out = (sum(row[way] for row in outcome.crossings) for way in ("in", "out"))
        crossings.add_row("all", str(total_in), str(total_out))
        console.print(crossings)


def write(outcome: Outcome, path: Path) -> None:
    """The report as a JSON file."""
    path.write_text(json.dumps(outcome.report(), indent=1) + "\n", encoding="utf-8")
