"""A count taken while stock moves finds what was slipped past the ledger, and nothing else.

A model knows where everything really is, second by second; the ledger is told of every move but the injected ones, some
in time, some only between the close of the count and its approval. After the approval it must say what is real.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from dataclasses import dataclass, field

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from backend.api.guard import EVERYTHING
from backend.api.permissions import Principal
from backend.catalog.model import SkuSpec
from backend.catalog.service import put_skus, read_places
from backend.counts.model import CountEvent
from backend.counts.service import (
    CountSpec,
    Pass,
    TagRead,
    UnitsFound,
    change_count,
    lock_count,
    make_count,
    record_pass,
)
from backend.ingest.service import IngestService
from backend.ingest.verify import verify
from backend.ingest.words import UnitsWord, say
from backend.ledger.model import Cause, Slot
from backend.store.database import Database
from tests.house import Gateway, SetClock, arrived, at, crossed, furnish, tag
from wire.events import Movement

ZONES = ("dock", "rack", "shelf")
GONE = "gone"
OUT = "out"
APPROVER = Principal("approver", "lead", EVERYTHING)


@dataclass
class Thing:
    """A thing's real moves (instant, zone or OUT, told late); `secret`: where it went before the count, untold."""

    serial: int
    start: str
    moves: list[tuple[int, str, bool]] = field(default_factory=list)
    secret: str | None = None

    def place(self, seconds: float) -> str:
        place = self.start if self.secret is None else self.secret
        for when, zone, _ in self.moves:
            if when <= seconds:
                place = zone
        return place

    def events(self, late: bool) -> list[Movement]:
        return [
            crossed(self.serial, "out", when) if zone == OUT else arrived(self.serial, zone, when, kind="moved")
            for when, zone, is_late in self.moves
            if is_late is late
        ]


@dataclass
class World:
    """What is really there, what the ledger is told and when, and how the zones are counted."""

    things: list[Thing]
    units: dict[str, int]
    secret_units: dict[str, int]
    unit_moves: list[tuple[int, str, str, int, bool]]
    spans: dict[str, tuple[int, int]]
    reads: dict[tuple[int, str], float]
    words: dict[str, float]

    def units_at(self, seconds: float) -> Counter[str]:
        real = Counter({zone: units + self.secret_units[zone] for zone, units in self.units.items()})
        for when, source, target, units, _ in self.unit_moves:
            if when <= seconds:
                real[source] -= units
                real[target] += units
        return real


@st.composite
def worlds(draw: st.DrawFn) -> World:
    """Moves are at whole seconds, finds between them."""
    zone = st.sampled_from(ZONES)
    things = []
    for serial in range(1, draw(st.integers(2, 5))):
        thing = Thing(serial, draw(zone))
        if draw(st.booleans()):
            thing.secret = draw(st.sampled_from([one for one in (*ZONES, GONE) if one != thing.start]))
        else:
            times = sorted(draw(st.lists(st.integers(10, 95), max_size=3, unique=True)))
            thing.moves = [(when, draw(zone), draw(st.booleans())) for when in times]
            if thing.moves and draw(st.booleans()):
                when, _, late = thing.moves[-1]
                thing.moves[-1] = (when, OUT, late)
        things.append(thing)
    unit_moves = [
        (when, draw(zone), draw(zone), draw(st.integers(1, 3)), draw(st.booleans()))
        for when in draw(st.lists(st.integers(10, 95), max_size=4))
    ]
    spans = {name: tuple(sorted(draw(st.tuples(st.integers(10, 90), st.integers(10, 90))))) for name in ZONES}
    spans = {name: (start, end + 1) for name, (start, end) in spans.items()}

    def within(name: str) -> float:
        return draw(st.integers(spans[name][0], spans[name][1] - 1)) + 0.5

    return World(
        things,
        dict.fromkeys(ZONES, 20),
        {name: draw(st.integers(-5, 5)) for name in ZONES},
        [one for one in unit_moves if one[1] != one[2]],
        spans,
        {(thing.serial, name): within(name) for thing in things for name in ZONES},
        {name: within(name) for name in ZONES},
    )


async def move_units(database: Database, moves: list[tuple[int, str, str, int]]) -> None:
    """Units without serial numbers, as scans would move them."""
    async with database.transaction() as connection:
        places = await read_places(connection)
        goods = await connection.fetchrow(
            "SELECT sku_id, lot_id FROM sku JOIN lot USING (sku_id) WHERE sku.code = 'NUT' AND lot.code = ''"
        )
        assert goods is not None
        slots = [
            [
                Slot(places.by_code["a"].zones[name].zone_id, goods["sku_id"], goods["lot_id"], "sellable")
                for name in one[1:3]
            ]
            for one in moves
        ]
        words = [UnitsWord(at(one[0]), *pair, one[3]) for one, pair in zip(moves, slots, strict=True)]
        await say(connection, places, words, Cause("test", "test", "test"), at(600))


