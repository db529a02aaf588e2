"""Vendor parameters and messages under their own names. The codec keeps them as bytes in `Custom` and CUSTOM_MESSAGE,
for a device must carry what it does not know; here those of the table get their meaning.
"""

from __future__ import annotations

import math
from types import MappingProxyType
from typing import Any, Final

from readers.errors import DecodeError, EncodeError
from readers.llrp.codec import decode_vendor_message, decode_vendor_parameter, encode_vendor_parameter
from readers.llrp.message import Message, Parameter
from readers.llrp.table import FIRST_VERSION, VENDOR_PARAMETERS

IMPINJ: Final = 25882
"""IANA enterprise number of Impinj."""

ZEBRA: Final = 161
"""IANA enterprise number of Motorola, whose readers are Zebra's today."""

IMPINJ_RF_PHASE_ANGLE: Final = 56
IMPINJ_PEAK_RSSI: Final = 57
IMPINJ_RF_DOPPLER_FREQUENCY: Final = 68

CENTI_DBM: Final = 100.0
"""ImpinjPeakRSSI counts hundredths of a dBm."""

RAD_PER_PHASE_STEP: Final = 2 * math.pi / 4096
"""ImpinjRFPhaseAngle divides a turn into 4096 steps."""

_FIELDS: Final = MappingProxyType(
    {entry.name: tuple(field.name for field in entry.fields if field.name) for entry in VENDOR_PARAMETERS}
)
"""Vendor parameter → its fields, in order."""


def interpret(parameter: Parameter, version: int = FIRST_VERSION, depth: int = 1) -> Parameter:
    """A `Custom` parameter under its vendor's name, with its fields in the vendor's own steps; anything else comes back
    unchanged. `depth` is how deep it lies in its message. Raises DecodeError when a known one breaks the table.
    """
    if parameter.name != "Custom":
        return parameter
    fields = parameter.fields
    vendor, subtype = fields["VendorIdentifier"], fields["ParameterSubtype"]
    return decode_vendor_parameter(vendor, subtype, fields["Data"], version, depth) or parameter


def custom(name: str, *values: Any) -> Parameter:
    """The `Custom` that carries a vendor parameter without others inside: its values in the order of its fields. Raises
    EncodeError for an unknown name, or values that do not fit it."""
    fields = _FIELDS.get(name, ())
    if len(values) != len(fields):
        raise EncodeError(f"{name} has the fields {', '.join(fields) or 'of no known parameter'}: {values} do not fit")
    return encode_vendor_parameter(Parameter(name, dict(zip(fields, values, strict=True))), FIRST_VERSION)


def name_vendors(message: Message) -> Message:
    """The message with every vendor message and parameter of the table under its own name. What does not follow the
    table stays as it was, in bytes: vendors add to their parameters with every firmware. `encode` gives the same frame.
    """
    try:
        message = decode_vendor_message(message)
    except DecodeError:
        return message
    parameters = _name_all(message.parameters, message.version, 1)
    return Message(message.name, message.id, message.fields, parameters, message.version)


def _name_all(parameters: list[Parameter], version: int, depth: int) -> list[Parameter]:
    return [_name_one(parameter, version, depth) for parameter in parameters]


def _name_one(parameter: Parameter, version: int, depth: int) -> Parameter:
    try:
        named = interpret(parameter, version, depth)
    except DecodeError:
        return parameter
    return Parameter(named.name, named.fields, _name_all(named.parameters, version, depth + 1))
