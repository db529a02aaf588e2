"""Requests of many rows: all are done or none, and each wrong one is named."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NamedTuple

from backend.api.problems import ProblemError

MAX_TOLD: Final = 200
"""Faults of one answer: whoever has more does not mend them one by one."""


class RowFault(NamedTuple):
    """What is wrong with a row, from 1 on: the member, what to do, and the kind of problem that it is alone."""

    row: int
    column: str
    what: str
    problem: str = "refused"


def refused_rows(faults: Sequence[RowFault]) -> ProblemError:
    """The problem of a request with wrong rows: each fault with its row and its member."""
    first = faults[0]
    return ProblemError(
        "refused-rows",
        f"{len(faults)} faults, the first: row {first.row}, {first.column}: {first.what}",
        errors=[{"row": one.row, "column": one.column, "what": one.what} for one in faults[:MAX_TOLD]],
    )


def refused_alone(faults: Sequence[RowFault]) -> ProblemError:
    """The problem of a request of one row, by its first fault."""
    return ProblemError(faults[0].problem, faults[0].what)
