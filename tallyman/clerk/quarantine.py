"""The quarantine at a terminal: what was set aside and why, and sending it through again."""

from __future__ import annotations

from typing import Annotated

import typer

from tallyman.clerk.ask import DEFAULT_LIMIT, Ask, LimitOption, changes, reads

app = typer.Typer(help="Events that could not be used.", no_args_is_help=True)


@reads(app, "list")
def causes() -> Ask:
    """Why events were set aside, the most frequent cause first: one mend settles all of it."""
    return Ask("get_quarantine", {"limit": 1}, columns="causes")


@reads(app, "show")
def show(cause: Annotated[str, typer.Argument(help="As `list` names it.")], limit: LimitOption = DEFAULT_LIMIT) -> Ask:
    """The events of one cause, newest first."""
    columns = "recorded_at site gateway seq reason state event"
    return Ask("get_quarantine", {"cause": cause, "limit": limit}, columns=columns)


@changes(app, "replay")
def replay(cause: Annotated[str, typer.Argument(help="As `list` names it; mend it first.")]) -> Ask:
    """Send the events of one cause through again."""
    return Ask("replay_quarantine", body={"cause": cause})
