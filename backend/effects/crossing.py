"""What a crossing means (pure): decided by the document that was open at the door when it was observed.

    direction  open document  the thing is then        condition  its units came from
    out        shipment       with the customer
    out        transfer       in transit
    out        other or none  in transit, unassigned: a departure that a person must settle
    in         receipt        in the zone inside                  the supplier
    in         return         in the zone inside       returned
    in         transfer       in the zone inside
    in         other or none  in the zone inside

A site may differ: its own rows (table crossing_rule) come before these. A transfer lets goods leave at its source and
come at its destination; the other way round it explains nothing. What comes back in while the document it left under
still stands at the door has not left under it.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Final, NamedTuple

INSIDE: Final = "inside"
"""Stands for the zone behind the door."""

NO_DOCUMENT: Final = ""


class Meaning(NamedTuple):
    """What a crossing does to a thing. `place`: INSIDE, or the kind of a virtual zone. `origin`: the kind of the
    virtual zone its units came from, None where the crossing does not say."""

    place: str
    condition: str | None = None
    origin: str | None = None
    unassigned: bool = False


UNASSIGNED: Final = Meaning("in_transit", unassigned=True)
ENTERED: Final = Meaning(INSIDE)

CROSSINGS: Final[Mapping[tuple[str, str], Meaning]] = {
    ("out", "shipment"): Meaning("customer"),
    ("out", "transfer"): Meaning("in_transit"),
    ("out", NO_DOCUMENT): UNASSIGNED,
    ("in", "receipt"): Meaning(INSIDE, origin="supplier"),
    ("in", "return"): Meaning(INSIDE, condition="returned"),
    ("in", "transfer"): ENTERED,
    ("in", NO_DOCUMENT): ENTERED,
}


LEAVING: Final = frozenset({"shipment"})
COMING: Final = frozenset({"receipt", "return"})
"""Kinds of documents whose goods go one way alone."""


class Opening(NamedTuple):
    """A document that stood open at a door. `closed_at` None: it still does. `at_source`: the door is of the site that
    its goods leave, or come to first."""

    portal_id: int
    document_id: int
    code: str
    kind: str
    opened_at: datetime
    closed_at: datetime | None
    at_source: bool

    def explains(self, direction: str) -> bool:
        """Whether what crosses so leaves, or comes, under the document."""
        if self.kind == "transfer":
            return self.at_source == (direction == "out")
        return self.kind in (LEAVING if direction == "out" else COMING)

    def takes_back(self, direction: str) -> bool:
        """Whether what crosses so, having left under the document, has not left under it."""
        return direction == "in" and self.at_source and self.kind in (*LEAVING, "transfer")


class DoorBook:
    """Which document was open at which door, when; and the rules of one site."""

    def __init__(self, openings: Iterable[Opening] = (), own_rules: Mapping[tuple[str, str], Meaning] | None = None):
        self._own = own_rules or {}
        self._by_portal: dict[int, list[Opening]] = {}
        for one in sorted(openings, key=lambda one: one.opened_at):
            self._by_portal.setdefault(one.portal_id, []).append(one)

    def open_at(self, portal_id: int, at: datetime) -> Opening | None:
        """The document open at a door at an instant. Two never are: one is closed before the next is opened."""
        openings = self._by_portal.get(portal_id, [])
        place = bisect_right(openings, at, key=lambda one: one.opened_at) - 1
        if place < 0:
            return None
        found = openings[place]
        return found if found.closed_at is None or at <= found.closed_at else None

    def meaning(self, direction: str, opening: Opening | None) -> Meaning:
        """What a crossing means while `opening` stands at the door."""
        kind = NO_DOCUMENT if opening is None else opening.kind
        if opening is not None and kind == "transfer" and not opening.explains(direction):
            kind = NO_DOCUMENT
        for key in ((direction, kind), (direction, NO_DOCUMENT)):
            for table in (self._own, CROSSINGS):
                if key in table:
                    return table[key]
        raise AssertionError("every direction has a rule for no document")
