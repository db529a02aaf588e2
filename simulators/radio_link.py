"""The link between one antenna and tags: what power reaches each tag, and what comes back of it. Pure.

One antenna sends and receives, so the way back loses what the way there lost, and everything follows from the power at
the tag (`Link.tag_dbm`):

    at the tag   P = P_tx - cable + antenna + tag - polarisation - spreading at 1 m - 20·log10(d) - tag's own loss
                     - walls + 20·log10|E|
    coming back  RSSI = P - modulation - (P_tx - P)

    E            = direct ray + a field scattered by the hall: its mixture is Rice in the beam, Rayleigh beside it
    direct ray     antenna pattern (parabola down to a back lobe), dipole of the tag (|sin| between its axis and the
                   ray), cargo on the straight line through the load, people who stand in it
    scattered      SCATTER_WAVES plane waves of the wavelength, phases of each tag's own: a tag that moves goes through
                   fades every half wavelength, one at rest sits in one; a part of the waves comes by way of people and
                   trolleys and turns within a minute, so a tag at rest at the edge of its power comes and goes

Distance is free space. Constants of the link budget: larioandr/thesis-models (MIT), but MODULATION_DB; what was
fitted is told in docs/radio.md.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from simulators.geometry import body_losses_db, wall_losses_db

READER_GAIN_DBI: Final = 8.0
TAG_GAIN_DBI: Final = 2.0
CABLE_DB: Final = 1.0
POLARISATION_DB: Final = 3.0
"""A circular antenna and a linear tag."""

MODULATION_DB: Final = 7.0
"""What a tag sends back lies so far below what it gets; puts the faintest reads at 30 dBm where they were recorded."""

WAVELENGTH_M: Final = 0.346
"""At 865.7 MHz."""
SPREADING_AT_1_M_DB: Final = float(20 * np.log10(4 * np.pi / WAVELENGTH_M))
NEAREST_M: Final = 0.3
"""Closer than this the far-field law says nothing."""

BACK_LOBE_DB: Final = 13.0
"""What an antenna sends backwards, below its best direction, one way."""

LEAST_DIPOLE: Final = 0.1
"""No tag is a perfect dipole: end on it still takes a hundredth of the power."""

MOST_FAVOUR_DB: Final = 7.0
"""What fading and a good tag can add to the link at most, but for one in thousands."""

SCATTER_WAVES: Final = 8
"""Enough to look Rayleigh."""
TURNING_WAVES: Final = 1
TURN_PERIODS_S: Final = (20.0, 90.0)
"""Some of the waves come by way of people and trolleys."""

TAG_SPREAD_DB: Final = 0.8
"""Between tags, one way: half of the 1.3-1.8 dB measured in RSSI."""
BACKSCATTER_SPREAD_DB: Final = 1.2
"""Between tags, in what they send back."""

Floats = NDArray[np.float64]
Numbers = NDArray[np.intp]


@dataclass(frozen=True, slots=True)
class Air:
    """What differs from hall to hall and from goods to goods; all losses one way."""

    tag_loss_db: float = 3.0
    """Of small tags and of what they are stuck on, against a dipole in free space."""
    scatter_db: float = -7.0
    """Mean power of the scattered field against the direct ray in the best direction."""
    cargo_db_per_m: float = 3.0
    """What a load takes from a ray that runs through it: cartons of dry goods; liquids take ten times as much."""

    s1_silence_s: tuple[float, float] = (0.5, 1.0)
    """How long a tag once read keeps silent in session S1, from make to make; Gen2 allows 0.5 to 5 s."""

    __pydantic_config__ = {"extra": "forbid"}  # noqa: RUF012 - read by pydantic where scenarios are parsed


@dataclass(frozen=True, slots=True)
class Mount:
    """Where an antenna hangs and points (metres; `aim` needs no length), and its beam width at half power."""

    at: tuple[float, float, float]
    aim: tuple[float, float, float]
    beam_deg: float


class TagTraits:
    """What chance gave each tag for good: its silence, its strength, the direction of its dipole, its phase."""

    def __init__(self, count: int, chance: np.random.Generator, air: Air) -> None:
        self.s1_silence_s = chance.uniform(*air.s1_silence_s, count)
        self.gain_db = chance.normal(0.0, TAG_SPREAD_DB, count)
        self.backscatter_db = chance.normal(-MODULATION_DB, BACKSCATTER_SPREAD_DB, count)
        self.phase_rad = chance.uniform(0.0, 2 * np.pi, count)
        axes = chance.normal(size=(count, 3))
        self.axis = axes / np.linalg.norm(axes, axis=1, keepdims=True)

    def __len__(self) -> int:
        return len(self.gain_db)


@dataclass(frozen=True, slots=True)
class Field:
    """What stands before the antennas of a site at an instant: for each tag its number, place, velocity, its offset
    from the middle of its load and half that load's size (0 for a tag on no load); and where people are, from above."""

    tags: Numbers
    xyz: Floats
    velocity_m_s: Floats
    offset_m: Floats
    half_m: Floats
    bodies: Floats

    def take(self, rows: NDArray[np.bool_]) -> Field:
        """The same with some of the tags."""
        return Field(
            self.tags[rows],
            self.xyz[rows],
            self.velocity_m_s[rows],
            self.offset_m[rows],
            self.half_m[rows],
            self.bodies,
        )


