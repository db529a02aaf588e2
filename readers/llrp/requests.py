"""What the client asks of a reader, as messages built from a plan and from what the reader says it can do.

Names and numbers are those of LLRP 1.0.1; the vendor part follows the public Octane LLRP definitions of Impinj.
"""

from __future__ import annotations

import enum
import hashlib
import struct
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from readers.llrp.codec import encode
from readers.llrp.message import Message, Parameter
from readers.llrp.vendor import IMPINJ, custom

LLRP_1_0_1: Final = 1
LLRP_1_1: Final = 2
"""Protocol versions as headers carry them."""

OUR_ROSPECS: Final = 0x7A
"""The highest byte of our ROSpecs' numbers. The other three are a digest of what the ROSpec asks for: one left by an
earlier connection is recognised by its number alone, however the reader spells its content (docs/adr/0012)."""

ACCESS_SPEC_ID: Final = 1414
"""Our AccessSpec's number: fixed, so that one left by an earlier connection is found and deleted before it strikes."""

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
GPI_PORTS: Final = 9
"""GetReaderConfigRequestedData. Each is asked for alone: an answer that does not decode then costs only itself."""

START_IMMEDIATE: Final = 1
START_GPI: Final = 3
"""ROSpecStartTriggerType."""

STOP_NEVER: Final = 0
STOP_DURATION: Final = 1
STOP_GPI: Final = 2
"""ROSpecStopTriggerType."""


@dataclass(frozen=True, slots=True)
class GpiTrigger:
    """An input (photo-eye) that goes `high`, or low. A stop trigger pulls itself after `timeout_ms`; 0: never."""

    port: int
    high: bool = True
    timeout_ms: int = 0


class SearchMode(enum.IntEnum):
    """How often Impinj's readers let a tag answer, as ImpinjInventorySearchType counts."""

    SINGLE_TARGET = 1
    DUAL_TARGET = 2
    SUPPRESSION = 3


@dataclass(frozen=True, slots=True)
class InventoryPlan:
    """How one reader shall inventory.

    `report_every_n` tags make a report; what waits for more is fetched after `report_wait_ms`. `tx_power_index`,
    `rf_mode` and `search_mode` None keep the reader's own. Without `start` the inventory never ends; with it each run
    ends by `stop`, or after `run_ms`.
    """

    antennas: tuple[int, ...]
    keepalive_ms: int = 5000
    report_every_n: int = 1
    report_wait_ms: int = 500
    session: int = 1
    tag_population: int = 32
    tx_power_index: int | None = None
    rf_mode: int | None = None
    search_mode: SearchMode | None = None
    may_speak_1_1: bool = True
    start: GpiTrigger | None = None
    stop: GpiTrigger | None = None
    run_ms: int = 0


@dataclass(frozen=True, slots=True)
class Capabilities:
    """What the session needs of GET_READER_CAPABILITIES_RESPONSE. Without it a reader is taken for the plainest.

    `holds_reports` is None while the reader has not said whether it can hold reports for a client that is away.
    """

    antennas: int = 0
    vendor: int = 0
    model: int = 0
    firmware: str = ""
    gpis: int = 0
    gpos: int = 0
    holds_reports: bool | None = None
    hop_table: int | None = None
    has_extensions: bool = True
    """False once an Impinj reader has refused its own extensions."""

    @property
    def takes_impinj(self) -> bool:
        """Whether Impinj's parameters may be sent."""
        return self.vendor == IMPINJ and self.has_extensions

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
            gpos=gpio.fields["NumGPOs"] if gpio else 0,
            holds_reports=bool(llrp.fields["SupportsEventAndReportHolding"]) if llrp else None,
            hop_table=_hop_table(message),
        )


def _hop_table(message: Message) -> int | None:
    """The first frequency hop table's number; None where the region does not hop."""
    found: Message | Parameter | None = message
    for name in ("RegulatoryCapabilities", "UHFBandCapabilities", "FrequencyInformation", "FrequencyHopTable"):
        found = found.find(name) if found else None
    return int(found.fields["HopTableID"]) if found else None


