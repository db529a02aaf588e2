"""Pallets and their load: any interleaving of what is seen of both, and of what is put on what, ends in the same
places, nets and past; and `verify` proves it from what is stored.

The model tells each thing's story from the sorted events alone, slowly and in words of its own.
"""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import Iterator
from datetime import datetime
from typing import Any, NamedTuple

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from backend.effects.containment import TOGETHER, Join, Source, tell
from backend.effects.observation import LINGER, Goods, Observation
from backend.effects.timeline import Change, State, fold, ledger, retell
from backend.ingest.service import IngestService
from backend.ingest.verify import verify
from backend.store.database import Database
from gs1.epc import encode_sscc96
from tests.house import EPOCH, GTIN, Gateway, arrived, at, crossed, furnish, scan, tag
from tests.property.test_interleaving import SITE_OF, ZONES, Sender, as_of, total
from wire.clock import ScaledClock
from wire.events import Movement, Scan

PALLET, CASE = "095060001343520000", "095060001343520017"
TAGS = {
    "P": encode_sscc96(PALLET, 7).hex().upper(),
    "K": encode_sscc96(CASE, 7).hex().upper(),
    "1": tag(1),
    "2": tag(2),
}
LABELS = {"P": f"(00){PALLET}", "K": f"(00){CASE}", "1": f"(01){GTIN}(21)1", "2": f"(01){GTIN}(21)2"}
MAY_STAND_ON = (("1", "P"), ("1", "K"), ("2", "P"), ("2", "K"), ("K", "P"))

Streams = dict[str, list[Movement | Scan]]


@st.composite
def streams(draw: st.DrawFn) -> Streams:
    """What three gateways at two sites see and scan of a pallet, a case and two things."""
    found: Streams = {}
    for name in SITE_OF:
        times = sorted(draw(st.lists(st.integers(0, 400), max_size=9)))
        found[name] = []
        for number, seconds in enumerate(times):
            what = draw(st.sampled_from(["join", "join", "off", "in", "out", "arrived", "moved", "departed"]))
            scan_id = f"{name}-{number}"
            if what == "join":
                thing, parent = draw(st.sampled_from(MAY_STAND_ON))
                said = scan("aggregate", LABELS[thing], seconds, scan_id=scan_id, pallet=LABELS[parent])
                found[name].append(said)
            elif what == "off":
                found[name].append(scan("disaggregate", LABELS[draw(st.sampled_from("12K"))], seconds, scan_id=scan_id))
            elif what in ("in", "out"):
                found[name].append(crossed(TAGS[draw(st.sampled_from("PK12"))], what, seconds))
            else:
                thing, zone = draw(st.sampled_from("PPK12")), draw(st.sampled_from(ZONES))
                found[name].append(arrived(TAGS[thing], zone, seconds, kind=what))
    return found


class Sighting(NamedTuple):
    """A thing is at a place from a key on. `shy`: a zone's read, which does not count just after it left."""

    key: tuple[datetime, str, str, int]
    place: str
    out: bool
    shy: bool


Story = list[tuple[Sighting, str]]
"""Sightings that count, each with the place that holds from it on."""


