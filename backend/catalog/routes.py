"""The catalog over HTTP: each kind is listed, shown, defined one by one or many at once, and exported.

    GET  /api/v1/{kind}              pages          POST /api/v1/{kind}              many: all or none
    GET  /api/v1/{kind}/{key…}       one            POST /api/v1/{kind}/{key…}       define or change it (If-Match)
    GET  /api/v1/exports/{kind}      a CSV file

Every row is checked by what checks the files' lines (importing.py), so no way in lets through what another refuses.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

from pydantic import BaseModel

from backend.api import etag
from backend.api.paging import Page, Paged
from backend.api.permissions import Permission
from backend.api.problems import ProblemError
from backend.api.routing import Call, Route
from backend.catalog import views
from backend.catalog.exporting import export_csv
from backend.catalog.importing import DEFINITIONS
from backend.catalog.service import SQL
from backend.catalog.sheet import sheet_of
from backend.errors import ImportRefusedError
from backend.store.database import Database


class Kind(NamedTuple):
    """A kind of the catalog as the API has it. `key`: what names one of them, in the order of the path."""

    singular: str
    key: tuple[str, ...]
    params: type[BaseModel]
    list_params: type[Paged]
    view: type[BaseModel]
    body: type[BaseModel]
    bulk: type[views.Bulk]
    one: views.One
    page: Callable[[Database, Any], Awaitable[Page[Any]]]
    summary: str


KINDS: Final[dict[str, Kind]] = {
    "sites": Kind(
        "site",
        ("code",),
        views.CodeParams,
        Paged,
        views.SiteView,
        views.SiteBody,
        views.SitesBody,
        views.site,
        views.sites,
        "Sites by code",
    ),
    "zones": Kind(
        "zone",
        ("site", "code"),
        views.SiteCodeParams,
        views.ZoneParams,
        views.ZoneView,
        views.ZoneBody,
        views.ZonesBody,
        views.zone,
        views.zones,
        "Zones by site and code",
    ),
    "portals": Kind(
        "portal",
        ("site", "code"),
        views.SiteCodeParams,
        views.PortalParams,
        views.PortalView,
        views.PortalBody,
        views.PortalsBody,
        views.portal,
        views.portals,
        "Portals by site and code",
    ),
    "skus": Kind(
        "sku",
        ("code",),
        views.CodeParams,
        Paged,
        views.SkuView,
        views.SkuBody,
        views.SkusBody,
        views.sku,
        views.skus,
        "SKUs by code, with what describes them and how they are packed",
    ),
    "lots": Kind(
        "lot",
        ("sku", "code"),
        views.LotParams,
        views.LotsParams,
        views.LotView,
        views.LotBody,
        views.LotsBody,
        views.lot,
        views.lots,
        "Lots by SKU and code, with expiry and status",
    ),
}


@dataclass(frozen=True, slots=True)
class _Desk:
    """Answers for the routes of one kind."""

    replica: Database
    name: str
    kind: Kind

    async def list_rows(self, call: Call) -> Page[Any]:
        """A page."""
        return await self.kind.page(self.replica, call.params)

    async def get(self, call: Call) -> BaseModel:
        """One."""
        return await views.require(self.replica, self.kind.one, self._key(call))

    async def put(self, call: Call) -> BaseModel:
        """Define one, or change it."""
        assert call.database is not None
        key = self._key(call)
        async with call.database.transaction() as connection:
            await connection.execute(SQL["hold_definition"], "/".join((self.name, *key.values())))
        before = await self.kind.one(call.database, key)
        if before is not None:
            etag.require_match(call.if_match, before)
        elif call.if_match is not None:
            raise ProblemError("changed-meanwhile", f"there is no {self.kind.singular} {'/'.join(key.values())!r}")
        said = key | call.body.model_dump(exclude_unset=True)
        await self._define(call.database, [(1, said)])
        return await views.require(call.database, self.kind.one, key)

    async def put_many(self, call: Call) -> views.DefinedView:
        """Define many, or none."""
        assert call.database is not None
        rows = [row.model_dump(exclude_unset=True) for row in call.body.rows]
        return views.DefinedView(defined=await self._define(call.database, list(enumerate(rows, 1))))

    async def export(self, _call: Call) -> str:
        """Everything, as a CSV file."""
        return await export_csv(self.replica, self.name)

    def _key(self, call: Call) -> dict[str, str]:
        return {name: getattr(call.params, name) for name in self.kind.key}

    async def _define(self, database: Database, numbered: list[tuple[int, dict[str, Any]]]) -> int:
        records = [line for number, row in numbered for line in _lines(number, row)]
        try:
            async with database.transaction() as connection:
                return await DEFINITIONS[self.name].define(connection, *sheet_of(records))
        except ImportRefusedError as error:
            raise refused_rows(error) from error


def refused_rows(error: ImportRefusedError) -> ProblemError:
    """The problem of a request with wrong rows: each fault with its row, from 1 on, and its member."""
    return ProblemError(
        "refused-rows",
        f"{len(error.faults)} faults, the first: row {error.faults[0].line}, {error.faults[0].column}: "
        f"{error.faults[0].what}",
        errors=[{"row": fault.line, "column": fault.column, "what": fault.what} for fault in error.faults],
    )


def _lines(number: int, row: Mapping[str, Any]) -> Iterator[tuple[int, dict[str, Any]]]:
    """A row of a request as the lines of its kind's file, all with the row's number: one for each pack of a SKU."""
    head = {name: value for name, value in row.items() if name != "packs"}
    for pack in row.get("packs") or [{}]:
        told = {"gtin": pack.get("gtin"), "gtin_quantity": pack.get("quantity"), "pack": pack.get("pack")}
        yield number, head | told if pack else head


def routes(replica: Database) -> list[Route]:
    """The routes of this capability, reading from `replica`."""
    return [route for name, kind in KINDS.items() for route in _routes(_Desk(replica, name, kind))]


def _routes(desk: _Desk) -> list[Route]:
    name, kind = desk.name, desk.kind
    path = f"/api/v1/{name}"
    one = "/".join((path, *(f"{{{part}}}" for part in kind.key)))
    return [
        Route(
            method="GET",
            path=path,
            operation=f"list_{name}",
            summary=kind.summary,
            permission=Permission.CATALOG_READ,
            answer=Page[kind.view],  # type: ignore[name-defined]
            params=kind.list_params,
            handler=desk.list_rows,
        ),
        Route(
            method="GET",
            path=one,
            operation=f"get_{kind.singular}",
            summary=f"One {kind.singular}",
            permission=Permission.CATALOG_READ,
            answer=kind.view,
            params=kind.params,
            problems=("not-found",),
            handler=desk.get,
        ),
        Route(
            method="POST",
            path=path,
            operation=f"put_{name}",
            summary=f"Define or change many {name}: all of them, or none and an error for each wrong row",
            permission=Permission.CATALOG_WRITE,
            answer=views.DefinedView,
            body=kind.bulk,
            problems=("refused-rows",),
            handler=desk.put_many,
        ),
        Route(
            method="POST",
            path=one,
            operation=f"put_{kind.singular}",
            summary=f"Define a {kind.singular}, or change it; If-Match guards the change",
            permission=Permission.CATALOG_WRITE,
            answer=kind.view,
            params=kind.params,
            body=kind.body,
            problems=("refused-rows", "changed-meanwhile", "not-found"),
            handler=desk.put,
        ),
        Route(
            method="GET",
            path=f"/api/v1/exports/{name}",
            operation=f"export_{name}",
            summary=f"Every {kind.singular}, as a CSV file that can be imported again",
            permission=Permission.CATALOG_READ,
            answer=str,
            handler=desk.export,
        ),
    ]
