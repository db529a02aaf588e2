"""Records copied whole: what is put is what is taken."""

from __future__ import annotations

import numpy as np

from gateway.records import Table, put, take

KIND = np.dtype([("at_us", np.int64), ("weights", np.float32, 3), ("count", np.int16)])


def made(rows: int = 6) -> Table:
    default = np.zeros(1, KIND)
    default["at_us"], default["weights"] = -5, 0.25
    table = Table(default)
    table.grow(rows)
    return table


def test_records_put_are_taken_again_and_nothing_else_changes() -> None:
    table, rows = made(), np.array([4, 1])
    records = table.take(rows)
    records["at_us"], records["count"] = [40, 10], [4, 1]
    records["weights"][0] = [1, 2, 3]
    table.put(rows, records)
    assert table["at_us"].tolist() == [-5, 10, -5, -5, 40, -5]
    assert table["weights"][4].tolist() == [1, 2, 3]
    assert table.take(np.array([1, 4, 4]))["count"].tolist() == [1, 4, 4]


def test_a_record_taken_is_a_copy() -> None:
    table = made()
    table.take(np.array([2]))["count"] = 9
    assert table["count"][2] == 0


def test_growing_keeps_records_and_fills_with_the_default() -> None:
    table = made(2)
    table["at_us"][1] = 7
    table.grow(4)
    assert table["at_us"].tolist() == [-5, 7, -5, -5]
    assert table["weights"][3].tolist() == [0.25] * 3
    table.reset(np.array([1]))
    assert table["at_us"].tolist() == [-5] * 4


def test_rows_of_a_column_are_taken_and_put_whole() -> None:
    weights = made()["weights"]
    put(weights, np.array([3, 0]), np.array([[1, 2, 3], [4, 5, 6]], np.float32))
    assert take(weights, np.array([0, 3, 1])).tolist() == [[4, 5, 6], [1, 2, 3], [0.25] * 3]
    assert take(weights, np.zeros(0, np.int64)).shape == (0, 3)
