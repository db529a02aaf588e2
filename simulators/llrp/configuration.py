"""The configuration of a simulated reader: what SET_READER_CONFIG sets and GET_READER_CONFIG shows (LLRP 1.0.1 §12)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final

from readers.llrp.message import Message, Parameter
from simulators.llrp.models import ReaderModel
from simulators.llrp.status import Code, refusal

REPORT_FIELDS: Final = (
    "ROSpecID",
    "SpecIndex",
    "InventoryParameterSpecID",
    "AntennaID",
    "ChannelIndex",
    "PeakRSSI",
    "FirstSeenTimestamp",
    "LastSeenTimestamp",
    "TagSeenCount",
    "AccessSpecID",
)
"""What TagReportContentSelector switches on and off, without the `Enable` in front."""

MAC_ADDRESS: Final = 0
"""IdentificationType."""

ANY_MAC: Final = bytes.fromhex("020000000001")

EVENT_TYPES: Final = 9
"""NotificationEventType counts from 0."""


def report_spec(fields: Iterable[str] = REPORT_FIELDS, trigger: int = 2, every_n: int = 1) -> Parameter:
    """An ROReportSpec that reports `fields`."""
    wanted = set(fields)
    selector = Parameter("TagReportContentSelector", {f"Enable{name}": name in wanted for name in REPORT_FIELDS})
    return Parameter("ROReportSpec", {"ROReportTrigger": trigger, "N": every_n}, [selector])


class ReaderConfiguration:
    """What SET_READER_CONFIG sets. It belongs to the reader and outlives connections, as LLRP wants it."""

    def __init__(self, model: ReaderModel, antennas: int, mac: bytes = ANY_MAC) -> None:
        self.model = model
        self.mac = mac
        self.antennas = antennas
        self.gpi_high = dict.fromkeys(range(1, model.gpis + 1), False)
        self.disconnected: set[int] = set()
        """Antennas whose cable is off."""
        self.reset()

    def reset(self) -> None:
        """Back to how the reader left the factory; the levels of its inputs and its cables are the world's."""
        model = self.model
        self.keepalive_ms = model.keepalive_ms
        self.report_spec = report_spec(model.report_fields, model.report_trigger)
        self.access_report_trigger = 0
        self.events = set(model.events)
        self.holds_on_reconnect = False
        self.gpi_enabled = dict.fromkeys(self.gpi_high, model.gpi_enabled)
        self.gpo_high = dict.fromkeys(range(1, model.gpos + 1), False)
        self.antenna_settings: dict[int, Parameter] = {}
        self.state_value = 0
        """LLRPConfigurationStateValue: another number whenever a client has changed something."""

    def check(self, message: Message) -> None:
        """Raise DecodeError when this SET_READER_CONFIG cannot be carried out; of a faulty one no part is (§14)."""
        limits = {
            "AntennaConfiguration": ("AntennaID", 0, self.antennas),
            "GPIPortCurrentState": ("GPIPortNum", 0, self.model.gpis),
            "GPOWriteData": ("GPOPortNumber", 1, self.model.gpos),
        }
        for parameter in message.parameters:
            if parameter.name == "AntennaProperties":
                raise refusal("antenna properties cannot be set", Code.P_UNSUPPORTED_PARAMETER, parameter.name)
            if parameter.name == "EventsAndReports" and not self.model.holds_reports:
                raise refusal("this reader holds nothing", Code.P_UNSUPPORTED_PARAMETER, parameter.name)
            if parameter.name in limits:
                name, least, most = limits[parameter.name]
                if not least <= parameter.fields[name] <= most:
                    text = f"{name} {parameter.fields[name]} is not within {least}-{most}"
                    raise refusal(text, Code.A_OUT_OF_RANGE, parameter.name, field=name)
            if parameter.name == "AntennaConfiguration":
                check_antenna(parameter, (parameter.name,), self.model)

    def apply(self, message: Message) -> None:
        """Carry out a SET_READER_CONFIG that has no fault."""
        if message.fields["ResetToFactoryDefault"]:
            self.reset()
        self.state_value += 1
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
        limits = {"AntennaID": self.antennas, "GPIPortNum": self.model.gpis, "GPOPortNum": self.model.gpos}
        return next((name for name, most in limits.items() if asked.fields[name] > most), None)

    def answer(self, asked: Message) -> list[Parameter]:
        """The parts of GET_READER_CONFIG_RESPONSE behind the status that this request asks for, in LLRP's order."""
        requested = asked.fields["RequestedData"]
        ports = {name: asked.fields[name] for name in ("AntennaID", "GPIPortNum", "GPOPortNum")}
        return [part for number, part in self._parts(ports) if requested in (0, number)]

    def _parts(self, ports: dict[str, int]) -> Iterator[tuple[int, Parameter]]:
        """(GetReaderConfigRequestedData, parameter), with port 0 standing for every port."""
        antennas = [ports["AntennaID"]] if ports["AntennaID"] else range(1, self.antennas + 1)
        yield 1, Parameter("Identification", {"IDType": MAC_ADDRESS, "ReaderID": self.mac})
        for port in antennas:
            fields = {"AntennaConnected": port not in self.disconnected, "AntennaID": port, "AntennaGain": 0}
            yield 2, Parameter("AntennaProperties", fields)
        for port in antennas:
            yield 3, self._antenna(port)
        states = [
            Parameter("EventNotificationState", {"EventType": kind, "NotificationState": kind in self.events})
            for kind in range(EVENT_TYPES)
        ]
        yield 5, Parameter("ReaderEventNotificationSpec", {}, states)
        yield 4, self.report_spec
        yield 6, Parameter("AccessReportSpec", {"AccessReportTrigger": self.access_report_trigger})
        yield 7, Parameter("LLRPConfigurationStateValue", {"LLRPConfigurationStateValue": self.state_value})
        keepalive = {"KeepaliveTriggerType": int(self.keepalive_ms > 0), "PeriodicTriggerValue": self.keepalive_ms}
        yield 8, Parameter("KeepaliveSpec", keepalive)
        for port in [ports["GPIPortNum"]] if ports["GPIPortNum"] else self.gpi_enabled:
            fields = {"GPIPortNum": port, "Config": self.gpi_enabled[port], "State": int(self.gpi_high[port])}
            yield 9, Parameter("GPIPortCurrentState", fields)
        for port in [ports["GPOPortNum"]] if ports["GPOPortNum"] else self.gpo_high:
            yield 10, Parameter("GPOWriteData", {"GPOPortNumber": port, "GPOData": self.gpo_high[port]})
        if self.model.holds_reports:
            held = {"HoldEventsAndReportsUponReconnect": self.holds_on_reconnect}
            yield 11, Parameter("EventsAndReports", held)

    def _antenna(self, port: int) -> Parameter:
        """What a client set for this antenna, else the defaults."""
        settings = self.antenna_settings.get(port)
        if settings is not None:
            return Parameter("AntennaConfiguration", {"AntennaID": port}, settings.parameters)
        control = Parameter("C1G2SingulationControl", {"Session": 1, "TagPopulation": 32, "TagTransitTime": 0})
        radio, power = self.model.radio, self.model.power
        transmitter = {"HopTableID": radio.hop_table_id, "ChannelIndex": 0, "TransmitPower": power.last_index}
        mode = Parameter("C1G2RFControl", {"ModeIndex": radio.modes[0][0], "Tari": 0})
        return Parameter(
            "AntennaConfiguration",
            {"AntennaID": port},
            [
                Parameter("RFReceiver", {"ReceiverSensitivity": self.model.sensitivity.first_index}),
                Parameter("RFTransmitter", transmitter),
                Parameter("C1G2InventoryCommand", {"TagInventoryStateAware": False}, [mode, control]),
            ],
        )


