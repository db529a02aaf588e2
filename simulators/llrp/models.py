"""Makes of LLRP readers: what each answers to GET_READER_CAPABILITIES, as facts in `models/*.toml`.

A model differs from the real reader only where this simulator cannot do what the reader can; its file says so.
"""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Annotated, Final

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from readers.llrp.message import Parameter
from readers.llrp.vendor import IMPINJ
from simulators.errors import ModelError
from wire.events import explain

MODELS: Final = Path(__file__).parent / "models"

DEFAULT_MODEL: Final = "speedway-r420"
"""Clients use its extensions: RSSI in hundredths of a dBm, and phase."""

HOP_FREQUENCIES_KHZ: Final = tuple(902_750 + 500 * channel for channel in range(50))
"""The fifty channels of the FCC band; each make hops them in an order of its own."""

LLRP_1_0_1: Final = 1
FCC_PART_15: Final = 1

Count = Annotated[int, Field(ge=0)]
RfMode = tuple[int, bool, bool, int, int, int, int, int, int, int, int]


class _Facts(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Sensitivity(_Facts):
    """Receive sensitivities in dB below the best, numbered from `first_index`."""

    first_index: Count
    values_db: tuple[int, ...]


class Power(_Facts):
    """Transmit powers in hundredths of a dBm, numbered from `first_index`."""

    first_index: Count
    from_cdbm: int
    step_cdbm: int
    count: Annotated[int, Field(ge=1)]

    @property
    def last_index(self) -> int:
        """The strongest."""
        return self.first_index + self.count - 1


class RadioTables(_Facts):
    """Hop table and air modes; the order of an RfMode is that of C1G2UHFRFModeTableEntry's fields."""

    hop_table_id: int
    modes: tuple[RfMode, ...]


class ReaderModel(_Facts):
    """A make of reader. `vendor` is an IANA enterprise number, `max_version` the newest header version it speaks."""

    title: str
    vendor: Count
    model: Count
    firmware: str
    max_version: Annotated[int, Field(ge=1, le=2)] = LLRP_1_0_1
    has_utc_clock: bool = True
    antennas: Annotated[int, Field(ge=1)]
    gpis: Count
    gpos: Count
    priority_levels: Annotated[int, Field(ge=1, le=8)] = 1
    max_rospecs: Annotated[int, Field(ge=1)]
    max_specs_per_rospec: Annotated[int, Field(ge=1)]
    max_access_specs: Count
    max_op_specs: Count
    max_select_filters: Count
    """Gen2 filters in one inventory command; 0 stands for no filters at all."""
    can_block_write: bool = False
    can_block_erase: bool = False
    holds_reports: bool = False
    warns_of_full_buffer: bool = False
    country_code: Count
    sensitivity: Sensitivity
    power: Power
    radio: RadioTables
    report_trigger: Annotated[int, Field(ge=0, le=2)] = 2
    report_fields: tuple[str, ...]
    """What is reported when no client has said: names of TagReportContentSelector without their `Enable`."""
    events: tuple[int, ...] = ()
    """Event types that are notified from the factory on."""
    keepalive_ms: Count = 0
    gpi_enabled: bool = False

    @property
    def has_impinj_extensions(self) -> bool:
        """Whether a client can switch on Impinj's custom parameters."""
        return self.vendor == IMPINJ


def known_models() -> list[str]:
    """Names of the models that come along."""
    return sorted(path.stem for path in MODELS.glob("*.toml"))


def load_model(name_or_path: str | Path = DEFAULT_MODEL) -> ReaderModel:
    """A model by its name, or from a TOML file. Raises ModelError naming what is wrong."""
    path = Path(name_or_path)
    if path.suffix != ".toml":
        path = MODELS / f"{name_or_path}.toml"
        if not path.is_file():
            raise ModelError(f"no model {name_or_path}: known are {', '.join(known_models())}; or name a .toml file")
    try:
        return ReaderModel.model_validate(tomllib.loads(path.read_text(encoding="utf-8")))
    except OSError as error:
        raise ModelError(f"{path}: cannot be read: {error.strerror}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ModelError(f"{path}: not valid TOML: {error}") from error
    except ValidationError as error:
        raise ModelError(f"{path}: {explain(error)}") from error


def capabilities(model: ReaderModel, antennas: int, requested: int) -> list[Parameter]:
    """The parts of GET_READER_CAPABILITIES_RESPONSE behind the status; `requested` 0 stands for all."""
    parts = (_general(model, antennas), _llrp(model), _regulatory(model), _c1g2(model))
    return [part for number, part in enumerate(parts, 1) if requested in (0, number)]


def _general(model: ReaderModel, antennas: int) -> Parameter:
    sensitivities = [
        Parameter("ReceiveSensitivityTableEntry", {"Index": index, "ReceiveSensitivityValue": value})
        for index, value in enumerate(model.sensitivity.values_db, model.sensitivity.first_index)
    ]
    protocols = [
        Parameter("PerAntennaAirProtocol", {"AntennaID": port, "ProtocolID": [1]}) for port in range(1, antennas + 1)
    ]
    return Parameter(
        "GeneralDeviceCapabilities",
        {
            "MaxNumberOfAntennaSupported": antennas,
            "CanSetAntennaProperties": False,
            "HasUTCClockCapability": model.has_utc_clock,
            "DeviceManufacturerName": model.vendor,
            "ModelName": model.model,
            "ReaderFirmwareVersion": model.firmware,
        },
        [*sensitivities, Parameter("GPIOCapabilities", {"NumGPIs": model.gpis, "NumGPOs": model.gpos}), *protocols],
    )


def _llrp(model: ReaderModel) -> Parameter:
    return Parameter(
        "LLRPCapabilities",
        {
            "CanDoRFSurvey": False,
            "CanReportBufferFillWarning": model.warns_of_full_buffer,
            "SupportsClientRequestOpSpec": False,
            "CanDoTagInventoryStateAwareSingulation": False,
            "SupportsEventAndReportHolding": model.holds_reports,
            "MaxNumPriorityLevelsSupported": model.priority_levels,
            "ClientRequestOpSpecTimeout": 0,
            "MaxNumROSpecs": model.max_rospecs,
            "MaxNumSpecsPerROSpec": model.max_specs_per_rospec,
            "MaxNumInventoryParameterSpecsPerAISpec": 1,
            "MaxNumAccessSpecs": model.max_access_specs,
            "MaxNumOpSpecsPerAccessSpec": model.max_op_specs,
        },
    )


def _regulatory(model: ReaderModel) -> Parameter:
    power = model.power
    powers = [
        Parameter(
            "TransmitPowerLevelTableEntry",
            {"Index": power.first_index + step, "TransmitPowerValue": power.from_cdbm + power.step_cdbm * step},
        )
        for step in range(power.count)
    ]
    hops = {"HopTableID": model.radio.hop_table_id, "Frequency": list(HOP_FREQUENCIES_KHZ)}
    names = (
        "ModeIdentifier",
        "DRValue",
        "EPCHAGTCConformance",
        "MValue",
        "ForwardLinkModulation",
        "SpectralMaskIndicator",
        "BDRValue",
        "PIEValue",
        "MinTariValue",
        "MaxTariValue",
        "StepTariValue",
    )
    modes = [Parameter("C1G2UHFRFModeTableEntry", dict(zip(names, mode, strict=True))) for mode in model.radio.modes]
    information = Parameter("FrequencyInformation", {"Hopping": True}, [Parameter("FrequencyHopTable", hops)])
    return Parameter(
        "RegulatoryCapabilities",
        {"CountryCode": model.country_code, "CommunicationsStandard": FCC_PART_15},
        [Parameter("UHFBandCapabilities", {}, [*powers, information, Parameter("C1G2UHFRFModeTable", {}, modes)])],
    )


def _c1g2(model: ReaderModel) -> Parameter:
    return Parameter(
        "C1G2LLRPCapabilities",
        {
            "CanSupportBlockErase": model.can_block_erase,
            "CanSupportBlockWrite": model.can_block_write,
            "MaxNumSelectFiltersPerQuery": model.max_select_filters,
        },
    )
