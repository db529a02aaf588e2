"""Events of the Zebra IoT Connector: fixed FX and ATR readers, and handheld RFD40 and RFD90 (pure).

A fixed reader sends one tag a message (`data.idHex`); of its fields only eventNum, format and idHex are sure, the rest
follows the reader's tagMetaData. A handheld sends `data.tagData`, a list, under one time; it has one antenna and never
names it. RSSI in dBm, phase in degrees, times with an offset without a colon.

What else comes on these topics (management events, heartbeats, answers to commands) is only heard. Source: the vendor's
public documents (zebradevs.github.io/rfid-ziotc-docs, techdocs.zebra.com) and payloads of public adapters.
"""

from __future__ import annotations

import math
from typing import Any

from pydantic_core import from_json

from readers.vendor_event import (
    MAX_COUNT,
    MAX_PORT,
    Alive,
    TagSeen,
    Unusable,
    VendorEvent,
    epc_of_hex,
    iso_us,
    number,
    whole,
)


def decode(payload: bytes) -> list[VendorEvent]:
    """The tag events of one MQTT payload (an object, or an array of them). What cannot be used becomes `Unusable`."""
    try:
        raw = from_json(payload)
    except ValueError as error:
        return [Unusable("json", f"an event is no JSON: {error}")]
    found: list[VendorEvent] = []
    for event in raw if isinstance(raw, list) else [raw]:
        if isinstance(event, dict):
            found += _event(event)
        else:
            found.append(Unusable("event", f"an event is no JSON object: {str(event)[:80]}"))
    return found


def _event(event: dict[str, Any]) -> list[VendorEvent]:
    data, timestamp = event.get("data"), event.get("timestamp")
    if not isinstance(data, dict):
        return [Alive()]
    if "tagData" in data:
        tags = data["tagData"]
        if not isinstance(tags, list):
            return [Unusable("event", "tagData is no list")]
        return [_handheld_tag(tag, timestamp) for tag in tags] or [Alive()]
    if "idHex" in data or event.get("type") == "SIMPLE":
        return [_fixed_tag(data, timestamp)]
    return [Alive()]


def _fixed_tag(data: dict[str, Any], timestamp: object) -> VendorEvent:
    epc = epc_of_hex(data.get("idHex"))
    if epc is None:
        return Unusable("epc", f"idHex {str(data.get('idHex'))[:80]!r} is no EPC")
    return TagSeen(
        epc=epc,
        antenna=whole(data, "antenna", MAX_PORT),
        rssi_dbm=number(data, "peakRssi"),
        at_us=iso_us(timestamp),
        count=whole(data, "reads", MAX_COUNT) or 1,
        phase_rad=math.radians(number(data, "phase")),
    )


def _handheld_tag(tag: object, timestamp: object) -> VendorEvent:
    fields = tag if isinstance(tag, dict) else {}
    epc = epc_of_hex(fields.get("EPCid")) or epc_of_hex(fields.get("EPC"))
    if epc is None:
        return Unusable("epc", "an entry of tagData has neither a usable EPCid nor a usable EPC")
    return TagSeen(
        epc=epc,
        rssi_dbm=number(fields, "peakRssi"),
        at_us=iso_us(timestamp),
        count=whole(fields, "seenCount", MAX_COUNT) or 1,
        phase_rad=math.radians(number(fields, "phase")),
    )
