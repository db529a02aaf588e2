"""What scans do at a site: read for those that come, shown and changed over HTTP (backend/effects/scanning.py)."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Final, Literal

from pydantic import BaseModel, Field

from backend.api.permissions import Permission
from backend.api.problems import ProblemError
from backend.api.routing import Call, Routes
from backend.catalog.service import read_places, site_of
from backend.catalog.views import SiteName
from backend.documents.model import Kind
from backend.effects.scanning import ScanBook, ScanRule, fault
from backend.store.database import Connection, Queries
from wire.events import Intent

SQL: Final = Queries(Path(__file__).with_name("scan_rules.sql"))

MAX_REFUSAL_CHARS: Final = 200
"""A handheld shows four lines."""


class ScanRuleBody(BaseModel):
    """What a scan does at a site: where the goods are then, where those without serial numbers are looked for, in what
    condition they are, and whether it is refused."""

    intent: Intent
    kind: Annotated[Kind | Literal[""], Field(description="Of the document that the scan names; empty: none")] = ""
    place: Annotated[
        Literal["scanned", "stays", "customer", "in_transit", "vendor", "scrap"],
        Field(description="scanned: the zone that the scan names; stays: where the goods are"),
    ]
    sources: Annotated[list[str], Field(max_length=20, description="Kinds of zones, the likeliest first")] = []
    condition: Literal["sellable", "damaged", "quarantined", "returned", "refurbishing"] | None = None
    takes_expired: Annotated[bool, Field(description="false: what has expired is refused")] = True
    refusal: Annotated[
        str,
        Field(
            max_length=MAX_REFUSAL_CHARS,
            pattern=r"^[^\x00]*$",
            description="Why every such scan is refused, as the device shows it; empty: it is not",
        ),
    ] = ""


class ScanRuleList(BaseModel):
    """What scans do at a site: by intent and kind of document, the rules of every site and in their place its own."""

    rows: list[ScanRuleBody]


ROUTES: Final = Routes()
"""The routes of this part."""


@ROUTES.get(
    "/api/v1/sites/{site}/scan-rules",
    Permission.DOCUMENTS_READ,
    "What scans do at a site, by intent and the document that they name",
    "not-found",
    primary=True,
)
async def list_scan_rules(call: Call, params: SiteName) -> ScanRuleList:
    """What scans do at a site."""
    async with call.database.snapshot() as connection:
        site = site_of(await read_places(connection), params.site)
        book = await read_book(connection, site.site_id)
    return ScanRuleList(
        rows=[
            ScanRuleBody.model_validate({"intent": intent, "kind": kind, **rule._asdict()})
            for (intent, kind), rule in sorted(book.all().items())
        ]
    )


@ROUTES.post(
    "/api/v1/sites/{site}/scan-rules",
    Permission.DOCUMENTS_CHANGE,
    "What a scan does at a site, in place of what it does elsewhere",
    "not-found",
    "refused",
)
async def put_scan_rule(call: Call, params: SiteName, body: ScanRuleBody) -> ScanRuleBody:
    """What a scan does at a site."""
    rule = ScanRule(body.place, tuple(body.sources), body.condition, body.takes_expired, body.refusal)
    wrong = fault(body.intent, body.kind, rule)
    if wrong is not None:
        raise ProblemError("refused", wrong)
    async with call.database.transaction() as connection:
        site = site_of(await read_places(connection), params.site)
        await connection.execute(SQL["put_scan_rule"], site.site_id, body.intent, body.kind, *rule)
    return body


async def read_book(connection: Connection, site_id: int) -> ScanBook:
    """The rules of a site as they stand."""
    rows = await connection.fetch(SQL["own_scan_rules"], site_id)
    return ScanBook(
        {
            (row["intent"], row["kind"]): ScanRule(
                row["place"], tuple(row["sources"]), row["condition"], row["takes_expired"], row["refusal"]
            )
            for row in rows
        }
    )
