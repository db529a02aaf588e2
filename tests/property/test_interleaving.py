"""Order does not matter: any interleaving of the gateways' streams ends in the same places, nets and past.

Once for the fold and its postings alone (many examples), once through the ingest service and PostgreSQL, with batches
cut anywhere, repeated, and sent beyond a gap, against a model that only knows the sorted events.
"""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from backend.effects.observation import LINGER, Goods, Observation
from backend.effects.timeline import Change, State, advance, fold, is_late, ledger, splice
from backend.ingest.service import IngestService
from backend.ingest.verify import verify
from backend.store.database import Database
from tests.house import EPOCH, Gateway, arrived, at, crossed, furnish, tag
from wire.clock import ScaledClock
from wire.events import Movement

UNKNOWN = {1: 90, 2: 91}
TRANSIT = {1: 80, 2: 81}


@st.composite
def observations(draw: st.DrawFn) -> list[Observation]:
    """Of one item, by up to three gateways of two sites, with documents among them; several at the same instant."""
    found = []
    for seq in range(draw(st.integers(1, 12))):
        gateway = draw(st.sampled_from(["ga", "gb", "gc"]))
        site = 2 if gateway == "gb" else 1
        key = (at(draw(st.integers(0, 60))), gateway, EPOCH, seq)
        zone = site * 10 + draw(st.integers(0, 2))
        found.append(
            draw(
                st.sampled_from(
                    [
                        Observation(key, zone, UNKNOWN[site], lingers=True, present=True),
                        Observation(key, zone, UNKNOWN[site], present=True),
                        Observation(key, TRANSIT[site], UNKNOWN[site], leaves=True, present=False),
                        Observation(key, present=False),
                        Observation(key, condition=draw(st.sampled_from(["damaged", "sellable"]))),
                        Observation(
                            key, goods=Goods(draw(st.integers(1, 2)), 1, draw(st.integers(1, 3))), origin_id=70
                        ),
                        Observation(key, zone, 71, goods=Goods(1, draw(st.integers(1, 2)), 1), origin_id=71),
                    ]
                )
            )
        )
    return found


def total(changes: Sequence[Change], until: Any) -> dict[Any, int]:
    """What postings up to an instant add up to, without the zeros."""
    sums: Counter[Any] = Counter()
    for change in changes:
        if change.at <= until:
            sums[change.given] += change.quantity
            sums[change.taken] -= change.quantity
    return {slot: units for slot, units in sums.items() if units}


@settings(max_examples=400, deadline=None)
@given(observations(), st.sampled_from([None, Goods(1, 1, 1)]), st.sampled_from([None, 70]), st.randoms())
def test_the_postings_follow_the_fold_at_every_instant(
    seen: list[Observation], goods: Goods | None, origin_id: int | None, chance: random.Random
) -> None:
    start = State(None, goods, origin_id=origin_id)
    arriving = list(seen)
    chance.shuffle(arriving)
    state, known, changes = start, [], []
    while arriving:
        size = chance.randint(1, 3)
        fresh, arriving = sorted(arriving[:size], key=lambda one: one.key), arriving[size:]
        if is_late(state, fresh):
            state, made = splice(start, known, fresh)
        else:
            state, made = advance(state, fresh)
        known += fresh
        changes += made
    ordered = sorted(seen, key=lambda one: one.key)
    assert state == fold(start, ordered)
    for instant in {one.key[0] for one in seen}:
        held = fold(start, (one for one in ordered if one.key[0] <= instant))
        assert total(changes, instant) == {slot: units for slot, units in ledger(held).items() if units}
    for change in changes:
        assert (change.taken.sku_id, change.taken.lot_id) == (change.given.sku_id, change.given.lot_id)


Streams = dict[str, list[Movement]]
SITE_OF = {"ga": "a", "ga2": "a", "gb": "b"}
ZONES = ("dock", "rack", "shelf")


@st.composite
def streams(draw: st.DrawFn) -> Streams:
    """What three gateways at two sites see of three things, each in its own order of time."""
    found: Streams = {}
    for name in SITE_OF:
        times = sorted(draw(st.lists(st.integers(0, 80), max_size=12)))
        found[name] = []
        for seconds in times:
            serial = draw(st.integers(1, 3))
            kind = draw(st.sampled_from(["arrived", "moved", "departed", "in", "out"]))
            if kind in ("in", "out"):
                found[name].append(crossed(serial, kind, seconds))
            else:
                found[name].append(arrived(serial, draw(st.sampled_from(ZONES)), seconds, kind=kind))
    return found


