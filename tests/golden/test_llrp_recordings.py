"""Recorded LLRP conversations of real readers and the LLRP toolkits' own vectors: bytes back to the same bytes, and
values equal to the XML that the toolkits wrote for them."""

import base64
import json
import xml.etree.ElementTree as ET
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import MappingProxyType
from typing import Any

import pytest

from readers.llrp.codec import HEADER, Framer, decode, encode, read_header
from readers.llrp.message import Message, Parameter
from readers.llrp.report import ReportDecoder
from readers.llrp.table import ENUMERATIONS, MESSAGES, PARAMETERS, Entry, Field, in_version
from readers.llrp.vendor import name_vendors
from readers.read import EpcTable

EXACT: Mapping[str, tuple[int, int]] = MappingProxyType({})

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

ENTRIES: dict[str, Entry] = {entry.name: in_version(entry, 1) for entry in PARAMETERS}
MESSAGE_ENTRIES: dict[str, Entry] = {entry.name: in_version(entry, 1) for entry in MESSAGES}

LTKJAVA = (
    "ADD_ACCESSSPEC",
    "ADD_ROSPEC",
    "ADD_ROSPEC2",
    "CUSTOM_MESSAGE1",
    "CUSTOM_MESSAGE2",
    "ENABLE_ROSPEC",
    "GET_READER_CAPABILITIES",
    "GET_READER_CONFIG",
    "READER_EVENT_NOTIFICATION",
    "READER_EVENT_NOTIFICATION2",
    "RO_ACCESS_REPORT",
    "SET_READER_CONFIG",
    "START_ROSPEC",
)

TOOLKIT_WRITES_BITS_REVERSED = {("ADD_ROSPEC2", "C1G2SingulationControl.Session"): (1, 2)}
"""(XML value, value in the bytes): LTKJava wrote this two-bit field low bit first; LLRP sends the high bit first."""

CAPTURED_TYPES = {
    "CloseConnectionResponse": 4,
    "GetAccessSpecsResponse": 54,
    "GetROSpecsResponse": 36,
    "GetReaderCapabilitiesResponse": 11,
    "GetReaderConfigResponse": 12,
    "ROAccessReport": 61,
    "ReaderEventNotification": 63,
}


def local(tag: str) -> str:
    return tag.rpartition("}")[2]


def value_of(field: Field, text: str) -> Any:
    """What the codec must give for a field that the toolkit wrote as `text`."""
    text = text.strip()
    labels = {label: value for value, label in ENUMERATIONS.get(field.enumeration, {}).items()}
    if field.type in {"u1v", "u8v", "u96", "bytesToEnd"} and not labels:
        return bytes.fromhex(text)
    if field.type == "utf8v":
        return text
    if field.type in {"u8v", "u16v", "u32v"}:
        base = 16 if field.name in {"WriteData", "ReadData"} else 10
        return [labels[word] if word in labels else int(word, base) for word in text.split()]
    if text in labels:
        return labels[text]
    if text in {"true", "false"}:
        return text == "true"
    if "T" in text:
        return (datetime.fromisoformat(text) - EPOCH) // timedelta(microseconds=1)
    return int(text)


def compare(
    element: ET.Element, got: Message | Parameter, entry: Entry, reversed_bits: Mapping[str, tuple[int, int]] = EXACT
) -> int:
    """Assert that every value of the XML is what was decoded; how many values were compared."""
    children = list(element)
    named = [field for field in entry.fields if field.name]
    for field, child in zip(named, children, strict=False):
        assert local(child.tag) == field.name
        place = f"{entry.name}.{field.name}"
        value = value_of(field, child.text or "")
        assert (value, got.fields[field.name]) in ((value, value), reversed_bits.get(place)), place
    inner = children[len(named) :]
    assert [local(child.tag) for child in inner] == [parameter.name for parameter in got.parameters]
    return len(named) + sum(
        compare(child, parameter, ENTRIES[parameter.name], reversed_bits)
        for child, parameter in zip(inner, got.parameters, strict=True)
    )


def test_a_whole_recorded_conversation_re_encodes_to_the_same_bytes(shared_data: Path) -> None:
    recorded = (shared_data / "llrp" / "dx101_a.bin").read_bytes()
    frames = Framer().feed(recorded)
    assert len(frames) == 934
    assert b"".join(encode(decode(frame)) for frame in frames) == recorded


