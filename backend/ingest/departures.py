"""Settle departures: say afterwards what a crossing outwards was that no document at the door explained.

    settled as           the thing is then                 promises
    a shipment           with the customer                 of its order are kept
    a transfer           in transit, and counted with it   of the transfer are kept
    lost                 written off
    back in a zone       there: it never left              as they were

The word is put just after the crossing, so whatever was seen of the thing since then still counts.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from backend.api.problems import ProblemError
from backend.catalog.model import Site
from backend.catalog.service import read_places
from backend.documents.service import SQL as DOCUMENTS
from backend.documents.service import tell_departures
from backend.documents.surplus import tell_surplus
from backend.ingest.items import SQL, lock
from backend.ingest.pallet_names import with_contents
from backend.ingest.words import Served, ThingWord, say
from backend.ledger.model import Cause
from backend.store.database import Connection, Database, Record
from wire.clock import Clock

REASON: Final = "settled"

_TICK: Final = timedelta(microseconds=1)


@dataclass(frozen=True, slots=True)
class Settlement:
    """What departures were: exactly one of `document` (a shipment's or transfer's code), `lost` and `zone`."""

    site: str
    portal: str
    first_at: datetime
    last_at: datetime
    document: str | None = None
    lost: bool = False
    zone: str | None = None


async def settle(database: Database, clock: Clock, word: Settlement, actor: str, role: str) -> int:
    """Settle the departures of a door within a span of time; answers how many.

    Raises ProblemError: `not-found` for a door or span without any, `refused` for a word that cannot be.
    """
    async with database.transaction() as connection:
        places = await read_places(connection)
        site = places.by_code.get(word.site)
        if site is None or word.portal not in site.portals:
            raise ProblemError("not-found", f"no portal {word.portal!r} at site {word.site!r}")
        asked = (word.site, word.portal, word.first_at, word.last_at)
        seen = await connection.fetch(DOCUMENTS["departures_to_settle"], *asked, None)
        things = sorted({row["item_id"] for row in seen})
        # things before documents, as everywhere; under their locks nobody else settles or adds to what left of them
        await lock(connection, places, await with_contents(connection, things))
        document = await _document(connection, site, word)
        rows = await connection.fetch(DOCUMENTS["departures_to_settle"], *asked, things)
        if not rows:
            raise ProblemError("not-found", "no departure of that door and span waits to be settled")
        now = clock.now()
        place_id = _place(site, word, document)
        cause = Cause(REASON, actor, role, word.document)
        words = [ThingWord(row["item_id"], row["observed_at"] + _TICK, place_id) for row in rows]
        served = None if document is None else Served(document["document_id"], document["site_id"])
        said = await say(connection, places, words, cause, now, served)
        if served is not None:
            gone = [(row["item_id"], row["observed_at"]) for row in rows]
            gone += [(one.item_id, one.key[0] - _TICK) for one in said.carried]
            left, times = ([one[place] for one in gone] for place in (0, 1))
            await connection.execute(DOCUMENTS["note_gone"], [served.document_id] * len(gone), left, times)
        await connection.execute(
            DOCUMENTS["settle_departures"],
            [row["gateway"] for row in rows],
            [row["epoch"] for row in rows],
            [row["seq"] for row in rows],
            now,
            document and document["document_id"],
            word.document or word.zone or "lost",
        )
        await tell_departures(connection, {site.portals[word.portal].portal_id}, now)
        await connection.execute(SQL["tell"], now, word.site, None)
        await tell_surplus(connection, said.came, now)
    return len(rows)


async def _document(connection: Connection, site: Site, word: Settlement) -> Record | None:
    if (word.document is not None) + word.lost + (word.zone is not None) != 1:
        raise ProblemError("refused", "say exactly one of document, lost and zone")
    if word.document is None:
        return None
    document = await connection.fetchrow(DOCUMENTS["lock_document"], word.document)
    if document is None:
        raise ProblemError("not-found", f"no document {word.document!r}")
    if document["kind"] not in ("shipment", "transfer") or document["site_id"] != site.site_id:
        raise ProblemError("refused", f"{document['kind']} {word.document!r} takes nothing out of site {site.code!r}")
    if document["status"] == "cancelled":
        raise ProblemError("refused", f"{document['kind']} {word.document!r} is cancelled: nothing leaves under it")
    return document


def _place(site: Site, word: Settlement, document: Record | None) -> int:
    if document is not None:
        return site.virtual("customer" if document["kind"] == "shipment" else "in_transit").zone_id
    if word.lost:
        return site.virtual("scrap").zone_id
    zone = site.real_zone(word.zone or "")
    if zone is None:
        raise ProblemError("refused", f"site {site.code!r} has no zone {word.zone!r}")
    return zone.zone_id
