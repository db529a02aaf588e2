"""Two small warehouses in the catalog, and gateways that speak to the ingest service as the wire would."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from backend.alerts.views import AlertParams, alerts
from backend.catalog.model import PortalSpec, SiteSpec, SkuSpec, ZoneSpec
from backend.catalog.service import put_site, put_skus
from backend.ingest.service import IngestService
from backend.store.database import Database
from gs1.epc import encode_sgtin96
from tests.postgres import START
from wire.ack import Ack
from wire.events import Movement, ReaderHealth, ReceivedBatch, Scan, decode_upstream, encode_batch

GTIN = "09506000134352"
CASE_GTIN = "19506000134359"
EPOCH = "00000000000000aa"


def at(seconds: float) -> datetime:
    """So many seconds after the tests begin."""
    return START + timedelta(seconds=seconds)


class SetClock:
    """A clock that stands, so many seconds after the tests begin, until it is set."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds

    def now(self) -> datetime:
        return at(self.seconds)

    async def sleep(self, seconds: float) -> None:
        self.seconds += seconds


def tag(serial: int, gtin: str = GTIN) -> str:
    """The EPC of a thing with this serial number, as upper-case hex."""
    return encode_sgtin96(gtin, serial, 7).hex().upper()


async def furnish(database: Database) -> None:
    """Sites `a` and `b`, each with a dock, a rack, a shelf and the door `d`; SKU `BOX` with a GTIN for one and one for
    twelve."""
    zones = (ZoneSpec("dock", "receiving"), ZoneSpec("rack", "storage"), ZoneSpec("shelf", "pick_face"))
    for code in ("a", "b"):
        await put_site(database, SiteSpec(code, zones=zones, portals=(PortalSpec("d", "dock"),)))
    await put_skus(database, [SkuSpec("BOX", "A box", gtins={GTIN: 1, CASE_GTIN: 12})])


def arrived(serial: int | str, zone: str, seconds: float, kind: str = "arrived") -> Movement:
    epc = serial if isinstance(serial, str) else tag(serial)
    return Movement(kind=kind, epc=epc, zone=zone, observed_at=at(seconds), decided_at=at(seconds + 1))


def crossed(serial: int | str, direction: str, seconds: float, portal: str = "d") -> Movement:
    epc = serial if isinstance(serial, str) else tag(serial)
    return Movement(
        kind="crossed", epc=epc, portal=portal, direction=direction, observed_at=at(seconds), decided_at=at(seconds + 1)
    )


def scan(intent: str, code: str, seconds: float, *, scan_id: str = "s1", **more: object) -> Scan:
    return Scan(
        scan_id=scan_id,
        device="gun-1",
        operator="dewi",
        intent=intent,
        code=code,
        observed_at=at(seconds),
        **more,
    )


@dataclass
class Gateway:
    """A gateway of a site: numbers events and sends them as bytes, the way the journal does."""

    service: IngestService
    site: str
    name: str
    epoch: str = EPOCH
    seq: int = 0
    sent: list[ReceivedBatch] = field(default_factory=list)

    async def say(self, *events: Movement | Scan | ReaderHealth) -> Ack:
        """The next batch."""
        batch = self.batch(self.seq + 1, events)
        self.seq += len(events)
        self.sent.append(batch)
        return await self.service.apply(batch)

    def batch(self, first_seq: int, events: Sequence[Movement | Scan | ReaderHealth]) -> ReceivedBatch:
        raws = [event.model_dump_json(exclude_none=True).encode() for event in events]
        return self.raw_batch(first_seq, raws)

    def raw_batch(self, first_seq: int, raws: Sequence[bytes]) -> ReceivedBatch:
        payload = encode_batch(self.site, self.name, self.epoch, first_seq, START.isoformat(), raws)
        message = decode_upstream(payload)
        assert isinstance(message, ReceivedBatch)
        return message


async def stock(database: Database, *, virtual: bool = False) -> dict[str, int]:
    """`site/zone/sku/lot/condition` → net, without the zeros."""
    rows = await database.pool.fetch(
        "SELECT concat_ws('/', site.code, zone.code, sku.code, lot.code, condition) AS name, net, zone.kind"
        " FROM balance JOIN site USING (site_id) JOIN zone USING (zone_id) JOIN sku USING (sku_id)"
        " JOIN lot USING (lot_id) WHERE net <> 0"
    )
    hidden = () if virtual else ("unknown", "supplier")
    return {row["name"]: row["net"] for row in rows if row["kind"] not in hidden}


async def warned(database: Database) -> set[tuple[str, str]]:
    """Kinds of the alerts that stand, and what each is about."""
    return {(one.kind, one.about) for one in (await alerts(database, AlertParams(standing=True))).rows}


async def place(database: Database, serial: int | str) -> str:
    """`site/zone` of a thing."""
    epc = serial if isinstance(serial, str) else tag(serial)
    return str(
        await database.pool.fetchval(
            "SELECT site.code || '/' || zone.code FROM item JOIN zone USING (zone_id) JOIN site USING (site_id)"
            " WHERE epc = $1",
            bytes.fromhex(epc),
        )
    )