def model(found: Streams, until: float) -> dict[str, str]:
    """Where each thing is, by the sorted events alone."""
    events = sorted(
        (one.observed_at, name, EPOCH, seq, one) for name, ones in found.items() for seq, one in enumerate(ones, 1)
    )
    places: dict[str, str] = {}
    left: dict[str, Any] = {}
    for when, name, _, _, one in events:
        if when > at(until) or one.kind == "departed":
            continue
        site = SITE_OF[name]
        if one.kind == "crossed":
            left.pop(one.epc, None)
            places[one.epc] = f"{site}/dock" if one.direction == "in" else f"{site}/in_transit"
            if one.direction == "out":
                left[one.epc] = when
        elif one.epc not in left or when >= left[one.epc] + LINGER:
            left.pop(one.epc, None)
            places[one.epc] = f"{site}/{one.zone}"
    return places


class Sender:
    """Sends a stream in batches cut anywhere; sometimes one twice, an old one, or one beyond a gap."""

    def __init__(self, gateway: Gateway, events: list[Movement], chance: random.Random) -> None:
        self.gateway, self.events, self.chance = gateway, events, chance
        self.through = 0

    @property
    def done(self) -> bool:
        return self.through == len(self.events)

    async def send(self) -> None:
        first = self.through + self.chance.choice([1, 1, 1, -1, 0, 2, 3])
        size = self.chance.randint(1, 4)
        first = max(1, first)
        batch = self.events[first - 1 : first - 1 + size]
        if batch:
            ack = await self.gateway.service.apply(self.gateway.batch(first, batch))
            gap = first > self.through + 1
            assert ack.through == (self.through if gap else max(self.through, first + len(batch) - 1))
            self.through = ack.through


async def interleave(database_url: str, found: Streams, chance: random.Random) -> None:
    async with Database.open(database_url, max_connections=4) as database:
        await database.pool.execute(
            "TRUNCATE item, binding, balance, availability, posting, movement, scan, ingest_cursor, alert, outbox"
        )
        if not await database.pool.fetchval("SELECT count(*) FROM site"):
            await furnish(database)
        service = IngestService(database, ScaledClock(at(600)))
        senders = [Sender(Gateway(service, SITE_OF[name], name), ones, chance) for name, ones in found.items()]
        while waiting := [one for one in senders if not one.done]:
            several = chance.sample(waiting, chance.randint(1, len(waiting)))
            await asyncio.gather(*(one.send() for one in several))
        assert await verify(database) == []
        rows = await database.pool.fetch(
            "SELECT epc, site.code || '/' || zone.code AS place, zone.kind FROM item JOIN zone USING (zone_id)"
            " JOIN site USING (site_id)"
        )
        places = {row["epc"].hex().upper(): row["place"] for row in rows if row["kind"] != "unknown"}
        assert places == model(found, 1000)
        for seconds in {0, 20, 40, 60, 80, *(chance.randint(0, 80) for _ in range(3))}:
            assert await as_of(database, seconds) == Counter(model(found, seconds).values())


async def as_of(database: Database, seconds: float) -> dict[str, int]:
    rows = await database.pool.fetch(
        "SELECT site.code || '/' || zone.code AS name, sum(quantity)::int AS net FROM ("
        " SELECT to_balance_id AS balance_id, quantity FROM posting WHERE observed_at <= $1"
        " UNION ALL SELECT from_balance_id, -quantity FROM posting WHERE observed_at <= $1) AS entry"
        " JOIN balance USING (balance_id) JOIN zone USING (zone_id) JOIN site ON site.site_id = zone.site_id"
        " WHERE zone.kind <> 'unknown' GROUP BY 1 HAVING sum(quantity) <> 0",
        at(seconds),
    )
    return {row["name"]: row["net"] for row in rows}


@pytest.mark.timeout(300)
def test_streams_in_any_order_end_in_the_same_stock(database_url: str) -> None:
    @settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
    @given(streams(), st.randoms(use_true_random=False))
    def run(found: Streams, chance: random.Random) -> None:
        asyncio.run(interleave(database_url, found, chance))

    run()


def test_the_model_itself_knows_lingering() -> None:
    found = {"ga": [crossed(1, "out", 10), arrived(1, "rack", 19), arrived(1, "rack", 20)], "ga2": [], "gb": []}
    assert model(found, 19) == {tag(1): "a/in_transit"}
    assert model(found, 20) == {tag(1): "a/rack"}
    assert timedelta(seconds=10) == LINGER
