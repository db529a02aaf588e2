"""Findings become movements: the state of each tag, and the one table by which it changes.

What is found out about a tag (presence, location, portal) is a Finding; what the world is told is a Movement.

    state     finding               next      movement
    ABSENT    settled in zone       PRESENT   arrived
    ABSENT    crossed in            PRESENT   crossed in     (place: the portal's inside zone)
    ABSENT    crossed out           OUT       crossed out
    PRESENT   settled in zone       PRESENT   moved
    PRESENT   silent                ABSENT    departed       (not seen any more; never "shipped")
    PRESENT   crossed in            PRESENT   crossed in
    PRESENT   crossed out           OUT       crossed out
    OUT       settled in zone       PRESENT   arrived        (only found when zone reads persist for linger_s)
    OUT       crossed in            PRESENT   crossed in
    OUT       crossed out           OUT       crossed out    (it must have come in unseen)

ABSENT is also a tag never seen. Silence means nothing for a tag that is ABSENT or OUT. A crossing inwards says where
the tag is, so the zone inside does not report `arrived` again when its own antennas then see it; another zone does, as
`moved` from there. A zone that no antenna looks at never loses a tag.

A door that waited for its reader tells late what crossed (door_time). If something newer has been decided of the tag by
then, the crossing is told and its state stays: whoever keeps the history puts it in its place (docs/adr/0005).
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from enum import IntEnum
from typing import Final, Literal

from pydantic_core import to_json

from gateway.belief import PACES
from gateway.coverage import Coverage
from gateway.tags import Tags
from readers.read import EpcTable, from_us
from wire.events import Evidence, Movement

Kind = Literal["arrived", "moved", "departed", "crossed"]


class State(IntEnum):
    """What was decided of a tag."""

    ABSENT = 0
    PRESENT = 1
    OUT = 2


class Finding(IntEnum):
    """What was found out about a tag."""

    SETTLED = 0
    SILENT = 1
    CROSSED_IN = 2
    CROSSED_OUT = 3


TABLE: Final[dict[tuple[State, Finding], tuple[State, Kind]]] = {
    (State.ABSENT, Finding.SETTLED): (State.PRESENT, "arrived"),
    (State.ABSENT, Finding.CROSSED_IN): (State.PRESENT, "crossed"),
    (State.ABSENT, Finding.CROSSED_OUT): (State.OUT, "crossed"),
    (State.PRESENT, Finding.SETTLED): (State.PRESENT, "moved"),
    (State.PRESENT, Finding.SILENT): (State.ABSENT, "departed"),
    (State.PRESENT, Finding.CROSSED_IN): (State.PRESENT, "crossed"),
    (State.PRESENT, Finding.CROSSED_OUT): (State.OUT, "crossed"),
    (State.OUT, Finding.SETTLED): (State.PRESENT, "arrived"),
    (State.OUT, Finding.CROSSED_IN): (State.PRESENT, "crossed"),
    (State.OUT, Finding.CROSSED_OUT): (State.OUT, "crossed"),
}


@dataclass(frozen=True, slots=True)
class Decision:
    """A finding about one tag with what it rests on. `where` is the number of the zone, or of the portal crossed."""

    tag: int
    finding: Finding
    where: int
    observed_us: int
    confidence: float
    reads: int
    antennas: int
    first_us: int
    method: str
    belated: bool = False
    """A door had to wait for it (door_time); other things may have been decided of the tag meanwhile."""


class Book:
    """The decided state of every tag, and its journal rows."""

    def __init__(self, tags: Tags, coverage: Coverage, epcs: EpcTable) -> None:
        self._tags = tags
        self._coverage = coverage
        self._epcs = epcs

    def enter(self, decision: Decision, decided_us: int) -> Movement | None:
        """Change the tag's state by the table. Returns the movement, or None where the table has no such row. It is no
        older than what it replaces: whoever goes by the newest observation must end where this table does."""
        tags, tag = self._tags, decision.tag
        before = State(int(tags.state[tag]))
        entry = TABLE.get((before, decision.finding))
        if entry is None:
            return None
        state, kind = entry
        place_before = int(tags.place[tag])
        crossed = kind == "crossed"
        if crossed:
            place = int(self._coverage.inside_zone[decision.where]) if state is State.PRESENT else -1
        else:
            place = decision.where if state is State.PRESENT else -1
        observed_us = max(decision.observed_us, int(tags.decided_at_us[tag]))
        tags.state[tag] = state
        tags.place[tag] = place
        tags.decided_at_us[tag] = observed_us
        tags.lead_zone[tag] = -1
        return self._movement(decision, kind, observed_us, place_before, decided_us)

    def enter_past(self, decision: Decision, decided_us: int) -> Movement | None:
        """The movement of a belated crossing that is older than what was decided of its tag meanwhile, and therefore
        changes no state; None where it is not, and is to be entered."""
        if not decision.belated or decision.observed_us >= self._tags.decided_at_us[decision.tag]:
            return None
        return self._movement(decision, "crossed", decision.observed_us, -1, decided_us)

    def _movement(
        self, decision: Decision, kind: Kind, observed_us: int, place_before: int, decided_us: int
    ) -> Movement:
        zones, where = self._coverage.zones, decision.where
        crossed = kind == "crossed"
        direction: Literal["in", "out"] = "in" if decision.finding is Finding.CROSSED_IN else "out"
        return Movement(
            kind=kind,
            epc=self._epcs.hex(decision.tag),
            zone=None if crossed else zones[where],
            from_zone=zones[place_before] if kind == "moved" else None,
            portal=self._coverage.portals[where] if crossed else None,
            direction=direction if crossed else None,
            observed_at=from_us(observed_us),
            decided_at=from_us(max(decided_us, observed_us)),
            confidence=round(min(max(decision.confidence, 0.0), 1.0), 4),
            evidence=self._evidence(decision, crossed),
            method=decision.method,
        )

    def _evidence(self, decision: Decision, crossed: bool) -> Evidence | None:
        if decision.reads < 1:
            return None
        names = self._coverage.portal_antennas if crossed else self._coverage.zone_antennas
        return Evidence(
            reads=decision.reads,
            antennas=names(decision.where, decision.antennas),
            first_at=from_us(min(decision.first_us, decision.observed_us)),
            last_at=from_us(decision.observed_us),
        )


Habit = tuple[float, ...]
"""What a tag's window was learnt from: sightings, looks (belief), and the weights of its paces."""

