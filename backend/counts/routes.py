"""Counts over HTTP."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from backend.api import etag
from backend.api.paging import Page
from backend.api.permissions import Permission
from backend.api.routing import Call, Route
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
    SiteName,
    UnreadView,
)
from backend.store.database import Database
from wire.clock import Clock


@dataclass(frozen=True, slots=True)
class _Desk:
    """Answers for the routes below."""

    database: Database
    replica: Database
    clock: Clock

    async def make(self, call: Call) -> CountView:
        """A new count."""
        assert call.database is not None
        await service.make_count(call.database, self.clock, CountSpec(**dict(call.body)), call.principal.actor)
        return await views.count(call.database, call.body.code)

    async def record(self, call: Call) -> PassTaken:
        """What somebody found."""
        assert call.database is not None
        body: PassBody = call.body
        reads = None if body.reads is None else [TagRead(bytes.fromhex(one.epc), one.at) for one in body.reads]
        units = None if body.units is None else [UnitsFound(**dict(one)) for one in body.units]
        actor = call.principal.actor
        found = Pass(body.zone, body.started_at, body.ended_at, body.operator or actor, reads, units)
        unread = await service.record_pass(call.database, self.clock, call.params.code, found, actor)
        return PassTaken(
            reads=len(reads or ()),
            units=len(units or ()),
            unread=[UnreadView(epc=one.epc.hex().upper(), reason=one.reason) for one in unread],
        )

    async def change(self, call: Call) -> CountView:
        """Let something happen to a count, if it is still what the caller read."""
        assert call.database is not None
        code = call.params.code
        async with call.database.transaction() as connection:
            count = await service.lock_count(connection, code)
            if call.if_match is not None:
                etag.require_match(call.if_match, await views.count(call.database, code))
            await service.change_count(
                connection, self.clock, count, call.body.event, call.principal, partial=call.body.partial
            )
        return await views.count(call.database, code)

    async def get(self, call: Call) -> CountView:
        """One count."""
        return await views.count(self.database, call.params.code)

    async def list_counts(self, call: Call) -> Page[CountHead]:
        """Counts, newest first."""
        return await views.counts(self.replica, call.params)

    async def due(self, call: Call) -> DueList:
        """What should be counted today."""
        rows = await planning.due(self.replica, self.clock, call.params.site)
        return DueList(rows=[DueView(**one.cell._asdict(), score=one.score) for one in rows])

    async def plan(self, call: Call) -> Planned:
        """The day's counts."""
        assert call.database is not None
        site, subject, actor = call.params.site, call.body.subject, call.principal.actor
        codes = await planning.plan_day(call.database, self.clock, site, subject, actor)
        return Planned(counts=codes)

    async def put_rule(self, call: Call) -> RuleBody:
        """How a site counts."""
        assert call.database is not None
        await service.put_rule(call.database, call.params.site, Rule(**dict(call.body)))
        rule: RuleBody = call.body
        return rule

    async def accuracy(self, call: Call) -> Page[AccuracyView]:
        """How well counts and ledger agreed."""
        return await views.accuracy(self.replica, call.params)

    async def offenders(self, call: Call) -> Page[OffenderView]:
        """What keeps differing."""
        return await views.offenders(self.replica, call.params)


def routes(database: Database, replica: Database, clock: Clock) -> list[Route]:
    """The routes of this capability."""
    desk = _Desk(database, replica, clock)
    get = partial(Route, method="GET", permission=Permission.COUNTS_READ)
    return [*_planning(desk, get), *_counting(desk, get), *_reports(desk, get)]


def _planning(desk: _Desk, get: Callable[..., Route]) -> list[Route]:
    post = partial(Route, method="POST", permission=Permission.COUNTS_PLAN)
    return [
        get(
            path="/api/v1/sites/{site}/counts/due",
            operation="list_due_counts",
            summary="What a site should count today, the most urgent first",
            answer=DueList,
            params=SiteName,
            problems=("not-found",),
            handler=desk.due,
        ),
        post(
            path="/api/v1/sites/{site}/counts/plan",
            operation="plan_counts",
            summary="Make the day's counts of a site: one for each zone, of what is due",
            answer=Planned,
            params=SiteName,
            body=PlanBody,
            problems=("not-found",),
            handler=desk.plan,
        ),
        post(
            path="/api/v1/sites/{site}/count-rule",
            operation="put_count_rule",
            summary="How often a site counts, and which differences one person may approve",
            answer=RuleBody,
            params=SiteName,
            body=RuleBody,
            problems=("not-found",),
            handler=desk.put_rule,
        ),
    ]


def _counting(desk: _Desk, get: Callable[..., Route]) -> list[Route]:
    return [
        Route(
            method="POST",
            path="/api/v1/counts",
            operation="make_count",
            summary="Make a count of zones",
            permission=Permission.COUNTS_PLAN,
            answer=CountView,
            body=CountBody,
            problems=("not-found", "refused", "code-taken"),
            handler=desk.make,
        ),
        Route(
            method="POST",
            path="/api/v1/counts/{code}/passes",
            operation="record_pass",
            summary="What somebody found in a zone: a sweep of tags, units told, or both",
            permission=Permission.COUNTS_COUNT,
            answer=PassTaken,
            params=CountCode,
            body=PassBody,
            problems=("not-found", "refused", "wrong-state"),
            handler=desk.record,
        ),
        Route(
            method="POST",
            path="/api/v1/counts/{code}/events",
            operation="change_count",
            summary="Close, recount, approve or cancel a count",
            permission=Permission.COUNTS_CHANGE,
            answer=CountView,
            params=CountCode,
            body=CountEventBody,
            problems=("not-found", "refused", "wrong-state", "changed-meanwhile"),
            handler=desk.change,
        ),
        get(
            path="/api/v1/counts",
            operation="list_counts",
            summary="Counts, newest first",
            answer=Page[CountHead],
            params=CountParams,
            handler=desk.list_counts,
        ),
        get(
            path="/api/v1/counts/{code}",
            operation="get_count",
            summary="One count: who counted, and, once it is closed, what differs",
            answer=CountView,
            params=CountCode,
            problems=("not-found",),
            handler=desk.get,
        ),
    ]


def _reports(desk: _Desk, get: Callable[..., Route]) -> list[Route]:
    return [
        get(
            path="/api/v1/count-accuracy",
            operation="count_accuracy",
            summary="How well the ledger agreed with what was counted, in lines, units and value",
            answer=Page[AccuracyView],
            params=AccuracyParams,
            handler=desk.accuracy,
        ),
        get(
            path="/api/v1/count-offenders",
            operation="count_offenders",
            summary="SKUs in zones that keep differing",
            answer=Page[OffenderView],
            params=OffenderParams,
            handler=desk.offenders,
        ),
    ]
