"""The world as a whole: the same for a seed however it is asked, honest radio, people who finish what they began."""

from __future__ import annotations

from collections import Counter, defaultdict

import numpy as np
import pytest

from gs1.epc import parse_epc
from simulators.errors import UnknownReaderError
from simulators.geometry import YARD
from simulators.scenario import load
from simulators.sighting import Sightings
from simulators.world import World

START_US = 1_800_000_000_000_000
SECOND_US = 1_000_000

Row = tuple[str, int, int, float]


def rows(reader: str, seen: Sightings) -> list[tuple[str, Row]]:
    return [
        (reader, (epc.hex(), antenna, at_us, rssi))
        for epc, antenna, at_us, rssi in zip(
            seen.epcs, seen.antenna.tolist(), seen.at_us.tolist(), seen.rssi_dbm.tolist(), strict=True
        )
    ]


def play(world: World, seconds: float, slice_us: int, *, turned: bool = False) -> dict[str, list[Row]]:
    """Let every reader ask slice by slice; `turned` asks the readers in the other order."""
    found: dict[str, list[Row]] = defaultdict(list)
    readers = world.readers[::-1] if turned else world.readers
    at_us, end_us = START_US, START_US + round(seconds * SECOND_US)
    while at_us < end_us:
        until_us = min(at_us + slice_us, end_us)
        for reader in readers:
            for name, row in rows(reader.name, world.inventory(reader.name, reader.antennas, at_us, until_us)):
                found[name].append(row)
        at_us = until_us
    return found


def settle(world: World, at_us: int) -> int:
    """Quiesce, and go on until the world stands still; at most two minutes."""
    world.quiesce()
    for second in range(120):
        world.advance(at_us + second * SECOND_US)
        if world.standing_still:
            return at_us + second * SECOND_US
    raise AssertionError("the world never came to rest")


def test_reads_do_not_depend_on_how_readers_ask() -> None:
    scenario = load("one-door")
    whole = play(World(scenario, 4, START_US), 30, 30 * SECOND_US)
    assert play(World(scenario, 4, START_US), 30, 7_300) == whole
    assert play(World(scenario, 4, START_US), 30, 100_000, turned=True) == whole
    assert play(World(scenario, 5, START_US), 30, 100_000) != whole
    assert sum(map(len, whole.values())) > 500


def test_the_run_does_not_depend_on_how_far_each_step_goes() -> None:
    scenario = load("three-warehouses")
    steps, leap = World(scenario, 4, START_US), World(scenario, 4, START_US)
    for tenth in range(1, 451):
        steps.advance(START_US + tenth * 100_000)
    leap.advance(START_US + 45 * SECOND_US)
    assert steps.truth.changes() == leap.truth.changes()
    assert len(leap.truth.changes()) > 100
    assert steps.scans_due(START_US + 45 * SECOND_US) == leap.scans_due(START_US + 45 * SECOND_US)


def test_reads_lie_in_their_slice_and_come_in_order() -> None:
    world = World(load("one-door"), 1, START_US)
    reader = world.readers[1]
    last_us = START_US
    for number in range(1, 200):
        until_us = START_US + number * 43_000
        seen = world.inventory(reader.name, reader.antennas, last_us, until_us)
        assert ((seen.at_us > last_us) & (seen.at_us <= until_us)).all()
        assert (np.diff(seen.at_us) >= 0).all()
        last_us = until_us


def test_only_antennas_that_are_on_see() -> None:
    world = World(load("one-door"), 1, START_US)
    reader = world.readers[1]
    seen = world.inventory(reader.name, frozenset({2, 77}), START_US, START_US + 5 * SECOND_US)
    assert set(seen.antenna.tolist()) == {2}
    assert len(world.inventory(reader.name, frozenset({77}), START_US + 5 * SECOND_US, START_US + 9 * SECOND_US)) == 0


def test_a_reader_that_was_away_sees_nothing_of_the_time_between() -> None:
    world = World(load("one-door"), 1, START_US)
    reader = world.readers[1]
    world.inventory(reader.name, reader.antennas, START_US, START_US + SECOND_US + 30_000)
    back_us = START_US + 20 * SECOND_US
    seen = world.inventory(reader.name, reader.antennas, back_us, back_us + SECOND_US)
    assert len(seen) > 0
    assert seen.at_us.min() > back_us


def test_an_unknown_reader_is_named() -> None:
    world = World(load("one-door"), 1, START_US)
    with pytest.raises(UnknownReaderError, match="jkt-zones"):
        world.inventory("nobody", frozenset({1}), START_US, START_US + 1)


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_ten_minutes_keep_going_and_come_to_rest(seed: int) -> None:
    world = World(load("three-warehouses"), seed, START_US)
    crossings = []
    for minute in range(1, 11):
        world.advance(START_US + minute * 60 * SECOND_US)
        crossings.append(len(world.truth.crossings(START_US + minute * 60 * SECOND_US)))
    assert min(np.diff(crossings)) > 60
    end_us = settle(world, START_US + 600 * SECOND_US)
    before = world.truth.places(end_us)
    world.advance(end_us + 600 * SECOND_US)
    assert world.truth.places() == before
    assert all(zone != YARD for _, zone in before.values())


