"""One transaction's events, from what was said to what it does: sorted, resolved against the catalog, folded, written.

events ─▶ movements ─┐                    ┌─▶ items      ─▶ postings ─▶ balances, outbox, owed alerts
       ─▶ scans ─────┼─▶ observations ────┤
       ─▶ health     │   of items         └─▶ movement, scan, reader_health rows
       ─▶ faults ────┘
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Final, NamedTuple

from pydantic_core import to_json

from backend.alerts.service import Alert, AlertKind, AlertName, clear_alerts, raise_alerts
from backend.alerts.wording import Detail
from backend.catalog.model import Places, Site
from backend.documents.model import Back
from backend.documents.service import SQL as DOCUMENTS
from backend.documents.service import (
    Crossed,
    fulfilments,
    note_arrived,
    note_crossings,
    read_doors,
    tell_departures,
    turn_back,
)
from backend.effects import rules
from backend.effects.crossing import INSIDE, DoorBook, Opening
from backend.effects.identity import Named
from backend.effects.observation import Key
from backend.effects.plain import Plain, move_plainly
from backend.ingest.items import SQL, Admitted, Item, admit, lock, lock_known
from backend.ingest.leaving import back_under, gone_under, lasting
from backend.ingest.pallet_names import names_pallet
from backend.ingest.pallets import Carried, count_carried, fold_together
from backend.ingest.scans import ScanWork
from backend.ledger.model import Balance, Cause, Transfer
from backend.stock.promises import post
from backend.store import arrays
from backend.store.database import Connection
from wire.events import BadEvent, Movement, ReaderHealth, Scan

MAX_SKEW: Final = timedelta(seconds=300)
"""How far a gateway's clock may run ahead. NTP keeps within a second; five minutes is a clock nobody set."""

EARLIEST: Final = datetime(2000, 1, 1, tzinfo=UTC)
"""A device whose clock lost its battery says 1970 or its maker's year."""

MOVEMENTS_TOLD: Final = 100
"""Of one batch, the latest: more than a page shows. Who needs every one reads the table of movements; as JSON in the
outbox a thousand of them would cost more than all their postings."""

HEALTH_ALERTS: Final[dict[str, tuple[AlertKind | None, tuple[AlertKind, ...]]]] = {
    "connected": (None, ("reader_lost", "reader_fault", "reader_overflow")),
    "lost": ("reader_lost", ()),
    "overflow": ("reader_overflow", ()),
    "fault": ("reader_fault", ()),
    "antenna_lost": ("antenna_lost", ()),
    "antenna_back": (None, ("antenna_lost",)),
}
"""State of a reader → the kind of alert it raises, the kinds it clears."""

AnyEvent = Movement | Scan | ReaderHealth | BadEvent


class Stream(NamedTuple):
    """Whose events these are."""

    site: str
    gateway: str
    epoch: str


class Fault(NamedTuple):
    """An event that cannot be applied as it is: the cause groups what one mend settles."""

    seq: int
    event: AnyEvent
    cause: str
    reason: str


class Seen(NamedTuple):
    """A movement whose zone or portal is known. `place_id`: where it puts the item by itself; a crossing also has its
    meaning, and the document that stood open at the door."""

    seq: int
    kind: str
    movement: Movement
    epc: bytes
    key: Key
    zone_id: int | None
    portal_id: int | None
    place_id: int | None
    opening: Opening | None = None
    condition: str | None = None
    origin_id: int | None = None
    unassigned: bool = False

    @property
    def document_id(self) -> int | None:
        """The document that it left or came under."""
        if self.opening is None or self.unassigned or not self.opening.explains(self.movement.direction or ""):
            return None
        return self.opening.document_id


Thing = tuple[int, int | None, int | None]
"""What a movement's tag turned out to be: the numbers of the item, of its SKU, and of the zone that a plain movement
puts it in; None where the fold saves its place."""


