"""The plain movement, which nearly every one is: a known thing, in one of a site's zones, is read in a zone (pure).

Nothing is told of what it is or whose, no door, document or pallet has a say, and the news is newer than what the thing
rests on. Then its fold (timeline.py) is two assignments and its posting follows from two zones, so a batch of them is
told in one pass over the rows, without a state, an observation or a change for each. What is not plain in any way is
left to the fold; tests/unit/backend/test_plain.py holds one against the other.
"""

from __future__ import annotations

from collections.abc import Container, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Generic, NamedTuple, Protocol, TypeVar

from backend.effects.observation import Key
from backend.ledger.model import Cause, Slot, Transfer


class Stood(NamedTuple):
    """A thing as its observations so far left it, as far as plain movements must know; the order of columns is that of
    the statement that locks them. `place`: of what is said of it now."""

    item_id: int
    sku_id: int | None
    lot_id: int | None
    quantity: int
    origin_zone_id: int | None
    zone_id: int
    condition: str
    left_at: datetime | None
    observed_at: datetime | None
    rides: bool
    is_pallet: bool
    place: int


class Said(Protocol):
    """A zone's word on one thing, under its key: it is in `place_id`, or (None) no longer seen."""

    @property
    def key(self) -> Key: ...
    @property
    def kind(self) -> str: ...
    @property
    def place_id(self) -> int | None: ...


Word = TypeVar("Word", bound=Said)


@dataclass(slots=True)
class Plain(Generic[Word]):
    """What plain movements do, by columns: what was said, of which thing, the zone it is in now, and its SKU; the
    postings; and the things of which something else is to be told."""

    said: list[Word] = field(default_factory=list)
    item_ids: list[int] = field(default_factory=list)
    zone_ids: list[int] = field(default_factory=list)
    sku_ids: list[int] = field(default_factory=list)
    transfers: list[Transfer] = field(default_factory=list)
    others: list[int] = field(default_factory=list)


def move_plainly(rows: Iterable[Stood], said: Sequence[Word | None], real: Container[int]) -> Plain[Word]:
    """Part plain movements from the others and say what they do. `said[row.place]` is said of a row's thing, None where
    that is more than a zone's one word; `real` holds the zones in which goods can stand."""
    plain: Plain[Word] = Plain()
    for row in rows:
        (item_id, sku_id, lot_id, quantity, origin_id, was_in, condition, left_at, observed_at, rides, is_pallet,
         place) = row  # fmt: skip
        word = said[place]
        if (
            word is None
            or sku_id is None
            or lot_id is None
            or origin_id is None
            or left_at is not None
            or rides
            or is_pallet
            or was_in not in real
            or observed_at is None
            or word.key[0] <= observed_at
        ):
            plain.others.append(item_id)
            continue
        zone_id = word.place_id
        plain.said.append(word)
        plain.item_ids.append(item_id)
        plain.sku_ids.append(sku_id)
        plain.zone_ids.append(was_in if zone_id is None else zone_id)
        if zone_id is not None and zone_id != was_in:
            at, by, journal, number = word.key
            cause = Cause(word.kind, by, "gateway", None, by, journal, number)
            taken, given = Slot(was_in, sku_id, lot_id, condition), Slot(zone_id, sku_id, lot_id, condition)
            plain.transfers.append(Transfer(at, taken, given, quantity, item_id, cause))
    return plain
