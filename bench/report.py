"""The one line that a benchmark prints."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass


@dataclass(frozen=True, slots=True)
class Case:
    """One figure. `against` names the peer or bare limit of the same run; `bound` is the least ratio that is right,
    None where the figure is only told."""

    case: str
    value: float
    unit: str
    against: str | None = None
    against_value: float | None = None
    bound: float | None = None

    @property
    def ratio(self) -> float | None:
        """Value over the peer's, or None without a peer."""
        return self.value / self.against_value if self.against_value else None

    @property
    def ok(self) -> bool:
        """False only when there is a bound and the ratio does not reach it."""
        return self.bound is None or (self.ratio is not None and self.ratio >= self.bound)


def line(bench: str, cases: list[Case]) -> str:
    """The JSON line of a benchmark."""
    rows = []
    for case in cases:
        ratio = case.ratio
        rows.append(
            asdict(case)
            | {"value": round(case.value, 3), "ratio": None if ratio is None else round(ratio, 3), "ok": case.ok}
        )
    return json.dumps({"bench": bench, "cases": rows})
