"""Orders at a terminal: reserve, confirm, see where to pick, pack, cancel."""

from __future__ import annotations

from typing import Annotated, Final

import typer

from tallyman.clerk.ask import DEFAULT_LIMIT, Ask, LimitOption, changes, happens, reads
from tallyman.clerk.files import FileOption, LineOption, body_of

app = typer.Typer(help="Orders: what is promised to whom.", no_args_is_help=True)

CodeArgument = Annotated[str, typer.Argument(help="The order's code.")]

EVENTS: Final = {
    "confirm": "Keep what was reserved, without a time limit.",
    "pack": "Say that what was picked is packed.",
    "cancel": "End an order; what it was promised is free again.",
}


@reads(app, "list")
def list_orders(
    status: Annotated[str | None, typer.Option(help="reserved, confirmed, picking, packed, shipped …")] = None,
    channel: Annotated[str | None, typer.Option(help="One channel's.")] = None,
    limit: LimitOption = DEFAULT_LIMIT,
) -> Ask:
    """Orders, newest first."""
    return Ask("list_orders", {"status": status, "channel": channel, "limit": limit})


@reads(app, "show")
def show(code: CodeArgument) -> Ask:
    """One order: what it was promised and what became of it."""
    return Ask("get_order", {"code": code})


@reads(app, "picks")
def picks(code: CodeArgument) -> Ask:
    """Where to pick what an order was promised."""
    return Ask("list_picks", {"code": code})


@changes(app, "reserve")
def reserve(
    code: Annotated[str | None, typer.Argument(help="Your own name for it.")] = None,
    channel: Annotated[str | None, typer.Option(help="Which channel sells.")] = None,
    line: LineOption = None,
    file: FileOption = None,
    region: Annotated[str | None, typer.Option(help="Where it goes: decides which site is the cheapest.")] = None,
    site: Annotated[list[str] | None, typer.Option(help="Only these sites may serve it; once for each.")] = None,
    most_sites: Annotated[int | None, typer.Option(help="Into how many parcels it may be split.")] = None,
    hold_s: Annotated[float | None, typer.Option(help="Seconds until it must be confirmed.")] = None,
    *,
    backorder: Annotated[bool, typer.Option("--backorder", help="Let wait for stock what is not there.")] = False,
    confirmed: Annotated[bool, typer.Option("--confirmed", help="Confirm it at once.")] = False,
) -> Ask:
    """Reserve stock for an order; lines in a CSV file are sku, quantity and, where wanted, least_days."""
    words = {
        "code": code,
        "channel": channel,
        "region": region,
        "sites": site or None,
        "most_sites": most_sites,
        "hold_s": hold_s,
        "backorder": backorder or None,
    }
    body = body_of(words, line, file, ("least_days",))
    return Ask("reserve_order", body=body | ({"hold_s": None} if confirmed else {}))


happens(app, "change_order", EVENTS, CodeArgument, "code status changed_at")
