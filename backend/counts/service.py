"""Make counts, take in what was found, and let them end: worked out at the close, once more at the approval, posted.

A count's row is locked before everything else that a transaction locks here (backend/store/database.py has the order
of all locks).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import astuple, dataclass
from datetime import datetime
from decimal import Decimal
from typing import NamedTuple

from backend.alerts.service import Alert, AlertName, clear_alerts, raise_alerts
from backend.alerts.wording import Detail
from backend.api.permissions import Principal
from backend.api.problems import ProblemError
from backend.catalog.model import Places, Site
from backend.catalog.service import lot_ids, read_places, site_of, sku_ids
from backend.counts.comparing import Found, Surplus
from backend.counts.evidence import SQL, Look, look, read_scope
from backend.counts.model import LIFE, LOOK_BACK, CountEvent, Rule, Subject, is_repeat
from backend.documents.service import note_arrived
from backend.documents.surplus import tell_surplus
from backend.ingest.batch import MAX_SKEW
from backend.ingest.items import admit
from backend.ingest.words import ThingWord, UnitsWord, say
from backend.ledger.model import Cause
from backend.store.database import Connection, Database, Record
from wire.clock import Clock


@dataclass(frozen=True, slots=True)
class CountSpec:
    """A count to be made. `skus` None: all of them. A tolerance of None is the site's."""

    code: str
    site: str
    zones: Sequence[str]
    subject: Subject = "both"
    skus: Sequence[str] | None = None
    blind: bool = True
    tolerance_units: int | None = None
    tolerance_value: Decimal | None = None


class TagRead(NamedTuple):
    """A tag that a sweep found."""

    epc: bytes
    at: datetime


class UnitsFound(NamedTuple):
    """Units that a person found in a spot of a zone; `lot` None: nobody looked."""

    sku: str
    quantity: int
    at: datetime
    lot: str | None = None
    condition: str = "sellable"
    spot: str = ""


@dataclass(frozen=True, slots=True)
class Pass:
    """What somebody found in a zone, from when to when. `reads` None: things were not looked for; `units` likewise."""

    zone: str
    started_at: datetime
    ended_at: datetime
    operator: str
    reads: Sequence[TagRead] | None = None
    units: Sequence[UnitsFound] | None = None


class Unread(NamedTuple):
    """A tag that names nothing that is counted, and why."""

    epc: bytes
    reason: str


class CodeTakenError(ProblemError):
    """The code of a count that is to be made belongs to something else."""

    def __init__(self, detail: str) -> None:
        super().__init__("code-taken", detail)


async def read_rule(connection: Connection, site_id: int) -> Rule:
    """How a site counts."""
    row = await connection.fetchrow(SQL["rule"], site_id)
    return Rule() if row is None else Rule(**row)


async def put_rule(database: Database, site: str, rule: Rule) -> None:
    """How a site counts from now on. Raises ProblemError `not-found`."""
    async with database.transaction() as connection:
        found = site_of(await read_places(connection), site)
        await connection.execute(SQL["put_rule"], found.site_id, *astuple(rule))


async def make_count(database: Database, clock: Clock, spec: CountSpec, actor: str) -> None:
    """Make a count and open its first round.

    Raises ProblemError: `not-found` for the site, `refused` for a zone or SKU that does not exist; CodeTakenError.
    """
    async with database.transaction() as connection:
        site = site_of(await read_places(connection), spec.site)
        zone_ids = sorted({_zone_id(site, code) for code in spec.zones})
        skus = None if spec.skus is None else await _skus(connection, spec.skus)
        rule = await read_rule(connection, site.site_id)
        units, value = spec.tolerance_units, spec.tolerance_value
        if await connection.fetchval(SQL["code_taken"], spec.code):
            raise CodeTakenError(f"a document or an order {spec.code!r} exists")
        count_id = await connection.fetchval(
            SQL["add_count"],
            spec.code,
            site.site_id,
            spec.subject,
            zone_ids,
            None if skus is None else sorted(skus.values()),
            spec.blind,
            rule.tolerance_units if units is None else units,
            rule.tolerance_value if value is None else value,
            clock.now(),
            actor,
        )
        if count_id is None:
            raise CodeTakenError(f"a count {spec.code!r} exists")


def _zone_id(site: Site, code: str) -> int:
    zone = site.real_zone(code)
    if zone is None:
        raise ProblemError("refused", f"no zone {code!r} at site {site.code!r}")
    return zone.zone_id


async def _skus(connection: Connection, codes: Iterable[str]) -> dict[str, int]:
    wanted = set(codes)
    skus = await sku_ids(connection, wanted)
    if missing := sorted(wanted - skus.keys()):
        raise ProblemError("refused", f"no SKU {missing[0]!r}: import it first")
    return skus


