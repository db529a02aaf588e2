"""What a scan does (pure): decided by its intent and the kind of the document that it names.

    intent     names     the goods are then                          condition  taken from
    receive    -         in the zone scanned                                    the supplier
    receive    return    in the zone scanned                         returned   the customer
    receive    transfer  in the zone scanned                                    what is in transit
    put_away   -         in the zone scanned                                    receiving, dock, staging, returns …
    move       -         in the zone scanned                                    storage, pick face, receiving …
    pick       -         in the zone scanned                                    pick face, storage, receiving …
    pack       -         in the zone scanned                                    packing, pick face, storage, staging
    ship       -         in transit                                             dock, staging, packing …
    ship       shipment  with the customer                                      likewise
    ship       transfer  in transit, whatever a site does without a document    likewise
    damage     -         where they were                             damaged
    count, aggregate, disaggregate                                              nothing is moved

A site may differ: its own rows (table scan_rule) come before these, for an intent under one kind of document before
those for the intent alone. A rule may also refuse: everything, with the reason that the device shows, or what has
expired. Kinds of zones are told the likeliest first; they are where goods without serial numbers are looked for, a
thing is moved from wherever it is. The migrations of the table hold its rows to `fault` as well.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, NamedTuple

from backend.catalog.model import CONDITIONS, REAL_KINDS
from backend.effects.crossing import NO_DOCUMENT
from backend.ledger.model import SELLABLE
from backend.orders.picking import PICK_KINDS

DAMAGED: Final = "damaged"

SCANNED: Final = "scanned"
"""Stands for the zone that a scan names."""

STAYS: Final = "stays"
"""Stands for the place where the goods are."""

JOINING: Final = frozenset({"aggregate", "disaggregate"})
"""Intents that say what a thing stands on."""

STILL: Final = JOINING | {"count"}
"""Intents that move nothing."""

INSIDE: Final = frozenset({"receive", "put_away", "move", "pick", "pack"})
"""Intents that put goods in the zone that they name."""

OUT: Final = ("customer", "in_transit", "vendor", "scrap")
"""Kinds of the virtual zones in which goods may be that were taken out."""

IN_FROM: Final = ("supplier", "customer", "in_transit", "vendor", "unknown")
"""Kinds of the virtual zones that goods may be received from; there is always enough in them."""


class ScanRule(NamedTuple):
    """What a scan does. `place`: SCANNED, STAYS, or the kind of a virtual zone. `sources`: kinds of zones in which
    goods without serial numbers are looked for, the likeliest first. `condition`: what state the goods are in
    afterwards; None: unchanged. `takes_expired`: False refuses what has expired. `refusal`: why all are refused, if
    they are."""

    place: str
    sources: tuple[str, ...] = ()
    condition: str | None = None
    takes_expired: bool = True
    refusal: str = ""


RuleName = tuple[str, str]
"""An intent, and the kind of the document that its scans name."""

_SHIP_FROM: Final = ("dock", "staging", "packing", "pick_face", "storage")

SCANS: Final[Mapping[RuleName, ScanRule]] = {
    ("receive", NO_DOCUMENT): ScanRule(SCANNED, ("supplier",)),
    ("receive", "return"): ScanRule(SCANNED, ("customer",), "returned"),
    ("receive", "transfer"): ScanRule(SCANNED, ("in_transit",)),
    ("put_away", NO_DOCUMENT): ScanRule(
        SCANNED, ("receiving", "dock", "staging", "returns", "storage", "pick_face", "packing")
    ),
    ("move", NO_DOCUMENT): ScanRule(
        SCANNED, ("storage", "pick_face", "receiving", "staging", "packing", "dock", "returns")
    ),
    ("pick", NO_DOCUMENT): ScanRule(SCANNED, PICK_KINDS),
    ("pack", NO_DOCUMENT): ScanRule(SCANNED, ("packing", "pick_face", "storage", "staging")),
    ("ship", NO_DOCUMENT): ScanRule("in_transit", _SHIP_FROM),
    ("ship", "shipment"): ScanRule("customer", _SHIP_FROM),
    ("ship", "transfer"): ScanRule("in_transit", _SHIP_FROM),
    ("damage", NO_DOCUMENT): ScanRule(STAYS, condition=DAMAGED),
    ("count", NO_DOCUMENT): ScanRule(STAYS),
    ("aggregate", NO_DOCUMENT): ScanRule(STAYS),
    ("disaggregate", NO_DOCUMENT): ScanRule(STAYS),
}


class ScanBook:
    """The rules of one site: its own, and where it has none those of every site."""

    def __init__(self, own: Mapping[RuleName, ScanRule] | None = None) -> None:
        self._own = own or {}

    def rule(self, intent: str, kind: str | None = None) -> ScanRule:
        """What a scan of this intent does that names a document of this kind; None: it names none."""
        for name in ((intent, kind or NO_DOCUMENT), (intent, NO_DOCUMENT)):
            for table in (self._own, SCANS):
                if name in table:
                    return table[name]
        raise AssertionError("every intent has a rule for no document")

    def all(self) -> dict[RuleName, ScanRule]:
        """Every rule as it counts at the site."""
        return {**SCANS, **self._own}


def fault(intent: str, kind: str, rule: ScanRule) -> str | None:
    """Why a site cannot have a rule; None when it can."""
    if rule.condition is not None and rule.condition not in CONDITIONS:
        return f"condition: {rule.condition!r} is none of {', '.join(CONDITIONS)}"
    if intent in STILL:
        silent = (rule.place, rule.sources, rule.condition, rule.takes_expired) == (STAYS, (), None, True)
        return None if silent else f"{intent} moves nothing: its rule can but refuse it"
    wrong = _wrong_place(intent, rule.place) or _wrong_sources(intent, rule.sources)
    if wrong is not None:
        return wrong
    if intent == "damage" and rule.place == STAYS and rule.condition in (None, SELLABLE):
        return "condition: goods that are damaged and stay where they are, sellable, are not changed at all"
    if kind == "transfer" and intent == "ship" and rule.place != "in_transit":
        return "place: what is shipped under a transfer is in transit until it comes"
    if kind == "transfer" and intent == "receive" and rule.sources != ("in_transit",):
        return "sources: what comes of a transfer was in transit"
    return None


def _wrong_place(intent: str, place: str) -> str | None:
    fitting = (SCANNED,) if intent in INSIDE else OUT if intent == "ship" else (STAYS, *OUT)
    return None if place in fitting else f"place: {intent} puts goods in {' or '.join(fitting)}, not {place!r}"


def _wrong_sources(intent: str, sources: tuple[str, ...]) -> str | None:
    if intent == "damage":
        return None if not sources else "sources: what is damaged lies where it is scanned"
    if intent == "receive":
        one = len(sources) == 1 and sources[0] in IN_FROM
        return None if one else f"sources: goods are received from one of {', '.join(IN_FROM)}"
    if not sources or not set(sources) <= set(REAL_KINDS) or len(set(sources)) < len(sources):
        return f"sources: name kinds of zones, each once, the likeliest first: {', '.join(REAL_KINDS)}"
    return None
