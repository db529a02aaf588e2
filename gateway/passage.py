"""What the path of one tag through a door says, as pure functions on arrays.

A door sees each tag as a matrix of levels: for each of the last BINS time bins and each side (0 in, 1 out) the
strongest RSSI, in dB relative to the usual peak of a crossing at this door, and whether it was read at all. A Sight
holds these for all tags near the door, with what is remembered of each from before (its rates and levels on each side,
and how often it changed sides when nothing was going on), and the features that follow from one tag alone:

Likeness: a crossing follows a template (probability of a read and level by time since the change of side). For every
recent bin the log-likelihood ratio of "changed side here" over "stands still" is a matrix product; the best bin is the
tag's change. Standing still is tried twice: at the rates the tag has always had, and at those of the window itself.

Order: each read speaks for its side with a weight that falls with its distance below the tag's own strongest level,
because stray reads by the far side are weak. The evidence of a change is the smaller of the net weights before and
after it.

All features are told as first side and second side, so one model judges both directions. No feature knows which tag it
is, and what is remembered can only speak against a crossing (see portal_model).
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
"""Direction as index: out means first seen on the in side, so a direction is also the index of its first side."""

BINS: Final = 40
"""A passage and the time before it: 10 s in bins of 250 ms."""

TEMPLATE_BEFORE: Final = 14
TEMPLATE_AFTER: Final = 14
"""Bins of a template before and after the change: 3.5 s, within which a walking tag is in sight of either side."""

CHANGES: Final = np.arange(BINS - 18, BINS)
"""Window bins in which a change of side is sought: older ones were judged long ago."""

LEVEL_VARIANCE: Final = 16.0
"""Levels spread by 4 dB around their mean, from tag to tag and read to read (dock door, one antenna side)."""

LEAST_P, MOST_P = 0.003, 0.9
PRIOR_BINS: Final = 20.0
"""Half a read in 5 s is believed of a tag of which nothing is known."""

FAINT_DB: Final = -8.0
"""Level believed of a side that has not read the tag, relative to a crossing's peak."""

UNREAD_DB: Final = -30.0
"""Stands for the peak of a side that did not read the tag."""

FULL_WEIGHT: Final = 4.0
WEIGHT_PER_DB: Final = 0.4
LEAST_WEIGHT: Final = 0.8
LEAST_PEAK_DB: Final = -6.0
"""Order weights: at the tag's own peak reads by the wrong side are about 1 in 50, 8 dB below it about 1 in 2.5."""

BEFORE_BINS: Final = 12
EDGE_BINS: Final = 2
"""Reads this close to the change may be of either side."""

CENTROID_BINS: Final = 28
OLD_BINS: Final = 24

FEATURES: Final = (
    "likeness",
    "age",
    "window_likeness",
    "opposite_likeness",
    "order",
    "agreement",
    "first_before",
    "second_after",
    "first_after",
    "second_before",
    "peak_first_before",
    "peak_second_after",
    "peak_first_after",
    "peak_second_before",
    "first_silent",
    "second_silent",
    "centroid_gap",
    "reads",
    "old_first",
    "old_second",
    "quiet_changes",
    "least_rate",
    "first_rate",
    "second_rate",
    "peak",
    "opposite_window_likeness",
)
"""One tag alone, for one direction. Counts are bins with a read, times are bins, levels dB relative to a crossing's
peak. `quiet_changes` and the rates are what is remembered from before the window could hold a crossing."""


@dataclass(frozen=True, slots=True)
class Template:
    """A crossing outwards: probability of a read in a bin and its level (dB), each (TEMPLATE_BEFORE + TEMPLATE_AFTER,
    2), by bins from the change and side (0: first)."""

    probability: Floats
    level_db: Floats


