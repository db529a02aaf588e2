"""Simulated tags in front of one antenna, and the ways to clean their reads that ours is held against.

The set-up follows Jeffery, Garofalakis and Franklin (VLDB 2006) as far as it is known: 25 tags, 3,000 epochs, one trial
an epoch; a read range of 20 ft, of which the first 80 % have the full read rate and the rest falls linearly to nothing.
Tags move on a line from the antenna to 25 ft and back. `Pallet`: all together at a steady speed. `Fido`: each by
itself, resting or moving at 1 to 3 ft an epoch, changing about every 100 epochs. `Static`: each stays, within range.
A tag is present when it is within range. All arrays are (epochs, tags).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Flags = NDArray[np.bool_]
Floats = NDArray[np.float64]

TAGS, EPOCHS = 25, 3000
RANGE_FT, MAJOR_FT, END_FT = 20.0, 16.0, 25.0
FIDO_FT, FIDO_EPOCHS = (1.0, 3.0), 100
DELTA = 0.05
WINDOWS = range(1, 41)
HMM_SWITCH_EPOCHS = (10, 20, 30, 50, 70, 100)
HMM_RATES = (0.2, 0.3, 0.4, 0.5, 0.6, 0.7)
HMM_STRAY = 0.002


@dataclass(frozen=True, slots=True)
class Trial:
    """One cell of the table with one seed: when tags were within range, read, and how likely a read was."""

    present: Flags
    read: Flags
    rate: Floats


def _between_ends(path_ft: Floats) -> Floats:
    there = path_ft % (2 * END_FT)
    return np.where(there > END_FT, 2 * END_FT - there, there)


def pallet(speed_ft: float, chance: np.random.Generator) -> Floats:
    start_ft = chance.uniform(0, 2 * END_FT)
    return _between_ends(np.tile(start_ft + speed_ft * np.arange(EPOCHS)[:, None], (1, TAGS)))


def fido(chance: np.random.Generator) -> Floats:
    at_ft = chance.uniform(0, 2 * END_FT, TAGS)
    moving = chance.random(TAGS) < 0.5
    steps_ft = np.zeros((EPOCHS, TAGS))
    speed_ft = chance.uniform(*FIDO_FT, TAGS) * chance.choice((-1, 1), TAGS)
    for epoch in range(EPOCHS):
        changes = chance.random(TAGS) < 1 / FIDO_EPOCHS
        moving ^= changes
        speed_ft = np.where(changes, chance.uniform(*FIDO_FT, TAGS) * chance.choice((-1, 1), TAGS), speed_ft)
        steps_ft[epoch] = np.where(moving, speed_ft, 0.0)
    return _between_ends(at_ft + steps_ft.cumsum(axis=0))


def static(chance: np.random.Generator) -> Floats:
    return np.tile(chance.uniform(0, RANGE_FT, TAGS), (EPOCHS, 1))


def trial(distance_ft: Floats, major_rate: float, chance: np.random.Generator) -> Trial:
    rate = major_rate * np.clip((RANGE_FT - distance_ft) / (RANGE_FT - MAJOR_FT), 0.0, 1.0)
    return Trial(distance_ft < RANGE_FT, chance.random(distance_ft.shape) < rate, rate)


def fixed_windows(read: Flags) -> Iterator[Flags]:
    """Present while the last read is less than w epochs old, for each w of WINDOWS."""
    epochs = np.arange(len(read))[:, None]
    age = epochs - np.maximum.accumulate(np.where(read, epochs, -EPOCHS), axis=0)
    return (age < window for window in WINDOWS)


def smurf(cell: Trial) -> Flags:
    """SMURF for each tag, with the true read rates given to it: Algorithm 1, window sizes ceil(ln(1/delta)/p), a
    transition where the reads in the window are two standard deviations from what the rate lets expect."""

    def transition(sums: Floats, window: NDArray[np.int64], epoch: int, rate: Floats) -> Flags:
        reads = _since(sums, window, epoch)
        shift: Flags = np.abs(reads - window * rate) > 2 * np.sqrt(window * rate * (1 - rate))
        return shift

    return _adaptive(cell, transition)


def two_part(cell: Trial) -> Flags:
    """After WSTD (Massawe et al., Sensors 2012): as SMURF, but a transition is where the newer half of the window has
    significantly fewer reads than the older one."""

    def transition(sums: Floats, window: NDArray[np.int64], epoch: int, rate: Floats) -> Flags:
        half = np.maximum(window // 2, 1)
        newer = _since(sums, half, epoch)
        older = _since(sums, 2 * half, epoch) - newer
        shift: Flags = older - newer > 2 * np.sqrt(2 * half * rate * (1 - rate))
        return shift

    return _adaptive(cell, transition)


def _since(sums: Floats, window: NDArray[np.int64], epoch: int) -> Floats:
    """Sum over the last `window` epochs up to `epoch`, from running sums with a zero before them."""
    begin = np.maximum(epoch + 1 - window, 0)
    within: Floats = sums[epoch + 1] - sums[begin, np.arange(sums.shape[1])]
    return within


def _adaptive(cell: Trial, transition: object) -> Flags:
    assert callable(transition)
    zero = np.zeros((1, cell.read.shape[1]))
    reads = np.concatenate((zero, cell.read.cumsum(axis=0)))
    rates = np.concatenate((zero, (cell.read * cell.rate).cumsum(axis=0)))
    window = np.ones(cell.read.shape[1], np.int64)
    out = np.zeros_like(cell.read)
    for epoch in range(len(out)):
        count = _since(reads, window, epoch)
        out[epoch] = some = count > 0
        rate = np.where(some, _since(rates, window, epoch) / np.maximum(count, 1), 1.0)
        complete = np.ceil(np.log(1 / DELTA) / rate).astype(np.int64)
        shrink = transition(reads, window, epoch, rate)
        kept = np.where(shrink, np.maximum(np.minimum(window // 2, complete), 1), window)
        grown = np.where(complete > window, np.maximum(np.minimum(window + 2, complete), 1), kept)
        window = np.where(some, grown, 1)
    return out


def two_state_filters(read: Flags) -> Iterator[Flags]:
    """A present-or-absent hidden Markov model with fixed parameters, for each pair of a grid of them: present where
    that is the likelier state."""
    switch = np.repeat(1 / np.array(HMM_SWITCH_EPOCHS), len(HMM_RATES))[:, None]
    rate = np.tile(np.array(HMM_RATES), len(HMM_SWITCH_EPOCHS))[:, None]
    present = np.full((len(rate), read.shape[1]), 0.5)
    out = np.zeros((len(rate), *read.shape), np.bool_)
    for epoch, seen in enumerate(read):
        before = present * (1 - switch) + (1 - present) * switch
        here = before * np.where(seen, rate, 1 - rate)
        gone = (1 - before) * np.where(seen, HMM_STRAY, 1 - HMM_STRAY)
        present = here / (here + gone)
        out[:, epoch] = present > 0.5
    return iter(out)
