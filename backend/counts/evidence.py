"""What a count found and what the ledger says of it, out of the database, and the one compared with the other."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final, NamedTuple

from backend.catalog.model import Places, Zone
from backend.catalog.service import goods_of, lot_ids
from backend.counts.comparing import (
    Heap,
    Outcome,
    Read,
    Scope,
    Span,
    Thing,
    Word,
    compare_things,
    compare_units,
    weigh,
)
from backend.counts.model import Difference
from backend.effects.observation import LINGER, Goods
from backend.ingest.items import lock
from backend.ingest.pallet_names import with_contents
from backend.ledger.model import SELLABLE, Slot
from backend.store.database import Connection, Queries, Record
from gs1.element import parse_scan
from gs1.errors import ScanError

SQL: Final = Queries.beside(__file__)

SUBJECTS: Final[dict[str, tuple[str, ...]]] = {
    "things": ("things",),
    "units": ("units",),
    "both": ("things", "units"),
}
"""What a count's subject asks to be counted in each zone."""


class Scanned(NamedTuple):
    """What a handheld's scan counted: a thing, or so many units, of a lot whose code it says (None: of any)."""

    read: Read | None
    word: Word | None
    operator: str
    lot: str | None = None


@dataclass(slots=True)
class Finds:
    """All that was found, and who found it. `lotted`: words whose lots are known by code so far. `spans`: by subject,
    zone and round."""

    reads: list[Read] = field(default_factory=list)
    words: list[Word] = field(default_factory=list)
    lotted: list[tuple[Word, str]] = field(default_factory=list)
    spans: dict[str, dict[tuple[int, int], Span]] = field(default_factory=lambda: {"things": {}, "units": {}})
    operators: set[str] = field(default_factory=set)

    def extend(self, subject: str, zone_id: int, number: int, started_at: datetime, ended_at: datetime) -> None:
        """A zone was also counted from here to there: bulks of one sweep make one span."""
        known = self.spans[subject].get((zone_id, number), Span(started_at, ended_at))
        self.spans[subject][zone_id, number] = Span(min(known[0], started_at), max(known[1], ended_at))


@dataclass(slots=True)
class Look:
    """A count, compared: what was found, what the ledger says of the things, and what differs."""

    finds: Finds
    things: dict[int, Thing]
    outcome: Outcome
    difference: Difference
    uncounted: list[tuple[Zone, str]]


async def read_scope(connection: Connection, places: Places, count: Record) -> Scope:
    """What a count is about."""
    rounds = await connection.fetch(SQL["rounds"], count["count_id"])
    anew = await connection.fetch(SQL["recounts"], count["count_id"])
    return Scope(
        frozenset(count["zone_ids"]),
        None if count["sku_ids"] is None else frozenset(count["sku_ids"]),
        [row["opened_at"] for row in rounds],
        {(row["zone_id"], row["sku_id"]): row["round"] for row in anew},
        frozenset(zone.zone_id for zone in places.zone_by_id.values() if zone.is_real),
    )


async def look(
    connection: Connection, places: Places, count: Record, scope: Scope, *, lock_things: bool = False
) -> Look:
    """Compare a count with the ledger as it stands. The caller holds the count's lock. `lock_things`: nothing is said
    of things between this look and what the caller does about it."""
    finds = await _finds(connection, places, count, scope)
    outcome = Outcome()
    things: dict[int, Thing] = {}
    since = min((span.started_at for spans in finds.spans.values() for span in spans.values()), default=None)
    if since is not None and "things" in SUBJECTS[count["subject"]]:
        ids = await _near(connection, count, finds, since)
        if lock_things:
            await lock(connection, places, await with_contents(connection, ids))
        things = await _things(connection, count, finds, since, ids)
        compare_things(scope, finds.spans["things"], finds.reads, things.values(), outcome)
    if since is not None and "units" in SUBJECTS[count["subject"]]:
        await _name_lots(connection, finds)
        heaps = await _heaps(connection, count, since)
        told = sorted({heap.slot.sku_id for heap in heaps} | {word.sku_id for word in finds.words})
        unlotted = {row["sku_id"]: row["lot_id"] for row in await connection.fetch(SQL["unlotted"], told)}
        compare_units(scope, finds.spans["units"], finds.words, heaps, unlotted, outcome)
    skus = sorted({slot.sku_id for slot, _ in outcome.lines})
    values = {row["sku_id"]: row["value"] for row in await connection.fetch(SQL["values"], skus)}
    site = places.site_by_id[count["site_id"]]
    own = frozenset(zone.zone_id for zone in site.zones.values() if zone.is_real)
    difference = weigh(outcome, things, own, values)
    return Look(finds, things, outcome, difference, _uncounted(places, count, scope, finds))


def _uncounted(places: Places, count: Record, scope: Scope, finds: Finds) -> list[tuple[Zone, str]]:
    """Zones that the newest round should count and nobody did, with what of them."""
    number = len(scope.rounds)
    wanted = scope.zones if number == 1 else {zone for (zone, _), at in scope.anew.items() if at == number}
    return [
        (places.zone_by_id[zone_id], subject)
        for zone_id in sorted(wanted)
        for subject in SUBJECTS[count["subject"]]
        if (zone_id, number) not in finds.spans[subject]
    ]


