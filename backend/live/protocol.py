"""What the live WebSocket says: a snapshot first, then deltas; a beat when there is nothing to say.

The client passes the `seq` of the last message it took as `?seq=`; when the server still knows what came behind it,
only that is sent. `seq` is opaque. Stock rows hold the value now, never a difference, so taking one twice is harmless.
"""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from pydantic import BaseModel, ConfigDict

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
    """An alert that stands."""

    alert_id: int
    kind: str
    key: str
    site: str | None
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


class Beat(Told):
    """Nothing changed for a while, and the line is up."""

    type: Literal["beat"] = "beat"
