"""The state of an item as a fold over its observations, and the postings that keep the ledger equal to it (pure).

The theory, in two functions:

    fold     state = step(… step(step(start, o₁), o₂) …, oₙ)       observations in the order of their keys
    ledger   L(state) = { (place, SKU, lot, condition): +quantity, (origin, SKU, lot, sellable): -quantity }
             and nothing for an item without a SKU or without a place

At every instant t the item's postings with observed_at ≤ t add up to L(fold of its observations up to t). A newer
observation adds L(after) - L(before) at its instant. A late one changes the fold in the past: the difference between
the new and the old changes, instant by instant, is posted (in at its `observed_at`, out at the next one's), and adds up
to nothing today unless today's state changed too. Both sums of a difference are equal for each SKU and lot, so the
postings pair them within it.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from typing import NamedTuple

from backend.effects.observation import LINGER, Goods, Key, Observation
from backend.ledger.model import SELLABLE, Slot


class State(NamedTuple):
    """An item after its observations so far. `place_id` is None while nothing has said where it is, `origin_id` while
    no document and no place say where its units came from; `key` is the newest observation's, None before the first."""

    place_id: int | None
    goods: Goods | None
    condition: str = SELLABLE
    origin_id: int | None = None
    left_at: datetime | None = None
    present: bool = False
    key: Key | None = None


class Change(NamedTuple):
    """Units that go from one balance to another at an instant, because of the observation with `key`."""

    at: datetime
    taken: Slot
    given: Slot
    quantity: int
    key: Key


Deltas = Counter[Slot]


def step(state: State, seen: Observation) -> State:
    """The state after one more observation, newer than all before it."""
    place_id, left_at = state.place_id, state.left_at
    if seen.place_id is not None and not is_shadowed(state, seen):
        place_id = seen.place_id
        left_at = seen.key[0] if seen.leaves else None
    origin_id = state.origin_id if seen.origin_id is None else seen.origin_id
    if origin_id is None and place_id is not None:
        origin_id = seen.unknown_id if seen.first_origin_id is None else seen.first_origin_id
    return State(
        place_id,
        state.goods if seen.goods is None else seen.goods,
        state.condition if seen.condition is None else seen.condition,
        origin_id,
        left_at,
        state.present if seen.present is None else seen.present,
        seen.key,
    )


def is_shadowed(state: State, seen: Observation) -> bool:
    """Whether a zone's read does not count, because the item has just left."""
    return seen.lingers and state.left_at is not None and seen.key[0] < state.left_at + LINGER


def ledger(state: State) -> Deltas:
    """What the postings of an item in this state add up to, L(state)."""
    if state.goods is None or state.place_id is None or state.origin_id is None:
        return Counter()
    sku_id, lot_id, quantity = state.goods
    held = Counter({Slot(state.place_id, sku_id, lot_id, state.condition): quantity})
    held[Slot(state.origin_id, sku_id, lot_id, SELLABLE)] -= quantity
    return held


def is_late(state: State, fresh: Sequence[Observation]) -> bool:
    """Whether one of the observations is older than what the state rests on. `fresh` is in the order of keys."""
    return state.key is not None and fresh[0].key < state.key


def advance(state: State, fresh: Iterable[Observation]) -> tuple[State, list[Change]]:
    """The state after observations that are newer than it, in the order of their keys, and the postings they make."""
    changes: list[Change] = []
    for seen in fresh:
        after = step(state, seen)
        if after[:4] != state[:4]:
            changes += _between(state, after, seen.key)
        state = after
    return state, changes


def splice(start: State, known: Iterable[Observation], fresh: Sequence[Observation]) -> tuple[State, list[Change]]:
    """The state with `fresh` put among the observations `known` so far, and the postings that make the ledger say so
    at every instant. `start` is the state before the item's first observation."""
    before = list(known)
    return retell(start, before, [*before, *fresh], [seen.key for seen in fresh])


def retell(
    start: State, before: list[Observation], after: list[Observation], fresh: Sequence[Key]
) -> tuple[State, list[Change]]:
    """The state after one history in place of another, and the difference of what they say at every instant. `fresh`,
    in order, are the keys that brought the difference about: each posting is put under the one of its instant, or else
    under the first. Sorts both histories."""
    keys, key = {one[0]: one for one in reversed(fresh)}, fresh[0]
    before.sort(key=_by_key)
    after.sort(key=_by_key)
    deltas = _fold_deltas(start, after)
    for at, gone in _fold_deltas(start, before).items():
        deltas[at].subtract(gone)
    changes: list[Change] = []
    for at in sorted(deltas):
        changes += _pair(deltas[at], keys.get(at, key), at)
    return fold(start, after), changes


def fold(start: State, observations: Iterable[Observation]) -> State:
    """The state after observations in the order of their keys."""
    for seen in observations:
        start = step(start, seen)
    return start


def _by_key(seen: Observation) -> Key:
    return seen.key


def _fold_deltas(state: State, observations: Iterable[Observation]) -> defaultdict[datetime, Deltas]:
    """By instant, what the fold's changes add to each balance."""
    deltas: defaultdict[datetime, Deltas] = defaultdict(Counter)
    for seen in observations:
        after = step(state, seen)
        if after[:4] != state[:4]:
            change = deltas[seen.key[0]]
            change.update(ledger(after))
            change.subtract(ledger(state))
        state = after
    return deltas


def _between(before: State, after: State, key: Key) -> Iterator[Change]:
    """The postings of one step. A plain move, the common case, needs no sums."""
    goods, origin_id = after.goods, after.origin_id
    if (
        goods is not None
        and goods == before.goods
        and origin_id is not None
        and before.origin_id in (None, origin_id)
        and after.place_id is not None
    ):
        given = Slot(after.place_id, goods.sku_id, goods.lot_id, after.condition)
        if before.place_id is None:
            taken = Slot(origin_id, goods.sku_id, goods.lot_id, SELLABLE)
        else:
            taken = Slot(before.place_id, goods.sku_id, goods.lot_id, before.condition)
        if taken != given:
            yield Change(key[0], taken, given, goods.quantity, key)
        return
    deltas = ledger(after)
    deltas.subtract(ledger(before))
    yield from _pair(deltas, key, key[0])


def _pair(deltas: Deltas, key: Key, at: datetime) -> Iterator[Change]:
    """Deltas as postings: each SKU and lot's takings and givings are equal, and are matched in the order of slots."""
    takings: defaultdict[tuple[int, int], list[tuple[Slot, int]]] = defaultdict(list)
    givings: list[tuple[Slot, int]] = []
    for slot, delta in sorted(deltas.items()):
        if delta < 0:
            takings[slot.sku_id, slot.lot_id].append((slot, -delta))
        elif delta > 0:
            givings.append((slot, delta))
    for given, wanted in givings:
        sources = takings[given.sku_id, given.lot_id]
        while wanted:
            taken, available = sources.pop()
            moved = min(wanted, available)
            yield Change(at, taken, given, moved, key)
            wanted -= moved
            if available > moved:
                sources.append((taken, available - moved))