async def lock_count(connection: Connection, code: str) -> Record:
    """A count, locked. Raises ProblemError `not-found`."""
    count = await connection.fetchrow(SQL["lock_count"], code)
    if count is None:
        raise ProblemError("not-found", f"no count {code!r}")
    return count


async def record_pass(database: Database, clock: Clock, code: str, found: Pass, actor: str) -> list[Unread]:
    """Take in what somebody found; answers the tags that name nothing that is counted (they are kept with the reason).

    Raises ProblemError: `not-found`, `wrong-state` for a count that is not open, `refused` for a zone that is not the
    count's, SKUs that do not exist, and times that cannot be.
    """
    async with database.transaction() as connection:
        count = await lock_count(connection, code)
        if count["status"] != "open":
            raise ProblemError("wrong-state", f"count {code!r} is {count['status']}: nothing more is counted")
        places = await read_places(connection)
        site, now = places.site_by_id[count["site_id"]], clock.now()
        zone_id = _zone_id(site, found.zone)
        if zone_id not in count["zone_ids"]:
            raise ProblemError("refused", f"zone {found.zone!r} is not counted by {code!r}")
        scope = await read_scope(connection, places, count)
        _require_times(found, scope.rounds[-1], now)
        subjects = [name for name, part in (("things", found.reads), ("units", found.units)) if part is not None]
        if count["subject"] != "both" and (beyond := set(subjects) - {count["subject"]}):
            raise ProblemError("refused", f"count {code!r} is of {count['subject']} alone, not of {beyond.pop()}")
        await connection.execute(
            SQL["add_passes"],
            count["count_id"],
            zone_id,
            subjects,
            found.started_at,
            found.ended_at,
            found.operator,
            actor,
            now,
        )
        unread = await _add_reads(connection, places, site, count["count_id"], zone_id, found.reads or ())
        await _add_words(connection, count["count_id"], zone_id, found.units or ())
        return unread


def _require_times(found: Pass, opened_at: datetime, now: datetime) -> None:
    if found.started_at < opened_at:
        raise ProblemError("refused", f"it began before the round opened at {opened_at.isoformat()}")
    if not found.started_at <= found.ended_at <= now + MAX_SKEW:
        raise ProblemError("refused", "it ends before it began, or in the future: check the clock of the device")
    for at in (*(read.at for read in found.reads or ()), *(word.at for word in found.units or ())):
        if not found.started_at <= at <= found.ended_at:
            raise ProblemError("refused", f"a find of {at.isoformat()} lies outside the pass")


async def _add_words(connection: Connection, count_id: int, zone_id: int, units: Sequence[UnitsFound]) -> None:
    if not units:
        return
    skus = await _skus(connection, (one.sku for one in units))
    lots = await lot_ids(connection, {(skus[one.sku], one.lot): None for one in units if one.lot})
    newest = {(one.sku, one.lot or None, one.condition, one.spot, one.at): one for one in units}.values()
    await connection.execute(
        SQL["add_words"],
        count_id,
        zone_id,
        [skus[one.sku] for one in newest],
        [lots[skus[one.sku], one.lot] if one.lot else None for one in newest],
        [one.condition for one in newest],
        [one.spot for one in newest],
        [one.at for one in newest],
        [one.quantity for one in newest],
    )


async def _add_reads(
    connection: Connection, places: Places, site: Site, count_id: int, zone_id: int, reads: Sequence[TagRead]
) -> list[Unread]:
    if not reads:
        return []
    admitted = await admit(connection, places, site, {read.epc for read in reads}, {})
    reasons = {epc: fault.reason for epc, fault in admitted.faults.items() if isinstance(epc, bytes)}
    await connection.execute(
        SQL["add_reads"],
        count_id,
        zone_id,
        [read.at for read in reads],
        [read.epc for read in reads],
        [admitted.by_epc[read.epc].item_id if read.epc in admitted.by_epc else None for read in reads],
        [reasons.get(read.epc, "") for read in reads],
    )
    return [Unread(epc, reason) for epc, reason in sorted(reasons.items())]


async def change_count(
    connection: Connection, clock: Clock, count: Record, event: CountEvent, who: Principal, *, partial: bool = False
) -> None:
    """Let an event happen to a count that the caller has locked. `partial`: a close leaves alone
    the zones that nobody counted.

    Raises ProblemError: `wrong-state`, also for a close while zones are uncounted; `refused` for an approval by
    somebody who counted, where the differences are beyond the tolerance.
    """
    code, now = count["code"], clock.now()
    status = LIFE.get((count["status"], event))
    if status is None:
        raise ProblemError("wrong-state", f"count {code!r} is {count['status']}: it cannot {event}")
    count_id = count["count_id"]
    came: set[int] = set()
    if event == "close":
        await _close(connection, count, now, who.actor, partial=partial)
    elif event == "approve":
        came = await _approve(connection, count, now, who)
    elif event == "recount":
        number = await connection.fetchval(SQL["open_round"], count_id, now)
        if await connection.execute(SQL["count_anew"], count_id, number) == "INSERT 0 0":
            raise ProblemError("refused", f"count {code!r} found no difference: there is nothing to count anew")
    await connection.execute(SQL["set_status"], count_id, status, now, who.actor)
    if event == "approve":
        await _tell_repeats(connection, count, now)
    if event != "close":
        await clear_alerts(connection, [("count_variance", code)], now)
    await tell_surplus(connection, came, now)


