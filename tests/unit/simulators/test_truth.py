"""The truth: where things are at any instant, and the stock that follows."""

from __future__ import annotations

from collections import Counter

import pytest

from simulators.geometry import AISLE, YARD, Passage
from simulators.goods import Tag
from simulators.scenario import load
from simulators.truth import Truth
from simulators.world import World

START_US = 1_800_000_000_000_000


def a_truth() -> Truth:
    tags = [
        Tag(0, b"\x30\x01", sku="TEA", lot="L1", quantity=12),
        Tag(1, b"\x30\x02", sku="TEA", lot="L1"),
        Tag(2, b"\x31\x03"),
    ]
    truth = Truth(tags)
    truth.stands(0, "JKT", "staging", 10)
    truth.passed(0, "JKT", Passage(20, "staging", YARD, "D2", "out"))
    truth.passed(0, "SUB", Passage(50, YARD, "receiving", "D1", "in"))
    truth.passed(2, "JKT", Passage(30, YARD, "receiving", "D1", "in"))
    return truth


def test_a_tag_on_the_road_is_in_transit_of_the_site_it_left() -> None:
    truth = a_truth()
    assert [truth.place("3001", at) for at in (9, 10, 20, 49, 50, None)] == [
        None,
        ("JKT", "staging"),
        ("JKT", "in_transit"),
        ("JKT", "in_transit"),
        ("SUB", "receiving"),
        ("SUB", "receiving"),
    ]


def test_what_never_came_in_has_no_place() -> None:
    truth = a_truth()
    assert truth.place("3002") is None
    assert truth.place("FFFF") is None
    assert truth.places(40) == {"3001": ("JKT", "in_transit"), "3103": ("JKT", "receiving")}


def test_balances_count_units_and_only_goods() -> None:
    truth = a_truth()
    assert truth.balances(40) == {("JKT", "in_transit", "TEA", "L1", "sellable"): 12}
    assert truth.balances() == {("SUB", "receiving", "TEA", "L1", "sellable"): 12}


def test_an_aisle_is_no_place() -> None:
    truth = a_truth()
    truth.passed(0, "SUB", Passage(60, "receiving", AISLE))
    truth.passed(0, "SUB", Passage(70, AISLE, "receiving"))
    assert truth.place("3001", 65) == ("SUB", "receiving")
    assert [change.at_us for change in truth.changes()] == [20, 30, 50]


def test_crossings_up_to_an_instant() -> None:
    assert [(one.at_us, one.portal, one.direction) for one in a_truth().crossings(40)] == [
        (20, "D2", "out"),
        (30, "D1", "in"),
    ]


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_the_record_agrees_with_where_things_lie(seed: int) -> None:
    """Places told from passages against places told from positions: two ways to the same answer."""
    world = World(load("three-warehouses"), seed, START_US)
    scenario = world.scenario
    floors = [scenario.plan_of(site).floor for site in scenario.sites]
    looked_at = 0
    for tenth in range(1, 900, 37):
        at_us = START_US + tenth * 100_000
        world.advance(at_us)
        now = world._scene.whereabouts.at(at_us)
        frame, xyz = now.frame, now.xyz
        for tag in world.goods.tags:
            site, told = int(frame.site[tag.number]), world.truth.place(tag.hex, at_us)
            if site < 0 or told is None:
                continue
            place = floors[site].place((float(xyz[tag.number, 0]), float(xyz[tag.number, 1])))
            expected = told[1] if told[1] != "in_transit" else YARD
            assert place == expected, (tag.hex, tenth)
            looked_at += 1
    assert looked_at > 5000


@pytest.mark.parametrize("seed", [1, 2])
def test_no_stock_is_made_or_lost(seed: int) -> None:
    world = World(load("three-warehouses"), seed, START_US)
    world.advance(START_US + 120_000_000)
    came_in = Counter[str]()
    for tag in world.goods.tags:
        if tag.sku is not None and world.truth.place(tag.hex) is not None:
            came_in[tag.sku] += tag.quantity
    counted = Counter[str]()
    for (_, _, sku, _, _), quantity in world.truth.balances().items():
        counted[sku] += quantity
    assert counted == came_in
