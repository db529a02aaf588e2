"""What the simulated readers saw of each tag: the evidence printed beside an item that ended in the wrong place.

It stands between the world and its readers and only listens; neither the gateways nor the backend can see it.
"""

from __future__ import annotations

from collections import Counter, deque
from typing import Final, NamedTuple

from readers.read import from_us
from simulators.sighting import Sightings, TagSource

KEPT_READS: Final = 40
"""The last reads of a tag that are kept: two crossings' worth at a busy door."""


class Sighting(NamedTuple):
    """One read, as the reader took it."""

    reader: str
    antenna: int
    rssi_dbm: float
    at_us: int

    def __str__(self) -> str:
        return f"{from_us(self.at_us):%H:%M:%S.%f} {self.reader}/{self.antenna} {self.rssi_dbm:.1f} dBm"


class EvidenceLog:
    """Reads by tag: how many by each antenna, and the last of them."""

    def __init__(self) -> None:
        self.reads = 0
        self._last: dict[bytes, deque[Sighting]] = {}
        self._counts: dict[bytes, Counter[str]] = {}

    def note(self, reader: str, sightings: Sightings) -> None:
        """Keep what one inventory of a reader saw."""
        self.reads += len(sightings.epcs)
        for epc, antenna, rssi_dbm, at_us in zip(
            sightings.epcs,
            sightings.antenna.tolist(),
            sightings.rssi_dbm.tolist(),
            sightings.at_us.tolist(),
            strict=True,
        ):
            self._last.setdefault(epc, deque(maxlen=KEPT_READS)).append(Sighting(reader, antenna, rssi_dbm, at_us))
            self._counts.setdefault(epc, Counter())[f"{reader}/{antenna}"] += 1

    def of(self, epc: bytes) -> dict[str, object]:
        """The tag's reads by antenna and the last of them, as the report shows it."""
        return {
            "reads_by_antenna": dict(self._counts.get(epc, Counter()).most_common()),
            "last_reads": [str(sighting) for sighting in self._last.get(epc, ())],
        }

    @property
    def tags(self) -> int:
        """How many tags were read at all."""
        return len(self._counts)


class Witnessed:
    """A TagSource that notes in an EvidenceLog what its source's readers saw."""

    def __init__(self, source: TagSource, log: EvidenceLog) -> None:
        self._source = source
        self._log = log

    def inventory(self, reader: str, antennas: frozenset[int], from_us: int, to_us: int) -> Sightings:
        """What the source says, noted."""
        sightings = self._source.inventory(reader, antennas, from_us, to_us)
        if sightings.epcs:
            self._log.note(reader, sightings)
        return sightings
