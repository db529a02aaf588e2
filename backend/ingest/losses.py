"""Write off what a transfer lost: it was sent, it never came, and the transfer is closed.

Until then it stands in transit, for it may still come. The word on a thing is put just after it left, as when a
departure is settled (departures.py), so a thing that is seen after all is where it was seen.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Final, NamedTuple

from backend.alerts.service import clear_alerts
from backend.api.problems import ProblemError
from backend.catalog.service import read_places
from backend.documents.service import SQL as DOCUMENTS
from backend.documents.service import lock_document
from backend.documents.surplus import tell_surplus
from backend.ingest.items import SQL, lock
from backend.ingest.pallet_names import with_contents
from backend.ingest.words import ThingWord, UnitsWord, say
from backend.ledger.model import Cause, Slot
from backend.store.database import Database
from wire.clock import Clock

_TICK: Final = timedelta(microseconds=1)


class WrittenOff(NamedTuple):
    """What was written off: things, and units without serial numbers."""

    things: int
    units: int


async def write_off(database: Database, clock: Clock, code: str, reason: str, actor: str, role: str) -> WrittenOff:
    """Move what a closed transfer lost from in transit to its source's scrap, and end the alert. Done again it finds
    nothing more.

    Raises ProblemError: `not-found`; `wrong-state` for a document that is no closed transfer.
    """
    async with database.transaction() as connection:
        places, now = await read_places(connection), clock.now()
        seen = await connection.fetch(DOCUMENTS["things_lost"], code)
        # things before documents, as everywhere; one that comes meanwhile is not among the rows read below
        items = await lock(connection, places, await with_contents(connection, [row["item_id"] for row in seen]))
        document = await lock_document(connection, code)
        if document["kind"] != "transfer":
            raise ProblemError(
                "wrong-state", f"{code!r} is a {document['kind']}: only transfers lose goods on their way"
            )
        if document["status"] != "closed":
            raise ProblemError("wrong-state", f"transfer {code!r} is {document['status']}: close it first")
        site = places.site_by_id[document["site_id"]]
        transit, scrap = site.virtual("in_transit").zone_id, site.virtual("scrap").zone_id
        things = [
            ThingWord(row["item_id"], row["gone_at"] + _TICK, scrap)
            for row in await connection.fetch(DOCUMENTS["things_lost"], code)
            if row["item_id"] in items
        ]
        rows = await connection.fetch(DOCUMENTS["units_under_way"], site.site_id, transit, code)
        under_way = [(Slot(transit, row["sku_id"], row["lot_id"], row["condition"]), row["units"]) for row in rows]
        units = units_lost(under_way, scrap, now)
        said = await say(connection, places, [*things, *units], Cause(f"lost: {reason}", actor, role, code), now)
        await clear_alerts(connection, [("transfer_missing", code)], now)
        await connection.execute(SQL["tell"], now, site.code, None)
        await tell_surplus(connection, said.came, now)
    return WrittenOff(len(things), sum(word.quantity for word in units))


def units_lost(under_way: Iterable[tuple[Slot, int]], scrap_id: int, at: datetime) -> list[UnitsWord]:
    """The words that write off what is under way of each SKU. Units that came as another lot than they left as stand
    below zero there: of a SKU no more is lost than its lots add up to."""
    total: defaultdict[int, int] = defaultdict(int)
    by_slot = dict(under_way)
    for slot, units in by_slot.items():
        total[slot.sku_id] += units
    words: list[UnitsWord] = []
    for slot in sorted(by_slot):
        lost = min(by_slot[slot], total[slot.sku_id])
        if lost > 0:
            words.append(UnitsWord(at, slot, slot._replace(zone_id=scrap_id), lost))
            total[slot.sku_id] -= lost
    return words
