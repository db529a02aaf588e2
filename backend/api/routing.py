"""A route as data: what it is called, what it takes and gives, and the permission it needs.

The same table makes the HTTP server (`mount`) and the OpenAPI document (`openapi.py`), so neither can say what the
other does not do. A capability writes its table as the functions that answer:

    ROUTES = Routes()

    @ROUTES.get("/api/v1/things/{name}", Permission.THINGS_READ, "One thing", "not-found")
    async def get_thing(call: Call, params: ThingName) -> Thing: ...

The function's name is the operation's; its annotations say what it takes and gives. `params`: a model of the path and
query parameters, where a field named in the path comes from there. `body`: a model of the JSON, or `str` for a CSV file
handed over as text. A GET that returns `str` answers a CSV file. Whatever changes anything is a POST, and every POST
needs an Idempotency-Key. A handler gets all of this checked; what stands in the way it raises as ProblemError.

    request ── guard: who, may they ── parameters ── body ── idempotency (POST) ── handler ── model ── ETag (GET)
"""

from __future__ import annotations

import logging
import re
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Final, Literal, TypeVar, get_args, get_type_hints

from aiohttp import web
from asyncpg import DeadlockDetectedError
from pydantic import BaseModel, ValidationError

from backend.api import etag, guard, problems
from backend.api.idempotency import Answer, KeyStore, require_key
from backend.api.permissions import Permission, Principal
from backend.api.problems import ProblemError
from backend.api.storable import require_text
from backend.errors import StoreUnavailableError
from backend.store.database import UNAVAILABLE, Database
from backend.store.reads import Reads
from wire.clock import Clock

logger = logging.getLogger(__name__)

MAX_BODY_BYTES: Final = 32 << 20
"""A file of opening stock with 300,000 rows of 100 bytes; larger ones are sent in parts."""

JSON: Final = "application/json"
CSV: Final = "text/csv"

KEYS: Final = web.AppKey("keys", KeyStore)

READS: Final = web.AppKey("reads", Reads)
"""Only where a replica answers what is read."""

LSN_HEADER: Final = "Tallyman-LSN"
"""Of a POST's answer: what it wrote lies before this place of the log. A GET that sends it back sees what it wrote."""

_LSN: Final = re.compile(r"^[0-9A-F]{1,8}/[0-9A-F]{1,8}$")


@dataclass(frozen=True, slots=True)
class Desk:
    """What every handler works with. `replica`: the primary itself, where there is none."""

    database: Database
    replica: Database
    clock: Clock


DESK: Final = web.AppKey("desk", Desk)


@dataclass(frozen=True, slots=True)
class Call:
    """Who asks, and what answers.

    A POST gets a database whose one transaction also keeps its answer: what it changes, it changes there. A grouped one
    gets the primary, and its key to keep its answer under; a GET the database that its route reads from.
    """

    principal: Principal
    database: Database
    clock: Clock
    key: str = ""
    digest: bytes = b""
    if_match: str | None = None

    @property
    def actor(self) -> str:
        """Whose word it is."""
        return self.principal.actor

    @property
    def who(self) -> tuple[str, str]:
        """Whose word it is, and in which role."""
        return self.principal.actor, self.principal.role


Handler = Callable[..., Awaitable[BaseModel | Answer | str]]
"""Takes a Call, and the route's `params` and `body` by name where it has any."""

H = TypeVar("H", bound=Handler)


@dataclass(frozen=True, slots=True)
class Route:
    """One operation of the API.

    `problems` are the kinds (problems.KINDS) it may answer beyond those that any route may. A `primary` GET reads what
    is committed now, never from a replica. A `grouped` POST shares its transaction with other requests and keeps its
    answer under its key itself. `max_age_s`: so long a GET's answer may be shown again without asking, where a replica
    gives it and the caller does not say what it has written.
    """

    method: Literal["GET", "POST"]
    path: str
    operation: str
    summary: str
    permission: Permission
    answer: type[BaseModel | str]
    handler: Handler
    params: type[BaseModel] | None = None
    body: type[BaseModel | str] | None = None
    problems: tuple[str, ...] = ()
    primary: bool = False
    grouped: bool = False
    max_age_s: int = 0
    path_names: frozenset[str] = field(init=False)

    def __post_init__(self) -> None:
        names = frozenset(part[1:-1] for part in self.path.split("/") if part.startswith("{"))
        object.__setattr__(self, "path_names", names)

    @property
    def is_guarded(self) -> bool:
        """Whether its handler holds If-Match against what it changes."""
        return "changed-meanwhile" in self.problems


