"""A count's life, what is counted next, and when a second person must agree (pure).

    status  event    status after
    open    close    closed        differences are worked out; none of them is posted yet
    closed  recount  open          a new round: what differed is counted anew, the rest stands
    closed  approve  approved      worked out once more with what came late, then posted
    open    cancel   cancelled     nothing is posted
    closed  cancel   cancelled

Differences beyond the tolerance, in units or in value, are approved by somebody who did not count. What is due is
ranked by how long ago it was counted in measure of its class (cycle counting by ABC class), and by what speaks against
its record: differences found before, units owed, events set aside. Each weight says how many intervals it stands for.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Final, Literal, NamedTuple

Subject = Literal["things", "units", "both"]
"""What is counted: things with a tag or serial number, units without one, or both."""

CountEvent = Literal["close", "recount", "approve", "cancel"]

LIFE: Final[Mapping[tuple[str, str], str]] = {
    ("open", "close"): "closed",
    ("closed", "recount"): "open",
    ("closed", "approve"): "approved",
    ("open", "cancel"): "cancelled",
    ("closed", "cancel"): "cancelled",
}

NEVER_COUNTED: Final = 1.0
"""What nobody ever counted is due now, and grows older with its stock."""

OWED_WEIGHT: Final = 1.0
"""A zone that gave more than it had is wrong for certain: it is due now."""

VARIANCE_WEIGHT: Final = 0.5
"""Of the share of the last counts that found a difference: what always differs is counted twice as often as it would be
half-way through its interval."""

QUARANTINE_WEIGHT: Final = 0.25
"""Events set aside are changes that may be missing; most are of things that are not ours."""

LOOK_BACK: Final = 3
"""So many counts of the same goods in the same zone are looked at: older ones say little about how it is kept now."""

REPEATS: Final = 2
"""So many differences among the counts looked at make a repeat offender: one may be anybody's mistake."""


@dataclass(frozen=True, slots=True)
class Rule:
    """How a site counts: days between two counts of each class, how many cells a day, and what one person may approve.

    The intervals are those of common practice, monthly for what turns over most, twice a year for the rest; without a
    tolerance of its own a site has every difference approved by a second person.
    """

    a_days: int = 30
    b_days: int = 90
    c_days: int = 180
    daily_lines: int = 100
    tolerance_units: int = 0
    tolerance_value: Decimal = Decimal(0)

    def interval(self, abc: str | None) -> timedelta:
        """How long after a count the next one is due; a class that is none of A and B is C."""
        return timedelta(days={"A": self.a_days, "B": self.b_days}.get(abc or "", self.c_days))


class Cell(NamedTuple):
    """A SKU in a zone: what a plan speaks of. `since`: when it was last counted, else when it first had stock.
    `variances` of the last `counts` counts found a difference."""

    zone: str
    sku: str
    abc: str | None
    since: datetime
    counted: bool
    counts: int
    variances: int
    owed: bool
    quarantined: int


class Due(NamedTuple):
    """A cell with its rank: 1 and more is due."""

    cell: Cell
    score: float


def rank(rule: Rule, cells: Iterable[Cell], now: datetime) -> list[Due]:
    """What is due, the most urgent first; the same cells give the same order everywhere."""
    due = (Due(cell, _score(rule, cell, now)) for cell in cells)
    return sorted((one for one in due if one.score >= 1), key=lambda one: (-one.score, one.cell.zone, one.cell.sku))


def _score(rule: Rule, cell: Cell, now: datetime) -> float:
    score = max(now - cell.since, timedelta()) / rule.interval(cell.abc)
    if not cell.counted:
        score += NEVER_COUNTED
    if cell.counts:
        score += VARIANCE_WEIGHT * cell.variances / cell.counts
    return score + OWED_WEIGHT * cell.owed + QUARANTINE_WEIGHT * bool(cell.quarantined)


class Difference(NamedTuple):
    """All that a count found different: units, whichever way, and what they are worth."""

    units: int
    value: Decimal

    def within(self, units: int, value: Decimal) -> bool:
        """Whether one person may approve it."""
        return self.units <= units and self.value <= value


def is_repeat(differed: Iterable[bool]) -> bool:
    """Whether a cell's last counts, each with or without a difference, make it a repeat offender."""
    return sum(differed) >= REPEATS
