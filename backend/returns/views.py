"""What the API takes and shows of inspections."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Final

from pydantic import BaseModel, Field, model_validator

from backend.api import paging
from backend.api.paging import Page, Paged
from backend.api.problems import ProblemError
from backend.api.storable import Text
from backend.returns.model import Disposition, Inspected
from backend.returns.service import SQL
from backend.store.database import Database
from wire.events import Epc


class InspectionBody(BaseModel):
    """What a person decided about one thing (`epc`), or about units in a zone that are all alike."""

    site: Text
    disposition: Disposition
    reason: Annotated[str, Field(min_length=1, max_length=500, pattern=r"^[^\x00]*$")]
    epc: Epc | None = None
    zone: Text | None = None
    sku: Text | None = None
    lot: Text = ""
    condition: Inspected = "returned"
    quantity: Annotated[int, Field(ge=1, le=1_000_000_000)] = 1
    to_zone: Annotated[Text | None, Field(description="Where they are put, if anywhere else")] = None
    photo: Annotated[Text, Field(description="Where a picture lies")] = ""

    @model_validator(mode="after")
    def _one_kind(self) -> InspectionBody:
        units = self.zone is not None and self.sku is not None
        if (self.epc is None) != units or (self.epc is not None and (self.zone or self.sku)):
            raise ValueError("name one thing by its epc, or units by their zone and sku")
        return self


MAX_INSPECTIONS: Final = 1000
"""Of one request: more than a cage of returned goods holds, and a transaction of about a second."""


class InspectionBatch(BaseModel):
    """What a person decided about many goods: all of it counts, or none."""

    inspections: Annotated[list[InspectionBody], Field(min_length=1, max_length=MAX_INSPECTIONS)]


MAX_WITHIN_H: Final = 24 * 365
"""Whoever lets returned goods lie for longer does not look at them at all."""


class TimeLimit(BaseModel):
    """How many hours a site may leave returned goods before an alert says that nobody has looked at them."""

    within_h: Annotated[int, Field(ge=1, le=MAX_WITHIN_H)]


class InspectionMade(BaseModel):
    """The number of a decision that counts now."""

    inspection_id: int


class InspectionsMade(BaseModel):
    """The numbers of decisions that count now, in the order in which they were sent."""

    inspection_ids: list[int]


class InspectionView(BaseModel):
    """A decision about goods, or (`disposition` damage) what a handheld's scan found broken. `scan`: its device and id;
    `reversed`: it was taken back."""

    inspection_id: int
    inspected_at: datetime
    site: str
    sku: str
    lot: str
    epc: str | None
    quantity: int
    condition: str
    disposition: str
    reason: str
    photo: str
    actor: str
    scan: str | None
    reversed: bool


class InspectionParams(Paged):
    """Which inspections."""

    site: str | None = None


async def time_limit(database: Database, site: str) -> TimeLimit:
    """A site's. Raises ProblemError for an unknown one."""
    row = await database.pool.fetchrow(SQL["time_limit"], site)
    if row is None:
        raise ProblemError("not-found", f"no site {site!r}")
    return TimeLimit(**row)


async def inspections(database: Database, params: InspectionParams) -> Page[InspectionView]:
    """A page of inspections, newest first."""
    (below,) = paging.decode("inspections", params.cursor, (int,)) if params.cursor else (None,)
    rows = await database.pool.fetch(SQL["list_inspections"], below, params.site, params.limit + 1)
    views = [InspectionView(**row) for row in rows]
    return paging.page("inspections", views, params.limit, [(view.inspection_id,) for view in views])
