"""The codec both ways, and the exact status code for each way in which a message can break the table."""

import contextlib
import struct
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from readers.errors import DecodeError, EncodeError, FrameError
from readers.llrp.codec import HEADER, MAX_DEPTH, MAX_PARAMETERS, decode, encode
from readers.llrp.message import Message, Parameter

ROSPEC = Parameter(
    "ROSpec",
    {"ROSpecID": 1, "Priority": 0, "CurrentState": 0},
    [
        Parameter(
            "ROBoundarySpec",
            {},
            [
                Parameter("ROSpecStartTrigger", {"ROSpecStartTriggerType": 0}),
                Parameter("ROSpecStopTrigger", {"ROSpecStopTriggerType": 0, "DurationTriggerValue": 0}),
            ],
        ),
        Parameter(
            "AISpec",
            {"AntennaIDs": [1, 2]},
            [
                Parameter("AISpecStopTrigger", {"AISpecStopTriggerType": 0, "DurationTrigger": 0}),
                Parameter("InventoryParameterSpec", {"InventoryParameterSpecID": 1, "ProtocolID": 1}),
            ],
        ),
    ],
)

M_SUCCESS = struct.pack("!HHHH", 287, 8, 0, 0)


def frame(kind: int, body: bytes, version: int = 1) -> bytes:
    return HEADER.pack(version << 10 | kind, HEADER.size + len(body), 1) + body


def tlv(kind: int, body: bytes = b"") -> bytes:
    return struct.pack("!HH", kind, 4 + len(body)) + body


def refused(data: bytes) -> DecodeError:
    with pytest.raises(DecodeError) as caught:
        decode(data)
    return caught.value


