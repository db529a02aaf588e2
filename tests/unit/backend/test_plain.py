"""Plain movements say what the fold says, and leave to it what they must not tell."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from hypothesis import given
from hypothesis import strategies as st

from backend.effects import rules
from backend.effects.observation import Goods, Key
from backend.effects.plain import Stood, move_plainly
from backend.effects.timeline import State, advance

START = datetime(2026, 3, 2, tzinfo=UTC)
UNKNOWN, SUPPLIER, TRANSIT = 1, 2, 3
REAL = frozenset({10, 11, 12})
STOOD = Stood(7, 70, 700, 12, SUPPLIER, 10, "sellable", None, START, rides=False, is_pallet=False, place=0)


class Word(NamedTuple):
    key: Key
    kind: str
    place_id: int | None


def word(seconds: float, zone: int | None, kind: str = "moved") -> Word:
    return Word((START + timedelta(seconds=seconds), "g", "e", 6), kind, zone)


def folded(row: Stood, said: Word) -> tuple[State, list[tuple[object, ...]]]:
    """What the fold makes of it: the state after, and the postings."""
    assert row.sku_id is not None
    assert row.lot_id is not None
    assert row.observed_at is not None
    goods = Goods(row.sku_id, row.lot_id, row.quantity)
    key = (row.observed_at, "g", "e", 5)
    state = State(row.zone_id, goods, row.condition, row.origin_zone_id, row.left_at, key=key)
    after, changes = advance(state, [rules.moved(said.kind, None, said.key, said.place_id, UNKNOWN)])
    return after, [(one.at, one.taken, one.given, one.quantity) for one in changes]


@given(
    was_in=st.sampled_from(sorted(REAL)),
    condition=st.sampled_from(["sellable", "damaged"]),
    quantity=st.integers(1, 40),
    seconds=st.integers(1, 20),
    zone=st.sampled_from([None, 10, 11, 12]),
)
def test_it_says_what_the_fold_says(was_in: int, condition: str, quantity: int, seconds: int, zone: int | None) -> None:
    row = STOOD._replace(zone_id=was_in, condition=condition, quantity=quantity)
    said = word(seconds, zone, "departed" if zone is None else "arrived")
    plain = move_plainly([row], [said], REAL)
    after, changes = folded(row, said)
    assert not plain.others
    assert plain.said == [said]
    assert (plain.item_ids, plain.sku_ids) == ([7], [70])
    assert plain.zone_ids == [after.place_id]
    assert after.present == (said.kind != "departed")
    # nothing else is saved, so nothing else may change
    assert after[1:5] == (Goods(70, 700, quantity), condition, SUPPLIER, None)
    assert [one[:4] for one in plain.transfers] == changes
    for one in plain.transfers:
        assert one.item_id == 7
        assert one.cause == (said.kind, "g", "gateway", None, "g", "e", 6)


def test_what_is_not_plain_is_left_to_the_fold() -> None:
    said = word(9, 11)
    odd = [
        STOOD._replace(sku_id=None, lot_id=None),
        STOOD._replace(origin_zone_id=None),
        STOOD._replace(left_at=START),
        STOOD._replace(rides=True),
        STOOD._replace(zone_id=TRANSIT),
        STOOD._replace(observed_at=None),
        STOOD._replace(observed_at=START + timedelta(seconds=10)),
        STOOD._replace(observed_at=said.key[0]),  # only the whole key says which is newer
        STOOD._replace(is_pallet=True),
    ]
    plain = move_plainly(odd, [said], REAL)
    assert plain.others == [7] * len(odd)
    assert not plain.said
    assert not plain.transfers


def test_a_thing_of_which_more_is_said_is_left_to_the_fold() -> None:
    other = STOOD._replace(item_id=8, place=1)
    plain = move_plainly([STOOD, other], [None, word(9, 11)], REAL)
    assert plain.others == [7]
    assert plain.item_ids == [8]