class Passage:
    """A template laid out for every change of CHANGES and both directions, as matrices."""

    def __init__(self, template: Template) -> None:
        self.template = template
        count = len(CHANGES)
        seen = np.zeros((BINS, 2, 2, count), np.float32)
        level = np.zeros((BINS, 2, 2, count), np.float32)
        self._unseen = np.zeros((2, count), np.float32)
        self._within = np.zeros((BINS, count), np.float32)
        for place, change in enumerate(CHANGES):
            bins = change + np.arange(-TEMPLATE_BEFORE, TEMPLATE_AFTER)
            held = bins < BINS
            self._within[bins[held], place] = 1.0
            for direction in (OUTWARDS, INWARDS):
                p = _facing(template.probability, direction)[held]
                db = _facing(template.level_db, direction)[held]
                seen[bins[held], :, direction, place] = np.log(p / (1 - p)) - db**2 / (2 * LEVEL_VARIANCE)
                level[bins[held], :, direction, place] = db / LEVEL_VARIANCE
                self._unseen[direction, place] = np.log(1 - p).sum()
        self._seen = seen.reshape(BINS * 2, -1)
        self._level = level.reshape(BINS * 2, -1)

    def likenesses(self, seen: Floats, level: Floats, stills: tuple[Still, Still]) -> tuple[Floats, Floats]:
        """Log-likelihood ratio of a change at every bin of CHANGES over each way of standing still: two arrays
        (tags, 2 directions, changes). Levels are 0 where not seen."""
        tags = len(seen)
        crossing = seen.reshape(tags, BINS * 2) @ self._seen + level.reshape(tags, BINS * 2) @ self._level
        crossing = crossing.reshape(tags, 2, len(CHANGES)) + self._unseen
        reads = np.stack([seen[:, :, side] @ self._within for side in (0, 1)], axis=1)
        levels = np.stack([level[:, :, side] @ self._within for side in (0, 1)], axis=1)
        bins = self._within.sum(axis=0)
        first, second = (crossing - still.log_likelihood(reads, levels, bins)[:, None, :] for still in stills)
        return first, second


def _facing(values: Floats, direction: int) -> Floats:
    return values if direction == OUTWARDS else values[:, ::-1]


@dataclass(frozen=True, slots=True)
class Still:
    """Tags standing still: probability of a read in a bin and mean level (dB), each (tags, 2 sides)."""

    probability: Floats
    level_db: Floats

    def log_likelihood(self, reads: Floats, levels: Floats, bins: Floats | float) -> Floats:
        """Of `reads` bins with a read, whose levels sum to `levels`, among `bins`, each (tags, 2[, …]); but for the
        sum of squared levels, which every hypothesis shares."""
        shape = (*self.probability.shape, *([1] * (reads.ndim - 2)))
        p, db = self.probability.reshape(shape), self.level_db.reshape(shape)
        rates = reads * np.log(p / (1 - p)) + np.log(1 - p) * bins
        marks = (2 * levels * db - reads * db**2) / (2 * LEVEL_VARIANCE)
        total: Floats = (rates + marks).sum(axis=1)
        return total


def still_of(reads: Floats, levels: Floats, watched_bins: float, prior_bins: float, prior_reads: float) -> Still:
    """The rates and levels of (tags, 2) bins with reads and sums of levels among `watched_bins`."""
    p = np.clip((reads + prior_reads) / (watched_bins + prior_bins), LEAST_P, MOST_P)
    return Still(p.astype(np.float32), ((levels + FAINT_DB) / (reads + 1.0)).astype(np.float32))


@dataclass(frozen=True, slots=True)
class Sight:
    """The tags near a door at the end of a bin. `seen` (tags, BINS, 2) is 1 or 0, `level` dB relative to a crossing's
    peak (0 where not seen), `change` (tags, 2 directions) window bins, `features` (tags, 2, FEATURES)."""

    rows: Ints
    seen: Floats
    level: Floats
    past: Still
    window: Still
    change: Ints
    features: Floats

    def take(self, chosen: Flags) -> Sight:
        """Some of the tags."""
        return Sight(
            self.rows[chosen],
            self.seen[chosen],
            self.level[chosen],
            Still(self.past.probability[chosen], self.past.level_db[chosen]),
            Still(self.window.probability[chosen], self.window.level_db[chosen]),
            self.change[chosen],
            self.features[chosen],
        )


def sight_of(rows: Ints, levels_db: Floats, past: Still, quiet_changes: Floats, passage: Passage) -> Sight:
    """Look at tags: `levels_db` (tags, BINS, 2), -inf where not read; `past` how each stood before."""
    finite = np.isfinite(levels_db)
    seen = finite.astype(np.float32)
    level = np.where(finite, levels_db, np.float32(0.0))
    window = still_of(seen.sum(axis=1), level.sum(axis=1), BINS, 0.5, 0.25)
    likeness, in_window = passage.likenesses(seen, level, (past, window))
    place = likeness.argmax(axis=2)
    change = CHANGES[place]
    features = _features(finite, level, (likeness, in_window), place, past, quiet_changes)
    return Sight(rows, seen, level, past, window, change, features)