async def _close(connection: Connection, count: Record, now: datetime, actor: str, *, partial: bool) -> None:
    await connection.execute(SQL["close_round"], count["count_id"], now, actor)
    places = await read_places(connection)
    found = await look(connection, places, count, await read_scope(connection, places, count))
    if not any(found.finds.spans.values()):
        raise ProblemError("wrong-state", f"nothing was counted for {count['code']!r}: count, or cancel it")
    if found.uncounted and not partial:
        uncounted = [{"zone": zone.code, "subject": subject} for zone, subject in found.uncounted]
        first = uncounted[0]
        raise ProblemError(
            "wrong-state",
            f"nobody counted the {first['subject']} of zone {first['zone']!r}: count them, or close with `partial`",
            errors=uncounted,
        )
    await _keep(connection, count, found)
    if not found.difference.within(count["tolerance_units"], count["tolerance_value"]):
        zones = [places.zone_by_id[zone_id].code for zone_id in count["zone_ids"]]
        units, value = found.difference
        detail = Detail(count=count["code"], zones=zones, units=units, value=value)
        alert = Alert("count_variance", count["code"], count["site_id"], detail)
        await raise_alerts(connection, [alert], now)


async def _approve(connection: Connection, count: Record, now: datetime, who: Principal) -> set[int]:
    """Let a count's difference stand; answers the documents of which things were found to have come."""
    places = await read_places(connection)
    found = await look(connection, places, count, await read_scope(connection, places, count), lock_things=True)
    within = found.difference.within(count["tolerance_units"], count["tolerance_value"])
    if not within and who.actor in found.finds.operators:
        raise ProblemError(
            "refused",
            f"{found.difference.units} units differ, beyond the tolerance: somebody who did not count must approve",
        )
    await _keep(connection, count, found)
    return await _post(connection, places, count, found, who, now)


async def _keep(connection: Connection, count: Record, found: Look) -> None:
    """Keep what a look found in place of what the one before did."""
    count_id = count["count_id"]
    await connection.execute(SQL["forget_outcome"], count_id)
    lines = [
        (*slot, subject, line.least, line.most, line.counted) for (slot, subject), line in found.outcome.lines.items()
    ]
    for name, rows in (("add_lines", lines), ("add_things", found.outcome.found)):
        if rows:
            await connection.execute(SQL[name], count_id, *(list(column) for column in zip(*rows, strict=True)))


async def _post(
    connection: Connection, places: Places, count: Record, found: Look, who: Principal, now: datetime
) -> set[int]:
    """Let the ledger say what was found; answers the documents of which things were found to have come."""
    site = places.site_by_id[count["site_id"]]
    beyond = site.virtual("count_difference").zone_id
    words: list[ThingWord | UnitsWord] = [_thing_word(one, beyond) for one in found.outcome.found]
    words += [_units_word(one, beyond) for one in found.outcome.surplus]
    if not words:
        return set()
    cause = Cause("count", who.actor, who.role, count["code"])
    said = await say(connection, places, words, cause, now)
    come = [(one.item_id, one.at) for one in found.outcome.found if one.finding == "found"]
    await connection.execute(SQL["tell"])
    return said.came | await note_arrived(connection, site.site_id, come)


def _thing_word(one: Found, beyond: int) -> ThingWord:
    return ThingWord(one.item_id, one.at, one.zone_id if one.finding == "found" else beyond)


def _units_word(one: Surplus, beyond: int) -> UnitsWord:
    other = one.slot._replace(zone_id=beyond)
    taken, given = (other, one.slot) if one.units > 0 else (one.slot, other)
    return UnitsWord(one.at, taken, given, abs(one.units))


async def _tell_repeats(connection: Connection, count: Record, now: datetime) -> None:
    """An alert for each SKU in each zone that keeps differing; cleared once it does no more."""
    raised: list[Alert] = []
    cleared: list[AlertName] = []
    for row in await connection.fetch(SQL["lasting_record"], count["count_id"], LOOK_BACK):
        key = f"{row['zone_id']}/{row['sku_id']}"
        if is_repeat(row["differed"]):
            detail = Detail(zone=row["zone"], sku=row["sku"], variances=sum(row["differed"]))
            raised.append(Alert("count_repeat", key, count["site_id"], detail))
        else:
            cleared.append(("count_repeat", key))
    await clear_alerts(connection, cleared, now)
    await raise_alerts(connection, raised, now)
