"""kill -9 for everybody, again and again, with events in flight: nothing is lost and nothing counts twice.

The journal decides when: a kill comes when the gateway's append has reached its event. The oracle has two parts. What
the gateway wrote down must be in the database event by event; and where the tags really are (the world's word, which
neither program knows) must be where the database says.
"""

import random
import shutil
import tempfile
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from datetime import datetime
from pathlib import Path

import pytest

from tests.crash.stack import GATEWAY, ZONES, Stack, decoded

pytestmark = [pytest.mark.crash, pytest.mark.timeout(540)]

TAGS = 1800
EVENTS = 20_000
KILLS_EACH = 5
FIRST, LAST = 0.05, 0.95
VICTIMS = ("gateway", "broker", "backend", "postgres")
COPY_AT, RESTORE_AT = 1, 3
"""Which of PostgreSQL's deaths the older copy is taken at, and which it is restored at."""

REACH_WITHIN_S = 60.0
"""For the next kill's event: a thousand events are three seconds of hopping, a restart a few more."""
DRAIN_WITHIN_S = 60.0
STILL_S = 5.0
"""A tag that hopped last is decided within its stay; five quiet seconds mean that all are."""


@pytest.fixture
def folder() -> Iterator[Path]:
    """A short path that PostgreSQL's account can enter, also when the tests run as root."""
    made = Path(tempfile.mkdtemp(prefix="tm-crash-"))
    made.chmod(0o755)
    yield made
    shutil.rmtree(made)


@pytest.fixture
async def stack(folder: Path) -> AsyncIterator[Stack]:
    """The chain, running."""
    made = Stack(folder, TAGS)
    try:
        await made.start()
        yield made
    finally:
        await made.stop()


def kills(seed: int) -> list[tuple[int, str]]:
    """(event, victim), each victim KILLS_EACH times, between FIRST and LAST of EVENTS."""
    chance = random.Random(seed)
    victims = [victim for _ in range(KILLS_EACH) for victim in chance.sample(VICTIMS, len(VICTIMS))]
    step = (LAST - FIRST) * EVENTS / len(victims)
    return [(round(FIRST * EVENTS + (place + chance.random()) * step), victim) for place, victim in enumerate(victims)]


async def kill(stack: Stack, victim: str, time: int) -> None:
    """Kill it and start it again; PostgreSQL's disk is copied once and set back once."""
    if victim != "postgres":
        program = getattr(stack, victim)
        program.kill()
        program.start()
        return
    if time == RESTORE_AT:
        # Nobody may go on with the old name of the store.
        stack.backend.kill()
    await stack.kill_postgres()
    if time == COPY_AT:
        await stack.copy_database()
    if time == RESTORE_AT:
        await stack.restore_database()
        stack.backend.start()
    else:
        await stack.postgres.start()


async def test_nothing_is_lost_and_nothing_doubled(stack: Stack) -> None:
    killed: Counter[str] = Counter()
    first = await stack.journal_reaches(1, REACH_WITHIN_S)
    stores = {row["store_id"] for row in await stack.fetch("SELECT store_id FROM store")}
    for event, victim in kills(seed=20):
        await stack.journal_reaches(event, REACH_WITHIN_S)
        in_flight = await stack.something_in_flight(REACH_WITHIN_S)
        assert FIRST * EVENTS <= in_flight.end <= EVENTS
        await kill(stack, victim, killed[victim])
        killed[victim] += 1
    assert killed == dict.fromkeys(VICTIMS, KILLS_EACH)
    await stack.journal_reaches(EVENTS, REACH_WITHIN_S)
    stack.freeze()
    end = await stack.drained(STILL_S, DRAIN_WITHIN_S)

    assert end.epoch == first.epoch
    stores |= {row["store_id"] for row in await stack.fetch("SELECT store_id FROM store")}
    assert len(stores) == 2, "the restored copy is a new store"
    await nothing_differs(stack, end.end, end.epoch)
    await every_tag_is_where_it_is(stack)
    code, output = await stack.verify()
    assert code == 0, output


async def nothing_differs(stack: Stack, end: int, epoch: str) -> None:
    """Each event of the journal is in the database once, as it was written down."""
    written = decoded(stack.journal.events())
    assert sorted(written) == list(range(1, end + 1))
    rows = await stack.fetch(
        "SELECT movement.seq, movement.kind, encode(item.epc, 'hex') AS epc, zone.code AS zone, movement.observed_at "
        "FROM movement JOIN item USING (item_id) LEFT JOIN zone ON zone.zone_id = movement.zone_id "
        "WHERE movement.gateway = $1 AND movement.epoch = $2",
        GATEWAY,
        epoch,
    )
    health = await stack.fetch("SELECT seq FROM reader_health WHERE gateway = $1 AND epoch = $2", GATEWAY, epoch)
    times = Counter([row["seq"] for row in (*rows, *health)])
    assert not [seq for seq in written if times[seq] == 0], "lost"
    assert not [seq for seq, count in times.items() if count > 1], "doubled"
    assert times.keys() == written.keys(), "made up"
    for row in rows:
        event = written[row["seq"]]
        assert (event["kind"], event["epc"].lower(), event["zone"]) == (row["kind"], row["epc"], row["zone"])
        assert datetime.fromisoformat(event["observed_at"]) == row["observed_at"]
    assert not await stack.fetch("SELECT 1 FROM quarantine")
    assert not await stack.fetch("SELECT 1 FROM lost_range")
    others = await stack.fetch("SELECT 1 FROM movement WHERE gateway <> $1 OR epoch <> $2", GATEWAY, epoch)
    assert not others


async def every_tag_is_where_it_is(stack: Stack) -> None:
    """Items and balances against the world's own word."""
    truly = {epc.hex(): ZONES[zone] for epc, zone in zip(stack.tags.epcs, stack.tags.zones(1 << 62), strict=True)}
    items = await stack.fetch(
        "SELECT encode(item.epc, 'hex') AS epc, zone.code AS zone FROM item JOIN zone USING (zone_id)"
    )
    assert {row["epc"]: row["zone"] for row in items} == truly
    balances = await stack.fetch(
        "SELECT zone.code AS zone, sum(net)::bigint AS net FROM balance JOIN zone USING (zone_id) "
        "WHERE zone.code = ANY($1) GROUP BY zone.code",
        list(ZONES),
    )
    assert {row["zone"]: row["net"] for row in balances} == Counter(truly.values())
