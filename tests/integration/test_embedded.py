"""The embedded PostgreSQL and broker, for real: first start, restart, killed runs, wrong folders. As root or not."""

import asyncio
import contextlib
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import asyncpg
import pytest

from tallyman.embedded import account as accounts
from tallyman.embedded import binaries as wheels
from tallyman.embedded.account import server_account
from tallyman.embedded.broker import Broker, serve_broker
from tallyman.embedded.postgres import EmbeddedPostgres
from tallyman.errors import EmbeddedError


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder that the server's account can enter, also when the tests run as root."""
    made = Path(tempfile.mkdtemp(prefix="tm-"))
    made.chmod(0o755)
    yield made
    shutil.rmtree(made)


@pytest.fixture
async def postgres(folder: Path) -> AsyncIterator[EmbeddedPostgres]:
    """A server that is not started yet, and is stopped afterwards."""
    made = EmbeddedPostgres(folder / "data")
    yield made
    await made.stop()


async def ask(dsn: str, query: str) -> object:
    connection = await asyncpg.connect(dsn)
    try:
        return await connection.fetchval(query)
    finally:
        await connection.close()


def names_in(folder: Path) -> list[str]:
    return [path.name for path in folder.iterdir()]


async def gone(pid: int) -> None:
    for _ in range(500):
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            return
        await asyncio.sleep(0.02)
    raise AssertionError(f"process {pid} is still there")


async def test_starts_keeps_its_data_and_is_for_us_alone(postgres: EmbeddedPostgres) -> None:
    dsn = await postgres.start()
    assert await postgres.start() == dsn
    assert await ask(dsn, "SELECT current_database()") == "tallyman"
    assert await ask(dsn, "SHOW fsync") == "on"
    assert await ask(dsn, "SHOW listen_addresses") == ""
    assert await ask(dsn, "SHOW server_encoding") == "UTF8"
    assert await ask(dsn, "SELECT upper('é')") == "É"
    await ask(dsn, "CREATE TABLE kept AS SELECT 42 AS answer")
    for private in ("pgdata", "run"):
        found = (postgres.data_dir / private).stat()
        assert found.st_mode & 0o077 == 0
        assert found.st_uid == server_account().uid
    pid = postgres.pid
    await postgres.stop()
    await gone(pid)
    assert await ask(await postgres.start(), "SELECT answer FROM kept") == 42


async def test_fresh_empties_only_what_is_ours(postgres: EmbeddedPostgres, folder: Path) -> None:
    await ask(await postgres.start(), "CREATE TABLE kept AS SELECT 42 AS answer")
    await postgres.stop()
    (folder / "data" / "notes.txt").write_text("somebody's")
    async with EmbeddedPostgres(folder / "data", fresh=True) as fresh:
        assert await ask(fresh.dsn, "SELECT to_regclass('kept')") is None
    assert (folder / "data" / "notes.txt").read_text() == "somebody's"


async def test_folder_of_somebody_else_is_refused_and_left_alone(folder: Path) -> None:
    (folder / "thesis.txt").write_text("years of work")
    for fresh in (False, True):
        with pytest.raises(EmbeddedError, match="neither empty nor made by Tallyman"):
            await EmbeddedPostgres(folder, fresh=fresh).start()
    assert names_in(folder) == ["thesis.txt"]


async def test_folder_in_use_is_refused_with_the_pid(postgres: EmbeddedPostgres) -> None:
    dsn = await postgres.start()
    with pytest.raises(EmbeddedError, match=rf"in use by another run \(pid {os.getpid()}\)"):
        await EmbeddedPostgres(postgres.data_dir).start()
    assert await ask(dsn, "SELECT 1") == 1


async def test_data_of_another_major_version_is_refused(postgres: EmbeddedPostgres) -> None:
    await postgres.start()
    await postgres.stop()
    version = postgres.data_dir / "pgdata" / "PG_VERSION"
    made_by = version.read_text()
    version.write_text("12\n")
    with pytest.raises(EmbeddedError, match="PostgreSQL 12, installed is"):
        await postgres.start()
    version.write_text(made_by)
    await postgres.start()


async def test_killed_server_recovers(postgres: EmbeddedPostgres) -> None:
    dsn = await postgres.start()
    await ask(dsn, "CREATE TABLE kept AS SELECT 42 AS answer")
    os.kill(postgres.pid, signal.SIGKILL)
    await postgres.stop()
    assert await ask(await postgres.start(), "SELECT answer FROM kept") == 42


RUN_AND_BE_KILLED = """
import asyncio, os, signal, sys
from pathlib import Path
from tallyman.embedded.postgres import EmbeddedPostgres
async def main():
    server = EmbeddedPostgres(Path(sys.argv[1]))
    await server.start()
    print(server.pid, flush=True)
    os.kill(os.getpid(), signal.SIGKILL)
asyncio.run(main())
"""


