"""Tags that hop between two zones as fast as the gateway's judgement allows: many movements from few reads.

Each tag stays STAY_US in a zone and is read at READS_US after it came: enough sightings for the new zone to lead, and
one more after the lead has settled. The truth is a function of time, so a test can ask where a tag is at any instant.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from gs1.epc import encode_sgtin96
from simulators.sighting import Sightings, no_sightings

GTIN = "09506000134352"
COMPANY_PREFIX_DIGITS = 11

STAY_US = 4_500_000
READS_US = np.array([0, 600_000, 1_200_000, 2_900_000])
RSSI_DBM = -52.0


class HoppingTags:
    """A TagSource: tag i is in zone (hops of i so far) mod 2, seen by antenna 1 or 2. `freeze` ends the hopping: every
    tag stays where it is, and goes on being read."""

    def __init__(self, tags: int) -> None:
        self.epcs = [encode_sgtin96(GTIN, serial, COMPANY_PREFIX_DIGITS, 1) for serial in range(1, tags + 1)]
        self._offset_us = np.linspace(0, STAY_US, tags, endpoint=False).astype(np.int64)
        self._frozen_at_us: int | None = None

    def freeze(self, at_us: int) -> None:
        """From now on nobody moves."""
        self._frozen_at_us = at_us

    def zones(self, at_us: int) -> NDArray[np.int64]:
        """The zone (0 or 1) of each tag at this instant."""
        at_us = at_us if self._frozen_at_us is None else min(at_us, self._frozen_at_us)
        return (at_us + self._offset_us) // STAY_US % 2

    def inventory(self, reader: str, antennas: frozenset[int], from_us: int, to_us: int) -> Sightings:
        """What the antennas saw in (from_us, to_us]: each tag at its READS_US after each hop."""
        tags, times = [], []
        for after_us in READS_US:
            # A tag is read at every instant t with (t + offset - after) divisible by STAY_US.
            first = -(-(from_us + 1 + self._offset_us - after_us) // STAY_US)
            at_us = first * STAY_US + after_us - self._offset_us
            seen = np.flatnonzero(at_us <= to_us)
            tags.append(seen)
            times.append(at_us[seen])
        tag, at_us = np.concatenate(tags), np.concatenate(times)
        if not len(tag):
            return no_sightings()
        order = np.argsort(at_us, kind="stable")
        tag, at_us = tag[order], at_us[order]
        stay_us = at_us if self._frozen_at_us is None else np.minimum(at_us, self._frozen_at_us)
        antenna = ((stay_us + self._offset_us[tag]) // STAY_US % 2 + 1).astype(np.uint16)
        looked = np.isin(antenna, list(antennas))
        tag, at_us, antenna = tag[looked], at_us[looked], antenna[looked]
        rssi_dbm = np.full(len(tag), RSSI_DBM, np.float32)
        return Sightings([self.epcs[index] for index in tag], antenna, rssi_dbm, at_us)
