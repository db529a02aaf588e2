"""What happened to stock, at a terminal: a SKU's card, one thing's past, and taking back what was wrong."""

from __future__ import annotations

from typing import Annotated

import typer

from tallyman.clerk.ask import DEFAULT_LIMIT, Ask, LimitOption, changes, reads

app = typer.Typer(help="What changed stock, and taking it back.", no_args_is_help=True)

EpcArgument = Annotated[str, typer.Argument(help="Its tag's memory, as hex.")]
ReasonOption = Annotated[str, typer.Option("--reason", help="Why it was wrong.")]


@reads(app, "card")
def card(
    site: Annotated[str, typer.Argument(help="The site's code.")],
    sku: Annotated[str, typer.Argument(help="Of what.")],
    zone: Annotated[str | None, typer.Option(help="Only this zone; moves inside the site count then.")] = None,
    lot: Annotated[str | None, typer.Option(help="Only this lot.")] = None,
    limit: LimitOption = DEFAULT_LIMIT,
) -> Ask:
    """Everything that changed a SKU's stock at a site, and how much there was after it, newest first."""
    columns = "posting_id observed_at delta units from_place to_place lot reason document actor reverses_id"
    return Ask("get_stock_card", {"site": site, "sku": sku, "zone": zone, "lot": lot, "limit": limit}, columns=columns)


@reads(app, "item")
def item(epc: EpcArgument) -> Ask:
    """Where one thing is, and what it is."""
    return Ask("get_item", {"epc": epc.upper()})


@reads(app, "of")
def history(epc: EpcArgument, limit: LimitOption = DEFAULT_LIMIT) -> Ask:
    """What was seen of one thing and what it changed, newest first."""
    columns = "observed_at entry what site zone portal direction from_zone to_zone quantity document actor id"
    return Ask("get_item_history", {"epc": epc.upper(), "limit": limit}, columns=columns)


@changes(app, "reverse-posting")
def reverse_posting(
    posting: Annotated[int, typer.Argument(help="Its number, from the card.")], reason: ReasonOption
) -> Ask:
    """Take a posting back."""
    return Ask("reverse_posting", {"posting_id": posting}, {"reason": reason})


@changes(app, "reverse-scan")
def reverse_scan(
    device: Annotated[str, typer.Argument(help="Which handheld or scanner.")],
    scan: Annotated[str, typer.Argument(help="The id that it gave the scan.")],
    reason: ReasonOption,
) -> Ask:
    """Take a scan back."""
    return Ask("reverse_scan", {"device": device, "scan_id": scan}, {"reason": reason})