async def test_server_of_a_killed_run_is_ended_first(postgres: EmbeddedPostgres) -> None:
    killed = await asyncio.create_subprocess_exec(
        sys.executable, "-c", RUN_AND_BE_KILLED, str(postgres.data_dir), stdout=subprocess.PIPE
    )
    assert killed.stdout is not None
    orphan = int(await killed.stdout.readline())
    assert await killed.wait() == -signal.SIGKILL
    os.kill(orphan, 0)
    dsn = await postgres.start()
    await gone(orphan)
    assert await ask(dsn, "SELECT 1") == 1


async def test_pid_file_that_names_somebody_else_is_no_obstacle(postgres: EmbeddedPostgres) -> None:
    await postgres.start()
    await postgres.stop()
    bystander = await asyncio.create_subprocess_exec(sys.executable, "-c", "input()", stdin=subprocess.PIPE)
    left = postgres.data_dir / "pgdata" / "postmaster.pid"
    left.write_text(f"{bystander.pid}\n{postgres.data_dir}/pgdata\n1700000000\n5432\n\n\n")
    assert await ask(await postgres.start(), "SELECT 1") == 1
    assert bystander.returncode is None
    await bystander.communicate(b"\n")
    assert bystander.returncode == 0


async def test_server_that_cannot_start_says_why(postgres: EmbeddedPostgres) -> None:
    await postgres.start()
    await postgres.stop()
    with (postgres.data_dir / "pgdata" / "postgresql.conf").open("a") as settings:
        settings.write("work_mem = 'plenty'\n")
    with pytest.raises(EmbeddedError, match="work_mem"):
        await postgres.start()
    async with EmbeddedPostgres(postgres.data_dir, fresh=True) as fresh:
        assert await ask(fresh.dsn, "SELECT 1") == 1


async def test_long_folder_names_still_get_a_socket(folder: Path) -> None:
    async with EmbeddedPostgres(folder / ("long" * 30)) as server:
        assert await ask(server.dsn, "SELECT 1") == 1
        socket_dir = Path(str(await ask(server.dsn, "SHOW unix_socket_directories")))
    assert socket_dir.name not in names_in(socket_dir.parent)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root runs the server as another account")
async def test_root_is_told_which_folder_is_closed(folder: Path) -> None:
    closed = folder / "closed"
    closed.mkdir(mode=0o700)
    with pytest.raises(EmbeddedError, match=f"nobody, who cannot enter {closed}"):
        await EmbeddedPostgres(closed / "data").start()
    assert closed.stat().st_mode & 0o777 == 0o700


@pytest.mark.skipif(os.geteuid() != 0, reason="only root runs the server as another account")
async def test_programs_in_a_closed_folder_are_copied_once(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    account = server_account()
    here = wheels.find_binaries(account).folder
    monkeypatch.setattr(accounts, "ROOT_STATE", folder / "state")
    monkeypatch.setattr(wheels, "may_run", lambda _program, _account: False)
    there = wheels.find_binaries(account)
    assert there.folder.is_relative_to(folder / "state")
    assert there.folder != here
    made = there.folder.stat().st_ctime_ns
    assert wheels.find_binaries(account) == there
    assert there.folder.stat().st_ctime_ns == made
    monkeypatch.setattr("tallyman.embedded.postgres.find_binaries", lambda _account: there)
    async with EmbeddedPostgres(folder / "data") as server:
        assert await ask(server.dsn, "SELECT 1") == 1


async def greet(port: int) -> asyncio.StreamWriter:
    """Connect as an MQTT client does, and hear the answer."""
    for _ in range(200):
        try:
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
        except ConnectionRefusedError:
            await asyncio.sleep(0.02)
            continue
        # CONNECT, MQTT 3.1.1, clean session, client id "t"; the answer is CONNACK, accepted.
        writer.write(bytes.fromhex("100d00044d51545404020000000174"))
        assert await reader.readexactly(4) == bytes.fromhex("20020000")
        return writer
    raise AssertionError(f"nothing listens on port {port}")


async def hang_up(writer: asyncio.StreamWriter) -> None:
    writer.close()
    with contextlib.suppress(ConnectionError):
        await writer.wait_closed()


async def test_broker_starts_on_a_free_port_and_frees_it() -> None:
    broker = Broker()
    url = await broker.start()
    assert url == f"mqtt://127.0.0.1:{broker.port}"
    with pytest.raises(EmbeddedError, match="cannot listen"):
        await Broker(broker.port).start()
    client = await greet(broker.port)
    await broker.stop()
    await hang_up(client)
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        probe.bind(("127.0.0.1", broker.port))


async def test_broker_as_a_program_ends_when_told() -> None:
    probe = Broker()
    await probe.start()
    await probe.stop()
    stop = asyncio.Event()
    serving = asyncio.create_task(serve_broker(probe.port, stop))
    client = await greet(probe.port)
    stop.set()
    assert await serving == 0
    await hang_up(client)
