"""What the client asks of a reader, as messages built from a plan and from what the reader says it can do.

Names and numbers are those of LLRP 1.0.1; the vendor part follows the public Octane LLRP definitions of Impinj.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from readers.llrp.message import Message, Parameter
from readers.llrp.vendor import IMPINJ

ROSPEC_ID: Final = 1414
"""Our ROSpec's number: fixed, so that one left by an earlier run is found and replaced."""

IMPINJ_ENABLE_EXTENSIONS: Final = 21
IMPINJ_ENABLE_EXTENSIONS_RESPONSE: Final = 22
IMPINJ_TAG_REPORT_CONTENT_SELECTOR: Final = 50
IMPINJ_ENABLE_RF_PHASE_ANGLE: Final = 52
IMPINJ_ENABLE_PEAK_RSSI: Final = 53

GPI_EVENT: Final = 1
ROSPEC_EVENT: Final = 2
REPORT_BUFFER_EVENT: Final = 3
READER_EXCEPTION_EVENT: Final = 4
ANTENNA_EVENT: Final = 8
NOTIFICATIONS: Final = (GPI_EVENT, ROSPEC_EVENT, REPORT_BUFFER_EVENT, READER_EXCEPTION_EVENT, ANTENNA_EVENT)
"""Events a gateway must hear of (NotificationEventType); hopping and AISpec events would only fill the link."""

ANTENNA_PROPERTIES: Final = 2
"""GetReaderConfigRequestedData: which antennas are connected."""


@dataclass(frozen=True, slots=True)
class InventoryPlan:
    """How one reader shall inventory. `report_every_n` tags make a report; `tx_power_index` None keeps the reader's."""

    antennas: tuple[int, ...]
    keepalive_ms: int = 5000
    report_every_n: int = 1
    session: int = 1
    tag_population: int = 32
    tx_power_index: int | None = None


@dataclass(frozen=True, slots=True)
class Capabilities:
    """What the session needs of GET_READER_CAPABILITIES_RESPONSE. Without it a reader is taken for the plainest."""

    antennas: int = 0
    vendor: int = 0
    model: int = 0
    firmware: str = ""
    gpis: int = 0
    holds_reports: bool = False
    hop_table: int | None = None

    @classmethod
    def of(cls, message: Message) -> Capabilities:
        """Read the answer; a part the reader left out keeps its default."""
        general, llrp = message.find("GeneralDeviceCapabilities"), message.find("LLRPCapabilities")
        facts = general.fields if general else {}
        gpio = general.find("GPIOCapabilities") if general else None
        return cls(
            antennas=facts.get("MaxNumberOfAntennaSupported", 0),
            vendor=facts.get("DeviceManufacturerName", 0),
            model=facts.get("ModelName", 0),
            firmware=facts.get("ReaderFirmwareVersion", ""),
            gpis=gpio.fields["NumGPIs"] if gpio else 0,
            holds_reports=bool(llrp and llrp.fields["SupportsEventAndReportHolding"]),
            hop_table=_hop_table(message),
        )


def _hop_table(message: Message) -> int | None:
    """The first frequency hop table's number; None where the region does not hop."""
    found: Message | Parameter | None = message
    for name in ("RegulatoryCapabilities", "UHFBandCapabilities", "FrequencyInformation", "FrequencyHopTable"):
        found = found.find(name) if found else None
    return int(found.fields["HopTableID"]) if found else None


def get_capabilities(message_id: int) -> Message:
    """Ask for everything the reader can do."""
    return Message("GET_READER_CAPABILITIES", message_id, {"RequestedData": 0})


def get_antennas(message_id: int) -> Message:
    """Ask which antennas are connected."""
    fields = {"AntennaID": 0, "RequestedData": ANTENNA_PROPERTIES, "GPIPortNum": 0, "GPOPortNum": 0}
    return Message("GET_READER_CONFIG", message_id, fields)


def enable_impinj_extensions(message_id: int) -> Message:
    """Without it an Impinj reader refuses every custom parameter. Four reserved bytes follow."""
    fields = {"VendorIdentifier": IMPINJ, "MessageSubtype": IMPINJ_ENABLE_EXTENSIONS, "Data": bytes(4)}
    return Message("CUSTOM_MESSAGE", message_id, fields)


def set_keepalive(message_id: int, plan: InventoryPlan) -> Message:
    """The least a session needs, for a reader that refuses `set_config`."""
    return Message("SET_READER_CONFIG", message_id, {"ResetToFactoryDefault": False}, [_keepalive(plan)])


