"""A gateway's own machine: room on the disk, and what its journal still owes the backend."""

from __future__ import annotations

import asyncio
import fcntl
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Final

from gateway.config import JournalSettings
from gateway.journal import ALARM_FRACTION, APPLICATION_ID
from tallyman.doctor.finding import Check, Finding, fail, ok

MIB: Final = 1 << 20

MAX_BACKLOG: Final = 10_000
"""Hours of a busy door: by then the backend has been away, not slow."""


def is_running(journal: JournalSettings) -> bool:
    """Whether a gateway holds the journal now."""
    lock = journal.path.with_name(journal.path.name + ".lock")
    try:
        with lock.open("r") as file:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:
        return False
    return False


async def check_disk(journal: JournalSettings) -> list[Finding]:
    """Is there room for what the quota allows?"""
    return [await asyncio.to_thread(_disk, journal)]


async def check_journal(journal: JournalSettings) -> list[Finding]:
    """Can it be read, how full is it, and how far behind is the backend?"""
    return await asyncio.to_thread(_journal, journal)


EDGE_CHECKS: Final = (Check("disk", check_disk), Check("journal", check_journal))


def _disk(journal: JournalSettings) -> Finding:
    folder = journal.path.parent
    while not folder.exists() and folder != folder.parent:
        folder = folder.parent
    try:
        free = shutil.disk_usage(folder).free
        used = _size(journal.path)
    except OSError as error:
        return fail("disk", f"{folder}: {error.strerror}", "mount the disk, or name another folder in [journal] path")
    needed = max(0, journal.quota_mib * MIB - used)
    said = f"{free / MIB:,.0f} MiB free at {folder}; the journal may still take {needed / MIB:,.0f}"
    if free < needed:
        return fail("disk", said, "make room, or lower [journal] quota_mib")
    return ok("disk", said)


def _size(path: Path) -> int:
    files = (path, path.with_name(path.name + "-wal"))
    return sum(file.stat().st_size for file in files if file.exists())


def _journal(journal: JournalSettings) -> list[Finding]:
    if not journal.path.exists():
        return [ok("journal", f"{journal.path}: none yet, the gateway makes it")]
    mend = "name another file in [journal] path; keep this one: its events may not have been sent"
    try:
        with closing(sqlite3.connect(f"file:{journal.path}?mode=ro", uri=True, timeout=5)) as db:
            (application,) = db.execute("PRAGMA application_id").fetchone()
            if application != APPLICATION_ID:
                return [fail("journal", f"{journal.path} is no journal of this program", mend)]
            acked, beyond = db.execute("SELECT acked, next_seq FROM journal").fetchone()
            (pages,) = db.execute("PRAGMA page_count").fetchone()
            (free,) = db.execute("PRAGMA freelist_count").fetchone()
            (page_bytes,) = db.execute("PRAGMA page_size").fetchone()
    except sqlite3.Error as error:
        return [fail("journal", f"{journal.path}: {error}", mend)]
    used, quota = (pages - free) * page_bytes, journal.quota_mib * MIB
    state = "a gateway writes it" if is_running(journal) else "no gateway runs"
    findings = [_backlog(beyond - 1 - acked, state)]
    said = f"{used / MIB:,.1f} of {journal.quota_mib:,} MiB"
    if used > ALARM_FRACTION * quota:
        findings.append(fail("  quota", said, "let the backend catch up, or raise [journal] quota_mib"))
    else:
        findings.append(ok("  quota", said))
    return findings


def _backlog(backlog: int, state: str) -> Finding:
    said = f"{backlog:,} events not confirmed by the backend; {state}"
    if backlog > MAX_BACKLOG:
        return fail("journal", said, "see that gateway, broker and backend run and reach each other")
    return ok("journal", said)
