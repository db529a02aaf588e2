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
from readers.read import EpcTable, ReadBatch, ReaderEvent, ReaderState, Reads, empty_reads

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


def names() -> list[str]:
    """The readers, in the order of their numbers."""
    return [reader.name for reader in config().readers]


@dataclass(slots=True)
class _Columns:
    """Reads by parallel arrays."""

    tag: Ints
    reader: Ints
    port: Ints
    rssi_dbm: NDArray[np.float64]
    at_us: Ints


class BusySite:
    """`tags` of them in the zones, others beside the doors and on pallets."""

    def __init__(self, tags: int, seed: int) -> None:
        self.tags = tags
        self._chance = np.random.default_rng(seed)
        self._zone = self._chance.integers(0, ZONES, tags)
        self._owed_moves = 0.0

    @property
    def epcs(self) -> list[bytes]:
        """EPCs by tag number: those in zones, those beside doors, those on pallets (one set for all)."""
        return [number.to_bytes(12, "big") for number in range(0x30 << 88, (0x30 << 88) + self.total)]

    @property
    def total(self) -> int:
        """How many tags there are."""
        return self.tags + DOORS * STAGED + 2 * PALLET

    def ticks(self, seconds: float) -> Iterator[tuple[int, _Columns]]:
        """For each tick its end, and the reads in it, by time."""
        for end_us in range(START_US + TICK_US, START_US + round(seconds * 1e6) + 1, TICK_US):
            parts = [self._in_zones(end_us), self._staged(end_us), self._pallet(end_us)]
            joined = _Columns(*(np.concatenate([getattr(p, n) for p in parts]) for n in _Columns.__slots__))
            order = np.argsort(joined.at_us, kind="stable")
            yield end_us, _Columns(*(getattr(joined, name)[order] for name in _Columns.__slots__))

    def _times(self, count: int, end_us: int) -> Ints:
        return self._chance.integers(end_us - TICK_US, end_us, count)

    def _in_zones(self, end_us: int) -> _Columns:
        self._owed_moves += MOVES_HZ * TICK_US / 1e6
        movers = self._chance.integers(0, self.tags, int(self._owed_moves))
        self._owed_moves -= len(movers)
        self._zone[movers] = (self._zone[movers] + 1) % ZONES
        count = round(READS_HZ * (1 - DOORS * STAGED_SHARE) * TICK_US / 1e6)
        tag = self._chance.integers(0, self.tags, count)
        stray = self._chance.random(count) < STRAY
        zone = (self._zone[tag] + stray) % ZONES
        reader = zone * READERS_PER_ZONE + self._chance.integers(0, READERS_PER_ZONE, count)
        rssi_dbm = self._chance.normal(RSSI_DBM, RSSI_SPREAD_DB, count) - STRAY_DB * stray
        return _Columns(tag, reader, self._ports(count), rssi_dbm, self._times(count, end_us))

    def _ports(self, count: int) -> Ints:
        return self._chance.integers(1, PORTS + 1, count)

    def _staged(self, end_us: int) -> _Columns:
        """Tags beside the doors: on the in side, and now and then seen by the other."""
        count = round(READS_HZ * DOORS * STAGED_SHARE * TICK_US / 1e6)
        number = self._chance.integers(0, DOORS * STAGED, count)
        strays = self._chance.random(count) < STRAY
        port = self._chance.integers(1, PORTS // 2 + 1, count) + PORTS // 2 * strays
        rssi_dbm = self._chance.normal(RSSI_DBM - 8, RSSI_SPREAD_DB, count) - STRAY_DB * strays
        reader = ZONE_READERS + number // STAGED
        return _Columns(self.tags + number, reader, port, rssi_dbm, self._times(count, end_us))

    def _pallet(self, end_us: int) -> _Columns:
        """The pallet that passes a door now: two sets of tags take turns, each goes out and comes in again."""
        passage, since_us = divmod(end_us - START_US, PALLET_EVERY_US)
        count = int(self._chance.poisson(PALLET * PALLET_HZ * TICK_US / 1e6)) if since_us < PASSAGE_US else 0
        tag = self.tags + DOORS * STAGED + passage % 2 * PALLET + self._chance.integers(0, PALLET, count)
        goes_out = passage // 2 % 2 == 0
        way = (since_us / PASSAGE_US - 0.5) * (1 if goes_out else -1)
        outside = self._chance.random(count) < 1 / (1 + np.exp(-way * 20))
        port = self._chance.integers(1, PORTS // 2 + 1, count) + PORTS // 2 * outside
        rssi_dbm = self._chance.normal(RSSI_DBM - 8 * abs(way), RSSI_SPREAD_DB, count)
        reader = np.full(count, ZONE_READERS + passage % 2)
        return _Columns(tag, reader, port, rssi_dbm, self._times(count, end_us))
