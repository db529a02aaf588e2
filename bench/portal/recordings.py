"""Recordings of a door as matrices of levels, with their truth, and what never happened in them but may.

The dock-door recordings know one story: a trolley comes, crosses, leaves. So that a model does not learn that whatever
comes near crosses, two others are made from the same reads:

    turned back   each approach is played backwards from shortly before the door: nothing crosses
    parked        between crossings the trolley stays within a few metres: its last second this side of the door is
                  played to and fro

Both keep every tag's reads as they were, statics included.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from gateway.passage import Flags, Floats, Ints
from readers.read import EpcTable
from readers.recording import read_recording

BIN_US: Final = 250_000
PER_S: Final = 4
OUT_PORTS: Final = (3, 4)
DOUBTFUL: Final = {("xstart1", "029A")}
"""Labelled static, but it seems to have travelled with the trolley: neither right nor wrong in fitting."""

POSITIVE_S: Final = (0.25, 4.5)
UNSURE_S: Final = (-0.75, 6.5)
"""After a true crossing the answer is "crossed" from a quarter second on; shortly before and long after, no answer is
wrong. What is merely coming near has not crossed."""

EDGE_S: Final = 6.0


@dataclass(frozen=True, slots=True)
class Recording:
    """`levels_dbm` (tags, bins, 2), -inf where not read; `crossed_bin` (fractions) and `direction` of all `moving`;
    `rival_mw` (tags, bins + 1) the power at another door before each bin, where there is one."""

    name: str
    levels_dbm: Floats
    moving: Flags
    doubtful: Flags
    crossed_bin: NDArray[np.float64]
    direction: Ints
    edge_bins: float = 0.0
    rival_mw: Floats | None = None

    @property
    def bins(self) -> int:
        """Length in bins."""
        return int(self.levels_dbm.shape[1])

    def answers(self, now_bin: Ints, tag: Ints) -> NDArray[np.int8]:
        """(looks, 2 directions): 1 crossed just now, 0 not, -1 no answer is wrong."""
        answer = np.zeros((len(tag), 2), np.int8)
        for crossed, direction in zip(self.crossed_bin, self.direction, strict=True):
            after_s = (now_bin - crossed) / PER_S
            mine = self.moving[tag]
            right = (after_s >= POSITIVE_S[0]) & (after_s <= POSITIVE_S[1])
            unsure = (after_s > UNSURE_S[0]) & (after_s <= UNSURE_S[1]) & ~right
            answer[mine & right, direction] = 1
            answer[mine & unsure, direction] = -1
        answer[self.doubtful[tag]] = -1
        answer[(now_bin < self.edge_bins) | (now_bin > self.bins - self.edge_bins)] = -1
        return answer


def load_recording(data: Path, run: str) -> Recording:
    """A dock-door run with its labels and truth from `data` (`runs/`, `labels/`, `truth/`)."""
    epcs = EpcTable()
    reads = np.concatenate([batch.reads for batch in read_recording(data / "runs" / f"{run}.csv", epcs)])
    first_bin = int(reads["at_us"].min()) // BIN_US
    bins = int(reads["at_us"].max()) // BIN_US - first_bin + 1
    levels = np.full((len(epcs), bins, 2), -np.inf, np.float32)
    side = np.isin(reads["antenna"], OUT_PORTS).astype(np.int64)
    np.maximum.at(levels, (reads["epc"], reads["at_us"] // BIN_US - first_bin, side), reads["rssi_dbm"])
    (label,) = (data / "labels").glob("actual=moving*")
    moving = {line.strip().upper() for line in label.read_text(encoding="utf-8").splitlines()}
    names = [epcs.hex(number) for number in range(len(epcs))]
    with (data / "truth" / f"{run}.csv").open(encoding="utf-8") as lines:
        truth = [(datetime.fromisoformat(row["at"]).timestamp(), row["direction"]) for row in csv.DictReader(lines)]
    return Recording(
        name=run,
        levels_dbm=levels,
        moving=np.array([name in moving for name in names]),
        doubtful=np.array([(run, name[-4:]) in DOUBTFUL for name in names]),
        crossed_bin=np.array([at * 1e6 / BIN_US - first_bin for at, _ in truth]),
        direction=np.array([int(direction == "in") for _, direction in truth]),
        edge_bins=EDGE_S * PER_S if run == "xstart1" else 0.0,
    )


def turned_back(recording: Recording, direction: int, before_s: float) -> Recording:
    """Every approach in this direction, played backwards from `before_s` before the door."""
    pieces = []
    for approach in _approaches(recording, direction, before_s):
        pieces += [approach, approach[:, ::-1]]
    name = f"{recording.name} turned back {before_s} s before, direction {direction}"
    return _made(recording, name, pieces, [], [])


def stayed(recording: Recording, direction: int, before_s: float, stay_s: float, seed: int) -> Recording:
    """Every approach in this direction ends `before_s` before the door and stays there for about `stay_s`."""
    chance = np.random.default_rng(seed)
    near = _near(recording, direction, before_s)
    pieces: list[Floats] = []
    for approach in _approaches(recording, direction, before_s):
        pieces += [approach, *_wait(near, stay_s, chance), approach[:, ::-1]]
    name = f"{recording.name} stayed {before_s} s before, direction {direction}"
    return _made(recording, name, pieces, [], [])


def parked(recording: Recording, reach_s: float, stay_s: float, seed: int) -> Recording:
    """Crossings from `reach_s` before to `reach_s` after, with about `stay_s` near the door between them."""
    chance = np.random.default_rng(seed)
    reach = int(reach_s * PER_S)
    pieces: list[Floats] = []
    crossed, directions, length = [], [], 0
    for at, direction in zip(recording.crossed_bin, recording.direction, strict=True):
        centre = int(at)
        if centre < reach or centre + reach > recording.bins:
            continue
        passage = recording.levels_dbm[:, centre - reach : centre + reach]
        head, tail = passage[:, :PER_S], passage[:, -PER_S:]
        repeats = int(chance.uniform(0.5, 1.5) * stay_s / 2)
        parts = [head, head[:, ::-1]] * repeats + [passage] + [tail[:, ::-1], tail] * repeats
        crossed.append(length + 2 * PER_S * repeats + reach + at - centre)
        directions.append(int(direction))
        pieces += parts
        length += sum(part.shape[1] for part in parts)
    return _made(recording, f"{recording.name} parked {stay_s} s", pieces, crossed, directions)


def waited(recording: Recording, reach_s: float, stay_s: float, seed: int) -> Recording:
    """Crossings from `reach_s` before to `reach_s` after, with about `stay_s` near the door between them."""
    chance = np.random.default_rng(seed)
    near = [_near(recording, side, reach_s) for side in (0, 1)]
    reach = int(reach_s * PER_S)
    pieces: list[Floats] = []
    crossed, directions, length = [], [], 0
    for at, direction in zip(recording.crossed_bin, recording.direction, strict=True):
        centre = int(at)
        if centre < reach or centre + reach > recording.bins:
            continue
        before = _wait(near[direction], stay_s / 2, chance)
        passage = recording.levels_dbm[:, centre - reach : centre + reach]
        parts = [*before, passage, *_wait(near[1 - direction], stay_s / 2, chance)]
        crossed.append(length + sum(part.shape[1] for part in before) + reach + at - centre)
        directions.append(int(direction))
        pieces += parts
        length += sum(part.shape[1] for part in parts)
    return _made(recording, f"{recording.name} waited {stay_s} s", pieces, crossed, directions)


def _approaches(recording: Recording, direction: int, before_s: float) -> Iterator[Floats]:
    """The levels of every way to the door in this direction, up to `before_s` before it."""
    for number, crossed in enumerate(recording.crossed_bin):
        begin = (recording.crossed_bin[number - 1] + crossed) / 2 if number else crossed - 8 * PER_S
        span = slice(max(0, int(begin)), int(crossed - before_s * PER_S))
        if recording.direction[number] == direction and span.stop - span.start >= 2 * PER_S:
            yield recording.levels_dbm[:, span]


def _near(recording: Recording, side: int, reach_s: float) -> list[Floats]:
    """A second of every passage, when the trolley was `reach_s` from the door on this side (0: in)."""
    pieces = []
    for crossed, direction in zip(recording.crossed_bin, recording.direction, strict=True):
        centre = crossed + (reach_s if direction != side else -reach_s) * PER_S
        begin = round(centre - PER_S / 2)
        if begin >= 0 and begin + PER_S <= recording.bins:
            pieces.append(recording.levels_dbm[:, begin : begin + PER_S])
    return pieces


def _wait(near: Sequence[Floats], stay_s: float, chance: np.random.Generator) -> list[Floats]:
    """Seconds of `near`, drawn at random and played either way, as many as a wait of a quarter to seven quarters of
    `stay_s` has."""
    drawn = chance.integers(0, len(near), round(chance.uniform(0.25, 1.75) * stay_s))
    return [near[number][:, :: chance.choice((1, -1))] for number in drawn]


def _made(
    recording: Recording, name: str, pieces: list[Floats], crossed: list[float], directions: list[int]
) -> Recording:
    return replace(
        recording,
        name=name,
        levels_dbm=np.concatenate(pieces, axis=1),
        crossed_bin=np.array(crossed),
        direction=np.array(directions, np.int64),
        edge_bins=0.0,
        rival_mw=None,
    )
