"""What an alert is about, in the names that people use: one line from its detail, for pages and terminals (pure)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime
from decimal import Decimal
from typing import Final, TypedDict


class Detail(TypedDict, total=False):
    """All that alerts say; each says what it knows. Codes are those of the catalog, never numbers of rows.

    | member                         | what                                                                     |
    |--------------------------------|--------------------------------------------------------------------------|
    | site                           | the one meant, where the catalog may lack it                             |
    | gateway, reader, portal, zone  | where                                                                    |
    | zones, skus                    | where and what, when it may be several                                   |
    | document, order, count, pallet | which; the pallet by its SSCC as a GS1 element string, else by its EPC   |
    | sku, lot, condition, status    | of which goods                                                           |
    | units, things, ...             | how many                                                                 |
    | value                          | what that is worth                                                       |
    | reason, detail                 | in words                                                                 |
    | promised_at, since, ...        | what only a program asks for: it is not in the line                      |
    """

    site: str | None
    gateway: str
    reader: str
    portal: str
    zone: str
    zones: list[str]
    document: str | None
    order: str | None
    count: str
    pallet: str
    sku: str
    skus: list[str]
    lot: str
    condition: str
    status: str
    units: int
    things: int
    events: int
    missing: int
    variances: int
    value: Decimal
    reason: str
    detail: str
    from_seq: int
    through_seq: int
    promised_at: datetime
    since: datetime
    observed_at: datetime
    lines: list[dict[str, object]]


NAMES: Final[Mapping[str, str]] = {
    "site": "{}",
    "gateway": "gateway {}",
    "reader": "reader {}",
    "portal": "door {}",
    "document": "document {}",
    "order": "order {}",
    "count": "count {}",
    "pallet": "pallet {}",
    "zone": "zone {}",
    "zones": "zone {}",
    "sku": "{}",
    "skus": "{}",
    "lot": "lot {}",
    "condition": "{}",
    "status": "{}",
}
"""How names are said, in this order: where and which before what."""

FIGURES: Final[Mapping[str, tuple[str, str]]] = {
    "units": ("unit", "units"),
    "things": ("thing", "things"),
    "events": ("event", "events"),
    "missing": ("missing", "missing"),
    "variances": ("difference", "differences"),
}
"""What is counted: one of it, and several."""

WORDS: Final = ("reason", "detail")

NAMES_SAID: Final = 3
"""Of a list; more would hide the rest of the line."""

GAP: Final = " · "


def about(key: str, site: str | None, detail: Mapping[str, object]) -> str:
    """What an alert is about, without its kind and its `site`, which stand beside it: `door d1 · 3 things`. Whatever
    says nothing of itself is told by its key."""
    told = {name: value for name, value in detail.items() if value and (name, value) != ("site", site)}
    return GAP.join(_parts(told)) or key


def _parts(told: Mapping[str, object]) -> Iterator[str]:
    for name, form in NAMES.items():
        if name in told:
            yield form.format(_names(told[name]))
    for name, (one, several) in FIGURES.items():
        units = told.get(name)
        if isinstance(units, int):
            yield f"{units:,} {one if units == 1 else several}"
    if worth := Decimal(str(told.get("value", 0))).normalize():
        yield f"worth {worth:,f}"
    yield from (str(told[name]) for name in WORDS if name in told)


def _names(value: object) -> str:
    if not isinstance(value, list):
        return str(value)
    hidden = len(value) - NAMES_SAID
    return ", ".join(map(str, value[:NAMES_SAID])) + (f" and {hidden} more" if hidden > 0 else "")
