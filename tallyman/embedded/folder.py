"""The folder of an embedded server: marked as ours, locked by one run at a time, emptied only when marked.

postgres.lock     held (flock) by the run that uses the folder; its text is that run's pid
tallyman-data     the mark: this folder was made by Tallyman and may be emptied by --fresh
pgdata/           the cluster
run/              the socket, open to the server's account alone
server.log        what the server says
"""

from __future__ import annotations

import fcntl
import os
import shutil
from pathlib import Path
from typing import Final

from tallyman.embedded.account import Account, closed_folder
from tallyman.errors import EmbeddedError

_MARK: Final = "tallyman-data"
_MARK_TEXT: Final = "Made by Tallyman. `tallyman demo --fresh` empties this folder.\n"
_LOCK: Final = "postgres.lock"

MAX_LOG_BYTES: Final = 4 << 20
"""A log beyond this is begun anew at a start: it is for the last few runs."""


class DataFolder:
    """One data folder, from `take` to `release` this run's alone."""

    def __init__(self, path: Path, account: Account) -> None:
        self.path = path.resolve()
        self.cluster = self.path / "pgdata"
        self.log = self.path / "server.log"
        self._account = account
        self._lock: int | None = None

    def take(self) -> None:
        """Make the folder if need be, check that it is ours, and lock it. Raises EmbeddedError saying why not."""
        try:
            self.path.mkdir(mode=0o755, parents=True, exist_ok=True)
            self._check_ours()
            self._take_lock()
        except OSError as error:
            raise EmbeddedError(f"{self.path} cannot be used: {error.strerror}; give another --data-dir") from error
        closed = closed_folder(self.cluster, self._account)
        if closed is not None:
            self.release()
            raise EmbeddedError(
                f"run by root, PostgreSQL runs as {self._account.name}, who cannot enter {closed}: "
                "give a --data-dir under /var/lib, or run as an ordinary user"
            )

    def _check_ours(self) -> None:
        mark = self.path / _MARK
        if mark.exists():
            return
        if any(self.path.iterdir()):
            raise EmbeddedError(f"{self.path} is neither empty nor made by Tallyman: give another --data-dir")
        mark.write_text(_MARK_TEXT)

    def _take_lock(self) -> None:
        lock = os.open(self.path / _LOCK, os.O_RDWR | os.O_CREAT, 0o644)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = os.pread(lock, 32, 0).decode().strip()
            os.close(lock)
            raise EmbeddedError(
                f"{self.path} is in use by another run (pid {holder}): stop it, or give another --data-dir"
            ) from None
        os.truncate(lock, 0)
        os.pwrite(lock, f"{os.getpid()}\n".encode(), 0)
        self._lock = lock

    def release(self) -> None:
        """Let another run have the folder."""
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    def empty(self) -> None:
        """Remove the cluster and the log: nothing that somebody else put beside them."""
        for part in (self.cluster, self.new_cluster, self.path / "run"):
            if part.exists():
                shutil.rmtree(part)
        self.log.unlink(missing_ok=True)

    @property
    def new_cluster(self) -> Path:
        """Where a cluster is made before it is renamed to its place: half a cluster is never used."""
        return self.path / "pgdata.new"

    def private(self, name: str) -> Path:
        """A subfolder that only the server's account may enter."""
        path = self.path / name
        path.mkdir(mode=0o700, exist_ok=True)
        path.chmod(0o700)
        self._account.own(path)
        return path

    def open_log(self) -> int:
        """A descriptor that appends to the log."""
        if self.log.exists() and self.log.stat().st_size > MAX_LOG_BYTES:
            self.log.unlink()
        return os.open(self.log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)

    def log_tail(self, lines: int = 5, since: int = 0) -> str:
        """The last lines of the log after byte `since`, for an error."""
        try:
            with self.log.open("rb") as log:
                log.seek(since)
                said = log.read().decode(errors="replace").splitlines()
        except OSError:
            return ""
        return " | ".join(said[-lines:])