@dataclass(slots=True)
class BatchWork:
    """What one transaction does for a stream's events. `makes_things`: those that are new are made, where otherwise
    UnknownThingsError is raised. `faults` holds the events that changed nothing, `came` the documents of which
    something came: the caller tells of what came beyond the expected, when all else is done."""

    connection: Connection
    places: Places
    stream: Stream
    now: datetime
    makes_things: bool = True
    faults: list[Fault] = field(default_factory=list)
    moved: int = 0
    told: list[dict[str, Any]] = field(default_factory=list)
    carried: list[Carried] = field(default_factory=list)
    back: list[Back] = field(default_factory=list)
    came: set[int] = field(default_factory=set)

    async def apply(self, numbered: Sequence[tuple[int, AnyEvent]]) -> None:
        """Apply events with their numbers; all of them, or an exception and the caller's rollback."""
        site = self.places.by_code.get(self.stream.site)
        if site is None:
            reason = f"no site {self.stream.site!r} in the catalog: import it with its zones and portals"
            self.faults += (Fault(seq, one, f"unknown_site:{self.stream.site}", reason) for seq, one in numbered)
            return
        doors = await self._doors(site, [event for _, event in numbered if isinstance(event, Movement)])
        seen, scans, health = self._sort(site, doors, numbered)
        scan_work = ScanWork(self.connection, self.places, site, self.stream.gateway, self.stream.epoch, self.now)
        await scan_work.claim(scans, self.now + MAX_SKEW, EARLIEST)
        admitted, plain = await self._admit(site, seen, scan_work.named)
        numbers = zip(plain.item_ids, plain.sku_ids, plain.zone_ids, strict=True)
        things: dict[bytes, Thing] = dict(zip([one.epc for one in plain.said], numbers, strict=True))
        observed = self._observe(site, [one for one in seen if one.epc not in things], admitted)
        await self._hold_documents(seen, scan_work)
        await scan_work.find_promises()
        await scan_work.observe(admitted)
        await self._post(admitted, observed, plain, scan_work)
        await scan_work.settle()
        for epc, item in admitted.by_epc.items():
            things[epc] = item.item_id, item.state.goods and item.state.goods.sku_id, None
        await self._write_movements(site, [one for one in seen if one.epc in things], things)
        self.came |= await count_carried(self.connection, self.carried)
        await turn_back(self.connection, self.back)
        await self._note_health(site, health)

    async def _hold_documents(self, seen: Iterable[Seen], scan_work: ScanWork) -> None:
        """Lock what is counted on, so that nobody else counts on it meanwhile, or ends it; what has ended while it was
        waited for takes no scan. A crossing happened, whatever has ended since."""
        counted = {one.document_id for one in seen if one.document_id is not None} | scan_work.counted_on
        if counted:
            scan_work.refuse_ended(await self.connection.fetch(DOCUMENTS["lock_documents"], sorted(counted)))

    async def _doors(self, site: Site, movements: Sequence[Movement]) -> DoorBook:
        """What stood open at the doors that were crossed, when they were."""
        crossed = [one for one in movements if one.portal in site.portals]
        if not crossed:
            return DoorBook()
        portals = {site.portals[one.portal].portal_id for one in crossed if one.portal is not None}
        times = [one.observed_at for one in crossed]
        return await read_doors(self.connection, site.site_id, portals, min(times), max(times))

    def _sort(
        self, site: Site, doors: DoorBook, numbered: Sequence[tuple[int, AnyEvent]]
    ) -> tuple[list[Seen], list[tuple[int, Scan]], list[tuple[int, ReaderHealth]]]:
        """Movements with their codes as numbers, scans, and health; what is none of these joins the faults."""
        seen: list[Seen] = []
        scans: list[tuple[int, Scan]] = []
        health: list[tuple[int, ReaderHealth]] = []
        _, gateway, epoch = self.stream
        zones = {zone.code: zone.zone_id for zone in site.zones.values() if zone.is_real}
        latest, first_year = self.now + MAX_SKEW, EARLIEST.year
        for seq, event in numbered:
            if isinstance(event, Movement):
                at, kind = event.observed_at, event.kind
                zone_id = zones.get(event.zone or "")
                if event.portal is None and zone_id is not None and at.year >= first_year and at <= latest:
                    place_id = None if kind == "departed" else zone_id
                    epc, key = bytes.fromhex(event.epc), (at, gateway, epoch, seq)
                    seen.append(Seen(seq, kind, event, epc, key, zone_id, None, place_id))
                else:
                    self._resolve(site, doors, seq, event, seen)
            elif isinstance(event, Scan):
                scans.append((seq, event))
            elif isinstance(event, ReaderHealth):
                health.append((seq, event))
            else:
                self.faults.append(Fault(seq, event, "unreadable", event.reason))
        return seen, scans, health

    def _resolve(self, site: Site, doors: DoorBook, seq: int, movement: Movement, seen: list[Seen]) -> None:
        """Put a door's code into numbers and what crossing it means, or the event among the faults."""
        at = movement.observed_at
        wrong = rules.impossible_date(at, EARLIEST, self.now + MAX_SKEW)
        if wrong is not None:
            self.faults.append(Fault(seq, movement, "clock_skew", wrong))
            return
        if movement.portal is None:
            self.faults.append(_unknown(seq, movement, site, "zone", movement.zone or ""))
            return
        portal = site.portals.get(movement.portal)
        if portal is None:
            self.faults.append(_unknown(seq, movement, site, "portal", movement.portal))
            return
        opening = doors.open_at(portal.portal_id, at)
        meaning = doors.meaning(movement.direction or "", opening)
        place = portal.inside if meaning.place == INSIDE else site.virtual(meaning.place)
        origin = None if meaning.origin is None else site.virtual(meaning.origin).zone_id
        seen.append(
            Seen(
                seq,
                movement.kind,
                movement,
                bytes.fromhex(movement.epc),
                (at, self.stream.gateway, self.stream.epoch, seq),
                None,
                portal.portal_id,
                place.zone_id,
                opening,
                meaning.condition,
                origin,
                meaning.unassigned,
            )
        )

    async def _admit(
        self, site: Site, seen: Sequence[Seen], named: Mapping[str, Named]
    ) -> tuple[Admitted, Plain[Seen]]:
        """Lock what is seen or named; what is told plainly of it is told, the rest is to be folded."""
        by_epc = {one.epc: one for one in seen}
        if named or not by_epc or self.makes_things or any(map(names_pallet, by_epc)):
            return await admit(self.connection, self.places, site, by_epc, named), Plain()
        rows = await lock_known(self.connection, by_epc)
        times = Counter([one.epc for one in seen]) if len(by_epc) < len(seen) else {}
        said = [one if one.portal_id is None and times.get(one.epc, 1) == 1 else None for one in by_epc.values()]
        plain = move_plainly(rows, said, self.places.real_zone_ids)
        items = (await lock(self.connection, self.places, plain.others)).values() if plain.others else ()
        return Admitted({item.epc: item for item in items if item.epc is not None}), plain

    def _observe(self, site: Site, seen: list[Seen], admitted: Admitted) -> list[Seen]:
        """Give each movement to its item; those whose tag names nothing join the faults."""
        unknown_id = site.virtual("unknown").zone_id
        applied = []
        for one in seen:
            item = admitted.by_epc.get(one.epc)
            if item is None:
                fault = admitted.faults[one.epc]
                self.faults.append(Fault(one.seq, one.movement, fault.cause, fault.reason))
                continue
            movement = one.movement
            item.fresh.append(
                rules.moved(
                    movement.kind,
                    movement.direction,
                    one.key,
                    one.place_id,
                    unknown_id,
                    one.condition,
                    one.origin_id,
                )
            )
            applied.append(one)
        return applied

    async def _post(self, admitted: Admitted, seen: Sequence[Seen], plain: Plain[Seen], scan_work: ScanWork) -> None:
        gateway, epoch = self.stream.gateway, self.stream.epoch
        causes = {
            one.key: Cause(
                one.movement.kind, gateway, "gateway", one.opening and one.opening.code, gateway, epoch, one.seq
            )
            for one in seen
        }
        causes.update(scan_work.causes)
        transfers, self.carried = await item_transfers(
            self.connection, self.places, admitted.all.values(), causes, self.now
        )
        transfers += await scan_work.transfers()
        await scan_work.note_damage(transfers)
        transfers += plain.transfers
        documents = {one.seq: one.document_id for one in seen if one.document_id is not None} | scan_work.documents
        self.back = self._back(admitted, seen, transfers)
        gone, back = lasting(gone_under(self.places, transfers, documents), self.back)
        kept = await fulfilments(self.connection, [one.left for one in gone])
        kept += await turn_back(self.connection, back, kept)
        await self._note_crossings(admitted, seen)
        self.came |= await scan_work.count()
        balances = await post(self.connection, self.places, transfers, self.now, kept, scan_work.swapped)
        await scan_work.swap_promises()
        await note_owed(self.connection, self.places, balances, self.now)
        lone = {one.portal_id for one in seen if one.unassigned and one.portal_id is not None}
        if lone:
            await tell_departures(self.connection, lone, self.now)

    def _back(self, admitted: Admitted, seen: Iterable[Seen], transfers: Iterable[Transfer]) -> list[Back]:
        """Things that come back in while a document that lets goods leave stands open at the door."""
        openings = {
            one.seq: one.opening
            for one in seen
            if one.opening is not None and one.opening.takes_back(one.movement.direction or "")
        }
        back = back_under(self.places, transfers, openings)
        for one in seen:
            item = admitted.by_epc.get(one.epc)
            if one.seq in openings and item is not None and item.state.goods is None:
                back.append(Back(openings[one.seq].document_id, item.item_id, one.movement.observed_at, None))
        return back

    async def _note_crossings(self, admitted: Admitted, seen: Iterable[Seen]) -> None:
        """Count what crossed with its document, and what a transfer's site has seen of it."""
        crossed = [
            Crossed(
                one.seq,
                admitted.by_epc[one.epc].item_id,
                one.portal_id,
                one.movement.direction,
                one.movement.observed_at,
                one.document_id,
                one.unassigned,
            )
            for one in seen
            if one.portal_id is not None and one.movement.direction is not None
        ]
        await note_crossings(self.connection, self.stream.gateway, self.stream.epoch, crossed)
        away = {epc: item.item_id for epc, item in admitted.by_epc.items() if item.was_away}
        here = [
            (away[one.epc], one.movement.observed_at)
            for one in seen
            if one.epc in away and one.movement.direction != "out" and one.movement.kind != "departed"
        ]
        self.came |= await note_arrived(self.connection, self.places.by_code[self.stream.site].site_id, here)
        self.came |= {one.document_id for one in crossed if one.document_id is not None and one.direction == "in"}

    async def _write_movements(self, site: Site, seen: Sequence[Seen], things: Mapping[bytes, Thing]) -> None:
        if not seen:
            return
        movements = [one.movement for one in seen]
        openings = [one.opening for one in seen]
        evidence = [one.evidence for one in movements]
        told = seen[-MOVEMENTS_TOLD:]
        found = [things[one.epc] for one in seen]
        skus = await self.connection.fetch(
            SQL["add_movements"],
            self.now,
            self.stream.gateway,
            self.stream.epoch,
            site.site_id,
            arrays.instants([one.observed_at for one in movements]),
            arrays.numbers([one.seq for one in seen]),
            arrays.texts([one.kind for one in movements]),
            arrays.numbers([one[0] for one in found]),
            arrays.sparse([one.zone_id for one in seen], arrays.numbers),
            arrays.sparse([one.portal_id for one in seen], arrays.numbers),
            arrays.sparse([one.direction for one in movements], arrays.texts),
            arrays.sparse([one.place_id for one in seen], arrays.numbers),
            arrays.instants([one.decided_at for one in movements]),
            arrays.numbers([one.confidence for one in movements]),
            arrays.sparse([one.from_zone for one in movements], arrays.texts),
            arrays.texts([one.method for one in movements]),
            arrays.sparse([None if one is None else one.reads for one in evidence], arrays.numbers),
            arrays.sparse([None if one is None else " ".join(one.antennas) for one in evidence], arrays.texts),
            arrays.sparse([None if one is None else one.first_at for one in evidence], arrays.instants),
            arrays.sparse([None if one is None else one.last_at for one in evidence], arrays.instants),
            arrays.sparse([None if one is None else one.document_id for one in openings], arrays.numbers),
            arrays.sparse([one.condition for one in seen], arrays.texts),
            arrays.sparse([one.origin_id for one in seen], arrays.numbers),
            arrays.sparse([one[2] for one in found], arrays.numbers),
            arrays.numbers({things[one.epc][1] for one in told}),
        )
        codes = {row["sku_id"]: row["code"] for row in skus}
        self.moved += len(seen)
        self.told += [self._tell(one, codes.get(things[one.epc][1])) for one in told]

    def _tell(self, one: Seen, sku: str | None) -> dict[str, Any]:
        movement = one.movement
        return {
            "id": f"{self.stream.gateway}/{self.stream.epoch}/{one.seq}",
            "kind": movement.kind,
            "epc": movement.epc,
            "sku": sku,
            "site": self.stream.site,
            "zone": movement.zone,
            "from_zone": movement.from_zone,
            "portal": movement.portal,
            "direction": movement.direction,
            "observed_at": movement.observed_at,
            "decided_at": movement.decided_at,
            "recorded_at": self.now,
            "confidence": movement.confidence,
        }

    async def _note_health(self, site: Site, health: Sequence[tuple[int, ReaderHealth]]) -> None:
        if not health:
            return
        await self.connection.execute(
            SQL["note_health"],
            self.stream.gateway,
            self.stream.epoch,
            [seq for seq, _ in health],
            [one.reader for _, one in health],
            [one.state for _, one in health],
            [one.detail for _, one in health],
            [one.observed_at for _, one in health],
        )
        standing: dict[AlertName, Alert | None] = {}
        for _, one in health:
            raised, cleared = HEALTH_ALERTS[one.state]
            key = f"{self.stream.gateway}/{one.reader}"
            standing.update(((kind, key), None) for kind in cleared)
            if raised is not None:
                detail = Detail(
                    gateway=self.stream.gateway, reader=one.reader, detail=one.detail, observed_at=one.observed_at
                )
                standing[raised, key] = Alert(raised, key, site.site_id, detail)
        await clear_alerts(self.connection, [name for name, alert in standing.items() if alert is None], self.now)
        await raise_alerts(self.connection, [alert for alert in standing.values() if alert is not None], self.now)


