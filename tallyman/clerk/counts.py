"""Counts at a terminal: the day's plan, what was found, what differs, its approval, and how well the ledger agrees with
counts. (`tallyman due` says what a plan is made of.)"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any, Final

import typer

from tallyman.clerk.ask import DEFAULT_LIMIT, Ask, LimitOption, SiteOption, changes, happens, reads
from tallyman.clerk.files import is_json, read_csv, read_json, units_of
from tallyman.errors import AskError

app = typer.Typer(help="Counts, while stock moves.", no_args_is_help=True)

CodeArgument = Annotated[str, typer.Argument(help="The count's code.")]
SubjectOption = Annotated[str, typer.Option(help="Tagged things, units without serial numbers, or both.")]

EVENTS: Final = {
    "recount": "Open a round for what differs alone.",
    "approve": "Post what was found; beyond the tolerance somebody must who did not count.",
    "cancel": "End a count that is not to be.",
}

HEAD: Final = "code site status round zones subject approved_by changed_at"
FIND_COLUMNS: Final = ("sku", "quantity", "lot", "condition", "spot", "epc", "at")
"""Of a CSV file of what was found: a tag in each line, or units of a SKU."""

OUTCOME: Final = f"{HEAD} lines things unread"


@changes(app, "plan")
def plan(site: Annotated[str, typer.Argument(help="The site's code.")], subject: SubjectOption = "both") -> Ask:
    """Make the day's counts of a site: one for each zone, of what is due."""
    return Ask("plan_counts", {"site": site}, {"subject": subject})


@reads(app, "list")
def list_counts(
    site: SiteOption = None,
    status: Annotated[str | None, typer.Option(help="open, closed, approved or cancelled.")] = None,
    limit: LimitOption = DEFAULT_LIMIT,
) -> Ask:
    """Counts, newest first."""
    return Ask("list_counts", {"site": site, "status": status, "limit": limit})


@changes(app, "start")
def start(
    code: CodeArgument,
    site: Annotated[str, typer.Option(help="Where is counted.")],
    zone: Annotated[list[str], typer.Option(help="What is counted; once for each zone.")],
    sku: Annotated[list[str] | None, typer.Option(help="These alone; once for each SKU.")] = None,
    subject: SubjectOption = "both",
    *,
    seen: Annotated[bool, typer.Option("--seen", help="Show who counts what is expected.")] = False,
) -> Ask:
    """Begin a count of zones; blind, unless it is --seen."""
    body = {"code": code, "site": site, "zones": zone, "skus": sku or None, "subject": subject, "blind": not seen}
    return Ask("make_count", body=body, columns=f"{HEAD} expected")


@changes(app, "record")
def record(
    code: CodeArgument,
    zone: Annotated[str | None, typer.Option(help="Where it was found.")] = None,
    units: Annotated[list[str] | None, typer.Option(help="Found: SKU=UNITS; once for each.")] = None,
    epc: Annotated[list[str] | None, typer.Option(help="Found: a tag; once for each.")] = None,
    file: Annotated[
        Path | None,
        typer.Option(exists=True, dir_okay=False, help="CSV: sku, quantity, lot, condition, spot, epc, at; or JSON."),
    ] = None,
    empty: Annotated[list[str] | None, typer.Option(help="There are no: things, units; once for each.")] = None,
    at: Annotated[str | None, typer.Option(help="When, where the file does not say; now without.")] = None,
    operator: Annotated[str | None, typer.Option(help="Who counted, if not --actor.")] = None,
) -> Ask:
    """Say what was found in a zone: all of it before the count is closed, in as many parts as you like."""
    words = {name: value for name, value in (("zone", zone), ("operator", operator)) if value is not None}
    if file is not None and is_json(file):
        if units or epc or empty or at:
            raise AskError(f"{file}: says all that was found: leave --units, --epc, --empty and --at out")
        return Ask("record_pass", {"code": code}, read_json(file) | words)
    finds: list[dict[str, Any]] = [] if file is None else read_csv(file, (), FIND_COLUMNS)
    finds += [{"sku": sku, "quantity": quantity} for sku, quantity in (units_of(one, "--units") for one in units or ())]
    finds += [{"epc": one.upper()} for one in epc or ()]
    body = _pass(finds, empty or (), at or datetime.now(UTC).isoformat()) | words
    says_now = at is None and not (finds and all("at" in one for one in finds))
    return Ask("record_pass", {"code": code}, body, says_now=says_now)


def _pass(finds: Sequence[dict[str, Any]], empty: Sequence[str], at: str) -> dict[str, Any]:
    """What was found as the API takes it. Raises AskError where an instant cannot be read."""
    dated = [{"at": at, **one} for one in finds]
    instants = sorted(_instant(str(one["at"])) for one in dated) or [_instant(at)]
    things, units = [one for one in dated if "epc" in one], [one for one in dated if "epc" not in one]
    span = {"started_at": instants[0].isoformat(), "ended_at": instants[-1].isoformat()}
    found = (("reads", "things", things), ("units", "units", units))
    return span | {name: ones for name, subject, ones in found if ones or subject in empty}


def _instant(text: str) -> datetime:
    try:
        at = datetime.fromisoformat(text)
    except ValueError as error:
        raise AskError(f"{text!r} is no instant; write it as 2026-03-01T18:00+07:00") from error
    if at.tzinfo is None:
        raise AskError(f"{text!r} says no offset; write it as 2026-03-01T18:00+07:00")
    return at


@reads(app, "show")
def show(code: CodeArgument) -> Ask:
    """One count: who counted, and once it is closed, what differs."""
    return Ask("get_count", {"code": code})


@changes(app, "close")
def close(
    code: CodeArgument,
    *,
    partial: Annotated[bool, typer.Option("--partial", help="Leave alone the zones that nobody counted.")] = False,
) -> Ask:
    """End the counting and show what differs."""
    return Ask("change_count", {"code": code}, {"event": "close", "partial": partial}, OUTCOME)


@reads(app, "accuracy")
def accuracy(
    by: Annotated[str, typer.Option(help="Told apart by what: site, zone, sku or class.")] = "site",
    site: SiteOption = None,
    since: Annotated[str | None, typer.Option(help="Counts approved since, as 2026-03-01T18:00+07:00.")] = None,
    limit: LimitOption = DEFAULT_LIMIT,
) -> Ask:
    """How well the ledger agreed with what was counted, in lines, units and value."""
    return Ask("count_accuracy", {"by": by, "site": site, "since": since, "limit": limit})


@reads(app, "offenders")
def offenders(site: SiteOption = None, limit: LimitOption = DEFAULT_LIMIT) -> Ask:
    """SKUs in zones that keep differing."""
    return Ask("count_offenders", {"site": site, "limit": limit})


happens(app, "change_count", EVENTS, CodeArgument, HEAD)
