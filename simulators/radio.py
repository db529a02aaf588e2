"""What a UHF reader's antennas see of tags whose places are known. Pure: chance comes in as a numpy Generator.

The model, and where its numbers come from (`R420` and `dock door`: public recordings of real readers, measured anew):

    level        RSSI = -49 - 27.1·log10(d) dBm at d metres                      R420, 1.2-6.1 m, rest σ 4.2 dB
               - 2 × antenna pattern (there and back), parabola to a back lobe   usual sector model
               - walls on the straight line
               + what the tag itself does (σ 1.6 dB)                             dock door: 1.3-1.8 between tags
               + shadowing by place (σ 3.5 dB, correlated over 0.5 m)            the rest of the 4.2 dB
                 of which a third wanders within a minute                        multimodal levels, Frogeye, Tagwatch
               - deep fades that come and go within seconds as people pass       dock door: rare gaps of many seconds
    each read    + noise of σ 1.3 dB                                             dock door statics: 1.3-1.9
    is it read?  ceiling · logistic(level against -74 dBm)                       dock door: 1 % of reads below -77,
                                                                                 half above -71
                 at most READ_CEILING: also right before the antenna every fourth chance is missed
    when         one antenna at a time, 60 ms each                               dock door: visits begin 60 ms apart
                 n tags in one visit take τ0 + e·τ·n·ln n, τ0 19 ms, τ 0.18 ms   Tagwatch; what does not fit is not read
    session S1   a tag once read keeps silent for 0.5-1.0 s                      Gen2: 0.5-5 s, by make
    phase        4πd/λ + a tag's own offset, σ 0.23 rad                          R420

What comes of it in `three-warehouses`, seeds 1-4, three minutes each, and in brackets the recorded dock door, which had
200 tags where ours has some 40: a tag at rest 2-5 m from a door is read again after 1.0 s in the median and 23 s at the
99th percentile (1.7 s, 22-35 s); one that crosses is read 7 times within 4 s (4), in 99 % of crossings on both sides
(84 %), so ours is the easier door; 71 % of what crosses is read at least once by the door 4 m beside it.

What is left out, honestly: multipath has no rays, so level and phase know nothing of each other's fades; tags do not
turn, and what lies on a load does not shield its middle beyond the tag's own spread; each reader has its own view of
a tag's session flag; readers do not jam each other.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from simulators.geometry import wall_losses_db

VISIT_US: Final = 60_000
"""How long one antenna has the reader before the next has its turn."""

RSSI_AT_1_M_DBM: Final = -49.0
RSSI_PER_DECADE_DB: Final = 27.1
NEAREST_M: Final = 0.3
"""Closer than this the far-field law says nothing."""

BACK_LOBE_DB: Final = 13.0
"""What an antenna sends backwards, below its best direction, one way."""

SHADOW_DB: Final = 3.5
SHADOW_M: Final = 0.5
SHADOW_WAVES: Final = 6
"""Plane waves that add up to the shadowing field: enough to look Gaussian."""

WAVE_DB: Final = SHADOW_DB * np.sqrt(2.0 / SHADOW_WAVES)
"""Amplitude of each: together they spread by SHADOW_DB."""

DRIFTING_WAVES: Final = 2
DRIFT_PERIODS_S: Final = (20.0, 60.0)
"""Some of the waves come by way of people and trolleys, so the level of a tag at rest wanders by 2 dB."""

FADE_PERIODS_S: Final = (5.0, 13.0, 37.0)
FADE_ABOVE: Final = 1.5
FADE_SLOPE_DB: Final = 12.0
"""A slow sum of three sines between -3 and 3; what exceeds 1.5 (about one part in eight) costs so many dB each."""

TAG_SPREAD_DB: Final = 1.6
READ_NOISE_DB: Final = 1.3
HALF_READ_DBM: Final = -74.0
READ_SOFTNESS_DB: Final = 1.2
READ_CEILING: Final = 0.75

ROUND_START_US: Final = 19_000
SLOT_US: Final = 180.0

SILENCE_US: Final = (500_000, 1_000_000)
WAVELENGTH_M: Final = 0.3276
"""At 915 MHz."""
PHASE_NOISE_RAD: Final = 0.23

Floats = NDArray[np.float64]
Numbers = NDArray[np.intp]


@dataclass(frozen=True, slots=True)
class Mount:
    """Where an antenna hangs and points (metres; `aim` needs no length), and its beam width at half power."""

    at: tuple[float, float, float]
    aim: tuple[float, float, float]
    beam_deg: float


class TagTraits:
    """What chance gave each tag for good: its strength, its phase, how long it keeps silent after a read."""

    def __init__(self, count: int, chance: np.random.Generator) -> None:
        self.level_db = chance.normal(0.0, TAG_SPREAD_DB, count)
        self.phase_rad = chance.uniform(0.0, 2 * np.pi, count)
        self.silence_us = chance.integers(*SILENCE_US, count)


class Aerial:
    """One antenna and the field around it. `walls` is (w, 5): both ends, seen from above, and the loss in dB."""

    def __init__(self, mount: Mount, walls: Floats, traits: TagTraits, chance: np.random.Generator) -> None:
        count = len(traits.level_db)
        self._at = np.array(mount.at)
        aim = np.array(mount.aim)
        self._aim = aim / np.linalg.norm(aim)
        self._beam_rad = np.radians(mount.beam_deg)
        self._walls = walls
        self._traits = traits
        self._waves = chance.normal(0.0, 1.0 / SHADOW_M, (3, SHADOW_WAVES))
        self._shadow_rad = chance.uniform(0.0, 2 * np.pi, (count, SHADOW_WAVES)).astype(np.float32)
        # What depends on where a tag is alone stands here until it is somewhere else: most tags rest most of the time.
        self._xyz = np.full((count, 3), np.nan)
        self._distance_m = np.empty(count)
        self._still_dbm = np.empty(count)
        self._wave_rad = np.empty((count, DRIFTING_WAVES))
        periods_s = chance.uniform(*DRIFT_PERIODS_S, SHADOW_WAVES)
        self._drift_rad_per_s = 2 * np.pi / periods_s[:DRIFTING_WAVES]
        self._fade_rad = chance.uniform(0.0, 2 * np.pi, (count, len(FADE_PERIODS_S))).astype(np.float32)
        # Periods differ a little by antenna, so that no two fade in step for long.
        self._fade_rad_per_s = 2 * np.pi / (np.array(FADE_PERIODS_S) * chance.uniform(0.8, 1.25, len(FADE_PERIODS_S)))

    def level_dbm(self, xyz: Floats, tags: Numbers, at_us: int) -> tuple[Floats, Floats]:
        """Mean RSSI of `tags` at `xyz` (n, 3), and their distances in metres."""
        moved = (self._xyz[tags] != xyz).any(axis=1)
        if moved.any():
            self._move(tags[moved], xyz[moved])
        level = self._still_dbm[tags] + self._drift_db(tags, at_us) - self._fade_db(tags, at_us)
        return level, self._distance_m[tags]

    def _move(self, tags: Numbers, xyz: Floats) -> None:
        """Note what follows from where tags are now. Every tag's numbers are its own, whoever moves with it."""
        ray = xyz - self._at
        distance_m = np.maximum(np.sqrt(np.einsum("ij,ij->i", ray, ray)), NEAREST_M)
        level = RSSI_AT_1_M_DBM - RSSI_PER_DECADE_DB * np.log10(distance_m) + self._traits.level_db[tags]
        level -= 2 * self._pattern_db(np.einsum("ij,j->i", ray, self._aim) / distance_m)
        level -= wall_losses_db(self._at[:2], xyz[:, :2], self._walls)
        waves_rad = np.einsum("ij,jk->ik", xyz, self._waves) + self._shadow_rad[tags]
        level += WAVE_DB * np.cos(waves_rad[:, DRIFTING_WAVES:]).sum(axis=1)
        self._xyz[tags], self._distance_m[tags], self._still_dbm[tags] = xyz, distance_m, level
        self._wave_rad[tags] = waves_rad[:, :DRIFTING_WAVES]

    def _pattern_db(self, cosine: Floats) -> Floats:
        """Loss against the best direction, one way: 3 dB at half the beam width, flat beyond the back lobe."""
        off_axis = np.arccos(np.clip(cosine, -1.0, 1.0))
        pattern: Floats = np.minimum(12.0 * (off_axis / self._beam_rad) ** 2, BACK_LOBE_DB)
        return pattern

    def _drift_db(self, tags: Numbers, at_us: int) -> Floats:
        drift = (at_us / 1e6 * self._drift_rad_per_s) % (2 * np.pi)
        waves: Floats = WAVE_DB * np.cos(self._wave_rad[tags] + drift).sum(axis=1)
        return waves

    def _fade_db(self, tags: Numbers, at_us: int) -> Floats:
        turns = (at_us / 1e6 * self._fade_rad_per_s) % (2 * np.pi)
        slow = np.sin(self._fade_rad[tags] + turns).sum(axis=1)
        fade: Floats = FADE_SLOPE_DB * np.maximum(slow - FADE_ABOVE, 0.0)
        return fade


