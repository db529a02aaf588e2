"""Departures at a terminal: what left while no document at the door explained it, and what it was."""

from __future__ import annotations

from typing import Annotated, Final

import typer

from tallyman.clerk.ask import DEFAULT_LIMIT, Ask, LimitOption, SiteOption, changes, reads

app = typer.Typer(help="What left without a document.", no_args_is_help=True)

EVER: Final = ("1970-01-01T00:00:00Z", "9999-12-31T00:00:00Z")
"""A span of time that holds every departure."""


@reads(app, "list")
def list_departures(
    site: SiteOption = None,
    portal: Annotated[str | None, typer.Option(help="One door's code.")] = None,
    limit: LimitOption = DEFAULT_LIMIT,
) -> Ask:
    """Things that left and that nobody has explained yet, newest first."""
    return Ask("list_departures", {"site": site, "portal": portal, "limit": limit})


@changes(app, "settle")
def settle(
    site: Annotated[str, typer.Argument(help="The site's code.")],
    portal: Annotated[str, typer.Argument(help="The door's code.")],
    document: Annotated[str | None, typer.Option(help="They went with this shipment or transfer.")] = None,
    zone: Annotated[str | None, typer.Option(help="They never left: they are in this zone.")] = None,
    first_at: Annotated[str, typer.Option(help="Only what left then or later.")] = EVER[0],
    last_at: Annotated[str, typer.Option(help="Only what left then or earlier.")] = EVER[1],
    *,
    lost: Annotated[bool, typer.Option("--lost", help="They are written off.")] = False,
) -> Ask:
    """Say what it was that left by a door: all that waits there, or what left within a span of time."""
    what = {"document": document, "zone": zone, "lost": lost}
    span = {"first_at": first_at, "last_at": last_at}
    return Ask("settle_departures", body={"site": site, "portal": portal, **span, **what})
