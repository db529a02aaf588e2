"""What zones tell doors, of who went along unseen and who stayed, depends on nothing but what was read until then."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.bystanders import METHOD as UNSEEN
from gateway.lone import QUIET_US
from readers.read import to_us
from tests.property.test_pipeline import SPAN_S, START_US, TAGS, Read, Run, scene, told

BESIDE, LEAVER, STAYER = 30, 31, 32
LEFT_S, FADED_S = 60.0, 75.0
"""When the lone tag goes out, and when the other that stays looks as if it did."""

SEEDS = st.integers(0, 3)
END_US = START_US + SPAN_S * 1_000_000 + 400_000


@cache
def reads_of(seed: int) -> Sequence[Read]:
    """The pipeline's scene; with its load goes a tag that the inner side alone reads, and lone ones go out and stay."""
    chance = np.random.default_rng(seed)
    reads: list[Read] = []

    def seen(tag: int, reader: str, ports: tuple[int, ...], begin: float, end: float, level: float) -> None:
        for time in np.arange(begin + chance.uniform(0.0, 0.4), end, 0.6):
            port = int(chance.choice(ports))
            reads.append((START_US + int(time * 1e6), reader, port, tag, float(level + chance.normal(0.0, 1.0))))

    seen(BESIDE, "zones", (1,), 1, 41.8, -60)
    seen(BESIDE, "door", (1, 2), 1, 41.8, -66)
    for tag, at_s, zone_s in ((LEAVER, LEFT_S, LEFT_S + 1), (STAYER, FADED_S, SPAN_S)):
        seen(tag, "zones", (1,), 1, zone_s, -60)
        seen(tag, "door", (1, 2), at_s - 2.5, at_s, -62)
        seen(tag, "door", (3, 4), at_s, at_s + 2.5, -62)
    return sorted([*scene(seed), *reads])


@cache
def plain(seed: int) -> Run:
    return judged(reads_of(seed), [*range(START_US, END_US, 100_000), END_US])


def judged(reads: Sequence[Read], ticks_us: Sequence[int]) -> Run:
    run = Run()
    run.switched(True, START_US)
    run.feed(reads, ticks_us)
    return run


@settings(max_examples=4, deadline=None)
@given(SEEDS)
def test_the_scene_has_a_tag_gone_unseen_one_gone_alone_and_one_that_stays(seed: int) -> None:
    out = {movement.epc: movement for movement in plain(seed).movements if movement.direction == "out"}
    assert out[TAGS[BESIDE].hex().upper()].method == UNSEEN
    left = out[TAGS[LEAVER].hex().upper()]
    assert left.method != UNSEEN
    assert to_us(left.decided_at) - START_US >= LEFT_S * 1e6 + QUIET_US
    assert TAGS[STAYER].hex().upper() not in out


@settings(max_examples=8, deadline=None)
@given(SEEDS, st.lists(st.integers(1, 12_000), min_size=8, max_size=60))
def test_any_split_into_ticks_gives_the_same_movements(seed: int, lengths_ms: list[int]) -> None:
    ticks = [int(each) for each in START_US + np.cumsum(lengths_ms) * 1000 if each < END_US]
    assert told(judged(reads_of(seed), [*ticks, END_US])) == told(plain(seed))


@settings(max_examples=8, deadline=None)
@given(SEEDS, st.integers(380, 890))
def test_a_prefix_gives_a_prefix(seed: int, tenths: int) -> None:
    """And what is decided rests on nothing that was read later."""
    until_us = START_US + tenths * 100_000
    prefix = [read for read in reads_of(seed) if read[0] <= until_us]
    run = judged(prefix, range(START_US, until_us + 1, 100_000))
    expected = [movement for movement in plain(seed).movements if to_us(movement.decided_at) <= until_us - 200_000]
    assert run.movements == expected
