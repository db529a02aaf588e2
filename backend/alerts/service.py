"""Raise and clear alerts. Both may be repeated: an alert is one for each (kind, key) while it stands."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Literal, NamedTuple

from backend.alerts.wording import Detail
from backend.store.database import Connection, Queries

SQL = Queries.beside(__file__)


AlertKind = Literal[
    "owed",
    "lost_range",
    "unknown_place",
    "gateway_offline",
    "reader_lost",
    "reader_overflow",
    "reader_fault",
    "antenna_lost",
    "short",
    "unexpected_departure",
    "transfer_late",
    "transfer_missing",
    "over_receipt",
    "inspection_overdue",
    "count_variance",
    "count_repeat",
    "left_pallet",
    "lot_promised",
]
"""Why somebody should look, and what the key names:

| kind                 | stands while                                                    | key                    |
|----------------------|-----------------------------------------------------------------|------------------------|
| owed                 | a real zone gave more of something than it had                  | balance                |
| lost_range           | events of a gateway exist nowhere any more: until a person acts | gateway/epoch/from_seq |
| unknown_place        | a gateway names a zone or portal that the catalog lacks         | gateway/site/what/code |
| gateway_offline      | a gateway has no connection to the broker                       | gateway                |
| reader_lost          | a gateway cannot reach a reader                                 | gateway/reader         |
| reader_overflow      | a reader dropped reads since it was last connected              | gateway/reader         |
| reader_fault         | a reader reports a fault of its own since then                  | gateway/reader         |
| antenna_lost         | a reader misses an antenna                                      | gateway/reader         |
| short                | promised goods are gone: until the promise is settled           | allocation             |
| unexpected_departure | things left by a door and no document there explained it        | portal's number        |
| transfer_late        | a transfer has not come when it was promised                    | document               |
| transfer_missing     | a transfer ended with things missing: until they are written off | document               |
| over_receipt         | more came than a document expects: until that is accepted       | document               |
| inspection_overdue   | returned goods wait longer than their site allows               | site                   |
| count_variance       | a closed count differs beyond its tolerance: until approved     | count                  |
| count_repeat         | a SKU in a zone differed in several of its last counts          | zone/SKU, by number    |
| left_pallet          | things were read elsewhere than the pallet they were put on     | pallet's number        |
| lot_promised         | a held or recalled lot is promised to somebody at a site        | lot's number/site's    |
"""

AlertName = tuple[AlertKind, str]
"""Kind and key: what makes two alerts the same."""


class Alert(NamedTuple):
    """Something somebody should look at. `key` is what makes it one, `detail` all there is to say of it, in the names
    that people use."""

    kind: AlertKind
    key: str
    site_id: int | None
    detail: Detail


async def raise_alerts(connection: Connection, alerts: Sequence[Alert], now: datetime) -> None:
    """Raise alerts in the caller's transaction; the last of several with the same key counts."""
    if not alerts:
        return
    latest = sorted({(alert.kind, alert.key): alert for alert in alerts}.items())
    columns = zip(*(alert for _, alert in latest), strict=True)
    await connection.execute(SQL["raise_alerts"], *(list(column) for column in columns), now)


async def clear_alerts(connection: Connection, names: Sequence[AlertName], now: datetime) -> None:
    """Clear alerts by (kind, key) in the caller's transaction; those that do not stand are passed over."""
    if names:
        kinds, keys = zip(*sorted(set(names)), strict=True)
        await connection.execute(SQL["clear_alerts"], list(kinds), list(keys), now)
