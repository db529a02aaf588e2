"""Doors as they are built, for the simulated radio: where antennas hang, what they send, which tags come.

    recorded      as the recorded door: antennas in the opening, one reader, session S1
    jambs         as a door for fast goods is built: antennas beside the opening, behind the wall, which stands between
                  the inner antennas and the yard; session S0, in which a tag answers at every visit

Two of them stand 4 m apart, in the scenario `two-doors`.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Final, Literal

from simulators.radio import Session
from simulators.radio_link import Air
from simulators.scenario import Antenna, Plan, Reader, Scenario, load

DOORS: Final = (("D1", 0.0), ("D2", 4.0))
"""Code and middle of each door of the plan."""

HEIGHT_M: Final = 1.0
INNER_PORTS: Final = (1, 2)
OUTER_PORTS: Final = (3, 4)

Side = Literal["in", "out"]


@dataclass(frozen=True, slots=True)
class Build:
    """A door's four antennas, two on each side: `aside_m` from its middle, `deep_m` from the wall, aimed across the way
    through and so far along it; what they send; and whether each side has a reader of its own."""

    aside_m: float
    deep_m: float
    along: float
    power_dbm: float
    session: Session
    own_reader: bool
    air: Air | None = None
    """Tags and hall; None: as the recorded door was fitted."""

    def antennas(self, door: str, x: float, side: Side) -> tuple[Antenna, Antenna]:
        """The two antennas of a side."""
        away = 1.0 if side == "in" else -1.0
        first, second = INNER_PORTS if side == "in" else OUTER_PORTS

        def antenna(port: int, right: float) -> Antenna:
            at = (x + right * self.aside_m, away * self.deep_m, HEIGHT_M)
            return Antenna(port=port, at=at, aim=(-right, away * self.along, 0.0), portal=door, side=side)

        return antenna(first, -1.0), antenna(second, 1.0)

    def readers(self) -> tuple[Reader, ...]:
        """The readers of both doors."""
        return tuple(reader for door, x in DOORS for reader in self._readers(door, x))

    def _readers(self, door: str, x: float) -> tuple[Reader, ...]:
        inner, outer = self.antennas(door, x, "in"), self.antennas(door, x, "out")
        name = f"door-{door[1:]}"
        if not self.own_reader:
            return (self._reader(name, (*inner, *outer)),)
        return (self._reader(f"{name}-hall", inner), self._reader(f"{name}-yard", outer))

    def _reader(self, name: str, antennas: tuple[Antenna, ...]) -> Reader:
        return Reader(name=name, power_dbm=self.power_dbm, session=self.session, antennas=antennas)


RECORDED: Final = Build(1.3, 0.3, 1.0, 30.0, session=1, own_reader=False)
TURNED_DOWN: Final = replace(RECORDED, power_dbm=22.0, air=Air())
"""The same before ordinary inlays."""

JAMBS: Final = Build(1.75, 0.3, 1.0, 22.0, session=0, own_reader=False, air=Air())


def door_of(reader: str) -> str:
    """The code of a reader's door."""
    return next(code for code, _ in DOORS if f"door-{code[1:]}" in reader)


def two_doors(build: Build, speed_m_s: tuple[float, float], loads: tuple[int, int] | None = None) -> Scenario:
    """The scenario with these doors, at this speed; `loads`: tags on the load of each door."""
    scenario = load("two-doors")
    plan = scenario.plans["dock"].model_copy(update={"readers": build.readers()})
    if loads is not None:
        plan = _loaded(plan, loads)
    changes: dict[str, Any] = {
        "plans": {"dock": plan},
        "flow": scenario.flow.model_copy(update={"speed_m_s": speed_m_s}),
    }
    return scenario.model_copy(update=changes | ({"radio": build.air} if build.air else {}))


def _loaded(plan: Plan, loads: tuple[int, int]) -> Plan:
    shuttles = (each.model_copy(update={"tags": tags}) for each, tags in zip(plan.shuttles, loads, strict=True))
    return plan.model_copy(update={"shuttles": tuple(shuttles)})
