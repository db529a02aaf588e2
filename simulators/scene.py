"""What happens, in order of time: processes that take turns, the walks they begin, the scans they make.

A process is a generator that yields the instants at which it wants to go on; what it does between two of them takes
no time. All chance is drawn in this order, so a run depends on the seed and on when `quiet` was set, and on nothing
else: not on how far each call lets it run.
"""

from __future__ import annotations

import heapq
from collections.abc import Generator, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from simulators.dock import Dock
from simulators.geometry import Floor, Track, Xy, walk
from simulators.goods import Goods
from simulators.scenario import Flow, Span
from simulators.truth import IN_TRANSIT, Truth
from simulators.whereabouts import Whereabouts
from wire.ack import ScanRequest

Process = Generator[int, None, None]

SPEED_SPREAD: Final = 0.05
"""People do not keep their pace exactly: standard deviation from leg to leg, as a part of the speed."""


@dataclass(frozen=True, slots=True)
class HandheldScan:
    """A scan that a person makes, and with which device."""

    site: str
    device: str
    request: ScanRequest


class Scene:
    """The clock of the world, and everything that its processes share."""

    def __init__(
        self, flow: Flow, goods: Goods, chance: np.random.Generator, start_us: int, dock: Dock | None = None
    ) -> None:
        self.flow = flow
        self.dock = dock
        """Where there is one, loads cross doors under papers."""
        self.goods = goods
        self.whereabouts = Whereabouts(goods.offsets_m, start_us)
        self.truth = Truth(goods.tags)
        self.chance = chance
        self.start_us = start_us
        self.now_us = start_us
        self.quiet = False
        self.scans: list[HandheldScan] = []
        self._waiting: list[tuple[int, int, Process]] = []
        self._spawned = 0

    def spawn(self, process: Process, at_us: int) -> None:
        """Let a process begin at an instant."""
        self._spawned += 1
        heapq.heappush(self._waiting, (at_us, self._spawned, process))

    def run(self, to_us: int) -> None:
        """Let everything happen that happens up to and including an instant."""
        while self._waiting and self._waiting[0][0] <= to_us:
            self.now_us, number, process = heapq.heappop(self._waiting)
            again_us = next(process, None)
            if again_us is not None:
                heapq.heappush(self._waiting, (max(again_us, self.now_us), number, process))
        self.now_us = max(self.now_us, to_us)

    @property
    def still(self) -> bool:
        """Whether no process is left that could move anything."""
        return not self._waiting

    def after(self, span_s: Span) -> int:
        """An instant a random time of `span_s` from now."""
        return self.now_us + round(self.chance.uniform(*span_s) * 1e6)

    def near(self, at: Xy) -> Xy:
        """A point that a person who aims at `at` walks through."""
        x, y = self.chance.normal(0.0, self.flow.jitter_m, 2).tolist()
        return at[0] + x, at[1] + y

    def carry(
        self, tags: Sequence[int], site: str, floor: Floor, points: Sequence[Xy], outside: str = IN_TRANSIT
    ) -> Track:
        """Begin to carry tags through `points`; the truth learns at once what they will pass and when, and that what
        goes out goes to `outside`."""
        pace = self.chance.uniform(*self.flow.speed_m_s)
        way = [points[0], *map(self.near, points[1:-1]), points[-1]]
        speeds = pace * np.clip(self.chance.normal(1.0, SPEED_SPREAD, len(way) - 1), 0.8, 1.2)
        track = walk(way, self.now_us, speeds.tolist())
        self.whereabouts.carry(tags, track)
        for tag in tags:
            for passage in floor.passages(track, self.whereabouts.offset(tag)):
                self.truth.passed(tag, site, passage, outside)
        return track
