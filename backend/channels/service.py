"""Define channels, read their rules, and say what each may promise."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

from backend.catalog.model import require_code
from backend.catalog.service import SQL as CATALOG
from backend.channels.model import KINDS, Rule, Rulebook, RuleKey
from backend.errors import CatalogError, UnknownNameError
from backend.store.database import Connection, Database, Executor, Queries, Record

SQL = Queries.beside(__file__)


@dataclass(frozen=True, slots=True)
class ChannelSpec:
    """A channel to be defined. `priority`: back-orders of the lowest number are filled first."""

    code: str
    kind: str
    name: str = ""
    priority: int = 100
    open: bool = True

    def check(self) -> None:
        """Raises CatalogError for a code or kind that cannot stand."""
        require_code(self.code, "channel")
        if self.kind not in KINDS:
            raise CatalogError(f"channel {self.code}: kind {self.kind!r} is none of {', '.join(KINDS)}")


@dataclass(frozen=True, slots=True)
class RuleSpec:
    """A rule to be given to a channel, by codes; None speaks of all sites or all SKUs."""

    site: str | None = None
    sku: str | None = None
    sells: bool = True
    buffer: int = 0
    protected: int = 0


class Channel(NamedTuple):
    """A channel as it stands."""

    channel_id: int
    code: str
    name: str
    kind: str
    priority: int
    open: bool
    revision: int


class Available(NamedTuple):
    """What a channel may still promise of a SKU at a site, out of `free` units that nobody was promised."""

    site: str
    region: str
    free: int
    available: int


async def put_channel(database: Database, spec: ChannelSpec) -> int:
    """Define a channel, or change it. Raises CatalogError when the definition cannot stand."""
    spec.check()
    async with database.transaction() as connection:
        return int(
            await connection.fetchval(SQL["put_channel"], spec.code, spec.name, spec.kind, spec.priority, spec.open)
        )


async def put_rules(database: Database, channel: str, rules: Sequence[RuleSpec]) -> int:
    """Give a channel these rules in place of those it had; answers its new revision.

    Raises UnknownNameError for a channel, site or SKU that does not exist, CatalogError for two rules of one case.
    """
    cases = [(rule.site, rule.sku) for rule in rules]
    if len(set(cases)) < len(cases):
        raise CatalogError("two rules speak of the same site and SKU: keep one of them")
    async with database.transaction() as connection:
        channel_id = await lock_channel(connection, channel)
        await _require_known(connection, rules)
        await connection.execute(SQL["drop_rules"], channel_id)
        columns = (
            [rule.site for rule in rules],
            [rule.sku for rule in rules],
            [rule.sells for rule in rules],
            [rule.buffer for rule in rules],
            [rule.protected for rule in rules],
        )
        await connection.execute(SQL["put_rules"], channel_id, *columns)
        return int(await connection.fetchval(SQL["count_rules"], channel_id))


async def lock_channel(connection: Connection, code: str) -> int:
    """The number of a channel, locked: whoever changes its rules holds this. Raises UnknownNameError."""
    channel_id = await connection.fetchval(SQL["lock_channel"], code)
    if channel_id is None:
        raise UnknownNameError(f"no channel {code!r}")
    return int(channel_id)


async def _require_known(connection: Connection, rules: Sequence[RuleSpec]) -> None:
    sites = {rule.site for rule in rules if rule.site is not None}
    skus = {rule.sku for rule in rules if rule.sku is not None}
    rows = await connection.fetch(SQL["known_codes"], sorted(sites), sorted(skus))
    known = {(row["what"], row["code"]) for row in rows}
    missing = [f"no site {code!r}" for code in sorted(sites) if ("site", code) not in known]
    missing += [f"no SKU {code!r}" for code in sorted(skus) if ("sku", code) not in known]
    if missing:
        raise UnknownNameError("; ".join(missing))


async def read_channels(executor: Executor) -> dict[str, Channel]:
    """Every channel by its code."""
    return {row["code"]: Channel(**row) for row in await executor.fetch(SQL["all_channels"])}


async def read_rulebook(executor: Executor) -> Rulebook:
    """Every channel's rules."""
    rules: defaultdict[int, dict[RuleKey, Rule]] = defaultdict(dict)
    for row in await executor.fetch(SQL["all_rules"]):
        rules[row["channel_id"]][row["site_id"], row["sku_id"]] = Rule(row["sells"], row["buffer"], row["protected"])
    return Rulebook(rules)