@dataclass(frozen=True, slots=True)
class Visit:
    """What one antenna read during one visit, sorted by time; `tags` are tag numbers."""

    port: int
    tags: Numbers
    rssi_dbm: NDArray[np.float32]
    at_us: NDArray[np.int64]
    phase_rad: NDArray[np.float32]


class Interrogator:
    """One reader: its antennas take turns, and each tag it has read keeps silent towards it for a while."""

    def __init__(self, aerials: Mapping[int, Aerial], traits: TagTraits) -> None:
        self._aerials = aerials
        self._traits = traits
        self._silent_until_us = np.zeros(len(traits.level_db), np.int64)

    @property
    def ports(self) -> frozenset[int]:
        """The ports that have an antenna."""
        return frozenset(self._aerials)

    def turn(self, visit: int, ports: Sequence[int]) -> int:
        """The port whose turn visit number `visit` is."""
        return ports[visit % len(ports)]

    def visit(self, port: int, start_us: int, tags: Numbers, xyz: Floats, chance: np.random.Generator) -> Visit:
        """One inventory of `tags` standing at `xyz` (n, 3) while the antenna of `port` is on, from `start_us` on."""
        awake = self._silent_until_us[tags] <= start_us
        level, distance_m = self._aerials[port].level_dbm(xyz[awake], tags[awake], start_us)
        answer = chance.random(len(level)) < READ_CEILING / (1.0 + np.exp((HALF_READ_DBM - level) / READ_SOFTNESS_DB))
        heard = chance.permutation(np.flatnonzero(answer))
        at_us = start_us + _answer_times_us(len(heard))
        heard, at_us = heard[at_us < start_us + VISIT_US], at_us[at_us < start_us + VISIT_US]
        read = tags[awake][heard]
        self._silent_until_us[read] = at_us + self._traits.silence_us[read]
        rssi = level[heard] + chance.normal(0.0, READ_NOISE_DB, len(heard))
        phase = 4 * np.pi * distance_m[heard] / WAVELENGTH_M + self._traits.phase_rad[read]
        phase += chance.normal(0.0, PHASE_NOISE_RAD, len(heard))
        return Visit(
            port, read, rssi.astype(np.float32), at_us.astype(np.int64), (phase % (2 * np.pi)).astype(np.float32)
        )


def _answer_times_us(count: int) -> NDArray[np.int64]:
    """When each of `count` tags answers, after the start of the visit: the round's overhead, then evenly apart."""
    each_us = np.e * SLOT_US * np.log(max(count, 2))
    times: NDArray[np.int64] = (ROUND_START_US + each_us * (np.arange(count) + 1)).astype(np.int64)
    return times
