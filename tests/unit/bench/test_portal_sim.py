"""The benchmark of simulated doors: what it is fitted on is not what it judges, and its figures are counted right."""

from __future__ import annotations

import pytest

from bench import portal_sim
from bench.portal import simulated
from bench.portal.doors import JAMBS, TURNED_DOWN, Build, two_doors


def played(monkeypatch: pytest.MonkeyPatch, build: Build, model: str) -> portal_sim.Score:
    """A minute of one of the benchmark's worlds."""
    monkeypatch.setattr(portal_sim, "SECONDS", 75)
    score = portal_sim.Score()
    portal_sim.Run("test", two_doors(build, (1.5, 2.2)), 31, model).score(score)
    return score


def test_no_model_was_fitted_on_the_seeds_it_is_judged_by() -> None:
    fitted = range(simulated.FIRST_SEED, simulated.FIRST_SEED + len(simulated.WORLDS))
    assert not set(portal_sim.SEEDS) & set(fitted)


def test_a_door_built_for_fast_goods_is_judged_nearly_without_error(monkeypatch: pytest.MonkeyPatch) -> None:
    score = played(monkeypatch, JAMBS, simulated.SIMULATED)
    assert score.crossed > 100
    assert score.right >= 0.97 * score.crossed
    assert score.right + len(score.missed) == score.crossed
    assert score.false_still.total() <= 1
    assert score.heard_next_door > 0.3 * score.crossed, "the next door hears what crosses: else nothing is shown"


def test_a_door_as_recorded_is_read_by_the_wrong_side_more_often_than_one_behind_the_wall(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert _wrong_side(monkeypatch, TURNED_DOWN) > 2 * _wrong_side(monkeypatch, JAMBS)


def _wrong_side(monkeypatch: pytest.MonkeyPatch, build: Build) -> float:
    """The part of the reads of goods at rest in the hall that the outer antennas make."""
    monkeypatch.setattr(portal_sim, "SECONDS", 20)
    run = portal_sim.Run("test", two_doors(build, (1.5, 2.2)), 31, "physical")
    run.movements()
    plan = run.world.scenario.plans["dock"]
    tags = run.world.goods.tags
    inside = {
        tags[tag].hex
        for parked, pallet in zip(plan.parked, run.world.openings["TWO"].parked, strict=True)
        for tag in pallet.loaded
        if parked.at[1] > 0
    }
    ports = [antenna for (_, epc), reads in run.reads_of.items() if epc in inside for _, antenna in reads]
    return sum(port not in portal_sim.INNER_PORTS for port in ports) / len(ports)


def test_recordings_of_a_simulated_door_have_their_truth() -> None:
    one, two = simulated.recorded(JAMBS, (1.5, 2.2), (12, 6), 31, seconds=75)
    assert one.moving.sum() == 12 + 2, "the load's tags, its pallet's and its cage's"
    assert not (one.moving & two.moving).any()
    assert one.direction.tolist() == [number % 2 for number in range(len(one.direction))], "out, in, out, …"
    assert one.rival_mw is not None
    assert one.rival_mw.shape == (len(one.moving), one.bins + 1)
    for crossed, direction in zip(one.crossed_bin, one.direction, strict=True):
        before, after = one.levels_dbm[one.moving, int(crossed) - 5], one.levels_dbm[one.moving, int(crossed) + 5]
        first_reads = (before[:, direction] > before[:, 1 - direction]).sum()
        assert first_reads > (before[:, direction] < before[:, 1 - direction]).sum()
        assert (after[:, direction] < after[:, 1 - direction]).sum() > 0
