"""A route as data: what it is called, what it takes and gives, and the permission it needs.

The same table makes the HTTP server (`mount`) and the OpenAPI document (`openapi.py`), so neither can say what the
other does not do. A handler gets a `Call`, already checked, and returns a pydantic model; anything that stands in the
way it raises as ProblemError.

    request ── guard: who, may they ── parameters ── body ── idempotency (POST) ── handler ── model ── ETag (GET)
"""

from __future__ import annotations

import contextlib
import json
import logging
import re
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass, field
from typing import Any, Final, Literal

from aiohttp import web
from pydantic import BaseModel, ValidationError

from backend.api import etag, guard, problems
from backend.api.idempotency import Answer, KeyStore, require_key
from backend.api.permissions import Permission, Principal
from backend.api.problems import ProblemError
from backend.errors import StoreUnavailableError
from backend.store.database import UNAVAILABLE, Database
from backend.store.reads import Reads, from_primary

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
class Call:
    """One request after every check. `params` and `body` are instances of the models that the route names.

    A POST gets a database whose one transaction also keeps its answer: what it changes, it changes there. One of a
    grouped route gets its key instead, and keeps its answer itself.
    """

    principal: Principal
    params: Any
    body: Any = None
    database: Database | None = None
    key: str = ""
    digest: bytes = b""
    if_match: str | None = None


Handler = Callable[[Call], Awaitable[BaseModel | Answer | str]]


@dataclass(frozen=True, slots=True)
class Route:
    """One operation of the API.

    `params` holds path and query parameters alike: a field named in the path comes from there. `body` is a model for
    JSON, or `str` for a CSV file handed to the handler as text. A route that changes anything is a POST, and every POST
    needs an Idempotency-Key. A GET that answers `str` answers a CSV file. `problems` are the kinds (problems.KINDS) it
    may answer beyond those that any route may. A `grouped` POST shares its transaction with other requests and keeps
    its answer under its key itself. `max_age_s`: so long a GET's answer may be shown again without asking, where a
    replica gives it and the caller does not say what it has written.
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
    tag: str = ""
    grouped: bool = False
    max_age_s: int = 0
    path_names: frozenset[str] = field(init=False)

    def __post_init__(self) -> None:
        names = frozenset(part[1:-1] for part in self.path.split("/") if part.startswith("{"))
        object.__setattr__(self, "path_names", names)


def mount(app: web.Application, routes: Iterable[Route]) -> None:
    """Serve the routes. The application must hold a KeyStore at KEYS and a guard (guard.install)."""
    for route in routes:
        app.router.add_route(route.method, route.path, _serve(route))


def _serve(route: Route) -> Callable[[web.Request], Awaitable[web.Response]]:
    async def serve(request: web.Request) -> web.Response:
        principal = guard.require(request, route.permission)
        params = _params(route, request)
        if route.method == "GET":
            model = await _read(route, request, Call(principal, params))
            if isinstance(model, str):
                return etag.respond(request, model.encode(), CSV)
            return _shown(route, request, model)
        raw = await request.read()
        key = request.headers.get("Idempotency-Key")
        digest = KeyStore.digest(route.method, request.path_qs, request.content_type, raw)
        body = _body(route, request, raw)

        if_match = request.headers.get("If-Match")

        async def work(database: Database | None) -> Answer:
            answer = await route.handler(Call(principal, params, body, database, key or "", digest, if_match))
            assert not isinstance(answer, str)
            return answer if isinstance(answer, Answer) else Answer(200, answer.model_dump_json())

        if route.grouped:
            require_key(key)
            answer = await work(None)
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


async def _read(route: Route, request: web.Request, call: Call) -> BaseModel | str:
    """What a GET answers: from a replica that has what the caller has written, or else from the primary."""
    lsn = request.headers.get(LSN_HEADER)
    if lsn is not None and not _LSN.match(lsn):
        raise ProblemError("invalid-request", f"{LSN_HEADER}: {lsn!r} is not what an answer carried")
    behind = lsn is not None and READS in request.app and await request.app[READS].must_ask_primary(lsn)
    with from_primary() if behind else contextlib.nullcontext():
        model = await route.handler(call)
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
        return route.body.model_validate(json.loads(raw), extra="forbid")
    except ValidationError as error:
        raise problems.invalid(error) from error
    except ValueError as error:
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
        return problems.response(ProblemError("unavailable", "the database does not answer"))
    except Exception:
        logger.exception("request failed method=%s path=%s", request.method, request.path)
        return problems.response(ProblemError("internal", "the server failed; its log says how"))
