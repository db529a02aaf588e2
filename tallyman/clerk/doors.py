"""Doors at a terminal: which document stands open where."""

from __future__ import annotations

from typing import Annotated

import typer

from tallyman.clerk.ask import DEFAULT_LIMIT, Ask, LimitOption, SiteOption, changes, reads

app = typer.Typer(help="Doors, and the document that stands open at each.", no_args_is_help=True)

SiteArgument = Annotated[str, typer.Argument(help="The site's code.")]
PortalArgument = Annotated[str, typer.Argument(help="The door's code.")]


@reads(app, "list")
def list_doors(site: SiteOption = None, limit: LimitOption = DEFAULT_LIMIT) -> Ask:
    """Doors by site and code."""
    return Ask("list_doors", {"site": site, "limit": limit})


@changes(app, "open")
def open_door(
    site: SiteArgument, portal: PortalArgument, document: Annotated[str, typer.Argument(help="Its code.")]
) -> Ask:
    """Let a document stand open at a door: it decides what crossings there mean."""
    return Ask("put_door", {"site": site, "portal": portal}, {"document": document})


@changes(app, "close")
def close_door(site: SiteArgument, portal: PortalArgument) -> Ask:
    """Let nothing stand open at a door any more."""
    return Ask("put_door", {"site": site, "portal": portal}, {"document": None})
