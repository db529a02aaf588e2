"""What readers publish by themselves, as JSON: Impinj's R700 and Zebra's fixed and handheld readers (pure).

Every field but the EPC can be switched off on these readers, and here: `fields` names those that are on. Source: the
vendors' public documents and public adapters' fixtures (examples are in `../shared/data/vendor/`).
"""

from __future__ import annotations

import base64
import json
import math
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any, Final

from readers.read import from_us
from simulators.sighting import Sightings
from simulators.tag_memory import TID, TagMemories

CHANNEL_KHZ: Final = 902_750
TRANSMIT_CDBM: Final = 3000

R700_FIELDS: Final = frozenset(
    {"epc", "epcHex", "tid", "tidHex", "pc", "antennaPort", "antennaName", "peakRssiCdbm", "frequency"}
    | {"transmitPowerCdbm", "lastSeenTime", "phaseAngle"}
)
ZEBRA_FIELDS: Final = frozenset({"antenna", "peakRssi", "reads", "channel", "phase"})

HANDHELD_PAYLOAD_BYTES: Final = 6144
"""An RFD40 or RFD90 sends no larger message."""

Rows = Iterator[tuple[bytes, int, float, int, float]]


def _rows(sightings: Sightings) -> Rows:
    """EPC as made, antenna, RSSI in dBm, time in microseconds, phase in degrees (NaN where there is none)."""
    phases = [math.nan] * len(sightings) if sightings.phase_rad is None else sightings.phase_rad.tolist()
    columns = (sightings.antenna.tolist(), sightings.rssi_dbm.tolist(), sightings.at_us.tolist(), phases)
    for epc, antenna, rssi_dbm, at_us, phase_rad in zip(sightings.epcs, *columns, strict=True):
        yield epc, antenna, rssi_dbm, at_us, math.degrees(phase_rad)


def _encoded(event: dict[str, Any]) -> bytes:
    return json.dumps(event, separators=(",", ":")).encode()


# --- Impinj R700 -----------------------------------------------------------------------------------------------------


