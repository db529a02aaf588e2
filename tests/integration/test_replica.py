"""Reads from a real standby: what a caller wrote itself it sees, however far the replica is behind."""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import signal
import subprocess
import tempfile
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path

import aiohttp
import asyncpg
import pytest
from aiohttp import web

from backend.api.guard import Guard
from backend.api.idempotency import KeyStore
from backend.api.routing import Desk
from backend.api.server import Served, make_app
from backend.app import all_routes
from backend.ingest.service import IngestService
from backend.metrics import BackendMetrics
from backend.orders.granter import Granter
from backend.store.database import Database
from backend.store.reads import ANSWER_S, AWAY_S, Reads
from tests.postgres import START, _answer, _binaries
from wire.clock import ScaledClock


@dataclass
class Standby:
    """A standby of the session's server: its view of the test's database, and its process."""

    dsn: str
    server: subprocess.Popen[bytes]


@dataclass
class Pair:
    """A served store whose reads go to a standby."""

    session: aiohttp.ClientSession
    standby: asyncpg.Connection
    server: subprocess.Popen[bytes]

    @contextlib.contextmanager
    def hanging(self) -> Iterator[None]:
        """Every process of the standby stands still."""
        pid = self.server.pid
        children = Path(f"/proc/{pid}/task/{pid}/children")
        if not children.is_file():
            pytest.skip("this system does not tell a process's children")
        pids = [pid, *map(int, children.read_text().split())]
        try:
            for pid in pids:
                os.kill(pid, signal.SIGSTOP)
            yield
        finally:
            for pid in pids:
                os.kill(pid, signal.SIGCONT)

    async def add(self, code: str) -> str:
        """Import a site; where its transaction ended."""
        async with self.session.post(
            "/api/v1/imports/sites",
            data=f"code,name,region,time_zone\n{code},,,UTC\n",
            headers={"Idempotency-Key": code, "Content-Type": "text/csv"},
        ) as response:
            assert response.status == 200, await response.text()
            return response.headers["Tallyman-LSN"]

    async def sites(self, lsn: str | None = None) -> set[str]:
        async with self.session.get("/api/v1/sites", headers={"Tallyman-LSN": lsn} if lsn else {}) as response:
            assert response.status == 200, await response.text()
            return {one["code"] for one in (await response.json())["rows"]}


@pytest.fixture
async def standby(postgres_server: str, database_url: str) -> AsyncIterator[Standby]:
    """A standby of the session's server."""
    user = "nobody" if os.geteuid() == 0 else None
    folder = Path(tempfile.mkdtemp(prefix="tallyman-pg-"))
    if user is not None:
        shutil.chown(folder, user)
    binaries = _binaries()
    socket_dir = postgres_server.rsplit("=", 1)[1]
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL, "user": user, "cwd": folder}
    await asyncio.to_thread(
        subprocess.run,
        [binaries / "pg_basebackup", "-h", socket_dir, "-U", "postgres", "-D", folder / "data", "-R", "-c", "fast"],
        check=True,
        **quiet,
    )
    settings = ["listen_addresses=", f"unix_socket_directories={folder}", "fsync=off"]
    server = subprocess.Popen(  # noqa: ASYNC220  # it outlives the call
        [binaries / "postgres", "-D", folder / "data", *(part for one in settings for part in ("-c", one))], **quiet
    )
    dsn = database_url.replace(socket_dir, str(folder))
    try:
        await _answer(dsn, server)
        yield Standby(dsn, server)
    finally:
        server.terminate()
        server.wait(30)
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
async def pair(database_url: str, standby: Standby) -> AsyncIterator[Pair]:
    clock = ScaledClock(START)
    async with Database.open(database_url) as primary, Database.open(standby.dsn) as replica:
        reads, granter = Reads(primary, replica), Granter(primary, clock)
        routes, desk = all_routes(IngestService(primary, clock), granter), Desk(primary, reads.database, clock)
        served = Served(routes, desk, Guard(), KeyStore(primary, clock), BackendMetrics(), {}, reads)
        runner = web.AppRunner(make_app(served), access_log=None, shutdown_timeout=1)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        connection = await asyncpg.connect(standby.dsn)
        try:
            async with aiohttp.ClientSession(f"http://127.0.0.1:{runner.addresses[0][1]}") as session:
                yield Pair(session, connection, standby.server)
        finally:
            connection.terminate()
            await runner.cleanup()