async def tell(database: Database, service: IngestService, world: World, *, late: bool) -> None:
    """Let the ledger hear of the moves that come in time, or of those that come late."""
    events = [event for thing in world.things for event in thing.events(late)]
    if events:
        await Gateway(service, "a", "late" if late else "in-time").say(*events)
    await move_units(database, [one[:4] for one in world.unit_moves if one[4] is late])


async def count_all(database: Database, clock: SetClock, world: World) -> None:
    """Make the count, and tell it what is really found in each zone."""
    await make_count(database, clock, CountSpec("c", "a", ZONES), "planner")
    clock.seconds = 100
    for zone, (start, end) in world.spans.items():
        reads = [
            TagRead(bytes.fromhex(tag(thing.serial)), at(when))
            for thing in world.things
            if thing.place(when := world.reads[thing.serial, zone]) == zone
        ]
        word = world.words[zone]
        units = [UnitsFound("NUT", world.units_at(word)[zone], at(word))]
        await record_pass(database, clock, "c", Pass(zone, at(start), at(end), "counter", reads, units), "counter")


async def event(database: Database, clock: SetClock, name: CountEvent) -> None:
    async with database.transaction() as connection:
        await change_count(connection, clock, await lock_count(connection, "c"), name, APPROVER)


async def run(database_url: str, world: World) -> None:
    async with Database.open(database_url, max_connections=2) as database:
        await database.pool.execute(
            "TRUNCATE item, binding, balance, availability, posting, movement, scan, ingest_cursor, alert, outbox,"
            " stock_count, count_round, count_recount, count_pass, count_read, count_word, count_line, count_thing"
        )
        if not await database.pool.fetchval("SELECT count(*) FROM site"):
            await furnish(database)
            await put_skus(database, [SkuSpec("NUT", "A nut")])
        clock = SetClock(5)
        service = IngestService(database, clock)
        await Gateway(service, "a", "first").say(*(arrived(one.serial, one.start, 1) for one in world.things))
        await move_units(database, [(1, "supplier", zone, units) for zone, units in world.units.items()])
        await count_all(database, clock, world)
        await tell(database, service, world, late=False)
        await event(database, clock, "close")
        await tell(database, service, world, late=True)
        await event(database, clock, "approve")
        await compare(database, world)
        assert await verify(database) == []


async def compare(database: Database, world: World) -> None:
    """The count's findings are the injected differences, and the ledger says what is real."""
    found = {
        (row["epc"].hex().upper(), row["finding"], row["zone"])
        for row in await database.pool.fetch(
            "SELECT epc, finding, zone.code AS zone FROM count_thing JOIN item USING (item_id)"
            " JOIN zone ON zone.zone_id = count_thing.zone_id"
        )
    }
    assert found == {
        (tag(one.serial), *(("missing", one.start) if one.secret == GONE else ("found", one.secret)))
        for one in world.things
        if one.secret is not None
    }
    lines = await database.pool.fetch(
        "SELECT zone.code AS zone, difference FROM count_line JOIN zone USING (zone_id) WHERE subject = 'units'"
    )
    assert {row["zone"]: row["difference"] for row in lines} == world.secret_units
    places = await database.pool.fetch("SELECT epc, zone.code AS zone FROM item JOIN zone USING (zone_id)")
    real = {tag(one.serial): one.place(1000) for one in world.things}
    names = {GONE: "count_difference", OUT: "in_transit"}
    assert {row["epc"].hex().upper(): row["zone"] for row in places} == {
        epc: names.get(zone, zone) for epc, zone in real.items()
    }
    balances = await database.pool.fetch(
        "SELECT zone.code AS zone, net FROM balance JOIN zone USING (zone_id) JOIN sku USING (sku_id)"
        " WHERE sku.code = 'NUT' AND zone.code = ANY ($1)",
        list(ZONES),
    )
    assert {row["zone"]: row["net"] for row in balances} == dict(world.units_at(1000))


@pytest.mark.timeout(300)
def test_a_count_finds_exactly_what_was_slipped_past_the_ledger(database_url: str) -> None:
    @settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
    @given(worlds())
    def check(world: World) -> None:
        asyncio.run(run(database_url, world))

    check()
