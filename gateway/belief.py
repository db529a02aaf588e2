"""What silence means: a small hidden Markov model of one tag in one zone, moved on from sighting to sighting.

Time is cut into looks of LOOK_US on the zone's own clock; in each look a tag is either sighted or not. Behind that
stand a position and a pace, neither of which anyone sees:

    absent ─▶ entering ─▶ inside ─▶ edge ─▶ leaving ─▶ absent       (and back a step where it turns round)
                           ▲  │
                           │  ▼
                          hidden                              (behind a person or a pallet, in a null of the field)

    position              sighted in a look with     why it is there
    entering, edge,       a part of `rate` (SHARE)   the field is weak at its rim: the read rate falls before a tag is
    leaving                                          gone, and that tells one that leaves from one that was missed
    inside                `rate`                     learnt of each tag and zone
    hidden                hardly ever                static tags at a real door vanish for half a minute and come back
    absent                never                      what a stray read says is the business of `location`

Pace says how readily the tag changes its position: RESTING, SLOW or FAST, each a chain of its own. A tag that has been
steady for minutes is believed to rest and gets a long window, one that comes and goes a short one. Nobody says which:
pace and read rate both follow from the sightings.

Between sightings nothing is computed. The steps of a chain through n - 1 looks without a sighting and one with are one
matrix, made once for each read rate (RATES) and n; a sighting costs one small product for each pace. For how long
silence must last until the tag is absent with no more than the accepted error then follows by bisection.

A belief is the weights of the five present positions in the three chains: (n, STATES), float32, sum 1. The rate is
counted beside it as (sightings, looks) spent inside, (n, 2), older ones fading.

The problem and the rim of falling read rates: Jeffery, Garofalakis, Franklin, "Adaptive Cleaning for RFID Data
Streams", VLDB 2006. The filter: the forward algorithm (Rabiner 1989). The chances below were fitted once, on simulated
movements at other pallet speeds, read rates and seeds than those of bench/smoothing.py; those of `hidden` were taken
from static tags at a real dock door (docs/accuracy.md).
"""

from __future__ import annotations

from functools import lru_cache
from typing import Final

import numpy as np
from numpy.typing import NDArray

from gateway.grid import Floats, Ints
from gateway.records import take

Looks = NDArray[np.int16] | Ints

LOOK_US: Final = 500_000
"""Antennas cycle: several reads within one visit say no more than one. Most cycles of four antennas end within this."""

HORIZON: Final = 240
"""Looks of silence that are told apart: two minutes, the default longest window. Longer silence counts as this much."""

POSITIONS: Final = ("absent", "entering", "inside", "edge", "leaving", "hidden")
SHARE: Final = (0.0, 0.22, 1.0, 0.35, 0.2, 0.03)
"""What part of its read rate a tag has in each position."""

LEAVES: Final = (5e-5, 6.8e-3, 4e-2)
"""Chance in a look that a tag inside, RESTING, SLOW or FAST, begins to leave."""

HIDES: Final = (1.0, 1.0, 0.0)
HIDES_AT_MOST: Final = 5e-3
HIDES_AT_ONCE: Final = 0.03
HIDES_BY_MISS: Final = 8
"""Chance in a look that a tag inside becomes hidden: HIDES_AT_ONCE * (1 - rate) ** HIDES_BY_MISS, at most
HIDES_AT_MOST, times HIDES by pace. A tag that is read well has power to spare: at the door, those read in more than a
quarter of the looks were hidden four times less often than those read in a fifth. What moves fast stays in no null."""

REAPPEARS: Final = 2.5e-2
"""Chance in a look that a hidden tag is readable again: 20 s on average."""

HIDDEN_LEAVES: Final = 0.2
EDGE_PACE: Final = 48.0
ENTER_PACE: Final = 0.95
RETURN_PACE: Final = 1.5
"""Multiples of LEAVES: how much readier a tag changes its position while hidden, at the rim, entering and absent."""

TURNS: Final = 0.028
"""Of the steps at the rim, those that go back."""

APPEARS: Final = 0.46
"""Of the returns, those that are inside at once."""

CHANGES_PACE: Final = 5.8e-4
"""Chance in a look that a tag begins to rest, or to move."""

FIRST_RATE: Final = 0.035
FIRST_LOOKS: Final = 1.9
"""What is believed of a read rate before the first look, and how many looks that counts as."""

MEMORY_SIGHTINGS: Final = 39.0
"""Older sightings fade from the rate: a tag put behind others must be able to change it."""

FIRST_ABSENCE: Final = 20
"""Looks without a sighting that stand before the first one ever."""

PACES: Final = len(LEAVES)
PRESENT: Final = len(POSITIONS) - 1
STATES: Final = PACES * PRESENT
INSIDE: Final = POSITIONS.index("inside") - 1

