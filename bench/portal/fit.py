"""Fit a portal model: `python -m bench.portal.fit all|fold-1|fold-3|fold-5|simulated`, about 5 minutes each.

Data: the dock-door recordings (../shared/data/dockdoor, corentinbouton/RFID-tags-detection, MIT) and what is made from
them (see recordings). `fold-N` is fitted on all runs but xstartN, in everything: templates, trees and cautions. Needs
nothing but numpy. Writes gateway/portal_models/NAME.json.

    template   mean of all crossings, both directions, both halves (a second side sees a crossing backwards)
    own        trees on one tag's features
    large      trees on the crowd's features too, at loads from 3 to all moving tags; the own odds they build on come
               from trees that have not seen that recording (cross-fitting)
    small      the same from a mix with more small loads and more that waits or comes near, for small groups
    caution    by large groups' trees fitted on one half of the tags and tried on the other, in the real recordings and
               the parked ones: the greatest mean F1 over all loads, less a little for each false crossing of a static
               tag beyond MOST_FALSE in a real run; of those as good, the least group caution

`simulated` is fitted on simulated doors alone (see simulated), with one set of trees for all groups. No feature knows
an EPC, and memories may only speak against.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import product
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from bench.portal.boosting import Boosting, boost
from bench.portal.recordings import BIN_US, PER_S, Recording, load_recording, parked, stayed, turned_back, waited
from bench.portal.simulated import FIRST_SEED, SIMULATED, levelled, worlds
from gateway.bystanders import Bystanders
from gateway.config import load as load_config
from gateway.coverage import Coverage
from gateway.crowd import Crowd
from gateway.passage import FEATURES, TEMPLATE_AFTER, TEMPLATE_BEFORE, Flags, Floats, Ints, Sight, Template
from gateway.portal import FIRST_PEAK_DBM, HOLD_BINS, TURN_BINS, PortalJudge
from gateway.portal_model import FORMAT, GROUP_FEATURES, BySize, PortalModel, Scorer, Trees, physical_model

ROOT: Final = Path(__file__).resolve().parents[2]
DATA: Final = ROOT / ".." / "shared" / "data" / "dockdoor"
MODELS: Final = ROOT / "gateway" / "portal_models"
RUNS: Final = ("xstart1", "xstart3", "xstart5")
AGAINST: Final = ("quiet_changes", "least_rate", "first_rate", "second_rate", "stays")

SEED: Final = 7
OWN: Final = Boosting(trees=60, step=0.15)
GROUP: Final = Boosting(trees=160)
INNER: Final = Boosting(trees=100)

LOADS: Final = {"passing": (3, 8, 18, 40, 100), "waiting": (3, 3, 8, 8, 18, 18, 40, 100), SIMULATED: (3, 10, 100)}
"""Two mixes of recordings. What waits and comes near teaches to judge small loads, and blurs large ones: so large
groups are judged by trees from the first, small ones by trees from the second."""

MADE_LOADS: Final = {"parked": (5, 20, 100), "waited": (5, 20, 100), "stayed": (20, 100), "turned": (100,)}
MADE_WEIGHT: Final = {"parked": 0.7, "waited": 0.7, "stayed": 0.5, "turned": 0.5}

PLAINLY_NOT: Final = -4.0
"""Looks whose own odds (or likeness) lie below this are many and alike: one in KEPT_PLAIN is used."""

KEPT_SURE, KEPT_NOT, KEPT_PLAIN = 0.15, 0.12, 0.01

CAUTIONS: Final = (-0.5, -0.25, 0.0, 0.25)
GROUP_CAUTIONS: Final = (1.0, 1.5, 2.0, 2.5)
SIMULATED_CAUTION: Final = 1.0
"""Of 0.5, 1 and 1.5 the least that kept false moves well below the benchmark's aim with the seeds 201 and 202."""

HALF_GROUP: Final = 40.0
HALF_TREES: Final = 25.0
"""Size of a group at which each set of trees is believed half."""

MOST_FALSE: Final = 40
AS_GOOD: Final = 0.0035
"""Means of F1 this close are not told apart by so few crossings; of those the least group caution is taken."""

