"""What a UHF reader's antennas read of tags whose places are known. Pure: chance comes in as a numpy Generator.

    link (radio_link)      power at the tag and level at the reader: budget, distance, pattern, dipole, cargo, walls,
                           people, Rice fading
    visit (this file)      one antenna at a time, VISIT_US each; a tag takes part when it is powered (soft at its
                           sensitivity) and not silent; even in the best place every fourth chance is missed
    round (radio_round)    Gen2 slots, collisions, capture, Q
    session (this file)    a tag once read keeps silent: its flag falls back by the session's rule
    columns (this file)    RSSI, phase and Doppler with the noise measured on real readers

What it gives against a recorded dock door (bench/radio_calibration.py), which constants were fitted to that and which
came from elsewhere, and what it leaves out: docs/radio.md.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray

from simulators.radio_link import WAVELENGTH_M, Aerial, Field, Numbers, TagTraits
from simulators.radio_round import inventory

VISIT_US: Final = 60_000
"""How long one antenna has the reader before the next has its turn (dock door: visits begin 60 ms apart)."""

SENSITIVITY_DBM: Final = -18.0
SENSITIVITY_SOFT_DB: Final = 0.6
"""The power at the tag wavers within a visit: half of the 1.2 dB over which reads fade out in RSSI."""
LEAST_DBM: Final = SENSITIVITY_DBM - 4 * SENSITIVITY_SOFT_DB
"""With less than this no tag wakes up."""
TAKES_PART: Final = 0.75
"""Also a tag with power to spare misses every fourth visit: it lost power at the switch of antennas, or the Query."""

DECODED_DBM: Final = -82.0
DECODED_SOFT_DB: Final = 1.0
DECODED_AT_BEST: Final = 0.95
"""Answers below this are lost in the reader's own noise."""

Session = Literal[0, 1, 2, 3]
S1_CUT_SHORT: Final = 0.22
"""The part of reads after which the flag fell back sooner than it should, at any time (dock door)."""
UNFLAGGED: Final = 0.07
"""The part of reads whose tag never heard that it was read, and answers to the next antenna that asks."""
S2_SILENCE_S: Final = 2.0
"""S2 and S3: silent as long as it has power, and this long after (Gen2 asks for more than 2 s)."""

READ_NOISE_DB: Final = 1.0
PHASE_NOISE_RAD: Final = 0.23
DOPPLER_NOISE_HZ: Final = 62.0
"""Measured on tags at rest: useless for a single read."""


@dataclass(frozen=True, slots=True)
class Visit:
    """What one antenna read during one visit, sorted by time; `tags` are tag numbers."""

    port: int
    tags: Numbers
    rssi_dbm: NDArray[np.float32]
    at_us: NDArray[np.int64]
    phase_rad: NDArray[np.float32]
    doppler_hz: NDArray[np.float32]

    def within(self, from_us: int, to_us: int) -> Visit:
        """Its reads in (from_us, to_us]."""
        rows = (self.at_us > from_us) & (self.at_us <= to_us)
        if rows.all():
            return self
        return Visit(
            self.port,
            self.tags[rows],
            self.rssi_dbm[rows],
            self.at_us[rows],
            self.phase_rad[rows],
            self.doppler_hz[rows],
        )


class Interrogator:
    """One reader: its antennas take turns, and each tag it has read keeps silent towards it for a while."""

    def __init__(self, aerials: Mapping[int, Aerial], traits: TagTraits, session: Session = 1) -> None:
        self._aerials = aerials
        self._session = session
        self._traits = traits
        self._silent_until_us = np.zeros(len(traits), np.int64)

    @property
    def ports(self) -> frozenset[int]:
        """The ports that have an antenna."""
        return frozenset(self._aerials)

    def turn(self, visit: int, ports: Sequence[int]) -> int:
        """The port whose turn visit number `visit` is."""
        return ports[visit % len(ports)]

    def visit(self, port: int, start_us: int, field: Field, chance: np.random.Generator) -> Visit:
        """One inventory of the tags of a field while the antenna of `port` is on, from `start_us` on."""
        aerial = self._aerials[port]
        field = field.take(aerial.reaches(field, LEAST_DBM))
        awake = self._silent_until_us[field.tags] <= start_us
        keeps_silent = self._session >= 2
        asked = field if keeps_silent else field.take(awake)
        link = aerial.link(asked, start_us)
        powered = chance.random(len(asked.tags)) < _logistic(link.tag_dbm - SENSITIVITY_DBM, SENSITIVITY_SOFT_DB)
        if keeps_silent:
            self._silent_until_us[asked.tags[powered & ~awake]] = start_us + VISIT_US + round(S2_SILENCE_S * 1e6)
            powered &= awake
        taking_part = np.flatnonzero(powered & (chance.random(len(asked.tags)) < TAKES_PART))
        rssi = link.rssi_dbm[taking_part]
        decoded = DECODED_AT_BEST * _logistic(rssi - DECODED_DBM, DECODED_SOFT_DB)
        read, at_us = inventory(rssi, decoded, start_us, start_us + VISIT_US, chance)
        heard = taking_part[read]
        count = len(heard)
        self._silent_until_us[asked.tags[heard]] = self._falls_back_us(asked.tags[heard], start_us, at_us, chance)
        level = rssi[read] + chance.normal(0.0, READ_NOISE_DB, count)
        phase = (link.phase_rad[heard] + chance.normal(0.0, PHASE_NOISE_RAD, count)) % (2 * np.pi)
        doppler = -2 * link.recedes_m_s[heard] / WAVELENGTH_M + chance.normal(0.0, DOPPLER_NOISE_HZ, count)
        return Visit(
            port,
            asked.tags[heard],
            level.astype(np.float32),
            at_us,
            phase.astype(np.float32),
            doppler.astype(np.float32),
        )

    def _falls_back_us(
        self, tags: Numbers, start_us: int, at_us: NDArray[np.int64], chance: np.random.Generator
    ) -> NDArray[np.int64]:
        """Until when each tag just read keeps silent."""
        if self._session == 0:
            silent_s = (start_us + VISIT_US - at_us) / 1e6
        elif self._session == 1:
            silent_s = self._traits.s1_silence_s[tags]
            silent_s = np.where(
                chance.random(len(at_us)) < S1_CUT_SHORT, silent_s * chance.random(len(at_us)), silent_s
            )
        else:
            silent_s = np.full(len(at_us), VISIT_US / 1e6 + S2_SILENCE_S)
        silent_s = np.where(chance.random(len(at_us)) < UNFLAGGED, 0.0, silent_s)
        until: NDArray[np.int64] = at_us + (silent_s * 1e6).astype(np.int64)
        return until


def _logistic(above_db: NDArray[np.float64], soft_db: float) -> NDArray[np.float64]:
    share: NDArray[np.float64] = 1.0 / (1.0 + np.exp(np.clip(-above_db / soft_db, -60.0, 60.0)))
    return share
