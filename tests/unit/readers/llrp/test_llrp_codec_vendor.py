"""Vendor messages and parameters: bytes that pass unchanged, names and fields for those we know."""

from __future__ import annotations

import struct
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from readers.errors import DecodeError, EncodeError
from readers.llrp.codec import HEADER, MAX_DEPTH, decode, encode, encode_vendor_parameter
from readers.llrp.message import Message, Parameter
from readers.llrp.vendor import IMPINJ, ZEBRA, custom, interpret, name_vendors

STATUS = Parameter("LLRPStatus", {"StatusCode": 0, "ErrorDescription": ""})


def raw(vendor: int, subtype: int, data: bytes) -> Parameter:
    return Parameter("Custom", {"VendorIdentifier": vendor, "ParameterSubtype": subtype, "Data": data})


def tlv(vendor: int, subtype: int, data: bytes) -> bytes:
    return struct.pack("!HHII", 1023, 12 + len(data), vendor, subtype) + data


def config(*parameters: Parameter) -> Message:
    return Message("SET_READER_CONFIG", 1, {"ResetToFactoryDefault": False}, list(parameters))


@settings(max_examples=300, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(data=st.data())
def test_every_vendor_parameter_passes_through_custom(data: st.DataObject, any_vendor_parameter: Any) -> None:
    named = data.draw(any_vendor_parameter)
    carried = encode_vendor_parameter(named, 1)
    assert carried.name == "Custom"
    assert interpret(carried) == named


@settings(max_examples=100, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(data=st.data())
def test_a_named_message_encodes_to_the_same_frame(data: st.DataObject, any_vendor_parameter: Any) -> None:
    message = config(data.draw(any_vendor_parameter))
    frame = encode(message)
    assert [parameter.name for parameter in decode(frame).parameters] == ["Custom"]
    assert name_vendors(decode(frame)) == message
    assert encode(decode(frame)) == frame


@pytest.mark.parametrize(
    ("parameter", "data"),
    [
        (Parameter("ImpinjRFPhaseAngle", {"PhaseAngle": 1024}), tlv(IMPINJ, 56, b"\4\0")),
        (Parameter("ImpinjPeakRSSI", {"RSSI": -6050}), tlv(IMPINJ, 57, b"\xe8\x5e")),
        (Parameter("ImpinjRFDopplerFrequency", {"DopplerFrequency": -16}), tlv(IMPINJ, 68, b"\xff\xf0")),
        (Parameter("ImpinjSerializedTID", {"TID": [0xE280, 0x1160]}), tlv(IMPINJ, 55, b"\0\2\xe2\x80\x11\x60")),
        (Parameter("ImpinjInventorySearchMode", {"InventorySearchMode": 2}), tlv(IMPINJ, 23, b"\0\2")),
        (
            Parameter("ImpinjFixedFrequencyList", {"FixedFrequencyMode": 2, "ChannelList": [1, 4]}),
            tlv(IMPINJ, 26, b"\0\2\0\0\0\2\0\1\0\4"),
        ),
        (
            Parameter(
                "ImpinjLowDutyCycle", {"LowDutyCycleMode": 1, "EmptyFieldTimeout": 500, "FieldPingInterval": 200}
            ),
            tlv(IMPINJ, 28, b"\0\1\1\xf4\0\xc8"),
        ),
        (
            Parameter("ImpinjGPIDebounceConfiguration", {"GPIPortNum": 1, "GPIDebounceTimerMSec": 250}),
            tlv(IMPINJ, 36, b"\0\1\0\0\0\xfa"),
        ),
        (
            Parameter(
                "ImpinjTagReportContentSelector",
                {},
                [
                    Parameter("ImpinjEnableRFPhaseAngle", {"RFPhaseAngleMode": 1}),
                    Parameter("ImpinjEnablePeakRSSI", {"PeakRSSIMode": 1}),
                ],
            ),
            tlv(IMPINJ, 50, tlv(IMPINJ, 52, b"\0\1") + tlv(IMPINJ, 53, b"\0\1")),
        ),
        (Parameter("MotoTagPhase", {"Phase": -1}), tlv(ZEBRA, 709, b"\xff\xff")),
        (
            Parameter(
                "MotoFilterRule",
                {"RuleType": 0},
                [
                    Parameter(
                        "MotoFilterRSSIRange",
                        {"Match": 2},
                        [Parameter("PeakRSSI", {"PeakRSSI": -60}), Parameter("PeakRSSI", {"PeakRSSI": 0})],
                    )
                ],
            ),
            tlv(ZEBRA, 254, b"\0" + tlv(ZEBRA, 253, b"\2\0\x86\xc4\x86\0")),
        ),
    ],
)
def test_the_bytes_are_those_of_the_vendors_definition(parameter: Parameter, data: bytes) -> None:
    frame = encode(config(parameter))
    assert frame[HEADER.size + 1 :] == data
    assert name_vendors(decode(frame)).parameters == [parameter]


def test_vendor_messages_have_names() -> None:
    asked = Message("IMPINJ_ENABLE_EXTENSIONS", 9)
    assert encode(asked).hex() == "07ff00000013000000090000651a1500000000"
    assert decode(encode(asked)).name == "CUSTOM_MESSAGE"
    answer = Message("IMPINJ_ENABLE_EXTENSIONS_RESPONSE", 9, {}, [STATUS])
    for message in (asked, answer, Message("MOTO_PURGE_TAGS", 1, {"PurgeTagEventStateOnly": True})):
        assert name_vendors(decode(encode(message))) == message


def test_an_unknown_vendor_and_a_longer_parameter_stay_bytes() -> None:
    strange = raw(4711, 1, b"\1\2\3")
    longer = raw(IMPINJ, 56, b"\4\0\1")
    message = name_vendors(decode(encode(config(strange, longer))))
    assert message.parameters == [strange, longer]
    with pytest.raises(DecodeError) as caught:
        interpret(longer)
    assert (caught.value.status_code, caught.value.where) == (200, "ImpinjRFPhaseAngle")
    with pytest.raises(DecodeError) as caught:
        interpret(raw(IMPINJ, 56, b"\4"))
    assert (caught.value.status_code, caught.value.types) == (201, (1023,))


def test_a_vendor_may_add_values_to_its_enumerations() -> None:
    assert interpret(raw(IMPINJ, 23, b"\0\x63")).fields == {"InventorySearchMode": 99}


def test_vendor_parameters_nest_no_deeper_than_others() -> None:
    nested = b""
    for _ in range(60):
        nested = tlv(IMPINJ, 37, b"\0\x19" + nested)
    frame = HEADER.pack(1 << 10 | 3, HEADER.size + 1 + len(nested), 1) + b"\0" + nested
    message = decode(frame)
    named = name_vendors(message)
    assert encode(named) == encode(message) == frame
    depth, inner = 0, named.parameters
    while inner:
        depth, inner = depth + 1, inner[0].parameters
    assert depth <= MAX_DEPTH + 1


@pytest.mark.parametrize(
    ("call", "complaint"),
    [
        (lambda: custom("ImpinjNoSuch", 1), "no known parameter"),
        (lambda: custom("ImpinjPeakRSSI"), "has the fields RSSI"),
        (lambda: custom("ImpinjPeakRSSI", 1 << 20), "does not fit"),
        (lambda: encode_vendor_parameter(Parameter("ROSpecID", {"ROSpecID": 1}), 1), "no vendor parameter"),
        (lambda: encode(Message("KEEPALIVE", 1, {}, [raw(IMPINJ, 1, b"")])), "Custom does not belong here"),
        (
            lambda: encode(Message("KEEPALIVE", 1, {}, [Parameter("ImpinjReaderTemperature", {"Temperature": 1})])),
            "Custom does not belong here",
        ),
    ],
)
def test_our_own_mistakes_are_named(call: Any, complaint: str) -> None:
    with pytest.raises(EncodeError, match=complaint):
        call()
