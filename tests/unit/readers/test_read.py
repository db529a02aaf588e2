"""Batches of reads joined are what they were apart."""

from __future__ import annotations

import numpy as np

from readers.read import READ_DTYPE, empty_reads, join_reads


def test_joined_reads_are_all_of_them_in_order_and_new() -> None:
    parts = [empty_reads(count) for count in (2, 0, 1, 3)]
    for number, part in enumerate(parts):
        part["epc"] = number
        part["at_us"] = 1_700_000_000_000_000 + number
    joined = join_reads([*parts, parts[3][::2]])
    assert joined["epc"].tolist() == [0, 0, 2, 3, 3, 3, 3, 3]
    assert np.isnan(joined["rssi_dbm"]).all()
    assert joined["at_us"].tolist() == [1_700_000_000_000_000 + number for number in joined["epc"].tolist()]
    joined["antenna"] = 7
    assert parts[0]["antenna"].tolist() == [0, 0]


def test_nothing_joined_is_nothing() -> None:
    assert join_reads([]).dtype == READ_DTYPE
    assert len(join_reads([])) == 0
