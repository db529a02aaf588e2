"""What was found against what the ledger says of the very instants of the finds (pure).

Stock moves while it is counted; so nothing is compared with "the stock at the count", but

    a thing read in a zone        with where the ledger had it at the instant of its newest read
    a thing never read            with the whole time in which its zone was counted: only what stood there throughout,
                                  and was seen nowhere since, should have been read
    units told once               with what the ledger had there at that instant
    units told in several words   with the range between the first word and the last: a unit that came or left meanwhile
                                  may or may not have been counted, so neither is a difference

and whatever moves, also news that comes late, moves the expectation with it. Where a round counts anew, its own finds
alone count. Words that do not name a lot are taken for whatever lots should be there, those that expire last first.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Final, Literal, NamedTuple

from backend.counts.model import Difference
from backend.effects.observation import LINGER, Goods
from backend.ledger.model import Slot

TICK: Final = timedelta(microseconds=1)
"""The ledger's instants are this fine."""


class Scope(NamedTuple):
    """What a count is about. `rounds`: when each round opened, the first first. `anew`: the round that counts a zone's
    SKU anew, 1 where none does. `real`: the zones of any site where goods can stand."""

    zones: frozenset[int]
    skus: frozenset[int] | None
    rounds: Sequence[datetime]
    anew: Mapping[tuple[int, int], int]
    real: frozenset[int]

    def holds(self, zone_id: int, sku_id: int) -> bool:
        """Whether this SKU is counted in this zone."""
        return zone_id in self.zones and (self.skus is None or sku_id in self.skus)

    def counts(self, zone_id: int, sku_id: int, at: datetime) -> bool:
        """Whether a find of this instant counts for this SKU in this zone."""
        return self.holds(zone_id, sku_id) and self.round_at(at) == self.anew.get((zone_id, sku_id), 1)

    def round_at(self, at: datetime) -> int:
        """The round that an instant belongs to; 0 before the first."""
        return bisect_right(self.rounds, at)


class Span(NamedTuple):
    """From when to when a zone was counted."""

    started_at: datetime
    ended_at: datetime


Spans = Mapping[tuple[int, int], Span]
"""By zone and round."""


class Read(NamedTuple):
    """A thing found in a zone. `by_radio`: by its tag, which may be read from a little further away."""

    item_id: int
    zone_id: int
    at: datetime
    by_radio: bool = True


class Word(NamedTuple):
    """Units found in a zone; of two words on the same spot the newer counts. `lot_id` None: nobody looked."""

    zone_id: int
    sku_id: int
    lot_id: int | None
    condition: str
    spot: str
    at: datetime
    quantity: int


@dataclass(frozen=True, slots=True)
class Thing:
    """What the ledger says of a thing: what it is, and from when on it stood where, in the order of time. `seen_at`:
    when something else than this count saw it last."""

    item_id: int
    goods: Goods
    condition: str
    path: Sequence[tuple[datetime, int | None]]
    seen_at: datetime | None = None

    def place(self, at: datetime) -> int | None:
        """Where the ledger has it at an instant."""
        passed = bisect_right(self.path, at, key=lambda step: step[0])
        return self.path[passed - 1][1] if passed else None

    def since(self, at: datetime) -> datetime | None:
        """When it came to where it is at an instant."""
        passed = bisect_right(self.path, at, key=lambda step: step[0])
        return self.path[passed - 1][0] if passed else None

    def stood(self, span: Span) -> int | None:
        """Where it stood from the start of a span to its end; None when it moved meanwhile."""
        steps = [step[1] for step in self.path if span.started_at < step[0] <= span.ended_at]
        return None if steps else self.place(span.started_at)


@dataclass(slots=True)
class Heap:
    """What the ledger says of units in a slot: how many before every change here, and each change."""

    slot: Slot
    before: int
    changes: Sequence[tuple[datetime, int]] = ()

    def range(self, span: Span) -> tuple[int, int]:
        """The least and the most that somebody who counts from the start of a span to its end may count."""
        start = self.before + sum(delta for at, delta in self.changes if at <= span.started_at)
        during = [delta for at, delta in self.changes if span.started_at < at <= span.ended_at]
        least = start + sum(delta for delta in during if delta < 0)
        return least, start + sum(delta for delta in during if delta > 0)


