"""What LLRP 1.1 added, as the table has it, against the numbers that Wireshark knows."""

from __future__ import annotations

import shutil
import subprocess

import pytest

from readers.llrp.table import (
    ENUMERATIONS_IN,
    MESSAGES,
    PARAMETERS,
    VENDOR_PARAMETERS,
    Entry,
    in_version,
)
from readers.llrp.vendor import IMPINJ

ADDED = {
    "GET_SUPPORTED_VERSION": 46,
    "GET_SUPPORTED_VERSION_RESPONSE": 56,
    "SET_PROTOCOL_VERSION": 47,
    "SET_PROTOCOL_VERSION_RESPONSE": 57,
    "C1G2_XPC_W1": 19,
    "C1G2_XPC_W2": 20,
    "LoopSpec": 355,
    "SpecLoopEvent": 356,
    "C1G2Recommission": 357,
    "C1G2BlockPermalock": 358,
    "C1G2GetBlockPermalockStatus": 359,
    "C1G2RecommissionOpSpecResult": 360,
    "C1G2BlockPermalockOpSpecResult": 361,
    "C1G2GetBlockPermalockStatusOpSpecResult": 362,
    "MaximumReceiveSensitivity": 363,
    "RFSurveyFrequencyCapabilities": 365,
}

WIRESHARK_KNOWS_NOT = {68}
"""Impinj's Doppler value: Wireshark has the switch that asks for it (67), not the value."""

WIRESHARK_ALONE_KNOWS = {24, 25, 31, 32, 33, 34, 35}
"""Impinj parameters of its early Speedway (direction, forklift), gone from its definitions since."""


@pytest.fixture(scope="module")
def wireshark_values() -> dict[str, set[int]]:
    """Field of Wireshark's dissector → the values it has a name for."""
    if not shutil.which("tshark"):
        pytest.skip("tshark is not on PATH")
    listed = subprocess.run(["tshark", "-G", "values"], capture_output=True, text=True, check=True, timeout=120).stdout
    found: dict[str, set[int]] = {}
    for line in listed.splitlines():
        kind, _, rest = line.partition("\t")
        if kind == "V" and rest.startswith("llrp."):
            field, value, _ = rest.split("\t", 2)
            found.setdefault(field, set()).add(int(value, 0))
    return found


def entry(name: str) -> Entry:
    return next(e for e in (*MESSAGES, *PARAMETERS) if e.name == name)


def test_what_1_1_added_has_its_numbers() -> None:
    assert {e.name: e.type for e in (*MESSAGES, *PARAMETERS) if e.since == 2} == ADDED


def test_version_1_knows_none_of_it() -> None:
    for each in (*MESSAGES, *PARAMETERS):
        old = in_version(each, 1)
        assert not {name for slot in old.slots for name in slot.names} & ADDED.keys()
        assert all(field.since == 1 for field in old.fields if field.name)


@pytest.mark.parametrize(
    ("name", "fields"),
    [
        (
            "C1G2LLRPCapabilities",
            ["CanSupportBlockPermalock", "CanSupportTagRecommissioning", "CanSupportUMIMethod2", "CanSupportXPC"],
        ),
        ("C1G2EPCMemorySelector", ["EnableXPCBits"]),
        ("C1G2TagInventoryStateAwareSingulationAction", ["S_All"]),
    ],
)
def test_1_1_made_fields_of_reserved_bits(name: str, fields: list[str]) -> None:
    now, old = in_version(entry(name), 2), in_version(entry(name), 1)
    assert [f.name for f in now.fields if f.name and f.name not in {o.name for o in old.fields}] == fields
    assert sum(f.bits for f in now.fields) == sum(f.bits for f in old.fields)


@pytest.mark.parametrize(
    ("enumeration", "values"),
    [
        ("ROReportTriggerType", {3, 4, 5, 6}),
        ("TagObservationTriggerType", {3, 4}),
        ("NotificationEventType", {9}),
        ("C1G2ReadResultType", {4, 5, 6}),
        ("C1G2WriteResultType", {7}),
        ("C1G2KillResultType", {6}),
        ("C1G2LockResultType", {5, 6, 7}),
        ("C1G2BlockEraseResultType", {7}),
        ("C1G2BlockWriteResultType", {7}),
        ("C1G2RecommissionResultType", set(range(7))),
        ("C1G2BlockPermalockResultType", set(range(7))),
        ("C1G2GetBlockPermalockStatusResultType", set(range(6))),
    ],
)
def test_1_1_added_values(enumeration: str, values: set[int]) -> None:
    assert ENUMERATIONS_IN[2][enumeration].keys() - ENUMERATIONS_IN[1][enumeration].keys() == values


@pytest.mark.peer
def test_wireshark_knows_the_same_messages_and_parameters(wireshark_values: dict[str, set[int]]) -> None:
    assert {e.type for e in MESSAGES} == wireshark_values["llrp.type"]
    assert {e.type for e in PARAMETERS if e.is_tv} == wireshark_values["llrp.tv_type"]
    assert {e.type for e in PARAMETERS if not e.is_tv} == wireshark_values["llrp.tlv_type"]


@pytest.mark.peer
def test_wireshark_knows_the_same_status_codes_and_events(wireshark_values: dict[str, set[int]]) -> None:
    assert ENUMERATIONS_IN[2]["StatusCode"].keys() == wireshark_values["llrp.param.status_code"]
    assert ENUMERATIONS_IN[2]["NotificationEventType"].keys() == wireshark_values["llrp.param.event_type"]


@pytest.mark.peer
def test_wireshark_knows_the_same_impinj_parameters(wireshark_values: dict[str, set[int]]) -> None:
    ours = {e.type for e in VENDOR_PARAMETERS if e.vendor == IMPINJ}
    theirs = wireshark_values["llrp.param.impinj_param_type"]
    assert ours - theirs == WIRESHARK_KNOWS_NOT
    assert theirs - ours == WIRESHARK_ALONE_KNOWS
