"""What a simulated reader is: a model's capabilities, and the configuration a client may set and ask for.

The default model answers as a four-port reader of Impinj does (vendor, radio tables and limits as such a reader
reports them), so that clients use its extensions: RSSI in hundredths of a dBm, and phase.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

from readers.llrp.message import Message, Parameter
from readers.llrp.vendor import IMPINJ
from simulators.llrp.status import Code, refusal

HOP_TABLE_ID: Final = 1
HOP_FREQUENCIES_KHZ: Final = tuple(902_750 + 500 * channel for channel in range(50))
"""The fifty channels of the FCC band."""

POWER_STEPS: Final = 81
"""Transmit power 10 to 30 dBm in quarter dBm, index 1 upwards."""

SENSITIVITY_STEPS: Final = 42

MAX_ROSPECS: Final = 8
MAX_AISPECS: Final = 32
MAX_ACCESS_SPECS: Final = 1508

RF_MODES: Final = (
    (0, True, 0, 2, 2, 640_000, 1500, 6250),
    (1, True, 1, 2, 2, 640_000, 1500, 6250),
    (2, True, 2, 0, 3, 274_000, 2000, 20_000),
    (3, True, 3, 0, 3, 170_600, 2000, 20_000),
    (1000, False, 0, 0, 0, 40_000, 1500, 6250),
)
"""Mode, DR = 64/3, M, forward modulation, spectral mask, backscatter rate (bit/s), PIE (1/1000), Tari (ns)."""


@dataclass(frozen=True, slots=True)
class ReaderModel:
    """A make of reader. `vendor` is an IANA enterprise number."""

    vendor: int = IMPINJ
    model: int = 2_001_002
    firmware: str = "5.14.0.240"
    gpis: int = 4
    gpos: int = 4

    @property
    def has_impinj_extensions(self) -> bool:
        """Whether a client can switch on Impinj's custom parameters."""
        return self.vendor == IMPINJ


def capabilities(model: ReaderModel, antennas: int, requested: int) -> list[Parameter]:
    """The parts of GET_READER_CAPABILITIES_RESPONSE behind the status; `requested` 0 stands for all."""
    parts = (_general(model, antennas), _llrp(), _regulatory(), _c1g2())
    return [part for number, part in enumerate(parts, 1) if requested in (0, number)]


def _general(model: ReaderModel, antennas: int) -> Parameter:
    sensitivities = [
        Parameter(
            "ReceiveSensitivityTableEntry",
            {"Index": index, "ReceiveSensitivityValue": 0 if index == 1 else index + 8},
        )
        for index in range(1, SENSITIVITY_STEPS + 1)
    ]
    protocols = [
        Parameter("PerAntennaAirProtocol", {"AntennaID": port, "ProtocolID": [1]}) for port in range(1, antennas + 1)
    ]
    return Parameter(
        "GeneralDeviceCapabilities",
        {
            "MaxNumberOfAntennaSupported": antennas,
            "CanSetAntennaProperties": False,
            "HasUTCClockCapability": True,
            "DeviceManufacturerName": model.vendor,
            "ModelName": model.model,
            "ReaderFirmwareVersion": model.firmware,
        },
        [*sensitivities, Parameter("GPIOCapabilities", {"NumGPIs": model.gpis, "NumGPOs": model.gpos}), *protocols],
    )


def _llrp() -> Parameter:
    return Parameter(
        "LLRPCapabilities",
        {
            "CanDoRFSurvey": False,
            "CanReportBufferFillWarning": False,
            "SupportsClientRequestOpSpec": False,
            "CanDoTagInventoryStateAwareSingulation": False,
            "SupportsEventAndReportHolding": True,
            "MaxNumPriorityLevelsSupported": 1,
            "ClientRequestOpSpecTimeout": 0,
            "MaxNumROSpecs": MAX_ROSPECS,
            "MaxNumSpecsPerROSpec": MAX_AISPECS,
            "MaxNumInventoryParameterSpecsPerAISpec": 1,
            "MaxNumAccessSpecs": MAX_ACCESS_SPECS,
            "MaxNumOpSpecsPerAccessSpec": 8,
        },
    )


