"""Raise and clear alerts. Both may be repeated: an alert is one for each (kind, key) while it stands."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any, NamedTuple

from backend.store.database import Connection, Queries

SQL = Queries.beside(__file__)


class Alert(NamedTuple):
    """Something somebody should look at. `key` names what it is about, `detail` what there is to say."""

    kind: str
    key: str
    site_id: int | None
    detail: dict[str, Any]


async def raise_alerts(connection: Connection, alerts: Sequence[Alert], now: datetime) -> None:
    """Raise alerts in the caller's transaction; the last of several with the same key counts."""
    if not alerts:
        return
    latest = sorted({(alert.kind, alert.key): alert for alert in alerts}.items())
    columns = zip(*(alert for _, alert in latest), strict=True)
    await connection.execute(SQL["raise_alerts"], *(list(column) for column in columns), now)


async def clear_alerts(connection: Connection, names: Sequence[tuple[str, str]], now: datetime) -> None:
    """Clear alerts by (kind, key) in the caller's transaction; those that do not stand are passed over."""
    if names:
        kinds, keys = zip(*sorted(set(names)), strict=True)
        await connection.execute(SQL["clear_alerts"], list(kinds), list(keys), now)
