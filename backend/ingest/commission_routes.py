"""Commissioning over HTTP: announcements, lists of labels, pallets, and sweeps."""

from __future__ import annotations

from datetime import date, datetime
from typing import Annotated, Any, Final

from pydantic import AwareDatetime, BaseModel, Field

from backend.api import paging
from backend.api.paging import Page, Paged
from backend.api.permissions import Permission
from backend.api.problems import ProblemError
from backend.api.routing import Call, Routes
from backend.api.storable import Text
from backend.catalog.routes import refused_rows
from backend.catalog.sheet import sheet_of
from backend.documents import views as document_views
from backend.documents.views import DocumentView
from backend.errors import ImportRefusedError
from backend.ingest import commissioning, labels
from backend.ingest.commissioning import Loading
from backend.ingest.importing import announce
from backend.ingest.labels import MAX_LABELS, LabelOrder, LabelRun
from backend.ingest.pallet_names import SQL
from backend.store.database import Database

MAX_THINGS: Final = 20_000
"""Things of one announcement or sweep: more than a truck carries, a transaction of seconds."""

Code = Annotated[str, Field(min_length=1, max_length=512, pattern=r"^[^\x00]*$")]


class AnnouncedThing(BaseModel):
    """A thing on its way: its tag's memory as hex, what it is, and the SSCC of the pallet or case it is on."""

    epc: Text
    sku: Text
    lot: Text | None = None
    expires_on: date | None = None
    quantity: Annotated[int | None, Field(ge=1, le=1_000_000_000, description="Units; as its GTIN says without")] = None
    sscc: Text | None = None


class ReceiptBody(BaseModel):
    """An advance ship notice: what is on its way to a site, to the tag."""

    document: Text
    site: Text
    things: Annotated[list[AnnouncedThing], Field(min_length=1, max_length=MAX_THINGS)]


class LabelBody(BaseModel):
    """Labels to be printed and encoded for things of a GTIN, bound to lot and expiry beforehand."""

    site: Text
    gtin: Text
    count: Annotated[int, Field(ge=1, le=MAX_LABELS)]
    company_prefix_digits: Annotated[int, Field(ge=6, le=12, description="Of the GTIN's company prefix")]
    lot: Annotated[str, Field(max_length=20, pattern=r"^[^\x00]*$")] = ""
    expires_on: date | None = None
    document: Annotated[str, Field(max_length=64, pattern=r"^[^\x00]*$")] = ""
    filter: Annotated[int, Field(ge=0, le=7, description="GS1's filter value: 1 point of sale, 2 full case")] = 1


class LabelView(BaseModel):
    """What one label bears."""

    epc: str
    uri: str
    gtin: str
    serial: str


class LabelRunView(BaseModel):
    """A list of labels, and what they were bound to."""

    number: int
    site: str
    sku: str
    name: str
    lot: str
    expires_on: date | None
    document: str
    actor: str
    made_at: datetime
    labels: list[LabelView]


class LabelRunParams(BaseModel):
    """One list of labels."""

    number: Annotated[int, Field(ge=1, le=2**62)]


class PalletParams(BaseModel):
    """One pallet or case, by its SSCC."""

    sscc: Annotated[str, Field(pattern=r"^\d{18}$")]


class ContentParams(Paged):
    """What stands on one pallet."""

    sscc: Annotated[str, Field(pattern=r"^\d{18}$")]


class LoadBody(BaseModel):
    """What is put on a pallet and what is taken off it: EPC memory as hex, or labels such as (01)…(21)…."""

    site: Text
    add: Annotated[list[Code], Field(max_length=MAX_THINGS)] = []
    remove: Annotated[list[Code], Field(max_length=MAX_THINGS)] = []
    at: Annotated[AwareDatetime | None, Field(description="When it was so; now if left out")] = None
    document: Annotated[str, Field(max_length=64, pattern=r"^[^\x00]*$")] = ""


class PalletView(BaseModel):
    """A pallet: where it is, how many things stand on it, how many of its things were read elsewhere since."""

    identity: str
    epc: str | None
    site: str
    zone: str
    things: int
    parted: int


class ContentView(BaseModel):
    """A thing on a pallet."""

    epc: str | None
    identity: str | None
    sku: str | None
    lot: str | None
    quantity: int
    site: str
    zone: str


class SweepBody(BaseModel):
    """The tags that somebody read on a walk through a zone."""

    site: Text
    zone: Text
    epcs: Annotated[list[Text], Field(min_length=1, max_length=MAX_THINGS)]


class SweepRefusal(BaseModel):
    """A tag that names nothing, and why."""

    epc: str
    what: str