HABIT_SIZE: Final = 2 + PACES


@dataclass(frozen=True, slots=True)
class StoredState:
    """A tag's journal row. `habit` is None where nothing was learnt."""

    state: State
    zone: str | None
    seen_us: int
    decided_us: int
    habit: Habit | None


def pack_state(state: int, zone: str | None, seen_us: int, decided_us: int, habit: Habit | None) -> str:
    """A tag's journal row as compact JSON: what StoredState holds. It is written by the thousand, so without one."""
    return to_json({"s": state, "z": zone, "t": seen_us, "d": decided_us, "h": habit}).decode()


def unpack_state(text: str) -> StoredState:
    """Read a row that `pack_state` wrote. A habit of another size was learnt by another method and is not used. Raises
    ValueError for anything else."""
    try:
        row = json.loads(text)
        learnt = tuple(float(each) for each in row.get("h") or ())
        habit = (
            learnt if len(learnt) == HABIT_SIZE and min(learnt) >= 0.0 and min(learnt[1], sum(learnt[2:])) > 0 else None
        )
        return StoredState(State(row["s"]), row["z"], int(row["t"]), int(row["d"]), habit)
    except (AttributeError, KeyError, TypeError) as error:
        raise ValueError(f"a tag's stored state cannot be read: {text!r}") from error
