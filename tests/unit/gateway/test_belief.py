"""The hidden Markov model behind the windows: against its own definition, and against a world that follows it."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest

from gateway.belief import (
    CHANGES_PACE,
    HORIZON,
    INSIDE,
    PACES,
    PRESENT,
    RATES,
    SHARE,
    STATES,
    chain,
    model,
    paces,
    settled,
)


def counts_of(rate: float, looks: float = 1000.0) -> np.ndarray:
    return np.array([[rate * looks, looks]], np.float32)


def filtered(belief: np.ndarray, rate: float, looks: int, sighted: bool) -> np.ndarray:
    """The forward algorithm look by look, with all six positions: (PACES, positions), unnormalised."""
    seen = np.array(SHARE) * rate
    weights = np.zeros((PACES, PRESENT + 1))
    weights[:, 1:] = belief.reshape(PACES, PRESENT)
    for look in range(1, looks + 1):
        hit = sighted and look == looks
        for pace in range(PACES):
            weights[pace] = weights[pace] @ chain(pace, rate) * (seen if hit else 1 - seen)
    return weights


@pytest.mark.parametrize("pace", range(PACES))
@pytest.mark.parametrize("rate", [RATES[0], 0.5, RATES[-1]])
def test_a_chain_goes_somewhere_with_certainty(pace: int, rate: float) -> None:
    matrix = chain(pace, rate)
    assert (matrix >= 0).all()
    assert matrix.sum(axis=1) == pytest.approx(np.ones(len(matrix)))


@pytest.mark.parametrize("looks", [1, 2, 7, 60])
def test_one_product_does_what_many_looks_do(looks: int) -> None:
    rate = float(RATES[13])
    before = settled(np.array([[0.5, 0.3, 0.2]], np.float32)[:, :PACES])
    weights = filtered(before[0], rate, looks, sighted=True)[:, 1:]
    expected = weights / weights.sum()
    changed = 1 - (1 - CHANGES_PACE) ** looks
    expected = (1 - changed) * expected + changed * expected.mean(axis=0)
    after, _ = model().sighted(before, counts_of(rate), np.array([looks]))
    assert after.reshape(PACES, PRESENT) == pytest.approx(expected, abs=1e-5)
    gone = filtered(before[0], rate, looks, sighted=False)
    absent = model().absent(before, counts_of(rate), np.array([looks]))
    assert absent[0] == pytest.approx(gone[:, 0].sum() / gone.sum(), abs=1e-5)


def test_the_window_is_the_first_silence_that_reaches_the_error() -> None:
    belief = settled(np.eye(PACES, dtype=np.float32))
    counts = np.repeat(counts_of(0.7), PACES, axis=0)
    for error in (0.5, 0.2, 0.05):
        looks = model().looks_until_absent(belief, counts, error)
        reached = looks <= HORIZON
        assert (model().absent(belief, counts, looks)[reached] >= 1 - error).all()
        assert (model().absent(belief, counts, looks - 1)[reached] < 1 - error).all()


def test_less_error_takes_longer_and_a_resting_tag_waits_longest() -> None:
    belief = settled(np.eye(PACES, dtype=np.float32))
    counts = np.repeat(counts_of(0.7), PACES, axis=0)
    looks = [model().looks_until_absent(belief, counts, error) for error in (0.5, 0.2, 0.05, 0.01)]
    assert all((more >= less).all() for less, more in pairwise(looks))
    assert looks[0].argmax() == 0


def test_the_rate_is_learnt_and_unlearnt() -> None:
    chance = np.random.default_rng(3)
    belief, counts = (each[None] for each in model().first())
    for rate in (0.2, 0.9):
        for _ in range(150):
            belief, counts = model().sighted(belief, counts, chance.geometric(rate, 1))
        assert counts[0, 0] / counts[0, 1] == pytest.approx(rate, abs=0.12)


def test_a_steady_tag_is_believed_to_rest() -> None:
    belief, counts = (each[None] for each in model().first())
    before = paces(belief)[0, 0]
    for _ in range(400):
        belief, counts = model().sighted(belief, counts, np.array([1]))
    assert paces(belief)[0, 0] > max(before, 0.8)


def test_any_silence_leaves_a_belief_that_can_be_used() -> None:
    belief, counts = (np.repeat(each[None], 300, axis=0) for each in model().first())
    looks = np.arange(1, 301) ** 3
    for _ in range(5):
        belief, counts = model().sighted(belief, counts, looks)
    assert belief.sum(axis=1) == pytest.approx(np.ones(300), abs=1e-4)
    assert np.isfinite(belief).all()
    assert (counts > 0).all()
    assert (counts[:, 0] <= counts[:, 1] + 1e-3).all()


def test_absence_is_wrong_no_more_often_than_stated() -> None:
    """Tags that live by the model itself: of the moments when the chance of absence passes 1 - error, in no more than
    the accepted part is the tag still there. (Paces do not change and the rate is known: the filter's own premises.)"""
    chance, error, rate, tags = np.random.default_rng(4), 0.1, float(RATES[15]), 4000
    pace = np.arange(tags) % PACES
    steps = np.array([chain(each, rate) for each in range(PACES)]).cumsum(axis=2)
    position = np.full(tags, INSIDE + 1)
    first, _ = model().first()
    belief, counts = np.repeat(first[None], tags, axis=0), np.repeat(counts_of(rate), tags, axis=0)
    silent, decided, wrong = np.zeros(tags, np.int64), 0, 0
    window = model().looks_until_absent(belief, counts, error)
    for _ in range(400):
        drawn = chance.random(tags)[:, None]
        position = (drawn > steps[pace, position]).sum(axis=1)
        seen = chance.random(tags) < rate * np.array(SHARE)[position]
        silent += 1
        passed = ~seen & (silent == window)
        decided += int(passed.sum())
        wrong += int((position[passed] != 0).sum())
        rows = np.flatnonzero(seen)
        belief[rows], _ = model().sighted(belief[rows], counts[rows], silent[rows])
        window[rows] = model().looks_until_absent(belief[rows], counts[rows], error)
        silent[rows] = 0
    assert decided > 500
    assert wrong / decided <= error * 1.2


def test_settled_beliefs_are_inside_at_the_paces_given() -> None:
    belief = settled(np.arange(1, PACES + 1, dtype=np.float32)[None])
    assert belief.shape == (1, STATES)
    assert paces(belief)[0] == pytest.approx(np.arange(1, PACES + 1) / np.arange(1, PACES + 1).sum())


def test_a_search_that_stops_early_and_goes_on_ends_where_the_whole_one_does() -> None:
    chance = np.random.default_rng(5)
    belief, counts = (np.repeat(each[None], 200, axis=0) for each in model().first())
    for _ in range(20):
        belief, counts = model().sighted(belief, counts, chance.geometric(np.linspace(0.05, 0.9, 200)))
    for error in (0.5, 0.05):
        whole = model().looks_until_absent(belief, counts, error)
        low, high = np.zeros(200, np.int16), np.full(200, HORIZON + 1, np.int16)
        for asked in (3, 10, 40, 120, HORIZON):
            low, high = model().narrowed(belief, counts, error, np.full(200, asked), low, high)
            assert ((high <= asked) == (whole <= asked)).all()
            assert ((low < whole) & (whole <= high)).all()
