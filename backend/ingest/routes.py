"""Gateways, the quarantine and imports over HTTP."""

from __future__ import annotations

from typing import Annotated, Final

from pydantic import BaseModel, Field, StringConstraints

from backend.api.paging import Page, Paged
from backend.api.permissions import Permission
from backend.api.problems import ProblemError
from backend.api.routing import Call, Route
from backend.errors import CatalogError, ImportRefusedError
from backend.ingest import views
from backend.ingest.importing import import_csv
from backend.ingest.service import IngestService
from backend.ingest.views import GatewayView, QuarantineParams, QuarantineView
from backend.store.database import Database
from wire.clock import Clock

FAULTS_TOLD: Final = 100
"""Whoever has more wrong lines than these mends the file's making, not its lines."""

IMPORTS: Final = {
    "sites": (Permission.CATALOG_IMPORT, "Define sites from a CSV file"),
    "zones": (Permission.CATALOG_IMPORT, "Define zones from a CSV file"),
    "portals": (Permission.CATALOG_IMPORT, "Define portals from a CSV file"),
    "skus": (Permission.CATALOG_IMPORT, "Define SKUs, what describes them, and their GTINs from a CSV file"),
    "lots": (Permission.CATALOG_IMPORT, "Define lots and their expiry from a CSV file"),
    "receipts": (Permission.STOCK_IMPORT, "Announce what will be received, from a CSV file"),
    "opening-stock": (Permission.STOCK_IMPORT, "Write what stands where at the beginning, from a CSV file"),
}


class ReplayBody(BaseModel):
    """Which events to send through again."""

    cause: Annotated[str, StringConstraints(min_length=1), Field(description="A cause that the quarantine names")]


class ReplayView(BaseModel):
    """How many events were applied, and how many still cannot be."""

    applied: int
    remaining: int


class ImportView(BaseModel):
    """How many lines were taken in, and how many were passed over because their document had been taken in before."""

    kind: str
    lines: int
    repeated: int


def routes(database: Database, service: IngestService, clock: Clock) -> list[Route]:
    """The routes of this capability."""

    async def list_gateways(call: Call) -> Page[GatewayView]:
        return await views.gateways(database, call.params)

    async def get_quarantine(call: Call) -> QuarantineView:
        return await views.quarantine(database, call.params)

    async def replay_quarantine(call: Call) -> ReplayView:
        # In the service's own short transactions, not the call's: done twice it changes nothing more.
        done = await service.replay(call.body.cause)
        return ReplayView(applied=done.applied, remaining=done.remaining)

    return [
        Route(
            method="GET",
            path="/api/v1/gateways",
            operation="list_gateways",
            summary="Gateways, their state, and what they name that the catalog lacks",
            permission=Permission.GATEWAYS_READ,
            answer=Page[GatewayView],
            params=Paged,
            handler=list_gateways,
        ),
        Route(
            method="GET",
            path="/api/v1/quarantine",
            operation="get_quarantine",
            summary="Events that were set aside, and their causes",
            permission=Permission.QUARANTINE_READ,
            answer=QuarantineView,
            params=QuarantineParams,
            handler=get_quarantine,
        ),
        Route(
            method="POST",
            path="/api/v1/quarantine/replay",
            operation="replay_quarantine",
            summary="Send the events of one cause through again, after its mend",
            permission=Permission.QUARANTINE_REPLAY,
            answer=ReplayView,
            body=ReplayBody,
            handler=replay_quarantine,
        ),
        *(_import_route(kind, clock) for kind in IMPORTS),
    ]


def _import_route(kind: str, clock: Clock) -> Route:
    permission, summary = IMPORTS[kind]

    async def import_file(call: Call) -> ImportView:
        assert call.database is not None
        try:
            result = await import_csv(call.database, clock, kind, call.body, actor=call.principal.actor)
        except ImportRefusedError as error:
            raise _refused(error) from error
        except CatalogError as error:
            raise ProblemError("refused", str(error)) from error
        return ImportView(kind=result.kind, lines=result.lines, repeated=result.repeated)

    return Route(
        method="POST",
        path=f"/api/v1/imports/{kind}",
        operation=f"import_{kind.replace('-', '_')}",
        summary=summary,
        permission=permission,
        answer=ImportView,
        body=str,
        problems=("refused-rows", "refused"),
        handler=import_file,
    )


def _refused(error: ImportRefusedError) -> ProblemError:
    told = error.faults[:FAULTS_TOLD]
    return ProblemError(
        "refused-rows",
        f"{len(error.faults)} faults, the first: {told[0]}",
        errors=[{"line": fault.line, "column": fault.column, "what": fault.what} for fault in told],
        fault_count=len(error.faults),
    )
