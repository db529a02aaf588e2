"""A document's life (pure), one table for each kind, and which promise a leaving thing serves.

    receipt    open ──close──▶ closed                                       what was announced and what came
    shipment   open ──close──▶ closed                                       for an order: it is shipped with it
    return     open ──close──▶ closed
    transfer   requested ─approve▶ approved ─allocate▶ allocated ─send▶ in_transit ─receive▶ received ─close▶ closed

`cancel` ends a document before anything of it has left or come. A transfer's goods are promised to it from `allocate`
on; `send` says that nothing more follows and gives back what was not sent. What was sent and has not come stands in
transit until it comes; `close` says that it is missing, and a person may then write it off (backend/ingest/losses.py).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Final, Literal, NamedTuple

from backend.stock.model import Fulfilment

Kind = Literal["receipt", "shipment", "transfer", "return"]
Event = Literal["approve", "allocate", "send", "receive", "close", "cancel"]

_PLAIN: Final = {("open", "close"): "closed", ("open", "cancel"): "cancelled"}

LIFE: Final[dict[str, dict[tuple[str, str], str]]] = {
    "receipt": _PLAIN,
    "shipment": _PLAIN,
    "return": _PLAIN,
    "transfer": {
        ("requested", "approve"): "approved",
        ("approved", "allocate"): "allocated",
        ("allocated", "send"): "in_transit",
        ("in_transit", "receive"): "received",
        ("in_transit", "close"): "closed",
        ("received", "close"): "closed",
        ("requested", "cancel"): "cancelled",
        ("approved", "cancel"): "cancelled",
        ("allocated", "cancel"): "cancelled",
    },
}

FIRST: Final = {"receipt": "open", "shipment": "open", "return": "open", "transfer": "requested"}

AT_DOOR: Final[dict[str, frozenset[str]]] = {
    "receipt": frozenset({"open"}),
    "shipment": frozenset({"open"}),
    "return": frozenset({"open"}),
    "transfer": frozenset({"allocated", "in_transit"}),
}
"""States in which a document may stand open at a door: a transfer at the source's while allocated, at the
destination's while in transit."""


def after(kind: str, status: str, event: str) -> str | None:
    """The status after an event; None where it may not happen."""
    return LIFE[kind].get((status, event))


class Left(NamedTuple):
    """Units that left a site under a document."""

    document_id: int
    site_id: int
    sku_id: int
    lot_id: int
    quantity: int


class Back(NamedTuple):
    """A thing that came back in while the document that it may have left under stood at the door. `left`: what it
    holds; a pallet holds nothing itself."""

    document_id: int
    item_id: int
    at: datetime
    left: Left | None


class Promise(NamedTuple):
    """Units that a document's goods serve: those promised to its order, or to the transfer itself."""

    document_id: int
    allocation_id: int
    site_id: int
    sku_id: int
    lot_id: int
    open: int


class Kept(NamedTuple):
    """A promise that a document's goods serve, and how many units of it have left."""

    document_id: int
    allocation_id: int
    site_id: int
    sku_id: int
    lot_id: int
    fulfilled: int


SCANNED: Final[dict[str, frozenset[tuple[str, str]]]] = {
    "ship": frozenset({("shipment", "open"), ("transfer", "allocated"), ("transfer", "in_transit")}),
    "receive": frozenset({("receipt", "open"), ("return", "open"), ("transfer", "in_transit")}),
}
"""Kinds and states of documents that scans of an intent count on."""


def scan_refusal(code: str, kind: str, status: str, intent: str) -> str | None:
    """Why a scan cannot name a document; None when it can."""
    if status not in AT_DOOR[kind]:
        return f"{kind} {code!r} is {status}: open it, or name another document"
    if (kind, status) in SCANNED.get(intent, ((kind, status),)):
        return None
    if kind == "transfer":
        return f"transfer {code!r} is {status}: nothing comes of it before it is sent"
    way = "leaves" if intent == "ship" else "comes"
    return f"nothing {way} under a {kind}, as {code!r} is: name another document"


def unserve(back: Iterable[Left], kept: Sequence[Kept], served: Iterable[Fulfilment]) -> list[Fulfilment]:
    """Which promises wait again for units that left under a document and came back: those for the very lot first, the
    newest first. `served`: what this transaction keeps of them, and has not written yet."""
    remaining = {one.allocation_id: one.fulfilled for one in kept}
    for fulfilment in served:
        if fulfilment.allocation_id in remaining:
            remaining[fulfilment.allocation_id] += fulfilment.quantity
    waiting: list[Fulfilment] = []
    for units in back:
        wanted = units.quantity
        fitting = [
            one
            for one in kept
            if (one.document_id, one.site_id, one.sku_id) == (units.document_id, units.site_id, units.sku_id)
        ]
        for one in sorted(fitting, key=lambda one: (one.lot_id != units.lot_id, -one.allocation_id)):
            taken = min(wanted, remaining[one.allocation_id])
            if taken:
                waiting.append(Fulfilment(one.allocation_id, -taken))
                remaining[one.allocation_id] -= taken
                wanted -= taken
    return waiting


def serve(left: Iterable[Left], promises: Sequence[Promise]) -> list[Fulfilment]:
    """Which promises are kept by what left: those for the very lot first, then those for the same SKU at the site, the
    oldest first. What nobody was promised serves none."""
    remaining = {one.allocation_id: one.open for one in promises}
    served: list[Fulfilment] = []
    for units in left:
        wanted = units.quantity
        fitting = [
            one
            for one in promises
            if (one.document_id, one.site_id, one.sku_id) == (units.document_id, units.site_id, units.sku_id)
        ]
        for one in sorted(fitting, key=lambda one: (one.lot_id != units.lot_id, one.allocation_id)):
            taken = min(wanted, remaining[one.allocation_id])
            if taken:
                served.append(Fulfilment(one.allocation_id, taken))
                remaining[one.allocation_id] -= taken
                wanted -= taken
    return served
