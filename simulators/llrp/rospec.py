"""ROSpecs of a simulated reader: their states, their triggers, and the time in which one of them inventories.

    event              Disabled    Inactive             Active
    ENABLE             Inactive    -                    -
    DISABLE            -           Disabled             Disabled, ends
    START, trigger     refused     Active, starts       -
    STOP, stop trigger -           -                    Inactive, ends
    specs exhausted                                     Inactive, ends; an Immediate one starts again
    DELETE             gone        gone                 gone, ends
    a better one starts                                 Inactive, preempted; an Immediate one waits

(LLRP 1.0.1 §6, §10.1.) There is one radio: while one ROSpec is active only one of better priority (a lower number)
starts, and preempts it; an Immediate one waits for it, another trigger is missed. An active ROSpec works through its
AISpecs, each until its own stop trigger, and ends after the last or at its own stop trigger. Time is cut into windows:
`next_window` says what the radio does next, `observed` moves past it. Nothing here reads a clock.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Final

from readers.llrp.message import Parameter
from simulators.llrp.access import Access, filters_of
from simulators.llrp.clock import ReaderClock
from simulators.llrp.report import (
    ENDS_WITH_AISPEC,
    NO_ACCESS,
    RecordEncoder,
    ReportContent,
    ReportTrigger,
    TagBuffer,
)
from simulators.sighting import Sightings

US_PER_MS: Final = 1000

ROUND_US: Final = 5000
"""One inventory round: no duration or timeout of a client makes a spec shorter, however short it says."""

MAX_KEPT_RECORDS: Final = 66_000
"""Records kept of ended ROSpecs whose reports wait until the client asks; the oldest go first."""


class State(IntEnum):
    """ROSpecState."""

    DISABLED = 0
    INACTIVE = 1
    ACTIVE = 2


class Start(IntEnum):
    """ROSpecStartTriggerType."""

    NULL = 0
    IMMEDIATE = 1
    PERIODIC = 2
    GPI = 3


class Stop(IntEnum):
    """ROSpecStopTriggerType and AISpecStopTriggerType."""

    NULL = 0
    DURATION = 1
    GPI = 2
    TAG_OBSERVATION = 3


@dataclass(frozen=True, slots=True)
class Window:
    """The radio inventories through `antennas` in (from_us, to_us]. An empty set stands for all antennas."""

    antennas: frozenset[int]
    from_us: int
    to_us: int


@dataclass(slots=True)
class Run:
    """An active ROSpec: which AISpec is being worked on, since when, and what it has seen."""

    rospec: ROSpec
    started_us: int
    cursor_us: int
    buffer: TagBuffer
    spec: int = 0
    spec_started_us: int = 0
    seen: set[bytes] = field(default_factory=set)
    last_new_us: int = 0
    flushed_us: int = 0
    unreported: Callable[[], Sightings] | None = None
    """What passed and is in no report yet, where another than the buffer keeps it."""
    _filters: dict[int, dict[int, list[Parameter]]] = field(default_factory=dict)

    @property
    def ai_spec(self) -> Parameter:
        """The AISpec being worked on."""
        return self.rospec.specs[self.spec]

    @property
    def parameter_spec_id(self) -> int:
        """InventoryParameterSpecID of the AISpec being worked on."""
        return int(_inside(self.ai_spec, "InventoryParameterSpec").fields["InventoryParameterSpecID"])

    @property
    def observes(self) -> bool:
        """Whether the tags themselves may end the AISpec."""
        return _inside(self.ai_spec, "AISpecStopTrigger").find("TagObservationTrigger") is not None

    def filters(self) -> dict[int, list[Parameter]]:
        """Antenna → select filters of the AISpec being worked on."""
        found = self._filters.get(self.spec)
        if found is None:
            found = self._filters[self.spec] = filters_of(self.ai_spec)
        return found

    def report_due_us(self) -> int | None:
        """When a report goes out by time; None when that has passed or is not asked for."""
        due_us = self.flushed_us + self.rospec.content.period_us
        return due_us if due_us > self.cursor_us else None

    def rospec_due_us(self) -> int | None:
        """When the ROSpec's own stop trigger ends it; None when that has no time."""
        return _due_us(self.started_us, self.rospec.stop_trigger, "ROSpecStopTriggerType", "DurationTriggerValue")

    def ai_spec_due_us(self) -> int | None:
        """When the AISpec's stop trigger ends it; None when that has no time."""
        trigger = _inside(self.ai_spec, "AISpecStopTrigger")
        return _due_us(self.spec_started_us, trigger, "AISpecStopTriggerType", "DurationTrigger")

    def has_observed(self) -> bool:
        """Whether a TagObservationTrigger has seen what it waits for (types 0: N tags, 1: no new tag for T ms)."""
        trigger = _inside(self.ai_spec, "AISpecStopTrigger").find("TagObservationTrigger")
        if trigger is None:
            return False
        if trigger.fields["TriggerType"] == 0:
            return len(self.seen) >= int(trigger.fields["NumberOfTags"])
        return self.cursor_us - self.last_new_us >= int(trigger.fields["T"]) * US_PER_MS


