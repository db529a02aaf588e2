"""What a site should count today, and the counts that say so: one for each zone, blind."""

from __future__ import annotations

import contextlib
from collections import defaultdict
from pathlib import Path
from typing import Final

from backend.catalog.model import VIRTUAL_KINDS
from backend.catalog.service import day_at, read_places, site_of
from backend.counts.model import LOOK_BACK, Cell, Due, Subject, rank
from backend.counts.service import CodeTakenError, CountSpec, make_count, read_rule
from backend.store.database import Database, Queries
from wire.clock import Clock

SQL: Final = Queries(Path(__file__).with_name("planning.sql"))


async def due(database: Database, clock: Clock, site: str) -> list[Due]:
    """What is due at a site and in no standing count, the most urgent first, as many as the site counts in a day.

    Raises ProblemError `not-found`.
    """
    now = clock.now()
    async with database.transaction() as connection:
        found = site_of(await read_places(connection), site)
        rule = await read_rule(connection, found.site_id)
        rows = await connection.fetch(SQL["cells"], found.site_id, list(VIRTUAL_KINDS), LOOK_BACK, now)
    return rank(rule, (Cell(**row) for row in rows), now)[: rule.daily_lines]


async def plan_day(database: Database, clock: Clock, site: str, subject: Subject, actor: str) -> list[str]:
    """Make the day's counts of a site; answers their codes. A zone that has its count of the day, or gets it from
    somebody else at this moment, gets no second one."""
    zones: defaultdict[str, list[str]] = defaultdict(list)
    for one in await due(database, clock, site):
        zones[one.cell.zone].append(one.cell.sku)
    async with database.transaction() as connection:
        found = site_of(await read_places(connection), site)
        day = await day_at(connection, found.site_id, clock.now())
        codes = {zone: f"plan-{day:%Y%m%d}-{found.zones[zone].zone_id}" for zone in sorted(zones)}
        taken = {row["code"] for row in await connection.fetch(SQL["planned"], list(codes.values()))}
    made: list[str] = []
    for zone, code in codes.items():
        if code not in taken:
            with contextlib.suppress(CodeTakenError):
                await make_count(database, clock, CountSpec(code, site, [zone], subject, zones[zone]), actor)
                made.append(code)
    return made
