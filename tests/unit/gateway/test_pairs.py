"""Rows for pairs of tag and zone."""

from __future__ import annotations

import numpy as np

from gateway.pairs import FIRST_CAPACITY, NOBODY, Pairs


def made(tags: int = 100, zones: int = 5) -> Pairs:
    pairs = Pairs(zones)
    pairs.grow(tags)
    return pairs


def test_a_pair_keeps_its_row_and_shares_it_with_nobody() -> None:
    pairs = made()
    keys = np.array([7, 3, 499])
    rows = pairs.allot(keys)
    assert NOBODY not in rows
    assert len(set(rows.tolist())) == 3
    assert pairs.allot(np.array([3, 4])).tolist()[0] == rows[1]
    assert pairs.rows(keys).tolist() == rows.tolist()
    assert pairs.rows(np.array([0])).tolist() == [NOBODY]


def test_the_rows_of_a_tag_stand_by_zone() -> None:
    pairs = made()
    (row,) = pairs.allot(np.array([2 * 5 + 3]))
    assert pairs.of_tags(np.array([2, 1])).tolist() == [[0, 0, 0, row, 0], [0] * 5]


def test_rows_given_back_are_given_out_again() -> None:
    pairs = made()
    rows = pairs.allot(np.arange(20))
    released = pairs.release(np.array([1, 3]))
    assert sorted(released.tolist()) == sorted(rows[[*range(5, 10), *range(15, 20)]].tolist())
    assert (pairs.of_tags(np.array([1, 3])) == NOBODY).all()
    again = pairs.allot(np.arange(50, 62))
    assert set(released.tolist()) < set(again.tolist())
    kept = pairs.rows(np.array([*range(5), *range(10, 15)]))
    assert not set(kept.tolist()) & set(again.tolist())


def test_capacity_follows_the_pairs_not_the_zones() -> None:
    pairs = made(tags=3000, zones=40)
    pairs.allot(np.arange(3000) * 40)
    assert 3000 < pairs.capacity <= 4 * FIRST_CAPACITY


def test_growing_keeps_rows() -> None:
    pairs = made()
    rows = pairs.allot(np.array([9]))
    pairs.grow(1000)
    assert pairs.rows(np.array([9])).tolist() == rows.tolist()


def test_a_gateway_without_zones_has_no_pairs() -> None:
    pairs = made(tags=10, zones=0)
    assert pairs.release(np.array([1, 2])).tolist() == []
    assert pairs.of_tags(np.array([1, 2])).shape == (2, 0)