HEEDED_BINS: Final = 6
"""A simulated crossing has been decided, and its level learnt, this long after it."""

MATCH_S: Final = (-4.0, 6.0)
PRIOR_READS: Final = 20.0
PRIOR_DB: Final = -10.0


@dataclass(slots=True)
class Looks:
    """Every look at every near tag of one recording, in order of time. `now` and `tag` for each look."""

    recording: Recording
    run: str
    sights: list[Sight]
    now: Ints
    tag: Ints
    features: Floats
    answer: NDArray[np.int8]

    @property
    def made(self) -> str | None:
        """How the recording was made, None for a real one."""
        return next((word for word in MADE_LOADS if word in self.recording.name), None)


@dataclass(slots=True)
class Load:
    """One recording with some of its moving tags: which looks, and their group features."""

    looks: Looks
    movers: int
    chosen: Ints
    features: Floats

    @property
    def answer(self) -> NDArray[np.int8]:
        """The right answers."""
        return self.looks.answer[self.chosen]

    def half(self, number: int) -> Flags:
        """Which looks are at tags of one half of all tags."""
        chosen: Flags = self.looks.tag[self.chosen] % 2 == number
        return chosen


def template_of(recordings: Sequence[Recording]) -> Template:
    """The usual crossing of the moving tags."""
    offsets = np.arange(-TEMPLATE_BEFORE, TEMPLATE_AFTER)
    reads = np.zeros((len(offsets), 2))
    levels = np.zeros((len(offsets), 2))
    tags = 0
    for recording in recordings:
        for crossed, direction in zip(recording.crossed_bin, recording.direction, strict=True):
            bins = int(crossed) + offsets
            if bins[0] >= 0 and bins[-1] < recording.bins:
                seen = recording.levels_dbm[recording.moving][:, bins]
                seen = seen[:, :, ::-1] if direction else seen
                reads += np.isfinite(seen).sum(axis=0)
                levels += np.where(np.isfinite(seen), seen - FIRST_PEAK_DBM, 0.0).sum(axis=0)
                tags += len(seen)
    reads, levels = _smooth(reads + reads[::-1, ::-1]), _smooth(levels + levels[::-1, ::-1])
    p = np.clip(reads / (2 * tags), 0.004, 0.9)
    db = (levels + PRIOR_DB * PRIOR_READS) / (reads + PRIOR_READS)
    return Template(p.astype(np.float32), db.astype(np.float32))


def _smooth(values: NDArray[np.float64]) -> NDArray[np.float64]:
    padded = np.pad(values, ((1, 1), (0, 0)), "edge")
    return 0.25 * padded[:-2] + 0.5 * padded[1:-1] + 0.25 * padded[2:]


