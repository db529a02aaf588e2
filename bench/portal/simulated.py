"""Recordings of simulated doors, with their truth, for the fit: many speeds, loads, tags and ways to build a door.

Each world has two doors 4 m apart (see doors), and each of them gives a recording: its own load crosses, the other
door's load is heard and does not, goods stand 1 to 5 m beside it; every fifth read is lost. Worlds have seeds from
FIRST_SEED on; the benchmark's are below.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Final

import numpy as np

from bench.portal.doors import DOORS, JAMBS, RECORDED, TURNED_DOWN, Build, two_doors
from bench.portal.recordings import BIN_US, Recording
from gateway.passage import BINS, Floats
from simulators.radio_link import Air
from simulators.truth import Crossing
from simulators.world import World

START_US: Final = 1_800_000_000_000_000
SLICE_US: Final = 500_000
LOST: Final = 0.2
FIRST_SEED: Final = 101
SECONDS: Final = 240

SLOW, BRISK, FAST = (0.9, 1.5), (1.5, 2.2), (2.2, 3.1)

WORLDS: Final = (
    (JAMBS, SLOW, (60, 20)),
    (JAMBS, BRISK, (60, 20)),
    (JAMBS, FAST, (60, 20)),
    (replace(JAMBS, power_dbm=23.5), FAST, (40, 100)),
    (replace(JAMBS, power_dbm=20.5, deep_m=0.5), BRISK, (80, 10)),
    (replace(JAMBS, own_reader=False), SLOW, (60, 20)),
    (replace(JAMBS, own_reader=False), FAST, (30, 60)),
    (replace(JAMBS, air=None, power_dbm=30.0), SLOW, (60, 20)),
    (replace(JAMBS, air=None, power_dbm=30.0), FAST, (40, 20)),
    (replace(JAMBS, session=1, aside_m=1.7), BRISK, (60, 20)),
    (TURNED_DOWN, SLOW, (60, 20)),
    (TURNED_DOWN, FAST, (60, 20)),
    (replace(TURNED_DOWN, session=0, deep_m=1.0, along=0.5), BRISK, (60, 20)),
    (RECORDED, SLOW, (60, 20)),
    (RECORDED, FAST, (60, 20)),
)
"""How the doors are built, metres a second, tags on the load of each."""


def worlds() -> Iterator[tuple[int, tuple[Recording, Recording]]]:
    """Each world's number and its two recordings."""
    for number, (build, speed_m_s, loads) in enumerate(WORLDS):
        yield number, recorded(build, speed_m_s, loads, FIRST_SEED + number)


def recorded(
    build: Build, speed_m_s: tuple[float, float], loads: tuple[int, int], seed: int, seconds: int = SECONDS
) -> tuple[Recording, Recording]:
    """Play one world and record both doors."""
    world = World(two_doors(build, speed_m_s, loads), seed, START_US)
    number_of = {tag.epc: tag.number for tag in world.goods.tags}
    levels = np.full((len(DOORS), len(number_of), seconds * 1_000_000 // BIN_US, 2), -np.inf, np.float32)
    lost = np.random.default_rng([seed, 1])
    for now_us in range(START_US + SLICE_US, START_US + seconds * 1_000_000 + 1, SLICE_US):
        for reader in world.readers:
            seen = world.inventory(reader.name, reader.antennas, now_us - SLICE_US, now_us)
            kept = lost.random(len(seen)) >= LOST
            door = next(place for place, (code, _) in enumerate(DOORS) if f"door-{code[1:]}" in reader.name)
            tags = np.array([number_of[epc] for epc in seen.epcs], np.int64)[kept]
            bins = np.minimum((seen.at_us[kept] - START_US) // BIN_US, levels.shape[2] - 1)
            side = (seen.antenna[kept] > 2).astype(np.int64)
            np.maximum.at(levels[door], (tags, bins, side), seen.rssi_dbm[kept])
    crossings = world.truth.crossings(START_US + seconds * 1_000_000)
    power = [_power_mw(one) for one in levels]
    one, two = (_recording(world, door, levels[door], power[1 - door], crossings) for door in range(len(DOORS)))
    return one, two


def _power_mw(levels_dbm: Floats) -> Floats:
    """Power of the last BINS bins before each bin, (tags, bins)."""
    power = np.exp2(levels_dbm * np.float32(np.log2(10.0) / 10.0)).sum(axis=2, dtype=np.float64)
    total = np.concatenate((np.zeros((len(power), 1)), power.cumsum(axis=1)), axis=1)
    ends = np.arange(total.shape[1])
    rival: Floats = (total - total[:, np.maximum(ends - BINS, 0)]).astype(np.float32)
    return rival


def _recording(
    world: World, door: int, levels_dbm: Floats, rival_mw: Floats, crossings: list[Crossing]
) -> Recording:
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
