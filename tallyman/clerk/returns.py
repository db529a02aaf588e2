"""Returns and damage at a terminal: authorise, see what waits, inspect."""

from __future__ import annotations

from typing import Annotated

import typer

from tallyman.clerk.ask import DEFAULT_LIMIT, Ask, LimitOption, SiteOption, changes, reads
from tallyman.clerk.documents import HEAD
from tallyman.clerk.files import FileOption, LineOption, body_of

app = typer.Typer(help="Goods that come back or broke.", no_args_is_help=True)


@changes(app, "authorise")
def authorise(
    code: Annotated[str | None, typer.Argument(help="The return's name, one in the whole house.")] = None,
    site: Annotated[str | None, typer.Option(help="Where they come back to.")] = None,
    party: Annotated[str | None, typer.Option(help="Who sends them.")] = None,
    line: LineOption = None,
    file: FileOption = None,
) -> Ask:
    """Expect goods back: makes a document of the kind return, to stand open at a door or to be named by scans."""
    words = {"kind": "return", "code": code, "site": site, "party": party}
    return Ask("make_document", body=body_of(words, line, file, ("lot",)), columns=f"{HEAD} lines")


@reads(app, "waiting")
def waiting(
    site: SiteOption = None,
    condition: Annotated[str, typer.Option(help="returned, damaged, quarantined or refurbishing.")] = "returned",
    limit: LimitOption = DEFAULT_LIMIT,
) -> Ask:
    """Where goods lie that wait for somebody to look at them."""
    params = {"site": site, "condition": condition, "limit": limit}
    return Ask("get_stock", params, columns="site zone sku lot expires_on condition units")


@changes(app, "inspect")
def inspect(
    disposition: Annotated[str, typer.Argument(help="resell, refurbish, quarantine, scrap or vendor.")],
    site: Annotated[str, typer.Option(help="Where they are.")],
    reason: Annotated[str, typer.Option(help="What was seen.")],
    epc: Annotated[str | None, typer.Option(help="One thing, by its tag; or units by zone and SKU.")] = None,
    zone: Annotated[str | None, typer.Option(help="Where the units lie.")] = None,
    sku: Annotated[str | None, typer.Option(help="What they are.")] = None,
    lot: Annotated[str | None, typer.Option(help="Of which lot.")] = None,
    condition: Annotated[str | None, typer.Option(help="As what they lie there; returned without.")] = None,
    quantity: Annotated[int | None, typer.Option(help="How many units; 1 without.")] = None,
    to_zone: Annotated[str | None, typer.Option(help="Where they are put, if anywhere else.")] = None,
    photo: Annotated[str | None, typer.Option(help="Where a picture lies.")] = None,
) -> Ask:
    """Decide what becomes of one thing, or of units that are all alike."""
    words = {
        "disposition": disposition,
        "site": site,
        "reason": reason,
        "epc": epc and epc.upper(),
        "zone": zone,
        "sku": sku,
        "lot": lot,
        "condition": condition,
        "quantity": quantity,
        "to_zone": to_zone,
        "photo": photo,
    }
    return Ask("inspect", body={name: value for name, value in words.items() if value is not None})


@reads(app, "list")
def list_inspections(site: SiteOption = None, limit: LimitOption = DEFAULT_LIMIT) -> Ask:
    """What was found broken, and what was decided, newest first."""
    columns = "inspection_id inspected_at site sku lot epc quantity condition disposition reason photo actor reversed"
    return Ask("list_inspections", {"site": site, "limit": limit}, columns=columns)