def set_config(message_id: int, plan: InventoryPlan, capabilities: Capabilities) -> Message:
    """Keepalives, the events of NOTIFICATIONS, every GPI port on, and no holding of reports."""
    states = [
        Parameter("EventNotificationState", {"EventType": kind, "NotificationState": True}) for kind in NOTIFICATIONS
    ]
    parameters = [Parameter("ReaderEventNotificationSpec", {}, states), _keepalive(plan)]
    parameters += (
        Parameter("GPIPortCurrentState", {"GPIPortNum": port, "Config": True, "State": 2})
        for port in range(1, capabilities.gpis + 1)
    )
    if capabilities.holds_reports:
        parameters.append(Parameter("EventsAndReports", {"HoldEventsAndReportsUponReconnect": False}))
    return Message("SET_READER_CONFIG", message_id, {"ResetToFactoryDefault": False}, parameters)


def _keepalive(plan: InventoryPlan) -> Parameter:
    return Parameter("KeepaliveSpec", {"KeepaliveTriggerType": 1, "PeriodicTriggerValue": plan.keepalive_ms})


def add_rospec(message_id: int, plan: InventoryPlan, capabilities: Capabilities, antennas: Iterable[int]) -> Message:
    """Our ROSpec: starts when enabled, never stops, inventories `antennas` and reports each N tags."""
    boundary = Parameter(
        "ROBoundarySpec",
        {},
        [
            Parameter("ROSpecStartTrigger", {"ROSpecStartTriggerType": 1}),
            Parameter("ROSpecStopTrigger", {"ROSpecStopTriggerType": 0, "DurationTriggerValue": 0}),
        ],
    )
    inventory = Parameter(
        "AISpec",
        {"AntennaIDs": list(antennas)},
        [
            Parameter("AISpecStopTrigger", {"AISpecStopTriggerType": 0, "DurationTrigger": 0}),
            Parameter(
                "InventoryParameterSpec",
                {"InventoryParameterSpecID": 1, "ProtocolID": 1},
                [_antenna_configuration(plan, capabilities)],
            ),
        ],
    )
    rospec = Parameter(
        "ROSpec",
        {"ROSpecID": ROSPEC_ID, "Priority": 0, "CurrentState": 0},
        [boundary, inventory, _report_spec(plan, capabilities)],
    )
    return Message("ADD_ROSPEC", message_id, {}, [rospec])


def _antenna_configuration(plan: InventoryPlan, capabilities: Capabilities) -> Parameter:
    parameters = []
    if plan.tx_power_index is not None:
        hop_table = capabilities.hop_table
        fields = {
            "HopTableID": hop_table or 0,
            "ChannelIndex": 0 if hop_table is not None else 1,
            "TransmitPower": plan.tx_power_index,
        }
        parameters.append(Parameter("RFTransmitter", fields))
    singulation = Parameter(
        "C1G2SingulationControl",
        {"Session": plan.session, "TagPopulation": plan.tag_population, "TagTransitTime": 0},
    )
    parameters.append(Parameter("C1G2InventoryCommand", {"TagInventoryStateAware": False}, [singulation]))
    return Parameter("AntennaConfiguration", {"AntennaID": 0}, parameters)


def _report_spec(plan: InventoryPlan, capabilities: Capabilities) -> Parameter:
    selector = Parameter(
        "TagReportContentSelector",
        {
            "EnableROSpecID": False,
            "EnableSpecIndex": False,
            "EnableInventoryParameterSpecID": False,
            "EnableAntennaID": True,
            "EnableChannelIndex": False,
            "EnablePeakRSSI": True,
            "EnableFirstSeenTimestamp": True,
            "EnableLastSeenTimestamp": True,
            "EnableTagSeenCount": True,
            "EnableAccessSpecID": False,
        },
    )
    parameters = [selector]
    if capabilities.vendor == IMPINJ:
        parameters.append(_impinj_content())
    return Parameter("ROReportSpec", {"ROReportTrigger": 2, "N": plan.report_every_n}, parameters)


def _impinj_content() -> Parameter:
    """Ask for phase and for RSSI in hundredths of a dBm; each choice is a custom parameter with a 16-bit mode."""
    choices = b"".join(
        struct.pack("!HHIIH", 1023, 14, IMPINJ, subtype, 1)
        for subtype in (IMPINJ_ENABLE_RF_PHASE_ANGLE, IMPINJ_ENABLE_PEAK_RSSI)
    )
    fields = {"VendorIdentifier": IMPINJ, "ParameterSubtype": IMPINJ_TAG_REPORT_CONTENT_SELECTOR, "Data": choices}
    return Parameter("Custom", fields)


def rospec_request(name: str, message_id: int, rospec_id: int = ROSPEC_ID) -> Message:
    """START_, STOP_, ENABLE_, DISABLE_ or DELETE_ROSPEC of one ROSpec; 0 stands for all where LLRP allows it."""
    return Message(name, message_id, {"ROSpecID": rospec_id})
