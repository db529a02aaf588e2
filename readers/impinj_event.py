"""Events of the Impinj R700's IoT device interface: a JSON object a line of its HTTP stream, or an MQTT payload (pure).

Every field of a tag event can be switched off on the reader. EPC comes as hex (`epcHex`), as base64 (`epc`) or both;
RSSI in hundredths of a dBm; phase in degrees. Source: the vendor's event format as public adapters quote it
(reelyactive/barnowl-impinj, an R700's output of 2021); other event types exist and are only heard.
"""

from __future__ import annotations

import binascii
import math
from typing import Any

from pydantic_core import from_json

from readers.vendor_event import (
    MAX_PORT,
    Alive,
    InventoryStatus,
    TagSeen,
    Unusable,
    VendorEvent,
    epc_of_bytes,
    epc_of_hex,
    iso_us,
    number,
    whole,
)


def decode(payload: bytes, hostname: str | None = None) -> list[VendorEvent]:
    """The events of one line or one MQTT payload (an object, or an array of them).

    With `hostname`, events of other readers on the same topic are passed over. What cannot be used becomes `Unusable`.
    """
    try:
        raw = from_json(payload)
    except ValueError as error:
        return [Unusable("json", f"an event is no JSON: {error}")]
    found: list[VendorEvent] = []
    for event in raw if isinstance(raw, list) else [raw]:
        if not isinstance(event, dict):
            found.append(Unusable("event", f"an event is no JSON object: {str(event)[:80]}"))
        elif hostname is None or event.get("hostname") in (None, hostname):
            found += _event(event)
    return found


def _event(event: dict[str, Any]) -> list[VendorEvent]:
    if isinstance(event.get("tagInventoryEvent"), dict):
        return [_tag(event["tagInventoryEvent"], event.get("timestamp"))]
    if event.get("eventType") == "tagInventory":
        return [Unusable("event", "a tagInventory event has no tagInventoryEvent")]
    status = event.get("inventoryStatusEvent")
    if isinstance(status, dict) and isinstance(status.get("inventoryStatus"), str):
        return [status_of(status["inventoryStatus"])]
    return [Alive()]


def status_of(text: str) -> InventoryStatus:
    """What the reader calls its state: `running`, or something else that is not inventorying."""
    return InventoryStatus(text == "running", f"the reader says {text}")


def _tag(tag: dict[str, Any], timestamp: object) -> VendorEvent:
    epc = epc_of_hex(tag.get("epcHex")) or _base64(tag.get("epc"))
    if epc is None:
        return Unusable("epc", "a tag event has neither a usable epcHex nor a usable epc: switch one on")
    seen_us = iso_us(tag.get("lastSeenTime"))
    return TagSeen(
        epc=epc,
        antenna=whole(tag, "antennaPort", MAX_PORT),
        rssi_dbm=number(tag, "peakRssiCdbm") / 100,
        at_us=seen_us if seen_us is not None else iso_us(timestamp),
        phase_rad=math.radians(number(tag, "phaseAngle")),
    )


def _base64(text: object) -> bytes | None:
    if not isinstance(text, str):
        return None
    try:
        return epc_of_bytes(binascii.a2b_base64(text.encode(), strict_mode=True))
    except ValueError:
        return None
