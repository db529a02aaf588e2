"""What the API shows of gateways and of the events that were set aside."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Annotated, Any, Final, Literal

from pydantic import BaseModel, Field

from backend.api import paging
from backend.api.paging import Page, Paged
from backend.store.database import Connection, Database, Queries

SQL: Final = Queries(Path(__file__).with_name("views.sql"))

MAX_CAUSES: Final = 200
"""A list of causes is read by a person; beyond this the file that names the SKUs is missing as a whole."""


class GatewayView(BaseModel):
    """A gateway: what it says of itself, and how far its events have come.

    `unknown_zones` and `unknown_portals` stand in its configuration and not in the catalog of its site.
    """

    gateway: str
    site: str | None
    claimed_site: str | None
    online: bool
    status_at: datetime | None
    config_hash: str | None
    epoch: str | None
    through: int | None
    through_at: datetime | None
    zones: list[str]
    portals: list[str]
    readers: list[str]
    unknown_zones: list[str]
    unknown_portals: list[str]
    lost_ranges: int


class CauseView(BaseModel):
    """What lies in quarantine for one cause: one mend settles all of it. `reason` is that of one of its events."""

    cause: str
    events: int
    reason: str
    first_at: datetime
    last_at: datetime


class QuarantinedView(BaseModel):
    """One event that was set aside. `raw` holds, as hex, what could not be parsed as an event."""

    quarantine_id: int
    recorded_at: datetime
    site: str | None
    gateway: str | None
    epoch: str | None
    seq: int | None
    cause: str
    reason: str
    event: Any
    raw: str | None
    state: str
    settled_at: datetime | None


class QuarantineView(Page[QuarantinedView]):
    """The causes, the most frequent first, and a page of the events, newest first."""

    causes: list[CauseView]


class QuarantineParams(Paged):
    """Which part of the quarantine."""

    cause: Annotated[str | None, Field(description="Only events of this cause")] = None
    state: Annotated[Literal["open", "replayed", "dismissed"], Field(description="What became of them")] = "open"


async def gateways(database: Database, params: Paged) -> Page[GatewayView]:
    """A page of gateways by name."""
    (after,) = paging.decode("gateways", params.cursor, (str,)) if params.cursor else ("",)
    rows = await database.pool.fetch(SQL["list_gateways"], after, params.limit + 1)
    views = [GatewayView(**row) for row in rows]
    return paging.page("gateways", views, params.limit, [(view.gateway,) for view in views])


async def all_gateways(connection: Connection, limit: int) -> list[GatewayView]:
    """The first `limit` gateways by name."""
    return [GatewayView(**row) for row in await connection.fetch(SQL["list_gateways"], "", limit)]


async def quarantine(database: Database, params: QuarantineParams) -> QuarantineView:
    """The causes and a page of events, as of one instant."""
    (below,) = paging.decode("quarantine", params.cursor, (int,)) if params.cursor else (None,)
    async with database.snapshot() as connection:
        causes = await connection.fetch(SQL["list_causes"], params.state, params.cause, MAX_CAUSES)
        rows = await connection.fetch(SQL["list_quarantine"], params.state, params.cause, below, params.limit + 1)
    views = [QuarantinedView(**{**row, "raw": row["raw"].hex() if row["raw"] is not None else None}) for row in rows]
    page = paging.page("quarantine", views, params.limit, [(view.quarantine_id,) for view in views])
    return QuarantineView(causes=[CauseView(**row) for row in causes], rows=page.rows, next=page.next)
