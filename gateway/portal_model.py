"""How likely a tag has just crossed: small sets of boosted trees, fitted offline, or plain physics without them.

    features of the tag's own path ─▶ own odds ─┐
                     what the others near do ───┴─▶ group features ─▶ odds of a crossing ─▶ compared with the caution

Small and large groups have trees of their own, and a group between counts with both.

Trees are oblivious: all nodes of a level ask the same question, so a tree is `depth` comparisons and one look-up, and
the whole model one array operation over the tags. Where a feature is a memory (its rates before, its changes of side
while nothing went on, having stayed while groups passed), the trees are fitted so that more of it never speaks for a
crossing; a tag that was never seen before has none.

Caution is the log-odds a crossing must reach: `caution` for a lone tag, more by `group_caution` where many cross at
once, since then everything near looks as if it crossed, and more while the picture is young. Fitted models and the
recordings they are from: `bench/portal/fit.py`, docs/accuracy.md.

The physical model needs no fit: the likelihood ratio of a walk through the door (1 m/s, levels falling with distance)
and the order of sides; for a group, the ratio under the group's own template.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from importlib import resources
from typing import Any, Final, Protocol

import numpy as np

from gateway.config import PortalRules
from gateway.crowd import CROWD_FEATURES
from gateway.errors import ConfigError
from gateway.passage import FEATURES, TEMPLATE_AFTER, TEMPLATE_BEFORE, Floats, Template

PHYSICAL: Final = "physical"
FORMAT: Final = "tallyman portal model 2"
YOUNG_BINS: Final = 8
"""A picture is complete 2 s after the change of side; before that every missing bin costs YOUNG_CAUTION."""

YOUNG_CAUTION: Final = 0.75

GROUP_FEATURES: Final = (*CROWD_FEATURES, *FEATURES)
"""What the second set of trees looks at."""


class Scorer(Protocol):
    """Log-odds from features (…, F)."""

    def __call__(self, features: Floats) -> Floats:
        """One number for each row of features."""


class Trees:
    """Oblivious boosted trees. `feature`, `above` (trees, depth): a row goes right where its feature is above;
    `leaves` (trees, 2 ** depth): the first question is the lowest bit."""

    def __init__(self, base: float, feature: Sequence[Any], above: Sequence[Any], leaves: Sequence[Any]) -> None:
        self.base = np.float32(base)
        self.feature = np.asarray(feature, np.int64)
        self.above = np.asarray(above, np.float32)
        self.leaves = np.asarray(leaves, np.float32)
        trees, depth = self.feature.shape
        if self.above.shape != (trees, depth) or self.leaves.shape != (trees, 1 << depth):
            raise ValueError("features, thresholds and leaves of the trees do not fit together")
        self._columns = self.feature.T.ravel()
        self._thresholds = self.above.T.ravel()
        self._offset = (np.arange(trees) << depth)[:, None]
        self._bits = np.uint8(1) << np.arange(depth, dtype=np.uint8)
        self._flat = self.leaves.ravel()

    def __call__(self, features: Floats) -> Floats:
        """Log-odds of rows (…, F)."""
        trees, depth = self.feature.shape
        rows = features.reshape(-1, features.shape[-1])
        right = rows.T.take(self._columns, axis=0) > self._thresholds[:, None]
        leaf = np.einsum("dtn,d->tn", right.view(np.uint8).reshape(depth, trees, len(rows)), self._bits)
        odds: Floats = self._flat.take(leaf + self._offset).sum(axis=0) + self.base
        return odds.reshape(features.shape[:-1])

    def as_json(self) -> dict[str, Any]:
        """Plain numbers, rounded to what a float32 comparison needs."""
        return {
            "base": round(float(self.base), 5),
            "feature": self.feature.tolist(),
            "above": [[float(f"{value:.6g}") for value in row] for row in self.above],
            "leaves": [[round(float(value), 4) for value in row] for row in self.leaves],
        }


@dataclass(frozen=True, slots=True)
class BySize:
    """One scorer for small groups and one for large: the size of a tag's group says how far each is believed."""

    small: Trees
    large: Trees
    half_group: float

    def __call__(self, features: Floats) -> Floats:
        """Log-odds of rows (…, GROUP_FEATURES)."""
        many = _many(features[..., GROUP_FEATURES.index("group")], self.half_group)
        odds: Floats = many * self.large(features) + (1.0 - many) * self.small(features)
        return odds


def _many(group: Floats, half_group: float) -> Floats:
    """How far a group counts as large, from the logarithm of one more than its expected size; half at `half_group`."""
    square = np.expm1(group) ** 2
    many: Floats = (square / (square + half_group**2)).astype(np.float32)
    return many


