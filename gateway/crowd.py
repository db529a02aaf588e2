"""What the tags near a door say about each other: a pallet crosses together.

Every tag's own path gives it a probability of crossing (see portal_model), and these are the weights of everything
here, so evidence grows smoothly with the size of the group and no number of tags makes or breaks one. A tag is never
its own witness: each sum leaves it out.

The template of this very crossing is the weighted mean of the others' reads, with PRIOR_TAGS tags' worth of the fitted
template mixed in: alone, a tag is compared with the usual crossing, in a pallet with the pallet's. It carries the tags
read on one side only.

Lean: which side reads the group now. A pallet that has crossed is read by the second side; one that comes near and
stays is read by the first, whatever echoes the second hears.

Memory of a tag only speaks against it: it stayed while a group passed.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from gateway.passage import (
    BINS,
    LEVEL_VARIANCE,
    MOST_P,
    OUTWARDS,
    TEMPLATE_AFTER,
    TEMPLATE_BEFORE,
    UNREAD_DB,
    Floats,
    Ints,
    Sight,
    Template,
)

CROWD_FEATURES: Final = (
    "own",
    "own_best",
    "own_opposite",
    "group",
    "group_opposite",
    "group_together",
    "group_age",
    "group_spread",
    "group_gap",
    "template_likeness",
    "template_window_likeness",
    "template_opposite",
    "stays",
    "peak_in_group",
    "own_lasting",
)

PRIOR_TAGS: Final = 3.0
LEAST_P: Final = 0.004
FAR_P, FAR_DB = 0.01, -10.0
"""What is believed of the time after a template's end."""

TOGETHER_BINS: Final = 5.0
LEAST_GROUP: Final = 0.05
LASTING_FADE: Final = 0.96
BEST_FALL: Final = 0.25
STAYS_FADE: Final = 0.996
STAY_LAG: Final = 12
"""Whether a tag stayed is known 3 s after the others crossed."""

STAY_LOOKS: Final = 16.0
"""A group is seen crossing in about this many looks; together they make one stay."""

STAY_GROUP: Final = 8.0
"""Size of a group at which having stayed counts half."""

NO_ODDS: Final = -9.0

NOW_BINS: Final = 4
"""The group's reads of the last second say on which side it is now."""

LEAN_READS: Final = 1.0
"""A read is believed of each side, so that a single one of a single other says little."""


