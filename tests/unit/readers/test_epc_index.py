"""The index over arrays says the same numbers as the dictionary behind it, whatever the EPCs."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from readers.epc_index import FIRST_ROWS, FIRST_SLOTS, SLOTS_PER_EPC, Sought
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


def looked_up(table: EpcTable, epcs: list[bytes], room: Sought | None = None) -> list[int]:
    """As from a report: a column with other bytes between its cells."""
    rows = np.zeros(len(epcs), np.dtype([("before", "u1"), ("epc", "V12"), ("behind", "u2")]))
    rows["epc"] = epcs
    sought = room.first(len(epcs)) if room is not None else Sought.room(len(epcs))
    sought.epcs[...] = rows["epc"]
    return table.numbers_96(sought).tolist()


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


@given(st.lists(st.lists(epcs_96, min_size=1, max_size=20), min_size=2, max_size=8))
def test_a_room_that_serves_again_says_the_same(columns: list[list[bytes]]) -> None:
    table, plain, room = EpcTable(), EpcTable(), Sought.room(20)
    for epcs in columns:
        assert looked_up(table, epcs, room) == [plain.number(epc) for epc in epcs]


def test_an_epc_of_zeros_is_not_taken_for_a_slot_never_filled() -> None:
    table = EpcTable()
    table.number(b"not 96 bits: the number 0 has no row of its own")
    assert looked_up(table, [ONES, ZEROS, ONES, ZEROS]) == [1, 2, 1, 2]


def test_numbers_stay_while_the_slots_become_more() -> None:
    table = EpcTable()
    serials = np.arange(FIRST_SLOTS // SLOTS_PER_EPC + 9, dtype=">u4")
    epcs = [b"company." + serial.tobytes() for serial in serials]
    numbers = looked_up(table, epcs)
    assert numbers == list(range(len(epcs)))
    assert looked_up(table, epcs[::-1]) == numbers[::-1]
