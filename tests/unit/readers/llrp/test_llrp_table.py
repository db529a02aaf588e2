"""The table, as header version 1 has it, says what the LLRP toolkit's machine-readable definition of LLRP 1.0.1 says,
fact for fact."""

import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

from readers.llrp.table import (
    ENUMERATIONS,
    ENUMERATIONS_IN,
    FIELD_BITS,
    MESSAGES,
    PARAMETERS,
    UNBOUNDED,
    VENDOR_MESSAGES,
    VENDOR_PARAMETERS,
    Entry,
    in_version,
)

NAMESPACE = "{http://www.llrp.org/ltk/schema/core/encoding/binary/1.0}"
OCCURRENCES = {"1": (1, 1), "0-1": (0, 1), "0-N": (0, UNBOUNDED), "1-N": (1, UNBOUNDED)}

NOT_IN_THE_DEFINITION = {
    "CLIENT_REQUEST_OP": 45,
    "CLIENT_REQUEST_OP_RESPONSE": 55,
    "ClientRequestOpSpecResult": 15,
    "ClientRequestOpSpec": 210,
    "ClientRequestResponse": 211,
}
"""LLRP 1.0.1 §11 has these; the toolkit leaves them out."""


@pytest.fixture(scope="module")
def definition(shared_data: Path) -> ET.Element:
    return ET.parse(shared_data / "llrp" / "llrp-1x0-def.xml").getroot()


def elements(definition: ET.Element, kind: str) -> dict[str, ET.Element]:
    return {element.attrib["name"]: element for element in definition.iter(f"{NAMESPACE}{kind}Definition")}


def check_entries(entries: tuple[Entry, ...], wanted: dict[str, ET.Element], choices: dict[str, ET.Element]) -> None:
    now = [in_version(entry, 1) for entry in entries if entry.since == 1]
    assert {entry.name for entry in now} == set(wanted) | {e.name for e in now if e.name in NOT_IN_THE_DEFINITION}
    for entry in now:
        if entry.name in NOT_IN_THE_DEFINITION:
            assert entry.type == NOT_IN_THE_DEFINITION[entry.name]
            continue
        element = wanted[entry.name]
        assert entry.type == int(element.attrib["typeNum"]), entry.name
        fields, slots = [], []
        for child in element:
            kind = child.tag.removeprefix(NAMESPACE)
            if kind == "field":
                fields.append((child.attrib["name"], child.attrib["type"], child.get("enumeration", "")))
            elif kind == "reserved":
                fields.append(("", "reserved", child.attrib["bitCount"]))
            elif kind in {"parameter", "choice"}:
                name = child.attrib["type"]
                options = [option.attrib["type"] for option in choices[name] if "type" in option.attrib] or [name]
                names = frozenset(options if kind == "choice" else [name])
                slots.append((name, names, *OCCURRENCES[child.attrib["repeat"]]))
        assert fields == [
            (f.name, f.type, str(f.bits) if f.type == "reserved" else f.enumeration) for f in entry.fields
        ], entry.name
        ours = [(s.name, s.names - NOT_IN_THE_DEFINITION.keys(), s.at_least, s.at_most) for s in entry.slots]
        assert slots == ours, entry.name


class _Absent(dict[str, ET.Element]):
    def __missing__(self, key: str) -> ET.Element:
        return ET.Element("none")


def test_every_parameter_is_as_the_definition_says(definition: ET.Element) -> None:
    wanted = elements(definition, "parameter")
    assert len(wanted) == 108
    check_entries(PARAMETERS, wanted, _Absent(elements(definition, "choice")))


def test_every_message_is_as_the_definition_says(definition: ET.Element) -> None:
    wanted = elements(definition, "message")
    assert len(wanted) == 40
    check_entries(MESSAGES, wanted, _Absent(elements(definition, "choice")))


def test_every_enumeration_is_as_the_definition_says(definition: ET.Element) -> None:
    wanted = {
        name: {int(entry.attrib["value"]): entry.attrib["name"] for entry in element.iter(f"{NAMESPACE}entry")}
        for name, element in elements(definition, "enumeration").items()
    }
    assert len(wanted) == 42
    named = {field.enumeration for entry in (*MESSAGES, *PARAMETERS) for field in entry.fields if field.enumeration}
    assert {name: dict(labels) for name, labels in ENUMERATIONS_IN[1].items() if name in named and labels} == wanted


def test_names_and_numbers_are_unique_and_everything_named_exists() -> None:
    messages, parameters = (*MESSAGES, *VENDOR_MESSAGES), (*PARAMETERS, *VENDOR_PARAMETERS)
    for entries in (messages, parameters):
        numbers = {(entry.vendor, entry.type) for entry in entries}
        assert len({entry.name for entry in entries}) == len(numbers) == len(entries)
    names = {entry.name for entry in parameters}
    for entry in (*messages, *parameters):
        for slot in entry.slots:
            assert slot.names <= names, f"{entry.name} holds {slot.name}"
        for field in entry.fields:
            assert not field.enumeration or field.enumeration in ENUMERATIONS


def test_parameters_without_length_have_fields_of_fixed_width_only() -> None:
    for entry in PARAMETERS:
        if entry.is_tv:
            assert not entry.slots
            assert all(field.type in FIELD_BITS for field in entry.fields), entry.name
