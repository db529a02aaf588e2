"""Reservations are made by what is committed, whoever changed it, though the terms stand in memory."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest

from backend.api.problems import ProblemError
from backend.catalog.importing import DEFINITIONS
from backend.catalog.model import SiteSpec
from backend.catalog.service import put_site
from backend.channels.model import Rule
from backend.channels.service import SQL as CHANNELS
from backend.channels.service import ChannelSpec, RuleSpec, put_channel, put_lane, put_rules
from backend.orders import terms
from backend.orders.granter import Granter
from backend.orders.reserving import NewOrder, OrderLine, Request
from backend.orders.terms import TermsCopy, read_terms
from backend.orders.views import GrantedView
from backend.store.database import Database
from tests.postgres import START
from tests.serving import House
from wire.clock import ScaledClock


@pytest.fixture
async def granter(database: Database) -> AsyncIterator[Granter]:
    """Ten cases each at Jakarta and Surabaya, a channel, and a granter that has granted before."""
    house = House(database)
    await house.furnish()
    for site in ("jakarta", "surabaya"):
        await house.put(site, "rack", "CASE", 10)
    await put_channel(database, ChannelSpec("web", "website"))
    async with Granter(database, ScaledClock(START)).running() as granter:
        assert await served_from(granter, "before") == "jakarta"
        yield granter


@pytest.fixture
async def elsewhere(database_url: str) -> AsyncIterator[Database]:
    """The same store, as another process has it open."""
    async with Database.open(database_url) as database:
        yield database


async def served_from(granter: Granter, code: str, **more: Any) -> str:
    """The site that serves one case, or why none does."""
    try:
        view = await granter.reserve(Request(NewOrder(code, "web", (OrderLine("CASE", 1),), "east", **more), "test"))
    except ProblemError as error:
        return error.detail
    assert isinstance(view, GrantedView)
    return view.lines[0].promised[0].site


async def close(database: Database) -> None:
    await put_channel(database, ChannelSpec("web", "website", open=False))


async def forbid(database: Database) -> None:
    await put_rules(database, "web", [RuleSpec(site="jakarta", sells=False)])


async def protect(database: Database) -> None:
    await put_channel(database, ChannelSpec("social", "social"))
    await put_rules(database, "social", [RuleSpec(site="jakarta", protected=100)])


async def lay_lane(database: Database) -> None:
    assert await put_lane(database, "surabaya", "east", 1, 1)


async def move_site(database: Database) -> None:
    await put_site(database, SiteSpec("surabaya", region="east"))


async def import_site(database: Database) -> None:
    text = "code,name,region\nsurabaya,Surabaya,east\n"
    async with database.transaction() as connection:
        await DEFINITIONS["sites"].take(connection, text)


def by_hand(statement: str) -> Callable[[Database], Awaitable[None]]:
    """What somebody does with psql, who never heard of a revision."""

    async def change(database: Database) -> None:
        await database.pool.execute(statement)

    change.__name__ = statement
    return change


@pytest.mark.parametrize(
    ("change", "served"),
    [
        (by_hand("UPDATE channel SET open = false"), "channel 'web' is closed"),
        (by_hand("INSERT INTO channel_rule (channel_id, site_id, sells) VALUES (1, 1, false)"), "surabaya"),
        (by_hand("INSERT INTO lane VALUES (2, 'east', 1, 1)"), "surabaya"),
        (by_hand("UPDATE site SET region = 'east' WHERE code = 'surabaya'"), "surabaya"),
        (close, "channel 'web' is closed"),
        (forbid, "surabaya"),
        (protect, "surabaya"),
        (lay_lane, "surabaya"),
        (move_site, "surabaya"),
        (import_site, "surabaya"),
    ],
)
async def test_a_change_counts_from_its_commit_on(
    granter: Granter, elsewhere: Database, change: Callable[[Database], Awaitable[None]], served: str
) -> None:
    await change(elsewhere)
    assert await served_from(granter, "after") == served


async def test_rules_taken_away_by_hand_count_no_more(granter: Granter, elsewhere: Database) -> None:
    for number, undo in enumerate(("DELETE FROM channel_rule", "TRUNCATE channel_rule")):
        await forbid(elsewhere)
        assert await served_from(granter, f"forbidden {number}") == "surabaya"
        await elsewhere.pool.execute(undo)
        assert await served_from(granter, f"free {number}") == "jakarta"


async def test_what_is_changed_by_hand_counts_from_its_commit_on_and_not_before(
    granter: Granter, elsewhere: Database
) -> None:
    async with elsewhere.transaction() as connection:
        await connection.execute("UPDATE channel SET open = false")
        assert await served_from(granter, "during") == "jakarta"
    assert await served_from(granter, "after") == "channel 'web' is closed"


async def test_a_site_that_is_new_can_be_named(granter: Granter, elsewhere: Database) -> None:
    assert await served_from(granter, "early", sites=("bandung",)) == "no site 'bandung'"
    await put_site(elsewhere, SiteSpec("bandung"))
    assert "CASE: nothing of it is free" in await served_from(granter, "late", sites=("bandung",))


async def test_what_did_not_change_is_not_read_again(
    granter: Granter, elsewhere: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    read = []

    async def counted(connection: Any) -> terms.Terms:
        read.append(connection)
        return await read_terms(connection)

    monkeypatch.setattr(terms, "read_terms", counted)
    for number in range(5):
        await served_from(granter, f"o{number}")
    assert not read
    await forbid(elsewhere)
    for number in range(5, 10):
        await served_from(granter, f"o{number}")
    assert len(read) == 1


class Meanwhile:
    """A connection; when it is asked for the rules, somebody else has just changed them, or is about to."""

    def __init__(self, connection: Any, elsewhere: Database, *, before: bool) -> None:
        self.connection, self.elsewhere, self.before = connection, elsewhere, before

    async def fetchrow(self, query: str, *args: Any) -> Any:
        return await self.connection.fetchrow(query, *args)

    async def fetch(self, query: str, *args: Any) -> Any:
        if query != CHANNELS["all_rules"]:
            return await self.connection.fetch(query, *args)
        if self.before:
            await put_rules(self.elsewhere, "web", [RuleSpec(buffer=7)])
        rows = await self.connection.fetch(query, *args)
        if not self.before:
            await put_rules(self.elsewhere, "web", [RuleSpec(buffer=7)])
        return rows


@pytest.mark.parametrize("before", [True, False], ids=["just before the rules are read", "just after"])
async def test_a_copy_made_during_a_change_is_not_kept(
    database: Database, elsewhere: Database, *, before: bool
) -> None:
    await House(database).furnish()
    channel = await put_channel(database, ChannelSpec("web", "website"))
    copy = TermsCopy()
    async with database.transaction() as connection:
        await copy.at(Meanwhile(connection, elsewhere, before=before))  # type: ignore[arg-type]
    async with database.transaction() as connection:
        found = await copy.at(connection)
    assert found.rulebook.rule(channel, 1, 1) == Rule(buffer=7)
