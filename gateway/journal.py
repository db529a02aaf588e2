"""The gateway's memory: decided events until the backend has them, and the state of the judgement that decided them.

One SQLite file (WAL, synchronous=FULL: what is committed survives a power cut). Events are numbered 1, 2, 3 … within
an `epoch`, a random id made with the file (docs/adr/0001, docs/adr/0002). What one tick decided and what it changed of
the tags' state commit together, so a restart neither repeats an arrival nor forgets a departure (docs/adr/0009).

The numbers of a journal, from old to new:

    … trimmed …│ acknowledged, kept │ lost │ unacknowledged │
               first held         acked   first held        end

Acknowledged rows stay `keep_acked_h` more, so that a database restored from a backup can be filled again. Numbers
above `acked` whose rows no longer exist are always the lowest above it, so `lost` is derived and never stored.

    an ack says                                       the journal
    -----------                                       -----------
    another epoch                                     ignores it
    another store, not made later than the known one  ignores it: that one was replaced, and may not know so
    the known store, through ≤ acked                  ignores it: late or repeated
    the known store, acked < through ≤ end            moves acked up
    a store made later, through ≤ end                 adopts it and takes acked to through, also downwards
    the known store or a later one, through > end     opens a new epoch: unacknowledged rows become its 1, 2, 3 …

The last row happens when the file itself was restored from an older copy: its numbers have been used by others.
"""

from __future__ import annotations

import asyncio
import fcntl
import logging
import secrets
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Concatenate, Final, Literal, NamedTuple, ParamSpec, Self, TextIO, TypeVar

from gateway.config import JournalSettings
from gateway.errors import JournalError, JournalFullError
from gateway.pipeline import TagRow
from wire.ack import ScanOutcome
from wire.events import Movement, ReaderHealth, Scan, encode

logger = logging.getLogger(__name__)

APPLICATION_ID: Final = 0x54414C59
SCHEMA_VERSION: Final = 2

ALARM_FRACTION: Final = 0.8
CALM_FRACTION: Final = 0.75
"""The alarm ends below this, so that a journal at its edge does not flap."""

ROOM_CHUNK: Final = 1000
"""Rows deleted at a time when room must be made or old rows go: a few milliseconds of work in one transaction."""

MARK_US: Final = 60_000_000
"""How finely the time of acknowledgement is remembered: one mark a minute, 4,320 in the default 72 h."""

BUSY_S: Final = 5.0
"""Somebody who reads the file while the gateway runs (a backup) may hold it this long."""

SCHEMA: Final = """
CREATE TABLE journal (
    only_row       INTEGER PRIMARY KEY CHECK (only_row = 1),
    epoch          TEXT    NOT NULL,
    store          TEXT,
    store_made_us  INTEGER NOT NULL,
    acked          INTEGER NOT NULL,
    next_seq       INTEGER NOT NULL CHECK (next_seq > acked),
    why_lost       TEXT    NOT NULL
);
CREATE TABLE event (seq INTEGER PRIMARY KEY, payload BLOB NOT NULL);
CREATE TABLE ack_mark (slot INTEGER PRIMARY KEY, at_us INTEGER NOT NULL, through INTEGER NOT NULL);
CREATE TABLE tag_state (epc BLOB PRIMARY KEY, state TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE scan (
    device  TEXT    NOT NULL,
    scan_id TEXT    NOT NULL,
    seq     INTEGER NOT NULL,
    state   TEXT    NOT NULL,
    reason  TEXT    NOT NULL,
    PRIMARY KEY (device, scan_id)
) WITHOUT ROWID;
CREATE INDEX scan_by_seq ON scan (seq);
CREATE INDEX scan_unjudged ON scan (seq) WHERE state = 'stored';
INSERT INTO journal VALUES (1, lower(hex(randomblob(8))), NULL, 0, 0, 1, '');
"""

FROM_VERSION_1: Final = """
ALTER TABLE journal ADD COLUMN store_made_us INTEGER NOT NULL DEFAULT 0;
DROP TABLE past_store;
CREATE INDEX scan_unjudged ON scan (seq) WHERE state = 'stored';
"""

AckEffect = Literal["ignored", "repeated", "advanced", "rewound", "new_epoch"]
OnFull = Literal["refuse", "drop_oldest"]


class Store(NamedTuple):
    """A backend's database by its name, and when it got that."""

    name: str
    made_us: int