def test_a_whole_recorded_conversation_decodes_to_the_values_of_its_xml(shared_data: Path) -> None:
    frames = Framer().feed((shared_data / "llrp" / "dx101_a.bin").read_bytes())
    root = ET.parse(shared_data / "llrp" / "dx101_a.xml").getroot()
    compared = 0
    for frame, element in zip(frames, root, strict=True):
        message = decode(frame)
        assert message.name == local(element.tag)
        assert message.id == int(element.attrib["MessageID"])
        compared += compare(element, message, MESSAGE_ENTRIES[message.name])
    assert compared > 5_000


@pytest.mark.parametrize("name", LTKJAVA)
def test_a_toolkit_vector_is_equal_in_bytes_and_values(shared_data: Path, name: str) -> None:
    folder = shared_data / "llrp" / "ltkjava"
    frame = (folder / f"{name}.bin").read_bytes()
    message = decode(frame)
    assert encode(message) == frame
    root = ET.parse(folder / f"{name}.xml").getroot()
    assert message.name == local(root.tag)
    reversed_bits = {place: pair for (file, place), pair in TOOLKIT_WRITES_BITS_REVERSED.items() if file == name}
    compare(root, message, MESSAGE_ENTRIES[message.name], reversed_bits)


def test_bodies_captured_from_an_impinj_reader_round_trip(shared_data: Path) -> None:
    bodies = sorted((shared_data / "llrp" / "impinj").glob("*.bytes"))
    assert len(bodies) >= 15
    for path in bodies:
        kind = CAPTURED_TYPES[path.name.split("-")[0]]
        body = path.read_bytes()
        frame = HEADER.pack(1 << 10 | kind, HEADER.size + len(body), 7) + body
        message = decode(frame)
        assert encode(message) == frame, path.name
        assert encode(name_vendors(message)) == frame, path.name


def json_leaves(value: Any, name: str = "") -> Iterator[Any]:
    """Every value of the JSON in order. Its program keeps both forms of a time and of an EPC; the unused one is 0."""
    if isinstance(value, dict):
        if value.get("EPCNumBits") != 0:
            for key, inner in value.items():
                yield from json_leaves(inner, key)
    elif isinstance(value, list):
        for inner in value:
            yield from json_leaves(inner)
    elif name == "AirProtocolIDs":
        yield from base64.b64decode(value)
    elif value is not None and not (name == "Uptime" and value == 0):
        yield value


def leaves(part: Message | Parameter) -> Iterator[Any]:
    """Every value decoded, in order, with bytes as JSON has them."""
    for value in part.fields.values():
        if isinstance(value, list):
            yield from value
        else:
            yield base64.b64encode(value).decode() if isinstance(value, bytes) else value
    for inner in part.parameters:
        yield from leaves(inner)


def test_bodies_captured_from_an_impinj_reader_decode_to_the_values_of_their_json(shared_data: Path) -> None:
    """The JSON has the fields of LLRP 1.1 too, so the bodies are read as such a message."""
    compared = 0
    for path in sorted((shared_data / "llrp" / "impinj").glob("*.bytes")):
        kind = CAPTURED_TYPES[path.name.split("-")[0]]
        body = path.read_bytes()
        message = decode(HEADER.pack(2 << 10 | kind, HEADER.size + len(body), 7) + body)
        wanted = list(json_leaves(json.loads(path.with_suffix(".json").read_text())))
        assert list(leaves(message)) == wanted, path.name
        compared += len(wanted)
    assert compared > 500


def test_recorded_reports_give_the_reads_of_their_xml(shared_data: Path) -> None:
    frames = Framer().feed((shared_data / "llrp" / "dx101_a.bin").read_bytes())
    epcs = EpcTable()
    decoder = ReportDecoder(epcs)
    seen = 0
    for frame in frames:
        if read_header(frame).type != 61:
            continue
        reads = decoder.decode(frame)
        tags = list(decode(frame).every("TagReportData"))
        assert len(reads) == len(tags)
        for read, tag in zip(reads, tags, strict=True):
            seen += 1
            epc = tag.find("EPC_96") or tag.find("EPCData")
            assert epc is not None
            assert epcs.epc(int(read["epc"])) == epc.fields["EPC"]
            for name, field, column in (
                ("AntennaID", "AntennaID", "antenna"),
                ("PeakRSSI", "PeakRSSI", "rssi_dbm"),
                ("FirstSeenTimestampUTC", "Microseconds", "first_at_us"),
                ("LastSeenTimestampUTC", "Microseconds", "at_us"),
                ("TagSeenCount", "TagCount", "count"),
            ):
                parameter = tag.find(name)
                if parameter is not None:
                    assert read[column] == parameter.fields[field], name
    assert seen == 130