@dataclass(slots=True)
class ROSpec:
    """One ROSpec as it was added, and its state."""

    parameter: Parameter
    content: ReportContent
    state: State = State.DISABLED
    next_start_us: int | None = None
    """When the periodic trigger starts it next."""

    @property
    def id(self) -> int:
        """ROSpecID."""
        return int(self.parameter.fields["ROSpecID"])

    @property
    def priority(self) -> int:
        """Priority: 0 is the best."""
        return int(self.parameter.fields["Priority"])

    @property
    def start_trigger(self) -> Parameter:
        """ROSpecStartTrigger."""
        return _inside(self.parameter, "ROBoundarySpec", "ROSpecStartTrigger")

    @property
    def stop_trigger(self) -> Parameter:
        """ROSpecStopTrigger."""
        return _inside(self.parameter, "ROBoundarySpec", "ROSpecStopTrigger")

    @property
    def starts(self) -> Start:
        """Its start trigger's type."""
        return Start(self.start_trigger.fields["ROSpecStartTriggerType"])

    @property
    def specs(self) -> list[Parameter]:
        """Its AISpecs, in the order in which they run."""
        return list(self.parameter.every("AISpec"))

    def described(self) -> Parameter:
        """The ROSpec as GET_ROSPECS shows it: as added, with its state now."""
        fields = self.parameter.fields | {"CurrentState": int(self.state)}
        return Parameter("ROSpec", fields, self.parameter.parameters)


def _inside(parameter: Parameter, *path: str) -> Parameter:
    for name in path:
        found = parameter.find(name)
        assert found is not None, name
        parameter = found
    return parameter


@dataclass(frozen=True, slots=True)
class Hooks:
    """What the reader does when an ROSpec starts, ends or is preempted, an AISpec ends, or records are ready."""

    started: Callable[[int, int], None]
    ended: Callable[[int, int], None]
    preempted: Callable[[int, int, int], None]
    spec_ended: Callable[[int, int, int], None]
    report: Callable[[list[bytes]], None]


