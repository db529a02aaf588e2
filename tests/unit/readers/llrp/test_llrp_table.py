"""The table says what the LLRP toolkit's machine-readable definition says, fact for fact."""

import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

from readers.llrp.table import ENUMERATIONS, FIELD_BITS, MESSAGES, PARAMETERS, UNBOUNDED, Entry

NAMESPACE = "{http://www.llrp.org/ltk/schema/core/encoding/binary/1.0}"
OCCURRENCES = {"1": (1, 1), "0-1": (0, 1), "0-N": (0, UNBOUNDED), "1-N": (1, UNBOUNDED)}

LLRP_1_1_ONLY = {
    "GET_SUPPORTED_VERSION": 46,
    "GET_SUPPORTED_VERSION_RESPONSE": 56,
    "SET_PROTOCOL_VERSION": 47,
    "SET_PROTOCOL_VERSION_RESPONSE": 57,
}


@pytest.fixture(scope="module")
def definition(shared_data: Path) -> ET.Element:
    return ET.parse(shared_data / "llrp" / "llrp-1x0-def.xml").getroot()


def elements(definition: ET.Element, kind: str) -> dict[str, ET.Element]:
    return {element.attrib["name"]: element for element in definition.iter(f"{NAMESPACE}{kind}Definition")}


def check_entries(entries: tuple[Entry, ...], wanted: dict[str, ET.Element], choices: dict[str, ET.Element]) -> None:
    assert {entry.name for entry in entries} == set(wanted)
    for entry in entries:
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
        assert slots == [(s.name, s.names, s.at_least, s.at_most) for s in entry.slots], entry.name


class _Absent(dict[str, ET.Element]):
    def __missing__(self, key: str) -> ET.Element:
        return ET.Element("none")


def test_every_parameter_is_as_the_definition_says(definition: ET.Element) -> None:
    assert len(PARAMETERS) == 108
    check_entries(PARAMETERS, elements(definition, "parameter"), _Absent(elements(definition, "choice")))


def test_every_message_is_as_the_definition_says(definition: ET.Element) -> None:
    old = tuple(entry for entry in MESSAGES if entry.name not in LLRP_1_1_ONLY)
    assert len(old) == 40
    check_entries(old, elements(definition, "message"), _Absent(elements(definition, "choice")))


def test_every_enumeration_is_as_the_definition_says(definition: ET.Element) -> None:
    wanted = {
        name: {int(entry.attrib["value"]): entry.attrib["name"] for entry in element.iter(f"{NAMESPACE}entry")}
        for name, element in elements(definition, "enumeration").items()
    }
    assert len(wanted) == 42
    assert {name: dict(labels) for name, labels in ENUMERATIONS.items()} == wanted


def test_version_negotiation_has_the_numbers_of_llrp_1_1() -> None:
    assert {entry.name: entry.type for entry in MESSAGES if entry.name in LLRP_1_1_ONLY} == LLRP_1_1_ONLY


def test_names_and_numbers_are_unique_and_everything_named_exists() -> None:
    for entries in (MESSAGES, PARAMETERS):
        assert len({entry.name for entry in entries}) == len({entry.type for entry in entries}) == len(entries)
    names = {entry.name for entry in PARAMETERS}
    for entry in (*MESSAGES, *PARAMETERS):
        for slot in entry.slots:
            assert slot.names <= names, f"{entry.name} holds {slot.name}"
        for field in entry.fields:
            assert not field.enumeration or field.enumeration in ENUMERATIONS


def test_parameters_without_length_have_fields_of_fixed_width_only() -> None:
    for entry in PARAMETERS:
        if entry.is_tv:
            assert not entry.slots
            assert all(field.type in FIELD_BITS for field in entry.fields), entry.name