MOST_CERTAIN: Final = 0.99
"""No look is sure to sight a tag."""

LOGITS: Final = np.linspace(-4.6, 3.6, 24)
RATES: Final = 1.0 / (1.0 + np.exp(-LOGITS))
"""The read rates told apart: 0.01 to 0.97 in a look, evenly in log odds."""


def chain(pace: int, rate: float) -> NDArray[np.float64]:
    """The chances in a look of going from one position (row) to another (column), at a pace, of a tag with this read
    rate."""
    leave = LEAVES[pace]
    hide = HIDES[pace] * min(HIDES_AT_MOST, HIDES_AT_ONCE * (1.0 - rate) ** HIDES_BY_MISS)
    rim, enter, back = (min(0.9, each * leave) for each in (EDGE_PACE, ENTER_PACE, RETURN_PACE))
    steps = {
        "absent": {"entering": back * (1 - APPEARS), "inside": back * APPEARS},
        "entering": {"inside": enter * (1 - TURNS), "absent": enter * TURNS},
        "inside": {"edge": leave, "hidden": hide},
        "edge": {"leaving": rim * (1 - TURNS), "inside": rim * TURNS},
        "leaving": {"absent": rim * (1 - TURNS), "entering": rim * TURNS},
        "hidden": {"inside": REAPPEARS, "absent": HIDDEN_LEAVES * leave},
    }
    matrix = np.zeros((len(POSITIONS), len(POSITIONS)))
    for row, origin in enumerate(POSITIONS):
        for target, chance in steps[origin].items():
            matrix[row, POSITIONS.index(target)] = chance
        matrix[row, row] = 1.0 - matrix[row].sum()
    return matrix


class Model:
    """The chains through up to HORIZON looks, for each of RATES; shared by all tags and never changed.

    Tables have one entry for each step: a read rate and a number of looks (see `_steps`).
    """

    def __init__(self) -> None:
        chains = np.array([[chain(pace, rate) for pace in range(PACES)] for rate in RATES])
        seen = np.clip(RATES[:, None] * np.array(SHARE), 0.0, MOST_CERTAIN)[:, None, None, :]
        missed, sighted = chains * (1.0 - seen), chains * seen
        shape = (len(RATES), HORIZON + 1)
        through = np.zeros((*shape, PACES, PRESENT, PRESENT), np.float32)
        # Of each present position: the chance of silence after which the tag is absent (0), or still present (1).
        silence = np.zeros((*shape, 2, STATES), np.float32)
        first = np.zeros((len(RATES), PACES, PRESENT))
        silent = np.broadcast_to(np.eye(len(POSITIONS)), missed.shape)
        for looks in range(HORIZON + 1):
            silence[:, looks, 0] = silent[..., 1:, 0].reshape(len(RATES), STATES)
            silence[:, looks, 1] = silent[..., 1:, 1:].sum(axis=-1).reshape(len(RATES), STATES)
            then_seen = silent @ sighted
            if looks < HORIZON:
                through[:, looks + 1] = then_seen[..., 1:, 1:]
            if looks == FIRST_ABSENCE:
                first[:] = then_seen[..., 0, 1:]
            silent = silent @ missed
        self._through = through.reshape(-1, PACES * PRESENT * PRESENT)
        self._silence = silence.reshape(-1, 2, STATES)
        self._first = first / (first.sum(axis=2, keepdims=True) * PACES)
        self._stays = _stays(chains[:, :, INSIDE + 1, INSIDE + 1]).reshape(-1, PACES)
        self._changed = (1.0 - (1.0 - CHANGES_PACE) ** np.arange(HORIZON + 1)).astype(np.float32)

    def first(self) -> tuple[Floats, Floats]:
        """Belief and counts of a tag that was sighted for the first time: shapes (STATES,) and (2,)."""
        counts = np.array([FIRST_RATE * FIRST_LOOKS, FIRST_LOOKS], np.float32)
        return self._first[_rate_bin(counts[None])[0]].reshape(STATES).astype(np.float32), counts

    def sighted(self, belief: Floats, counts: Floats, looks: Ints) -> tuple[Floats, Floats]:
        """The belief and counts of tags that were sighted again, `looks` (at least 1) after the sighting before."""
        looks = np.minimum(looks, HORIZON)
        step = _steps(counts, looks)
        before = _columns(belief).reshape(PACES, PRESENT, -1)
        through = _columns(self._through.take(step, axis=0)).reshape(PACES, PRESENT, PRESENT, -1)
        after = np.einsum("min,mijn->mjn", before, through)
        # The order of this sum shows in the last digit of a confidence: a recording is to be replayed as it ever was.
        total = np.einsum("ns->n", _columns(after.reshape(STATES, -1)))
        stayed = np.einsum("mn,nm->n", before[:, INSIDE], self._stays.take(step, axis=0))
        changed = self._changed.take(looks)
        of_all_paces = after.sum(axis=0) * (changed / (total * np.float32(PACES)))
        after = after * ((np.float32(1.0) - changed) / total) + of_all_paces
        return _columns(after.reshape(STATES, -1)), _counted(counts, looks, stayed / total)

    def absent(self, belief: Floats, counts: Floats, looks: Ints) -> Floats:
        """The probability that tags are absent after `looks` without a sighting."""
        return self._absent(belief, _steps(counts, np.minimum(looks, HORIZON)))

    def _absent(self, belief: Floats, step: Ints) -> Floats:
        weights = np.einsum("ns,nks->nk", belief, self._silence.take(step, axis=0))
        absent: Floats = weights[:, 0] / (weights[:, 0] + weights[:, 1])
        return absent

    def looks_until_absent(self, belief: Floats, counts: Floats, error: float) -> Ints:
        """After how many looks without a sighting the probability of absence reaches 1 - error; HORIZON + 1 where it
        does not within HORIZON."""
        low, high = np.zeros(len(belief), np.int64), np.full(len(belief), HORIZON + 1)
        step = _steps(counts, low)
        while len(vague := np.flatnonzero(high - low > 1)):
            self._halve(belief, step, error, low, high, vague)
        return high

    def narrowed(
        self, belief: Floats, counts: Floats, error: float, asked: Ints, low: Looks, high: Looks
    ) -> tuple[Looks, Looks]:
        """`looks_until_absent` only as far as it takes to know whether it is more than `asked`. It is more than `low`
        and at most `high`; begin with 0 and HORIZON + 1, and go on with what was returned."""
        low, high = low.copy(), high.copy()
        step = _steps(counts, np.zeros_like(asked))
        while len(vague := np.flatnonzero((low < asked) & (asked < high))):
            self._halve(belief, step, error, low, high, vague)
        return low, high

    def _halve(self, belief: Floats, step: Ints, error: float, low: Looks, high: Looks, which: Ints) -> None:
        """Look at the middle between `low` and `high`; `step` is that of no looks."""
        middle = (low[which] + high[which]) // 2
        reached = self._absent(take(belief, which), step[which] + middle) >= 1.0 - error
        high[which[reached]] = middle[reached]
        low[which[~reached]] = middle[~reached]


