"""Look at goods and decide what becomes of them; watch that somebody does."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final

from backend.alerts.service import Alert, AlertName, clear_alerts, raise_alerts
from backend.alerts.wording import Detail
from backend.api.problems import ProblemError
from backend.api.rows import RowFault, refused_alone, refused_rows
from backend.catalog.model import VIRTUAL_KINDS, Places, Site, Zone
from backend.catalog.service import SQL as CATALOG
from backend.catalog.service import read_places
from backend.documents.surplus import tell_surplus
from backend.effects.observation import Goods
from backend.ingest.items import Item, lock
from backend.ingest.pallet_names import with_contents
from backend.ingest.words import ThingWord, UnitsWord, say
from backend.ledger.model import Balance, Cause, Slot
from backend.returns.model import FATES, Disposition
from backend.store.database import Connection, Database, Queries, Record
from wire.clock import Clock

SQL: Final = Queries.beside(__file__)

LOOK_EVERY_S: Final = 60.0
"""Real seconds between two looks for goods that wait: they wait for hours."""

_TICK: Final = timedelta(microseconds=1)


@dataclass(frozen=True, slots=True)
class Inspection:
    """What a person decided about one thing (`epc`), or about units in a zone that are all alike (`zone`, `sku`, `lot`,
    `condition`, `quantity`). `to_zone`: where they are put, if anywhere else."""

    site: str
    disposition: Disposition
    reason: str
    epc: str | None = None
    zone: str | None = None
    sku: str | None = None
    lot: str = ""
    condition: str = "returned"
    quantity: int = 1
    to_zone: str | None = None
    photo: str = ""


@dataclass(slots=True)
class _Decided:
    """A row's decision, by numbers: what it is about, and the word that lets it count."""

    row: int
    inspection: Inspection
    goods: Goods
    item_id: int | None
    condition: str
    said: ThingWord | UnitsWord


async def inspect(database: Database, clock: Clock, word: Inspection, actor: str, role: str) -> int:
    """Let a decision count; answers its number.

    Raises ProblemError: `not-found` for goods that are not there, `refused` for a decision that cannot be.
    """
    async with database.transaction() as connection:
        work = _Inspecting(connection, await read_places(connection), clock.now(), actor, role)
        numbers = await work.inspect([word])
        if work.faults:
            raise refused_alone(work.faults)
    return numbers[0]


async def inspect_many(
    database: Database, clock: Clock, words: Sequence[Inspection], actor: str, role: str
) -> list[int]:
    """Let decisions count, all or none; answers their numbers, in their order. Raises ProblemError `refused-rows`."""
    async with database.transaction() as connection:
        work = _Inspecting(connection, await read_places(connection), clock.now(), actor, role)
        numbers = await work.inspect(words)
        if work.faults:
            raise refused_rows(sorted(work.faults))
    return numbers


