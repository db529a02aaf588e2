"""Plane geometry of a warehouse floor: rectangles that are zones, doors in the dock wall, things that move in straight
legs. Metres; x along the dock wall, y away from it, so that y = 0 is the wall itself, y > 0 inside and y < 0 the yard.

Places follow from geometry alone: whoever asks where a thing was gets the answer of this file, never of a reader.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray

YARD: Final = "yard"
"""The place of everything outside the dock wall (y < 0)."""

AISLE: Final = "aisle"
"""The place of a point inside that lies in no zone."""

BODY_DB: Final = 9.0
BODY_M: Final = 0.3
"""What a person in the middle of a ray takes from it one way, and how far beside it that has fallen to a third."""

Xy = tuple[float, float]
Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Area:
    """A zone's rectangle, half open: its left and lower edges belong to it."""

    code: str
    left: float
    lower: float
    right: float
    upper: float

    def holds(self, at: Xy) -> bool:
        """Whether the point lies in it."""
        return self.left <= at[0] < self.right and self.lower <= at[1] < self.upper


@dataclass(frozen=True, slots=True)
class Doorway:
    """An opening in the dock wall, centred at `x`."""

    code: str
    x: float
    width_m: float


@dataclass(frozen=True, slots=True)
class Passage:
    """One thing came from one place into another at `at_us`; through a door when it passed the dock wall."""

    at_us: int
    before: str
    after: str
    door: str | None = None
    direction: Literal["in", "out"] | None = None


@dataclass(frozen=True, slots=True)
class Track:
    """A walk along waypoints at given times, standing still before the first and after the last."""

    at_us: NDArray[np.int64]
    xy: Floats

    @property
    def start_us(self) -> int:
        """When the walk begins."""
        return int(self.at_us[0])

    @property
    def end_us(self) -> int:
        """When the walk ends."""
        return int(self.at_us[-1])

    def at(self, at_us: int) -> Floats:
        """Where it is, as an array (x, y)."""
        x = np.interp(at_us, self.at_us, self.xy[:, 0])
        y = np.interp(at_us, self.at_us, self.xy[:, 1])
        return np.array((x, y))


def walk(points: Sequence[Xy], start_us: int, speeds_m_s: Sequence[float]) -> Track:
    """The track through `points`, one speed for each leg. Legs of no length take no time and are left out."""
    kept, times = [points[0]], [start_us]
    for point, speed in zip(points[1:], speeds_m_s, strict=True):
        length_m = float(np.hypot(point[0] - kept[-1][0], point[1] - kept[-1][1]))
        took_us = round(length_m / speed * 1e6)
        if took_us > 0:
            kept.append(point)
            times.append(times[-1] + took_us)
    return Track(np.array(times, np.int64), np.array(kept, np.float64))


@dataclass(frozen=True, slots=True)
class Floor:
    """Zones and doors of one site's ground plan."""

    areas: tuple[Area, ...]
    doors: tuple[Doorway, ...]

    def place(self, at: Xy) -> str:
        """The zone of a point, YARD outside the wall, AISLE inside but in no zone."""
        if at[1] < 0:
            return YARD
        return next((area.code for area in self.areas if area.holds(at)), AISLE)

    def door_at(self, x: float) -> Doorway | None:
        """The door whose opening holds this point of the dock wall."""
        return next((door for door in self.doors if abs(x - door.x) <= door.width_m / 2), None)

    def passages(self, track: Track, offset: Xy) -> list[Passage]:
        """Every change of place of a thing carried along `track` at `offset` from its centre, in order of time.

        Exact for straight legs. Through the dock wall beside a door the passage has no door: scenarios are checked
        for that by the caller.
        """
        found: list[Passage] = []
        points = track.xy + np.array(offset)
        last: str | None = None
        for leg in range(len(points) - 1):
            start, end = (float(points[leg][0]), float(points[leg][1])), points[leg + 1]
            step = (float(end[0]) - start[0], float(end[1]) - start[1])
            cuts = [0.0, *self._cuts(start, step), 1.0]
            for cut, until in pairwise(cuts):
                place = self.place(_along(start, step, (cut + until) / 2))
                if last is not None and place != last:
                    at_us = int(track.at_us[leg]) + round(cut * int(track.at_us[leg + 1] - track.at_us[leg]))
                    found.append(self._passage(at_us, last, place, _along(start, step, cut)[0]))
                last = place
        return found

    def _passage(self, at_us: int, before: str, after: str, x: float) -> Passage:
        if YARD not in (before, after):
            return Passage(at_us, before, after)
        door = self.door_at(x)
        return Passage(at_us, before, after, door.code if door else None, "out" if after == YARD else "in")

    def _cuts(self, start: Xy, step: Xy) -> list[float]:
        """Where, as fractions of a leg, it meets an edge of any zone or the dock wall."""
        edges_x = {edge for area in self.areas for edge in (area.left, area.right)}
        edges_y = {edge for area in self.areas for edge in (area.lower, area.upper)} | {0.0}
        cuts = [(edge - start[0]) / step[0] for edge in edges_x if step[0]]
        cuts += [(edge - start[1]) / step[1] for edge in edges_y if step[1]]
        return sorted({cut for cut in cuts if 0.0 < cut < 1.0})


def _along(start: Xy, step: Xy, fraction: float) -> Xy:
    return start[0] + fraction * step[0], start[1] + fraction * step[1]


def wall_losses_db(source: Floats, targets: Floats, walls: Floats) -> Floats:
    """What walls take from the straight line between `source` (x, y) and each of `targets` (n, 2).

    `walls` is (w, 5): both ends of each wall and its loss in dB. A wall counts when the lines cross, seen from above.
    """
    if not len(walls):
        return np.zeros(len(targets))
    foot, along = walls[:, 0:2], walls[:, 2:4] - walls[:, 0:2]
    ray = targets - source
    to_foot = foot - source
    # Two lines cross where each parts the ends of the other: the usual cross products, for all pairs at once.
    cross = ray[:, 0:1] * along[:, 1] - ray[:, 1:2] * along[:, 0]
    with np.errstate(divide="ignore", invalid="ignore"):
        on_ray = (to_foot[:, 0] * along[:, 1] - to_foot[:, 1] * along[:, 0]) / cross
        on_wall = (to_foot[:, 0] * ray[:, 1:2] - to_foot[:, 1] * ray[:, 0:1]) / cross
    hit = (on_ray > 0) & (on_ray < 1) & (on_wall >= 0) & (on_wall <= 1)
    losses: Floats = np.einsum("ij,j->i", hit, walls[:, 4])
    return losses


def body_losses_db(source: Floats, targets: Floats, bodies: Floats) -> Floats:
    """What people at `bodies` (b, 2) take, one way, from the line between `source` and each of `targets` (n, 2)."""
    if not len(bodies):
        return np.zeros(len(targets))
    ray = targets - source
    to_body = bodies - source
    length2 = np.maximum(np.einsum("ij,ij->i", ray, ray), 1e-9)
    along = (ray @ to_body.T) / length2[:, None]
    aside2 = np.maximum((to_body**2).sum(axis=1)[None, :] - along**2 * length2[:, None], 0.0)
    between = (along > 0) & (along < 1)
    losses: Floats = (BODY_DB * between * np.exp(-aside2 / BODY_M**2)).sum(axis=1)
    return losses