def _regulatory() -> Parameter:
    powers = [
        Parameter("TransmitPowerLevelTableEntry", {"Index": index, "TransmitPowerValue": 1000 + 25 * (index - 1)})
        for index in range(1, POWER_STEPS + 1)
    ]
    hops = Parameter("FrequencyHopTable", {"HopTableID": HOP_TABLE_ID, "Frequency": list(HOP_FREQUENCIES_KHZ)})
    modes = [
        Parameter(
            "C1G2UHFRFModeTableEntry",
            {
                "ModeIdentifier": mode,
                "DRValue": is_64_3,
                "EPCHAGTCConformance": False,
                "MValue": m_value,
                "ForwardLinkModulation": modulation,
                "SpectralMaskIndicator": mask,
                "BDRValue": rate,
                "PIEValue": pie,
                "MinTariValue": tari,
                "MaxTariValue": tari,
                "StepTariValue": 0,
            },
        )
        for mode, is_64_3, m_value, modulation, mask, rate, pie, tari in RF_MODES
    ]
    band = [*powers, Parameter("FrequencyInformation", {"Hopping": True}, [hops])]
    band.append(Parameter("C1G2UHFRFModeTable", {}, modes))
    return Parameter(
        "RegulatoryCapabilities",
        {"CountryCode": 840, "CommunicationsStandard": 1},
        [Parameter("UHFBandCapabilities", {}, band)],
    )


def _c1g2() -> Parameter:
    return Parameter(
        "C1G2LLRPCapabilities",
        {"CanSupportBlockErase": False, "CanSupportBlockWrite": False, "MaxNumSelectFiltersPerQuery": 2},
    )


def default_report_spec() -> Parameter:
    """What a reader reports when neither the ROSpec nor the configuration says: everything, each tag at once."""
    names = (
        "EnableROSpecID",
        "EnableSpecIndex",
        "EnableInventoryParameterSpecID",
        "EnableAntennaID",
        "EnableChannelIndex",
        "EnablePeakRSSI",
        "EnableFirstSeenTimestamp",
        "EnableLastSeenTimestamp",
        "EnableTagSeenCount",
        "EnableAccessSpecID",
    )
    selector = Parameter("TagReportContentSelector", dict.fromkeys(names, True))
    return Parameter("ROReportSpec", {"ROReportTrigger": 2, "N": 1}, [selector])