async def _finds(connection: Connection, places: Places, count: Record, scope: Scope) -> Finds:
    finds = Finds()
    for row in await connection.fetch(SQL["passes"], count["count_id"]):
        number = scope.round_at(row["started_at"])
        finds.extend(row["subject"], row["zone_id"], number, row["started_at"], row["ended_at"])
        finds.operators.add(row["operator"])
    finds.reads = [Read(**row) for row in await connection.fetch(SQL["reads"], count["count_id"])]
    finds.words = [Word(**row) for row in await connection.fetch(SQL["words"], count["count_id"])]
    for one in await _scanned(connection, places, count, scope):
        found = one.read or one.word
        assert found is not None
        subject = "things" if one.read is not None else "units"
        finds.extend(subject, found.zone_id, scope.round_at(found.at), found.at, found.at)
        finds.operators.add(one.operator)
        if one.read is not None:
            finds.reads.append(one.read)
        if one.word is not None and one.lot is not None:
            finds.lotted.append((one.word, one.lot))
        elif one.word is not None:
            finds.words.append(one.word)
    return finds


async def _name_lots(connection: Connection, finds: Finds) -> None:
    """Make the lots that scans named where they are missing: after the things are locked, as everywhere."""
    lots = await lot_ids(connection, {(word.sku_id, lot): None for word, lot in finds.lotted})
    finds.words += (word._replace(lot_id=lots[word.sku_id, lot]) for word, lot in finds.lotted)
    finds.lotted = []


async def _scanned(connection: Connection, places: Places, count: Record, scope: Scope) -> list[Scanned]:
    """What handhelds scanned for a count. One without a zone counts for the only zone there is; one that names no
    goods, or a zone beyond the count, counts nothing."""
    site = places.site_by_id[count["site_id"]]
    rounds = await connection.fetch(SQL["rounds"], count["count_id"])
    rows = await connection.fetch(SQL["scans"], count["code"], site.site_id, scope.rounds[0], rounds[-1]["closed_at"])
    only = next(iter(scope.zones)) if len(scope.zones) == 1 else None
    found: list[Scanned] = []
    heaps: list[tuple[Record, int, str, int, str | None]] = []
    for row in rows:
        zone = site.real_zone(row["zone"] or "")
        zone_id = only if row["zone"] is None else zone and zone.zone_id
        if zone_id is None:
            continue
        if row["item_id"] is not None:
            read = Read(row["item_id"], zone_id, row["observed_at"], by_radio=False)
            found.append(Scanned(read, None, row["operator"]))
            continue
        try:
            code = parse_scan(row["code"])
        except ScanError:
            continue
        gtin = code.gtin or code.content_gtin
        if gtin is not None:
            heaps.append((row, zone_id, gtin, code.count or 1, code.lot or row["lot"]))
    goods = await goods_of(connection, {gtin for _, _, gtin, _, _ in heaps})
    for row, zone_id, gtin, count_each, lot in heaps:
        if gtin in goods:
            quantity = row["quantity"] * goods[gtin].quantity * count_each
            spot = f"scan {row['device']} {row['scan_id']}"
            word = Word(zone_id, goods[gtin].sku_id, None, SELLABLE, spot, row["observed_at"], quantity)
            found.append(Scanned(None, word, row["operator"], lot or None))
    return found


async def _near(connection: Connection, count: Record, finds: Finds, since: datetime) -> list[int]:
    """The things that were read, and all that could have been."""
    near = await connection.fetch(SQL["things_near"], count["zone_ids"], count["sku_ids"], since)
    return sorted({row["item_id"] for row in near} | {read.item_id for read in finds.reads})


async def _things(
    connection: Connection, count: Record, finds: Finds, since: datetime, ids: Sequence[int]
) -> dict[int, Thing]:
    """What the ledger says of things."""
    # what is older than this is one sum: a thing that left then lingers no more when the count begins
    earliest = min([since, *(read.at for read in finds.reads)]) - LINGER
    paths = _paths(await connection.fetch(SQL["thing_paths"], ids, earliest))
    return {
        row["item_id"]: Thing(
            row["item_id"],
            Goods(row["sku_id"], row["lot_id"], row["quantity"]),
            row["condition"],
            paths.get(row["item_id"], ()),
            row["seen_at"],
        )
        for row in await connection.fetch(SQL["thing_facts"], ids, count["count_id"])
    }


def _paths(rows: Iterable[Record]) -> dict[int, Sequence[tuple[datetime, int | None]]]:
    """For each thing from when on it stood where: the zone in which its postings add up to more than nothing."""
    held: defaultdict[int, defaultdict[int, int]] = defaultdict(lambda: defaultdict(int))
    paths: defaultdict[int, dict[datetime, int | None]] = defaultdict(dict)
    for row in rows:
        sums = held[row["item_id"]]
        sums[row["zone_id"]] += row["delta"]
        paths[row["item_id"]][row["at"]] = next((zone_id for zone_id, units in sums.items() if units > 0), None)
    return {item_id: list(path.items()) for item_id, path in paths.items()}


async def _heaps(connection: Connection, count: Record, since: datetime) -> list[Heap]:
    """What the ledger says of units in a count's zones from an instant on."""
    rows = await connection.fetch(SQL["heaps"], count["zone_ids"], count["sku_ids"])
    changes: defaultdict[int, list[tuple[datetime, int]]] = defaultdict(list)
    for row in await connection.fetch(SQL["heap_changes"], [row["balance_id"] for row in rows], since):
        changes[row["balance_id"]].append((row["at"], row["delta"]))
    heaps = []
    for row in rows:
        slot = Slot(row["zone_id"], row["sku_id"], row["lot_id"], row["condition"])
        moved = changes[row["balance_id"]]
        heaps.append(Heap(slot, row["units"] - sum(delta for _, delta in moved), moved))
    return heaps
