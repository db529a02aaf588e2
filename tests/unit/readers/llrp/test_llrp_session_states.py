"""The session as a state machine that hypothesis drives: any order of answers, refusals, events, garbage, half
messages, silence and requests of others. It raises nothing but the package's errors, always has a deadline until it is
closed, says nothing once it is, and answers everybody who asked, once.
"""

from __future__ import annotations

import contextlib
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from readers.errors import ReaderError
from readers.llrp import requests
from readers.llrp.access import AccessJob, AccessOutcome, Bank, Kill, Read, Write
from readers.llrp.codec import Framer, decode, encode
from readers.llrp.connection import ClientSession
from readers.llrp.delivery import Memory
from readers.llrp.exchange import Answer
from readers.llrp.message import Message, Parameter
from readers.llrp.report import ReportDecoder
from readers.llrp.requests import GpiTrigger, InventoryPlan
from readers.llrp.vendor import IMPINJ
from readers.read import EpcTable, GpiChange, ReadBatch, ReaderNotice, ReaderState
from tests.scripted_reader import NOW_US, ScriptedReader, reader_event, report, rospec_event, status
from tests.unit.readers.llrp.conftest import messages

PLANS = (
    InventoryPlan(antennas=(1, 2)),
    InventoryPlan(antennas=(1, 9), report_every_n=8),
    InventoryPlan(antennas=(3,), start=GpiTrigger(1), run_ms=500, may_speak_1_1=False),
)
JOBS = (AccessJob((Read(Bank.TID),)), AccessJob((Write(Bank.USER, 0, b"ab"), Kill(1)), tags=3, timeout_s=0.5))
TURNS = st.sampled_from((0, 1, 2, 3, 5, 7, 9, 20, 20, 20))
"""How often a new connection's reader answers before anything else may happen; twenty times is a whole handshake."""
EVENTS = (
    Parameter("ConnectionAttemptEvent", {"Status": 0}),
    Parameter("ConnectionAttemptEvent", {"Status": 4}),
    Parameter("AntennaEvent", {"EventType": 0, "AntennaID": 1}),
    Parameter("AntennaEvent", {"EventType": 1, "AntennaID": 1}),
    Parameter("GPIEvent", {"GPIPortNumber": 1, "GPIEvent": True}),
    Parameter("ReportBufferOverflowErrorEvent"),
    Parameter("ReaderExceptionEvent", {"Message": "hot"}),
)


def is_open(machine: Any) -> bool:
    return not machine.session.closed