def impinj_time(at: datetime) -> str:
    """As the R700 writes it: UTC with microseconds and a Z."""
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def r700_tags(
    sightings: Sightings, hostname: str, memories: TagMemories, fields: frozenset[str] = R700_FIELDS
) -> list[bytes]:
    """A tagInventory event for each sighting of a tag that answers."""
    events = []
    for made_with, antenna, rssi_dbm, at_us, phase_deg in _rows(memories.heard(sightings)):
        memory = memories.of(made_with) if fields & {"tid", "tidHex", "pc"} else None
        epc = memories.answering(made_with) or made_with
        at = impinj_time(from_us(at_us))
        tid = b"".join(word.to_bytes(2, "big") for word in memory.banks[TID]) if memory else b""
        every = {
            "epc": base64.b64encode(epc).decode(),
            "epcHex": epc.hex().upper(),
            "tid": base64.b64encode(tid).decode(),
            "tidHex": tid.hex().upper(),
            "pc": base64.b64encode((len(epc) // 2 << 11).to_bytes(2, "big")).decode(),
            "antennaPort": antenna,
            "antennaName": f"Antenna {antenna}",
            "peakRssiCdbm": round(rssi_dbm * 100),
            "frequency": CHANNEL_KHZ,
            "transmitPowerCdbm": TRANSMIT_CDBM,
            "lastSeenTime": at,
        }
        if not math.isnan(phase_deg):
            every["phaseAngle"] = round(phase_deg, 1)
        tag = {name: value for name, value in every.items() if name in fields}
        events.append(
            _encoded({"timestamp": at, "hostname": hostname, "eventType": "tagInventory", "tagInventoryEvent": tag})
        )
    return events


def r700_status(status: str, hostname: str, at: datetime) -> bytes:
    """An inventoryStatus event: `running`, `idle` or `armed`."""
    event = {"timestamp": impinj_time(at), "hostname": hostname, "eventType": "inventoryStatus"}
    return _encoded(event | {"inventoryStatusEvent": {"inventoryStatus": status}})


# --- Zebra -----------------------------------------------------------------------------------------------------------


def zebra_time(at: datetime) -> str:
    """As the FX readers write it: milliseconds, and an offset without a colon."""
    utc = at.astimezone(UTC)
    return f"{utc:%Y-%m-%dT%H:%M:%S}.{utc.microsecond // 1000:03}+0000"


def zebra_tags(
    sightings: Sightings, memories: TagMemories, first_number: int, fields: frozenset[str] = ZEBRA_FIELDS
) -> list[bytes]:
    """A SIMPLE event for each sighting of a tag that answers, numbered from `first_number`."""
    events = []
    rows = _rows(memories.heard(sightings))
    for number, (made_with, antenna, rssi_dbm, at_us, phase_deg) in enumerate(rows, first_number):
        every: dict[str, Any] = {
            "antenna": antenna,
            "peakRssi": round(rssi_dbm),
            "reads": 1,
            "channel": CHANNEL_KHZ / 1000,
        }
        if not math.isnan(phase_deg):
            every["phase"] = round(phase_deg, 1)
        epc = memories.answering(made_with) or made_with
        data = {"eventNum": number, "format": "epc", "idHex": epc.hex()}
        data |= {name: value for name, value in every.items() if name in fields}
        events.append(_encoded({"data": data, "timestamp": zebra_time(from_us(at_us)), "type": "SIMPLE"}))
    return events


def zebra_heartbeat(at: datetime) -> bytes:
    """A management event that says only that the reader lives."""
    return _encoded({"type": "heartbeat", "timestamp": zebra_time(at), "data": {"radio_control": "running"}})


def zebra_answer(command: dict[str, Any], is_done: bool) -> bytes:
    """What comes back on the `res` topic of a command."""
    answer = {name: command.get(name) for name in ("command", "command_id")}
    return _encoded(answer | {"response": "success" if is_done else "failure", "payload": {}})


def handheld_tags(sightings: Sightings, memories: TagMemories, profile: str = "BALANCED_PERFORMANCE") -> list[bytes]:
    """dataEVT messages of an RFD40 or RFD90: the tags of one trigger pull, counted, in as few messages as fit."""
    heard = memories.heard(sightings)
    tags: dict[str, dict[str, Any]] = {}
    for made_with, _, rssi_dbm, _, phase_deg in _rows(heard):
        epc = (memories.answering(made_with) or made_with).hex().upper()
        tag = tags.setdefault(
            epc,
            {"EPCid": epc, "EPC": epc, "peakRssi": -128, "seenCount": 0, "eventNum": len(tags) + 1}
            | {"channel": CHANNEL_KHZ / 1000, "phase": 0},
        )
        tag["seenCount"] += 1
        if rssi_dbm > tag["peakRssi"]:
            tag["peakRssi"] = round(rssi_dbm)
            tag["phase"] = 0 if math.isnan(phase_deg) else round(phase_deg)
    if not tags:
        return []
    at = from_us(int(heard.at_us[-1]))
    head = {"type": profile, "timestamp": f"{at:%Y-%m-%dT%H:%M:%S}Z"}
    return [_encoded(head | {"data": {"tagData": part}}) for part in _fitting(list(tags.values()), head)]


def _fitting(tags: list[dict[str, Any]], head: dict[str, Any]) -> Iterator[list[dict[str, Any]]]:
    """Parts of a list whose message stays within what a handheld sends."""
    room = HANDHELD_PAYLOAD_BYTES - len(_encoded(head | {"data": {"tagData": []}}))
    part: list[dict[str, Any]] = []
    used = 0
    for tag in tags:
        size = len(_encoded(tag)) + 1
        if part and used + size > room:
            yield part
            part, used = [], 0
        part.append(tag)
        used += size
    yield part
