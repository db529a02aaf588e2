"""A simulated reader on the bench, without sockets: a client that speaks messages, time that passes in slices."""

from __future__ import annotations

from typing import Any

import numpy as np

from readers.llrp.codec import Framer, decode, encode
from readers.llrp.message import Message, Parameter
from simulators.llrp.configuration import report_spec
from simulators.llrp.models import ReaderModel, load_model
from simulators.llrp.session import ReaderSide
from simulators.sighting import Sightings

T0 = 1_700_000_000_000_000
MS = 1000

BENCH_MODEL = load_model().model_copy(update={"max_rospecs": 8, "events": ()})
"""As the default, with room for several ROSpecs, and quiet."""
EPC = bytes(11) + b"\x07"


class Bench:
    """A reader on the bench with a client that speaks messages; each antenna sees one tag each 10 ms."""

    def __init__(self, model: ReaderModel | None = None, flush_ms: int = 500) -> None:
        self.side = ReaderSide(model or BENCH_MODEL, 4, flush_ms * MS, booted_us=T0 - 1_000_000)
        self.epcs = [EPC]
        self.now_us = T0
        self.framer = Framer()
        self.said: list[Message] = []
        self.windows: list[tuple[tuple[int, ...], int, int]] = []
        self.side.connect(self.now_us)
        self.hear()

    def hear(self) -> list[Message]:
        fresh = [decode(frame) for frame in self.framer.feed(self.side.data_to_send())]
        self.said += fresh
        return fresh

    def ask(self, message: Message | bytes) -> list[Message]:
        self.side.receive_data(message if isinstance(message, bytes) else encode(message), self.now_us)
        return self.hear()

    def request(self, name: str, *parameters: Parameter, **fields: Any) -> Message:
        """Send a request; its answer."""
        answers = self.ask(Message(name, 4000 + len(self.said), fields, list(parameters)))
        return next(answer for answer in answers if answer.name in (f"{name}_RESPONSE", "ERROR_MESSAGE"))

    def run(self, ms: int, step_ms: int = 50) -> list[Message]:
        """Let time pass in slices, as the shell does; what the reader said."""
        heard = len(self.said)
        for _ in range(0, ms, step_ms):
            self.now_us += step_ms * MS
            if not self.side.listening:
                self.side.radio.skip(self.now_us)
            while (window := self.side.radio.next_window(self.now_us)) is not None:
                ports = tuple(sorted(window.antennas)) or (1, 2, 3, 4)
                self.windows.append((ports, window.from_us, window.to_us))
                self.side.observe(window, self._see(ports, window.from_us, window.to_us))
            self.hear()
        return self.said[heard:]

    def _see(self, ports: tuple[int, ...], from_us: int, to_us: int) -> Sightings:
        times = range(from_us // 10_000 * 10_000 + 10_000, to_us + 1, 10_000)
        rows = [(epc, port, at) for at in times for port in ports for epc in self.epcs]
        return Sightings(
            [epc for epc, _, _ in rows],
            np.array([port for _, port, _ in rows], np.uint16),
            np.full(len(rows), -60.0, np.float32),
            np.array([at for _, _, at in rows], np.int64),
        )

    def start(self, rospec: Parameter) -> None:
        assert code(self.request("ADD_ROSPEC", rospec)) == 0
        assert code(self.request("ENABLE_ROSPEC", ROSpecID=rospec.fields["ROSpecID"])) == 0


def code(answer: Message) -> int:
    status = answer.find("LLRPStatus")
    assert status is not None
    return int(status.fields["StatusCode"])


def errors(answer: Message) -> list[tuple[int, int]]:
    """(parameter type or field number, code), from the outside in, of an LLRPStatus."""
    found: list[tuple[int, int]] = []
    inside: Parameter | None = answer.find("LLRPStatus")
    while inside is not None:
        nested = inside.find("ParameterError") or inside.find("FieldError")
        if nested is not None:
            number = nested.fields.get("ParameterType", nested.fields.get("FieldNum"))
            found.append((int(number or 0), int(nested.fields["ErrorCode"])))
        inside = nested
    return found


def names(messages: list[Message]) -> list[str]:
    return [message.name for message in messages]


def trigger(name: str, kind: int, *inside: Parameter, **fields: int) -> Parameter:
    return Parameter(name, {f"{name}Type": kind, **fields}, list(inside))


def gpi(port: int, high: bool, timeout_ms: int = 0) -> Parameter:
    return Parameter("GPITriggerValue", {"GPIPortNum": port, "GPIEvent": high, "Timeout": timeout_ms})


def ai_spec(*ports: int, stop: Parameter | None = None) -> Parameter:
    inventory = Parameter("InventoryParameterSpec", {"InventoryParameterSpecID": 1, "ProtocolID": 1})
    stop = stop or trigger("AISpecStopTrigger", 0, DurationTrigger=0)
    return Parameter("AISpec", {"AntennaIDs": list(ports or (1,))}, [stop, inventory])


def ro_spec(
    number: int = 1,
    start: Parameter | None = None,
    stop: Parameter | None = None,
    specs: tuple[Parameter, ...] = (),
    every_n: int = 1,
    report_trigger: int = 2,
    **fields: int,
) -> Parameter:
    boundary = [
        start or trigger("ROSpecStartTrigger", 1),
        stop or trigger("ROSpecStopTrigger", 0, DurationTriggerValue=0),
    ]
    report = report_spec()
    report.fields.update(ROReportTrigger=report_trigger, N=every_n)
    return Parameter(
        "ROSpec",
        {"ROSpecID": number, "Priority": 0, "CurrentState": 0, **fields},
        [Parameter("ROBoundarySpec", {}, boundary), *(specs or (ai_spec(),)), report],
    )


def access_spec(
    number: int = 3, *ops: Parameter, count: int = 0, target: Parameter | None = None, **fields: int
) -> Parameter:
    """An AccessSpec for every tag, or those of `target`; reads the TID where no operation is given."""
    read = Parameter("C1G2Read", {"OpSpecID": 1, "AccessPassword": 0, "MB": 2, "WordPointer": 0, "WordCount": 6})
    target = target or target_tag(b"")
    asked = {"AccessSpecID": number, "AntennaID": 0, "ProtocolID": 1, "CurrentState": False, "ROSpecID": 0} | fields
    command = Parameter("AccessCommand", {}, [Parameter("C1G2TagSpec", {}, [target]), *(ops or (read,))])
    stop = {"AccessSpecStopTrigger": int(count > 0), "OperationCountValue": count}
    return Parameter("AccessSpec", asked, [Parameter("AccessSpecStopTrigger", stop), command])


def target_tag(data: bytes, bank: int = 1, pointer: int = 32, match: bool = True) -> Parameter:
    """A C1G2TargetTag: these bytes at that bit of a bank, or not."""
    mask = {"MB": bank, "Match": match, "Pointer": pointer, "TagMask": b"\xff" * len(data)}
    return Parameter(
        "C1G2TargetTag",
        mask | {"TagMaskLengthBits": 8 * len(data), "TagData": data, "TagDataLengthBits": 8 * len(data)},
    )
