"""The ingest service: a gateway's message becomes stock, exactly once (docs/adr/0002).

    message                         cursor at through        answer
    -------                         -----------------        ------
    batch, last_seq ≤ through       stays: a duplicate       Ack(through)
    batch, first_seq > through+1    stays: a gap before it   Ack(through)
    batch                           moves to last_seq        Ack(last_seq); numbers ≤ through are skipped
    lost, the same three ways       moves to through_seq     Ack; a lost range and an alert

Cursor, items, postings, balances, outbox and quarantine commit together. Any number of workers may be given a message;
the cursor's lock lets one win and the others see that it is done.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import groupby
from typing import Any, Final, NamedTuple

import asyncpg
from pydantic import ValidationError
from pydantic_core import from_json

from backend.alerts.service import Alert, AlertName, clear_alerts, raise_alerts
from backend.alerts.wording import Detail
from backend.catalog.model import Places
from backend.catalog.service import PlacesCopy
from backend.documents.surplus import tell_surplus
from backend.ingest.batch import AnyEvent, BatchWork, Fault, Stream, printable, set_aside
from backend.ingest.items import SQL, UnknownThingsError
from backend.orders.swapping import PromiseMovedError
from backend.store.database import Connection, Database, Record
from wire.ack import Ack, GatewayStatus, ScanOutcome
from wire.clock import Clock
from wire.events import EVENT, BadEvent, Lost, ReceivedBatch, Scan, explain

logger = logging.getLogger(__name__)

MAX_ATTEMPTS: Final = 5
"""Two transactions that still wait for each other are parted by PostgreSQL; a loser tries again, and so does one whose
swap of a promise came too late. Five in a row mean that the lock order is broken, and that must be seen."""

RETRY_PAUSE_S: Final = 0.02

REPLAY_ROWS: Final = 500
"""Rows of one replay transaction: half a batch, so that a replay never holds up live events for long."""

UNAPPLICABLE: Final = (asyncpg.DataError, asyncpg.IntegrityConstraintViolationError, ValueError)
"""What an event brings about that the database cannot hold, asyncpg's own refusal to encode it included (a
ValueError). It is found by applying events one by one, and only it is set aside."""

PARTED: Final = (asyncpg.DeadlockDetectedError, asyncpg.SerializationError, PromiseMovedError)


class Replayed(NamedTuple):
    """How many events a replay applied, and how many still cannot be."""

    applied: int
    remaining: int


@dataclass(slots=True)
class IngestStats:
    """What this process has done since it started."""

    batches: int = 0
    duplicates: int = 0
    gaps: int = 0
    applied: int = 0
    quarantined: int = 0
    lost: int = 0


@dataclass(frozen=True, slots=True)
class _Cursor:
    through: int
    store_id: str
    store_made_at: datetime
    places: Places

    def ack(self, gateway: str, epoch: str, through: int, at: datetime, scans: tuple[ScanOutcome, ...] = ()) -> Ack:
        """The word that everything up to `through` is committed here."""
        return Ack(
            gateway=gateway,
            epoch=epoch,
            store=self.store_id,
            store_made_at=self.store_made_at,
            through=through,
            at=at,
            scans=scans,
        )


class IngestService:
    """Applies what gateways say. One service may be given messages of any number of gateways at the same time; those
    of one gateway should come one after another, or the later of two finds a gap."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self.stats = IngestStats()
        self._database = database
        self._clock = clock
        self._places = PlacesCopy()

    async def apply(self, message: ReceivedBatch | Lost) -> Ack:
        """Apply a message that came for the first or the tenth time, and answer how far its epoch is committed.

        Raises what the database raises when it is away (backend.store.database.UNAVAILABLE); nothing is applied then.
        """
        self.stats.batches += 1
        for attempt in range(MAX_ATTEMPTS):
            try:
                return await self._apply_once(message)
            except PARTED:
                if attempt == MAX_ATTEMPTS - 1:
                    raise
                await asyncio.sleep(RETRY_PAUSE_S * (attempt + 1))
        raise AssertionError("unreachable")

    async def _apply_once(self, message: ReceivedBatch | Lost) -> Ack:
        if isinstance(message, Lost):
            async with self._database.transaction() as connection:
                return await self._lose(connection, message)
        try:
            return await self._take_whole(message)
        except (*UNAPPLICABLE, PromiseMovedError) as error:
            logger.warning("applying one by one gateway=%s first_seq=%s: %s", message.gateway, message.first_seq, error)
            async with self._database.transaction() as connection:
                return await self._take(connection, message, one_by_one=True)

    async def _take_whole(self, batch: ReceivedBatch) -> Ack:
        """Apply events together: first as if every thing were known, which nearly every batch's are."""
        with contextlib.suppress(UnknownThingsError):
            async with self._database.transaction() as connection:
                return await self._take(connection, batch, all_known=True)
        async with self._database.transaction() as connection:
            return await self._take(connection, batch)

    async def _take(
        self, connection: Connection, batch: ReceivedBatch, *, all_known: bool = False, one_by_one: bool = False
    ) -> Ack:
        cursor = await self._lock(connection, batch.gateway, batch.epoch)
        through = cursor.through
        if batch.first_seq > through + 1:
            self.stats.gaps += 1
        elif batch.last_seq <= through:
            self.stats.duplicates += 1
        else:
            numbered = [(seq, event) for seq, event in enumerate(batch.events, batch.first_seq) if seq > through]
            stream = Stream(batch.site, batch.gateway, batch.epoch)
            work = BatchWork(connection, cursor.places, stream, self._clock.now(), makes_things=not all_known)
            faults = await self._carry_out(work, numbered, one_by_one=one_by_one)
            await set_aside(connection, stream, faults, work.now)
            await tell_surplus(connection, work.came, work.now)
            through = batch.last_seq
            told = work.now, batch.site, _told(work)
            await connection.execute(SQL["close_batch"], *told, batch.gateway, batch.epoch, through)
            self.stats.applied += len(numbered) - len(faults)
            self.stats.quarantined += len(faults)
        scans = await _outcomes(connection, batch.events)
        return cursor.ack(batch.gateway, batch.epoch, through, self._clock.now(), scans)

    async def _carry_out(
        self, work: BatchWork, numbered: Sequence[tuple[int, AnyEvent]], *, one_by_one: bool
    ) -> list[Fault]:
        """Apply events together, or each in a savepoint of its own where one of them cannot be held."""
        if not one_by_one:
            await work.apply(numbered)
            return work.faults
        faults: list[Fault] = []
        for seq, event in numbered:
            single = BatchWork(work.connection, work.places, work.stream, work.now)
            try:
                async with work.connection.transaction():
                    await single.apply([(seq, event)])
            except UNAPPLICABLE as error:
                faults.append(Fault(seq, event, "refused_by_store", str(error)))
            else:
                faults += single.faults
                work.moved += single.moved
                work.told += single.told
                work.came |= single.came
        return faults

    async def _lose(self, connection: Connection, lost: Lost) -> Ack:
        """Move over a range that no longer exists, so that what follows can be applied, and say so."""
        cursor = await self._lock(connection, lost.gateway, lost.epoch)
        through, now = cursor.through, self._clock.now()
        if lost.from_seq <= through + 1 and lost.through_seq > through:
            first = through + 1
            through = lost.through_seq
            site = cursor.places.by_code.get(lost.site)
            reason = printable(lost.reason)
            await connection.execute(SQL["add_lost"], lost.gateway, lost.epoch, first, through, reason, now)
            await connection.execute(SQL["move_cursor"], lost.gateway, lost.epoch, through, now)
            detail = Detail(
                gateway=lost.gateway, from_seq=first, through_seq=through, events=through - first + 1, reason=reason
            )
            key = f"{lost.gateway}/{lost.epoch}/{first}"
            await raise_alerts(connection, [Alert("lost_range", key, site.site_id if site else None, detail)], now)
            self.stats.lost += through - first + 1
            logger.error("events lost gateway=%s from=%s through=%s: %s", lost.gateway, first, through, reason)
        return cursor.ack(lost.gateway, lost.epoch, through, now)

    async def _lock(self, connection: Connection, gateway: str, epoch: str) -> _Cursor:
        row = await connection.fetchrow(SQL["lock_cursor"], gateway, epoch)
        if row is None:
            await connection.execute(SQL["make_cursor"], gateway, epoch, self._clock.now())
            row = await connection.fetchrow(SQL["lock_cursor"], gateway, epoch)
            assert row is not None
        places = await self._places.at(connection, row["store_id"], row["catalog_revision"])
        return _Cursor(row["through"], row["store_id"], row["store_made_at"], places)

    async def note_status(self, status: GatewayStatus) -> None:
        """Keep a gateway's word on itself: raise an alert while it is offline, and one for each zone or portal of its
        configuration that the catalog of its site does not know."""
        now = self._clock.now()
        async with self._database.transaction() as connection:
            facts = await connection.fetchrow(SQL["store_facts"])
            assert facts is not None
            places = await self._places.at(connection, facts["store_id"], facts["catalog_revision"])
            site = places.by_code.get(status.site)
            site_id = site.site_id if site else None
            await connection.execute(
                SQL["put_gateway"],
                status.gateway,
                status.site,
                status.online,
                status.config_hash,
                status.model_dump(mode="json"),
                status.at if status.online else now,  # a last will is dated when it was left, at the birth
            )
            zones = [code for code in status.zones if site is None or site.real_zone(code) is None]
            portals = [code for code in status.portals if site is None or code not in site.portals]
            unknown = {f"zone/{code}": Detail(zone=code) for code in zones}
            unknown |= {f"portal/{code}": Detail(portal=code) for code in portals}
            prefix = f"{status.gateway}/{status.site}/"
            itself = Detail(gateway=status.gateway, site=status.site)
            raised = [Alert("unknown_place", prefix + name, site_id, itself | place) for name, place in unknown.items()]
            if not status.online:
                raised.append(Alert("gateway_offline", status.gateway, site_id, itself))
            names = {(alert.kind, alert.key) for alert in raised}
            standing = await connection.fetch(SQL["standing_unknowns"], f"{status.gateway}/")
            before: list[AlertName] = [("gateway_offline", status.gateway)]
            before += [("unknown_place", row["key"]) for row in standing]
            await clear_alerts(connection, [name for name in before if name not in names], now)
            await raise_alerts(connection, raised, now)
            await connection.execute(SQL["tell"], now, status.site, None)

    async def set_aside(self, site: str, gateway: str, payload: bytes, reason: str) -> None:
        """Keep bytes that are no message; the same ones again change nothing."""
        async with self._database.transaction() as connection:
            tag = await connection.execute(
                SQL["set_bytes_aside"],
                self._clock.now(),
                site,
                gateway,
                f"unreadable_message:{gateway}",
                printable(reason),
                payload,
            )
        self.stats.quarantined += tag.endswith(" 1")

    async def replay(self, cause: str) -> Replayed:
        """Apply again what lies in quarantine for a cause, each event under its own number. What still cannot be
        applied stays, under the cause that now holds it back."""
        applied = remaining = last = 0
        while True:
            async with self._database.transaction() as connection:
                rows = await connection.fetch(SQL["open_quarantine"], cause, last, REPLAY_ROWS)
                if not rows:
                    return Replayed(applied, remaining)
                facts = await connection.fetchrow(SQL["store_facts"])
                assert facts is not None
                places = await self._places.at(connection, facts["store_id"], facts["catalog_revision"])
                last = rows[-1]["quarantine_id"]
                held = await self._replay_rows(connection, places, rows)
                applied += len(rows) - held
                remaining += held

    async def _replay_rows(self, connection: Connection, places: Places, rows: Sequence[Record]) -> int:
        now = self._clock.now()
        came: set[int] = set()
        settled: list[int] = []
        renamed: list[tuple[int, str, str]] = []

        def stream_of(row: Record) -> Stream:
            return Stream(row["site"], row["gateway"], row["epoch"])

        for stream, group in groupby(sorted(rows, key=lambda row: (*stream_of(row), row["seq"])), stream_of):
            members = list(group)
            ids = {row["seq"]: row["quarantine_id"] for row in members}
            work = BatchWork(connection, places, stream, now)
            faults = await self._carry_out(work, [(row["seq"], _event(row)) for row in members], one_by_one=True)
            renamed += ((ids.pop(fault.seq), printable(fault.cause), printable(fault.reason)) for fault in faults)
            settled += ids.values()
            came |= work.came
            await connection.execute(SQL["tell"], now, stream.site, _told(work))
        await connection.execute(SQL["settle_quarantine"], settled, now)
        if renamed:
            await connection.execute(SQL["rename_causes"], *(list(column) for column in zip(*renamed, strict=True)))
        await tell_surplus(connection, came, now)
        return len(renamed)

    async def dismiss(self, cause: str) -> int:
        """Give up what lies in quarantine for a cause; answers how many events."""
        async with self._database.transaction() as connection:
            tag = await connection.execute(SQL["dismiss_quarantine"], cause, self._clock.now())
        return int(tag.rsplit(" ", 1)[-1])


def _told(work: BatchWork) -> dict[str, Any] | None:
    """What those who follow along are told of a batch's movements."""
    return {"count": work.moved, "movements": work.told} if work.moved else None


def _event(row: Record) -> AnyEvent:
    raw: Any = row["event"] if row["event"] is not None else from_json(row["raw"])
    try:
        return EVENT.validate_python(raw)
    except ValidationError as error:
        return BadEvent(raw=raw, reason=explain(error))


async def _outcomes(connection: Connection, events: Sequence[AnyEvent]) -> tuple[ScanOutcome, ...]:
    """What became of a batch's scans, now or when they first came."""
    scans = {(event.device, event.scan_id) for event in events if isinstance(event, Scan)}
    if not scans:
        return ()
    storable = sorted(name for name in scans if "\0" not in name[1])
    rows = await connection.fetch(
        SQL["scan_outcomes"], [device for device, _ in storable], [scan_id for _, scan_id in storable]
    )
    return tuple(ScanOutcome(**row) for row in rows)
