"""What a connection delivers of its reader, in the order in which it came: reads, inputs, antennas, complaints.

Reads that came before an event are handed on before it, and reads without an event between them as one batch. Times
are the reader's, in UTC: one without a clock gives uptime (uptime.py), for one that gives none the arrival counts.
What there is to complain of before the reader is set up is told right after that: a reader that connects has a clean
record with the operator, and this belongs to the new one.

Pure: `now_s` is any monotonic clock, `at_us` the gateway's UTC in microseconds, both set by `at`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final, Literal

import numpy as np

from readers.errors import DecodeError
from readers.llrp.antennas import Antennas
from readers.llrp.message import Message, Parameter
from readers.llrp.report import ReportDecoder
from readers.llrp.uptime import UptimeClock
from readers.read import GpiChange, ReadBatch, ReaderEvent, ReaderNotice, ReaderState, Reads, join_reads

NOTICE_EVERY_S: Final = 60.0
"""The same complaint of a reader is passed on no more often: each becomes an event in the journal."""

MAX_NOTICES: Final = 100
"""Complaints remembered, so that a reader with ever new words costs no memory."""

CLOCK_TOLERANCE_US: Final = 60_000_000
"""A reader whose clock is further off in its greeting was never set: its reads would be judged at a wrong time."""

LOW: Final = 0
HIGH: Final = 1
"""GPIPortState; 2 is unknown."""


@dataclass(slots=True)
class Memory:
    """What a driver knows of its reader from one connection to the next."""

    version_losses: int = 0
    """Connections in a row that ended, or fell silent, over LLRP 1.1."""
    inputs: dict[int, bool] = field(default_factory=dict)
    """Levels of inputs (GPI port → high) as last heard."""
    lost_antennas: frozenset[int] | None = None
    """What the operator was last told; None before anything was."""
    noticed_s: dict[tuple[str, str], float] = field(default_factory=dict)
    """Complaints (kind, detail) since the reader was last set up, and when they were last passed on."""


class Delivery:
    """The reader's side of one connection. `is_on`: its antennas have been said to be on."""

    def __init__(self, reader: str, antennas: Antennas, reports: ReportDecoder, memory: Memory, now_s: float) -> None:
        self.is_on = False
        self.antennas: Antennas = antennas
        self._reader = reader
        self._reports = reports
        reports.reset()
        self._memory = memory
        self._uptime: UptimeClock | None = None
        self._now_s, self._at_us = now_s, 0
        self._reads: list[Reads] = []
        self._events: list[ReaderEvent] = []
        self._withheld: list[ReaderNotice] = []
        self._is_set_up = False

    def at(self, now_s: float, at_us: int) -> None:
        """What follows happens now."""
        self._now_s, self._at_us = now_s, at_us

    def take(self) -> list[ReaderEvent]:
        """Everything since the last call."""
        self._gather_reads()
        events, self._events = self._events, []
        return events

    # --- reads --------------------------------------------------------------------------------------------------------

    def decode(self, frames: list[bytes]) -> tuple[Reads, dict[int, DecodeError]]:
        """The reads of reports that came together, for `add`, and why some gave none, by their place."""
        reads, faults = self._reports.decode_all(frames)
        newest_us = int(reads["at_us"].max()) if self._uptime is not None and len(reads) else 0
        if self._uptime is not None and newest_us:
            was_us = self._uptime.offset_us
            moved_us = self._uptime.observe(newest_us - was_us, self._at_us) - was_us
            if moved_us:
                self._reports.uptime_offset_us = self._uptime.offset_us
                reads["at_us"] += moved_us
                reads["first_at_us"] += moved_us
        return reads, faults

    def add(self, reads: Reads) -> None:
        """Deliver reads."""
        self._reads.append(reads)

    def _gather_reads(self) -> None:
        if not self._reads:
            return
        reads = self._reads[0] if len(self._reads) == 1 else join_reads(self._reads)
        self._reads = []
        if not len(reads):
            return
        if not reads["at_us"].all():
            unstamped = reads["at_us"] == 0
            reads["at_us"][unstamped] = reads["first_at_us"][unstamped] = self._at_us
        if self.antennas.lost:
            for port in self.antennas.lost.intersection(np.unique(reads["antenna"]).tolist()):
                self.antennas.note(port, True)
            self.tell_antennas()
        self._events.append(ReadBatch(self._reader, reads, self._at_us))

    # --- events -------------------------------------------------------------------------------------------------------

    def time_of(self, data: Parameter) -> int:
        """When a ReaderEventNotificationData happened, in UTC."""
        utc = data.find("UTCTimestamp")
        if utc is not None:
            return int(utc.fields["Microseconds"])
        uptime = data.find("Uptime")
        if uptime is None:
            return self._at_us
        if self._uptime is None:
            self._uptime = UptimeClock()
        uptime_us = int(uptime.fields["Microseconds"])
        self._reports.uptime_offset_us = self._uptime.observe(uptime_us, self._at_us)
        return uptime_us + self._uptime.offset_us

    def check_clock(self, greeted_us: int) -> None:
        """The greeting is never held back: its time is the reader's now."""
        off_us = greeted_us - self._at_us
        if abs(off_us) > CLOCK_TOLERANCE_US:
            self.notice("fault", f"the reader's clock is {off_us / 1e6:+.0f} s off: set it, or its time server")

    def take_event(self, parameter: Parameter, event_us: int) -> None:
        """An event about the reader itself; those about the connection and its ROSpecs are the session's."""
        fields = parameter.fields
        match parameter.name:
            case "AntennaEvent":
                self.antennas.note(fields["AntennaID"], bool(fields["EventType"]))
                self.tell_antennas()
            case "GPIEvent":
                self._memory.inputs[fields["GPIPortNumber"]] = bool(fields["GPIEvent"])
                self._pass_on(GpiChange(self._reader, fields["GPIPortNumber"], bool(fields["GPIEvent"]), event_us))
            case "ReaderExceptionEvent":
                self.notice("fault", f"the reader reports: {fields['Message']}")
            case "ReportBufferLevelWarningEvent":
                self.notice("overflow", f"the reader's report buffer is {fields['ReportBufferPercentageFull']} % full")
            case "ReportBufferOverflowErrorEvent":
                self.notice("overflow", "the reader's report buffer overflowed; reads are lost")

    def take_inputs(self, message: Message) -> None:
        """An input that changed while we were away changed now, as far as we know."""
        for state in message.every("GPIPortCurrentState"):
            port, level = state.fields["GPIPortNum"], state.fields["State"]
            if level not in (LOW, HIGH):
                continue
            was = self._memory.inputs.get(port)
            self._memory.inputs[port] = level == HIGH
            if was is not None and was is not self._memory.inputs[port]:
                self._pass_on(GpiChange(self._reader, port, level == HIGH, self._at_us))

    def take_antennas(self, message: Message) -> None:
        """Which antennas are connected now; a reader that names none says nothing of them."""
        listed = list(message.every("AntennaProperties"))
        for properties in listed:
            self.antennas.note(properties.fields["AntennaID"], bool(properties.fields["AntennaConnected"]))
        if listed:
            self.tell_antennas()

    def tell_antennas(self) -> None:
        """Say what changed, to the operator and to what counts the time in which an antenna was on."""
        news = self.antennas.news()
        if news is None:
            return
        self._memory.lost_antennas = self.antennas.lost
        self._tell(ReaderNotice(self._reader, news.kind, news.detail, self._at_us))
        if self.is_on:
            self.say_on(news.detail)

    def say_on(self, detail: str) -> None:
        """The antennas see from now on: those that are connected. A reader without any is well, but idle."""
        self.is_on = True
        seeing = self.antennas.seeing
        self._say(ReaderState(self._reader, seeing, self._at_us, detail, idle=not seeing))

    def say_off(self, detail: str, idle: bool = False) -> None:
        """The antennas see no more."""
        self.is_on = False
        self._say(ReaderState(self._reader, frozenset(), self._at_us, detail, idle))

    def notice(self, kind: Literal["overflow", "fault"], detail: str) -> None:
        """Tell the operator; the same again only after a while."""
        self._tell(ReaderNotice(self._reader, kind, detail, self._at_us))

    def release(self) -> None:
        """Tell what was kept back: the reader is set up, or never will be on this connection."""
        withheld, self._withheld = self._withheld, []
        self._is_set_up = True
        for notice in withheld:
            self._tell(notice)

    def _say(self, state: ReaderState) -> None:
        self._pass_on(state)
        if not self._is_set_up:
            self._memory.noticed_s.clear()
            self.release()

    def _tell(self, notice: ReaderNotice) -> None:
        if not self._is_set_up:
            if len(self._withheld) < MAX_NOTICES:
                self._withheld.append(notice)
            return
        noticed_s, key = self._memory.noticed_s, (notice.kind, notice.detail)
        if notice.kind in ("overflow", "fault"):
            said_s = noticed_s.get(key)
            if said_s is not None and self._now_s - said_s < NOTICE_EVERY_S:
                return
            if len(noticed_s) >= MAX_NOTICES:
                noticed_s.clear()
            noticed_s[key] = self._now_s
        self._pass_on(notice)

    def _pass_on(self, event: ReaderEvent) -> None:
        self._gather_reads()
        self._events.append(event)