@dataclass(slots=True)
class ReaderConfiguration:
    """What SET_READER_CONFIG sets. It belongs to the reader and outlives connections, as LLRP wants it."""

    antennas: int
    gpis: int
    gpos: int
    keepalive_ms: int = 0
    report_spec: Parameter = field(default_factory=default_report_spec)
    access_report_trigger: int = 0
    events: set[int] = field(default_factory=set)
    holds_on_reconnect: bool = False
    gpi_enabled: dict[int, bool] = field(default_factory=dict)
    gpi_high: dict[int, bool] = field(default_factory=dict)
    gpo_high: dict[int, bool] = field(default_factory=dict)
    antenna_settings: dict[int, Parameter] = field(default_factory=dict)
    disconnected: set[int] = field(default_factory=set)
    """Antennas whose cable is off."""

    def __post_init__(self) -> None:
        for port in range(1, self.gpis + 1):
            self.gpi_enabled.setdefault(port, False)
            self.gpi_high.setdefault(port, False)
        for port in range(1, self.gpos + 1):
            self.gpo_high.setdefault(port, False)

    def reset(self) -> None:
        """Back to how the reader left the factory; the levels of its inputs and its cables are the world's."""
        fresh = ReaderConfiguration(self.antennas, self.gpis, self.gpos)
        for name in ("keepalive_ms", "report_spec", "access_report_trigger", "events", "holds_on_reconnect"):
            setattr(self, name, getattr(fresh, name))
        self.gpi_enabled, self.gpo_high, self.antenna_settings = fresh.gpi_enabled, fresh.gpo_high, {}

    def check(self, message: Message) -> None:
        """Raise DecodeError when this SET_READER_CONFIG cannot be carried out; of a faulty one no part is (§14)."""
        limits = {
            "AntennaConfiguration": ("AntennaID", 0, self.antennas),
            "GPIPortCurrentState": ("GPIPortNum", 0, self.gpis),
            "GPOWriteData": ("GPOPortNumber", 1, self.gpos),
        }
        for parameter in message.parameters:
            if parameter.name == "AntennaProperties":
                raise refusal("antenna properties cannot be set", Code.P_UNSUPPORTED_PARAMETER, parameter.name)
            if parameter.name in limits:
                name, least, most = limits[parameter.name]
                if not least <= parameter.fields[name] <= most:
                    text = f"{name} {parameter.fields[name]} is not within {least}-{most}"
                    raise refusal(text, Code.A_OUT_OF_RANGE, parameter.name, field=name)

    def apply(self, message: Message) -> None:
        """Carry out a SET_READER_CONFIG that has no fault."""
        if message.fields["ResetToFactoryDefault"]:
            self.reset()
        for parameter in message.parameters:
            fields = parameter.fields
            match parameter.name:
                case "KeepaliveSpec":
                    self.keepalive_ms = fields["PeriodicTriggerValue"] if fields["KeepaliveTriggerType"] else 0
                case "ReaderEventNotificationSpec":
                    for state in parameter.parameters:
                        change = self.events.add if state.fields["NotificationState"] else self.events.discard
                        change(state.fields["EventType"])
                case "ROReportSpec":
                    self.report_spec = parameter
                case "AccessReportSpec":
                    self.access_report_trigger = fields["AccessReportTrigger"]
                case "EventsAndReports":
                    self.holds_on_reconnect = bool(fields["HoldEventsAndReportsUponReconnect"])
                case _:
                    self._apply_to_port(parameter)

    def _apply_to_port(self, parameter: Parameter) -> None:
        """What is set for one port, or for all (port 0)."""
        fields = parameter.fields
        if parameter.name == "GPIPortCurrentState":
            for port in [fields["GPIPortNum"]] if fields["GPIPortNum"] else list(self.gpi_enabled):
                self.gpi_enabled[port] = bool(fields["Config"])
        elif parameter.name == "GPOWriteData":
            self.gpo_high[fields["GPOPortNumber"]] = bool(fields["GPOData"])
        elif parameter.name == "AntennaConfiguration":
            for port in [fields["AntennaID"]] if fields["AntennaID"] else range(1, self.antennas + 1):
                self.antenna_settings[port] = parameter

    def asks_beyond(self, asked: Message) -> str | None:
        """The field of a GET_READER_CONFIG that names a port this reader does not have."""
        limits = {"AntennaID": self.antennas, "GPIPortNum": self.gpis, "GPOPortNum": self.gpos}
        return next((name for name, most in limits.items() if asked.fields[name] > most), None)

    def answer(self, asked: Message) -> list[Parameter]:
        """The parts of GET_READER_CONFIG_RESPONSE behind the status that this request asks for, in LLRP's order."""
        requested = asked.fields["RequestedData"]
        ports = {name: asked.fields[name] for name in ("AntennaID", "GPIPortNum", "GPOPortNum")}
        return [part for number, part in self._parts(ports) if requested in (0, number)]

    def _parts(self, ports: dict[str, int]) -> Iterator[tuple[int, Parameter]]:
        """(GetReaderConfigRequestedData, parameter), with port 0 standing for every port."""
        antennas = [ports["AntennaID"]] if ports["AntennaID"] else range(1, self.antennas + 1)
        yield 1, Parameter("Identification", {"IDType": 0, "ReaderID": [0x02, 0, 0, 0, 0, 1]})
        for port in antennas:
            fields = {"AntennaConnected": port not in self.disconnected, "AntennaID": port, "AntennaGain": 0}
            yield 2, Parameter("AntennaProperties", fields)
        for port in antennas:
            yield 3, self._antenna(port)
        states = [
            Parameter("EventNotificationState", {"EventType": kind, "NotificationState": kind in self.events})
            for kind in range(9)
        ]
        yield 5, Parameter("ReaderEventNotificationSpec", {}, states)
        yield 4, self.report_spec
        yield 6, Parameter("AccessReportSpec", {"AccessReportTrigger": self.access_report_trigger})
        yield 7, Parameter("LLRPConfigurationStateValue", {"LLRPConfigurationStateValue": 0})
        keepalive = {"KeepaliveTriggerType": int(self.keepalive_ms > 0), "PeriodicTriggerValue": self.keepalive_ms}
        yield 8, Parameter("KeepaliveSpec", keepalive)
        for port in [ports["GPIPortNum"]] if ports["GPIPortNum"] else self.gpi_enabled:
            fields = {"GPIPortNum": port, "Config": self.gpi_enabled[port], "State": int(self.gpi_high[port])}
            yield 9, Parameter("GPIPortCurrentState", fields)
        for port in [ports["GPOPortNum"]] if ports["GPOPortNum"] else self.gpo_high:
            yield 10, Parameter("GPOWriteData", {"GPOPortNumber": port, "GPOData": self.gpo_high[port]})
        yield 11, Parameter("EventsAndReports", {"HoldEventsAndReportsUponReconnect": self.holds_on_reconnect})

    def _antenna(self, port: int) -> Parameter:
        """What a client set for this antenna, else the defaults."""
        settings = self.antenna_settings.get(port)
        if settings is not None:
            return Parameter("AntennaConfiguration", {"AntennaID": port}, settings.parameters)
        control = Parameter("C1G2SingulationControl", {"Session": 1, "TagPopulation": 32, "TagTransitTime": 0})
        transmitter = {"HopTableID": HOP_TABLE_ID, "ChannelIndex": 0, "TransmitPower": POWER_STEPS}
        return Parameter(
            "AntennaConfiguration",
            {"AntennaID": port},
            [
                Parameter("RFReceiver", {"ReceiverSensitivity": 1}),
                Parameter("RFTransmitter", transmitter),
                Parameter("C1G2InventoryCommand", {"TagInventoryStateAware": False}, [control]),
            ],
        )
