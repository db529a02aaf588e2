"""Waiting reads come out by cell, in one order and once, however they came in."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.grid import MAX_AHEAD_US, GridReads, ReorderBuffer, join

TICK_US = 50_000
START_US = 1_700_000_000 * 1_000_000
ANTENNAS = 8
Row = tuple[int, int, float, int, int]
"""Tag, antenna, dBm, microseconds from START_US, count."""


def reads_of(rows: list[Row]) -> GridReads:
    tag, antenna, rssi_dbm, at_us, count = zip(*rows, strict=True) if rows else ((),) * 5
    return GridReads(
        np.array(tag, np.int64),
        np.array(antenna, np.int64),
        np.array(rssi_dbm, np.float32),
        np.array(at_us, np.int64) + START_US,
        np.array(count, np.int64),
    )


def rows_of(reads: GridReads) -> list[tuple[Any, ...]]:
    levels = [None if level != level else level for level in reads.rssi_dbm.tolist()]
    times = (reads.at_us - START_US).tolist()
    return list(zip(reads.tag.tolist(), reads.antenna.tolist(), levels, times, reads.count.tolist(), strict=True))


def taken(buffer: ReorderBuffer, pieces: list[list[Row]], end_us: int) -> dict[int, list[tuple[Any, ...]]]:
    for piece in pieces:
        buffer.add(reads_of(piece), np.full(len(piece), START_US + 1_000_000))
    found = buffer.take_before((START_US + end_us) // TICK_US)
    return {cell - START_US // TICK_US: rows_of(reads) for cell, reads in found.items()}


rows = st.tuples(
    st.integers(0, 3), st.integers(0, ANTENNAS - 1), st.sampled_from([-60.0, -50.0, float("nan")]),
    st.sampled_from([0, 1, 49_999, 50_000, 120_000, 199_999]) | st.integers(0, 250_000), st.integers(1, 3),
)  # fmt: skip


@given(st.lists(rows, max_size=30), st.randoms(use_true_random=False), st.integers(1, 8))
def test_the_order_of_arrival_changes_nothing(reads: list[Row], chance: Any, parts: int) -> None:
    plain = taken(ReorderBuffer(TICK_US, ANTENNAS), [reads], 200_000)
    # Of duplicates with one level either may stand for both.
    shuffled = sorted(set(reads), key=lambda row: chance.random())
    once = {(row[0], row[1], row[3]): row for row in shuffled}
    if len(once) == len(shuffled):
        pieces = [shuffled[part::parts] for part in range(parts)]
        assert taken(ReorderBuffer(TICK_US, ANTENNAS), pieces, 200_000) == plain
    for cell, found in plain.items():
        assert [row[3] for row in found] == sorted(row[3] for row in found)
        assert all(row[3] // TICK_US == cell for row in found)
    assert sum(map(len, plain.values())) == len({(row[0], row[1], row[3]) for row in reads if row[3] < 200_000})


@given(st.lists(rows, max_size=30))
def test_a_site_too_large_for_short_keys_gives_the_same(reads: list[Row]) -> None:
    distinct = list({(row[0], row[1], row[3]): row for row in reads}.values())
    small = taken(ReorderBuffer(TICK_US, ANTENNAS), [distinct], 200_000)
    assert taken(ReorderBuffer(TICK_US, 1 << 20), [distinct], 200_000) == small


@pytest.mark.parametrize("antennas", [ANTENNAS, 1 << 20])
def test_of_a_read_told_twice_the_louder_counts(antennas: int) -> None:
    told = [(1, 2, -60.0, 10, 1), (1, 2, -50.0, 10, 4), (1, 3, -70.0, 10, 1), (1, 2, float("nan"), 10, 2)]
    found = taken(ReorderBuffer(TICK_US, antennas), [told], TICK_US)
    assert found == {0: [(1, 2, -50.0, 10, 4), (1, 3, -70.0, 10, 1)]}


def test_a_read_far_ahead_takes_the_time_of_its_arrival() -> None:
    buffer = ReorderBuffer(TICK_US, ANTENNAS)
    came_us = np.array([START_US, START_US + 70_000])
    ahead = reads_of([(1, 0, -50.0, MAX_AHEAD_US + 1, 1), (2, 0, -50.0, 60_000, 1)])
    assert buffer.add(ahead, came_us) == 1
    first = START_US // TICK_US
    assert buffer.earliest_cell() == first
    assert [rows_of(reads) for reads in buffer.take_before(first + 2).values()] == [
        [(1, 0, -50.0, 0, 1)],
        [(2, 0, -50.0, 60_000, 1)],
    ]
    assert buffer.earliest_cell() is None


def test_joined_parts_stand_behind_each_other() -> None:
    first, second = reads_of([(1, 0, -50.0, 1, 1)]), reads_of([(2, 0, -50.0, 0, 1), (3, 0, -50.0, 0, 1)])
    assert join([first, second]).tag.tolist() == [1, 2, 3]
