"""Recordings of simulated doors, with their truth, for the fit: many speeds, loads, tags and ways to build a door.

Each world has two doors 4 m apart (see doors), and each of them gives a recording: its own load crosses, the other
door's load is heard and does not, goods stand 1 to 5 m beside it, not quite where the benchmark has them; every fifth
read is lost. Worlds have seeds from FIRST_SEED on; the benchmark's are below.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final

import numpy as np

from bench.portal.doors import DOORS, JAMBS, OUTER_PORTS, RECORDED, TURNED_DOWN, Build, door_of, two_doors
from bench.portal.recordings import BIN_US, Recording
from gateway.passage import BINS, Floats
from gateway.portal import ABOVE_MEAN_DB, FIRST_PEAK_DBM
from simulators.scenario import Scenario
from simulators.truth import Crossing
from simulators.world import World

SIMULATED: Final = "simulated"
"""The model that is fitted on these."""

START_US: Final = 1_800_000_000_000_000
SLICE_US: Final = 500_000
LOST: Final = 0.2
FIRST_SEED: Final = 101
SECONDS: Final = 240
NEAR_BINS: Final = 8
"""A tag's peak is looked for within 2 s of its crossing."""
MOVED_M: Final = 0.4
"""Goods at rest stand up to so far from where the scenario has them, along the wall and away from it."""

SLOW, BRISK, FAST = (0.9, 1.5), (1.5, 2.2), (2.2, 3.1)

BEHIND: Final = replace(JAMBS, aside_m=1.9, own_reader=True)
"""Not quite as the benchmark has it."""

WORLDS: Final = (
    (BEHIND, SLOW, (60, 20)),
    (BEHIND, BRISK, (60, 20)),
    (BEHIND, FAST, (60, 20)),
    (replace(BEHIND, power_dbm=23.5), FAST, (40, 100)),
    (replace(BEHIND, power_dbm=20.5, deep_m=0.5), BRISK, (80, 10)),
    (replace(BEHIND, own_reader=False), SLOW, (60, 20)),
    (replace(BEHIND, own_reader=False), BRISK, (20, 60)),
    (replace(BEHIND, own_reader=False, power_dbm=23.5), FAST, (60, 20)),
    (replace(BEHIND, own_reader=False), FAST, (30, 60)),
    (replace(BEHIND, air=None, power_dbm=30.0), SLOW, (60, 20)),
    (replace(BEHIND, air=None, power_dbm=30.0), FAST, (40, 20)),
    (replace(BEHIND, session=1, aside_m=1.7), BRISK, (60, 20)),
    (TURNED_DOWN, SLOW, (60, 20)),
    (TURNED_DOWN, FAST, (60, 20)),
    (replace(TURNED_DOWN, session=0, deep_m=1.0, along=0.5), BRISK, (60, 20)),
    (RECORDED, SLOW, (60, 20)),
    (RECORDED, FAST, (60, 20)),
)
"""How the doors are built, metres a second, tags on the load of each."""


HALVES: Final = ("even worlds", "odd worlds")


def worlds() -> dict[str, list[Recording]]:
    """The recordings of all worlds in two halves, so that each can be judged by what was fitted on the other."""
    halves: dict[str, list[Recording]] = {half: [] for half in HALVES}
    for number, (build, speed_m_s, loads) in enumerate(WORLDS):
        halves[HALVES[number % len(HALVES)]] += recorded(build, speed_m_s, loads, FIRST_SEED + number)
    return halves