class Model:
    """Tells what happened from all events at once."""

    def __init__(self, found: Streams) -> None:
        self.seen: dict[str, list[Sighting]] = {name: [] for name in TAGS}
        self.joins: dict[str, list[tuple[Any, str | None]]] = {name: [] for name in TAGS}
        by_tag, by_label = ({value: name for name, value in names.items()} for names in (TAGS, LABELS))
        for gateway, events in found.items():
            site = SITE_OF[gateway]
            for seq, one in enumerate(events, 1):
                key = (one.observed_at, gateway, EPOCH, seq)
                if isinstance(one, Scan):
                    parent = by_label[one.pallet] if one.pallet else None
                    self.joins[by_label[one.code]].append((key, parent))
                elif one.kind != "departed":
                    out = one.direction == "out"
                    zone = one.zone or ("in_transit" if out else "dock")
                    self.seen[by_tag[one.epc]].append(Sighting(key, f"{site}/{zone}", out, one.kind != "crossed"))

    def story(self, thing: str) -> Story:
        """Where a thing was, by itself and by what carried it."""
        told = sorted(self.seen[thing] + [one for stay in self.stays(thing) for one in self.carried(*stay)])
        story: Story = []
        left_at = None
        for one in told:
            if one.shy and left_at is not None and one.key[0] < left_at + LINGER:
                continue
            left_at = one.key[0] if one.out else None
            story.append((one, one.place))
        return story

    def stays(self, thing: str) -> Iterator[tuple[str, Any, Any]]:
        """Each time it was on something: what, from when, until when."""
        joins = sorted(self.joins[thing])
        after: list[Any] = [*joins[1:], (None, None)] if joins else []
        for (key, parent), following in zip(joins, after, strict=True):
            if parent is None:
                continue
            until = following[0]
            for one in sorted(self.seen[thing]):
                if one.key > key and (until is None or one.key < until) and self.is_apart(one, parent):
                    until = one.key
                    break
            yield parent, key, until

    def is_apart(self, one: Sighting, parent: str) -> bool:
        """Whether the parent was somewhere around that time, and never there."""
        first, last = one.key[0] - TOGETHER, one.key[0] + TOGETHER
        before = [place for seen, place in self.story(parent) if seen.key[0] <= first]
        around = set(before[-1:]) | {place for seen, place in self.story(parent) if first < seen.key[0] <= last}
        return bool(around) and one.place not in around

    def carried(self, parent: str, since: Any, until: Any) -> Iterator[Sighting]:
        """What the parent's story says of a thing that was on it."""
        story = [seen for seen, _ in self.story(parent)]
        before = [seen for seen in story if seen.key < since]
        if before:
            yield before[-1]._replace(key=since, shy=False)
        yield from (seen for seen in story if seen.key > since and (until is None or seen.key < until))

    def places(self, until: float) -> dict[str, str]:
        """Where each thing is at an instant."""
        found = {}
        for thing in TAGS:
            story = [place for seen, place in self.story(thing) if seen.key[0] <= at(until)]
            if story:
                found[thing] = story[-1]
        return found

    def parent(self, thing: str) -> tuple[str | None, str | None]:
        """What it is on in the end, and what it parted from."""
        joins = sorted(self.joins[thing])
        if not joins or joins[-1][1] is None:
            return None, None
        *_, (parent, _, until) = self.stays(thing)
        return (parent, None) if until is None else (None, parent)


GOODS, LOAD, BELOW = 1, 2, 3
"""A thing, the case it may stand in, the pallet that either may stand on."""


@st.composite
def words(draw: st.DrawFn) -> list[tuple[int, Observation | Join]]:
    """What is said of the three, in any order of time."""
    found: list[tuple[int, Observation | Join]] = []
    for seq in range(draw(st.integers(1, 14))):
        key = (at(draw(st.integers(0, 300))), draw(st.sampled_from(["ga", "gb"])), EPOCH, seq)
        thing = draw(st.sampled_from([GOODS, LOAD, BELOW]))
        place = draw(st.integers(10, 12))
        on = draw(st.sampled_from([None, *range(thing + 1, BELOW + 1)]))
        said = [
            Observation(key, place, 90, lingers=True, present=True),
            Observation(key, 80, 90, leaves=True, present=False, condition=draw(st.sampled_from([None, "returned"]))),
            Observation(key, place, 90, first_origin_id=70),
            Observation(key, present=False),
            Join(key, on),
        ]
        found.append((thing, draw(st.sampled_from(said))))
    return found


