"""The radio model keeps what its docstring promises; bounds are wide, the seeds many, nothing is tuned to one."""

from __future__ import annotations

import numpy as np
import pytest

from simulators import radio
from simulators.radio import VISIT_US, Aerial, Interrogator, Mount, TagTraits

NO_WALLS = np.empty((0, 5))
IN = Mount((0.0, 0.0, 1.0), (0.0, 1.0, 0.0), 70.0)


def levels(places: list[tuple[float, float, float]], mount: Mount = IN, walls: np.ndarray = NO_WALLS) -> np.ndarray:
    """Mean level at each place over many tags and instants: what is left of chance is small."""
    chance = np.random.default_rng(5)
    traits = TagTraits(400, chance)
    aerials = [Aerial(mount, walls, traits, chance) for _ in range(20)]
    tags = np.arange(400)
    return np.array(
        [
            np.mean(
                [
                    aerial.level_dbm(np.tile(place, (400, 1)), tags, 10**6 * turn)[0]
                    for turn, aerial in enumerate(aerials)
                ]
            )
            for place in places
        ]
    )


def test_level_falls_with_distance_as_measured_on_real_readers() -> None:
    at_1_m, at_4_m = levels([(0.0, 1.0, 1.0), (0.0, 4.0, 1.0)])
    assert at_1_m == pytest.approx(-49.0, abs=2.5)
    assert at_1_m - at_4_m == pytest.approx(27.1 * np.log10(4), abs=1.0)


def test_an_antenna_looks_forward() -> None:
    ahead, aside, behind = levels([(0.0, 2.0, 1.0), (2.0, 0.0, 1.0), (0.0, -2.0, 1.0)])
    assert ahead > aside + 10
    assert ahead - behind == pytest.approx(2 * radio.BACK_LOBE_DB, abs=1.0)


def test_a_wall_takes_what_it_takes() -> None:
    wall = np.array([[-1.0, 1.0, 1.0, 1.0, 12.0]])
    (free,), (behind,) = levels([(0.0, 2.0, 1.0)]), levels([(0.0, 2.0, 1.0)], walls=wall)
    assert free - behind == pytest.approx(12.0, abs=0.01)


def rounds(distance_m: float, tags: int, seed: int, visits: int = 600) -> tuple[int, int, list[int]]:
    """How many tags could answer and did, over many visits with fresh tags, and the reads of each visit."""
    chance = np.random.default_rng(seed)
    traits = TagTraits(tags, chance)
    could, did, sizes = 0, 0, []
    for number in range(visits):
        interrogator = Interrogator({1: Aerial(IN, NO_WALLS, traits, chance)}, traits)
        xyz = np.tile((0.0, distance_m, 1.0), (tags, 1))
        visit = interrogator.visit(1, number * VISIT_US, np.arange(tags), xyz, chance)
        could, did = could + tags, did + len(visit.tags)
        sizes.append(len(visit.tags))
    return could, did, sizes


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_a_fifth_and_more_is_missed_even_right_before_the_antenna(seed: int) -> None:
    could, did, _ = rounds(1.5, 5, seed)
    assert 0.65 <= did / could <= 0.80


def test_far_tags_are_read_less_and_then_not_at_all() -> None:
    near, far, away = (rounds(distance, 5, 1, 300)[1] for distance in (3.0, 9.0, 25.0))
    assert near > 1.4 * far > 0
    assert away == 0


def test_a_visit_holds_only_so_many_answers() -> None:
    _, _, sizes = rounds(1.5, 120, 1, 20)
    # Tagwatch's law: 19 ms + e·0.18 ms·n·ln n reaches 60 ms at about 25 tags.
    assert max(sizes) <= 25
    assert min(sizes) >= 12


def test_reads_of_a_visit_lie_within_it_in_order() -> None:
    chance = np.random.default_rng(1)
    traits = TagTraits(40, chance)
    interrogator = Interrogator({1: Aerial(IN, NO_WALLS, traits, chance)}, traits)
    xyz = np.tile((0.0, 2.0, 1.0), (40, 1))
    visit = interrogator.visit(1, 7 * VISIT_US, np.arange(40), xyz, chance)
    assert len(set(visit.tags.tolist())) == len(visit.tags) > 5
    assert (np.diff(visit.at_us) >= 0).all()
    assert visit.at_us[0] > 7 * VISIT_US
    assert visit.at_us[-1] < 8 * VISIT_US
    assert ((visit.phase_rad >= 0) & (visit.phase_rad < 2 * np.pi + 1e-6)).all()


def test_a_tag_once_read_keeps_silent_as_session_1_demands() -> None:
    chance = np.random.default_rng(2)
    traits = TagTraits(3, chance)
    interrogator = Interrogator({1: Aerial(IN, NO_WALLS, traits, chance)}, traits)
    xyz = np.tile((0.0, 1.0, 1.0), (3, 1))
    times: dict[int, list[int]] = {}
    for number in range(500):
        visit = interrogator.visit(1, number * VISIT_US, np.arange(3), xyz, chance)
        for tag, at_us in zip(visit.tags.tolist(), visit.at_us.tolist(), strict=True):
            times.setdefault(tag, []).append(at_us)
    gaps = np.concatenate([np.diff(one) for one in times.values()])
    # A tag answers again in the first visit that begins after its silence.
    assert gaps.min() >= radio.SILENCE_US[0]
    assert np.median(gaps) < 1_500_000


def test_the_phase_turns_with_the_distance() -> None:
    chance = np.random.default_rng(3)
    traits = TagTraits(1, chance)
    quarter_m = radio.WAVELENGTH_M / 8
    phases = []
    for distance_m in (1.0, 1.0 + quarter_m):
        turns = []
        for number in range(200):
            interrogator = Interrogator({1: Aerial(IN, NO_WALLS, traits, chance)}, traits)
            visit = interrogator.visit(1, number * VISIT_US, np.array([0]), np.array([[0.0, distance_m, 1.0]]), chance)
            turns += np.exp(1j * visit.phase_rad).tolist()
        phases.append(np.angle(np.mean(turns)))
    assert (phases[1] - phases[0]) % (2 * np.pi) == pytest.approx(np.pi / 2, abs=0.15)
