"""Receipts, shipments, transfers and returns at a terminal."""

from __future__ import annotations

from typing import Annotated, Final

import typer

from tallyman.clerk.ask import DEFAULT_LIMIT, Ask, LimitOption, SiteOption, changes, happens, reads
from tallyman.clerk.files import FileOption, LineOption, body_of

app = typer.Typer(help="Receipts, shipments, transfers and returns.", no_args_is_help=True)

CodeArgument = Annotated[str, typer.Argument(help="The document's code.")]

EVENTS: Final = {
    "approve": "Agree to a transfer that was requested.",
    "allocate": "Promise a transfer its goods at the source.",
    "send": "Say that a transfer has left, and nothing more follows.",
    "receive": "Say that a transfer has come.",
    "close": "End a document; what is missing of a transfer is told.",
    "cancel": "Take a document back before anything has moved.",
}

HEAD: Final = "code kind status site to_site order party promised_at changed_at"


@reads(app, "list")
def list_documents(
    kind: Annotated[str | None, typer.Option(help="receipt, shipment, transfer or return.")] = None,
    status: Annotated[str | None, typer.Option(help="open, requested, in_transit, closed …")] = None,
    site: SiteOption = None,
    limit: LimitOption = DEFAULT_LIMIT,
) -> Ask:
    """Documents, newest first."""
    return Ask("list_documents", {"kind": kind, "status": status, "site": site, "limit": limit}, columns=HEAD)


@reads(app, "show")
def show(code: CodeArgument) -> Ask:
    """One document: what was expected of it and what crossed under it, to the tag."""
    return Ask("get_document", {"code": code})


@changes(app, "make")
def make(
    kind: Annotated[str | None, typer.Argument(help="receipt, shipment, transfer or return.")] = None,
    code: Annotated[str | None, typer.Argument(help="Its name, one in the whole house.")] = None,
    site: Annotated[str | None, typer.Option(help="Where its goods cross the first door.")] = None,
    to_site: Annotated[str | None, typer.Option(help="Where a transfer goes.")] = None,
    order: Annotated[str | None, typer.Option(help="The order that a shipment serves.")] = None,
    party: Annotated[str | None, typer.Option(help="Supplier, carrier or customer.")] = None,
    promised_at: Annotated[str | None, typer.Option(help="When it should come, as 2026-03-01T18:00+07:00.")] = None,
    line: LineOption = None,
    file: FileOption = None,
) -> Ask:
    """Make a document; lines in a CSV file are sku, quantity and, where wanted, lot."""
    words = {
        "kind": kind,
        "code": code,
        "site": site,
        "to_site": to_site,
        "order": order,
        "party": party,
        "promised_at": promised_at,
    }
    return Ask("make_document", body=body_of(words, line, file, ("lot",)), columns=f"{HEAD} lines")


@changes(app, "write-off")
def write_off(code: CodeArgument, reason: Annotated[str, typer.Option(help="Why it is given up.")]) -> Ask:
    """Give up what a closed transfer lost."""
    return Ask("write_off_lost", {"code": code}, {"reason": reason})


@changes(app, "accept-surplus")
def accept_surplus(code: CodeArgument, reason: Annotated[str, typer.Option(help="Why it is taken.")]) -> Ask:
    """Take what came beyond what a document expected: its alert ends."""
    return Ask("accept_surplus", {"code": code}, {"reason": reason})


happens(app, "change_document", EVENTS, CodeArgument, f"{HEAD} lines")
