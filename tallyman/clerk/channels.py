"""Channels at a terminal: who sells, and what each may still promise."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Final

import typer

from tallyman.clerk.ask import Ask, changes, reads
from tallyman.clerk.files import is_json, read_csv, read_json

app = typer.Typer(help="Sales channels, and what each may promise.", no_args_is_help=True)

RULE_COLUMNS: Final = ("sku", "site", "sells", "buffer", "protected")
"""Of a CSV file of rules."""

CodeArgument = Annotated[str, typer.Argument(help="The channel's code.")]


@reads(app, "list")
def list_channels() -> Ask:
    """Every channel."""
    return Ask("list_channels")


@reads(app, "show")
def show(code: CodeArgument) -> Ask:
    """One channel with its rules."""
    return Ask("get_channel", {"code": code})


@reads(app, "available")
def available(
    code: CodeArgument,
    sku: Annotated[str, typer.Argument(help="Of what.")],
    region: Annotated[str | None, typer.Option(help="Only at the sites of this region.")] = None,
) -> Ask:
    """What a channel may still promise of a SKU, in all and by site."""
    return Ask("get_available", {"code": code, "sku": sku, "region": region})


@changes(app, "define")
def define(
    code: CodeArgument,
    kind: Annotated[str, typer.Option(help="website, marketplace, social, store or wholesale.")],
    name: Annotated[str, typer.Option(help="What people call it.")] = "",
    priority: Annotated[int, typer.Option(help="Back-orders of the lowest are filled first.")] = 100,
    *,
    closed: Annotated[bool, typer.Option("--closed", help="It sells nothing.")] = False,
) -> Ask:
    """Define a channel, or change it."""
    body = {"code": code, "kind": kind, "name": name, "priority": priority, "open": not closed}
    return Ask("put_channel", body=body)


@changes(app, "rules")
def rules(
    code: CodeArgument,
    file: Annotated[
        Path,
        typer.Argument(exists=True, dir_okay=False, help="CSV: sku, site, sells, buffer, protected; or JSON."),
    ],
) -> Ask:
    """Give a channel new rules in place of those it had; an empty sku or site means all of them."""
    body = read_json(file) if is_json(file) else {"rules": read_csv(file, (), RULE_COLUMNS)}
    return Ask("put_channel_rules", {"code": code}, body)