@dataclass(slots=True)
class Line:
    """What was expected and counted of one kind of goods in a zone."""

    least: int = 0
    most: int = 0
    counted: int = 0

    @property
    def difference(self) -> int:
        """Units too many (above 0) or too few."""
        return self.counted - min(max(self.counted, self.least), self.most)


Finding = Literal["missing", "found"]
LineSubject = Literal["things", "units"]


class Found(NamedTuple):
    """A thing that is not where the ledger has it. `at`: the instant from which on the ledger is to say so."""

    item_id: int
    finding: Finding
    zone_id: int
    from_zone_id: int | None
    at: datetime


class Surplus(NamedTuple):
    """Units that a slot has more (below 0: fewer) than the ledger says, at an instant."""

    slot: Slot
    units: int
    at: datetime


@dataclass(slots=True)
class Outcome:
    """All that a count says: its lines, and what differs."""

    lines: defaultdict[tuple[Slot, LineSubject], Line] = field(default_factory=lambda: defaultdict(Line))
    found: list[Found] = field(default_factory=list)
    surplus: list[Surplus] = field(default_factory=list)


def compare_things(
    scope: Scope, spans: Spans, reads: Iterable[Read], things: Iterable[Thing], outcome: Outcome
) -> None:
    """Hold the reads against the ledger."""
    by_item: defaultdict[int, list[Read]] = defaultdict(list)
    for read in reads:
        by_item[read.item_id].append(read)
    for thing in things:
        counted = [read for read in by_item[thing.item_id] if _counts(scope, thing, read)]
        if counted:
            _seen(scope, thing, max(counted, key=lambda read: (read.at, read.zone_id)), outcome)
        else:
            _unseen(scope, spans, thing, outcome)


def _counts(scope: Scope, thing: Thing, read: Read) -> bool:
    if not scope.counts(read.zone_id, thing.goods.sku_id, read.at):
        return False
    place, since = thing.place(read.at), thing.since(read.at)
    just_left = place is not None and place not in scope.real and since is not None and read.at < since + LINGER
    return not (read.by_radio and just_left)


def _line(outcome: Outcome, thing: Thing, zone_id: int) -> Line:
    goods = thing.goods
    return outcome.lines[Slot(zone_id, goods.sku_id, goods.lot_id, thing.condition), "things"]


def _seen(scope: Scope, thing: Thing, read: Read, outcome: Outcome) -> None:
    units = thing.goods.quantity
    expected = thing.place(read.at)
    _line(outcome, thing, read.zone_id).counted += units
    if expected is not None and scope.holds(expected, thing.goods.sku_id):
        line = _line(outcome, thing, expected)
        line.least += units
        line.most += units
    if expected != read.zone_id:
        at = read.at + TICK if thing.since(read.at) == read.at else read.at
        outcome.found.append(Found(thing.item_id, "found", read.zone_id, expected, at))


def _unseen(scope: Scope, spans: Spans, thing: Thing, outcome: Outcome) -> None:
    for zone_id in sorted(scope.zones):
        span = spans.get((zone_id, scope.anew.get((zone_id, thing.goods.sku_id), 1)))
        if span is None or not scope.holds(zone_id, thing.goods.sku_id) or thing.stood(span) != zone_id:
            continue
        if thing.seen_at is not None and thing.seen_at >= span.started_at:
            continue
        line = _line(outcome, thing, zone_id)
        line.least += thing.goods.quantity
        line.most += thing.goods.quantity
        outcome.found.append(Found(thing.item_id, "missing", zone_id, zone_id, span.ended_at))
        return


