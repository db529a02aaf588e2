"""A recording served again: every read of a file once, through a simulated reader, at the pace it was recorded.

The recording runs like a tape while the reader inventories and stops while it does not, so a reader that connects
late or loses its client for a while still serves each read exactly once; after a stop the tape's later reads come so
much later. Times are today's: the tape's own, moved to when the reader asks.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

import numpy as np

from readers.errors import RecordingError
from readers.read import EpcTable
from readers.recording import read_recording
from simulators.catalog_files import opening_csv
from simulators.errors import UnknownReaderError
from simulators.scenario import Scenario
from simulators.sighting import Sightings, no_sightings
from simulators.truth import SELLABLE

LEAD_US: Final = 1
"""The first read lies so far into the tape: slices are open at their beginning."""


class RecordedSource:
    """A TagSource that plays one recording to one reader. Raises RecordingError for a file it cannot read.

    `recorded_as` plays only the reads of that reader of the recording; without it all are one reader's.
    """

    def __init__(self, path: Path, reader: str, recorded_as: str | None = None) -> None:
        epcs = EpcTable()
        batches = [batch for batch in read_recording(path, epcs) if recorded_as in (None, batch.reader)]
        if not batches:
            raise RecordingError(f"{path}: holds no read")
        reads = np.concatenate([batch.reads for batch in batches])
        self._reads = reads[np.argsort(reads["at_us"], kind="stable")]
        self._tape_us = self._reads["at_us"] - self._reads["at_us"][0] + LEAD_US
        seen, firsts = np.unique(self._reads["epc"], return_index=True)
        self._seen: list[int] = seen[np.argsort(firsts)].tolist()
        self._epc_of = [epcs.epc(number) for number in range(len(epcs))]
        self._reader = reader
        self._played_us = 0
        self.served = 0

    @property
    def epcs(self) -> list[bytes]:
        """Every EPC of the recording, in the order of its first read."""
        return [self._epc_of[number] for number in self._seen]

    @property
    def antennas(self) -> frozenset[int]:
        """The ports it was recorded through."""
        return frozenset(np.unique(self._reads["antenna"]).tolist())

    @property
    def count(self) -> int:
        """How many reads the recording holds."""
        return len(self._reads)

    @property
    def length_us(self) -> int:
        """From its first read to its last."""
        return int(self._tape_us[-1]) - LEAD_US

    @property
    def finished(self) -> bool:
        """Whether the tape has run out: every read through an antenna that was on has been served."""
        return self._played_us >= int(self._tape_us[-1])

    def inventory(self, reader: str, antennas: frozenset[int], from_us: int, to_us: int) -> Sightings:
        """The next `to_us - from_us` of the tape, as if it were seen in (from_us, to_us].

        Reads through ports that are not among `antennas` pass unseen. Raises UnknownReaderError for another reader.
        """
        if reader != self._reader:
            raise UnknownReaderError(f"no reader {reader!r}: the recording is served by {self._reader!r}")
        begin_us, self._played_us = self._played_us, self._played_us + to_us - from_us
        first, last = np.searchsorted(self._tape_us, (begin_us, self._played_us), side="right")
        part, tape_us = self._reads[first:last], self._tape_us[first:last]
        on = np.isin(part["antenna"], list(antennas))
        part, tape_us = part[on], tape_us[on]
        if not len(part):
            return no_sightings()
        self.served += len(part)
        return Sightings(
            epcs=[self._epc_of[number] for number in part["epc"].tolist()],
            antenna=part["antenna"].copy(),
            rssi_dbm=part["rssi_dbm"].copy(),
            at_us=tape_us + (from_us - begin_us),
            phase_rad=None if np.isnan(part["phase_rad"]).all() else part["phase_rad"].copy(),
        )


def registered(source: RecordedSource, scenario: Scenario) -> str:
    """Opening stock as a CSV file: every tag of the recording is one of the scenario's first product, inside its first
    site's door."""
    site, product = scenario.sites[0], scenario.products[0]
    zone = scenario.plan_of(site).doors[0].inside_zone
    lot = (product.sku, product.lots[0], product.expires_on[0] if product.expires_on else None)
    return opening_csv((site.code, zone, *lot, SELLABLE, product.quantity, epc.hex().upper()) for epc in source.epcs)