class Radio:
    """The ROSpecs of one reader and the one radio they share. `flush_us`: how long a report without a limit waits.

    LLRP lets a report with N = 0 wait for the end of the ROSpec, which an inventory without end never reaches; like
    the vendors' readers this one then reports what it has each `flush_us`.
    """

    def __init__(self, hooks: Hooks, flush_us: int, clock: ReaderClock | None = None) -> None:
        self.rospecs: dict[int, ROSpec] = {}
        self._hooks = hooks
        self._flush_us = flush_us
        self._clock = clock or ReaderClock()
        self._run: Run | None = None
        self._free_from_us = 0
        """When the radio was last busy: a trigger before it was missed."""
        self._kept: deque[bytes] = deque(maxlen=MAX_KEPT_RECORDS)
        """Records of ended ROSpecs that report only when asked."""
        self._waiting: list[ROSpec] = []
        """Immediate ROSpecs that want the radio, the longest waiting first."""

    # --- what the client asks -----------------------------------------------------------------------------------

    def add(self, parameter: Parameter, content: ReportContent) -> None:
        """A new ROSpec, disabled; the caller has checked it."""
        rospec = ROSpec(parameter, content)
        self.rospecs[rospec.id] = rospec

    def enable(self, rospec: ROSpec, now_us: int) -> None:
        """Arm its start trigger; an Immediate one starts as soon as the radio is free."""
        if rospec.state is not State.DISABLED:
            return
        rospec.state = State.INACTIVE
        if rospec.starts is Start.PERIODIC:
            rospec.next_start_us = _first_start_us(rospec.start_trigger, now_us)
        elif rospec.starts is Start.IMMEDIATE:
            self._waiting.append(rospec)
            self._start_waiting(now_us)

    @property
    def active(self) -> Run | None:
        """The ROSpec at work."""
        return self._run

    def can_start(self, rospec: ROSpec) -> bool:
        """Whether it is enabled and may have the radio, or has it already."""
        return rospec.state is State.ACTIVE or (rospec.state is State.INACTIVE and self._yields_to(rospec))

    def _yields_to(self, rospec: ROSpec) -> bool:
        """Whether the radio is free for it, or busy with something of less priority."""
        return self._run is None or rospec.priority < self._run.rospec.priority

    def start(self, rospec: ROSpec, now_us: int) -> None:
        """Start it, if it is enabled and may have the radio."""
        if rospec.state is not State.INACTIVE or not self._yields_to(rospec):
            return
        if self._run is not None:
            self._preempt(self._run.rospec, rospec, now_us)
        if rospec in self._waiting:
            self._waiting.remove(rospec)
        rospec.state = State.ACTIVE
        buffer = TagBuffer(rospec.content, RecordEncoder(rospec.content, rospec.id, self._clock))
        self._run = Run(rospec, now_us, now_us, buffer, spec_started_us=now_us, last_new_us=now_us, flushed_us=now_us)
        self._hooks.started(rospec.id, now_us)

    def stop(self, rospec: ROSpec, now_us: int) -> None:
        """End it if it is active; an Immediate one stays ended."""
        if rospec in self._waiting:
            self._waiting.remove(rospec)
        self._end(rospec, now_us)
        self._start_waiting(now_us)

    def disable(self, rospec: ROSpec, now_us: int) -> None:
        """End it if it is active, and disarm its start trigger."""
        self.stop(rospec, now_us)
        rospec.state = State.DISABLED
        rospec.next_start_us = None

    def delete(self, rospec: ROSpec, now_us: int) -> None:
        """End it if it is active, and forget it."""
        self.disable(rospec, now_us)
        del self.rospecs[rospec.id]

    def take(self) -> list[bytes]:
        """GET_REPORT: the records of whatever waits, the oldest first."""
        self.settle()
        records = [*self._kept, *(self._run.buffer.flush() if self._run is not None else ())]
        self._kept.clear()
        return records

    def gpi_changed(self, port: int, high: bool, now_us: int) -> None:
        """A photo-eye: stop what it stops, then start what it starts."""
        run = self._run
        if run is not None:
            if _stops(run.rospec.stop_trigger, "ROSpecStopTriggerType", port, high):
                self._finish(run, now_us)
            elif _stops(_inside(run.ai_spec, "AISpecStopTrigger"), "AISpecStopTriggerType", port, high):
                self._end_spec(run, now_us)
        for rospec in self.rospecs.values():
            if rospec.starts is Start.GPI and _gpi_is(rospec.start_trigger, port, high):
                self.start(rospec, now_us)

    # --- what the radio does ------------------------------------------------------------------------------------

    def next_window(self, now_us: int) -> Window | None:
        """What the radio does next, up to `now_us` and to the next trigger; None when there is nothing until then."""
        self._pull_periodic_triggers(now_us)
        run = self._run
        if run is None or run.cursor_us >= now_us:
            return None
        dues = (now_us, run.cursor_us + self._flush_us, run.report_due_us(), run.rospec_due_us(), run.ai_spec_due_us())
        rivals = (other.next_start_us for other in self.rospecs.values() if self._yields_to(other))
        due_us = min(due for due in (*dues, *rivals) if due is not None)
        ports = frozenset(run.ai_spec.fields["AntennaIDs"])
        return Window(frozenset() if 0 in ports else ports, run.cursor_us, max(due_us, run.cursor_us + 1))

    def _pull_periodic_triggers(self, now_us: int) -> None:
        """Start what is due by `now_us`, in the triggers' order; one that finds the radio busy is missed."""
        while (due := self._next_due(now_us)) is not None:
            start_us, rospec = due
            if start_us >= self._free_from_us:
                self.start(rospec, start_us if self._run is None else max(start_us, self._run.cursor_us))
            missed_us = max(start_us, self._free_from_us - 1)
            rospec.next_start_us = _next_start_us(rospec.start_trigger, start_us, missed_us)

    def _next_due(self, now_us: int) -> tuple[int, ROSpec] | None:
        """The first periodic trigger due by now, or while the radio is busy by what it has done, that it yields to."""
        by_us = now_us if self._run is None else self._run.cursor_us
        due = [
            (at_us, rospec)
            for rospec in self.rospecs.values()
            if (at_us := rospec.next_start_us) is not None and at_us <= by_us and self._yields_to(rospec)
        ]
        return min(due, key=lambda trigger: trigger[0], default=None)

    def observed(
        self,
        window: Window,
        sightings: Sightings,
        accesses: Mapping[int, Access] = NO_ACCESS,
        *,
        reports_access_at_once: bool = False,
    ) -> None:
        """Take what the window saw, and what was done to the tags, by row; then move past it."""
        run = self._run
        assert run is not None
        self._take(run, sightings, accesses)
        if accesses and reports_access_at_once:
            self._report(run.buffer)
        if not run.seen.issuperset(sightings.epcs):
            run.seen.update(sightings.epcs)
            run.last_new_us = window.to_us
        self.passed(window)

    def _take(self, run: Run, sightings: Sightings, accesses: Mapping[int, Access] = NO_ACCESS) -> None:
        for records in run.buffer.add(sightings, run.spec + 1, run.parameter_spec_id, accesses):
            self._hooks.report(records)

    def settle(self) -> None:
        """Let the buffer have what another kept for the active ROSpec."""
        run = self._run
        if run is not None and run.unreported is not None:
            unreported, run.unreported = run.unreported, None
            self._take(run, unreported())

    def passed(self, window: Window) -> None:
        """Move past a window whose sightings are dealt with: report what is due, end what has come to its end."""
        run = self._run
        assert run is not None
        run.cursor_us = now_us = window.to_us
        content = run.rospec.content
        period_us = content.period_us or self._flush_us
        if content.every_n == 0 and content.trigger and now_us - run.flushed_us >= period_us:
            run.flushed_us = now_us
            self._report(run.buffer)
        rospec_due_us, ai_spec_due_us = run.rospec_due_us(), run.ai_spec_due_us()
        if rospec_due_us is not None and now_us >= rospec_due_us:
            self._finish(run, now_us)
        elif (ai_spec_due_us is not None and now_us >= ai_spec_due_us) or run.has_observed():
            self._end_spec(run, now_us)

    def skip(self, now_us: int) -> None:
        """Time passed in which nobody listened: this radio does not inventory for nobody."""
        self._free_from_us = max(self._free_from_us, now_us)
        if self._run is not None:
            self._run.cursor_us = max(self._run.cursor_us, now_us)

    def _end_spec(self, run: Run, now_us: int) -> None:
        """The AISpec is over: the next one, or the end of the ROSpec."""
        self.settle()
        if run.rospec.content.trigger in ENDS_WITH_AISPEC:
            self._report(run.buffer)
        self._hooks.spec_ended(run.rospec.id, run.spec + 1, now_us)
        run.spec_started_us = run.last_new_us = now_us
        run.seen.clear()
        if run.spec + 1 == len(run.rospec.specs):
            self._finish(run, now_us)
        else:
            run.spec += 1

    def _finish(self, run: Run, now_us: int) -> None:
        """The ROSpec ran out by itself. One that starts immediately does so again, after any other that waits."""
        self._end(run.rospec, now_us)
        if run.rospec.starts is Start.IMMEDIATE:
            self._waiting.append(run.rospec)
        self._start_waiting(now_us)

    def _preempt(self, rospec: ROSpec, by: ROSpec, now_us: int) -> None:
        """The active one makes way; an Immediate one waits to have the radio back."""
        self._release(now_us)
        if rospec.starts is Start.IMMEDIATE:
            self._waiting.insert(0, rospec)
        self._hooks.preempted(rospec.id, by.id, now_us)

    def _end(self, rospec: ROSpec, now_us: int) -> None:
        """What it saw and has not reported goes out, then the word that it ended."""
        if self._run is not None and self._run.rospec is rospec:
            self._release(now_us)
            self._hooks.ended(rospec.id, now_us)

    def _release(self, now_us: int) -> None:
        """The active ROSpec gives up the radio; what it has not reported yet goes out, or is kept until asked for."""
        self.settle()
        run = self._run
        assert run is not None
        rospec = run.rospec
        self._run = None
        self._free_from_us = now_us
        rospec.state = State.INACTIVE
        if rospec.content.trigger == ReportTrigger.NONE:
            self._kept.extend(run.buffer.flush())
        else:
            self._report(run.buffer)

    def _start_waiting(self, now_us: int) -> None:
        """The best of those that wait, the longest waiting first, if it may have the radio."""
        if self._waiting:
            self.start(min(self._waiting, key=lambda rospec: rospec.priority), now_us)

    def _report(self, buffer: TagBuffer) -> None:
        records = buffer.flush()
        if records:
            self._hooks.report(records)