def _unknown(seq: int, movement: Movement, site: Site, what: str, code: str) -> Fault:
    return Fault(
        seq,
        movement,
        f"unknown_{what}:{site.code}/{code}",
        f"site {site.code} has no {what} {code!r}: define it, or mend the gateway's configuration",
    )


async def item_transfers(
    connection: Connection, places: Places, items: Iterable[Item], causes: Mapping[Key, Cause], now: datetime
) -> tuple[list[Transfer], list[Carried]]:
    """Fold what is fresh of items and answer the postings it makes, and what their pallets took along. `causes` has the
    cause of each key."""
    folded = await fold_together(connection, places, items, now)
    transfers = [
        Transfer(change.at, change.taken, change.given, change.quantity, item.item_id, causes[change.key])
        for item, change in folded.changes
    ]
    return transfers, folded.carried


async def note_owed(connection: Connection, places: Places, balances: Iterable[Balance], now: datetime) -> None:
    """Raise an alert for each real zone that gave more than it had; clear it when it is made good."""
    owed: list[Balance] = []
    settled: list[AlertName] = []
    for balance in balances:
        if balance.net >= 0 and balance.net >= balance.delta:
            continue
        zone = places.zone_by_id[balance.slot.zone_id]
        if not zone.is_real:
            continue
        if balance.net < 0:
            owed.append(balance)
        else:
            settled.append(("owed", str(balance.balance_id)))
    await clear_alerts(connection, settled, now)
    if not owed:
        return
    rows = await connection.fetch(SQL["goods_named"], sorted({balance.slot.lot_id for balance in owed}))
    goods = {row["lot_id"]: Detail(sku=row["sku"], lot=row["lot"]) for row in rows}
    await raise_alerts(connection, [_owed(places, balance, goods[balance.slot.lot_id]) for balance in owed], now)


