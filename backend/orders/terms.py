"""By what reservations are made: channels and their rules, sites, and what it costs to serve a region from each.

A copy in memory spares each group of requests four reads. It is right as long as its revision is: the tables of
channels, rules, sites and lanes count the store's up themselves, in the transaction of the change, whoever makes it.
The revision is read first: what is read behind it is as new or newer, and a change between the two is another revision
for the next group. So a change counts from its commit on, in every process, as if everything were read each time.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final, NamedTuple

from backend.channels.model import Rulebook
from backend.channels.service import Channel, read_channels, read_rulebook
from backend.store.database import Connection, Queries

SQL: Final = Queries(Path(__file__).with_name("terms.sql"))


class Terms(NamedTuple):
    """Channels and sites by code, every rule, and the cost of each (site, region)."""

    channels: Mapping[str, Channel]
    rulebook: Rulebook
    sites: Mapping[str, int]
    costs: Mapping[tuple[int, str], int]


async def read_terms(connection: Connection) -> Terms:
    """The terms as they stand."""
    return Terms(
        await read_channels(connection),
        await read_rulebook(connection),
        {row["code"]: row["site_id"] for row in await connection.fetch(SQL["site_codes"])},
        {(row["site_id"], row["region"]): row["cost"] for row in await connection.fetch(SQL["lanes"])},
    )


class TermsCopy:
    """The terms in memory, read again when they moved on or the store is another one."""

    def __init__(self) -> None:
        self._terms: Terms | None = None
        self._revision: tuple[Any, ...] = ()

    async def at(self, connection: Connection) -> Terms:
        """The terms at least as new as what is committed now."""
        row = await connection.fetchrow(SQL["terms_revision"])
        assert row is not None
        revision = tuple(row.values())
        if self._terms is None or self._revision != revision:
            self._terms, self._revision = await read_terms(connection), revision
        return self._terms
