"""Documents and doors over HTTP."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from backend.api import etag
from backend.api.paging import Page
from backend.api.permissions import Permission
from backend.api.routing import Call, Route
from backend.documents import service, views
from backend.documents.service import DocumentLine, DocumentSpec
from backend.documents.views import (
    CrossingRuleBody,
    DepartureParams,
    DepartureView,
    DocumentBody,
    DocumentCode,
    DocumentEventBody,
    DocumentHead,
    DocumentParams,
    DocumentView,
    DoorBody,
    DoorParams,
    DoorView,
    SiteParams,
)
from backend.store.database import Database
from wire.clock import Clock


@dataclass(frozen=True, slots=True)
class _Desk:
    """Answers for the routes below."""

    database: Database
    replica: Database
    clock: Clock

    async def make(self, call: Call) -> DocumentView:
        """A new document."""
        assert call.database is not None
        body: DocumentBody = call.body
        spec = DocumentSpec(
            body.code,
            body.kind,
            body.site,
            tuple(DocumentLine(line.sku, line.quantity, line.lot) for line in body.lines),
            body.to_site,
            body.order,
            body.party,
            body.promised_at,
        )
        await service.make_document(call.database, self.clock, spec, call.principal.actor)
        return await views.document(call.database, body.code)

    async def change(self, call: Call) -> DocumentView:
        """Let something happen to a document, if it is still what the caller read."""
        assert call.database is not None
        code = call.params.code
        async with call.database.transaction() as connection:
            await service.lock_document(connection, code)
            if call.if_match is not None:
                etag.require_match(call.if_match, await views.document(call.database, code))
            await service.change_document(call.database, self.clock, code, call.body.event)
        return await views.document(call.database, code)

    async def get(self, call: Call) -> DocumentView:
        """One document."""
        return await views.document(self.database, call.params.code)

    async def list_documents(self, call: Call) -> Page[DocumentHead]:
        """Documents, newest first."""
        return await views.documents(self.replica, call.params)

    async def list_departures(self, call: Call) -> Page[DepartureView]:
        """Unsettled departures, newest first."""
        return await views.departures(self.replica, call.params)

    async def put_door(self, call: Call) -> DoorView:
        """What stands open at a door from now on."""
        assert call.database is not None
        site, portal, code = call.params.site, call.params.portal, call.body.document
        if code is None:
            await service.close_door(call.database, self.clock, site, portal)
        else:
            await service.open_door(call.database, self.clock, site, portal, code, call.principal.actor)
        return DoorView(site=site, portal=portal, document=code)

    async def put_rule(self, call: Call) -> CrossingRuleBody:
        """What a crossing means at a site."""
        assert call.database is not None
        rule: CrossingRuleBody = call.body
        site = call.params.site
        await service.put_rule(call.database, site, rule.direction, rule.kind, rule.place, rule.condition)
        return rule


def routes(database: Database, replica: Database, clock: Clock) -> list[Route]:
    """The routes of this capability."""
    desk = _Desk(database, replica, clock)
    get = partial(Route, method="GET", permission=Permission.DOCUMENTS_READ)
    post = partial(Route, method="POST", permission=Permission.DOCUMENTS_CHANGE)
    return [*_documents(desk, get, post), *_doors(desk, get, post)]


def _documents(desk: _Desk, get: Callable[..., Route], post: Callable[..., Route]) -> list[Route]:
    return [
        post(
            path="/api/v1/documents",
            operation="make_document",
            summary="Make a receipt, shipment, transfer or return",
            answer=DocumentView,
            body=DocumentBody,
            problems=("refused", "code-taken"),
            handler=desk.make,
        ),
        post(
            path="/api/v1/documents/{code}/events",
            operation="change_document",
            summary="Approve, allocate, send, receive, close or cancel a document",
            answer=DocumentView,
            params=DocumentCode,
            body=DocumentEventBody,
            problems=("not-found", "wrong-state", "not-available", "changed-meanwhile"),
            handler=desk.change,
        ),
        get(
            path="/api/v1/documents",
            operation="list_documents",
            summary="Documents, newest first",
            answer=Page[DocumentHead],
            params=DocumentParams,
            handler=desk.list_documents,
        ),
        get(
            path="/api/v1/documents/{code}",
            operation="get_document",
            summary="One document: what was expected of it and what crossed under it, to the tag",
            answer=DocumentView,
            params=DocumentCode,
            problems=("not-found",),
            handler=desk.get,
        ),
    ]


def _doors(desk: _Desk, get: Callable[..., Route], post: Callable[..., Route]) -> list[Route]:
    return [
        post(
            path="/api/v1/doors/{site}/{portal}",
            operation="put_door",
            summary="Let a document stand open at a door, or none: it decides what crossings there mean",
            answer=DoorView,
            params=DoorParams,
            body=DoorBody,
            problems=("not-found", "refused"),
            handler=desk.put_door,
        ),
        post(
            path="/api/v1/sites/{site}/crossing-rules",
            operation="put_crossing_rule",
            summary="What a crossing means at a site, in place of what it means elsewhere",
            answer=CrossingRuleBody,
            params=SiteParams,
            body=CrossingRuleBody,
            problems=("not-found",),
            handler=desk.put_rule,
        ),
        get(
            path="/api/v1/departures",
            operation="list_departures",
            summary="Things that left while no document at the door explained it",
            answer=Page[DepartureView],
            params=DepartureParams,
            handler=desk.list_departures,
        ),
    ]
