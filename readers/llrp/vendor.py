"""Vendor parameters inside `Custom`, named where we know them. The codec keeps them as bytes; here they get meaning.

Impinj's numbers follow its public Octane LLRP definitions.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from struct import Struct
from types import MappingProxyType
from typing import Any, Final

from readers.errors import DecodeError
from readers.llrp.fields import Status
from readers.llrp.message import Parameter

IMPINJ: Final = 25882
"""IANA enterprise number of Impinj."""

IMPINJ_RF_PHASE_ANGLE: Final = 56
IMPINJ_PEAK_RSSI: Final = 57
IMPINJ_RF_DOPPLER_FREQUENCY: Final = 68

CENTI_DBM: Final = 100.0
"""ImpinjPeakRSSI counts hundredths of a dBm."""

RAD_PER_PHASE_STEP: Final = 2 * math.pi / 4096
"""ImpinjRFPhaseAngle divides a turn into 4096 steps."""


@dataclass(frozen=True, slots=True)
class VendorParameter:
    """A vendor parameter with one field: its name, the field's name, its bytes."""

    name: str
    field: str
    layout: Struct


KNOWN: Final = MappingProxyType(
    {
        (IMPINJ, IMPINJ_RF_PHASE_ANGLE): VendorParameter("ImpinjRFPhaseAngle", "PhaseAngle", Struct("!H")),
        (IMPINJ, IMPINJ_PEAK_RSSI): VendorParameter("ImpinjPeakRSSI", "RSSI", Struct("!h")),
        (IMPINJ, IMPINJ_RF_DOPPLER_FREQUENCY): VendorParameter(
            "ImpinjRFDopplerFrequency", "DopplerFrequency", Struct("!h")
        ),
    }
)
"""(vendor, subtype) → what it is; values stay in the vendor's own steps."""

_SUBTYPES: Final = MappingProxyType({known.name: key for key, known in KNOWN.items()})


def interpret(parameter: Parameter) -> Parameter:
    """A `Custom` parameter under its vendor's name and with its field; anything else comes back unchanged.
    Raises DecodeError when a known one has the wrong length.
    """
    if parameter.name != "Custom":
        return parameter
    known = KNOWN.get((parameter.fields["VendorIdentifier"], parameter.fields["ParameterSubtype"]))
    if known is None:
        return parameter
    data = parameter.fields["Data"]
    if len(data) != known.layout.size:
        raise DecodeError(
            f"{len(data)} bytes, not {known.layout.size}", status_code=200 + Status.FIELD_ERROR, where=known.name
        )
    return Parameter(known.name, {known.field: known.layout.unpack(data)[0]})


def custom(name: str, value: Any) -> Parameter:
    """The `Custom` parameter that carries a known vendor parameter's value. Raises KeyError for an unknown name."""
    vendor, subtype = _SUBTYPES[name]
    data = KNOWN[vendor, subtype].layout.pack(value)
    return Parameter("Custom", {"VendorIdentifier": vendor, "ParameterSubtype": subtype, "Data": data})
