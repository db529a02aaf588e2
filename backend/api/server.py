"""The HTTP application: the routes, the document of them, the page, and what operators ask for.

/api/v1/…           the routes            /problems/{kind}   what a problem means
/api/openapi.json   the document          /healthz           the process is alive
/                   the page              /readyz            it can do its work, or what stands in the way
                                          /metrics           for Prometheus
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from typing import Final

from aiohttp import web
from prometheus_client import generate_latest
from prometheus_client.exposition import CONTENT_TYPE_LATEST

from backend.api import etag, guard, openapi, problems, routing
from backend.api import web as page
from backend.api.guard import Guard
from backend.api.idempotency import KeyStore
from backend.api.permissions import Permission
from backend.api.routing import MAX_BODY_BYTES, Desk, Route
from backend.metrics import BackendMetrics, HttpMetrics
from backend.store.reads import Reads

TITLE: Final = "Tallyman"

CHECK_S: Final = 2.0
"""A dependency that has not answered by then is as good as away for whoever waits for this answer."""

Check = Callable[[], Awaitable[str | None]]
"""Says what stands in the way, None when nothing does."""


@dataclass(frozen=True, slots=True)
class Served:
    """What the application is made of."""

    routes: Sequence[Route]
    desk: Desk
    guard: Guard
    keys: KeyStore
    metrics: BackendMetrics
    checks: Mapping[str, Check]
    reads: Reads | None = None


def make_app(served: Served) -> web.Application:
    """The application, not yet listening."""
    app = web.Application(
        client_max_size=MAX_BODY_BYTES, middlewares=[_measured(served.metrics.http), routing.problem_responses]
    )
    app[guard.GUARD] = served.guard
    app[routing.DESK] = served.desk
    app[routing.KEYS] = served.keys
    if served.reads is not None:
        app[routing.READS] = served.reads
    routing.mount(app, served.routes)
    document = json.dumps(openapi.document(served.routes, TITLE, version("tallyman-rfid"))).encode()

    async def get_document(request: web.Request) -> web.Response:
        return etag.respond(request, document)

    async def healthz(_request: web.Request) -> web.Response:
        return web.json_response({"status": "ok"})

    async def readyz(_request: web.Request) -> web.Response:
        faults = await _faults(served.checks)
        body = {"status": "ready" if not faults else "not ready", "faults": faults}
        return web.json_response(body, status=200 if not faults else 503)

    async def metrics(request: web.Request) -> web.Response:
        guard.require(request, Permission.METRICS_READ)
        return web.Response(
            body=generate_latest(served.metrics.registry), headers={"Content-Type": CONTENT_TYPE_LATEST}
        )

    app.router.add_get("/api/openapi.json", get_document)
    app.router.add_get("/problems/{kind}", problems.describe)
    app.router.add_get("/healthz", healthz)
    app.router.add_get("/readyz", readyz)
    app.router.add_get("/metrics", metrics)
    page.mount(app)
    return app


async def _faults(checks: Mapping[str, Check]) -> dict[str, str]:
    async def ask(check: Check) -> str | None:
        try:
            async with asyncio.timeout(CHECK_S):
                return await check()
        except TimeoutError:
            return f"no answer within {CHECK_S:g} s"

    answers = await asyncio.gather(*(ask(check) for check in checks.values()))
    return {name: fault for name, fault in zip(checks, answers, strict=True) if fault is not None}


def _measured(metrics: HttpMetrics) -> Callable[..., Awaitable[web.StreamResponse]]:
    @web.middleware
    async def measured(
        request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
    ) -> web.StreamResponse:
        resource = request.match_info.route.resource
        route = resource.canonical if resource is not None else "none"
        started = asyncio.get_running_loop().time()
        response = await handler(request)
        if not isinstance(response, web.WebSocketResponse):
            metrics.seconds.labels(route).observe(asyncio.get_running_loop().time() - started)
        metrics.requests.labels(request.method, route, response.status).inc()
        return response

    return measured
