"""One gateway's busy site, as reads: what its readers report, tick by tick, made before anything is timed.

    zones   8, each watched by 2 readers with 4 antennas; every tag stands in one, and 7 of 100 reads come from the
            next zone's antennas, 12 dB weaker
    doors   2, each with a reader of 2 antennas a side; beside each 60 tags stand for good and take 2 of 100 reads,
            and every 8 s a pallet of 40 tags passes one, in or out in turn
    moves   10 tags a second go to the next zone

Reads fall evenly on the tags of the zones. Reports hold 50 tags, as every reader fills them.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from gateway.config import GatewayConfig
from gs1.epc import encode_sgtin96
from readers.read import ReadBatch, ReaderEvent, ReaderState, Reads, empty_reads
from simulators.llrp.report import report_frame

ZONES: Final = 8
READERS_PER_ZONE: Final = 2
PORTS: Final = 4
DOORS: Final = 2
ZONE_READERS: Final = ZONES * READERS_PER_ZONE
READERS: Final = ZONE_READERS + DOORS

READS_HZ: Final = 20_000
TICK_US: Final = 50_000
TAGS_PER_REPORT: Final = 50
MOVES_HZ: Final = 10.0

STRAY: Final = 0.07
STRAY_DB: Final = 12.0
RSSI_DBM, RSSI_SPREAD_DB = -58.0, 4.0

STAGED: Final = 60
STAGED_SHARE: Final = 0.02
PALLET: Final = 40
PALLET_EVERY_US: Final = 8_000_000
PASSAGE_US: Final = 6_000_000
PALLET_HZ: Final = 4.0
"""Reads a second of each tag on a pallet while it passes."""

SHARPNESS: Final = 20.0
"""How suddenly a pallet changes sides: within about a fifth of its passage."""
BESIDE_DB: Final = 8.0
"""A tag beside the door, or on a pallet before and after it, is read weaker by this much."""

GTIN: Final = "09506000134352"
COMPANY_PREFIX_DIGITS: Final = 11
START_US: Final = 1_700_000_000_000_000
Ints = NDArray[np.int64]


def config() -> GatewayConfig:
    """The site as gateway.toml would have it."""
    zones = [f"Z{number}" for number in range(ZONES)]
    readers: list[dict[str, Any]] = [
        {
            "name": f"zone-reader-{number}",
            "address": "127.0.0.1",
            "antennas": [{"port": port, "zone": zones[number // READERS_PER_ZONE]} for port in range(1, PORTS + 1)],
        }
        for number in range(ZONE_READERS)
    ]
    readers += [
        {
            "name": f"door-reader-{number}",
            "address": "127.0.0.1",
            "antennas": [
                {"port": port, "portal": f"D{number}", "side": "in" if port <= PORTS // 2 else "out"}
                for port in range(1, PORTS + 1)
            ],
        }
        for number in range(DOORS)
    ]
    return GatewayConfig.model_validate(
        {
            "site": "BUSY",
            "gateway": "busy-gateway",
            "zones": [{"code": zone} for zone in zones],
            "portals": [{"code": f"D{number}", "inside_zone": zones[number]} for number in range(DOORS)],
            "readers": readers,
        }
    )


NAMES: Final = tuple(reader.name for reader in config().readers)
"""The readers, in the order of their numbers."""


@dataclass(frozen=True, slots=True)
class Seen:
    """Reads by parallel arrays: numbers of tags and readers, ports, dBm, microseconds."""

    tag: Ints
    reader: Ints
    port: Ints
    rssi_dbm: NDArray[np.float64]
    at_us: Ints

    def take(self, chosen: NDArray[Any] | slice) -> Seen:
        """The chosen ones."""
        return Seen(*(getattr(self, name)[chosen] for name in Seen.__slots__))


def joined(parts: list[Seen]) -> Seen:
    """All parts, one after the other."""
    return Seen(*(np.concatenate([getattr(part, name) for part in parts]) for name in Seen.__slots__))


@dataclass(frozen=True, slots=True)
class Report:
    """What one reader sends at once."""

    reader: str
    seen: Seen

    def batch(self, numbers: NDArray[np.uint32], received_at_us: int) -> ReadBatch:
        """As a driver delivers it; `numbers` are those of the EPCs, by tag."""
        reads = empty_reads(len(self.seen.tag))
        reads["epc"] = numbers[self.seen.tag]
        reads["antenna"] = self.seen.port
        reads["rssi_dbm"] = self.seen.rssi_dbm
        reads["first_at_us"] = reads["at_us"] = self.seen.at_us
        return ReadBatch(self.reader, reads, received_at_us)

    def frame(self, epcs: NDArray[np.bytes_]) -> bytes:
        """As RO_ACCESS_REPORT."""
        records = np.repeat(RECORD, len(self.seen.tag))
        records["epc"] = epcs[self.seen.tag]
        records["antenna"] = self.seen.port
        records["rssi"] = np.rint(self.seen.rssi_dbm)
        records["first"] = records["last"] = self.seen.at_us
        return report_frame([records.tobytes()], 1)


def _record() -> Reads:
    """One TagReportData as a common reader sends it: EPC-96, antenna, RSSI, first and last time, count."""
    values = [("epc", "S12"), ("antenna", ">u2"), ("rssi", "i1"), ("first", ">u8"), ("last", ">u8"), ("count", ">u2")]
    kinds = (13, 1, 6, 2, 4, 8)
    parts = [("type", ">u2"), ("length", ">u2")]
    for (name, form), kind in zip(values, kinds, strict=True):
        parts += [(f"kind_{kind}", "u1"), (name, form)]
    record = np.zeros(1, np.dtype(parts))
    record["type"], record["length"], record["count"] = 240, record.dtype.itemsize, 1
    for kind in kinds:
        record[f"kind_{kind}"] = 0x80 | kind
    return record


RECORD: Final = _record()


class BusySite:
    """`tags` of them in the zones, others beside the doors and on pallets."""

    def __init__(self, tags: int, seed: int) -> None:
        self.tags = tags
        self._chance = np.random.default_rng(seed)
        self._zone = self._chance.integers(0, ZONES, tags)
        self._owed_moves = 0.0
        self.now_us = START_US
        self._waiting: list[Seen | None] = [None] * READERS

    def epcs(self) -> list[bytes]:
        """EPCs by tag number, as a company that numbers its goods has them."""
        count = self.tags + DOORS * (STAGED + PALLET)
        return [encode_sgtin96(GTIN, serial, COMPANY_PREFIX_DIGITS, 1) for serial in range(1, count + 1)]

    def begin(self) -> list[ReaderEvent]:
        """All readers inventory."""
        ports = frozenset(range(1, PORTS + 1))
        return [ReaderState(name, ports, START_US) for name in NAMES]

    def ticks(self, seconds: float) -> Iterator[tuple[int, list[Report]]]:
        """The next seconds: for each tick its end, and the reports that came in it."""
        for _ in range(round(seconds * 1e6 / TICK_US)):
            self.now_us += TICK_US
            seen = joined([self._in_zones(), self._staged(), self._pallet()])
            seen = seen.take(np.lexsort((seen.at_us, seen.reader)))
            edges = np.searchsorted(seen.reader, np.arange(READERS + 1)).tolist()
            reports = []
            for reader in range(READERS):
                waiting, new = self._waiting[reader], seen.take(slice(edges[reader], edges[reader + 1]))
                together = new if waiting is None else joined([waiting, new])
                full = len(together.tag) // TAGS_PER_REPORT * TAGS_PER_REPORT
                for at in range(0, full, TAGS_PER_REPORT):
                    reports.append(Report(NAMES[reader], together.take(slice(at, at + TAGS_PER_REPORT))))
                self._waiting[reader] = together.take(slice(full, None))
            yield self.now_us, reports

    def _times(self, count: int) -> Ints:
        return self._chance.integers(self.now_us - TICK_US, self.now_us, count)

    def _levels(self, count: int, weaker_db: Any) -> NDArray[np.float64]:
        levels: NDArray[np.float64] = self._chance.normal(RSSI_DBM, RSSI_SPREAD_DB, count) - weaker_db
        return levels

    def _in_zones(self) -> Seen:
        self._owed_moves += MOVES_HZ * TICK_US / 1e6
        movers = self._chance.integers(0, self.tags, int(self._owed_moves))
        self._owed_moves -= len(movers)
        self._zone[movers] = (self._zone[movers] + 1) % ZONES
        count = round(READS_HZ * (1 - DOORS * STAGED_SHARE) * TICK_US / 1e6)
        tag = self._chance.integers(0, self.tags, count)
        stray = self._chance.random(count) < STRAY
        zone = (self._zone[tag] + stray) % ZONES
        reader = zone * READERS_PER_ZONE + self._chance.integers(0, READERS_PER_ZONE, count)
        port = self._chance.integers(1, PORTS + 1, count)
        return Seen(tag, reader, port, self._levels(count, STRAY_DB * stray), self._times(count))

    def _staged(self) -> Seen:
        """Tags beside the doors: on the in side, and now and then seen by the other."""
        count = round(READS_HZ * DOORS * STAGED_SHARE * TICK_US / 1e6)
        number = self._chance.integers(0, DOORS * STAGED, count)
        stray = self._chance.random(count) < STRAY
        port = self._chance.integers(1, PORTS // 2 + 1, count) + PORTS // 2 * stray
        levels = self._levels(count, BESIDE_DB + STRAY_DB * stray)
        return Seen(self.tags + number, ZONE_READERS + number // STAGED, port, levels, self._times(count))

    def _pallet(self) -> Seen:
        """The pallet that passes a door now: each door has one, which goes out and comes in again."""
        passage, since_us = divmod(self.now_us - START_US, PALLET_EVERY_US)
        door, is_out = passage % DOORS, passage // DOORS % 2 == 0
        count = int(self._chance.poisson(PALLET * PALLET_HZ * TICK_US / 1e6)) if since_us < PASSAGE_US else 0
        tag = self.tags + DOORS * STAGED + door * PALLET + self._chance.integers(0, PALLET, count)
        way = (since_us / PASSAGE_US - 0.5) * (1 if is_out else -1)
        outside = self._chance.random(count) < 1 / (1 + np.exp(-SHARPNESS * way))
        port = self._chance.integers(1, PORTS // 2 + 1, count) + PORTS // 2 * outside
        return Seen(
            tag,
            np.full(count, ZONE_READERS + door),
            port,
            self._levels(count, BESIDE_DB * abs(way)),
            self._times(count),
        )
