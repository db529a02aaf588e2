"""Routes over real HTTP: what is checked before a handler runs, and how every failure is told."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import AsyncIterator, Awaitable, Callable

import aiohttp
import pytest
from aiohttp import web
from pydantic import BaseModel

from backend.api import guard, problems, routing
from backend.api.guard import Guard
from backend.api.idempotency import Answer, KeyStore, require_key
from backend.api.paging import Paged
from backend.api.permissions import Permission, Principal
from backend.api.problems import ProblemError
from backend.api.routing import Call, Desk, Routes
from backend.errors import StoreUnavailableError
from backend.store.database import Database
from tests.postgres import START
from wire.clock import ScaledClock


class Thing(BaseModel):
    """A thing."""

    name: str
    count: int = 1


class NameParams(Paged):
    """Which thing."""

    name: str


class Nothing(KeyStore):
    """Does the work at once and keeps nothing."""

    def __init__(self) -> None:
        self.actors: list[str] = []

    async def once(
        self, actor: str, key: str | None, digest: bytes, work: Callable[[Database], Awaitable[Answer]]
    ) -> Answer:
        self.actors.append(actor)
        return await work(Database.__new__(Database))


ROUTES = Routes()


@ROUTES.get("/api/v1/things/{name}", Permission.ITEMS_READ, "A thing")
async def get_thing(_call: Call, params: NameParams) -> Thing:
    if params.name == "away":
        raise StoreUnavailableError("gone")
    if params.name == "broken":
        raise RuntimeError("a fault nobody foresaw")
    if params.name == "refused":
        raise ProblemError("refused", "not this one", why="because")
    return Thing(name=params.name, count=params.limit)


@ROUTES.post("/api/v1/things", Permission.STOCK_IMPORT, "Put one", "refused")
async def put_thing(_call: Call, body: Thing) -> Thing | Answer:
    return body


@ROUTES.post("/api/v1/file", Permission.STOCK_IMPORT, "Take in")
async def import_things(_call: Call, body: str) -> Thing:
    return Thing(name=body, count=len(body))


@ROUTES.get("/api/v1/database", Permission.ITEMS_READ, "Which one is read")
async def where_it_reads(call: Call) -> Thing:
    return Thing(name=str(call.database.pool))


ROUTES.get("/api/v1/primary", Permission.ITEMS_READ, "Which one", primary=True, operation="fresh")(where_it_reads)


TOKEN = "a-token-of-some-length-+/="


async def serve(check: Guard) -> tuple[web.AppRunner, str]:
    app = web.Application(middlewares=[routing.problem_responses], client_max_size=1000)
    app[guard.GUARD] = check
    app[routing.KEYS] = Nothing()
    app[routing.DESK] = Desk(Database("the primary"), Database("the replica"), ScaledClock(START))
    routing.mount(app, ROUTES)
    app.router.add_get("/problems/{kind}", problems.describe)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    return runner, f"http://127.0.0.1:{runner.addresses[0][1]}"


@pytest.fixture
async def client() -> AsyncIterator[aiohttp.ClientSession]:
    runner, url = await serve(Guard())
    async with aiohttp.ClientSession(url) as session:
        yield session
    await runner.cleanup()


@pytest.fixture
async def guarded() -> AsyncIterator[aiohttp.ClientSession]:
    runner, url = await serve(Guard(TOKEN))
    async with aiohttp.ClientSession(url) as session:
        yield session
    await runner.cleanup()


def test_a_route_is_what_its_handler_says() -> None:
    thing, put, file, *_ = ROUTES
    assert (thing.method, thing.operation, thing.params, thing.body, thing.answer) == (
        "GET",
        "get_thing",
        NameParams,
        None,
        Thing,
    )
    assert (put.method, put.operation, put.params, put.body, put.answer) == ("POST", "put_thing", None, Thing, Thing)
    assert (put.problems, file.problems, file.body) == (("refused",), (), str)


@pytest.mark.parametrize(("path", "read"), [("database", "the replica"), ("primary", "the primary")])
async def test_a_get_reads_from_the_replica_unless_its_route_says_otherwise(
    client: aiohttp.ClientSession, path: str, read: str
) -> None:
    async with client.get(f"/api/v1/{path}") as answer:
        assert (await answer.json())["name"] == read


async def test_parameters_reach_the_handler_as_their_types(client: aiohttp.ClientSession) -> None:
    async with client.get("/api/v1/things/bolt?limit=7") as answer:
        assert answer.status == 200
        assert await answer.json() == {"name": "bolt", "count": 7}


async def test_an_unchanged_answer_is_not_sent_again(client: aiohttp.ClientSession) -> None:
    async with client.get("/api/v1/things/bolt") as answer:
        tag = answer.headers["ETag"]
    for given in (tag, f"W/{tag}", f'"other", {tag}', "*"):
        async with client.get("/api/v1/things/bolt", headers={"If-None-Match": given}) as answer:
            assert (answer.status, await answer.read()) == (304, b"")
    async with client.get("/api/v1/things/nut", headers={"If-None-Match": tag}) as answer:
        assert answer.status == 200


@pytest.mark.parametrize(
    ("path", "status", "kind"),
    [
        ("/api/v1/things/a?limit=0", 400, "invalid-request"),
        ("/api/v1/things/a?limit=x", 400, "invalid-request"),
        ("/api/v1/things/a?limit=1&limit=2", 400, "invalid-request"),
        ("/api/v1/things/a?colour=red", 400, "invalid-request"),
        ("/api/v1/things/a?name=b", 400, "invalid-request"),
        ("/api/v1/nothing", 404, "not-found"),
        ("/api/v1/things/refused", 422, "refused"),
        ("/api/v1/things/away", 503, "unavailable"),
        ("/api/v1/things/broken", 500, "internal"),
    ],
)
async def test_every_failure_is_a_problem_document(
    client: aiohttp.ClientSession, path: str, status: int, kind: str
) -> None:
    async with client.get(path) as answer:
        assert (answer.status, answer.content_type) == (status, "application/problem+json")
        problem = await answer.json()
    assert (problem["status"], problem["type"]) == (status, f"/problems/{kind}")
    assert "foresaw" not in str(problem)
    async with client.get(problem["type"]) as answer:
        assert (await answer.json())["title"] == problem["title"]


async def test_a_problem_carries_its_own_members(client: aiohttp.ClientSession) -> None:
    async with client.get("/api/v1/things/refused") as answer:
        assert (await answer.json())["why"] == "because"
    async with client.get("/api/v1/things/a?limit=x") as answer:
        assert (await answer.json())["errors"][0]["where"] == "limit"
    async with client.delete("/api/v1/things/a") as answer:
        assert (answer.status, answer.headers["Allow"]) == (405, "GET")


@pytest.mark.parametrize(
    ("body", "kind", "status"),
    [
        (b'{"name": "a", "weight": 2}', "application/json", 400),
        (b'{"name": ', "application/json", 400),
        (b"\xff", "application/json", 400),
        (b'{"name": "a"}', "text/plain", 415),
        (b"x" * 2000, "application/json", 413),
    ],
)
async def test_a_body_is_checked_before_anything_is_done(
    client: aiohttp.ClientSession, body: bytes, kind: str, status: int
) -> None:
    async with client.post("/api/v1/things", data=body, headers={"Content-Type": kind}) as answer:
        assert answer.status == status


async def test_a_file_reaches_the_handler_without_its_byte_order_mark(client: aiohttp.ClientSession) -> None:
    data = "\ufeffkode,zähl\n".encode()
    async with client.post("/api/v1/file", data=data, headers={"Content-Type": "text/csv; charset=utf-8"}) as answer:
        assert (await answer.json())["name"] == "kode,zähl\n"


async def test_pages_of_other_origins_and_other_names_are_refused(client: aiohttp.ClientSession) -> None:
    for headers in ({"Host": "evil.example"}, {"Origin": "http://evil.example"}, {"Origin": "null"}):
        async with client.get("/api/v1/things/a", headers=headers) as answer:
            assert (answer.status, (await answer.json())["type"]) == (403, "/problems/wrong-host")
    for host in ("localhost:1", "[::1]:8080", "127.0.0.2"):
        async with client.get("/api/v1/things/a", headers={"Host": host}) as answer:
            assert answer.status == 200


async def test_with_a_token_every_call_carries_it(guarded: aiohttp.ClientSession) -> None:
    packed = base64.urlsafe_b64encode(TOKEN.encode()).decode().rstrip("=")
    for headers in ({}, {"Authorization": "Bearer wrong"}, {"Authorization": TOKEN}):
        async with guarded.get("/api/v1/things/a", headers=headers) as answer:
            assert (answer.status, answer.headers["WWW-Authenticate"]) == (401, "Bearer")
    for headers in (
        {"Authorization": f"Bearer {TOKEN}"},
        {"Authorization": f"bearer {TOKEN}", "Host": "stock.example"},
        {"Sec-WebSocket-Protocol": f"{guard.LIVE_PROTOCOL}, bearer.{packed}"},
    ):
        async with guarded.get("/api/v1/things/a", headers=headers) as answer:
            assert answer.status == 200


async def test_whoever_lacks_the_permission_is_told_its_name() -> None:
    class Weak(Guard):
        def principal(self, request: web.Request) -> Principal:
            return Principal("intern", "guest", frozenset({Permission.ITEMS_READ}))

    runner, url = await serve(Weak())
    try:
        async with aiohttp.ClientSession(url) as session:
            async with session.get("/api/v1/things/a") as answer:
                assert answer.status == 200
            async with session.post("/api/v1/things", json={"name": "a"}) as answer:
                assert (answer.status, (await answer.json())["permission"]) == (403, "stock.import")
    finally:
        await runner.cleanup()


async def test_a_body_that_never_ends_its_brackets_is_told_so(client: aiohttp.ClientSession) -> None:
    for body in (b"[" * 990, b'{"a":' * 198):
        async with client.post(
            "/api/v1/things", data=body, headers={"Content-Type": "application/json", "Idempotency-Key": "deep"}
        ) as answer:
            assert answer.status == 400


@pytest.mark.parametrize(
    ("name", "status"),
    [("Authorization", 401), ("Host", 403), ("Origin", 403), ("If-Match", 400)],
)
async def test_headers_whose_bytes_are_no_text_are_told_so(name: str, status: int) -> None:
    runner, url = await serve(Guard(TOKEN if name == "Authorization" else None))
    host, port = url.removeprefix("http://").split(":")
    headers = {
        "Host": f"{host}:{port}".encode(),
        "Idempotency-Key": b"odd",
        "Content-Type": b"application/json",
        "Content-Length": b"12",
        "Connection": b"close",
    } | {name: b"Bearer \xff\xfe"}
    reader, writer = await asyncio.open_connection(host, int(port))
    lines = [b"POST /api/v1/things HTTP/1.1", *(key.encode() + b": " + value for key, value in headers.items())]
    writer.write(b"\r\n".join([*lines, b"", b'{"name":"a"}']))
    answer = await reader.read()
    writer.close()
    await runner.cleanup()
    assert answer.startswith(f"HTTP/1.1 {status} ".encode()), answer


async def test_a_guard_that_guards_nothing_is_refused(client: aiohttp.ClientSession) -> None:
    headers = {"Idempotency-Key": "k", "If-Match": '"abc"'}
    async with client.post("/api/v1/things", json={"name": "a"}, headers=headers) as answer:
        assert answer.status == 400
        assert "If-Match" in (await answer.json())["detail"]


@pytest.mark.parametrize("key", ["\udcff", "a\0", "x" * 201, "", None])
def test_a_key_that_cannot_be_kept_is_refused(key: str | None) -> None:
    with pytest.raises(ProblemError) as caught:
        require_key(key)
    assert caught.value.status == 400
