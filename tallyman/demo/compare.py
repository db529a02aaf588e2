"""The database against the ground truth, and the journals against the database.

The truth is the simulated world's: where each tag is, and what stands where. Nothing here asks a gateway or the backend
what it thinks happened; it reads their files and tables as a stranger would.
"""

from __future__ import annotations

import sqlite3
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import asyncpg

MAX_WRONG_SHARE: Final = 0.01
"""The radio is honest: a tag nobody could read ends in the wrong place. Beyond one in a hundred it is our judgement."""

Place = tuple[str, str]
"""(site, zone); `in_transit` is the virtual zone of the site that a tag left."""

BalanceKey = tuple[str, str, str, str, str]
"""(site, zone, SKU, lot, condition)."""

PLACES_SQL: Final = """
SELECT item.epc, site.code AS site, zone.code AS zone
FROM item JOIN zone USING (zone_id) JOIN site USING (site_id)
WHERE item.epc IS NOT NULL
"""

BALANCES_SQL: Final = """
SELECT site.code AS site, zone.code AS zone, sku.code AS sku, lot.code AS lot, balance.condition, balance.net
FROM balance JOIN zone USING (zone_id) JOIN site ON site.site_id = zone.site_id
JOIN sku USING (sku_id) JOIN lot USING (lot_id)
WHERE balance.net <> 0 AND zone.kind NOT IN ('supplier', 'customer', 'vendor', 'scrap', 'count_difference', 'unknown')
"""

SETTLED_SQL: Final = """
SELECT seq, count(*) AS times FROM (
    SELECT seq FROM movement WHERE gateway = $1 AND epoch = $2
    UNION ALL SELECT seq FROM scan WHERE gateway = $1 AND epoch = $2
    UNION ALL SELECT seq FROM scan_repeat WHERE gateway = $1 AND epoch = $2
    UNION ALL SELECT seq FROM reader_health WHERE gateway = $1 AND epoch = $2
    UNION ALL SELECT seq FROM quarantine WHERE gateway = $1 AND epoch = $2 AND state <> 'replayed'
) AS settled GROUP BY seq
"""


@dataclass(frozen=True, slots=True)
class JournalCheck:
    """One gateway's journal against the database: numbers missing there, and numbers there more than once."""

    journalled: int
    lost: tuple[int, ...]
    duplicated: tuple[int, ...]


@dataclass(slots=True)
class Comparison:
    """Counts for the report, and each thing that is wrong."""

    items_checked: int = 0
    balances_checked: int = 0
    wrong_items: list[dict[str, Any]] = field(default_factory=list)
    wrong_balances: list[dict[str, Any]] = field(default_factory=list)

    @property
    def within_bounds(self) -> bool:
        """Whether at most one in a hundred items and balances is wrong."""
        return (
            len(self.wrong_items) <= MAX_WRONG_SHARE * self.items_checked
            and len(self.wrong_balances) <= MAX_WRONG_SHARE * self.balances_checked
        )


async def balances(connection: asyncpg.Connection[Any]) -> dict[BalanceKey, int]:
    """Stock by (site, zone, SKU, lot, condition): real zones and what is in transit, without the zeros."""
    rows = await connection.fetch(BALANCES_SQL)
    return {(row["site"], row["zone"], row["sku"], row["lot"], row["condition"]): row["net"] for row in rows}


async def compare(
    connection: asyncpg.Connection[Any],
    places: Mapping[bytes, Place],
    expected: Mapping[BalanceKey, int],
    before: Mapping[BalanceKey, int],
) -> Comparison:
    """The world's places and balances against the database's.

    `before` holds the balances at the start of the run: stock of earlier runs in the same database, which stays.
    """
    result = Comparison(items_checked=len(places))
    found = {bytes(row["epc"]): (row["site"], row["zone"]) for row in await connection.fetch(PLACES_SQL)}
    for epc, place in places.items():
        if found.get(epc) != place:
            in_database = "/".join(found[epc]) if epc in found else "nowhere"
            result.wrong_items.append({"epc": epc.hex().upper(), "truth": "/".join(place), "database": in_database})
    wanted = Counter(dict(expected))
    wanted.update(before)
    actual = await balances(connection)
    keys = {key for key, quantity in wanted.items() if quantity} | set(actual)
    result.balances_checked = len(keys)
    for key in sorted(keys):
        if wanted[key] != actual.get(key, 0):
            result.wrong_balances.append(
                {"balance": "/".join(key), "truth": wanted[key], "database": actual.get(key, 0)}
            )
    return result


def journalled(path: Path) -> tuple[str, list[int]]:
    """A journal's epoch and the numbers it holds, read from the file without the gateway's code."""
    with sqlite3.connect(f"file:{path}?mode=ro", uri=True) as connection:
        (epoch,) = connection.execute("SELECT epoch FROM journal").fetchone()
        rows = connection.execute("SELECT seq FROM event ORDER BY seq").fetchall()
    return str(epoch), [seq for (seq,) in rows]


async def check_journal(connection: asyncpg.Connection[Any], gateway: str, path: Path) -> JournalCheck:
    """Every number of the journal stands in the database exactly once, and no other number does."""
    epoch, numbers = journalled(path)
    times = {row["seq"]: row["times"] for row in await connection.fetch(SETTLED_SQL, gateway, epoch)}
    known = set(numbers)
    first = numbers[0] if numbers else 1
    invented = (seq for seq in times if seq >= first and seq not in known)
    doubled: Iterable[int] = (seq for seq, count in times.items() if count > 1)
    return JournalCheck(
        journalled=len(numbers),
        lost=tuple(seq for seq in numbers if seq not in times),
        duplicated=tuple(sorted({*doubled, *invented})),
    )
