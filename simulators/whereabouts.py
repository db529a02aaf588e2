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

BEHIND_M: Final = 1.0
"""Whoever pushes a load walks so far behind its middle."""

SPEED_STEP_US: Final = 10_000
"""Velocities are differences over so long."""

KEPT_SNAPSHOTS: Final = 64
"""Readers ask for the same instants one after the other: a few seconds of inventory rounds."""

Numbers = NDArray[np.intp]


@dataclass(frozen=True)
class Frame:
    """How things stand from `from_us` on: site number and resting place of each tag, whether it lies by itself and not
    on a load, and the walks under way."""

    from_us: int
    site: NDArray[np.int16]
    xyz: NDArray[np.float64]
    loose: NDArray[np.bool_]
    walks: tuple[tuple[Track, Numbers], ...] = ()

    @cached_property
    def _present(self) -> dict[int, Numbers]:
        return {int(site): np.flatnonzero(self.site == site) for site in np.unique(self.site)}

    def present(self, site: int) -> Numbers:
        """Numbers of the tags at a site, its yard included."""
        return self._present.get(site, np.empty(0, np.intp))


@dataclass(frozen=True, slots=True)
class Snapshot:
    """An instant: the frame that holds then, positions and velocities of all tags (n, 3), and for each person on the
    way the site and the place seen from above."""

    frame: Frame
    xyz: NDArray[np.float64]
    velocity_m_s: NDArray[np.float64]
    body_site: NDArray[np.int16]
    bodies: NDArray[np.float64]


class Whereabouts:
    """The history of frames. Changes come in order of time."""

    def __init__(self, offsets_m: NDArray[np.float64], start_us: int) -> None:
        count = len(offsets_m)
        self._offsets = offsets_m
        self._frames = [Frame(start_us, np.full(count, ABSENT, np.int16), offsets_m.copy(), np.zeros(count, np.bool_))]
        self._at_rest = np.zeros((count, 3))
        self._times = [start_us]
        self._snapshots: OrderedDict[int, Snapshot] = OrderedDict()

    def put(
        self, tags: Sequence[int], site: int, at: Xy, at_us: int, *, height_m: float | None = None, bare: bool = False
    ) -> None:
        """Set tags down around `at`; whoever carried them carries them no more. `height_m` takes them off their load
        and lays them all so high; `bare` leaves them where they were on a load that is not there."""
        frame = self._frames[-1]
        rows = np.asarray(tags, np.intp)
        sites, xyz, loose = frame.site.copy(), frame.xyz.copy(), frame.loose
        if height_m is not None:
            self._offsets[rows] = (0.0, 0.0, height_m)
        if height_m is not None or bare:
            loose = loose.copy()
            loose[rows] = True
        sites[rows] = site
        xyz[rows] = self._offsets[rows] + (at[0], at[1], 0.0)
        self._add(Frame(at_us, sites, xyz, loose, self._without(rows)))

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

    def at(self, at_us: int) -> Snapshot:
        """How everything stands and moves at an instant."""
        known = self._snapshots.get(at_us)
        if known is not None:
            return known
        frame = self._frames[max(0, bisect_right(self._times, at_us) - 1)]
        snapshot = self._snapshots[at_us] = self._snapshot(frame, at_us)
        if len(self._snapshots) > KEPT_SNAPSHOTS:
            self._snapshots.popitem(last=False)
        return snapshot

    def _snapshot(self, frame: Frame, at_us: int) -> Snapshot:
        if not frame.walks:
            return Snapshot(frame, frame.xyz, self._at_rest, np.empty(0, np.int16), np.empty((0, 2)))
        xyz, velocity = frame.xyz.copy(), self._at_rest.copy()
        bodies = []
        for track, rows in frame.walks:
            at = track.at(at_us)
            speed = (track.at(at_us + SPEED_STEP_US) - at) / (SPEED_STEP_US / 1e6)
            xyz[rows, :2] = at + self._offsets[rows, :2]
            velocity[rows, :2] = speed
            bodies.append(at - BEHIND_M * speed / max(float(np.hypot(*speed)), 1e-9))
        sites = np.array([frame.site[rows[0]] for _, rows in frame.walks], np.int16)
        return Snapshot(frame, xyz, velocity, sites, np.array(bodies))

    def _without(self, rows: Numbers) -> tuple[tuple[Track, Numbers], ...]:
        """The walks under way, less those of any of these tags: a load is carried as a whole."""
        return tuple(walk for walk in self._frames[-1].walks if not np.isin(walk[1], rows).any())

    def _add(self, frame: Frame) -> None:
        self._frames.append(frame)
        self._times.append(frame.from_us)
        old = bisect_right(self._times, frame.from_us - HISTORY_US) - 1
        if old > 0:
            del self._frames[:old], self._times[:old]