def compare_units(
    scope: Scope,
    spans: Spans,
    words: Iterable[Word],
    heaps: Iterable[Heap],
    unlotted: Mapping[int, int],
    outcome: Outcome,
) -> None:
    """Hold words on units against the ledger. `heaps`: what the ledger has in the zones, of one SKU in the order in
    which its lots are taken for words without one. `unlotted`: each SKU's lot for stock whose lot nobody knows."""
    told: defaultdict[tuple[int, int, str], list[Word]] = defaultdict(list)
    for word in _newest(words):
        if scope.counts(word.zone_id, word.sku_id, word.at):
            told[word.zone_id, word.sku_id, word.condition].append(word)
    known: defaultdict[tuple[int, int, str], list[Heap]] = defaultdict(list)
    for heap in heaps:
        known[heap.slot.zone_id, heap.slot.sku_id, heap.slot.condition].append(heap)
    for zone_id, sku_id, condition in sorted({*told, *known}):
        span = spans.get((zone_id, scope.anew.get((zone_id, sku_id), 1)))
        if span is not None and scope.holds(zone_id, sku_id):
            key = (zone_id, sku_id, condition)
            _compare_heaps(
                span, told[key], {heap.slot.lot_id: heap for heap in known[key]}, unlotted[sku_id], key, outcome
            )


def _newest(words: Iterable[Word]) -> Iterable[Word]:
    newest: dict[tuple[int, int, int | None, str, str], Word] = {}
    for word in sorted(words, key=lambda word: word.at):
        newest[word[:5]] = word
    return newest.values()


def _compare_heaps(
    span: Span,
    words: Sequence[Word],
    heaps: dict[int, Heap],
    unlotted: int,
    key: tuple[int, int, str],
    outcome: Outcome,
) -> None:
    """One SKU in one zone and condition: the lots that were named each by itself, the others together."""
    zone_id, sku_id, condition = key
    loose = [word for word in words if word.lot_id in (None, unlotted)]
    named = sorted({word.lot_id for word in words if word.lot_id not in (None, unlotted)} - {None})
    for lot_id in named:
        own = [word for word in words if word.lot_id == lot_id]
        heap = heaps.pop(lot_id, None) or Heap(Slot(zone_id, sku_id, lot_id, condition), 0)
        _note(outcome, heap, _span_of(own, span), sum(word.quantity for word in own))
    during, total = _span_of(loose, span), sum(word.quantity for word in loose)
    if total:
        heaps.setdefault(unlotted, Heap(Slot(zone_id, sku_id, unlotted, condition), 0))
    for heap, counted in zip(heaps.values(), _share(total, heaps, during, unlotted), strict=True):
        _note(outcome, heap, during, counted)


def _share(total: int, heaps: Mapping[int, Heap], during: Span, unlotted: int) -> list[int]:
    """Units of no named lot among the lots: first what each must have, then what it may, the rest to the one of lots
    unknown, which is there whenever there are any."""
    ranges = [heap.range(during) for heap in heaps.values()]
    shares = [0] * len(ranges)
    for place, (least, _) in enumerate(ranges):
        shares[place] = min(total, max(least, 0))
        total -= shares[place]
    for place, (_, most) in enumerate(ranges):
        more = min(total, max(most - shares[place], 0))
        shares[place] += more
        total -= more
    if total:
        shares[list(heaps).index(unlotted)] += total
    return shares


def _span_of(words: Sequence[Word], otherwise: Span) -> Span:
    """From the first word to the last; the zone's whole span where nothing was said."""
    if not words:
        return otherwise
    times = [word.at for word in words]
    return Span(min(times), max(times))


def _note(outcome: Outcome, heap: Heap, during: Span, counted: int) -> None:
    least, most = heap.range(during)
    if not (least or most or counted):
        return
    line = outcome.lines[heap.slot, "units"]
    line.least, line.most, line.counted = line.least + least, line.most + most, line.counted + counted
    if line.difference:
        outcome.surplus.append(Surplus(heap.slot, line.difference, during.ended_at))


def weigh(
    outcome: Outcome, things: Mapping[int, Thing], site_zones: frozenset[int], values: Mapping[int, Decimal]
) -> Difference:
    """All that differs. A thing that stands in another zone of the same site is a difference without a value."""
    units, value = 0, Decimal(0)
    for one in outcome.found:
        goods = things[one.item_id].goods
        units += goods.quantity
        if one.finding == "missing" or one.from_zone_id not in site_zones:
            value += goods.quantity * values.get(goods.sku_id, 0)
    for surplus in outcome.surplus:
        units += abs(surplus.units)
        value += abs(surplus.units) * values.get(surplus.slot.sku_id, 0)
    return Difference(units, value)