@dataclass(frozen=True, slots=True)
class PortalModel:
    """What a judge needs: its name (for the `method` of a movement), a template, the two scorers and the caution."""

    name: str
    template: Template
    own: Scorer
    group: Scorer
    caution: float
    group_caution: float
    half_group: float

    def tuned(self, rules: PortalRules) -> PortalModel:
        """The same with the configuration's cautions added."""
        return replace(
            self, caution=self.caution + rules.caution, group_caution=self.group_caution + rules.group_caution
        )

    def needed(self, crowd: Floats, age_bins: Floats) -> Floats:
        """Log-odds needed, (tags, 2): `crowd` CROWD_FEATURES, `age_bins` of the tag's own change."""
        group = np.expm1(crowd[..., CROWD_FEATURES.index("group")])
        age = (group * crowd[..., CROWD_FEATURES.index("group_age")] + age_bins) / (group + 1.0)
        young = np.maximum(0.0, YOUNG_BINS - age)
        many = _many(crowd[..., CROWD_FEATURES.index("group")], self.half_group)
        return (self.caution + self.group_caution * many + YOUNG_CAUTION * young).astype(np.float32)


def load_model(name: str) -> PortalModel:
    """The fitted model of this name that comes with the gateway, or the physical one.

    Raises ConfigError naming the models there are.
    """
    if name == PHYSICAL:
        return physical_model()
    folder = resources.files("gateway") / "portal_models"
    known = sorted(file.name.removesuffix(".json") for file in folder.iterdir() if file.name.endswith(".json"))
    if name not in known:
        raise ConfigError(f"no portal model {name!r}; there are {', '.join([*known, PHYSICAL])}")
    return model_of(json.loads((folder / f"{name}.json").read_text(encoding="utf-8")), name)


def model_of(stored: Mapping[str, Any], name: str) -> PortalModel:
    """A fitted model from its file. Raises ConfigError when the file is of another format or of other features."""
    if (stored.get("format"), stored.get("features")) != (FORMAT, list(GROUP_FEATURES)):
        raise ConfigError(f"portal model {name!r} was fitted for another version: fit it anew (bench/portal/fit.py)")
    template = Template(
        np.array(stored["template"]["probability"], np.float32), np.array(stored["template"]["level_db"], np.float32)
    )
    return PortalModel(
        name=name,
        template=template,
        own=Trees(**stored["own"]),
        group=BySize(Trees(**stored["small"]), Trees(**stored["large"]), float(stored["half_trees"])),
        caution=float(stored["caution"]),
        group_caution=float(stored["group_caution"]),
        half_group=float(stored["half_group"]),
    )


_SECONDS: Final = (-3.5, -2.5, -2.0, -1.5, -1.0, -0.5, 0.0, 0.5, 0.75, 1.0, 1.5)
_READS_PER_S: Final = (0.2, 0.3, 0.4, 0.5, 0.7, 0.8, 0.5, 0.25, 0.12, 0.05, 0.02)
_LEVEL_DB: Final = (-7.5, -6.0, -5.5, -4.5, -3.5, -2.5, -2.5, -4.0, -6.0, -8.0, -9.0)
"""A tag carried through at about 1 m/s, as its first side sees it; the second side sees the same backwards."""


def physical_model() -> PortalModel:
    """Judges by the physics of a walk alone."""
    at_s = (np.arange(-TEMPLATE_BEFORE, TEMPLATE_AFTER) + 0.5) * 0.25
    rate = np.stack([np.interp(side * at_s, _SECONDS, _READS_PER_S) for side in (1, -1)], axis=1)
    level = np.stack([np.interp(side * at_s, _SECONDS, _LEVEL_DB) for side in (1, -1)], axis=1)
    template = Template((1.0 - np.exp(-rate * 0.25)).astype(np.float32), level.astype(np.float32))
    return PortalModel(PHYSICAL, template, _own_physics, _group_physics, 0.0, 0.0, 40.0)


def _own_physics(features: Floats) -> Floats:
    column = {name: features[..., number] for number, name in enumerate(FEATURES)}
    walk = np.clip(np.minimum(column["likeness"], column["window_likeness"]), -8.0, 8.0)
    order = np.clip(column["order"], -4.0, 8.0)
    wrong = column["first_after"] + column["second_before"]
    odds: Floats = np.clip(1.1 * walk + 0.9 * order - 1.8 * wrong - 0.6 * column["quiet_changes"] - 2.0, -8.0, 8.0)
    return odds


def _group_physics(features: Floats) -> Floats:
    column = {name: features[..., number] for number, name in enumerate(GROUP_FEATURES)}
    group = np.maximum(0.0, np.expm1(column["group"]) - np.expm1(column["group_opposite"]))
    share = group / (group + 8.0)
    like = np.minimum(column["template_likeness"], column["template_window_likeness"] + 3.0)
    like = np.clip(like, -8.0, 8.0) - np.minimum(column["stays"], 3.0) / 3.0
    odds: Floats = (1.0 - share) * column["own"] + share * like
    return odds
