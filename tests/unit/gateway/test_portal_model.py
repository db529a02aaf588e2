"""The fitted models: what they hold, what they refuse, and that memory only ever speaks against a crossing."""

from __future__ import annotations

import json
from importlib import resources

import numpy as np
import pytest

from gateway.config import GatewayConfig, PortalRules
from gateway.errors import ConfigError
from gateway.pipeline import Pipeline
from gateway.portal_model import GROUP_FEATURES, BySize, Trees, load_model, model_of
from readers.read import EpcTable

FITTED = ("all", "fold-1", "fold-3", "fold-5")
MEMORIES = ("quiet_changes", "least_rate", "first_rate", "second_rate", "stays")


def test_trees_ask_and_add() -> None:
    trees = Trees(0.5, [[0, 1], [1, 1]], [[1.0, 2.0], [0.0, 5.0]], [[1, 2, 3, 4], [10, 20, 30, 40]])
    rows = np.array([[0.0, 0.0], [2.0, 3.0], [0.0, 6.0]], np.float32)
    assert trees(rows).tolist() == [0.5 + 1 + 10, 0.5 + 4 + 20, 0.5 + 3 + 40]
    assert trees(rows.reshape(3, 1, 2)).shape == (3, 1)
    assert trees(rows[:0]).shape == (0,)


def test_trees_whose_parts_do_not_fit_are_refused() -> None:
    with pytest.raises(ValueError, match="do not fit"):
        Trees(0.0, [[0, 1]], [[1.0]], [[1, 2, 3, 4]])


@pytest.mark.parametrize("name", FITTED)
def test_a_fitted_model_says_what_it_was_fitted_on(name: str) -> None:
    stored = json.loads((resources.files("gateway") / "portal_models" / f"{name}.json").read_text(encoding="utf-8"))
    runs = {run for run in ("xstart1", "xstart3", "xstart5") if run in stored["data"]}
    assert len(runs) == (3 if name == "all" else 2)
    assert "xstart" + name.removeprefix("fold-") not in runs
    assert load_model(name).name == name


def test_the_model_of_simulated_doors_has_seen_no_recording() -> None:
    folder = resources.files("gateway") / "portal_models"
    stored = json.loads((folder / "simulated.json").read_text(encoding="utf-8"))
    assert "simulated" in stored["data"]
    assert "xstart" not in stored["data"]


@pytest.mark.parametrize("name", [*FITTED, "simulated"])
def test_memories_never_speak_for_a_crossing(name: str) -> None:
    """Whatever else is seen, more of them may not raise the odds."""
    group = load_model(name).group
    chance = np.random.default_rng(3)
    assert isinstance(group, BySize)
    for trees in (group.small, group.large):
        thresholds = [trees.above[trees.feature == number] for number in range(len(GROUP_FEATURES))]
        rows = np.stack(
            [chance.choice(np.concatenate((each - 0.01, each + 0.01, [0.0])), 2000) for each in thresholds], axis=1
        ).astype(np.float32)
        for memory in MEMORIES:
            number = GROUP_FEATURES.index(memory)
            more = rows.copy()
            more[:, number] += chance.uniform(0.0, 3.0, len(rows)).astype(np.float32)
            assert (group(more) <= group(rows) + 2e-3).all(), memory


def test_small_groups_are_judged_by_one_set_of_trees_and_large_ones_by_the_other() -> None:
    question = [[GROUP_FEATURES.index("age")]]
    small, large = (Trees(odds, question, [[0.0]], [[0.0, 0.0]]) for odds in (-1.0, 3.0))
    rows = np.zeros((3, len(GROUP_FEATURES)), np.float32)
    rows[:, GROUP_FEATURES.index("group")] = np.log1p([0.0, 40.0, 4000.0])
    assert BySize(small, large, 40.0)(rows) == pytest.approx([-1.0, 1.0, 3.0], abs=0.01)


def test_a_model_nobody_fitted_is_named_with_those_there_are() -> None:
    with pytest.raises(ConfigError, match=r"fold-9.*all, fold-1, fold-3, fold-5, simulated, physical"):
        load_model("fold-9")
    settings = {
        "site": "s",
        "gateway": "g",
        "zones": [{"code": "z"}],
        "portals": [{"code": "p", "inside_zone": "z"}],
        "readers": [{"name": "r", "address": "a", "antennas": [{"port": 1, "portal": "p", "side": "in"}]}],
        "rules": {"portals": {"model": "nothing"}},
    }
    with pytest.raises(ConfigError, match="nothing"):
        Pipeline(GatewayConfig.model_validate(settings), EpcTable())


def test_a_model_of_another_version_is_refused() -> None:
    with pytest.raises(ConfigError, match="another version"):
        model_of({"format": "tallyman portal model 1", "features": ["age"]}, "old")


def test_caution_is_added_to_what_was_fitted() -> None:
    fitted = load_model("physical")
    tuned = fitted.tuned(PortalRules(caution=0.5, group_caution=-0.25))
    assert tuned.caution == fitted.caution + 0.5
    assert tuned.group_caution == fitted.group_caution - 0.25