@dataclass(slots=True)
class _Inspecting:
    """One transaction's decisions; where there are faults it is to be rolled back."""

    connection: Connection
    places: Places
    now: datetime
    actor: str
    role: str
    faults: list[RowFault] = field(default_factory=list)

    async def inspect(self, words: Sequence[Inspection]) -> list[int]:
        """Let decisions count; answers their numbers, none where there are faults."""
        rows = dict(enumerate(words, 1))
        things = await self._things({row: word for row, word in rows.items() if word.epc is not None})
        units = await self._units({row: word for row, word in rows.items() if word.epc is None})
        decided = sorted([*things, *units], key=lambda one: one.row)
        if self.faults:
            return []
        numbers = await self._note(decided)
        said = await say(
            self.connection,
            self.places,
            [one.said for one in decided],
            Cause("inspection", self.actor, self.role),
            self.now,
        )
        self._refuse_missing(decided, said.balances)
        await self.connection.execute(SQL["tell"])
        await tell_surplus(self.connection, said.came, self.now)
        return numbers

    def _refuse(self, row: int, column: str, what: str, problem: str = "refused") -> None:
        self.faults.append(RowFault(row, column, what, problem))

    def _cause(self, word: Inspection) -> Cause:
        return Cause(f"inspection: {word.disposition}", self.actor, self.role)

    def _site(self, row: int, word: Inspection) -> Site | None:
        site = self.places.by_code.get(word.site)
        if site is None:
            self._refuse(row, "site", f"no site {word.site!r}", "not-found")
        return site

    def _target(self, row: int, word: Inspection, site: Site) -> Zone | None:
        """Where the goods are put; None: nowhere else."""
        place = FATES[word.disposition].place
        if place is not None:
            return site.virtual(place)
        zone = None if word.to_zone is None else site.real_zone(word.to_zone)
        if word.to_zone is not None and zone is None:
            self._refuse(row, "to_zone", f"no zone {word.to_zone!r} at site {site.code!r}", "not-found")
        return zone

    async def _things(self, words: Mapping[int, Inspection]) -> list[_Decided]:
        """What is decided about things, each locked, with whatever was ever on a pallet that is one of them."""
        if not words:
            return []
        epcs = {row: bytes.fromhex(word.epc or "") for row, word in words.items()}
        rows = await self.connection.fetch(SQL["things"], sorted(set(epcs.values())))
        ids = {row["epc"]: row["item_id"] for row in rows}
        items = await lock(self.connection, self.places, await with_contents(self.connection, ids.values()))
        first: dict[bytes, int] = {}
        found = ((row, word, items.get(ids.get(epcs[row], 0))) for row, word in words.items())
        decided: list[_Decided] = []
        for row, word, item in found:
            if first.setdefault(epcs[row], row) != row:
                self._refuse(row, "epc", f"row {first[epcs[row]]} decides about {word.epc} already")
            elif (one := self._thing(row, word, item)) is not None:
                decided.append(one)
        return decided

    def _thing(self, row: int, word: Inspection, item: Item | None) -> _Decided | None:
        site = self._site(row, word)
        if site is None:
            return None
        state = None if item is None else item.state
        zone = None if state is None or state.place_id is None else self.places.zone_by_id[state.place_id]
        if item is None or state is None or state.goods is None or zone is None or zone.site_id != site.site_id:
            self._refuse(row, "epc", f"nothing with the EPC {word.epc} is at site {site.code!r}", "not-found")
            return None
        target = self._target(row, word, site)
        at = self.now if state.key is None else max(self.now, state.key[0] + _TICK)
        place_id = None if target is None else target.zone_id
        said = ThingWord(item.item_id, at, place_id, FATES[word.disposition].condition, self._cause(word))
        return _Decided(row, word, state.goods, item.item_id, state.condition, said)

    async def _units(self, words: Mapping[int, Inspection]) -> list[_Decided]:
        """What is decided about units without serial numbers; whether they are there shows once it is posted."""
        named = sorted({(word.sku or "", word.lot) for word in words.values()})
        columns = ([sku for sku, _ in named], [lot for _, lot in named])
        rows = await self.connection.fetch(SQL["lots_of"], *columns) if named else []
        lots = {(row["sku"], row["lot"]): row for row in rows}
        decided = (self._heap(row, word, lots.get((word.sku or "", word.lot))) for row, word in words.items())
        return [one for one in decided if one is not None]

    def _heap(self, row: int, word: Inspection, goods: Record | None) -> _Decided | None:
        site = self._site(row, word)
        if site is None:
            return None
        zone = site.real_zone(word.zone or "")
        if zone is None:
            self._refuse(row, "zone", f"no zone {word.zone!r} at site {site.code!r}", "not-found")
        if goods is None:
            self._refuse(row, "sku", f"no SKU {word.sku!r} with lot {word.lot!r}", "not-found")
        target = self._target(row, word, site) or zone
        if zone is None or goods is None or target is None:
            return None
        taken = Slot(zone.zone_id, goods["sku_id"], goods["lot_id"], word.condition)
        condition = FATES[word.disposition].condition or word.condition
        given = taken._replace(zone_id=target.zone_id, condition=condition)
        if taken == given:
            self._refuse(row, "disposition", "that changes nothing")
            return None
        units = Goods(goods["sku_id"], goods["lot_id"], word.quantity)
        said = UnitsWord(self.now, taken, given, word.quantity, self._cause(word))
        return _Decided(row, word, units, None, word.condition, said)

    async def _note(self, decided: Sequence[_Decided]) -> list[int]:
        """Write the decisions down; their numbers, in their order."""
        rows = await self.connection.fetch(
            SQL["add_inspections"],
            self.now,
            self.actor,
            [self.places.by_code[one.inspection.site].site_id for one in decided],
            [one.goods.sku_id for one in decided],
            [one.goods.lot_id for one in decided],
            [one.item_id for one in decided],
            [one.goods.quantity for one in decided],
            [one.condition for one in decided],
            [one.inspection.disposition for one in decided],
            [one.inspection.reason for one in decided],
            [one.inspection.photo for one in decided],
        )
        return sorted(row["inspection_id"] for row in rows)

    def _refuse_missing(self, decided: Sequence[_Decided], balances: Iterable[Balance]) -> None:
        """Refuse what was decided about more units than there are. Balances are locked in their order with all others
        that are touched, so this shows only when they are changed."""
        owed = {balance.slot: balance.net - balance.delta for balance in balances if balance.net < 0}
        for one in decided:
            if isinstance(one.said, UnitsWord) and one.said.taken in owed:
                zone = self.places.zone_by_id[one.said.taken.zone_id]
                there = f"{owed[one.said.taken]} {one.condition} units"
                self._refuse(one.row, "quantity", f"zone {zone.code!r} holds {there}, not {one.said.quantity}")


async def put_time_limit(database: Database, site: str, within_h: int) -> None:
    """How many hours a site may leave returned goods, from now on. Raises ProblemError for an unknown site."""
    async with database.transaction() as connection:
        await connection.execute(CATALOG["count_revision"])  # before the site, whose table would count it after
        if await connection.fetchval(SQL["put_time_limit"], site, within_h) is None:
            raise ProblemError("not-found", f"no site {site!r}")


async def watch_overdue(database: Database, clock: Clock) -> int:
    """Raise an alert for each site with returned goods that nobody looked at in time, clear those of the others;
    answers how many sites are late."""
    now = clock.now()
    async with database.transaction() as connection:
        rows = await connection.fetch(SQL["overdue"], now, list(VIRTUAL_KINDS))
        late = {row["site"] for row in rows}
        standing = await connection.fetch(SQL["standing_overdue"])
        cleared: list[AlertName] = [("inspection_overdue", row["key"]) for row in standing if row["key"] not in late]
        await clear_alerts(connection, cleared, now)
        alerts = [
            Alert("inspection_overdue", row["site"], row["site_id"], Detail(units=row["units"], since=row["since"]))
            for row in rows
        ]
        await raise_alerts(connection, alerts, now)
    return len(late)
