"""What the API takes and shows of documents, doors and departures."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Final, Literal

from pydantic import BaseModel, Field, field_validator

from backend.api import paging
from backend.api.paging import Page, Paged
from backend.api.problems import ProblemError
from backend.api.storable import Instant, Text
from backend.documents.model import Event, Kind
from backend.documents.service import SQL
from backend.store.database import Database, Record

MAX_LINES: Final = 5000
"""A truck carries fewer kinds of goods; a larger document is sent as several."""

MAX_DOCUMENTS: Final = 500
"""Of one request: a transaction of about a second."""

MAX_THINGS: Final = 20_000
"""Things shown with a document: more than a truck carries."""

Code = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._:-]{0,99}$")]


class DocumentLineBody(BaseModel):
    """Units that a document expects; without a lot any will do."""

    sku: Text
    quantity: Annotated[int, Field(ge=1, le=1_000_000_000)]
    lot: Text | None = None


class DocumentBody(BaseModel):
    """A document to be made."""

    code: Code
    kind: Kind
    site: Annotated[Text, Field(description="Where its goods cross the first door")]
    to_site: Annotated[Text | None, Field(description="Where a transfer goes")] = None
    order: Annotated[Code | None, Field(description="The order that a shipment serves")] = None
    party: Annotated[Text, Field(description="Supplier, carrier or customer")] = ""
    promised_at: Annotated[
        Instant | None, Field(description="When it should have come; for a transfer the lane says so if not this")
    ] = None
    lines: Annotated[list[DocumentLineBody], Field(max_length=MAX_LINES)] = []


class DocumentBatch(BaseModel):
    """Documents to be made, all or none. A batch has as many lines as a large document, over its documents."""

    documents: Annotated[list[DocumentBody], Field(min_length=1, max_length=MAX_DOCUMENTS)]

    @field_validator("documents", mode="after")
    @classmethod
    def _fit_together(cls, documents: list[DocumentBody]) -> list[DocumentBody]:
        lines = sum(len(document.lines) for document in documents)
        if lines > MAX_LINES:
            raise ValueError(f"{lines} lines in all are more than {MAX_LINES}: send them in several requests")
        return documents


class DocumentLineView(BaseModel):
    """Units expected, gone and come, things with and without serial numbers together; `damaged`: units without serial
    numbers, of those that came, that a scan for the document found broken; `accepted`: those beyond what was expected
    that somebody accepted. What nobody announced has no number."""

    line_no: int | None
    sku: str
    lot: str | None
    expected: int
    gone: int
    come: int
    damaged: int
    accepted: int


class DocumentThing(BaseModel):
    """A thing of a document: announced, gone, come."""

    epc: str | None
    identity: str | None
    sku: str | None
    expected: bool
    gone_at: datetime | None
    come_at: datetime | None


class DocumentHead(BaseModel):
    """A document without its lines."""

    code: str
    kind: Kind
    site: str
    to_site: str | None
    order: str | None
    party: str
    status: str
    promised_at: datetime | None
    left_at: datetime | None
    made_at: datetime
    changed_at: datetime
    revision: int


class DocumentView(DocumentHead):
    """A document: what was expected of it and what crossed under it."""

    lines: list[DocumentLineView]
    things: list[DocumentThing]


class DocumentsMade(BaseModel):
    """Documents that were made, in the order in which they were sent."""

    documents: list[DocumentHead]


class DocumentCode(BaseModel):
    """One document."""

    code: Code


class DocumentParams(Paged):
    """Which documents."""

    kind: Kind | None = None
    status: str | None = None
    site: str | None = None


class DocumentEventBody(BaseModel):
    """What happens to a document."""

    event: Event


class DoorParams(BaseModel):
    """One door."""

    site: Code
    portal: Code


class DoorBody(BaseModel):
    """What stands open at a door from now on; null: nothing."""

    document: Code | None


class DoorView(BaseModel):
    """A door and what stands open at it."""

    site: str
    portal: str
    document: str | None


class DoorListParams(Paged):
    """Which doors."""

    site: Text | None = None


class CrossingRuleBody(BaseModel):
    """What a crossing means at a site: where the thing is then, and in what condition."""

    direction: Literal["in", "out"]
    kind: Annotated[Kind | Literal[""], Field(description="Of the document open at the door; empty: none")] = ""
    place: Literal["inside", "customer", "in_transit", "scrap"]
    condition: Literal["sellable", "damaged", "quarantined", "returned", "refurbishing"] | None = None


class CrossingRuleList(BaseModel):
    """What crossings mean at a site: by direction and kind, the rules of every site and in their place its own."""

    rows: list[CrossingRuleBody]


class DepartureParams(Paged):
    """Which departures."""

    site: str | None = None
    portal: str | None = None


class DepartureView(BaseModel):
    """A thing that left while no document explained it."""

    epc: str | None
    identity: str | None
    sku: str | None
    quantity: int
    site: str
    portal: str
    observed_at: datetime


class SettleBody(BaseModel):
    """What the departures of a door within a span of time were: exactly one of document, lost and zone."""

    site: Code
    portal: Code
    first_at: Instant
    last_at: Instant
    document: Annotated[Code | None, Field(description="The shipment or transfer they belonged to")] = None
    lost: Annotated[bool, Field(description="They are written off")] = False
    zone: Annotated[Code | None, Field(description="They never left: they are in this zone")] = None


class WriteOffBody(BaseModel):
    """Why what a transfer lost is given up."""

    reason: Annotated[str, Field(min_length=1, max_length=400, pattern=r"^[^\x00]*$")]


class WriteOffView(BaseModel):
    """What was written off now: things, and units without serial numbers; both 0 when nothing is missing any more."""

    things: int
    units: int


class SurplusBody(BaseModel):
    """Why what came beyond what was expected is kept."""

    reason: Annotated[str, Field(min_length=1, max_length=400, pattern=r"^[^\x00]*$")]


class SurplusView(BaseModel):
    """How many units were accepted now; 0 when nothing more has come than was expected."""

    units: int


class SettledView(BaseModel):
    """How many departures were settled."""

    settled: int


async def document(database: Database, code: str) -> DocumentView:
    """One document. Raises ProblemError when there is none."""
    async with database.snapshot() as connection:
        head = await connection.fetchrow(SQL["document_heads"], [code])
        if head is None:
            raise ProblemError("not-found", f"no document {code!r}")
        lines = await connection.fetch(SQL["document_lines"], [head["document_id"]])
        things = await connection.fetch(SQL["document_things"], head["document_id"], MAX_THINGS)
    return DocumentView(
        **_head(head),
        lines=[DocumentLineView(**{name: line[name] for name in DocumentLineView.model_fields}) for line in lines],
        things=[DocumentThing(**thing) for thing in things],
    )


async def heads(database: Database, codes: Sequence[str]) -> list[DocumentHead]:
    """Documents that exist, without their lines, in the order given."""
    rows = await database.pool.fetch(SQL["document_heads"], list(codes))
    by_code = {row["code"]: DocumentHead(**_head(row)) for row in rows}
    return [by_code[code] for code in codes]


async def documents(database: Database, params: DocumentParams) -> Page[DocumentHead]:
    """A page of documents, newest first."""
    (below,) = paging.decode("documents", params.cursor, (int,)) if params.cursor else (None,)
    rows = await database.pool.fetch(
        SQL["list_documents"], below, params.kind, params.status, params.site, params.limit + 1
    )
    views = [DocumentHead(**_head(row)) for row in rows]
    return paging.page("documents", views, params.limit, [(row["document_id"],) for row in rows])


async def doors(database: Database, params: DoorListParams) -> Page[DoorView]:
    """A page of doors by site and code."""
    after = paging.decode("doors", params.cursor, (str, str)) if params.cursor else ("", "")
    rows = await database.pool.fetch(SQL["standing_doors"], params.site, *after, params.limit + 1)
    views = [DoorView(**row) for row in rows]
    return paging.page("doors", views, params.limit, [(view.site, view.portal) for view in views])


async def departures(database: Database, params: DepartureParams) -> Page[DepartureView]:
    """A page of unsettled departures, newest first."""
    kinds = (datetime, str, str, int)
    below = paging.decode("departures", params.cursor, kinds) if params.cursor else (None,) * len(kinds)
    rows = await database.pool.fetch(SQL["list_departures"], params.site, params.portal, *below, params.limit + 1)
    hidden = {"gateway", "epoch", "seq"}
    views = [DepartureView(**{name: value for name, value in row.items() if name not in hidden}) for row in rows]
    keys = [(row["observed_at"], row["gateway"], row["epoch"], row["seq"]) for row in rows]
    return paging.page("departures", views, params.limit, keys)


def _head(row: Record) -> dict[str, object]:
    return {name: value for name, value in row.items() if name != "document_id"}