def _features(
    finite: Flags, level: Floats, ratios: tuple[Floats, Floats], place: Ints, past: Still, quiet_changes: Floats
) -> Floats:
    tags, bins = np.arange(len(finite)), np.arange(BINS)[:, None]
    likeness, in_window = ratios
    best, best_in_window = likeness.max(axis=2), in_window.max(axis=2)
    seen = np.ascontiguousarray(finite.transpose(1, 2, 0))  # bins first: sums over them run along the tags
    peaks = np.where(seen, np.ascontiguousarray(level.transpose(1, 2, 0)), np.float32(UNREAD_DB))
    counts = np.add.reduce(seen, axis=0, dtype=np.int32)
    silent = np.where(counts > 0, seen[::-1].argmax(axis=0) + 1, BINS + BINS // 2)
    centroid = _centroid(seen, peaks)
    old = np.add.reduce(seen[:OLD_BINS], axis=0, dtype=np.int32)
    evidence, agreement = _order(seen, peaks)
    out = np.empty((len(FEATURES), 2, len(finite)), np.float32)
    for first in (OUTWARDS, INWARDS):
        second = 1 - first
        change = CHANGES[place[:, first]]
        after, late = bins >= change, bins >= change + EDGE_BINS
        before = (bins < change) & (bins >= change - BEFORE_BINS)
        early = before & (bins < change - EDGE_BINS)
        spans = ((first, before), (second, after), (first, late), (second, early))
        columns = [
            best[:, first],
            BINS - change,
            in_window[tags, first, place[:, first]],
            best[:, second],
            evidence[first],
            agreement[first],
            *(np.add.reduce(seen[:, side] & span, axis=0, dtype=np.int32) for side, span in spans),
            *(np.where(span, peaks[:, side], np.float32(UNREAD_DB)).max(axis=0) for side, span in spans),
            silent[first],
            silent[second],
            np.nan_to_num(centroid[second] - centroid[first]),
            counts.sum(axis=0),
            old[first],
            old[second],
            quiet_changes,
            past.probability.min(axis=1),
            past.probability[:, first],
            past.probability[:, second],
            peaks.max(axis=(0, 1)),
            best_in_window[:, second],
        ]
        for number, column in enumerate(columns):
            out[number, first] = column
    return np.ascontiguousarray(out.transpose(2, 1, 0))


def _centroid(seen: Flags, peaks: Floats) -> Floats:
    """Mean bin of each side's power, (2, tags); NaN where it read nothing. Bins come first."""
    recent = seen[-CENTROID_BINS:]
    power = np.where(recent, np.exp(peaks[-CENTROID_BINS:] * np.float32(np.log(10.0) / 10.0)), np.float32(0.0))
    total = power.sum(axis=0)
    moment = np.tensordot(np.arange(CENTROID_BINS, dtype=np.float32), power, axes=1)
    centroid: Floats = np.where(total > 0, moment / np.maximum(total, np.float32(1e-12)), np.float32(np.nan))
    return centroid


def _order(seen: Flags, peaks: Floats) -> tuple[list[Floats], list[Floats]]:
    """Evidence of the best change of side in each direction, and the part of all evidence that agrees with it. Bins
    come first."""
    peak = np.maximum(peaks.max(axis=(0, 1)), np.float32(LEAST_PEAK_DB))
    weights = np.clip(np.float32(FULL_WEIGHT) + np.float32(WEIGHT_PER_DB) * (peaks - peak), LEAST_WEIGHT, FULL_WEIGHT)
    weights = np.where(seen, weights, np.float32(0.0))
    net = np.zeros((BINS + 1, seen.shape[2]), np.float32)
    np.cumsum(weights[:, 0] - weights[:, 1], axis=0, out=net[1:])
    before = net[int(CHANGES[0]) :]
    after = before - net[-1]
    total = np.maximum(weights.sum(axis=(0, 1)), np.float32(1e-9))
    tags = np.arange(seen.shape[2])
    evidence, agreement = [], []
    for first, second in ((before, after), (-before, -after)):
        least = np.minimum(first, second)
        best = least.argmax(axis=0)
        evidence.append(least[best, tags])
        agreement.append((first[best, tags] + second[best, tags]) / total)
    return evidence, agreement
