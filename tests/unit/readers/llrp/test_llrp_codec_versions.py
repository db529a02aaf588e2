"""What LLRP 1.1 added, in messages of both versions: read where it belongs, refused with the right code where not."""

from __future__ import annotations

import struct

import pytest

from readers.errors import DecodeError, EncodeError
from readers.llrp.codec import HEADER, decode, encode
from readers.llrp.message import Message, Parameter

SUCCESS = struct.pack("!HHHH", 287, 8, 0, 0)
EPC = b"\x8d" + bytes(12)


def frame(kind: int, body: bytes, version: int) -> bytes:
    return HEADER.pack(version << 10 | kind, HEADER.size + len(body), 1) + body


def tlv(kind: int, body: bytes = b"") -> bytes:
    return struct.pack("!HH", kind, 4 + len(body)) + body


def rospec(tail: bytes) -> bytes:
    boundary = tlv(178, tlv(179, b"\0") + tlv(182, bytes(5)))
    inventory = tlv(183, b"\0\1\0\1" + tlv(184, bytes(5)) + tlv(186, b"\0\1\1"))
    return tlv(177, struct.pack("!IBB", 1, 0, 0) + boundary + inventory + tail)


def access_command(operation: bytes) -> bytes:
    target = tlv(338, tlv(339, b"\x60" + bytes(6)))
    command = tlv(209, target + operation)
    return tlv(207, struct.pack("!IHBBI", 1, 1, 1, 0, 0) + tlv(208, bytes(3)) + command)


NEW = [
    (frame(46, b"", 2), 109),
    (frame(56, b"\2\2" + SUCCESS, 2), 109),
    (frame(47, b"\2", 2), 109),
    (frame(57, SUCCESS, 2), 109),
    (frame(20, rospec(tlv(355, bytes(4))), 2), 207),
    (frame(20, rospec(tlv(237, b"\3\0\5" + tlv(238, bytes(2)))), 2), 300),
    (frame(20, rospec(tlv(237, b"\1\0\5" + tlv(238, bytes(2) + tlv(348, b"\x20")))), 2), 300),
    (frame(40, access_command(tlv(357, bytes(6) + b"\7")), 2), 207),
    (frame(40, access_command(tlv(358, bytes(9) + b"\0\1\xff\0")), 2), 207),
    (frame(40, access_command(tlv(359, bytes(11))), 2), 207),
    (frame(61, tlv(240, EPC + b"\x93\1\2\x94\3\4"), 2), 207),
    (frame(61, tlv(240, EPC + tlv(360, bytes(3))), 2), 207),
    (frame(61, tlv(240, EPC + tlv(361, bytes(3))), 2), 207),
    (frame(61, tlv(240, EPC + tlv(362, bytes(3) + b"\0\1\xff\0")), 2), 207),
    (frame(61, tlv(240, EPC + tlv(349, b"\6\0\1\0\0")), 2), 300),
    (frame(63, tlv(246, tlv(128, bytes(8)) + tlv(356, bytes(8))), 2), 207),
    (frame(3, b"\0" + tlv(244, tlv(245, b"\0\x09\x80")), 2), 300),
    (frame(11, SUCCESS + tlv(327, b"\x20\0\0"), 2), 300),
]


@pytest.mark.parametrize(("data", "status_code"), NEW)
def test_what_1_1_added_is_read_in_version_2_and_refused_in_version_1(data: bytes, status_code: int) -> None:
    assert encode(decode(data)) == data
    word, length, message_id = HEADER.unpack_from(data)
    old = HEADER.pack(word & 0x3FF | 1 << 10, length, message_id) + data[HEADER.size :]
    with pytest.raises(DecodeError) as caught:
        decode(old)
    assert caught.value.status_code == status_code


def test_a_loop_stands_behind_the_specs_it_repeats() -> None:
    [spec] = decode(frame(20, rospec(tlv(355, b"\0\0\0\7")), 2)).parameters
    assert [inner.name for inner in spec.parameters] == ["ROBoundarySpec", "AISpec", "LoopSpec"]
    loop_first = tlv(
        177, struct.pack("!IBB", 1, 0, 0) + tlv(178, tlv(179, b"\0") + tlv(182, bytes(5))) + tlv(355, bytes(4))
    )
    with pytest.raises(DecodeError) as caught:
        decode(frame(20, loop_first, 2))
    assert caught.value.status_code == 203


def test_a_field_of_1_1_may_be_left_out_and_is_then_0() -> None:
    """A reader's description of itself is written once, for clients of either version."""
    fields = {"CanSupportBlockErase": True, "CanSupportBlockWrite": False, "MaxNumSelectFiltersPerQuery": 2}
    status = Parameter("LLRPStatus", {"StatusCode": 0, "ErrorDescription": ""})
    parameters = [status, Parameter("C1G2LLRPCapabilities", fields)]
    for version in (1, 2):
        data = encode(Message("GET_READER_CAPABILITIES_RESPONSE", 1, {}, parameters, version))
        assert data[HEADER.size :] == SUCCESS + tlv(327, b"\x80\0\2")
    found = decode(data).parameters[1].fields
    assert found == {
        "CanSupportBlockErase": True,
        "CanSupportBlockWrite": False,
        "CanSupportBlockPermalock": False,
        "CanSupportTagRecommissioning": False,
        "CanSupportUMIMethod2": False,
        "CanSupportXPC": False,
        "MaxNumSelectFiltersPerQuery": 2,
    }


@pytest.mark.parametrize(
    ("message", "complaint"),
    [
        (Message("GET_SUPPORTED_VERSION", 1), "of protocol version 1 is named 'GET_SUPPORTED_VERSION'"),
        (
            Message(
                "RO_ACCESS_REPORT",
                1,
                {},
                [Parameter("TagReportData", {}, [Parameter("EPC_96", {"EPC": bytes(12)}), Parameter("C1G2_XPC_W1")])],
            ),
            "TagReportData: no LLRP parameter is named 'C1G2_XPC_W1' in this version",
        ),
        (Message("KEEPALIVE", 1, version=3), "version 3"),
    ],
)
def test_we_send_nothing_of_1_1_in_version_1(message: Message, complaint: str) -> None:
    with pytest.raises(EncodeError, match=complaint):
        encode(message)


def test_a_client_answers_a_reader_that_asks_for_an_operation() -> None:
    """CLIENT_REQUEST_OP and its response are of LLRP 1.0.1 §11."""
    asked = frame(45, tlv(240, EPC + b"\x90\0\0\0\1" + b"\x8f\0\7"), 1)
    [tag] = decode(asked).parameters
    assert [inner.name for inner in tag.parameters] == ["EPC_96", "AccessSpecID", "ClientRequestOpSpecResult"]
    answer = frame(55, tlv(211, b"\0\0\0\1" + tlv(241, b"\0\x60" + bytes(12)) + tlv(341, bytes(11))), 1)
    assert encode(decode(asked)) == asked
    assert encode(decode(answer)) == answer


def test_a_faulty_field_is_numbered_within_its_parameter_not_within_its_run() -> None:
    """PerAntennaAirProtocol's second field has a count; LLRPStatus's FieldError names it by that number."""
    general = struct.pack("!HHIIH", 1, 0, 0, 0, 0) + tlv(139, bytes(4)) + tlv(141, bytes(4)) + tlv(140, b"\0\1\0\1\x09")
    with pytest.raises(DecodeError) as caught:
        decode(frame(11, SUCCESS + tlv(137, general), 1))
    assert (caught.value.status_code, caught.value.types, caught.value.field) == (300, (137, 140), 1)