class SessionMachine(RuleBasedStateMachine):
    """One driver's connections, one after the other, to a reader that may do anything."""

    def __init__(self) -> None:
        super().__init__()
        self.now_s, self.at_us = 50.0, NOW_US
        self.memory, self.reports = Memory(), ReportDecoder(EpcTable())
        self.waiting: set[tuple[str, int]] = set()

    @initialize(
        plan=st.sampled_from(PLANS),
        vendor=st.sampled_from((IMPINJ, 161)),
        gpis=st.integers(0, 2),
        v=st.integers(1, 2),
        turns=TURNS,
    )
    def begin(self, plan: InventoryPlan, vendor: int, gpis: int, v: int, turns: int) -> None:
        self.plan = plan
        self.reader = ScriptedReader(vendor=vendor, gpis=gpis, versions=tuple(range(1, v + 1)))
        self.connect(turns)

    def connect(self, turns: int) -> None:
        self.session = ClientSession("door", self.plan, self.reports, self.now_s, self.memory)
        self.unheard = b""
        assert self.waiting == set(), "the last session left somebody waiting"
        greeting = self.reader.connect()
        if turns:
            self.say(greeting)
        for _ in range(turns):
            self.the_reader_answers()

    def settle(self, events: list[Any]) -> None:
        for event in events:
            if isinstance(event, Answer):
                assert (event.message is None) is not (event.error is None)
                self.waiting.remove(("ask", event.request_id))
            elif isinstance(event, AccessOutcome):
                self.waiting.remove(("job", event.job_id))
            else:
                assert isinstance(event, ReadBatch | ReaderState | ReaderNotice | GpiChange)
        self.unheard += self.session.data_to_send()

    def say(self, data: bytes) -> None:
        self.settle(self.session.receive_data(data, self.now_s, self.at_us))

    @precondition(is_open)
    @rule()
    def the_reader_answers(self) -> None:
        data, self.unheard = self.unheard, b""
        self.say(self.reader.hear(data))

    @precondition(is_open)
    @rule(greeting=st.sampled_from((0, 0, 0, 2)))
    def the_reader_greets(self, greeting: int) -> None:
        self.say(encode(reader_event(Parameter("ConnectionAttemptEvent", {"Status": greeting}), at_us=self.at_us)))

    @precondition(is_open)
    @rule(code=st.sampled_from((100, 109, 110, 205)), as_error=st.booleans())
    def the_reader_refuses(self, code: int, as_error: bool) -> None:
        frames, self.unheard = Framer().feed(self.unheard), b""
        for request in map(decode, frames):
            name = "ERROR_MESSAGE" if as_error else f"{request.name}_RESPONSE"
            fields = {"CurrentVersion": 1, "SupportedVersion": 2} if request.name == "GET_SUPPORTED_VERSION" else {}
            try:
                self.say(encode(Message(name, request.id, {} if as_error else fields, [status(code)])))
            except ReaderError:
                continue  # what has no response of its own

    @precondition(is_open)
    @rule(event=st.sampled_from(EVENTS), stamp=st.sampled_from(("UTCTimestamp", "Uptime")))
    def the_reader_tells(self, event: Parameter, stamp: str) -> None:
        self.say(encode(reader_event(event, stamp, self.at_us)))

    @precondition(is_open)
    @rule(kind=st.integers(0, 2))
    def the_inventory_begins_or_ends(self, kind: int) -> None:
        self.say(encode(rospec_event(self.session.rospec_id, kind)))

    @precondition(is_open)
    @rule(antenna=st.integers(0, 9), stamp=st.sampled_from(("UTC", "Uptime")), size=st.integers(1, 3))
    def tags_are_read(self, antenna: int, stamp: str, size: int) -> None:
        self.say(encode(report(bytes(12), self.at_us, antenna, stamp)) * size)

    @precondition(is_open)
    @rule(op=st.integers(1, 4), result=st.integers(0, 5))
    def tags_are_worked_on(self, op: int, result: int) -> None:
        done = Parameter("C1G2ReadOpSpecResult", {"Result": result % 4, "OpSpecID": op, "ReadData": [1, 2]})
        self.say(encode(report(bytes(12), self.at_us, more=(done,))))

    @precondition(is_open)
    @rule(
        message=messages(),
        at=st.integers(10, 300),
        byte=st.integers(0, 255),
        garbage=st.none() | st.binary(max_size=40),
    )
    def the_reader_says_anything(self, message: Message, at: int, byte: int, garbage: bytes | None) -> None:
        data = bytearray(encode(message))
        if at < len(data) and byte:
            data[at] = byte
        self.say(bytes(data) if garbage is None else garbage)

    @precondition(is_open)
    @rule(seconds=st.sampled_from((0.01, 0.4, 1.0, 2.9, 4.0)))
    def time_passes(self, seconds: float) -> None:
        self.now_s += seconds
        self.at_us += round(seconds * 1e6)
        self.settle(self.session.handle_timeout(self.now_s, self.at_us))

    @precondition(is_open)
    @rule()
    def the_next_deadline_comes(self) -> None:
        due_s = self.session.next_deadline_s()
        if due_s is not None:
            self.now_s = max(self.now_s, due_s)
            self.settle(self.session.handle_timeout(self.now_s, self.at_us))
            later_s = self.session.next_deadline_s()
            assert later_s is None or later_s > self.now_s, "a deadline that comes again at once is a busy loop"

    @precondition(is_open)
    @rule(high=st.booleans())
    def somebody_asks(self, high: bool) -> None:
        with contextlib.suppress(ReaderError):
            self.waiting.add(("ask", self.session.ask(requests.set_output(0, 1, high), self.now_s)))
        self.settle(self.session.take_events())

    @precondition(is_open)
    @rule(job=st.sampled_from(JOBS))
    def somebody_works_on_tags(self, job: AccessJob) -> None:
        with contextlib.suppress(ReaderError):
            self.waiting.add(("job", self.session.access(job, self.now_s)))
        self.settle(self.session.take_events())

    @precondition(is_open)
    @rule()
    def we_leave(self) -> None:
        self.session.close(self.now_s)
        self.settle(self.session.take_events())

    @rule(reboots=st.booleans(), turns=TURNS)
    def the_link_is_made_anew(self, reboots: bool, turns: int) -> None:
        self.settle(self.session.connection_lost("reset by peer"))
        assert self.session.closed
        if reboots:
            self.reader.reboot()
        self.connect(turns)

    @invariant()
    def it_has_a_deadline_or_is_closed(self) -> None:
        session = self.session
        assert (session.next_deadline_s() is None) is session.closed
        if session.closed:
            assert self.waiting == set()
            assert session.failure is None or isinstance(session.failure, ReaderError)
            self.unheard += session.data_to_send()
            self.say(encode(Message("KEEPALIVE", 1)))
            assert session.data_to_send() == b""


TestSessionMachine = SessionMachine.TestCase
TestSessionMachine.settings = settings(max_examples=120, stateful_step_count=50, deadline=None)
