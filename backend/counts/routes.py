"""Counts over HTTP."""

from __future__ import annotations

from dataclasses import asdict
from typing import Final

from backend.api import etag
from backend.api.paging import Page
from backend.api.permissions import Permission
from backend.api.routing import Call, Routes
from backend.catalog.service import read_places, site_of
from backend.catalog.views import SiteName
from backend.counts import planning, service, views
from backend.counts.model import Rule
from backend.counts.service import CountSpec, Pass, TagRead, UnitsFound
from backend.counts.views import (
    AccuracyParams,
    AccuracyView,
    CountBody,
    CountCode,
    CountEventBody,
    CountHead,
    CountParams,
    CountView,
    DueList,
    DueView,
    OffenderParams,
    OffenderView,
    PassBody,
    PassTaken,
    PlanBody,
    Planned,
    RuleBody,
    UnreadView,
)

ROUTES: Final = Routes()
"""The routes of this capability."""


@ROUTES.get(
    "/api/v1/sites/{site}/counts/due",
    Permission.COUNTS_READ,
    "What a site should count today, the most urgent first",
    "not-found",
)
async def list_due_counts(call: Call, params: SiteName) -> DueList:
    """What should be counted today."""
    rows = await planning.due(call.database, call.clock, params.site)
    return DueList(rows=[DueView(**one.cell._asdict(), score=one.score) for one in rows])


@ROUTES.post(
    "/api/v1/sites/{site}/counts/plan",
    Permission.COUNTS_PLAN,
    "Make the day's counts of a site: one for each zone, of what is due",
    "not-found",
)
async def plan_counts(call: Call, params: SiteName, body: PlanBody) -> Planned:
    """The day's counts."""
    return Planned(counts=await planning.plan_day(call.database, call.clock, params.site, body.subject, call.actor))


@ROUTES.get(
    "/api/v1/sites/{site}/count-rule",
    Permission.COUNTS_READ,
    "How often a site counts, and which differences one person may approve",
    "not-found",
    primary=True,
)
async def get_count_rule(call: Call, params: SiteName) -> RuleBody:
    """How a site counts now."""
    async with call.database.snapshot() as connection:
        found = site_of(await read_places(connection), params.site)
        return RuleBody(**asdict(await service.read_rule(connection, found.site_id)))


@ROUTES.post(
    "/api/v1/sites/{site}/count-rule",
    Permission.COUNTS_PLAN,
    "How often a site counts, and which differences one person may approve",
    "not-found",
)
async def put_count_rule(call: Call, params: SiteName, body: RuleBody) -> RuleBody:
    """How a site counts."""
    await service.put_rule(call.database, params.site, Rule(**dict(body)))
    return body


@ROUTES.post("/api/v1/counts", Permission.COUNTS_PLAN, "Make a count of zones", "not-found", "refused", "code-taken")
async def make_count(call: Call, body: CountBody) -> CountView:
    """A new count."""
    await service.make_count(call.database, call.clock, CountSpec(**dict(body)), call.actor)
    return await views.count(call.database, body.code)


@ROUTES.post(
    "/api/v1/counts/{code}/passes",
    Permission.COUNTS_COUNT,
    "What somebody found in a zone: a sweep of tags, units told, or both",
    "not-found",
    "refused",
    "wrong-state",
)
async def record_pass(call: Call, params: CountCode, body: PassBody) -> PassTaken:
    """What somebody found."""
    reads = None if body.reads is None else [TagRead(bytes.fromhex(one.epc), one.at) for one in body.reads]
    units = None if body.units is None else [UnitsFound(**dict(one)) for one in body.units]
    found = Pass(body.zone, body.started_at, body.ended_at, body.operator or call.actor, reads, units)
    unread = await service.record_pass(call.database, call.clock, params.code, found, call.actor)
    return PassTaken(
        reads=len(reads or ()),
        units=len(units or ()),
        unread=[UnreadView(epc=one.epc.hex().upper(), reason=one.reason) for one in unread],
    )


@ROUTES.post(
    "/api/v1/counts/{code}/events",
    Permission.COUNTS_CHANGE,
    "Close, recount, approve or cancel a count",
    "not-found",
    "refused",
    "wrong-state",
    "changed-meanwhile",
)
async def change_count(call: Call, params: CountCode, body: CountEventBody) -> CountView:
    """Let something happen to a count, if it is still what the caller read."""
    async with call.database.transaction() as connection:
        count = await service.lock_count(connection, params.code)
        if call.if_match is not None:
            etag.require_match(call.if_match, await views.count(call.database, params.code))
        await service.change_count(connection, call.clock, count, body.event, call.principal, partial=body.partial)
    return await views.count(call.database, params.code)


@ROUTES.get("/api/v1/counts", Permission.COUNTS_READ, "Counts, newest first")
async def list_counts(call: Call, params: CountParams) -> Page[CountHead]:
    """Counts, newest first."""
    return await views.counts(call.database, params)


@ROUTES.get(
    "/api/v1/counts/{code}",
    Permission.COUNTS_READ,
    "One count: who counted, and, once it is closed, what differs",
    "not-found",
    primary=True,
)
async def get_count(call: Call, params: CountCode) -> CountView:
    """One count."""
    return await views.count(call.database, params.code)


@ROUTES.get(
    "/api/v1/count-accuracy",
    Permission.COUNTS_READ,
    "How well the ledger agreed with what was counted, in lines, units and value",
)
async def count_accuracy(call: Call, params: AccuracyParams) -> Page[AccuracyView]:
    """How well counts and ledger agreed."""
    return await views.accuracy(call.database, params)


@ROUTES.get("/api/v1/count-offenders", Permission.COUNTS_READ, "SKUs in zones that keep differing")
async def count_offenders(call: Call, params: OffenderParams) -> Page[OffenderView]:
    """What keeps differing."""
    return await views.offenders(call.database, params)