def recorded(
    build: Build, speed_m_s: tuple[float, float], loads: tuple[int, int], seed: int, seconds: int = SECONDS
) -> tuple[Recording, Recording]:
    """Play one world and record both doors."""
    world = World(_moved(two_doors(build, speed_m_s, loads), np.random.default_rng([seed, 2])), seed, START_US)
    number_of = {tag.epc: tag.number for tag in world.goods.tags}
    levels = np.full((len(DOORS), len(number_of), seconds * 1_000_000 // BIN_US, 2), -np.inf, np.float32)
    codes = [code for code, _ in DOORS]
    lost = np.random.default_rng([seed, 1])
    for now_us in range(START_US + SLICE_US, START_US + seconds * 1_000_000 + 1, SLICE_US):
        for reader in world.readers:
            seen = world.inventory(reader.name, reader.antennas, now_us - SLICE_US, now_us)
            kept = lost.random(len(seen)) >= LOST
            door = codes.index(door_of(reader.name))
            tags = np.array([number_of[epc] for epc in seen.epcs], np.int64)[kept]
            bins = np.minimum((seen.at_us[kept] - START_US) // BIN_US, levels.shape[2] - 1)
            side = np.isin(seen.antenna[kept], OUTER_PORTS).astype(np.int64)
            np.maximum.at(levels[door], (tags, bins, side), seen.rssi_dbm[kept])
    crossings = world.truth.crossings(START_US + seconds * 1_000_000)
    power = [_power_mw(one) for one in levels]
    one, two = (_recording(world, door, levels[door], power[1 - door], crossings) for door in range(len(DOORS)))
    return one, two


def levelled(recording: Recording) -> Recording:
    """The same with levels such that the usual crossing is as strong as a judge believes before it has seen one."""
    at = [int(crossed) + near for crossed in recording.crossed_bin for near in range(-NEAR_BINS, NEAR_BINS)]
    levels = recording.levels_dbm[recording.moving][:, np.clip(at, 0, recording.bins - 1)]
    peaks = levels.reshape(len(levels), -1, 4 * NEAR_BINS).max(axis=2)
    louder_db = float(peaks[np.isfinite(peaks)].mean()) + ABOVE_MEAN_DB - FIRST_PEAK_DBM
    return replace(recording, levels_dbm=recording.levels_dbm - np.float32(louder_db))


def _moved(scenario: Scenario, chance: np.random.Generator) -> Scenario:
    """The same with the goods at rest somewhat elsewhere."""
    plan = scenario.plans["dock"]
    parked = tuple(
        each.model_copy(update={"at": (each.at[0] + right_m, each.at[1] + deep_m)})
        for each, (right_m, deep_m) in zip(
            plan.parked, chance.uniform(-MOVED_M, MOVED_M, (len(plan.parked), 2)).tolist(), strict=True
        )
    )
    return scenario.model_copy(update={"plans": {"dock": plan.model_copy(update={"parked": parked})}})


def _power_mw(levels_dbm: Floats) -> Floats:
    """Power of the last BINS bins before each bin, (tags, bins)."""
    power = np.exp2(levels_dbm * np.float32(np.log2(10.0) / 10.0)).sum(axis=2, dtype=np.float64)
    total = np.concatenate((np.zeros((len(power), 1)), power.cumsum(axis=1)), axis=1)
    ends = np.arange(total.shape[1])
    rival: Floats = (total - total[:, np.maximum(ends - BINS, 0)]).astype(np.float32)
    return rival


def _recording(world: World, door: int, levels_dbm: Floats, rival_mw: Floats, crossings: list[Crossing]) -> Recording:
    """One door's: its load crosses when the middle of its tags does."""
    code = DOORS[door][0]
    mine = [each for each in crossings if each.portal == code]
    tags = {each.epc for each in mine}
    at_us = np.array([each.at_us for each in mine], np.int64)
    inwards = np.array([each.direction == "in" for each in mine])
    cuts = np.flatnonzero((np.diff(at_us) > 4_000_000) | (np.diff(inwards) != 0)) + 1
    return Recording(
        name=f"{world.scenario.name} {world.seed} {code}",
        levels_dbm=levels_dbm,
        moving=np.array([tag.hex in tags for tag in world.goods.tags]),
        doubtful=np.zeros(len(levels_dbm), np.bool_),
        crossed_bin=np.array([(part.mean() - START_US) / BIN_US for part in np.split(at_us, cuts)]),
        direction=np.array([int(part[0]) for part in np.split(inwards, cuts)]),
        rival_mw=rival_mw,
    )
