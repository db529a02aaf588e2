"""What the path of a tag through a door says, as pure functions on arrays.

A door sees each tag as a matrix of levels: for each time bin and side (0 in, 1 out) the strongest RSSI in dBm, -inf
where it was not read. Two measures come from it, both as log-likelihood ratios (natural logarithm):

Order: reads on the one side, then reads on the other. Each bin speaks for its side with a weight that falls with its
distance below the tag's own strongest level, because stray reads by the far side are weak. For a change of side in bin
c the evidence is the smaller of the net weight for the first side before c and for the second side from c on; a tag
that stays on one side, or is read by both without order, has none.

Likeness: how much better a template of a passage (probability of a read and its level for each bin and side) explains
the path than the tag's own history does, in which it stands still and is read at the rates and levels it always had.
The template of a group is taken from the tags whose order is plain; it carries those that were read on one side only.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]
Ints = NDArray[np.int64]
Flags = NDArray[np.bool_]

OUTWARDS, INWARDS = 0, 1
"""Direction as index: out means first seen on the in side."""

FULL_WEIGHT: Final = 4.0
WEIGHT_PER_DB: Final = 0.4
LEAST_WEIGHT: Final = 0.8
"""What a read says for its side: at the tag's own peak level reads by the wrong side are about 1 in 50, 8 dB below it
about 1 in 2.5 (a dock door with two antennas a side)."""

LEVEL_SPREAD_DB: Final = 4.0
"""Spread of levels around their mean, from tag to tag and read to read."""

MOST_MARK: Final = 3.0
"""No single level may decide."""

LEAST_P, MOST_P = 0.003, 0.9
TEMPLATE_LEAST_P: Final = 0.01
KERNEL: Final = np.array([0.25, 0.5, 0.25])
"""A trolley is not a point: its tags pass within about half a second of each other."""


@dataclass(frozen=True, slots=True)
class Order:
    """Best change of side for each tag in one direction: evidence, bin (index into the levels) and agreement, the part
    of the tag's whole evidence that fits the change (1: all of it)."""

    evidence: Floats
    change: Ints
    agreement: Floats


def order(levels: Floats, peak_dbm: Floats, newest_bins: int) -> tuple[Order, Order]:
    """Order evidence outwards and inwards. `levels` (tags, bins, 2); `peak_dbm` (tags): what counts as the tag's own
    strongest level; changes are sought in the newest `newest_bins` bins."""
    seen = np.isfinite(levels)
    below = np.where(seen, levels, 0.0) - np.where(seen, peak_dbm[:, None, None], 0.0)
    weights = np.where(seen, np.clip(FULL_WEIGHT + WEIGHT_PER_DB * below, LEAST_WEIGHT, FULL_WEIGHT), 0.0)
    net = np.cumsum(weights[:, :, 0] - weights[:, :, 1], axis=1)
    before = np.concatenate((np.zeros((len(levels), 1)), net), axis=1)
    after = before - before[:, -1:]
    total = np.maximum(weights.sum(axis=(1, 2)), 1e-9)
    return _best(before, after, total, newest_bins), _best(-before, -after, total, newest_bins)


def _best(first: Floats, second: Floats, total: Floats, newest_bins: int) -> Order:
    """The change with the most evidence; where several share it, the middle one."""
    start = max(0, first.shape[1] - 1 - newest_bins)
    evidence = np.minimum(first, second)[:, start:]
    earliest = evidence.argmax(axis=1)
    latest = evidence.shape[1] - 1 - evidence[:, ::-1].argmax(axis=1)
    rows, change = np.arange(len(evidence)), (earliest + latest) // 2 + start
    agreement = (first[rows, change] + second[rows, change]) / total
    return Order(evidence[rows, earliest].astype(np.float32), change, agreement.astype(np.float32))


@dataclass(frozen=True, slots=True)
class Template:
    """A passage: for each bin and side the probability of a read and its mean level (dBm)."""

    probability: Floats
    level_dbm: Floats


@dataclass(frozen=True, slots=True)
class History:
    """Tags standing still: for each tag and side the probability of a read in a bin and its mean level (dBm)."""

    probability: Floats
    level_dbm: Floats


def template_of(levels: Floats, faint_dbm: float) -> Template:
    """The passage of a group from its members' levels (members, bins, 2), smoothed over neighbouring bins. Where none
    was read the level is `faint_dbm`."""
    seen = np.isfinite(levels)
    count = _smooth(seen.sum(axis=0).astype(np.float64))
    total = _smooth(np.where(seen, levels, 0.0).sum(axis=0, dtype=np.float64))
    probability = np.clip(count / len(levels), TEMPLATE_LEAST_P, MOST_P)
    return Template(probability.astype(np.float32), ((total + faint_dbm) / (count + 1.0)).astype(np.float32))