@pytest.mark.parametrize("seed", [1, 2])
def test_a_minute_brings_enough_tags_and_movements(seed: int) -> None:
    world = World(load("three-warehouses"), seed, START_US)
    opening = world.truth.places(START_US)
    assert Counter(site for site, _ in opening.values()).most_common()[-1][1] >= 110
    end_us = START_US + 60 * SECOND_US
    world.advance(end_us)
    changes, crossings = world.truth.changes(end_us), world.truth.crossings(end_us)
    # A passage through a door is one movement for the portal, and mostly one more for the zone behind it.
    assert len(opening) + len(changes) >= 600
    assert {(one.portal, one.direction) for one in crossings} == {("D1", "in"), ("D2", "out")}
    kinds = {type(parse_epc(tag.epc)).__name__ for tag in world.goods.tags}
    assert kinds == {"Sgtin", "Sscc", "Grai"}
    assert len({tag.epc for tag in world.goods.tags}) == len(world.goods.tags)
    scans = world.scans_due(end_us)
    assert scans
    assert {scan.request.zone for scan in scans} == {"packing"}
    assert world.scans_due(end_us) == []


def test_portals_and_ceilings_see_as_much_as_real_ones_do() -> None:
    world = World(load("three-warehouses"), 3, START_US)
    found = play(world, 60, 200_000)
    for reader in world.readers:
        busiest = max(Counter((row[2] - START_US) // SECOND_US for row in found[reader.name]).values())
        # A recorded dock door with 100 tags in it took 83 reads in such seconds; a load here has 13 to 26 tags.
        assert 20 <= busiest <= 200, reader.name


def test_the_next_door_sees_some_of_what_crosses_but_far_less() -> None:
    world = World(load("three-warehouses"), 2, START_US)
    found = play(world, 60, 200_000)
    seen: dict[tuple[str, str], list[int]] = defaultdict(list)
    for reader, reads in found.items():
        for epc, _, at_us, _ in reads:
            seen[reader, epc.upper()].append(at_us)
    own, stray = 0, 0
    for crossing in world.truth.crossings(START_US + 56 * SECOND_US):
        for door in ("1", "2"):
            near = [
                at_us
                for at_us in seen[f"{crossing.site.lower()}-door-{door}", crossing.epc]
                if abs(at_us - crossing.at_us) <= 4 * SECOND_US
            ]
            if door == crossing.portal[1]:
                own += len(near)
            else:
                stray += len(near)
    assert own > 500
    assert 0.02 * own < stray < 0.5 * own


def test_outages_are_told_in_the_worlds_time() -> None:
    world = World(load("three-warehouses"), 1, START_US)
    (outage,) = world.outages
    assert (outage.site, outage.from_us, outage.to_us - outage.from_us) == (
        "MDN",
        START_US + 25 * SECOND_US,
        20 * SECOND_US,
    )


def test_a_shuttle_goes_to_and_fro_and_then_rests() -> None:
    world = World(load("dock-door"), 1, START_US)
    world.advance(START_US + 900 * SECOND_US)
    assert world.standing_still is False, "nobody has told it to be quiet"
    world.quiesce()
    assert world.standing_still
    moved = {tag.hex for tag in world.goods.tags} & {one.epc for one in world.truth.crossings()}
    assert len(moved) == len(world.openings["DOCK"].shuttling[0].loaded)
    for epc in moved:
        ways = [one.direction for one in world.truth.crossings() if one.epc == epc]
        assert ways == ["out", "in"] * 10


def test_reads_say_phase_and_doppler() -> None:
    world = World(load("one-door"), 1, START_US)
    reader = world.readers[1]
    seen = world.inventory(reader.name, reader.antennas, START_US, START_US + 5 * SECOND_US)
    assert seen.phase_rad is not None
    assert seen.doppler_hz is not None
    assert len(seen.doppler_hz) == len(seen) > 10


def test_in_session_2_a_parked_tag_is_read_hardly_more_than_once() -> None:
    scenario = load("dock-door")
    plan = scenario.plans["door"]
    reads = {}
    for session in (1, 2):
        reader = plan.readers[0].model_copy(update={"session": session})
        still = plan.model_copy(update={"readers": (reader,), "shuttles": ()})
        world = World(scenario.model_copy(update={"plans": {"door": still}}), 1, START_US)
        seen = world.inventory(world.readers[0].name, frozenset({1, 2, 3, 4}), START_US, START_US + 30 * SECOND_US)
        reads[session] = len(seen) / len(set(seen.epcs))
    assert reads[2] < 2.5 < 10 < reads[1]
