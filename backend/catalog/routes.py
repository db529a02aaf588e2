"""The catalog over HTTP: each kind is listed, shown, defined one by one or many at once, and exported.

    GET  /api/v1/{kind}              pages          POST /api/v1/{kind}              many: all or none
    GET  /api/v1/{kind}/{key…}       one            POST /api/v1/{kind}/{key…}       define or change it (If-Match)
    GET  /api/v1/exports/{kind}      a CSV file

Every row is checked by what checks the files' lines (importing.py), so no way in lets through what another refuses.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping
from typing import Any, Final, NamedTuple

from pydantic import BaseModel

from backend.api import etag, rows
from backend.api.paging import Page, Paged
from backend.api.permissions import Permission
from backend.api.problems import ProblemError
from backend.api.routing import Call, Routes
from backend.api.rows import RowFault
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


def refused_rows(error: ImportRefusedError) -> ProblemError:
    """The problem of a request with wrong rows: each fault with its row, from 1 on, and its member."""
    return rows.refused_rows([RowFault(*fault) for fault in error.faults])


async def _define(database: Database, name: str, numbered: Iterable[tuple[int, dict[str, Any]]]) -> int:
    """Define rows of a kind, all or none; answers how many."""
    records = [line for number, row in numbered for line in _lines(number, row)]
    try:
        async with database.transaction() as connection:
            return await DEFINITIONS[name].define(connection, *sheet_of(records))
    except ImportRefusedError as error:
        raise refused_rows(error) from error


def _lines(number: int, row: Mapping[str, Any]) -> Iterator[tuple[int, dict[str, Any]]]:
    """A row of a request as the lines of its kind's file, all with the row's number: one for each pack of a SKU."""
    head = {name: value for name, value in row.items() if name != "packs"}
    for pack in row.get("packs") or [{}]:
        told = {"gtin": pack.get("gtin"), "gtin_quantity": pack.get("quantity"), "pack": pack.get("pack")}
        yield number, head | told if pack else head


def routes() -> Routes:
    """The routes of this capability."""
    routes = Routes()
    for name, kind in KINDS.items():
        _add_kind(routes, name, kind)
    return routes


def _add_kind(routes: Routes, name: str, kind: Kind) -> None:
    """The routes of one kind."""
    path = f"/api/v1/{name}"
    one = "/".join((path, *(f"{{{part}}}" for part in kind.key)))
    view: dict[str, Any] = {"params": kind.params, "answer": kind.view}

    @routes.get(
        path,
        Permission.CATALOG_READ,
        kind.summary,
        operation=f"list_{name}",
        params=kind.list_params,
        answer=Page[kind.view],  # type: ignore[name-defined]
    )
    async def list_rows(call: Call, params: Paged) -> Page[Any]:
        return await kind.page(call.database, params)

    @routes.get(
        one, Permission.CATALOG_READ, f"One {kind.singular}", "not-found", operation=f"get_{kind.singular}", **view
    )
    async def get(call: Call, params: BaseModel) -> BaseModel:
        return await views.require(call.database, kind.one, dict(params))

    @routes.post(
        path,
        Permission.CATALOG_WRITE,
        f"Define or change many {name}: all of them, or none and an error for each wrong row",
        "refused-rows",
        operation=f"put_{name}",
        body=kind.bulk,
    )
    async def put_many(call: Call, body: views.Bulk) -> views.DefinedView:
        rows = (row.model_dump(exclude_unset=True) for row in body.rows)
        return views.DefinedView(defined=await _define(call.database, name, enumerate(rows, 1)))

    @routes.post(
        one,
        Permission.CATALOG_WRITE,
        f"Define a {kind.singular}, or change it; If-Match guards the change",
        "refused-rows",
        "changed-meanwhile",
        "not-found",
        operation=f"put_{kind.singular}",
        body=kind.body,
        **view,
    )
    async def put(call: Call, params: BaseModel, body: BaseModel) -> BaseModel:
        key: dict[str, str] = dict(params)
        async with call.database.transaction() as connection:
            await connection.execute(SQL["hold_definition"], "/".join((name, *key.values())))
        before = await kind.one(call.database, key)
        if before is not None:
            etag.require_match(call.if_match, before)
        elif call.if_match is not None:
            raise ProblemError("changed-meanwhile", f"there is no {kind.singular} {'/'.join(key.values())!r}")
        await _define(call.database, name, [(1, key | body.model_dump(exclude_unset=True))])
        return await views.require(call.database, kind.one, key)

    @routes.get(
        f"/api/v1/exports/{name}",
        Permission.CATALOG_READ,
        f"Every {kind.singular}, as a CSV file that can be imported again",
        operation=f"export_{name}",
    )
    async def export(call: Call) -> str:
        return await export_csv(call.database, name)
