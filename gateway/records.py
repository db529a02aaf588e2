"""A table of records that are copied whole: what is known of something that many columns describe.

Whoever asks for a dozen columns of a thousand rows scattered over a large table waits for memory a dozen times a row;
in records that lie together, once or twice. numpy copies a structured element, or a row of a matrix, piece by piece, an
opaque element at once and ten times as quickly, so both are taken and put as opaque bytes.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from gateway.grid import Ints

Records = NDArray[np.void]
"""One record for each row asked for, with columns by name."""


def take(matrix: NDArray[Any], rows: Ints) -> NDArray[Any]:
    """Copies of these rows of a matrix, which may be a column of records."""
    taken: NDArray[Any] = _opaque(matrix).take(rows).view(matrix.dtype).reshape(len(rows), matrix.shape[1])
    return taken


def put(matrix: NDArray[Any], rows: Ints, values: NDArray[Any]) -> None:
    """Write these rows of a matrix, which may be a column of records."""
    _opaque(matrix)[rows] = _opaque(values)


def _opaque(matrix: NDArray[Any]) -> Records:
    return matrix.view(np.dtype((np.void, matrix.dtype.itemsize * matrix.shape[1])))[:, 0]


class Table:
    """Records by row; a new row is like `default`, a record of one."""

    def __init__(self, default: Records) -> None:
        self._default = default
        self._rows = default[:0]
        self._opaque = np.dtype((np.void, default.dtype.itemsize))

    def __len__(self) -> int:
        return len(self._rows)

    def __getitem__(self, name: str) -> NDArray[Any]:
        """A column, to be read and written in place: for a question about one thing only."""
        column: NDArray[Any] = self._rows[name]
        return column

    def grow(self, rows: int) -> None:
        """Make room for `rows` rows."""
        self._rows = np.concatenate((self._rows, np.repeat(self._default, rows - len(self._rows))))

    def take(self, rows: Ints) -> Records:
        """Copies of the records of these rows."""
        taken: Records = self._rows.view(self._opaque).take(rows).view(self._rows.dtype)
        return taken

    def put(self, rows: Ints, records: Records) -> None:
        """Write the records of these rows."""
        self._rows.view(self._opaque)[rows] = records.view(self._opaque)

    def reset(self, rows: Ints) -> None:
        """Make these rows as new."""
        self.put(rows, np.repeat(self._default, len(rows)))
