"""Gateways, the quarantine and imports over HTTP."""

from __future__ import annotations

from typing import Annotated, Final

from pydantic import BaseModel, Field

from backend.api.paging import Page, Paged
from backend.api.permissions import Permission
from backend.api.problems import ProblemError
from backend.api.routing import Call, Routes
from backend.errors import CatalogError, ImportRefusedError
from backend.ingest import views
from backend.ingest.importing import import_csv
from backend.ingest.service import IngestService
from backend.ingest.views import GatewayView, QuarantineParams, QuarantineView

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

    cause: Annotated[str, Field(min_length=1, pattern=r"^[^\x00]*$", description="A cause that the quarantine names")]


class ReplayView(BaseModel):
    """How many events were applied, and how many still cannot be."""

    applied: int
    remaining: int


class ImportView(BaseModel):
    """How many lines were taken in, and how many were passed over because their document had been taken in before."""

    kind: str
    lines: int
    repeated: int


def routes(service: IngestService) -> Routes:
    """The routes of this capability."""
    routes = Routes()

    @routes.get(
        "/api/v1/gateways",
        Permission.GATEWAYS_READ,
        "Gateways, their state, and what they name that the catalog lacks",
        primary=True,
    )
    async def list_gateways(call: Call, params: Paged) -> Page[GatewayView]:
        return await views.gateways(call.database, params)

    @routes.get(
        "/api/v1/quarantine", Permission.QUARANTINE_READ, "Events that were set aside, and their causes", primary=True
    )
    async def get_quarantine(call: Call, params: QuarantineParams) -> QuarantineView:
        return await views.quarantine(call.database, params)

    @routes.post(
        "/api/v1/quarantine/replay",
        Permission.QUARANTINE_REPLAY,
        "Send the events of one cause through again, after its mend",
    )
    async def replay_quarantine(_call: Call, body: ReplayBody) -> ReplayView:
        # In the service's own short transactions, not the call's: done twice it changes nothing more.
        done = await service.replay(body.cause)
        return ReplayView(applied=done.applied, remaining=done.remaining)

    for kind in IMPORTS:
        _add_import(routes, kind)
    return routes


def _add_import(routes: Routes, kind: str) -> None:
    permission, summary = IMPORTS[kind]

    @routes.post(
        f"/api/v1/imports/{kind}",
        permission,
        summary,
        "refused-rows",
        "refused",
        operation=f"import_{kind.replace('-', '_')}",
    )
    async def import_file(call: Call, body: str) -> ImportView:
        try:
            result = await import_csv(call.database, call.clock, kind, body, actor=call.actor)
        except ImportRefusedError as error:
            raise _refused(error) from error
        except CatalogError as error:
            raise ProblemError("refused", str(error)) from error
        return ImportView(kind=result.kind, lines=result.lines, repeated=result.repeated)


def _refused(error: ImportRefusedError) -> ProblemError:
    told = error.faults[:FAULTS_TOLD]
    return ProblemError(
        "refused-rows",
        f"{len(error.faults)} faults, the first: {told[0]}",
        errors=[{"line": fault.line, "column": fault.column, "what": fault.what} for fault in told],
        fault_count=len(error.faults),
    )