def looks_at(recording: Recording, run: str, template: Template) -> Looks:
    """Look at a recording at the end of every bin, as a judge does."""
    coverage = Coverage(load_config(ROOT / "examples" / "dockdoor.toml"))
    heeded = set((recording.crossed_bin + HEEDED_BINS).astype(int)) if recording.rival_mw is not None else set()
    plain = physical_model()
    model = PortalModel("fit", template, plain.own, plain.group, 0.0, 0.0, HALF_GROUP)
    judge = PortalJudge(0, coverage, BIN_US, model, Bystanders(0), eye=False)
    judge.log.grow(len(recording.levels_dbm))
    tags, bins, sides = np.nonzero(np.isfinite(recording.levels_dbm).transpose(0, 1, 2))
    order = np.argsort(bins, kind="stable")
    tags, bins, sides = tags[order], bins[order], sides[order]
    ends = np.searchsorted(bins, np.arange(recording.bins + 1))
    sights, now, tag = [], [], []
    for number in range(recording.bins):
        span = slice(ends[number], ends[number + 1])
        levels = recording.levels_dbm[tags[span], number, sides[span]]
        at_us = np.full(len(levels), number * BIN_US + BIN_US // 2)
        ones = np.ones(len(levels), np.int64)
        judge.log.observe(tags[span], sides[span], levels, at_us, ones, ones)
        sight = judge.sight(number + 1, _rivals(recording, judge.log.tag_of, number + 1))
        for row in np.flatnonzero(recording.moving[judge.log.tag_of]).tolist() if number in heeded else ():
            judge.heed(row, number + 1)
        owner = judge.log.tag_of[sight.rows]
        judge.log.turn(number + 1)
        sights.append(Sight(owner, sight.seen, sight.level, sight.past, sight.window, sight.change, sight.features))
        now.append(np.full(len(owner), number + 1))
        tag.append(owner)
    when, who = np.concatenate(now), np.concatenate(tag)
    features = np.concatenate([sight.features for sight in sights])
    return Looks(recording, run, sights, when, who, features, recording.answers(when, who))


def _rivals(recording: Recording, tags: Ints, now_bin: int) -> Floats:
    """Power of the tags of a log's rows at another door; rows without a tag have none."""
    if recording.rival_mw is None:
        return np.zeros(len(tags), np.float32)
    rivals: Floats = np.where(tags >= 0, recording.rival_mw[tags, now_bin], np.float32(0.0))
    return rivals


def variants(recording: Recording, mix: str) -> Iterator[Recording]:
    """The recording and what is made from it in a mix."""
    yield recording
    if mix == SIMULATED:
        if recording.name.endswith("D1"):
            yield turned_back(recording, 0, 0.75)
            yield stayed(recording, 1, 0.75, 8.0, seed=2)
        return
    yield turned_back(recording, 0, 0.75)
    yield turned_back(recording, 1, 1.25)
    if mix == "passing":
        yield parked(recording, 2.0, 4.0, seed=1)
    else:
        yield stayed(recording, 0, 1.0, 8.0, seed=2)
        yield stayed(recording, 1, 1.5, 8.0, seed=3)
        yield waited(recording, 2.0, 12.0, seed=1)


def load_of(looks: Looks, own: Floats, template: Template, movers: int, chance: np.random.Generator) -> Load:
    """The group features with `movers` of the moving tags there, `own` the log-odds of every look's own path."""
    recording = looks.recording
    kept = ~recording.moving
    kept[chance.permutation(np.flatnonzero(recording.moving))[:movers]] = True
    crowd = Crowd(template)
    crowd.grow(len(kept))
    parts, at = [], 0
    for number, sight in enumerate(looks.sights):
        here: Flags = kept[sight.rows]
        mine = own[at : at + len(here)]
        at += len(here)
        parts.append(crowd.look(sight.take(here), mine[here], number + 1))
    return Load(looks, movers, np.flatnonzero(kept[looks.tag]), np.concatenate(parts))


def fit_own(looks: Sequence[Looks], chance: np.random.Generator) -> Trees:
    """Trees on the tags' own paths."""
    rows, answers, weights = [], [], []
    for each in looks:
        likeness = each.features[:, :, 0]
        taken, weight = _draw(each.answer, likeness, 0.3, chance)
        rows.append(each.features[taken])
        answers.append(each.answer[taken])
        weights.append(weight * (MADE_WEIGHT[each.made] if each.made else 1.0))
    against = [name in AGAINST for name in FEATURES]
    return boost(np.concatenate(rows), np.concatenate(answers).astype(float), np.concatenate(weights), against, OWN)


def fit_group(loads: Sequence[Load], how: Boosting, chance: np.random.Generator, half: int | None = None) -> Trees:
    """Trees on everything; with `half` 0 or 1 on that half of the tags."""
    rows, answers, weights = [], [], []
    for each in loads:
        sure = min(1.0, KEPT_SURE * max(1.0, 20 / each.movers))
        answer = each.answer if half is None else np.where(each.half(half)[:, None], each.answer, np.int8(-1))
        taken, weight = _draw(answer, each.features[:, :, 0], sure, chance)
        rows.append(_joined(each, taken))
        answers.append(each.answer[taken])
        weights.append(weight * (MADE_WEIGHT[each.looks.made] if each.looks.made else 1.0))
    against = [name in AGAINST for name in GROUP_FEATURES]
    return boost(np.concatenate(rows), np.concatenate(answers).astype(float), np.concatenate(weights), against, how)


Taken = tuple[Ints, Ints]


def _draw(answer: NDArray[np.int8], odds: Floats, sure: float, chance: np.random.Generator) -> tuple[Taken, Floats]:
    """A sample of (look, direction) and what each stands for."""
    kept = np.where(answer == 1, sure, np.where(odds > PLAINLY_NOT, KEPT_NOT, KEPT_PLAIN))
    taken = np.nonzero((answer >= 0) & (chance.random(answer.shape) < kept))
    return (taken[0], taken[1]), (1.0 / kept[taken]).astype(np.float32)


def _joined(load: Load, taken: Taken) -> Floats:
    look, direction = taken
    own = load.looks.features[load.chosen[look], direction]
    return np.concatenate((load.features[look, direction], own), axis=1)


def odds_of(load: Load, trees: Scorer) -> Floats:
    """Group log-odds of every look of a load."""
    return trees(np.concatenate((load.features, load.looks.features[load.chosen]), axis=2))


def crossings(load: Load, odds: Floats, needed: Floats) -> list[tuple[int, int, int]]:
    """What a judge would decide: (tag, direction, bin)."""
    now, tag = load.looks.now[load.chosen], load.looks.tag[load.chosen]
    last = np.full((len(load.looks.recording.moving), 2), -1 << 40)
    decided = []
    sure = odds > needed
    for look in np.flatnonzero(sure.any(axis=1)):
        direction = int(np.where(sure[look], odds[look], -np.inf).argmax())
        who, when = int(tag[look]), int(now[look])
        if when - last[who, direction] > HOLD_BINS and when - last[who, 1 - direction] > TURN_BINS:
            last[who, direction] = when
            decided.append((who, direction, when))
    return decided


def f1_and_false(load: Load, decided: list[tuple[int, int, int]]) -> tuple[float, int]:
    """F1 against the truth, and the false crossings of static tags. A decision stands for a read up to 1 s older."""
    recording = load.looks.recording
    found: set[tuple[int, int]] = set()
    false = wrong = 0
    for tag, direction, when in decided:
        if recording.doubtful[tag] or not recording.edge_bins <= when <= recording.bins - recording.edge_bins:
            continue
        after_s = (when - recording.crossed_bin) / PER_S
        near = np.flatnonzero(
            recording.moving[tag] & (recording.direction == direction) & (after_s > MATCH_S[0]) & (after_s < MATCH_S[1])
        )
        if len(near) and (tag, int(near[0])) not in found:
            found.add((tag, int(near[0])))
        else:
            wrong += 1
            false += not recording.moving[tag]
    wanted = load.movers * len(recording.crossed_bin)
    return 2 * len(found) / (len(found) + wrong + wanted), false


def choose_caution(judged: Sequence[tuple[Load, Floats]], model: PortalModel) -> tuple[float, float]:
    """Caution and group caution by odds from trees that have not seen the tag."""
    age = FEATURES.index("age")
    tried = []
    for caution, group_caution in product(CAUTIONS, GROUP_CAUTIONS):
        trial = PortalModel("", model.template, model.own, model.group, caution, group_caution, HALF_GROUP)
        scores, most = [], 0
        for load, odds in judged:
            needed = trial.needed(load.features, load.looks.features[load.chosen][:, :, age])
            f1, false = f1_and_false(load, crossings(load, odds, needed))
            scores.append(f1)
            most = max(most, false if load.looks.made is None else 0)
        score = float(np.mean(scores)) - 0.001 * max(0, most - MOST_FALSE)
        print(f"  caution {caution:5.2f} {group_caution:4.2f}: mean F1 {score:.4f}, most false {most}", flush=True)
        tried.append((score, caution, group_caution))
    best = max(tried)[0]
    least = min(g for score, _, g in tried if score >= best - AS_GOOD)
    _, caution = max((score, c) for score, c, g in tried if g == least)
    return caution, least


@dataclass(frozen=True, slots=True)
class Fitted:
    """What one mix of recordings gave."""

    own: Trees
    group: Trees
    loads: list[Load]


def fit_mix(
    mix: str, recordings: Mapping[str, Sequence[Recording]], template: Template, chance: np.random.Generator
) -> Fitted:
    """Fit trees to one mix of these runs."""
    looks = [
        looks_at(made, run, template)
        for run, recorded in recordings.items()
        for each in recorded
        for made in variants(each, mix)
    ]
    own = fit_own(looks, chance)
    loads = []
    for run in recordings:
        unseen = fit_own([each for each in looks if each.run != run], chance)
        for each in (each for each in looks if each.run == run):
            odds = unseen(each.features)
            for movers in MADE_LOADS[each.made] if each.made else LOADS[mix]:
                loads.append(load_of(each, odds, template, movers, chance))
    print(f"{mix}: {len(looks)} recordings looked at, {len(loads)} loads", flush=True)
    return Fitted(own, fit_group(loads, GROUP, chance), loads)


def runs_of(name: str) -> list[str]:
    """The recorded runs that a model is fitted on."""
    return [run for run in RUNS if name != f"fold-{run.removeprefix('xstart')}"]


def fit_simulated() -> PortalModel:
    """Fit the model of simulated doors: one mix, the same trees for small and large groups."""
    recordings = worlds()
    template = template_of([levelled(each) for half in recordings.values() for each in half])
    found = fit_mix(SIMULATED, recordings, template, np.random.default_rng(SEED))
    group = BySize(found.group, found.group, HALF_TREES)
    return PortalModel(SIMULATED, template, found.own, group, SIMULATED_CAUTION, 0.0, HALF_GROUP)


def fit(name: str) -> PortalModel:
    """Fit the model of this name. The cautions are those of the large groups' trees."""
    recordings = {run: [load_recording(DATA, run)] for run in runs_of(name)}
    template = template_of([each for recorded in recordings.values() for each in recorded])
    chance = np.random.default_rng(SEED)
    large = fit_mix("passing", recordings, template, chance)
    halves = [fit_group(large.loads, INNER, chance, half) for half in (0, 1)]
    small = fit_mix("waiting", recordings, template, np.random.default_rng(SEED))
    group = BySize(small.group, large.group, HALF_TREES)
    model = PortalModel(name, template, large.own, group, 0.0, 0.0, HALF_GROUP)
    judged = []
    for tried in (load for load in large.loads if len(load.looks.recording.crossed_bin)):
        first = tried.half(0)[:, None]
        judged.append((tried, np.where(first, odds_of(tried, halves[1]), odds_of(tried, halves[0]))))
    caution, group_caution = choose_caution(judged, model)
    print(f"{name}: caution {caution}, group caution {group_caution}", flush=True)
    return replace(model, caution=caution, group_caution=group_caution)


def write(model: PortalModel) -> None:
    """Store a model where the gateway finds it."""
    assert isinstance(model.own, Trees)
    assert isinstance(model.group, BySize)
    stored = {
        "format": FORMAT,
        "data": f"simulated doors, seeds from {FIRST_SEED} on (bench/portal/simulated.py)"
        if model.name == SIMULATED
        else "corentinbouton/RFID-tags-detection (MIT), dock-door runs " + ", ".join(runs_of(model.name)),
        "script": "bench/portal/fit.py",
        "features": list(GROUP_FEATURES),
        "caution": model.caution,
        "group_caution": model.group_caution,
        "half_group": model.half_group,
        "half_trees": model.group.half_group,
        "template": {
            "probability": model.template.probability.round(5).tolist(),
            "level_db": model.template.level_db.round(3).tolist(),
        },
        "own": model.own.as_json(),
        "small": model.group.small.as_json(),
        "large": model.group.large.as_json(),
    }
    MODELS.mkdir(exist_ok=True)
    text = json.dumps(stored, separators=(",", ":")).replace('],"', '],\n"').replace("]],", "]],\n")
    (MODELS / f"{model.name}.json").write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    for wanted in sys.argv[1:]:
        write(fit_simulated() if wanted == SIMULATED else fit(wanted))