@dataclass(frozen=True, slots=True)
class Link:
    """For each tag of a field: power at the tag and RSSI at the reader, the phase there and back, the radial speed away
    from the antenna."""

    tag_dbm: Floats
    rssi_dbm: Floats
    phase_rad: Floats
    recedes_m_s: Floats


class Aerial:
    """One antenna and the field around it. `walls` is (w, 5): both ends, from above, and the loss there and back."""

    def __init__(
        self, mount: Mount, power_dbm: float, air: Air, walls: Floats, traits: TagTraits, chance: np.random.Generator
    ) -> None:
        self._at = np.array(mount.at)
        aim = np.array(mount.aim)
        self._aim = aim / np.linalg.norm(aim)
        self._beam_rad = np.radians(mount.beam_deg)
        self._power_dbm = power_dbm
        self._air = air
        self._walls = walls
        self._traits = traits
        ways = chance.normal(size=(3, SCATTER_WAVES))
        self._waves = 2 * np.pi / WAVELENGTH_M * ways / np.linalg.norm(ways, axis=0)
        self._scatter_rad = chance.uniform(0.0, 2 * np.pi, (len(traits), SCATTER_WAVES)).astype(np.float32)
        turns = 2 * np.pi / chance.uniform(*TURN_PERIODS_S, SCATTER_WAVES)
        self._turn_rad_per_s = np.where(np.arange(SCATTER_WAVES) < TURNING_WAVES, turns, 0.0)
        self._at_1_m_dbm = (
            power_dbm
            - CABLE_DB
            + READER_GAIN_DBI
            + TAG_GAIN_DBI
            - POLARISATION_DB
            - SPREADING_AT_1_M_DB
            - air.tag_loss_db
        )

    def reaches(self, field: Field, least_dbm: float) -> NDArray[np.bool_]:
        """Which tags could get `least_dbm` if everything added up in their favour: spares the others their link."""
        ray = field.xyz - self._at
        reach_m = 10.0 ** ((self._at_1_m_dbm + MOST_FAVOUR_DB - least_dbm) / 20)
        near: NDArray[np.bool_] = np.einsum("ij,ij->i", ray, ray) < reach_m**2
        return near

    def link(self, field: Field, at_us: int) -> Link:
        """How each tag of a field hears and is heard at an instant."""
        ray = field.xyz - self._at
        distance_m = np.maximum(np.sqrt(np.einsum("ij,ij->i", ray, ray)), NEAREST_M)
        towards = ray / distance_m[:, None]
        direct = self._direct(field, towards) * np.exp(2j * np.pi / WAVELENGTH_M * distance_m)
        field_at_tag = direct + self._scattered(field, at_us)
        gain_db = self._traits.gain_db[field.tags] - 20 * np.log10(distance_m)
        gain_db -= wall_losses_db(self._at[:2], field.xyz[:, :2], self._walls) / 2
        tag_dbm = self._at_1_m_dbm + gain_db + 20 * np.log10(np.abs(field_at_tag) + 1e-9)
        return Link(
            tag_dbm=tag_dbm,
            rssi_dbm=2 * tag_dbm - self._power_dbm + self._traits.backscatter_db[field.tags],
            phase_rad=2 * np.angle(field_at_tag) + self._traits.phase_rad[field.tags],
            recedes_m_s=np.einsum("ij,ij->i", field.velocity_m_s, towards),
        )

    def _direct(self, field: Field, towards: Floats) -> Floats:
        """Amplitude of the direct ray against that in the best direction."""
        off_axis = np.arccos(np.clip(towards @ self._aim, -1.0, 1.0))
        loss_db = np.minimum(12.0 * (off_axis / self._beam_rad) ** 2, BACK_LOBE_DB)
        loss_db += self._air.cargo_db_per_m * _through_cargo_m(field, towards)
        loss_db += body_losses_db(self._at[:2], field.xyz[:, :2], field.bodies)
        along = np.einsum("ij,ij->i", towards, self._traits.axis[field.tags])
        dipole = np.maximum(np.sqrt(np.maximum(1.0 - along**2, 0.0)), LEAST_DIPOLE)
        amplitude: Floats = dipole * 10.0 ** (-loss_db / 20)
        return amplitude

    def _scattered(self, field: Field, at_us: int) -> NDArray[np.complex128]:
        turned = (at_us / 1e6 * self._turn_rad_per_s) % (2 * np.pi)
        angles = (field.xyz @ self._waves + turned).astype(np.float32) + self._scatter_rad[field.tags]
        waves = np.cos(angles).sum(axis=1) + 1j * np.sin(angles).sum(axis=1)
        depth_m = np.maximum(np.min(field.half_m - np.abs(field.offset_m), axis=1), 0.0)
        mean_db = self._air.scatter_db - self._air.cargo_db_per_m * depth_m
        scattered: NDArray[np.complex128] = waves * 10.0 ** (mean_db / 20) / np.sqrt(SCATTER_WAVES)
        return scattered


def _through_cargo_m(field: Field, towards: Floats) -> Floats:
    """How far the ray from each tag back to the antenna runs within the tag's own load, a box along the axes."""
    back = np.where(np.abs(towards) < 1e-9, 1e-9, -towards)
    leaves_m = (np.copysign(field.half_m, back) - field.offset_m) / back
    within: Floats = np.maximum(leaves_m.min(axis=1), 0.0)
    return within
