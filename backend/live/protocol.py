"""What the live WebSockets say: a snapshot first, then deltas; a beat when there is nothing to say.

    /api/v1/live                    for pages                      Snapshot, Delta, Beat
    /api/v1/channels/{code}/live    for whoever sells by a channel OfferSnapshot, OfferDelta, Beat

The client passes the `seq` of the last message it took as `?seq=`; when the server still knows what came behind it,
only that is sent. `seq` is opaque. Rows of stock and offers hold the value now, never a difference, so taking one twice
is harmless, and of two on the same key the later message counts.
"""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, PlainSerializer

from backend.channels.service import Offer
from backend.stock.views import MovementView


class Told(BaseModel):
    """Something said on the live WebSocket; immutable, because many clients are told the same."""

    model_config = ConfigDict(frozen=True)


class LiveZone(Told):
    """A zone of a site; `kind` tells virtual ones apart."""

    code: str
    name: str
    kind: str


class LiveSite(Told):
    """A site and its zones, as the page lays them out."""

    code: str
    name: str
    zones: tuple[LiveZone, ...]


class LiveStock(Told):
    """Units of one SKU in one zone, over lots and conditions; 0 when there is none any more."""

    site: str
    zone: str
    sku: str
    net: int


class LiveGateway(Told):
    """A gateway's state, and what it names that the catalog does not know."""

    gateway: str
    site: str | None
    online: bool
    since: datetime | None
    readers: tuple[str, ...]
    unknown_zones: tuple[str, ...]
    unknown_portals: tuple[str, ...]


class LiveAlert(Told):
    """An alert that stands; `about` says in one line what it is about."""

    alert_id: int
    kind: str
    key: str
    site: str | None
    about: str
    raised_at: datetime


class Surroundings(Told):
    """What changes rarely and is told whole: sites, gateways, standing alerts."""

    sites: tuple[LiveSite, ...] = ()
    gateways: tuple[LiveGateway, ...] = ()
    alerts: tuple[LiveAlert, ...] = ()


class Snapshot(Told):
    """Everything the page shows. Movements are the latest, oldest first."""

    type: Literal["snapshot"] = "snapshot"
    seq: str
    stock: tuple[LiveStock, ...]
    movements: tuple[MovementView, ...]
    sites: tuple[LiveSite, ...]
    gateways: tuple[LiveGateway, ...]
    alerts: tuple[LiveAlert, ...]


class Delta(Told):
    """What changed since the message before. Surroundings are there only when they changed."""

    type: Literal["delta"] = "delta"
    seq: str
    stock: tuple[LiveStock, ...] = ()
    movements: tuple[MovementView, ...] = ()
    sites: tuple[LiveSite, ...] | None = None
    gateways: tuple[LiveGateway, ...] | None = None
    alerts: tuple[LiveAlert, ...] | None = None


OfferRows = Annotated[tuple[Offer, ...], PlainSerializer(lambda offers: [offer._asdict() for offer in offers])]
"""What a channel may still promise of a SKU at a site, each; 0 when nothing any more. A snapshot has a hundred thousand
of them, and others wait while it is written: as models they took four times as long."""


class OfferSnapshot(Told):
    """All that a channel may promise, by SKU and site; what is not among it is 0."""

    type: Literal["snapshot"] = "snapshot"
    seq: str
    channel: str
    offers: OfferRows


class OfferDelta(Told):
    """What a channel may promise where that changed since the message before, by SKU and site."""

    type: Literal["delta"] = "delta"
    seq: str
    offers: OfferRows


class Beat(Told):
    """Nothing changed for a while, and the line is up."""

    type: Literal["beat"] = "beat"