def get_supported_version(message_id: int) -> Message:
    """Ask which versions the reader speaks; goes out as LLRP 1.1, which a reader of 1.0.1 refuses (1.1 §9.1)."""
    return Message("GET_SUPPORTED_VERSION", message_id, version=LLRP_1_1)


def set_version(message_id: int) -> Message:
    """Speak LLRP 1.1 from here on."""
    return Message("SET_PROTOCOL_VERSION", message_id, {"ProtocolVersion": LLRP_1_1}, version=LLRP_1_1)


def get_capabilities(message_id: int) -> Message:
    """Ask for everything the reader can do."""
    return Message("GET_READER_CAPABILITIES", message_id, {"RequestedData": 0})


def get_antennas(message_id: int) -> Message:
    """Ask which antennas are connected."""
    return _get_config(message_id, ANTENNA_PROPERTIES)


def get_inputs(message_id: int) -> Message:
    """Ask for the levels of all inputs."""
    return _get_config(message_id, GPI_PORTS)


def _get_config(message_id: int, requested: int) -> Message:
    fields = {"AntennaID": 0, "RequestedData": requested, "GPIPortNum": 0, "GPOPortNum": 0}
    return Message("GET_READER_CONFIG", message_id, fields)


def set_output(message_id: int, port: int, high: bool) -> Message:
    """Set one output (GPO), such as a lamp of a stack light."""
    data = Parameter("GPOWriteData", {"GPOPortNumber": port, "GPOData": high})
    return Message("SET_READER_CONFIG", message_id, {"ResetToFactoryDefault": False}, [data])


def enable_impinj_extensions(message_id: int) -> Message:
    """Without it an Impinj reader refuses every custom parameter. Four reserved bytes follow."""
    fields = {"VendorIdentifier": IMPINJ, "MessageSubtype": IMPINJ_ENABLE_EXTENSIONS, "Data": bytes(4)}
    return Message("CUSTOM_MESSAGE", message_id, fields)


def set_keepalive(message_id: int, plan: InventoryPlan) -> Message:
    """The least a session needs, for a reader that refuses `set_config`."""
    return Message("SET_READER_CONFIG", message_id, {"ResetToFactoryDefault": False}, [_keepalive(plan)])


def set_config(message_id: int, plan: InventoryPlan, capabilities: Capabilities) -> Message:
    """Keepalives, the events of NOTIFICATIONS, every input on; reports held while we are away, where the reader can."""
    states = [
        Parameter("EventNotificationState", {"EventType": kind, "NotificationState": True}) for kind in NOTIFICATIONS
    ]
    parameters = [Parameter("ReaderEventNotificationSpec", {}, states), _keepalive(plan)]
    parameters += (
        Parameter("GPIPortCurrentState", {"GPIPortNum": port, "Config": True, "State": 2})
        for port in range(1, capabilities.gpis + 1)
    )
    if capabilities.holds_reports:
        parameters.append(Parameter("EventsAndReports", {"HoldEventsAndReportsUponReconnect": True}))
    return Message("SET_READER_CONFIG", message_id, {"ResetToFactoryDefault": False}, parameters)


def _keepalive(plan: InventoryPlan) -> Parameter:
    return Parameter("KeepaliveSpec", {"KeepaliveTriggerType": 1, "PeriodicTriggerValue": plan.keepalive_ms})


def is_ours(rospec_id: int) -> bool:
    """Whether a ROSpec has a number of ours, whatever plan it was made for."""
    return rospec_id >> 24 == OUR_ROSPECS


def rospec_id(plan: InventoryPlan, capabilities: Capabilities, antennas: Iterable[int]) -> int:
    """The number of the ROSpec that `add_rospec` adds for the same arguments."""
    return int(_rospec(plan, capabilities, antennas).fields["ROSpecID"])


def add_rospec(message_id: int, plan: InventoryPlan, capabilities: Capabilities, antennas: Iterable[int]) -> Message:
    """Our ROSpec: inventories `antennas` as the plan says, reports each N tags. Its number follows from the rest."""
    return Message("ADD_ROSPEC", message_id, {}, [_rospec(plan, capabilities, antennas)])