class Routes(list[Route]):
    """A table of routes, in the order in which they were written down. `more` says what annotations cannot: `primary`,
    `max_age_s`, `grouped`, and for handlers made in a loop their `operation`, `params`, `body` and `answer`."""

    def get(self, path: str, permission: Permission, summary: str, *problems: str, **more: Any) -> Callable[[H], H]:
        """The function below reads."""
        return self._add("GET", path, permission, summary, problems, more)

    def post(self, path: str, permission: Permission, summary: str, *problems: str, **more: Any) -> Callable[[H], H]:
        """The function below changes something."""
        return self._add("POST", path, permission, summary, problems, more)

    def _add(
        self,
        method: Literal["GET", "POST"],
        path: str,
        permission: Permission,
        summary: str,
        problems: tuple[str, ...],
        more: dict[str, Any],
    ) -> Callable[[H], H]:
        def add(handler: H) -> H:
            hints = get_type_hints(handler)
            gives = hints["return"]
            told = {
                "summary": summary,
                "permission": permission,
                "problems": problems,
                "operation": handler.__name__,
                "params": hints.get("params"),
                "body": hints.get("body"),
                "answer": next((one for one in get_args(gives) if one is not Answer), gives),
            }
            self.append(Route(method, path, handler=handler, **told | more))
            return handler

        return add


def mount(app: web.Application, routes: Iterable[Route]) -> None:
    """Serve the routes. The application must hold a KeyStore at KEYS, a Desk at DESK and a Guard at guard.GUARD."""
    for route in routes:
        app.router.add_route(route.method, route.path, _serve(route))


def _serve(route: Route) -> Callable[[web.Request], Awaitable[web.Response]]:
    async def serve(request: web.Request) -> web.Response:
        principal = guard.require(request, route.permission)
        desk = request.app[DESK]
        given: dict[str, Any] = {}
        params = _params(route, request)
        if params is not None:
            given["params"] = params
        if route.method == "GET":
            call = Call(principal, desk.database if route.primary else desk.replica, desk.clock)
            model = await _read(route, request, partial(route.handler, call, **given))
            if isinstance(model, str):
                return etag.respond(request, model.encode(), CSV)
            return _shown(route, request, model)
        if_match = request.headers.get("If-Match")
        if if_match is not None and not route.is_guarded:
            raise ProblemError("invalid-request", "If-Match: nothing is guarded here, so send none")
        raw = await request.read()
        key = request.headers.get("Idempotency-Key")
        digest = KeyStore.digest(route.method, request.path_qs, request.content_type, raw)
        body = _body(route, request, raw)
        if body is not None:
            given["body"] = body

        async def work(database: Database) -> Answer:
            call = Call(principal, database, desk.clock, key or "", digest, if_match)
            answer = await route.handler(call, **given)
            assert not isinstance(answer, str)
            return answer if isinstance(answer, Answer) else Answer(200, answer.model_dump_json())

        if route.grouped:
            require_key(key)
            answer = await work(desk.database)
        else:
            answer = await request.app[KEYS].once(principal.actor, key, digest, work)
        response = web.Response(text=answer.body, status=answer.status, content_type=JSON)
        if READS in request.app:
            response.headers[LSN_HEADER] = await request.app[READS].written()
        return response

    return serve


