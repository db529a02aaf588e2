"""What went along with a load unseen, and what only stood beside it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest

from gateway.bystanders import AFTERWARDS_US, BEFORE_US, METHOD, Bystanders
from gateway.config import GatewayConfig, Rules
from gateway.coverage import Coverage
from gateway.grid import GridReads
from gateway.movement import Decision, Finding
from gateway.pipeline import Pipeline
from gateway.portal import Doors
from readers.read import EpcTable, ReadBatch, ReaderState, empty_reads
from wire.events import Movement

AT_US = 1_700_000_000_000_000
LONGEST_US = 120_000_000
LOAD = range(12)
UNSEEN, PARKED, OVERHEARD, ELSEWHERE = 12, 13, 14, 15

CONFIG = GatewayConfig.model_validate(
    {
        "site": "s",
        "gateway": "g",
        "zones": [{"code": "staging"}, {"code": "aisle"}],
        "portals": [{"code": code, "inside_zone": "staging"} for code in ("door", "next")],
        "readers": [
            *(
                {
                    "name": code,
                    "address": code,
                    "antennas": [
                        {"port": 1, "portal": code, "side": "in"},
                        {"port": 2, "portal": code, "side": "out"},
                    ],
                }
                for code in ("door", "next")
            ),
            {
                "name": "ceiling",
                "address": "ceiling",
                "antennas": [{"port": 1, "zone": "staging"}, {"port": 2, "zone": "aisle"}],
            },
        ],
    }
)


READERS = {"door": frozenset({1, 2}), "next": frozenset({1, 2}), "ceiling": frozenset({1, 2})}


def crossing(at_us: int) -> Decision:
    return Decision(5, Finding.CROSSED_OUT, 0, at_us, 0.4, 3, 1, at_us - 1, "portal-all/3")


def silent(at_us: int) -> Decision:
    return Decision(5, Finding.SILENT, 1, at_us, 0.95, 20, 1, at_us - 1, "zone-belief/2")


def test_a_tag_read_no_more_after_its_load_has_gone_along() -> None:
    beside = Bystanders(LONGEST_US)
    beside.note([crossing(AT_US)], AT_US + 500_000)
    gone = beside.gone_along(silent(AT_US + 2_000_000), AT_US)
    assert gone is not None
    assert (gone.finding, gone.where, gone.method) == (Finding.CROSSED_OUT, 0, METHOD)
    assert gone.observed_us == AT_US + 2_000_000
    assert gone.confidence == 0.95
    assert beside.gone_along(silent(AT_US + 2_000_000), AT_US) is None


@pytest.mark.parametrize("read_us", [AFTERWARDS_US + 1, 60_000_000])
def test_a_tag_that_is_read_on_has_stayed(read_us: int) -> None:
    beside = Bystanders(LONGEST_US)
    beside.note([crossing(AT_US)], AT_US)
    assert beside.gone_along(silent(AT_US + read_us), AT_US) is None
    beside.note([crossing(AT_US)], AT_US)
    assert beside.gone_along(silent(AT_US), AT_US + read_us) is None


def test_a_tag_that_another_zone_read_through_the_door_has_gone_along() -> None:
    """Its own zone misses it; what heard it last has not heard it either since the load went out."""
    beside = Bystanders(LONGEST_US)
    beside.note([crossing(AT_US)], AT_US)
    elsewhere = replace(silent(AT_US + 4_000_000), finding=Finding.SETTLED, where=0)
    gone = beside.gone_along(elsewhere, AT_US)
    assert gone is not None
    assert (gone.finding, gone.where, gone.observed_us) == (Finding.CROSSED_OUT, 0, AT_US + 4_000_000)
    beside.note([crossing(AT_US)], AT_US)
    assert beside.gone_along(replace(elsewhere, observed_us=AT_US + AFTERWARDS_US + 1), AT_US) is None


def test_what_came_back_in_or_was_long_ago_has_not_gone_along() -> None:
    beside = Bystanders(LONGEST_US)
    beside.note([crossing(AT_US)], AT_US)
    beside.came([5])
    assert beside.gone_along(silent(AT_US), AT_US) is None
    beside.note([crossing(AT_US)], AT_US)
    beside.forget(AT_US + LONGEST_US + BEFORE_US - 1)
    assert beside.gone_along(silent(AT_US), AT_US) is not None
    beside.note([crossing(AT_US)], AT_US)
    beside.forget(AT_US + LONGEST_US + BEFORE_US)
    assert beside.gone_along(silent(AT_US), AT_US) is None


def reads_until(end_s: float) -> list[tuple[float, str, int, int, float]]:
    """A load goes out through the door at 20 s: time, reader, port, tag, level. One of its tags is read from inside
    alone, and so is the parked one, by the door and by the ceiling; that one ever after. Another that only the inner
    side reads stood before the next door, which heard it louder on its way. One stands in an aisle whose antenna then
    hears it no more; the door does."""
    chance = np.random.default_rng(3)
    reads = []
    for tag in (*LOAD, UNSEEN, PARKED, OVERHEARD, ELSEWHERE):
        inside_s = 17.5 if tag in LOAD else end_s if tag == PARKED else 21.0
        port = 2 if tag == ELSEWHERE else 1
        reads += [
            (at_s, "ceiling", port, tag, -58.0) for at_s in np.arange(0.5, inside_s, 0.8) + chance.uniform(0.0, 0.4)
        ]
        if tag in LOAD:
            before, after = np.arange(17.6, 20.0, 0.6), np.arange(20.1, 22.0, 0.6)
            reads += [(at_s, "door", 1, tag, -58.0 - 4.0 * (20.0 - at_s)) for at_s in before]
            reads += [(at_s, "door", 2, tag, -58.0 - 4.0 * (at_s - 20.0)) for at_s in after]
        else:
            beside_s = end_s if tag == ELSEWHERE else inside_s
            reads += [(at_s, "door", 1, tag, -64.0) for at_s in np.arange(0.7, beside_s, 0.9)]
    reads.append((15.0, "next", 1, OVERHEARD, -45.0))
    return sorted((float(at_s), reader, port, tag, float(level)) for at_s, reader, port, tag, level in reads)


def play(end_s: float, more: Sequence[tuple[float, str, int, int, float]] = ()) -> list[Movement]:
    epcs = EpcTable()
    numbers = epcs.numbers(tag.to_bytes(12, "big") for tag in range(1, ELSEWHERE + 2))
    pipeline = Pipeline(CONFIG, epcs)
    told = list(pipeline.step([ReaderState(name, ports, AT_US) for name, ports in READERS.items()], AT_US).movements)
    reads = sorted((*reads_until(end_s), *more))
    for begin_s in np.arange(0.0, end_s, 0.5):
        now_us = AT_US + round((begin_s + 0.5) * 1e6)
        events = []
        for reader in READERS:
            mine = [read for read in reads if read[1] == reader and begin_s <= read[0] < begin_s + 0.5]
            batch = empty_reads(len(mine))
            batch["epc"] = [numbers[read[3]] for read in mine]
            batch["antenna"] = [read[2] for read in mine]
            batch["rssi_dbm"] = [read[4] for read in mine]
            batch["at_us"] = batch["first_at_us"] = [AT_US + round(read[0] * 1e6) for read in mine]
            events.append(ReadBatch(reader, batch, now_us))
        told += pipeline.step(events, now_us).movements
    return told


def test_a_tag_of_a_load_that_only_the_inner_side_read_goes_out_with_it_and_parked_goods_do_not() -> None:
    told = play(60.0)
    out = {movement.epc: movement for movement in told if movement.direction == "out"}
    hexes = [tag.to_bytes(12, "big").hex().upper() for tag in range(1, ELSEWHERE + 2)]
    assert set(hexes[: len(LOAD)]) <= set(out)
    for tag in (UNSEEN, OVERHEARD):
        assert (out[hexes[tag]].method, out[hexes[tag]].portal) == (METHOD, "door")
    assert not out.keys() & {hexes[PARKED], hexes[ELSEWHERE]}
    assert [each.zone for each in told if each.epc == hexes[ELSEWHERE] and each.kind == "departed"] == ["aisle"]


@pytest.mark.parametrize(("until_s", "ways"), [(32.5, ["out", "out"]), (60.0, ["out"])])
def test_a_tag_of_a_load_that_its_zone_believed_back_has_gone_if_it_is_read_no_later(
    until_s: float, ways: list[str]
) -> None:
    """The load waits outside the open door, where the ceiling hears one of it; or that one has stayed."""
    told = play(90.0, [(float(at_s), "ceiling", 1, 0, -60.0) for at_s in np.arange(17.5, until_s, 0.8)])
    mine = [each for each in told if each.epc == (1).to_bytes(12, "big").hex().upper()]
    assert [each.direction for each in mine if each.kind == "crossed"] == ways
    assert [each.zone for each in mine if each.kind == "arrived"] == ["staging", "staging"]
    gone = len(ways) == 2
    assert mine[-1].kind == ("crossed" if gone else "departed")
    assert (mine[-1].method == METHOD) is gone


@pytest.mark.parametrize("last", [0, 1])
def test_where_loads_left_through_two_doors_a_tag_went_through_the_one_that_read_it_last(last: int) -> None:
    coverage = Coverage(CONFIG)
    doors = Doors(coverage, 250_000, Rules())
    doors.grow(16)
    for door, judge in enumerate(doors._judges):
        at_us = AT_US + 100_000 * (door == last)
        one = np.ones(1, np.int64)
        judge.observe(
            GridReads(
                5 * one,
                coverage.antennas([CONFIG.readers[door].name], [1], one.astype(np.uint16)),
                np.array([-60.0], np.float32),
                at_us * one,
                one,
            )
        )
        judge._bystanders.note([replace(crossing(at_us), where=door)], AT_US)
    assert [each.where for each in doors.gone_along([silent(AT_US + 200_000)], AT_US)] == [last]
    assert [each.finding for each in doors.gone_along([silent(AT_US + 200_000)], AT_US)] == [Finding.SILENT]
