"""Asks a route of the backend within this process: what the HTTP server does with a request, without a server.

The route's own models check what was typed, a change and its answer are one transaction under its key, and what stands
in the way is told in the API's words. Whoever can open the database may do everything.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping
from typing import Any, Final

import typer
from pydantic import BaseModel, ValidationError

from backend.api import problems
from backend.api.guard import EVERYTHING
from backend.api.idempotency import Answer, KeyStore
from backend.api.permissions import Principal
from backend.api.problems import KINDS, ProblemError
from backend.api.routing import JSON, Call, Route
from backend.app import all_routes
from backend.ingest.service import IngestService
from backend.orders.granter import Granter
from backend.store.database import UNAVAILABLE, Database
from tallyman.clerk.ask import Ask, Who
from tallyman.clerk.table import shown
from wire.clock import Clock, SystemClock

logger = logging.getLogger(__name__)

MENDS: Final[Mapping[str, str]] = {
    "invalid-request": "mend it and say it again",
    "not-found": "nothing was changed; `list`, and `tallyman export` for the catalog, show what there is",
    "wrong-state": "nothing was changed; `show` tells how it stands",
    "not-available": "nothing was changed; ask for less, let it wait (orders: --backorder), or come again later",
    "code-taken": "take another code",
    "key-reused": "use a fresh --key for each change, or none",
    "refused": "nothing was changed",
    "unavailable": "say it again in a moment; with the same --key, if one was given, nothing is done twice",
}
"""What to do at a terminal, where the API's own words speak of headers and paths."""


async def serve(database_url: str, ask: Ask, who: Who, *, as_json: bool) -> int:
    """Ask and print: 0 with the answer, 1 when it is refused, with the reason, 2 when it cannot be asked so."""
    async with Database.open(database_url) as database:
        return await answer(database, SystemClock(), ask, who, as_json=as_json)


async def answer(database: Database, clock: Clock, ask: Ask, who: Who, *, as_json: bool) -> int:
    """What `serve` does, on an open database."""
    try:
        told = await put(database, clock, ask, who)
    except ProblemError as error:
        _tell(error, as_json=as_json)
        return 2 if error.kind == "invalid-request" else 1
    except UNAVAILABLE as error:
        logger.info("not served: %s", error)
        _tell(
            ProblemError("unavailable", "the database does not answer, or another change stood in the way"),
            as_json=as_json,
        )
        return 1
    if as_json:
        typer.echo(told)
        return 0
    document = json.loads(told)
    columns = ask.columns.split()
    for line in shown(document, columns):
        typer.echo(line)
    if document.get("next") and not document.keys() & set(columns):
        typer.echo("there are more: ask for more with --limit, or for one site, kind or status", err=True)
    return 0


async def put(database: Database, clock: Clock, ask: Ask, who: Who) -> str:
    """The route's answer as JSON. Raises ProblemError for whatever stands in its way."""
    granter = Granter(database, clock)
    routes = {route.operation: route for route in all_routes(IngestService(database, clock), granter)}
    route = routes[ask.operation]
    params, body = _params(route, ask), _body(route, ask)
    given = {name: value for name, value in (("params", params), ("body", body)) if value is not None}
    principal = Principal(who.actor, who.role, EVERYTHING)
    if route.method == "GET":
        return _text(await route.handler(Call(principal, database, clock), **given))
    said = [part.model_dump_json() for part in (params, body) if part is not None]
    digest = KeyStore.digest(route.method, route.path, JSON, *said)

    async def work(database: Database) -> Answer:
        return Answer(200, _text(await route.handler(Call(principal, database, clock, who.key, digest), **given)))

    if not route.grouped:
        return (await KeyStore(database, clock).once(who.actor, who.key, digest, work)).body
    async with granter.running():
        return (await work(database)).body


def _text(told: BaseModel | Answer | str) -> str:
    if isinstance(told, BaseModel):
        return told.model_dump_json()
    return told.body if isinstance(told, Answer) else told


def _params(route: Route, ask: Ask) -> BaseModel | None:
    given = {name: value for name, value in ask.params.items() if value is not None}
    return None if route.params is None else _checked(route.params, given)


def _body(route: Route, ask: Ask) -> BaseModel | None:
    if ask.body is None:
        return None
    assert isinstance(route.body, type)
    assert issubclass(route.body, BaseModel)
    return _checked(route.body, ask.body)


def _checked(model: type[BaseModel], given: Mapping[str, object]) -> BaseModel:
    try:
        return model.model_validate_json(json.dumps(given), extra="forbid")
    except ValidationError as error:
        raise problems.invalid(error) from error


def _tell(error: ProblemError, *, as_json: bool) -> None:
    """Say what is wrong, where, and what to do."""
    if as_json:
        typer.echo(json.dumps(error.document(), ensure_ascii=False, default=str), err=True)
        return
    typer.echo(f"tallyman: {error.detail}", err=True)
    faults: list[dict[str, Any]] = [] if error.kind == "invalid-request" else error.members.get("errors", [])
    for fault in faults:
        typer.echo("  " + ", ".join(f"{name} {value}" for name, value in fault.items()), err=True)
    typer.echo(f"  {MENDS.get(error.kind, KINDS[error.kind].mend)}", err=True)
