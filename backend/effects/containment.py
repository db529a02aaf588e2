"""What stands on a pallet goes with it: the history of a thing, told with the histories of its pallets (pure).

    own        what was observed of the thing itself
    joins      from a key on it is on this pallet, or on nothing
    carried    each observation of the pallet, under the pallet's key, that lies within the time it was on it

The whole is one history in the order of keys, and its fold says where the thing is (timeline.py). Nothing in it depends
on the order in which events came, so neither do places, balances, or the past. The time on a pallet ends with the next
join, or when the thing is read by itself where the pallet is not: it has parted from it.

A pallet's tag and those of its things are read moments apart, in any order, so a thing that is read where the pallet
was or will be within TOGETHER is still with it. While nobody knows where the pallet is, nothing can part from it.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final, NamedTuple

from backend.effects.observation import Key, Observation
from backend.effects.timeline import State, is_shadowed, step

TOGETHER: Final = timedelta(seconds=60)
"""How far apart in time a pallet and its things may be read at a place and still have been there together: a truck
crosses a door within seconds, a reader that watches an aisle visits each antenna within the minute."""


class Join(NamedTuple):
    """From `key` on the thing is on `parent_id`; None: on nothing."""

    key: Key
    parent_id: int | None


class Source(NamedTuple):
    """What is known of one thing by itself: its state before the first observation, what was observed, its joins."""

    start: State
    own: Sequence[Observation]
    joins: Sequence[Join] = ()


@dataclass(frozen=True, slots=True)
class Told:
    """A thing's history with its pallets', in the order of keys. `carried`: the keys that come from a pallet, each with
    the thing that was observed. `parent_id`: what it is on in the end; `parted_from`: what it was on until it was read
    elsewhere, unless something was said of it since."""

    observations: list[Observation]
    carried: dict[Key, int] = field(default_factory=dict)
    parent_id: int | None = None
    parted_from: int | None = None


class _Span(NamedTuple):
    """The time a thing was on something, ends excluded."""

    parent_id: int
    since: Key
    until: Key | None


class _Track:
    """Where a pallet was, by its told history."""

    def __init__(self, start: State, told: Told) -> None:
        self.keys: list[Key] = []
        self.counted: list[Observation] = []
        self.told = told
        self._all = [seen.key for seen in told.observations]
        self._times = [key[0] for key in self._all]
        self._places: list[int | None] = []
        self._placing: list[Observation | None] = []
        state = start
        placing: Observation | None = None
        for seen in told.observations:
            is_counted = not is_shadowed(state, seen)
            state = step(state, seen)
            if is_counted and seen.place_id is not None:
                said_by = seen if seen.unknown_id is not None or placing is None else placing
                placing = seen._replace(unknown_id=said_by.unknown_id)
            if is_counted and (seen.place_id is not None or seen.condition is not None):
                self.keys.append(seen.key)
                self.counted.append(seen)
            self._places.append(state.place_id)
            self._placing.append(placing)

    def placed_at(self, key: Key) -> Observation | None:
        """The observation that decided where it was at a key; None before the first."""
        count = bisect_left(self._all, key)
        return self._placing[count - 1] if count else None

    def was_elsewhere(self, place_id: int, at: datetime) -> bool:
        """Whether it was somewhere around an instant, and never at this place."""
        first = bisect_right(self._times, at - TOGETHER)
        last = bisect_right(self._times, at + TOGETHER)
        around = {place for place in self._places[max(first - 1, 0) : last] if place is not None}
        return bool(around) and place_id not in around


def tell(sources: Mapping[int, Source], wanted: Iterable[int]) -> dict[int, Told]:
    """The told histories of `wanted`. `sources` has them and everything they were ever on; nothing may be on itself,
    whatever the number of steps between."""
    told: dict[int, Told] = {}
    tracks: dict[int, _Track] = {}

    def track(item_id: int) -> _Track:
        if item_id not in tracks:
            tracks[item_id] = _Track(sources[item_id].start, history(item_id))
        return tracks[item_id]

    def history(item_id: int) -> Told:
        if item_id not in told:
            source = sources[item_id]
            on = {join.parent_id: track(join.parent_id) for join in source.joins if join.parent_id is not None}
            told[item_id] = _with_pallets(source, on)
        return told[item_id]

    return {item_id: history(item_id) for item_id in wanted}


def _with_pallets(source: Source, on: Mapping[int, _Track]) -> Told:
    own = sorted(source.own, key=lambda seen: seen.key)
    spans, parent_id, parted_from = _spans(own, source.joins, on)
    observations = list(own)
    carried: dict[Key, int] = {}
    for span in spans:
        pallet = on[span.parent_id]
        placed = pallet.placed_at(span.since)
        if placed is not None:
            observations.append(_stand(placed, span.since))
        first = bisect_right(pallet.keys, span.since)
        last = len(pallet.keys) if span.until is None else bisect_left(pallet.keys, span.until)
        for seen in pallet.counted[first:last]:
            observations.append(_carry(seen))
            carried[seen.key] = pallet.told.carried.get(seen.key, span.parent_id)
    observations.sort(key=lambda seen: seen.key)
    return Told(observations, carried, parent_id, parted_from)


def _spans(
    own: Sequence[Observation], joins: Iterable[Join], on: Mapping[int, _Track]
) -> tuple[list[_Span], int | None, int | None]:
    """When the thing was on what; what it is on in the end, and what it parted from in the end."""
    ordered = sorted(joins, key=lambda join: join.key)
    keys = [seen.key for seen in own]
    spans: list[_Span] = []
    parent_id = parted_from = None
    for place, join in enumerate(ordered):
        parent_id = parted_from = None
        if join.parent_id is None:
            continue
        until = ordered[place + 1].key if place + 1 < len(ordered) else None
        last = len(own) if until is None else bisect_left(keys, until)
        between = own[bisect_right(keys, join.key) : last]
        track = on[join.parent_id]
        parted = next((seen.key for seen in between if _parts(seen, track)), None)
        spans.append(_Span(join.parent_id, join.key, parted or until))
        if parted is None:
            parent_id = join.parent_id
        else:
            parted_from = join.parent_id
    return spans, parent_id, parted_from


def _parts(seen: Observation, pallet: _Track) -> bool:
    return seen.place_id is not None and pallet.was_elsewhere(seen.place_id, seen.key[0])


def _carry(seen: Observation) -> Observation:
    """What a pallet's observation says of a thing on it: where it is and in what condition, never what it is; that a
    reader sees the pallet is no word on the thing, that it left is."""
    return seen._replace(goods=None, origin_id=None, present=False if seen.leaves else None)


def _stand(placed: Observation, key: Key) -> Observation:
    """That a thing is from a key on where its pallet had come to be; in what condition it came there is its own."""
    return Observation(key, placed.place_id, placed.unknown_id, leaves=placed.leaves)