class SweepView(BaseModel):
    """How many things nobody had known, how many are in the zone now, and the tags that name nothing."""

    new: int
    placed: int
    refused: list[SweepRefusal]


ROUTES: Final = Routes()
"""The routes of this part."""


@ROUTES.post(
    "/api/v1/receipts",
    Permission.STOCK_IMPORT,
    "Announce what is on its way to a site, to the tag and the pallet; makes its document",
    "refused-rows",
)
async def announce_receipt(call: Call, body: ReceiptBody) -> DocumentView:
    """An advance ship notice."""
    head = {"site": body.site, "document": body.document}
    rows, faults = sheet_of((number, head | dict(one)) for number, one in enumerate(body.things, 1))
    try:
        async with call.database.transaction() as connection:
            await announce(connection, rows, faults, call.actor, call.clock.now())
    except ImportRefusedError as error:
        raise refused_rows(error) from error
    return await document_views.document(call.database, body.document)


@ROUTES.post(
    "/api/v1/labels",
    Permission.STOCK_IMPORT,
    "Hand out serial numbers for labels to print and encode, bound to SKU, lot and expiry",
    "refused",
)
async def make_labels(call: Call, body: LabelBody) -> LabelRunView:
    """A new list of labels."""
    return _run_view(await labels.make_labels(call.database, call.clock, LabelOrder(**dict(body)), call.actor))


@ROUTES.get(
    "/api/v1/labels/{number}",
    Permission.ITEMS_READ,
    "A list of labels that was made before",
    "not-found",
    primary=True,
)
async def get_labels(call: Call, params: LabelRunParams) -> LabelRunView:
    """A list of labels again."""
    return _run_view(await labels.read_labels(call.database, params.number))


@ROUTES.get(
    "/api/v1/labels/{number}/csv",
    Permission.ITEMS_READ,
    "A list of labels as a CSV file for a printer",
    "not-found",
    primary=True,
)
async def export_labels(call: Call, params: LabelRunParams) -> str:
    """A list of labels for a printer."""
    return labels.labels_csv(await labels.read_labels(call.database, params.number))


@ROUTES.post(
    "/api/v1/sweeps",
    Permission.STOCK_IMPORT,
    "Take in the tags that were read on a walk through a zone, known and unknown",
    "refused",
)
async def sweep_zone(call: Call, body: SweepBody) -> SweepView:
    """What was read on a walk through a zone."""
    swept = await commissioning.sweep(call.database, call.clock, body.site, body.zone, body.epcs, call.actor)
    return SweepView(new=swept.new, placed=swept.placed, refused=[SweepRefusal(**one) for one in swept.refused])


@ROUTES.post(
    "/api/v1/pallets/{sscc}/contents",
    Permission.STOCK_IMPORT,
    "Put things on a pallet or case, take others off it: all, or none and an error for each",
    "refused-rows",
    "refused",
)
async def load_pallet(call: Call, params: PalletParams, body: LoadBody) -> PalletView:
    """What is put on a pallet and taken off it."""
    loading = Loading(body.site, body.add, body.remove, body.at, body.document)
    await commissioning.load_pallet(call.database, call.clock, params.sscc, loading, *call.who)
    return await _pallet(call.database, params.sscc)


@ROUTES.get(
    "/api/v1/pallets/{sscc}",
    Permission.ITEMS_READ,
    "A pallet or case: where it is, and how much stands on it",
    "not-found",
    primary=True,
)
async def get_pallet(call: Call, params: PalletParams) -> PalletView:
    """One pallet."""
    return await _pallet(call.database, params.sscc)


@ROUTES.get("/api/v1/pallets/{sscc}/contents", Permission.ITEMS_READ, "What stands on a pallet or case", primary=True)
async def list_pallet_contents(call: Call, params: ContentParams) -> Page[ContentView]:
    """What stands on a pallet."""
    (after,) = paging.decode("contents", params.cursor, (int,)) if params.cursor else (0,)
    rows = await call.database.pool.fetch(SQL["loads"], f"(00){params.sscc}", after, params.limit + 1)
    shown = [ContentView(**{name: row[name] for name in ContentView.model_fields}) for row in rows]
    return paging.page("contents", shown, params.limit, [(row["item_id"],) for row in rows])


async def _pallet(database: Database, sscc: str) -> PalletView:
    row = await database.pool.fetchrow(SQL["pallet"], f"(00){sscc}")
    if row is None:
        raise ProblemError("not-found", f"nobody has seen or announced a pallet {sscc}")
    return PalletView(**row)


def _run_view(run: LabelRun) -> LabelRunView:
    told: dict[str, Any] = run._asdict()
    return LabelRunView(**told | {"labels": [LabelView(**label._asdict()) for label in run.labels]})