Promised = dict[tuple[int, int], dict[int, int]]
"""(site, SKU) → channel → units that its orders hold."""


async def promised_by_channel(executor: Executor, places: Iterable[tuple[int, int]]) -> Promised:
    """What the channels' orders hold at these (site, SKU)s."""
    wanted = sorted(set(places))
    promised: Promised = {}
    if wanted:
        sites, skus = ([pair[at] for pair in wanted] for at in (0, 1))
        for row in await executor.fetch(SQL["promised_by_channel"], sites, skus):
            promised.setdefault((row["site_id"], row["sku_id"]), {})[row["channel_id"]] = row["held"]
    return promised


async def available(
    database: Database, channel: str, sku_id: int, now: datetime, region: str | None = None
) -> list[Available]:
    """What a channel may still promise of a SKU, site by site, as of one instant. `region`: at its sites alone.

    Raises UnknownNameError for a channel that does not exist.
    """
    async with database.snapshot() as connection:
        found = (await read_channels(connection)).get(channel)
        if found is None:
            raise UnknownNameError(f"no channel {channel!r}")
        rulebook = await read_rulebook(connection)
        rows = await connection.fetch(SQL["shelves_of_sku"], sku_id, now, region)
        promised = await promised_by_channel(connection, ((row["site_id"], sku_id) for row in rows))
    free: defaultdict[tuple[int, str, str], int] = defaultdict(int)
    for row in rows:
        free[row["site_id"], row["site"], row["region"]] += max(row["on_hand"] - row["reserved"], 0)
    return [
        Available(
            site,
            region,
            units,
            rulebook.available(found.channel_id, site_id, sku_id, units, promised.get((site_id, sku_id), {}))
            if found.open
            else 0,
        )
        for (site_id, site, region), units in free.items()
    ]


class Offer(NamedTuple):
    """What a channel may still promise of a SKU at a site."""

    sku: str
    site: str
    region: str
    available: int


async def offers(
    executor: Executor, codes: Iterable[str], now: datetime, places: Collection[tuple[str, str]] | None = None
) -> dict[str, list[Offer]]:
    """What each of these channels may still promise, above nothing; a channel that does not exist may promise nothing.
    `places`: of these sites and SKUs alone, by code. Give it a snapshot, so that all of it is of one instant."""
    if places is None:
        rows = await executor.fetch(SQL["free_everywhere"], now)
    else:
        rows = await executor.fetch(SQL["free_at"], now, [site for site, _ in places], [sku for _, sku in places])
    channels, rulebook = await read_channels(executor), await read_rulebook(executor)
    kept = [(row["site_id"], row["sku_id"]) for row in rows if rulebook.protects(row["site_id"], row["sku_id"])]
    promised = await promised_by_channel(executor, kept)
    found: dict[str, list[Offer]] = {}
    for code in codes:
        await asyncio.sleep(0)  # a hundred thousand rows take a quarter of a second: others have their turn in between
        channel = channels.get(code)
        found[code] = []
        if channel is None or not channel.open:
            continue
        for row in rows:
            place = (row["site_id"], row["sku_id"])
            units = rulebook.available(channel.channel_id, *place, row["free"], promised.get(place, {}))
            if units:
                found[code].append(Offer(row["sku"], row["site"], row["region"], units))
    return found


async def rules_of(database: Database, channel_id: int) -> list[Record]:
    """The rules of a channel, by codes: `site, sku, sells, buffer, protected`."""
    return await database.pool.fetch(SQL["channel_rules"], channel_id)


async def read_lanes(executor: Executor) -> list[Record]:
    """Every lane: `site, region, cost, days`."""
    return await executor.fetch(SQL["all_lanes"])


async def put_lane(database: Database, site: str, region: str, cost: int, days: int) -> bool:
    """Say what it costs to serve a region from a site; False when there is no such site."""
    async with database.transaction() as connection:
        await connection.execute(CATALOG["count_revision"])
        return await connection.fetchval(SQL["put_lane"], site, region, cost, days) is not None
