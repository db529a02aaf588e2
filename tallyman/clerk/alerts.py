"""Alerts at a terminal: what somebody should look at."""

from __future__ import annotations

from typing import Annotated

import typer

from tallyman.clerk.ask import DEFAULT_LIMIT, Ask, LimitOption, reads

app = typer.Typer(help="What somebody should look at.", no_args_is_help=True)


@reads(app, "list")
def list_alerts(
    limit: LimitOption = DEFAULT_LIMIT,
    *,
    past: Annotated[bool, typer.Option("--past", help="Those that are over, too.")] = False,
) -> Ask:
    """Alerts that stand, newest first."""
    columns = "raised_at kind site about" + (" cleared_at" if past else "")
    return Ask("list_alerts", {"standing": None if past else True, "limit": limit}, columns=columns)