def _owed(places: Places, balance: Balance, goods: Detail) -> Alert:
    zone = places.zone_by_id[balance.slot.zone_id]
    detail = goods | Detail(zone=zone.code, condition=balance.slot.condition, units=-balance.net)
    return Alert("owed", str(balance.balance_id), zone.site_id, detail)


async def set_aside(connection: Connection, stream: Stream, faults: Sequence[Fault], now: datetime) -> None:
    """Put events into quarantine under their own numbers. What jsonb cannot hold is kept as bytes."""
    if not faults:
        return
    events: list[Any] = []
    raws: list[bytes | None] = []
    for fault in faults:
        event: Any = fault.event
        event = event.raw if isinstance(event, BadEvent) else event.model_dump(mode="json", exclude_none=True)
        data = to_json(event)
        fits = b"\\u0000" not in data
        events.append(event if fits else None)
        raws.append(None if fits else data)
    await connection.execute(
        SQL["set_aside"],
        now,
        stream.site,
        stream.gateway,
        stream.epoch,
        [fault.seq for fault in faults],
        [printable(fault.cause) for fault in faults],
        [printable(fault.reason) for fault in faults],
        events,
        raws,
    )


def printable(text: str) -> str:
    """Text as the database can hold it: no NUL."""
    return text.replace("\0", "\\0")
