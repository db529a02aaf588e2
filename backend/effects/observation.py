"""One observation of one item: what a gateway, a person or a document said of it, and when.

An item's whole state is the fold of its observations in the order of their keys (timeline.py), so the order in which
they arrive does not matter.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final, NamedTuple

LINGER: Final = timedelta(seconds=10)
"""A tag that crossed out is still read by the zones near the door for seconds. A zone's read within this time of the
crossing does not bring it back; a gateway keeps its own reads back likewise, this keeps those of other gateways."""

Key = tuple[datetime, str, str, int]
"""(observed_at, gateway, epoch, seq): every two observations have an order, and it is the same everywhere."""


class Goods(NamedTuple):
    """What an item is to the ledger: SKU, lot, units."""

    sku_id: int
    lot_id: int
    quantity: int


class Observation(NamedTuple):
    """What is said of the item at `key`; a part left None says nothing.

    `place_id`: it is in this zone. `unknown_id`: the unknown of the site that says so, where its units came from if
    nothing ever says better. `lingers`: a zone's read, which does not count just after it left. `leaves`: the place is
    outside, in transit. `present`: readers see it, or no longer do. `condition`, `goods`, `origin_id`: a person or a
    document says what state it is in, what it is, and where its units came from; `first_origin_id`: where they came
    from if nothing has said so yet.
    """

    key: Key
    place_id: int | None = None
    unknown_id: int | None = None
    lingers: bool = False
    leaves: bool = False
    present: bool | None = None
    condition: str | None = None
    goods: Goods | None = None
    origin_id: int | None = None
    first_origin_id: int | None = None
