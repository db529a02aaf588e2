"""Many records of one layout, seen as columns: what makes a long report cost a few array operations.

    records ─copy─▶ Worktop ─▶ under the mask: as the layout wants? ─▶ columns of READ_DTYPE

With a report of 50 tags, making numpy's arrays and views takes longer than computing with them. So the records are
copied to where the views have been made: a `Worktop` is the memory for one layout, `Columns` are the views of its first
so many records. They serve every report of as many again; what they hold is good until the next one is taken.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from readers.epc_index import EPC_96_BYTES, ROW_BYTES, Sought
from readers.llrp.codec import HEADER
from readers.llrp.layout import Layout
from readers.read import EpcTable

VIEWS_BYTES: Final = 5_000
"""About what the views of one number of records take."""

SOUGHT_BYTES: Final = 2 * ROW_BYTES + 8
"""What `Sought` takes for each EPC."""


class Worktop:
    """Memory for up to `room` records of a layout."""

    def __init__(self, layout: Layout, room: int) -> None:
        self.layout, self.room = layout, room
        self.data = bytearray(HEADER.size + layout.length * room)
        """A report's header, which is passed over, and its records."""
        self.masked = bytearray(layout.length * room)
        self.fixed = np.frombuffer(layout.fixed * room, np.uint8)
        self.pattern = layout.pattern * room
        self.sought = Sought.room(room) if layout.epc_bytes == EPC_96_BYTES else None
        self.bytes = 4 * len(self.data) + SOUGHT_BYTES * room

    def columns(self, records: int) -> Columns:
        """The first `records`."""
        return Columns(self, records)


class Columns:
    """The first `records` of a worktop. `take` puts them there, the rest sees what was taken last.

    `copied` and `scaled` are those of the layout, with their values instead of their names.
    """

    __slots__ = (
        "_checked",
        "_data",
        "_epcs",
        "_fixed",
        "_masked",
        "_records",
        "_sought",
        "_span",
        "_worktop",
        "copied",
        "layout",
        "low_counts",
        "records",
        "scaled",
    )

    def __init__(self, top: Worktop, records: int) -> None:
        layout, size = top.layout, top.layout.length * records
        self._worktop, self.layout, self.records = top, layout, records
        self._span = slice(0, HEADER.size + size)
        self._records = np.frombuffer(top.data, np.uint8, size, HEADER.size)
        self._fixed = top.fixed[:size]
        self._masked = np.frombuffer(top.masked, np.uint8, size)
        self._checked = memoryview(top.masked)[:size]
        cells = np.frombuffer(top.data, layout.dtype, records, HEADER.size)
        self._epcs = cells["epc"]
        self._sought = top.sought.first(records) if top.sought is not None else None
        self.copied = tuple((column, cells[name]) for name, column in layout.copied)
        self.scaled = tuple((column, cells[name], unit) for name, column, unit in layout.scaled)
        self.low_counts: slice | None = None
        """Where a report has the low bytes of TagSeenCount."""
        if layout.low_count_at is not None:
            self.low_counts = slice(HEADER.size + layout.low_count_at, HEADER.size + size, layout.length)

    def take(self, data: bytes) -> bool:
        """Take a report of as many records as these; whether all have the layout. The header is not looked at."""
        top = self._worktop
        top.data[self._span] = data
        np.bitwise_and(self._records, self._fixed, self._masked)
        return top.pattern.startswith(self._checked)

    def numbers(self, epcs: EpcTable) -> NDArray[np.integer]:
        """The numbers of the EPCs."""
        if self._sought is None:
            return epcs.numbers(self._epcs.tolist())
        self._sought.epcs[...] = self._epcs
        return epcs.numbers_96(self._sought)
