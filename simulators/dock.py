"""The papers of trucks: what stands open at a door while a tagged load crosses it.

    receipt     made, opened at the door of arrivals      the load comes in     closed
    shipment    made, opened at the door of departures    the load goes out     closed: its goods are the customer's
    transfer    made, approved, allocated, opened         the load goes out     sent
                opened at the other site's arrivals       the load comes in     received, closed

People wait PAPERS_S for the papers before a load moves, and CLEAR_S after it before they are put away. A door has one
paper at a time: who comes meanwhile waits. Which tags cross is the radio's to see, so these papers are judged with its
bounds.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any, Final

from simulators.api_call import ApiCall
from simulators.books import Line, Paper
from simulators.goods import Tag

PAPERS_S: Final = 30.0
"""A driver waits so long for the papers: more than a clerk may be late."""

CLEAR_S: Final = 10.0
"""The last thing of a load is well through the door."""

ASKS_AGAIN_S: Final = 5.0
"""Who waits for a door looks so often."""


class Dock:
    """The papers of every door of a world, and what its clerk is still to say."""

    def __init__(self, run: str) -> None:
        self.papers: dict[str, Paper] = {}
        self.calls: list[ApiCall] = []
        """Not yet said, in order of time."""
        self._run = run
        self._busy: set[tuple[str, str]] = set()

    def take(self, site: str, door: str) -> bool:
        """Whether a door was free and is taken now."""
        if (site, door) in self._busy:
            return False
        self._busy.add((site, door))
        return True

    def leave(self, site: str, door: str) -> None:
        """A door is free again."""
        self._busy.discard((site, door))

    def make(self, kind: str, site: str, load: Sequence[Tag], at_us: int, to_site: str | None = None) -> str:
        """A document for a load; a transfer is approved and its goods are allocated. Answers its code."""
        code = f"dock-{kind}-{self._run}-{len(self.papers) + 1}"
        lines = {sku: Line(units) for sku, units in units_of(load).items()}
        self.papers[code] = Paper(kind, site, "open" if to_site is None else "requested", lines)
        said = [{"sku": sku, "quantity": line.expected} for sku, line in lines.items()]
        body: dict[str, Any] = {"code": code, "kind": kind, "site": site, "lines": said}
        self._say("documents", body if to_site is None else {**body, "to_site": to_site}, at_us)
        if to_site is not None:
            self.happens(code, "approve", "approved", at_us)
            self.happens(code, "allocate", "allocated", at_us)
        return code

    def open(self, code: str, site: str, door: str, at_us: int) -> None:
        """A document stands open at a door from now on."""
        self._say(f"doors/{site}/{door}", {"document": code}, at_us)

    def shut(self, site: str, door: str, at_us: int) -> None:
        """Nothing stands open at a door any more."""
        self._say(f"doors/{site}/{door}", {"document": None}, at_us)

    def happens(self, code: str, event: str, status: str, at_us: int) -> None:
        """An event of a document, and its status after it."""
        self.papers[code].status = status
        self._say(f"documents/{code}/events", {"event": event}, at_us)

    def gone(self, code: str, load: Sequence[Tag]) -> None:
        """A load left under a document."""
        for sku, units in units_of(load).items():
            self.papers[code].lines[sku].gone += units

    def come(self, code: str, load: Sequence[Tag]) -> None:
        """A load came under a document."""
        for sku, units in units_of(load).items():
            self.papers[code].lines[sku].come += units

    def _say(self, path: str, body: dict[str, Any], at_us: int) -> None:
        self.calls.append(ApiCall(at_us, path, body))


def units_of(load: Sequence[Tag]) -> Counter[str]:
    """Units of each SKU on a load; pallets and cages count for nothing."""
    units: Counter[str] = Counter()
    for tag in load:
        if tag.sku is not None:
            units[tag.sku] += tag.quantity
    return units
