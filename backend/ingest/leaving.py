"""What left a site under documents and what turned back, out of a transaction's postings (pure).

A thing that leaves and comes back within one transaction has done neither, and keeps no promise. So outs and ins of the
same thing under the same document are paired in the order of their instants; what stands alone is left:

    out in        nothing                in         it had left before, and turns back
    out in out    the last out           in out     it turns back, and leaves again
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import NamedTuple

from backend.catalog.model import Places
from backend.documents.model import Back, Left
from backend.effects.crossing import Opening
from backend.ledger.model import Transfer


class Gone(NamedTuple):
    """Units that left a site under a document, and the thing that they are, if they are one."""

    item_id: int | None
    at: datetime
    left: Left


def gone_under(places: Places, transfers: Iterable[Transfer], documents: Mapping[int, int]) -> list[Gone]:
    """Units that leave a site under a document. `documents`: number of the event → document."""
    gone: list[Gone] = []
    for one in transfers if documents else ():
        document_id = documents.get(one.cause.seq) if one.cause.seq is not None else None
        taken, given = places.zone_by_id[one.taken.zone_id], places.zone_by_id[one.given.zone_id]
        if document_id is not None and taken.is_real and not given.is_real:
            left = Left(document_id, taken.site_id, one.taken.sku_id, one.taken.lot_id, one.quantity)
            gone.append(Gone(one.item_id, one.observed_at, left))
    return gone


def back_under(places: Places, transfers: Iterable[Transfer], openings: Mapping[int, Opening]) -> list[Back]:
    """Things with goods that come back in under documents that let them leave. `openings`: number of the event → what
    stood open at the door."""
    back: list[Back] = []
    for one in transfers if openings else ():
        opening = openings.get(one.cause.seq) if one.cause.seq is not None else None
        taken, given = places.zone_by_id[one.taken.zone_id], places.zone_by_id[one.given.zone_id]
        if opening is not None and one.item_id is not None and not taken.is_real and given.is_real:
            left = Left(opening.document_id, given.site_id, one.given.sku_id, one.given.lot_id, one.quantity)
            back.append(Back(opening.document_id, one.item_id, one.observed_at, left))
    return back


def lasting(gone: Iterable[Gone], back: Iterable[Back]) -> tuple[list[Gone], list[Back]]:
    """What is left of outs and ins once those are taken away that undo each other."""
    out: defaultdict[tuple[int, int | None], list[Gone]] = defaultdict(list)
    stays: list[Gone] = []
    for one in sorted(gone, key=lambda one: one.at):
        if one.item_id is None:
            stays.append(one)
        else:
            out[one.left.document_id, one.item_id].append(one)
    turned: list[Back] = []
    for came in sorted(back, key=lambda one: one.at):
        outs = out[came.document_id, came.item_id]
        before = [one for one in outs if one.at <= came.at]
        if before:
            outs.remove(before[-1])
        else:
            turned.append(came)
    stays += (one for ones in out.values() for one in ones)
    return stays, turned