class Crowd:
    """The memory of one door, by row of its path log."""

    def __init__(self, template: Template) -> None:
        self._template = template
        self._lasting = np.zeros((0, 2), np.float32)
        self._best = np.zeros((0, 2), np.float32)
        self._stays = np.zeros(0, np.float32)
        self._groups = np.zeros((STAY_LAG, 2), np.float32)

    def grow(self, rows: int) -> None:
        """Make room for rows below `rows`."""
        more = rows - len(self._stays)
        if more > 0:
            self._lasting = np.concatenate((self._lasting, np.zeros((more, 2), np.float32)))
            self._best = np.concatenate((self._best, np.full((more, 2), NO_ODDS, np.float32)))
            self._stays = np.concatenate((self._stays, np.zeros(more, np.float32)))

    def begin(self, rows: Ints) -> None:
        """These rows belong to other tags from now on."""
        self._lasting[rows], self._best[rows], self._stays[rows] = 0.0, NO_ODDS, 0.0

    def look(self, sight: Sight, own: Floats, now_bin: int) -> Floats:
        """Features (tags, 2, CROWD_FEATURES) of the tags of `sight`, whose own paths have log-odds `own` (tags, 2).
        To be called once for every bin in which a tag is near."""
        self._lasting *= np.float32(LASTING_FADE)
        self._best -= np.float32(BEST_FALL)
        self._stays *= np.float32(STAYS_FADE)
        rows = sight.rows
        weight = (1.0 / (1.0 + np.exp(-own))).astype(np.float32)
        self._lasting[rows] = np.maximum(self._lasting[rows], weight)
        self._best[rows] = np.maximum(self._best[rows], own)
        passed = self._groups[now_bin % STAY_LAG].copy()
        self._groups[now_bin % STAY_LAG] = weight.sum(axis=0)
        share = passed**2 / (passed**2 + np.float32(STAY_GROUP**2))
        self._stays[rows] += ((1.0 - self._lasting[rows]) * share).sum(axis=1) / np.float32(STAY_LOOKS)
        return self._features(sight, own, weight)

    def _features(self, sight: Sight, own: Floats, weight: Floats) -> Floats:
        rows, change = sight.rows, sight.change.astype(np.float32)
        tags = len(rows)
        others = weight.sum(axis=0) - weight
        seen, level = sight.seen.reshape(tags, BINS * 2), sight.level.reshape(tags, BINS * 2)
        reads, levels = sight.seen.sum(axis=1), sight.level.sum(axis=1)
        past = sight.past.log_likelihood(reads, levels, BINS)
        window = sight.window.log_likelihood(reads, levels, BINS)
        peak = np.where(sight.seen > 0, sight.level, np.float32(UNREAD_DB)).max(axis=(1, 2))
        out = np.empty((tags, 2, len(CROWD_FEATURES)), np.float32)
        together = []
        for direction in (0, 1):
            mine, when, rest = weight[:, direction], change[:, direction], others[:, direction]
            firm = np.maximum(rest, 1e-3)
            mean = np.where(rest > LEAST_GROUP, ((mine * when).sum() - mine * when) / firm, when)
            square = ((mine * when**2).sum() - mine * when**2) / firm
            likely = self._template_likelihood(seen, level, mine, when, direction)
            near = np.clip(1.0 - np.abs(when[:, None] - when[None, :]) / np.float32(TOGETHER_BINS), 0.0, 1.0)
            together.append(likely - past)
            columns = [
                own[:, direction],
                self._best[rows, direction],
                own[:, 1 - direction],
                np.log1p(np.maximum(rest, 0.0)),
                np.log1p(np.maximum(others[:, 1 - direction], 0.0)),
                np.log1p(np.maximum(near @ mine - mine, 0.0)),
                BINS - mean,
                np.sqrt(np.maximum(square - mean**2, 0.0)),
                when - mean,
                likely - past,
                likely - window,
                None,
                self._stays[rows],
                peak - ((mine * peak).sum() - mine * peak - 5.0) / (rest + 1.0),
                self._lasting[rows, direction],
            ]
            for number, column in enumerate(columns):
                if column is not None:
                    out[:, direction, number] = column
        opposite = CROWD_FEATURES.index("template_opposite")
        out[:, 0, opposite], out[:, 1, opposite] = together[1], together[0]
        return out

    def lean(self, sight: Sight) -> Floats:
        """How far the reads of the others whose own path lately looked like a crossing lean to the second side now:
        the log of the sides' ratio, (tags, 2 directions). To be asked after `look`."""
        reads = sight.seen[:, -NOW_BINS:].sum(axis=1)
        lean = np.empty((len(reads), 2), np.float32)
        for direction in (0, 1):
            mine = self._lasting[sight.rows, direction, None] * reads
            others = np.log(np.maximum(mine.sum(axis=0) - mine, 0.0) + np.float32(LEAN_READS))
            lean[:, direction] = others[:, 1 - direction] - others[:, direction]
        return lean

    def _template_likelihood(self, seen: Floats, level: Floats, mine: Floats, when: Floats, direction: int) -> Floats:
        """Log-likelihood of every tag's window under the crossing that the others make (see Still for what is left
        out)."""
        total = float(mine.sum())
        change = round(float((mine * when).sum()) / total) if total > LEAST_GROUP else BINS - 8
        p, db = self._usual(change, direction)
        prior = np.float32(PRIOR_TAGS) * p
        reads = (mine @ seen)[None] - mine[:, None] * seen + prior
        levels = (mine @ level)[None] - mine[:, None] * level + prior * db
        probability = np.clip(reads / ((total - mine) + np.float32(PRIOR_TAGS))[:, None], LEAST_P, MOST_P)
        mean = levels / (reads + np.float32(1e-6))
        unread = np.log(1.0 - probability)
        rates = seen * (np.log(probability) - unread) + unread
        marks = (2.0 * level * mean - seen * mean**2) / np.float32(2.0 * LEVEL_VARIANCE)
        likelihood: Floats = (rates + marks).sum(axis=1)
        return likelihood

    def _usual(self, change: int, direction: int) -> tuple[Floats, Floats]:
        """The fitted template with its change in window bin `change`, flat."""
        offset = np.arange(BINS) - change + TEMPLATE_BEFORE
        within = np.clip(offset, 0, TEMPLATE_BEFORE + TEMPLATE_AFTER - 1)
        beyond = (offset >= TEMPLATE_BEFORE + TEMPLATE_AFTER)[:, None]
        p, db = self._template.probability[within], self._template.level_db[within]
        p, db = np.where(beyond, np.float32(FAR_P), p), np.where(beyond, np.float32(FAR_DB), db)
        if direction != OUTWARDS:
            p, db = p[:, ::-1], db[:, ::-1]
        return p.ravel(), db.ravel()