@settings(max_examples=300, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(data=st.data())
def test_what_is_encoded_decodes_to_the_same_message(data: st.DataObject, any_message: Any) -> None:
    message = data.draw(any_message)
    encoded = encode(message)
    assert decode(encoded) == message
    assert encode(decode(encoded)) == encoded


@settings(max_examples=300, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(data=st.data())
def test_damage_raises_only_our_errors_or_round_trips(data: st.DataObject, any_message: Any) -> None:
    damaged = bytearray(encode(data.draw(any_message)))
    for _ in range(data.draw(st.integers(1, 3))):
        damaged[data.draw(st.integers(0, len(damaged) - 1))] = data.draw(st.integers(0, 255))
    try:
        message = decode(bytes(damaged))
    except DecodeError:
        return
    assert encode(message)[1:] == bytes(damaged)[1:]  # the header's reserved bits are the framer's to refuse


@settings(max_examples=100, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(data=st.data())
def test_a_cut_message_is_refused(data: st.DataObject, any_message: Any) -> None:
    encoded = encode(data.draw(any_message))
    cut = encoded[: data.draw(st.integers(0, len(encoded) - 1))]
    with pytest.raises((DecodeError, FrameError)):
        decode(cut)


@given(st.binary(max_size=200))
def test_noise_behind_any_header_raises_only_our_errors(body: bytes) -> None:
    for kind in (3, 11, 20, 61, 63, 1023):
        with contextlib.suppress(DecodeError):
            decode(frame(kind, body))


def test_a_rospec_has_the_bytes_of_the_specification() -> None:
    assert encode(Message("ADD_ROSPEC", 5, {}, [ROSPEC])).hex() == (
        "0414" "00000040" "00000005"
        "00b1" "0036" "00000001" "00" "00"
        "00b2" "0012" "00b3" "0005" "00" "00b6" "0009" "00" "00000000"
        "00b7" "001a" "0002" "0001" "0002" "00b8" "0009" "00" "00000000" "00ba" "0007" "0001" "01"
    )  # fmt: skip


@pytest.mark.parametrize(
    ("data", "status_code", "where"),
    [
        (frame(20, b"", version=3), 110, "ADD_ROSPEC"),
        (frame(19, b""), 109, "message type 19"),
        (frame(22, b"\0\0\0"), 101, "START_ROSPEC"),
        (frame(22, b"\0\0\0\1\0"), 100, "START_ROSPEC"),
        (frame(22, b"\0\0\0\1" + tlv(177)), 102, "START_ROSPEC"),
        (frame(20, b""), 103, "ADD_ROSPEC"),
        (frame(30, M_SUCCESS + M_SUCCESS), 104, "ADD_ROSPEC_RESPONSE"),
        (frame(30, tlv(999)), 107, "ADD_ROSPEC_RESPONSE"),
        (frame(30, b"\xff\0"), 107, "ADD_ROSPEC_RESPONSE"),
        (frame(30, struct.pack("!HH", 287, 3)), 100, "ADD_ROSPEC_RESPONSE"),
        (frame(30, struct.pack("!HH", 287, 90)), 100, "ADD_ROSPEC_RESPONSE"),
        (frame(30, struct.pack("!HH", 287 | 0x8000 >> 1, 8)), 107, "ADD_ROSPEC_RESPONSE"),
        (frame(30, struct.pack("!HH", 13, 16) + bytes(12)), 107, "ADD_ROSPEC_RESPONSE"),
        (frame(30, tlv(287, b"\0")), 201, "ADD_ROSPEC_RESPONSE/LLRPStatus"),
        (frame(30, tlv(287, b"\0\0\0\5abc")), 201, "ADD_ROSPEC_RESPONSE/LLRPStatus"),
        (frame(30, tlv(287, b"\0\0\0\1\xff")), 300, "ADD_ROSPEC_RESPONSE/LLRPStatus"),
        (frame(30, tlv(287, b"\0\x63\0\0")), 300, "ADD_ROSPEC_RESPONSE/LLRPStatus"),
        (frame(30, tlv(287, b"\0\0\0\0" + tlv(177))), 202, "ADD_ROSPEC_RESPONSE/LLRPStatus"),
        (frame(30, tlv(287, b"\0\0\0\0" + tlv(5000 & 0x3FF))), 207, "ADD_ROSPEC_RESPONSE/LLRPStatus"),
        (frame(30, tlv(287, b"\0\0\0\0" + tlv(288, bytes(4)) * 2)), 204, "ADD_ROSPEC_RESPONSE/LLRPStatus"),
        (frame(20, tlv(177, bytes(6))), 203, "ADD_ROSPEC/ROSpec"),
        (frame(3, b"\x01"), 300, "SET_READER_CONFIG"),
        (frame(61, tlv(240, b"\x8d\0\0")), 201, "RO_ACCESS_REPORT/TagReportData/EPC_96"),
        (frame(61, tlv(240)), 203, "RO_ACCESS_REPORT/TagReportData"),
        (frame(61, tlv(240, tlv(241, b"\0\x0c\xab\xcd"))), 300, "RO_ACCESS_REPORT/TagReportData/EPCData"),
    ],
)
def test_each_breach_has_its_status_code_and_place(data: bytes, status_code: int, where: str) -> None:
    error = refused(data)
    assert (error.status_code, error.where) == (status_code, where)


def test_order_matters() -> None:
    good = Message("ADD_ROSPEC", 1, {}, [ROSPEC])
    inner = ROSPEC.parameters
    swapped = Message("ADD_ROSPEC", 1, {}, [Parameter("ROSpec", ROSPEC.fields, [inner[1], inner[0]])])
    assert decode(encode(good)) == good
    with pytest.raises(EncodeError, match="ROBoundarySpec is missing before AISpec"):
        encode(swapped)


def test_a_photo_eye_trigger_under_the_timers_number_is_refused() -> None:
    """A known client sends the GPI trigger as parameter 180 instead of 181; its bytes must not pass as a timer."""
    gpi_trigger = tlv(180, struct.pack("!HBI", 1, 0x80, 0))
    start = tlv(179, b"\3" + gpi_trigger)
    stop = tlv(182, bytes(5))
    error = refused(frame(20, tlv(177, bytes(6) + tlv(178, start + stop))))
    assert error.status_code == 201
    assert error.where.endswith("ROSpecStartTrigger/PeriodicTriggerValue")
    assert error.types == (177, 178, 179, 180)


def test_the_faulty_field_is_numbered() -> None:
    error = refused(frame(20, tlv(177, struct.pack("!IBB", 1, 0, 9))))
    assert (error.status_code, error.types, error.field) == (300, (177,), 2)


def test_vendor_parameters_keep_their_bytes() -> None:
    custom = tlv(1023, struct.pack("!II", 161, 4711) + b"\1\2\3")
    data = frame(63, tlv(246, tlv(128, bytes(8)) + custom))
    message = decode(data)
    [event] = message.parameters
    assert event.parameters[1].fields == {"VendorIdentifier": 161, "ParameterSubtype": 4711, "Data": b"\1\2\3"}
    assert encode(message) == data


def test_nesting_is_limited() -> None:
    error = tlv(289, bytes(4))
    for _ in range(MAX_DEPTH + 1):
        error = tlv(289, bytes(4) + error)
    assert refused(frame(100, tlv(287, bytes(4) + error))).status_code == 205


def test_the_number_of_parameters_is_limited() -> None:
    tag = tlv(240, b"\x8d" + bytes(12))
    count = MAX_PARAMETERS // 2
    assert len(decode(frame(61, tag * count)).parameters) == count
    assert refused(frame(61, tag * (count + 1))).status_code in {105, 205}


@pytest.mark.parametrize(
    ("message", "complaint"),
    [
        (Message("NO_SUCH", 1), "no LLRP message of protocol version 1 is named 'NO_SUCH'"),
        (Message("START_ROSPEC", 1), "START_ROSPEC: the field ROSpecID is missing"),
        (Message("START_ROSPEC", 1, {"ROSpecID": 1, "Color": 3}), "no such field: Color"),
        (Message("START_ROSPEC", 1, {"ROSpecID": -1}), "ROSpecID does not fit"),
        (Message("START_ROSPEC", 1, {"ROSpecID": 1 << 32}), "ROSpecID does not fit"),
        (Message("START_ROSPEC", 1, {"ROSpecID": "1"}), "ROSpecID"),
        (Message("KEEPALIVE", 1 << 32), "does not fit the header"),
        (Message("KEEPALIVE", 1, version=3), "version 3"),
        (Message("ADD_ROSPEC", 1), "ADD_ROSPEC: ROSpec is missing"),
        (Message("ADD_ROSPEC", 1, {}, [ROSPEC, ROSPEC]), "ROSpec comes more often than it may"),
        (Message("ADD_ROSPEC", 1, {}, [Parameter("Nonsense")]), "no LLRP parameter is named 'Nonsense'"),
        (Message("ADD_ROSPEC", 1, {}, [Parameter("UTCTimestamp", {"Microseconds": 1})]), "does not belong here"),
        (Message("GET_READER_CAPABILITIES", 1, {"RequestedData": 9}), "no GetReaderCapabilitiesRequestedData"),
        (Message("GET_READER_CAPABILITIES", 1, {"RequestedData": [0]}), "wrong type"),
        (
            Message("RO_ACCESS_REPORT", 1, {}, [Parameter("TagReportData", {}, [Parameter("EPC_96", {"EPC": b"1"})])]),
            "RO_ACCESS_REPORT/TagReportData/EPC_96: EPC is 1 bytes, not 12",
        ),
        (
            Message("CUSTOM_MESSAGE", 1, {"VendorIdentifier": 1, "MessageSubtype": 1, "Data": bytes(1 << 20)}),
            "above the cap",
        ),
        (
            Message(
                "ERROR_MESSAGE", 1, {}, [Parameter("LLRPStatus", {"StatusCode": 0, "ErrorDescription": "x" * 65536})]
            ),
            "16-bit count",
        ),
        (
            Message(
                "ERROR_MESSAGE", 1, {}, [Parameter("LLRPStatus", {"StatusCode": 0, "ErrorDescription": "x" * 65535})]
            ),
            "16-bit length",
        ),
    ],
)
def test_our_own_mistakes_are_named(message: Message, complaint: str) -> None:
    with pytest.raises(EncodeError, match=complaint.replace("(", "\\(")):
        encode(message)
