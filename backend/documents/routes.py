"""Documents and doors over HTTP."""

from __future__ import annotations

from typing import Final

from backend.api import etag
from backend.api.paging import Page
from backend.api.permissions import Permission
from backend.api.routing import Call, Routes
from backend.catalog.service import read_places, site_of
from backend.catalog.views import SiteName
from backend.documents import making, service, surplus, views
from backend.documents.making import DocumentLine, DocumentSpec
from backend.documents.views import (
    CrossingRuleBody,
    CrossingRuleList,
    DepartureParams,
    DepartureView,
    DocumentBatch,
    DocumentBody,
    DocumentCode,
    DocumentEventBody,
    DocumentHead,
    DocumentParams,
    DocumentsMade,
    DocumentView,
    DoorBody,
    DoorListParams,
    DoorParams,
    DoorView,
    SurplusBody,
    SurplusView,
)

ROUTES: Final = Routes()
"""The routes of this capability."""


@ROUTES.post(
    "/api/v1/documents",
    Permission.DOCUMENTS_CHANGE,
    "Make a receipt, shipment, transfer or return",
    "refused",
    "code-taken",
)
async def make_document(call: Call, body: DocumentBody) -> DocumentView:
    """A new document."""
    await making.make_document(call.database, call.clock, _spec(body), call.actor)
    return await views.document(call.database, body.code)


@ROUTES.post(
    "/api/v1/document-batches",
    Permission.DOCUMENTS_CHANGE,
    "Make many documents: all of them, or none and an error for each wrong row",
    "refused-rows",
)
async def make_documents(call: Call, body: DocumentBatch) -> DocumentsMade:
    """Many new documents."""
    specs = [_spec(one) for one in body.documents]
    await making.make_documents(call.database, call.clock, specs, call.actor)
    return DocumentsMade(documents=await views.heads(call.database, [spec.code for spec in specs]))


@ROUTES.post(
    "/api/v1/documents/{code}/events",
    Permission.DOCUMENTS_CHANGE,
    "Approve, allocate, send, receive, close or cancel a document",
    "not-found",
    "wrong-state",
    "not-available",
    "changed-meanwhile",
)
async def change_document(call: Call, params: DocumentCode, body: DocumentEventBody) -> DocumentView:
    """Let something happen to a document, if it is still what the caller read."""
    async with call.database.transaction() as connection:
        await service.lock_document(connection, params.code)
        if call.if_match is not None:
            etag.require_match(call.if_match, await views.document(call.database, params.code))
        await service.change_document(call.database, call.clock, params.code, body.event)
    return await views.document(call.database, params.code)


@ROUTES.post(
    "/api/v1/documents/{code}/accept-surplus",
    Permission.DOCUMENTS_CHANGE,
    "Accept what came of a document beyond what it expects, with a reason; If-Match guards what the caller saw of it",
    "not-found",
    "changed-meanwhile",
)
async def accept_surplus(call: Call, params: DocumentCode, body: SurplusBody) -> SurplusView:
    """What came beyond the expected is kept, if it is still what the caller read."""
    async with call.database.transaction() as connection:
        document_id = await surplus.hold_surplus(connection, params.code)
        if call.if_match is not None:
            etag.require_match(call.if_match, await views.document(call.database, params.code))
        units = await surplus.accept_surplus(connection, call.clock, params.code, document_id, body.reason, call.actor)
    return SurplusView(units=units)


@ROUTES.get("/api/v1/documents", Permission.DOCUMENTS_READ, "Documents, newest first")
async def list_documents(call: Call, params: DocumentParams) -> Page[DocumentHead]:
    """Documents, newest first."""
    return await views.documents(call.database, params)


@ROUTES.get(
    "/api/v1/documents/{code}",
    Permission.DOCUMENTS_READ,
    "One document: what was expected of it and what crossed under it, to the tag",
    "not-found",
    primary=True,
)
async def get_document(call: Call, params: DocumentCode) -> DocumentView:
    """One document."""
    return await views.document(call.database, params.code)


@ROUTES.get("/api/v1/doors", Permission.DOCUMENTS_READ, "Doors and what stands open at them", primary=True)
async def list_doors(call: Call, params: DoorListParams) -> Page[DoorView]:
    """Doors by site and code."""
    return await views.doors(call.database, params)


@ROUTES.post(
    "/api/v1/doors/{site}/{portal}",
    Permission.DOCUMENTS_CHANGE,
    "Let a document stand open at a door, or none: it decides what crossings there mean",
    "not-found",
    "refused",
)
async def put_door(call: Call, params: DoorParams, body: DoorBody) -> DoorView:
    """What stands open at a door from now on."""
    if body.document is None:
        await service.close_door(call.database, call.clock, params.site, params.portal)
    else:
        await service.open_door(call.database, call.clock, params.site, params.portal, body.document, call.actor)
    return DoorView(site=params.site, portal=params.portal, document=body.document)


@ROUTES.get(
    "/api/v1/sites/{site}/crossing-rules",
    Permission.DOCUMENTS_READ,
    "What crossings mean at a site, by direction and open document",
    "not-found",
    primary=True,
)
async def list_crossing_rules(call: Call, params: SiteName) -> CrossingRuleList:
    """What crossings mean at a site."""
    async with call.database.snapshot() as connection:
        site = site_of(await read_places(connection), params.site)
        rules = await service.read_rules(connection, site.site_id)
    return CrossingRuleList(
        rows=[
            CrossingRuleBody.model_validate(
                {"direction": direction, "kind": kind, "place": meaning.place, "condition": meaning.condition}
            )
            for (direction, kind), meaning in sorted(rules.items())
        ]
    )


@ROUTES.post(
    "/api/v1/sites/{site}/crossing-rules",
    Permission.DOCUMENTS_CHANGE,
    "What a crossing means at a site, in place of what it means elsewhere",
    "not-found",
)
async def put_crossing_rule(call: Call, params: SiteName, body: CrossingRuleBody) -> CrossingRuleBody:
    """What a crossing means at a site."""
    await service.put_rule(call.database, params.site, body.direction, body.kind, body.place, body.condition)
    return body


@ROUTES.get(
    "/api/v1/departures",
    Permission.DOCUMENTS_READ,
    "Things that left while no document at the door explained it",
)
async def list_departures(call: Call, params: DepartureParams) -> Page[DepartureView]:
    """Unsettled departures, newest first."""
    return await views.departures(call.database, params)


def _spec(body: DocumentBody) -> DocumentSpec:
    return DocumentSpec(
        body.code,
        body.kind,
        body.site,
        tuple(DocumentLine(line.sku, line.quantity, line.lot) for line in body.lines),
        body.to_site,
        body.order,
        body.party,
        body.promised_at,
    )
