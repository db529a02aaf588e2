"""Is a tag there? Our presence windows against fixed windows, SMURF, two-part windows and a two-state filter.

The worlds and the others stand in bench/cleaning.py. What runs for ours is gateway.presence.Presence as shipped, with
one epoch as one look and an accepted error of a half: the likelier of present and absent, as the others' outputs are.
It is told neither movement nor read rate; SMURF and the two-part windows are told the read rates, and of the fixed
windows and the filters the best one is picked for each cell, with the truth known.

Every figure is a mean over SEEDS and is counted as wrong tag-epochs in a thousand; false present and false absent are
told apart. Outputs are causal: an epoch is judged from reads up to it. The bounds: in every cell our errors are at most
1.10 times those of the best fixed window and 1.05 times those of SMURF.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial

import numpy as np

from bench.cleaning import (
    EPOCHS,
    HMM_RATES,
    HMM_SWITCH_EPOCHS,
    WINDOWS,
    Flags,
    Floats,
    Trial,
    fido,
    fixed_windows,
    pallet,
    smurf,
    static,
    trial,
    two_part,
    two_state_filters,
)
from bench.report import Case, line
from gateway.belief import HORIZON, LOOK_US
from gateway.config import Rules
from gateway.presence import Presence, ZoneSightings

SEEDS = (1, 2, 3, 4)
SPEEDS_FT = (0.25, 1.0, 2.0)
MAJOR_RATES = (0.8, 0.4)
WORST_AGAINST_WINDOW = 1.10
WORST_AGAINST_SMURF = 1.05
LIKELIER = Rules(absence_error=0.5, window_min_ms=100, window_max_ms=HORIZON * LOOK_US // 1000)
START_US = 1_700_000_000_000_000
UNIT = "wrong of 1,000 tag-epochs"

Path = Callable[[np.random.Generator], Floats]
"""Where tags are in each epoch, by chance."""


def cells() -> Iterator[tuple[str, list[Trial]]]:
    paths: dict[str, Path] = {"Fido 1-3 ft": fido}
    paths |= {f"Pallet {speed} ft": partial(pallet, speed) for speed in SPEEDS_FT}
    paths |= {"Static": static}
    for rate in MAJOR_RATES:
        for name, path in paths.items():
            yield f"{name}, {rate}", [_trial(path, rate, seed) for seed in SEEDS]


def _trial(path: Path, rate: float, seed: int) -> Trial:
    chance = np.random.default_rng(seed)
    return trial(path(chance), rate, chance)


def ours(read: Flags) -> Flags:
    """The shipped presence, a tag a row, an epoch a look: sighted at its beginning, judged at its end."""
    tags = np.arange(read.shape[1])
    presence = Presence(LIKELIER)
    presence.known.grow(len(tags))
    no_limit = np.full(len(tags), EPOCHS * LOOK_US)
    out = np.zeros_like(read)
    for epoch, seen in enumerate(read):
        rows = tags[seen]
        at_us = np.full(len(rows), START_US + epoch * LOOK_US)
        one = np.ones(len(rows), np.int64)
        sightings = ZoneSightings(rows, at_us, at_us, one, one, np.full(len(rows), -60.0, np.float32))
        presence.observe(rows, sightings, at_us, no_limit[seen])
        end_us = np.full(len(tags), START_US + (epoch + 1) * LOOK_US)
        out[epoch] = (presence.known["sightings"][tags] > 0) & (presence.silent_us(tags, end_us) < 0)
    return out


class Wrong:
    """Wrong tag-epochs in a thousand, over the seeds of a cell."""

    def __init__(self, trials: list[Trial], outputs: list[Flags]) -> None:
        self.present = 1000 * float(
            np.mean([(out & ~each.present).mean() for each, out in zip(trials, outputs, strict=True)])
        )
        self.absent = 1000 * float(
            np.mean([(~out & each.present).mean() for each, out in zip(trials, outputs, strict=True)])
        )

    @property
    def all(self) -> float:
        return self.present + self.absent


def best(trials: list[Trial], outputs: list[Iterator[Flags]]) -> tuple[int, Wrong]:
    """The choice with the least errors over all seeds of the cell, and its errors."""
    scored = [Wrong(trials, list(each)) for each in zip(*outputs, strict=True)]
    chosen = min(range(len(scored)), key=lambda number: scored[number].all)
    return chosen, scored[chosen]


def compared(name: str, trials: list[Trial]) -> list[Case]:
    mine = Wrong(trials, [ours(each.read) for each in trials])
    window, fixed = best(trials, [fixed_windows(each.read) for each in trials])
    chosen, filtered = best(trials, [two_state_filters(each.read) for each in trials])
    switch, rate = divmod(chosen, len(HMM_RATES))
    others = {
        f"best fixed window ({WINDOWS[window]})": (fixed, 1 / WORST_AGAINST_WINDOW),
        "SMURF": (Wrong(trials, [smurf(each) for each in trials]), 1 / WORST_AGAINST_SMURF),
        "two-part windows": (Wrong(trials, [two_part(each) for each in trials]), None),
        f"best two-state filter (1/{HMM_SWITCH_EPOCHS[switch]}, {HMM_RATES[rate]})": (filtered, None),
    }
    cases = [
        Case(f"{name}: ours, false present", mine.present, UNIT),
        Case(f"{name}: ours, false absent", mine.absent, UNIT),
    ]
    for method, (wrong, bound) in others.items():
        cases += [
            Case(f"{name}: {method}", wrong.all, UNIT, "ours", mine.all, bound),
            Case(f"{name}: {method}, false present", wrong.present, UNIT),
            Case(f"{name}: {method}, false absent", wrong.absent, UNIT),
        ]
    return cases


def main() -> None:
    print(line("smoothing", [case for name, trials in cells() for case in compared(name, trials)]))


if __name__ == "__main__":
    main()