def _smooth(values: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.stack([np.convolve(values[:, side], KERNEL, "same") for side in (0, 1)], axis=1)


def likeness(levels: Floats, template: Template, history: History) -> Floats:
    """Log-likelihood ratio of passage over standing still for each tag; `levels` (tags, bins of the template, 2)."""
    seen = np.isfinite(levels)
    level = np.where(seen, levels, 0.0)
    moving, still = template.probability[None], history.probability[:, None, :]
    rates = np.where(seen, np.log(moving / still), np.log((1.0 - moving) / (1.0 - still)))
    from_history = level - history.level_dbm[:, None, :]
    from_template = level - template.level_dbm[None]
    marks = (from_history**2 - from_template**2) / (2.0 * LEVEL_SPREAD_DB**2)
    marks = np.where(seen, np.clip(marks, -MOST_MARK, MOST_MARK), 0.0)
    ratio: Floats = (rates + marks).sum(axis=(1, 2)).astype(np.float32)
    return ratio


def against_visit(levels: Floats, template: Template) -> Floats:
    """Log-likelihood ratio of passage over a visit for each tag: something that came near, was read at one rate and
    level by each side, and did not pass. Says nothing about a tag that was not read (0)."""
    seen = np.isfinite(levels)
    level = np.where(seen, levels, 0.0)
    count = seen.sum(axis=(1, 2))
    length = levels.shape[1]
    first = np.where(count > 0, seen.any(axis=2).argmax(axis=1), 0)
    near = np.arange(length)[None, :] >= first[:, None]
    share = np.clip((seen.sum(axis=1) + 0.25) / (near.sum(axis=1) + 0.5)[:, None], LEAST_P, MOST_P)[:, None, :]
    visit = np.where(near[:, :, None], share, LEAST_P)
    moving = template.probability[None]
    rates = np.where(seen, np.log(moving / visit), np.log((1.0 - moving) / (1.0 - visit)))
    mean = level.sum(axis=(1, 2)) / np.maximum(count, 1)
    from_mean, from_template = level - mean[:, None, None], level - template.level_dbm[None]
    marks = (from_mean**2 - from_template**2) / (2.0 * LEVEL_SPREAD_DB**2)
    marks = np.where(seen, np.clip(marks, -MOST_MARK, MOST_MARK), 0.0)
    ratio: Floats = np.where(count > 0, (rates + marks).sum(axis=(1, 2)), 0.0).astype(np.float32)
    return ratio


def history_of(reads: Floats, levels_sum: Floats, watched_bins: float, prior_bins: float, faint_dbm: float) -> History:
    """Standing still as it was before: faded counts of bins with reads and sums of their levels, each (tags, 2), over
    `watched_bins`; half a read in `prior_bins` is believed beforehand, at `faint_dbm`."""
    probability = np.clip((reads + 0.5) / (watched_bins + prior_bins), LEAST_P, MOST_P)
    return History(probability.astype(np.float32), ((levels_sum + faint_dbm) / (reads + 1.0)).astype(np.float32))


_SECONDS: Final = (-3.0, -2.5, -2.0, -1.5, -1.0, -0.5, 0.0, 0.5, 0.75, 1.0, 1.5)
_READS_PER_S: Final = (0.15, 0.25, 0.35, 0.5, 0.75, 0.8, 0.5, 0.25, 0.12, 0.05, 0.02)
_BELOW_PEAK_DB: Final = (7.0, 6.0, 5.5, 4.0, 2.5, 1.0, 0.5, 2.0, 5.0, 8.0, 9.0)
"""A tag carried through at about 1 m/s, as its first side sees it; the second side sees the same backwards."""


def walking_template(bins_before: int, bins_after: int, bin_s: float, peak_dbm: float) -> Template:
    """A single tag's passage outwards at walking speed, the change of side after `bins_before` bins."""
    at_s = (np.arange(-bins_before, bins_after) + 0.5) * bin_s
    rate = np.stack([np.interp(side * at_s, _SECONDS, _READS_PER_S) for side in (1, -1)], axis=1)
    below = np.stack([np.interp(side * at_s, _SECONDS, _BELOW_PEAK_DB) for side in (1, -1)], axis=1)
    return Template((1.0 - np.exp(-rate * bin_s)).astype(np.float32), (peak_dbm - below).astype(np.float32))


def mirrored(template: Template) -> Template:
    """The same passage in the other direction."""
    return Template(template.probability[:, ::-1], template.level_dbm[:, ::-1])
