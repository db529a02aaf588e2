"""What becomes of goods that a person has looked at (pure).

disposition  condition after  where they are then
resell       sellable         where they are, or in the zone named
refurbish    refurbishing     where they are, or in the zone named
quarantine   quarantined      where they are, or in the zone named
scrap        (unchanged)      scrap
vendor       (unchanged)      back with whom they were bought from
"""

from __future__ import annotations

from typing import Final, Literal, NamedTuple

Disposition = Literal["resell", "refurbish", "quarantine", "scrap", "vendor"]
Inspected = Literal["returned", "damaged", "quarantined", "refurbishing"]
"""Conditions in which goods wait for somebody to look at them."""


class Fate(NamedTuple):
    """What a disposition does. `condition` None: unchanged. `place`: the kind of a virtual zone; None: none."""

    condition: str | None = None
    place: str | None = None


FATES: Final[dict[str, Fate]] = {
    "resell": Fate("sellable"),
    "refurbish": Fate("refurbishing"),
    "quarantine": Fate("quarantined"),
    "scrap": Fate(place="scrap"),
    "vendor": Fate(place="vendor"),
}