def _due_us(start_us: int, trigger: Parameter, type_field: str, duration_field: str) -> int | None:
    """When a stop trigger's duration, or the timeout of its GPI or tag observation, runs out (0 never does)."""
    kind = trigger.fields[type_field]
    if kind == Stop.DURATION:
        return start_us + max(ROUND_US, int(trigger.fields[duration_field]) * US_PER_MS)
    inner = trigger.find("GPITriggerValue" if kind == Stop.GPI else "TagObservationTrigger")
    if kind == Stop.NULL or inner is None or not inner.fields["Timeout"]:
        return None
    return start_us + max(ROUND_US, int(inner.fields["Timeout"]) * US_PER_MS)


def _stops(trigger: Parameter, type_field: str, port: int, high: bool) -> bool:
    return bool(trigger.fields[type_field] == Stop.GPI) and _gpi_is(trigger, port, high)


def _gpi_is(trigger: Parameter, port: int, high: bool) -> bool:
    value = trigger.find("GPITriggerValue")
    return value is not None and bool(value.fields["GPIPortNum"] == port and value.fields["GPIEvent"] == high)


def _first_start_us(trigger: Parameter, now_us: int) -> int:
    """A periodic trigger: the offset counts from its UTC time, or from the moment it was enabled."""
    periodic = _inside(trigger, "PeriodicTriggerValue")
    utc = periodic.find("UTCTimestamp")
    base_us = int(utc.fields["Microseconds"]) if utc else now_us
    first_us = base_us + int(periodic.fields["Offset"]) * US_PER_MS
    if first_us >= now_us:
        return first_us
    return _next_start_us(trigger, first_us, now_us - 1) or now_us


def _next_start_us(trigger: Parameter, started_us: int, now_us: int) -> int | None:
    """The first period's beginning after `now_us`; a period of 0 means once."""
    period_us = int(_inside(trigger, "PeriodicTriggerValue").fields["Period"]) * US_PER_MS
    if period_us == 0:
        return None
    return started_us + ((now_us - started_us) // period_us + 1) * period_us
