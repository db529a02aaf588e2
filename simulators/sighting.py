"""What a simulated reader's antennas see: the seam between a world (or a recording) and the reader that serves it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class Sightings:
    """Single inventories of tags by one reader: parallel columns, sorted by `at_us`.

    `antenna` is the 1-based port; `at_us` microseconds since 1970 UTC; `phase_rad` and `doppler_hz` are
    None where the world has none.
    """

    epcs: list[bytes]
    antenna: NDArray[np.uint16]
    rssi_dbm: NDArray[np.float32]
    at_us: NDArray[np.int64]
    phase_rad: NDArray[np.float32] | None = None
    doppler_hz: NDArray[np.float32] | None = None

    def __post_init__(self) -> None:
        lengths = {len(self.epcs), len(self.antenna), len(self.rssi_dbm), len(self.at_us)}
        lengths |= {len(column) for column in (self.phase_rad, self.doppler_hz) if column is not None}
        if len(lengths) != 1:
            raise ValueError(f"the columns of sightings differ in length: {sorted(lengths)}")

    def __len__(self) -> int:
        return len(self.epcs)


def no_sightings() -> Sightings:
    """Nothing was seen."""
    return Sightings([], np.empty(0, np.uint16), np.empty(0, np.float32), np.empty(0, np.int64))


class TagSource(Protocol):
    """Where a simulated reader's sightings come from. One source may serve many readers, told apart by name."""

    def inventory(self, reader: str, antennas: frozenset[int], from_us: int, to_us: int) -> Sightings:
        """What `reader` saw through `antennas` in (from_us, to_us].

        Called in turn for each inventory slice while the reader inventories; slices of one reader never overlap and
        never go back. Time in which the reader did not inventory is never asked for.
        """
