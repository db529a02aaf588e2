"""What the API shows of alerts."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Annotated, Any, Final

from pydantic import BaseModel, Field

from backend.alerts.wording import about
from backend.api import paging
from backend.api.paging import Page, Paged
from backend.store.database import Database, Queries

SQL: Final = Queries(Path(__file__).with_name("views.sql"))


class AlertView(BaseModel):
    """Something a person should know. It stands until `cleared_at`. `about` says in one line what it is about, `detail`
    says it for programs; `kind` and `key` tell it from every other one that stands."""

    alert_id: int
    kind: str
    key: str
    site: str | None
    about: str
    detail: dict[str, Any]
    raised_at: datetime
    cleared_at: datetime | None


class AlertParams(Paged):
    """Which alerts."""

    standing: Annotated[bool | None, Field(description="true: only those that stand; false: only cleared ones")] = None


async def alerts(database: Database, params: AlertParams) -> Page[AlertView]:
    """A page of alerts, newest first."""
    (below,) = paging.decode("alerts", params.cursor, (int,)) if params.cursor else (None,)
    rows = await database.pool.fetch(SQL["list_alerts"], below, params.standing, params.limit + 1)
    views = [AlertView(**row, about=about(row["key"], row["site"], row["detail"])) for row in rows]
    return paging.page("alerts", views, params.limit, [(view.alert_id,) for view in views])
