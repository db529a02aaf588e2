"""The index over arrays says the same numbers as the dictionary behind it, whatever the EPCs."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from readers.epc_index import FIRST_ROWS
from readers.read import EpcTable

ZEROS, ONES = bytes(12), b"\xff" * 12

epcs_96 = st.one_of(
    st.binary(min_size=12, max_size=12),
    st.sampled_from([ZEROS, ONES, b"\1" + bytes(11), bytes(11) + b"\1"]),
    # One tail: all of them share a slot.
    st.integers(0, 9).map(lambda head: head.to_bytes(4, "big") + b"samesame"),
    # Zeros at the end, which numpy drops.
    st.binary(min_size=1, max_size=11).map(lambda start: start.ljust(12, b"\0")),
)


def looked_up(table: EpcTable, epcs: list[bytes]) -> list[int]:
    """As from a report: columns with other bytes between them."""
    rows = np.zeros(len(epcs), np.dtype([("before", "u1"), ("epc", "S12"), ("behind", "u2")]))
    rows["epc"] = epcs
    tails = np.ndarray(len(epcs), "=u8", rows.tobytes(), 5, (rows.itemsize,))
    return table.numbers_96(rows["epc"], tails).tolist()


@settings(max_examples=200)
@given(st.lists(st.lists(epcs_96, min_size=1, max_size=20), min_size=1, max_size=8))
def test_numbers_are_those_of_the_dictionary(columns: list[list[bytes]]) -> None:
    table, plain = EpcTable(), EpcTable()
    for epcs in columns:
        assert looked_up(table, epcs) == [plain.number(epc) for epc in epcs]
    assert [table.epc(number) for number in range(len(table))] == [plain.epc(number) for number in range(len(plain))]


@given(st.lists(st.one_of(epcs_96, st.binary(max_size=20)), max_size=40), st.lists(epcs_96, min_size=1, max_size=20))
def test_epcs_of_other_lengths_and_other_ways_share_the_numbers(first: list[bytes], column: list[bytes]) -> None:
    table = EpcTable()
    known = dict(zip(first, table.numbers(first).tolist(), strict=True))
    numbers = looked_up(table, column)
    assert all(known.get(epc, number) == number for epc, number in zip(column, numbers, strict=True))
    assert [table.epc(number) for number in numbers] == column


def test_numbers_stay_while_the_index_grows() -> None:
    chance = np.random.default_rng(1)
    epcs = [chance.bytes(12) for _ in range(5 * FIRST_ROWS)]
    table = EpcTable()
    for first in range(0, len(epcs), 100):
        table.number(b"another length %d" % first)
        column = [*epcs[first : first + 100], *epcs[:first:97]]
        assert [table.epc(number) for number in looked_up(table, column)] == column
    assert len(table) == len(epcs) + len(range(0, len(epcs), 100))


def test_two_dimensions_are_answered_in_theirs() -> None:
    table = EpcTable()
    grid = np.array([[b"a" * 12, b"b" * 12], [b"b" * 12, b"c" * 12]], "S12")
    tails = np.ndarray((2, 2), "=u8", grid.tobytes(), 4, (24, 12))
    assert table.numbers_96(grid, tails).tolist() == [[0, 1], [1, 2]]
