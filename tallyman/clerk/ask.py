"""What a command asks of a route of the backend, and how a function becomes such a command.

    @reads(app, "list")
    def list_things(site: SiteOption = None) -> Ask:
        "Things, newest first."
        return Ask("list_things", {"site": site})

Every command takes --json and --database-url; one that changes something also who says so, in which role, and a key
under which it is done once (--actor, --role, --key).
"""

from __future__ import annotations

import getpass
import inspect
from collections.abc import Callable, Mapping
from typing import Annotated, Any, Final, NamedTuple
from uuid import uuid4

import typer

from tallyman.errors import AskError
from tallyman.program import DatabaseOption, required, room, run

DEFAULT_LIMIT: Final = 50
"""Rows that fit a terminal with some scrolling; --limit asks for more."""

LimitOption = Annotated[int, typer.Option("--limit", help="Rows at most.")]
SiteOption = Annotated[str | None, typer.Option("--site", help="One site; all without.")]
JsonOption = Annotated[bool, typer.Option("--json", help="What the API answers, for machines.")]
ActorOption = Annotated[
    str | None, typer.Option("--actor", envvar="TALLYMAN_ACTOR", help="Whose word it is; your login name without.")
]
RoleOption = Annotated[str, typer.Option("--role", envvar="TALLYMAN_ROLE", help="In which role.")]
KeyOption = Annotated[
    str | None, typer.Option("--key", help="Said again with the same key, nothing is done a second time.")
]


class Ask(NamedTuple):
    """A route's operation and what it takes. What is None in `params` is not asked for; in `body` it is a null.

    `columns`: those of a list's rows that a person is shown, or the members of a single answer; all of them without.
    `says_now`: the body holds the instant at which it was typed.
    """

    operation: str
    params: Mapping[str, object] = {}
    body: Mapping[str, object] | None = None
    columns: str = ""
    says_now: bool = False


class Who(NamedTuple):
    """Whose word a change is, in which role, and the key under which it is done once."""

    actor: str
    role: str
    key: str


READER: Final = Who("reader", "operator", "")
"""Whoever only looks leaves no word behind."""

Command = Callable[..., Ask]


def reads(app: typer.Typer, name: str) -> Callable[[Command], Command]:
    """The function below is a command that shows something."""
    return lambda command: _add(app, name, command, _show)


def changes(app: typer.Typer, name: str) -> Callable[[Command], Command]:
    """The function below is a command that changes something."""
    return lambda command: _add(app, name, command, _change)


def happens(app: typer.Typer, operation: str, events: Mapping[str, str], argument: Any, columns: str) -> None:
    """A command for each of these events, with what it means, that lets it happen to what the one `argument` names."""
    for event, meaning in events.items():
        _add_event(app, operation, event, meaning, argument, columns)


def _add_event(app: typer.Typer, operation: str, event: str, meaning: str, argument: Any, columns: str) -> None:
    def change(code: str) -> Ask:
        return Ask(operation, {"code": code}, {"event": event}, columns)

    change.__annotations__["code"] = argument
    change.__doc__ = meaning
    changes(app, event)(change)


def _show(ask: Ask, *, as_json: JsonOption = False, database_url: DatabaseOption = None) -> None:
    counter = room("tallyman.clerk.counter")
    run(lambda _stop: counter.serve(required(database_url), ask, READER, as_json=as_json))


def _change(
    ask: Ask,
    *,
    actor: ActorOption = None,
    role: RoleOption = "operator",
    key: KeyOption = None,
    as_json: JsonOption = False,
    database_url: DatabaseOption = None,
) -> None:
    if key is not None and ask.says_now:
        raise AskError("--key: said again it would be of another instant: give --at as well")
    counter = room("tallyman.clerk.counter")
    who = Who(actor or _login(), role, key or str(uuid4()))
    run(lambda _stop: counter.serve(required(database_url), ask, who, as_json=as_json))


def _login() -> str:
    try:
        return getpass.getuser()
    except (ImportError, KeyError, OSError) as error:  # which one, differs between versions of Python
        raise AskError("nobody is logged in by a name here: give --actor, or set TALLYMAN_ACTOR") from error


def _add(app: typer.Typer, name: str, command: Command, ask_it: Callable[..., None]) -> Command:
    """Make a command of the options of `command` and those that everybody takes."""
    own = inspect.signature(command, eval_str=True)
    everybodys = list(inspect.signature(ask_it, eval_str=True).parameters.values())[1:]

    def said(**given: Any) -> None:
        ask = command(**{name: given.pop(name) for name in own.parameters})
        ask_it(ask, **given)

    said.__doc__ = command.__doc__
    said.__signature__ = inspect.Signature([*own.parameters.values(), *everybodys])  # type: ignore[attr-defined]
    app.command(name)(said)
    return command
