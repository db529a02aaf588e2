"""Gradient boosting of oblivious trees for log loss, in numpy: what gateway.portal_model.Trees evaluates.

Each level of a tree takes the one question (feature and threshold) that gains most over all its nodes (second-order
gain, as in XGBoost). Where a feature may only speak against, questions with the wrong overall sign are not asked and
leaves that would break the order are pooled.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from gateway.passage import Floats
from gateway.portal_model import Trees

Reals = NDArray[np.float64]

BINS: Final = 32
ROWS_SHARE: Final = 0.5
FEATURES_SHARE: Final = 0.6
POOLING_ROUNDS: Final = 8


@dataclass(frozen=True, slots=True)
class Boosting:
    """How many trees of which depth, the step of each, and the weight at which a leaf is half believed."""

    trees: int
    depth: int = 4
    step: float = 0.12
    ridge: float = 50.0


def boost(rows: Floats, answer: Reals, weight: Reals, against: Sequence[bool], how: Boosting, seed: int = 0) -> Trees:
    """Fit trees to `rows` (n, F) and `answer` (0 or 1). `against`: features of which more may not raise the odds."""
    chance = np.random.default_rng(seed)
    count, features = rows.shape
    sample = rows[chance.integers(0, count, 20_000)]
    edges = [np.unique(np.quantile(sample[:, f], np.linspace(0, 1, BINS + 1)[1:-1])) for f in range(features)]
    binned = np.stack([np.searchsorted(edges[f], rows[:, f], side="left") for f in range(features)], axis=1)
    share = float((weight * answer).sum() / weight.sum())
    base = float(np.log(share / (1 - share)))
    odds = np.full(count, base)
    asked: list[list[int]] = []
    above: list[list[float]] = []
    leaves: list[Reals] = []
    for _ in range(how.trees):
        p = 1.0 / (1.0 + np.exp(-odds))
        slope, curve = weight * (answer - p), weight * p * (1.0 - p)
        some = np.flatnonzero(chance.random(count) < ROWS_SHARE)
        allowed = chance.permutation(features)[: max(4, int(features * FEATURES_SHARE))]
        questions = _grow(binned[some], slope[some], curve[some], edges, allowed, against, how)
        leaf = np.zeros(count, np.int64)
        for level, (feature, place) in enumerate(questions):
            leaf += (binned[:, feature] > place).astype(np.int64) << level
        total = np.bincount(leaf, slope, 1 << how.depth).astype(np.float64)
        firm = np.bincount(leaf, curve, 1 << how.depth).astype(np.float64) + how.ridge
        value = _pool(how.step * total / firm, firm, [against[feature] for feature, _ in questions])
        odds += value[leaf]
        asked.append([feature for feature, _ in questions])
        above.append([float(edges[feature][place]) for feature, place in questions])
        leaves.append(value)
    return Trees(base, asked, above, leaves)


def _grow(
    binned: NDArray[np.int64],
    slope: Reals,
    curve: Reals,
    edges: list[Floats],
    allowed: NDArray[np.int64],
    against: Sequence[bool],
    how: Boosting,
) -> list[tuple[int, int]]:
    leaf = np.zeros(len(binned), np.int64)
    questions = []
    for level in range(how.depth):
        best, question = -1.0, (0, 0)
        for feature in allowed:
            if not len(edges[feature]):
                continue
            nodes = 1 << level
            key = leaf * BINS + binned[:, feature]
            left = np.bincount(key, slope, nodes * BINS).reshape(nodes, BINS).cumsum(axis=1)
            left_firm = np.bincount(key, curve, nodes * BINS).reshape(nodes, BINS).cumsum(axis=1)
            right, right_firm = left[:, -1:] - left, left_firm[:, -1:] - left_firm
            gain = (left**2 / (left_firm + how.ridge) + right**2 / (right_firm + how.ridge)).sum(axis=0)
            if against[feature]:
                low = left.sum(axis=0) / (left_firm.sum(axis=0) + how.ridge)
                high = right.sum(axis=0) / (right_firm.sum(axis=0) + how.ridge)
                gain = np.where(high > low, -1.0, gain)
            place = int(gain[: len(edges[feature])].argmax())
            if gain[place] > best:
                best, question = float(gain[place]), (int(feature), place)
        questions.append(question)
        leaf += (binned[:, question[0]] > question[1]).astype(np.int64) << level
    return questions


def _pool(value: Reals, firm: Reals, against: Sequence[bool]) -> Reals:
    """Leaves in which a feature that only speaks against is higher may not be higher."""
    value = value.copy()
    for _ in range(POOLING_ROUNDS):
        for level, only in enumerate(against):
            for low in range(len(value)):
                high = low | 1 << level
                if only and low != high and value[high] > value[low]:
                    both = firm[low] + firm[high]
                    value[low] = value[high] = (value[low] * firm[low] + value[high] * firm[high]) / both
    return value
