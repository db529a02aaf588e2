"""Look at goods and decide what becomes of them; watch that somebody does."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from backend.alerts.service import Alert, AlertName, clear_alerts, raise_alerts
from backend.api.problems import ProblemError
from backend.catalog.model import VIRTUAL_KINDS, Places, Site, Zone
from backend.catalog.service import read_places, site_of
from backend.ingest.words import ThingWord, UnitsWord, say
from backend.ledger.model import Cause, Slot
from backend.returns.model import FATES, Disposition, Fate
from backend.store.database import Connection, Database, Queries
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


async def inspect(database: Database, clock: Clock, word: Inspection, actor: str, role: str) -> int:
    """Let a decision count; answers its number.

    Raises ProblemError: `not-found` for goods that are not there, `refused` for a decision that cannot be.
    """
    async with database.transaction() as connection:
        places = await read_places(connection)
        site = site_of(places, word.site)
        cause = Cause(f"inspection: {word.disposition}", actor, role, None)
        decide = _thing if word.epc is not None else _units
        number = await decide(connection, clock, places, site, word, cause)
        await connection.execute(SQL["tell"])
    return number


async def _thing(
    connection: Connection, clock: Clock, places: Places, site: Site, word: Inspection, cause: Cause
) -> int:
    assert word.epc is not None
    row = await connection.fetchrow(SQL["thing"], bytes.fromhex(word.epc))
    if row is None or row["sku_id"] is None or places.site_of(row["zone_id"]) is not site:
        raise ProblemError("not-found", f"nothing with the EPC {word.epc} is at site {site.code!r}")
    fate, now = FATES[word.disposition], clock.now()
    target = _target(site, word, fate)
    at = now if row["observed_at"] is None else max(now, row["observed_at"] + _TICK)
    said = ThingWord(row["item_id"], at, None if target is None else target.zone_id, fate.condition)
    goods = (row["sku_id"], row["lot_id"], row["item_id"], row["quantity"], row["condition"])
    number = await _note(connection, clock, site, word, cause, goods)
    await say(connection, places, [said], cause, now)
    return number


async def _units(
    connection: Connection, clock: Clock, places: Places, site: Site, word: Inspection, cause: Cause
) -> int:
    zone = site.real_zone(word.zone or "")
    goods = await connection.fetchrow(SQL["lot_of"], word.sku, word.lot)
    if zone is None or goods is None:
        missing = (
            f"zone {word.zone!r} at site {site.code!r}" if zone is None else f"SKU {word.sku!r} with lot {word.lot!r}"
        )
        raise ProblemError("not-found", f"no {missing}")
    there = await connection.fetchval(SQL["units"], zone.zone_id, word.sku, word.lot, word.condition) or 0
    if there < word.quantity:
        raise ProblemError("refused", f"zone {zone.code!r} holds {there} {word.condition} units, not {word.quantity}")
    fate, now = FATES[word.disposition], clock.now()
    target = _target(site, word, fate) or zone
    taken = Slot(zone.zone_id, goods["sku_id"], goods["lot_id"], word.condition)
    given = taken._replace(zone_id=target.zone_id, condition=fate.condition or word.condition)
    if taken == given:
        raise ProblemError("refused", "that changes nothing")
    number = await _note(
        connection, clock, site, word, cause, (goods["sku_id"], goods["lot_id"], None, word.quantity, word.condition)
    )
    await say(connection, places, [UnitsWord(now, taken, given, word.quantity)], cause, now)
    return number


def _target(site: Site, word: Inspection, fate: Fate) -> Zone | None:
    if fate.place is not None:
        return site.virtual(fate.place)
    if word.to_zone is None:
        return None
    zone = site.real_zone(word.to_zone)
    if zone is None:
        raise ProblemError("not-found", f"no zone {word.to_zone!r} at site {site.code!r}")
    return zone


async def _note(
    connection: Connection,
    clock: Clock,
    site: Site,
    word: Inspection,
    cause: Cause,
    goods: tuple[int, int, int | None, int, str],
) -> int:
    sku_id, lot_id, item_id, quantity, condition = goods
    return int(
        await connection.fetchval(
            SQL["add_inspection"],
            clock.now(),
            site.site_id,
            sku_id,
            lot_id,
            item_id,
            quantity,
            condition,
            word.disposition,
            word.reason,
            word.photo,
            cause.actor,
        )
    )


async def put_time_limit(database: Database, site: str, within_h: int) -> None:
    """How many hours a site may leave returned goods, from now on. Raises ProblemError for an unknown site."""
    async with database.transaction() as connection:
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
            Alert("inspection_overdue", row["site"], row["site_id"], {"units": row["units"], "since": row["since"]})
            for row in rows
        ]
        await raise_alerts(connection, alerts, now)
    return len(late)