@settings(max_examples=300, deadline=None)
@given(words(), st.randoms())
def test_the_postings_of_a_load_follow_its_told_history_at_every_instant(
    said: list[tuple[int, Observation | Join]], chance: random.Random
) -> None:
    starts = {GOODS: State(None, Goods(1, 1, 2)), LOAD: State(None, None), BELOW: State(None, None)}
    arriving = list(said)
    chance.shuffle(arriving)
    sources = {thing: Source(start, [], []) for thing, start in starts.items()}
    changes: list[Change] = []
    while arriving:
        size = chance.randint(1, 3)
        fresh, arriving = arriving[:size], arriving[size:]
        was = tell(sources, starts)
        for thing, word in fresh:
            start, own, joins = sources[thing]
            added = (own, [*joins, word]) if isinstance(word, Join) else ([*own, word], joins)
            sources[thing] = Source(start, *added)
        told = tell(sources, starts)
        keys = sorted(word.key for _, word in fresh)
        state, made = retell(starts[GOODS], was[GOODS].observations, told[GOODS].observations, keys)
        assert state == fold(starts[GOODS], told[GOODS].observations)
        changes += made
    story = tell(sources, starts)[GOODS].observations
    for instant in {word.key[0] for _, word in said}:
        held = fold(starts[GOODS], (one for one in story if one.key[0] <= instant))
        assert total(changes, instant) == {slot: units for slot, units in ledger(held).items() if units}


async def interleave(database_url: str, found: Streams, chance: random.Random) -> None:
    async with Database.open(database_url, max_connections=4) as database:
        await database.pool.execute(
            "TRUNCATE item, binding, balance, availability, posting, movement, scan, scan_repeat, aggregation,"
            " ingest_cursor, quarantine, alert, outbox"
        )
        if not await database.pool.fetchval("SELECT count(*) FROM site"):
            await furnish(database)
        service = IngestService(database, ScaledClock(at(900)))
        senders: list[Any] = [
            Sender(Gateway(service, SITE_OF[name], name), list(events), chance)  # type: ignore[arg-type]
            for name, events in found.items()
        ]
        while waiting := [one for one in senders if not one.done]:
            several = chance.sample(waiting, chance.randint(1, len(waiting)))
            await asyncio.gather(*(one.send() for one in several))
        assert await verify(database) == []
        assert not await database.pool.fetchval("SELECT count(*) FROM scan WHERE state <> 'applied'")
        assert not await database.pool.fetchval("SELECT count(*) FROM quarantine")
        model = Model(found)
        await same_places(database, model)
        for seconds in {0, 100, 200, 300, 400, *(chance.randint(0, 400) for _ in range(3))}:
            goods = Counter(place for thing, place in model.places(seconds).items() if thing in "12")
            assert await as_of(database, seconds) == goods


async def same_places(database: Database, model: Model) -> None:
    rows = await database.pool.fetch(
        "SELECT item.identity, site.code || '/' || zone.code AS place, zone.kind, parent.identity AS parent,"
        " pallet.identity AS parted_from FROM item JOIN zone USING (zone_id) JOIN site USING (site_id)"
        " LEFT JOIN item AS parent ON parent.item_id = item.parent_id"
        " LEFT JOIN item AS pallet ON pallet.item_id = item.parted_from"
    )
    name_of = {label: name for name, label in LABELS.items()} | {None: None}
    places = {name_of[row["identity"]]: row["place"] for row in rows if row["kind"] != "unknown"}
    assert places == model.places(1000)
    for row in rows:
        thing = name_of[row["identity"]]
        assert thing is not None
        assert (name_of[row["parent"]], name_of[row["parted_from"]]) == model.parent(thing)
    standing = await database.pool.fetchval(
        "SELECT count(*) FROM alert WHERE kind = 'left_pallet' AND cleared_at IS NULL"
    )
    assert standing == len({row["parted_from"] for row in rows} - {None})


@pytest.mark.timeout(300)
def test_pallets_and_their_load_end_in_the_same_stock_in_any_order(database_url: str) -> None:
    @settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
    @given(streams(), st.randoms(use_true_random=False))
    def run(found: Streams, chance: random.Random) -> None:
        asyncio.run(interleave(database_url, found, chance))

    run()