def _stays(keeps_inside: NDArray[np.float64]) -> Floats:
    """The chance, by read rate, looks and pace, of a tag inside to stay there all the time, missed until the last look
    and sighted then."""
    looks, rates = np.arange(HORIZON + 1)[:, None], RATES[:, None, None]
    stays: Floats = (keeps_inside[:, None] ** looks * (1.0 - rates) ** (looks - 1) * rates).astype(np.float32)
    return stays


def _counted(counts: Floats, looks: Ints, stayed: Floats) -> Floats:
    """Count the looks by the chance that the tag was inside all the time: misses elsewhere say nothing."""
    kept = np.float32(1.0) - stayed / np.float32(MEMORY_SIGHTINGS)
    counted = np.empty_like(counts)
    counted[:, 0] = counts[:, 0] * kept + stayed
    counted[:, 1] = counts[:, 1] * kept + stayed * looks
    return counted


@lru_cache(maxsize=1)
def model() -> Model:
    """The one model of a process: its tables take a few MiB and a fraction of a second to make."""
    return Model()


def settled(paces: Floats) -> Floats:
    """The belief of tags that are inside, by the weights of their paces, (n, PACES)."""
    belief = np.zeros((len(paces), PACES, PRESENT), np.float32)
    belief[:, :, INSIDE] = paces / paces.sum(axis=1, keepdims=True)
    return belief.reshape(-1, STATES)


def paces(belief: Floats) -> Floats:
    """The weights of the paces, (n, PACES)."""
    weights: Floats = belief.reshape(-1, PACES, PRESENT).sum(axis=2)
    return weights


def _columns(rows: Floats) -> Floats:
    """Each column in one piece, as operations run along tags: numpy spends more time beginning a run than on it."""
    return np.ascontiguousarray(rows.T)


def _steps(counts: Floats, looks: Ints) -> Ints:
    """Where the tables have this read rate and number of looks."""
    steps: Ints = _rate_bin(counts) * (HORIZON + 1) + looks
    return steps


def _rate_bin(counts: Floats) -> Ints:
    rate = np.minimum(np.maximum(counts[:, 0] / counts[:, 1], np.float32(RATES[0])), np.float32(RATES[-1]))
    place = (np.log(rate / (np.float32(1.0) - rate)) - np.float32(LOGITS[0])) / np.float32(LOGITS[1] - LOGITS[0])
    rates: Ints = np.rint(place).astype(np.int64)
    return rates
