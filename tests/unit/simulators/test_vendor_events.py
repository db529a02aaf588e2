"""Payloads of readers that publish by themselves, held against those found in the vendors' documents."""

from __future__ import annotations

import base64
import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from simulators.sighting import Sightings, no_sightings
from simulators.tag_memory import EPC, TagMemories
from simulators.vendor_events import (
    HANDHELD_PAYLOAD_BYTES,
    handheld_tags,
    r700_status,
    r700_tags,
    zebra_answer,
    zebra_heartbeat,
    zebra_tags,
)

FOUND = Path(__file__).parents[4] / "shared/data/vendor"
AT_US = 1_772_323_200_310_250
NAMES = [bytes.fromhex("3034257bf7194e4000000001"), bytes.fromhex("3034257bf7194e4000000002")]


def seen(rows: list[tuple[bytes, int, float]], phase_rad: float | None = np.pi) -> Sightings:
    return Sightings(
        [epc for epc, _, _ in rows],
        np.array([antenna for _, antenna, _ in rows], np.uint16),
        np.array([rssi for *_, rssi in rows], np.float32),
        np.array([AT_US + number for number in range(len(rows))], np.int64),
        None if phase_rad is None else np.full(len(rows), phase_rad, np.float32),
    )


TWO = [(NAMES[0], 1, -61.5), (NAMES[1], 2, -48.25)]


def found(file: str, name: str) -> dict[str, Any]:
    if not FOUND.is_dir():
        pytest.skip(f"{FOUND} is not here")
    return dict(json.loads((FOUND / file).read_text())[name])


def shape(value: Any) -> Any:
    """Keys and types, all the way down; whole numbers and others are numbers alike."""
    if isinstance(value, dict):
        return {name: shape(inside) for name, inside in value.items()}
    if isinstance(value, list):
        return [shape(value[0])]
    return "number" if isinstance(value, int | float) else type(value).__name__


def only(events: list[bytes]) -> dict[str, Any]:
    (event,) = events
    return dict(json.loads(event))


def test_each_payload_has_the_shape_of_the_one_that_was_found() -> None:
    memories, one = TagMemories(), seen(TWO[:1])
    at = datetime(2026, 3, 1, tzinfo=UTC)
    assert shape(only(r700_tags(one, "r", memories))) == shape(found("impinj-r700.json", "tagInventory"))
    assert shape(json.loads(r700_status("running", "r", at))) == shape(found("impinj-r700.json", "inventoryStatus"))
    assert shape(only(zebra_tags(one, memories, 1))) == shape(found("zebra.json", "fixed_simple"))
    assert shape(only(handheld_tags(one, memories))) == shape(found("zebra.json", "handheld_dataEVT"))


def test_an_r700_tells_its_units_and_encodings() -> None:
    first, second = (json.loads(event) for event in r700_tags(seen(TWO), "door", TagMemories()))
    tag = first["tagInventoryEvent"]
    assert first["timestamp"] == tag["lastSeenTime"] == "2026-03-01T00:00:00.310250Z"
    assert base64.b64decode(tag["epc"]) == NAMES[0] == bytes.fromhex(tag["epcHex"])
    assert base64.b64decode(tag["tid"]) == bytes.fromhex(tag["tidHex"])
    assert base64.b64decode(tag["pc"]) == b"\x30\x00"
    assert (tag["peakRssiCdbm"], tag["antennaPort"], tag["phaseAngle"]) == (-6150, 1, 180.0)
    assert second["tagInventoryEvent"]["tid"] != tag["tid"]


def test_fields_that_are_off_are_not_there() -> None:
    lean = frozenset({"epcHex", "antennaPort"})
    assert only(r700_tags(seen(TWO[:1]), "r", TagMemories(), lean))["tagInventoryEvent"].keys() == lean
    minimal = only(zebra_tags(seen(TWO[:1]), TagMemories(), 1, frozenset()))
    assert shape(minimal) == shape(found("zebra.json", "fixed_simple_minimal"))


def test_a_phase_that_nobody_measured_is_not_told() -> None:
    none = seen(TWO[:1], phase_rad=None)
    assert "phaseAngle" not in only(r700_tags(none, "r", TagMemories()))["tagInventoryEvent"]
    assert "phase" not in only(zebra_tags(none, TagMemories(), 1))["data"]


def test_a_zebra_counts_its_events_and_writes_its_offset_without_a_colon() -> None:
    events = [json.loads(event) for event in zebra_tags(seen(TWO), TagMemories(), 41)]
    assert [event["data"]["eventNum"] for event in events] == [41, 42]
    assert events[0]["timestamp"] == "2026-03-01T00:00:00.310+0000"
    assert [event["data"]["peakRssi"] for event in events] == [-62, -48]
    assert events[0]["data"]["idHex"] == NAMES[0].hex()


def test_a_handheld_counts_each_tag_once_a_pull() -> None:
    event = only(handheld_tags(seen([TWO[0], TWO[1], (NAMES[0], 1, -50.0)]), TagMemories()))
    tags = {tag["EPC"]: (tag["seenCount"], tag["peakRssi"]) for tag in event["data"]["tagData"]}
    assert tags == {NAMES[0].hex().upper(): (2, -50), NAMES[1].hex().upper(): (1, -48)}
    assert handheld_tags(no_sightings(), TagMemories()) == []


def test_a_handheld_splits_what_is_too_long_and_loses_nothing() -> None:
    many = [(number.to_bytes(12, "big"), 1, -50.0) for number in range(200)]
    messages = handheld_tags(seen(many), TagMemories())
    assert len(messages) > 1
    assert max(map(len, messages)) <= HANDHELD_PAYLOAD_BYTES
    tags = [tag["EPC"] for message in messages for tag in json.loads(message)["data"]["tagData"]]
    assert tags == [epc.hex().upper() for epc, _, _ in many]


def test_a_rewritten_tag_is_told_by_its_new_name_and_a_killed_one_is_not() -> None:
    memories = TagMemories()
    memories.of(NAMES[0]).write(EPC, 7, [0xBEEF], 0)
    memories.of(NAMES[1]).is_killed = True
    assert only(r700_tags(seen(TWO), "r", memories))["tagInventoryEvent"]["epcHex"].endswith("BEEF")
    assert only(zebra_tags(seen(TWO), memories, 1))["data"]["idHex"].endswith("beef")
    assert len(only(handheld_tags(seen(TWO), memories))["data"]["tagData"]) == 1


def test_a_command_is_answered_with_its_own_id() -> None:
    answer = json.loads(zebra_answer({"command": "start", "command_id": "7"}, is_done=True))
    assert answer == {"command": "start", "command_id": "7", "response": "success", "payload": {}}
    assert json.loads(zebra_answer({}, is_done=False))["response"] == "failure"
    assert json.loads(zebra_heartbeat(datetime(2026, 3, 1, tzinfo=UTC)))["type"] == "heartbeat"