@dataclass(frozen=True, slots=True)
class Position:
    """Where the journal stands. `end` is the last number given out, 0 before the first; `store_made_us`: when the store
    got its name, 0 before the first is heard."""

    epoch: str
    store: str | None
    store_made_us: int
    acked: int
    end: int
    why_lost: str

    @property
    def backlog(self) -> int:
        """Numbers that the backend has not acknowledged."""
        return self.end - self.acked


@dataclass(frozen=True, slots=True)
class Outgoing:
    """What is to be sent next: a run of encoded events, or (no payloads) a range that no longer exists, and why."""

    epoch: str
    first_seq: int
    last_seq: int
    payloads: tuple[bytes, ...] = ()
    why_lost: str = ""


class JournalFile:
    """The file itself; every call blocks until the disk has it. One thread at a time, one process at a time.

    Every method raises JournalError when the file cannot be used, and JournalFullError when there is no room; nothing
    of such a call is kept.
    """

    def __init__(self, path: Path, quota_bytes: int, keep_acked_h: float, on_full: OnFull) -> None:
        self.path = path
        self.quota_bytes = quota_bytes
        self._keep_us = round(keep_acked_h * 3_600_000_000)
        self._on_full = on_full
        self._alarmed = False
        self._refused: str | None = None
        self._lock = self._take_lock()
        try:
            with self._explained():
                self._db = sqlite3.connect(path, timeout=BUSY_S, isolation_level=None, check_same_thread=False)
                self._prepare()
                self.position = self._load_position()
                self.used_bytes = self._measure()
        except BaseException:
            self._lock.close()
            raise

    def close(self) -> None:
        """Close the file and let another process have it."""
        self._db.close()
        self._lock.close()

    def append(
        self, events: Sequence[Movement | ReaderHealth], tags: Sequence[TagRow], forgotten: Sequence[bytes]
    ) -> range | None:
        """Keep one tick's events and what it changed of the tags' state, all or nothing.

        Returns the numbers given to the events, or None when there were none.
        """
        payloads = [encode(event) for event in events]
        with self._transaction():
            self._make_room(sum(map(len, payloads)) + sum(len(tag.state) for tag in tags))
            numbers = self._insert(payloads)
            self._db.executemany(
                "INSERT INTO tag_state (epc, state) VALUES (?1, ?2) ON CONFLICT (epc) DO UPDATE SET state = ?2",
                [(tag.epc, tag.state) for tag in tags],
            )
            self._db.executemany("DELETE FROM tag_state WHERE epc = ?", [(epc,) for epc in forgotten])
        return numbers or None

    def append_scans(self, scans: Sequence[Scan]) -> list[ScanOutcome]:
        """Keep scans that are new by (device, scan_id); answer each with what is known of it, in order."""
        outcomes: list[ScanOutcome] = []
        with self._transaction():
            self._make_room(sum(len(scan.code) + 300 for scan in scans))
            for scan in scans:
                known = self._db.execute(
                    "SELECT state, reason FROM scan WHERE device = ? AND scan_id = ?", (scan.device, scan.scan_id)
                ).fetchone()
                if known is None:
                    known = ("stored", "")
                    (seq,) = self._insert([encode(scan)])
                    self._db.execute(
                        "INSERT INTO scan (device, scan_id, seq, state, reason) VALUES (?, ?, ?, ?, ?)",
                        (scan.device, scan.scan_id, seq, *known),
                    )
                outcomes.append(ScanOutcome(device=scan.device, scan_id=scan.scan_id, state=known[0], reason=known[1]))
        return outcomes

    def record_outcomes(self, outcomes: Sequence[ScanOutcome]) -> list[ScanOutcome]:
        """Keep the backend's word on scans of this journal. Returns those that say something new."""
        with self._transaction():
            return [
                outcome
                for outcome in outcomes
                if self._db.execute(
                    "UPDATE scan SET state = ?1, reason = ?2"
                    " WHERE device = ?3 AND scan_id = ?4 AND (state <> ?1 OR reason <> ?2)",
                    (outcome.state, outcome.reason, outcome.device, outcome.scan_id),
                ).rowcount
            ]

    def unjudged_scan(self, after_seq: int) -> int | None:
        """The first number above `after_seq` of a scan that the backend has, but whose outcome never came here."""
        with self._explained():
            (seq,) = self._db.execute(
                "SELECT min(seq) FROM scan WHERE seq > ? AND seq <= ? AND state = 'stored'",
                (after_seq, self.position.acked),
            ).fetchone()
        return None if seq is None else int(seq)

    def load_tags(self) -> list[TagRow]:
        """Every tag's state, as last kept."""
        with self._explained():
            return [TagRow(bytes(epc), state) for epc, state in self._db.execute("SELECT epc, state FROM tag_state")]

    def read_from(self, seq: int, limit: int, max_bytes: int) -> Outgoing | None:
        """What to send from number `seq` on: at most `limit` events of `max_bytes` together, but at least one.

        Where `seq` lies in the lost range the whole range is returned. None when there is no event `seq`, or no more.
        """
        with self._explained():
            at = self.position
            first_held = self._first_held()
            if at.acked < seq < first_held:
                return Outgoing(at.epoch, at.acked + 1, first_held - 1, why_lost=at.why_lost)
            if seq < first_held:
                return None
            payloads: list[bytes] = []
            size = 0
            for (payload,) in self._db.execute(
                "SELECT payload FROM event WHERE seq >= ? ORDER BY seq LIMIT ?", (seq, limit)
            ):
                size += len(payload) + 1
                if payloads and size > max_bytes:
                    break
                payloads.append(bytes(payload))
        return Outgoing(at.epoch, seq, seq + len(payloads) - 1, tuple(payloads)) if payloads else None

    def ack(self, epoch: str, through: int, store: Store, now_us: int) -> AckEffect:
        """Take the backend's word that everything up to `through` is committed in `store` (table above)."""
        at = self.position
        if epoch != at.epoch:
            return "ignored"
        if store.name != at.store and store.made_us <= at.store_made_us:
            self._refuse(store)
            return "ignored"
        if through > at.end:
            self._open_epoch(store)
            return "new_epoch"
        if store.name == at.store and through <= at.acked:
            return "repeated" if through == at.acked else "ignored"
        with self._transaction():
            if at.store is not None and store.name != at.store:
                logger.warning(
                    "the backend has a new store store=%s acked=%d through=%d", store.name, at.acked, through
                )
            self._set(replace(at, store=store.name, store_made_us=store.made_us, acked=through))
            self._db.execute("DELETE FROM ack_mark WHERE through > ?", (through,))
            self._db.execute(
                "INSERT INTO ack_mark (slot, at_us, through) VALUES (?1, ?2, ?3)"
                " ON CONFLICT (slot) DO UPDATE SET at_us = ?2, through = ?3",
                (now_us // MARK_US, now_us, through),
            )
            if through + 1 < self._first_held():
                self._set(
                    replace(self.position, why_lost="a new store asks for events trimmed after an older one had them")
                )
        return "rewound" if through < at.acked else "advanced"

    def trim(self, now_us: int) -> int:
        """Delete rows acknowledged at least `keep_acked_h` ago, at most ROOM_CHUNK of them. Returns how many."""
        with self._transaction():
            (done,) = self._db.execute(
                "SELECT max(through) FROM ack_mark WHERE at_us <= ?", (now_us - self._keep_us,)
            ).fetchone()
            return 0 if done is None else self._delete_through(min(done, self._first_held() + ROOM_CHUNK - 1))

    def _take_lock(self) -> TextIO:
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            lock = self.path.with_name(self.path.name + ".lock").open("w")
        except OSError as error:
            raise JournalError(f"the journal {self.path} cannot be made: {error.strerror}") from error
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            lock.close()
            raise JournalError(f"the journal {self.path} is in use by another gateway on this machine") from error
        return lock

    def _prepare(self) -> None:
        application = self._db.execute("PRAGMA application_id").fetchone()[0]
        version = self._db.execute("PRAGMA user_version").fetchone()[0]
        empty = self._db.execute("SELECT count(*) FROM sqlite_schema").fetchone()[0] == 0
        if not empty and (application != APPLICATION_ID or version not in (1, SCHEMA_VERSION)):
            raise JournalError(f"{self.path} is no journal of this program's version; name another file")
        self._db.execute("PRAGMA journal_mode = WAL")
        self._db.execute("PRAGMA synchronous = FULL")
        if empty or version < SCHEMA_VERSION:
            # one script, one transaction: a kill in between leaves the file as it was, not half a schema
            self._db.executescript(
                f"BEGIN IMMEDIATE;{SCHEMA if empty else FROM_VERSION_1}"
                f"PRAGMA application_id = {APPLICATION_ID};PRAGMA user_version = {SCHEMA_VERSION};COMMIT;"
            )

    def _load_position(self) -> Position:
        epoch, store, made_us, acked, next_seq, why = self._db.execute(
            "SELECT epoch, store, store_made_us, acked, next_seq, why_lost FROM journal"
        ).fetchone()
        (last,) = self._db.execute("SELECT max(seq) FROM event").fetchone()
        if last is not None and last != next_seq - 1:
            raise JournalError(f"the journal {self.path} is damaged: it ends at {last}, not at {next_seq - 1}")
        return Position(epoch, store, made_us, acked, next_seq - 1, why)

    def _insert(self, payloads: Sequence[bytes]) -> range:
        numbers = range(self.position.end + 1, self.position.end + 1 + len(payloads))
        if payloads:
            self._db.executemany("INSERT INTO event (seq, payload) VALUES (?, ?)", zip(numbers, payloads, strict=True))
            self._set(replace(self.position, end=numbers[-1]))
        return numbers

    def _set(self, position: Position) -> None:
        self._db.execute(
            "UPDATE journal SET epoch = ?, store = ?, store_made_us = ?, acked = ?, next_seq = ?, why_lost = ?",
            (
                position.epoch,
                position.store,
                position.store_made_us,
                position.acked,
                position.end + 1,
                position.why_lost,
            ),
        )
        self.position = position

    def _first_held(self) -> int:
        (first,) = self._db.execute("SELECT min(seq) FROM event").fetchone()
        return self.position.end + 1 if first is None else int(first)

    def _refuse(self, store: Store) -> None:
        """Say once of a store that its word is not taken."""
        if self._refused != store.name:
            self._refused = store.name
            logger.warning(
                "a store answers that was made before the one this journal follows, and is not believed store=%s"
                " followed=%s: stop that backend, or if it is the right one, run `tallyman migrate --new-store` on it",
                store.name,
                self.position.store,
            )

    def _open_epoch(self, store: Store) -> None:
        at = self.position
        epoch = secrets.token_hex(8)
        with self._transaction():
            self._db.execute("DELETE FROM event WHERE seq <= ?", (at.acked,))
            self._db.execute("DELETE FROM scan WHERE seq <= ?", (at.acked,))
            self._db.execute("DELETE FROM ack_mark")
            self._db.execute("UPDATE event SET seq = -seq")  # in two steps, or a number would meet its neighbour
            self._db.execute("UPDATE event SET seq = -seq - ?", (at.acked,))
            self._db.execute("UPDATE scan SET seq = seq - ?", (at.acked,))
            self._set(Position(epoch, store.name, store.made_us, 0, at.backlog, at.why_lost))
        logger.warning("the backend knows more than this journal: a new epoch begins epoch=%s was=%s", epoch, at.epoch)

    def _make_room(self, wanted_bytes: int) -> None:
        """Within the quota, or at the cost of rows the backend has, or (if that is the policy) of the oldest others."""
        if self._measure() + wanted_bytes <= self.quota_bytes:
            return
        at = self.position
        while self._first_held() <= at.acked:
            self._delete_through(min(at.acked, self._first_held() + ROOM_CHUNK - 1))
            if self._measure() + wanted_bytes <= self.quota_bytes:
                return
        if self._on_full == "refuse" or not at.backlog:
            raise JournalFullError(
                f"the journal {self.path} has reached its quota of {self.quota_bytes >> 20} MiB with {at.backlog}"
                " events that the backend does not have: restore the link, or raise quota_mib"
            )
        first = self._first_held()
        while self._measure() + wanted_bytes > self.quota_bytes and self._first_held() <= at.end:
            self._delete_through(min(at.end, self._first_held() + ROOM_CHUNK - 1))
        self._set(replace(self.position, why_lost="dropped by the gateway: its journal was full"))
        logger.error("journal full: events lost from=%d through=%d", first, self._first_held() - 1)

    def _delete_through(self, seq: int) -> int:
        deleted = self._db.execute("DELETE FROM event WHERE seq <= ?", (seq,)).rowcount
        self._db.execute("DELETE FROM scan WHERE seq <= ?", (seq,))
        self._db.execute("DELETE FROM ack_mark WHERE through < ?", (seq,))
        return deleted

    def _measure(self) -> int:
        pages, free, size = (
            self._db.execute(f"PRAGMA {name}").fetchone()[0] for name in ("page_count", "freelist_count", "page_size")
        )
        self.used_bytes = int((pages - free) * size)
        return self.used_bytes

    def _watch_quota(self) -> None:
        fraction = self.used_bytes / self.quota_bytes
        if fraction >= ALARM_FRACTION and not self._alarmed:
            self._alarmed = True
            logger.error("journal %.0f %% full path=%s backlog=%d", fraction * 100, self.path, self.position.backlog)
        elif fraction < CALM_FRACTION and self._alarmed:
            self._alarmed = False
            logger.warning("journal has room again path=%s backlog=%d", self.path, self.position.backlog)

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        before = self.position
        with self._explained():
            self._db.execute("BEGIN IMMEDIATE")
            try:
                yield
                self._db.execute("COMMIT")
            except BaseException:
                self.position = before
                if self._db.in_transaction:
                    self._db.execute("ROLLBACK")
                raise
            self._measure()
        self._watch_quota()

    @contextmanager
    def _explained(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.Error as error:
            code = getattr(error, "sqlite_errorcode", None)
            if code == sqlite3.SQLITE_FULL:
                raise JournalFullError(f"the disk of the journal {self.path} is full: make room") from error
            if code in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB):
                raise JournalError(
                    f"the journal {self.path} is damaged ({error}): move it aside; the gateway begins a new one, and"
                    " what the old one had not sent must be taken from a backup"
                ) from error
            raise JournalError(f"the journal {self.path} cannot be used: {error}") from error


_P = ParamSpec("_P")
_T = TypeVar("_T")


class Journal:
    """The journal under asyncio: every call runs on one thread of its own, in the order of the calls.

    Methods, results and errors are those of JournalFile. A call that is cancelled may still have been carried out.
    """

    def __init__(self, file: JournalFile, thread: ThreadPoolExecutor) -> None:
        self._file = file
        self._thread = thread

    @classmethod
    async def open(cls, settings: JournalSettings) -> Self:
        """Open the file, or make it. Raises JournalError."""
        thread = ThreadPoolExecutor(1, thread_name_prefix="journal")
        quota_bytes = settings.quota_mib << 20
        try:
            file = await asyncio.get_running_loop().run_in_executor(
                thread, JournalFile, settings.path, quota_bytes, settings.keep_acked_h, settings.on_full
            )
        except BaseException:
            thread.shutdown(wait=False)
            raise
        return cls(file, thread)

    async def close(self) -> None:
        """Wait for what was asked, then close the file."""
        await self._call(JournalFile.close)
        self._thread.shutdown()

    @property
    def position(self) -> Position:
        """Where the journal stands."""
        return self._file.position

    @property
    def used_fraction(self) -> float:
        """How much of the quota is used."""
        return self._file.used_bytes / self._file.quota_bytes

    async def append(
        self, events: Sequence[Movement | ReaderHealth], tags: Sequence[TagRow], forgotten: Sequence[bytes]
    ) -> range | None:
        """JournalFile.append."""
        return await self._call(JournalFile.append, events, tags, forgotten)

    async def append_scans(self, scans: Sequence[Scan]) -> list[ScanOutcome]:
        """JournalFile.append_scans."""
        return await self._call(JournalFile.append_scans, scans)

    async def record_outcomes(self, outcomes: Sequence[ScanOutcome]) -> list[ScanOutcome]:
        """JournalFile.record_outcomes."""
        return await self._call(JournalFile.record_outcomes, outcomes)

    async def load_tags(self) -> list[TagRow]:
        """JournalFile.load_tags."""
        return await self._call(JournalFile.load_tags)

    async def read_from(self, seq: int, limit: int, max_bytes: int) -> Outgoing | None:
        """JournalFile.read_from."""
        return await self._call(JournalFile.read_from, seq, limit, max_bytes)

    async def unjudged_scan(self, after_seq: int) -> int | None:
        """JournalFile.unjudged_scan."""
        return await self._call(JournalFile.unjudged_scan, after_seq)

    async def ack(self, epoch: str, through: int, store: Store, now_us: int) -> AckEffect:
        """JournalFile.ack."""
        return await self._call(JournalFile.ack, epoch, through, store, now_us)

    async def trim(self, now_us: int) -> int:
        """JournalFile.trim."""
        return await self._call(JournalFile.trim, now_us)

    async def _call(
        self, method: Callable[Concatenate[JournalFile, _P], _T], *args: _P.args, **kwargs: _P.kwargs
    ) -> _T:
        return await asyncio.get_running_loop().run_in_executor(
            self._thread, lambda: method(self._file, *args, **kwargs)
        )