def _shown(route: Route, request: web.Request, model: BaseModel) -> web.Response:
    """What a GET answers. Where a replica does, whoever names what it has written is answered anew, by all caches too;
    without one everybody is, as nobody is told where its writing ended."""
    body = model.model_dump_json().encode()
    if READS not in request.app:
        return etag.respond(request, body)
    response = etag.respond(request, body, max_age_s=0 if LSN_HEADER in request.headers else route.max_age_s)
    response.headers["Vary"] = LSN_HEADER
    return response


async def _read(
    route: Route, request: web.Request, read: Callable[[], Awaitable[BaseModel | Answer | str]]
) -> BaseModel | str:
    """What a GET answers: from a replica that has what the caller has written, or else from the primary (reads.py)."""
    lsn = request.headers.get(LSN_HEADER)
    if lsn is not None and not _LSN.match(lsn):
        raise ProblemError("invalid-request", f"{LSN_HEADER}: {lsn!r} is not what an answer carried")
    from_replica = READS in request.app and not route.primary
    model = await (request.app[READS].answer(lsn, read) if from_replica else read())
    assert isinstance(model, BaseModel | str)
    return model


def _params(route: Route, request: web.Request) -> BaseModel | None:
    given: dict[str, Any] = dict(request.match_info)
    for name in request.query:
        values = request.query.getall(name)
        if name in given or len(values) > 1:
            raise ProblemError(
                "invalid-request", f"{name}: given twice", errors=[{"where": name, "what": "given twice"}]
            )
        given[name] = values[0]
    for name, value in given.items():
        try:
            require_text(value)
        except ValueError as error:
            what = str(error)
            raise ProblemError("invalid-request", f"{name}: {what}", errors=[{"where": name, "what": what}]) from error
    if route.params is None:
        if given:
            name = next(iter(given))
            raise ProblemError(
                "invalid-request", f"{name}: no such parameter", errors=[{"where": name, "what": "unknown"}]
            )
        return None
    try:
        return route.params.model_validate(given, extra="forbid")
    except ValidationError as error:
        raise problems.invalid(error) from error


def _body(route: Route, request: web.Request, raw: bytes) -> BaseModel | str | None:
    if route.body is None:
        if raw:
            raise ProblemError("invalid-request", "body: this request takes none")
        return None
    expected = CSV if route.body is str else JSON
    if request.content_type != expected:
        raise ProblemError("wrong-media-type", f"Content-Type is {request.content_type}", expected=expected)
    try:
        if route.body is str:
            return raw.decode("utf-8-sig")
        assert issubclass(route.body, BaseModel)
        return route.body.model_validate_json(raw, extra="forbid")
    except ValidationError as error:
        raise problems.invalid(error) from error
    except UnicodeDecodeError as error:
        raise ProblemError("invalid-request", f"body: {error}") from error


@web.middleware
async def problem_responses(
    request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
) -> web.StreamResponse:
    """Every failure becomes a problem document; one that nobody foresaw is logged with its trace."""
    try:
        return await handler(request)
    except ProblemError as error:
        return problems.response(error)
    except web.HTTPRequestEntityTooLarge:
        return problems.response(
            ProblemError("too-large", f"more than {MAX_BODY_BYTES} bytes", limit_bytes=MAX_BODY_BYTES)
        )
    except web.HTTPMethodNotAllowed as error:
        answer = problems.response(ProblemError("method-not-allowed", f"{request.method} {request.path}"))
        answer.headers["Allow"] = ", ".join(sorted(error.allowed_methods))
        return answer
    except web.HTTPNotFound:
        return problems.response(ProblemError("not-found", f"nothing is at {request.path}"))
    except web.HTTPException:
        raise
    except (StoreUnavailableError, *UNAVAILABLE) as error:
        logger.warning("request not served method=%s path=%s: %s", request.method, request.path, error)
        said = (
            "another change stood in the way"
            if isinstance(error, DeadlockDetectedError)
            else "the database does not answer"
        )
        return problems.response(ProblemError("unavailable", said))
    except Exception:
        logger.exception("request failed method=%s path=%s", request.method, request.path)
        return problems.response(ProblemError("internal", "the server failed; its log says how"))