def _rospec(plan: InventoryPlan, capabilities: Capabilities, antennas: Iterable[int]) -> Parameter:
    settings = Parameter(
        "InventoryParameterSpec",
        {"InventoryParameterSpecID": 1, "ProtocolID": 1},
        [_antenna_configuration(plan, capabilities)],
    )
    inventory = Parameter(
        "AISpec",
        {"AntennaIDs": list(antennas)},
        [Parameter("AISpecStopTrigger", {"AISpecStopTriggerType": 0, "DurationTrigger": 0}), settings],
    )
    rospec = Parameter(
        "ROSpec",
        {"ROSpecID": 0, "Priority": 0, "CurrentState": 0},
        [_boundary(plan), inventory, _report_spec(plan, capabilities)],
    )
    digest = hashlib.sha256(encode(Message("ADD_ROSPEC", 0, {}, [rospec]))).digest()
    rospec.fields["ROSpecID"] = OUR_ROSPECS << 24 | int.from_bytes(digest[:3], "big")
    return rospec


def _boundary(plan: InventoryPlan) -> Parameter:
    """When the ROSpec runs: from when it is enabled, for ever; or from one photo-eye to the other."""
    start = Parameter("ROSpecStartTrigger", {"ROSpecStartTriggerType": START_IMMEDIATE})
    stop = Parameter("ROSpecStopTrigger", {"ROSpecStopTriggerType": STOP_NEVER, "DurationTriggerValue": 0})
    if plan.start is not None:
        start = Parameter("ROSpecStartTrigger", {"ROSpecStartTriggerType": START_GPI}, [_gpi_trigger(plan.start)])
    if plan.stop is not None:
        stop = Parameter(stop.name, {"ROSpecStopTriggerType": STOP_GPI, "DurationTriggerValue": 0})
        stop.parameters.append(_gpi_trigger(plan.stop))
    elif plan.run_ms:
        stop.fields.update(ROSpecStopTriggerType=STOP_DURATION, DurationTriggerValue=plan.run_ms)
    return Parameter("ROBoundarySpec", {}, [start, stop])


def _gpi_trigger(trigger: GpiTrigger) -> Parameter:
    """GPITriggerValue is parameter 181; 180 beside it is the periodic trigger (LLRP 1.0.1 §10.2.1.1)."""
    fields = {"GPIPortNum": trigger.port, "GPIEvent": trigger.high, "Timeout": trigger.timeout_ms}
    return Parameter("GPITriggerValue", fields)


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
    parameters.append(Parameter("C1G2InventoryCommand", {"TagInventoryStateAware": False}, _air(plan, capabilities)))
    return Parameter("AntennaConfiguration", {"AntennaID": 0}, parameters)


def _air(plan: InventoryPlan, capabilities: Capabilities) -> list[Parameter]:
    """What is asked of the air protocol."""
    parameters = []
    if plan.rf_mode is not None:
        parameters.append(Parameter("C1G2RFControl", {"ModeIndex": plan.rf_mode, "Tari": 0}))
    singulation = {"Session": plan.session, "TagPopulation": plan.tag_population, "TagTransitTime": 0}
    parameters.append(Parameter("C1G2SingulationControl", singulation))
    if plan.search_mode is not None and capabilities.takes_impinj:
        parameters.append(custom("ImpinjInventorySearchMode", int(plan.search_mode)))
    return parameters


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
    if capabilities.takes_impinj:
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


def rospec_request(name: str, message_id: int, rospec_id: int = 0) -> Message:
    """START_, STOP_, ENABLE_, DISABLE_ or DELETE_ROSPEC of one ROSpec; 0 stands for all where LLRP allows it."""
    return Message(name, message_id, {"ROSpecID": rospec_id})


def access_spec_request(name: str, message_id: int) -> Message:
    """ENABLE_, DISABLE_ or DELETE_ACCESSSPEC of ours."""
    return Message(name, message_id, {"AccessSpecID": ACCESS_SPEC_ID})
