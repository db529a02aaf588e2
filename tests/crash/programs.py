"""Programs that can be killed, and what a gateway's journal tells of its events from outside."""

from __future__ import annotations

import asyncio
import os
import signal
import sqlite3
import subprocess
import sys
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

TALLYMAN = [sys.executable, "-c", "from tallyman.cli import main; main()"]

POLL_S = 0.02


class Program:
    """One `tallyman` command as a process in a session of its own; its output goes to `<name>.log`."""

    def __init__(self, name: str, arguments: list[str], folder: Path) -> None:
        self.name = name
        self.log = folder / f"{name}.log"
        self._arguments = arguments
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it, also again."""
        assert self._process is None
        environment = {name: value for name, value in os.environ.items() if not name.startswith("TALLYMAN_")}
        environment["PYTHONFAULTHANDLER"] = "1"
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                [*TALLYMAN, *self._arguments], stdout=log, stderr=log, start_new_session=True, env=environment
            )

    def check(self) -> None:
        """Fail when it ended by itself: a crash that nobody ordered must not pass for a recovery."""
        assert self._process is not None, f"{self.name} was not started"
        assert self._process.poll() is None, f"{self.name} ended by itself: {self.said()}"

    def kill(self) -> None:
        """kill -9."""
        if self._process is not None:
            process, self._process = self._process, None
            process.send_signal(signal.SIGKILL)
            process.wait()

    def confess(self) -> None:
        """End it so that it writes to its log what each thread was doing: it hangs, and somebody must know where."""
        if self._process is not None and self._process.poll() is None:
            self._process.send_signal(signal.SIGABRT)
            self._process.wait()

    def said(self, characters: int = 3000) -> str:
        """The end of its log."""
        return self.log.read_text(errors="replace")[-characters:] if self.log.exists() else ""


@dataclass(frozen=True)
class Position:
    """Where a journal stands: read from its file, while a gateway writes it."""

    epoch: str
    store: str | None
    acked: int
    end: int

    @property
    def unacknowledged(self) -> int:
        return self.end - self.acked


class Journal:
    """A gateway's journal, looked at from outside."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def position(self) -> Position | None:
        """Where it stands, or None before the gateway made it."""
        if not self._path.exists():
            return None
        rows = self._ask("SELECT epoch, store, acked, next_seq - 1 FROM journal")
        return Position(*rows[0]) if rows else None

    def events(self) -> dict[int, bytes]:
        """Number → event as JSON, for all it holds."""
        return dict(self._ask("SELECT seq, payload FROM event"))

    def _ask(self, query: str) -> list[Any]:
        with closing(sqlite3.connect(f"file:{self._path}?mode=ro", uri=True, timeout=10)) as connection:
            try:
                return connection.execute(query).fetchall()
            except sqlite3.OperationalError as error:
                # Killed between making the file and its tables.
                if "no such table" in str(error):
                    return []
                raise


async def run(*command: str) -> tuple[int, str]:
    """Run a command to its end: exit code and output."""
    process = await asyncio.create_subprocess_exec(*command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    output, _ = await process.communicate()
    assert process.returncode is not None
    return process.returncode, output.decode(errors="replace")


async def run_tallyman(*arguments: str) -> tuple[int, str]:
    """Run one of our commands to its end: exit code and output."""
    return await run(*TALLYMAN, *arguments)