def check_antenna(settings: Parameter, path: tuple[str, ...], model: ReaderModel) -> None:
    """Refuse an AntennaConfiguration that asks for a power, a mode or filters this reader does not have."""
    transmitter, power = settings.find("RFTransmitter"), model.power
    if transmitter is not None:
        index = transmitter.fields["TransmitPower"]
        if not power.first_index <= index <= power.last_index:
            text = f"TransmitPower {index} is not within {power.first_index}-{power.last_index}"
            raise refusal(text, Code.A_OUT_OF_RANGE, *path, "RFTransmitter", field="TransmitPower")
    for command in settings.every("C1G2InventoryCommand"):
        inside = (*path, "C1G2InventoryCommand")
        if command.fields["TagInventoryStateAware"]:
            text = "this reader does not singulate by inventoried state"
            raise refusal(text, Code.A_INVALID, *inside, field="TagInventoryStateAware")
        if len(list(command.every("C1G2Filter"))) > model.max_select_filters:
            text = f"this reader has {model.max_select_filters} select filters"
            raise refusal(text, Code.P_OVERFLOW_PARAMETER, *inside, "C1G2Filter")
        control = command.find("C1G2RFControl")
        if control is not None and control.fields["ModeIndex"] not in {mode[0] for mode in model.radio.modes}:
            text = f"this reader has no mode {control.fields['ModeIndex']}"
            raise refusal(text, Code.A_OUT_OF_RANGE, *inside, "C1G2RFControl", field="ModeIndex")
