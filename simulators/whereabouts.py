"""Where every tag is, at any instant of the last minute: a history of frames, one for each time something was picked
up, set down, brought or taken away. Between two frames positions follow from straight walks alone, so the answer does
not depend on how often, or in which order, readers ask.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Final

import numpy as np
from numpy.typing import NDArray

from simulators.geometry import Track, Xy

ABSENT: Final = -1
"""The site number of a tag that is at no site: not made yet, on the road, or gone for good."""

HISTORY_US: Final = 60_000_000
"""A reader that lags more than this behind the world is told how things stood a minute ago."""

KEPT_SNAPSHOTS: Final = 64
"""Readers ask for the same instants one after the other: a few seconds of inventory rounds."""

Numbers = NDArray[np.intp]


@dataclass(frozen=True)
class Frame:
    """How things stand from `from_us` on: site number and resting place of each tag, and the walks under way."""

    from_us: int
    site: NDArray[np.int16]
    xyz: NDArray[np.float64]
    walks: tuple[tuple[Track, Numbers], ...] = ()

    @cached_property
    def _present(self) -> dict[int, Numbers]:
        return {int(site): np.flatnonzero(self.site == site) for site in np.unique(self.site)}

    def present(self, site: int) -> Numbers:
        """Numbers of the tags at a site, its yard included."""
        return self._present.get(site, np.empty(0, np.intp))


class Whereabouts:
    """The history of frames. Changes come in order of time."""

    def __init__(self, offsets_m: NDArray[np.float64], start_us: int) -> None:
        count = len(offsets_m)
        self._offsets = offsets_m
        self._frames = [Frame(start_us, np.full(count, ABSENT, np.int16), offsets_m.copy())]
        self._times = [start_us]
        self._snapshots: OrderedDict[int, tuple[Frame, NDArray[np.float64]]] = OrderedDict()

    def put(self, tags: Sequence[int], site: int, at: Xy, at_us: int, height_m: float | None = None) -> None:
        """Set tags down around `at`; whoever carried them carries them no more. `height_m` lays them all so high."""
        frame = self._frames[-1]
        rows = np.asarray(tags, np.intp)
        sites, xyz = frame.site.copy(), frame.xyz.copy()
        if height_m is not None:
            self._offsets[rows] = (0.0, 0.0, height_m)
        sites[rows] = site
        xyz[rows] = self._offsets[rows] + (at[0], at[1], 0.0)
        self._add(Frame(at_us, sites, xyz, self._without(rows)))

    def take_away(self, tags: Sequence[int], at_us: int) -> None:
        """Tags leave for somewhere that no reader sees."""
        frame = self._frames[-1]
        rows = np.asarray(tags, np.intp)
        sites = frame.site.copy()
        sites[rows] = ABSENT
        self._add(replace(frame, from_us=at_us, site=sites, walks=self._without(rows)))

    def carry(self, tags: Sequence[int], track: Track) -> None:
        """Tags move along `track` from its start on, at the offsets they have on their load."""
        rows = np.asarray(tags, np.intp)
        walks = (*self._without(rows), (track, rows))
        self._add(replace(self._frames[-1], from_us=track.start_us, walks=walks))

    def offset(self, tag: int) -> Xy:
        """Where a tag lies on its load, seen from above."""
        return float(self._offsets[tag, 0]), float(self._offsets[tag, 1])

    def at(self, at_us: int) -> tuple[Frame, NDArray[np.float64]]:
        """The frame that holds at an instant, and the positions (n, 3) of all tags then."""
        known = self._snapshots.get(at_us)
        if known is not None:
            return known
        frame = self._frames[max(0, bisect_right(self._times, at_us) - 1)]
        xyz = frame.xyz
        if frame.walks:
            xyz = xyz.copy()
            for track, rows in frame.walks:
                xyz[rows, :2] = track.at(at_us) + self._offsets[rows, :2]
        self._snapshots[at_us] = frame, xyz
        if len(self._snapshots) > KEPT_SNAPSHOTS:
            self._snapshots.popitem(last=False)
        return frame, xyz

    def _without(self, rows: Numbers) -> tuple[tuple[Track, Numbers], ...]:
        """The walks under way, less those of any of these tags: a load is carried as a whole."""
        return tuple(walk for walk in self._frames[-1].walks if not np.isin(walk[1], rows).any())

    def _add(self, frame: Frame) -> None:
        self._frames.append(frame)
        self._times.append(frame.from_us)
        old = bisect_right(self._times, frame.from_us - HISTORY_US) - 1
        if old > 0:
            del self._frames[:old], self._times[:old]