async def test_a_caller_reads_what_it_wrote_though_the_replica_is_behind(pair: Pair) -> None:
    first = await pair.add("FIRST")
    assert await pair.sites(first) == {"FIRST"}
    await pair.standby.execute("SELECT pg_wal_replay_pause()")
    second = await pair.add("SECOND")
    assert await pair.sites() == {"FIRST"}, "without the header the replica answers"
    assert await pair.sites(second) == {"FIRST", "SECOND"}, "the primary answers"
    assert await pair.sites(first) == {"FIRST"}, "the replica has this much, and the same connection asks it again"


async def test_a_replica_that_catches_up_meanwhile_answers(pair: Pair) -> None:
    await pair.standby.execute("SELECT pg_wal_replay_pause()")
    written = await pair.add("DRUM")
    asked = asyncio.create_task(pair.sites(written))
    await asyncio.sleep(0.05)
    await pair.standby.execute("SELECT pg_wal_replay_resume()")
    assert await asked == {"DRUM"}


async def test_hot_reads_may_be_shown_again_but_never_to_who_has_written(pair: Pair) -> None:
    async def how(path: str, lsn: str | None = None) -> tuple[str, str]:
        headers = {"Tallyman-LSN": lsn} if lsn else {}
        async with pair.session.get(f"/api/v1/{path}", headers=headers) as response:
            assert response.status == 200
            return response.headers["Cache-Control"], response.headers["Vary"]

    written = await pair.add("DRUM")
    for path in ("stock", "movements"):
        assert await how(path) == ("private, max-age=1", "Tallyman-LSN")
        assert await how(path, written) == ("private, no-cache", "Tallyman-LSN")
    assert await how("sites") == ("private, no-cache", "Tallyman-LSN")


async def test_a_place_that_no_answer_carried_is_refused(pair: Pair) -> None:
    async with pair.session.get("/api/v1/sites", headers={"Tallyman-LSN": "soon"}) as response:
        assert response.status == 400
        assert "Tallyman-LSN" in (await response.json())["detail"]


async def test_while_the_replica_is_down_the_primary_answers(pair: Pair) -> None:
    written = await pair.add("DRUM")
    assert await pair.sites(written) == {"DRUM"}
    pair.server.send_signal(signal.SIGINT)
    await asyncio.to_thread(pair.server.wait, 30)
    for _ in range(3):
        assert await pair.sites(written) == {"DRUM"}, "what the caller wrote itself"
        assert await pair.sites() == {"DRUM"}, "what anybody reads"


async def test_a_replica_that_hangs_keeps_nobody_who_has_written_waiting(pair: Pair) -> None:
    written = await pair.add("DRUM")
    assert await pair.sites(written) == {"DRUM"}
    with pair.hanging():
        async with asyncio.timeout(5):
            assert await pair.sites(written) == {"DRUM"}
        async with asyncio.timeout(ANSWER_S):
            assert await pair.sites(written) == {"DRUM"}, "found away, it is asked nothing"
            assert await pair.sites() == {"DRUM"}


async def test_a_replica_that_hangs_keeps_nobody_who_only_reads_waiting(pair: Pair) -> None:
    written = await pair.add("DRUM")
    assert await pair.sites(written) == {"DRUM"}
    with pair.hanging():
        async with asyncio.timeout(5):
            assert await asyncio.gather(*(pair.sites() for _ in range(3))) == [{"DRUM"}] * 3
    await asyncio.sleep(AWAY_S)
    await pair.standby.execute("SELECT pg_wal_replay_pause()")
    await pair.add("LATER")
    assert await pair.sites() == {"DRUM"}, "it answers again, and is asked again"


async def test_what_the_primary_answers_asks_the_replica_nothing(pair: Pair) -> None:
    assert await pair.sites(await pair.add("DRUM")) == {"DRUM"}
    await pair.standby.execute("SELECT pg_wal_replay_pause()")
    later = await pair.add("LATER")
    with pair.hanging():
        async with pair.session.get("/api/v1/channels", headers={"Tallyman-LSN": later}) as response:
            assert response.status == 200
    assert await pair.sites() == {"DRUM"}, "nobody has found out that the replica hung"


async def test_a_replica_that_takes_long_is_waited_for(database_url: str, standby: Standby) -> None:
    async with Database.open(database_url) as primary, Database.open(standby.dsn) as replica:
        reads = Reads(primary, replica)

        async def slow() -> bool:
            return bool(
                await reads.database.pool.fetchval("SELECT pg_is_in_recovery() FROM pg_sleep($1)", 2.5 * ANSWER_S)
            )

        assert await reads.answer(None, slow), "the replica answered, not the primary"
