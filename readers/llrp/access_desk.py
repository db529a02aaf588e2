"""Carries access jobs out, as LLRP's AccessSpecs. Pure: requests go out through `ask`, time comes in.

An AccessSpec rests on the reader until a running inventory meets a tag that it matches; its results come inside that
tag's report. One job at a time is under way, the others wait in order:

    stage      asks                 success          refused
    ADDING     ADD_ACCESSSPEC       ENABLING         DELETING
    ENABLING   ENABLE_ACCESSSPEC    WORKING          DELETING
    WORKING    nothing: reports     DELETING once `tags` tags were worked on, or after `timeout_s`
    DELETING   DELETE_ACCESSSPEC    done             done: the reader deleted it by its own count

The AccessSpec carries the count too, so that a reader that lost us works on no more tags than asked; its number is
fixed, and the session deletes what an earlier connection left before anything else. Results are known by the OpSpec
numbers, which no two jobs of a connection share.
"""

from __future__ import annotations

import contextlib
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

from readers.errors import DecodeError, EncodeError, ReaderError
from readers.llrp.access import AccessJob, AccessOutcome, Lock, Operation, OperationResult, TagAccess
from readers.llrp.codec import HEADER, TLV_HEADER, decode
from readers.llrp.exchange import Answer
from readers.llrp.message import Message, Parameter
from readers.llrp.requests import ACCESS_SPEC_ID, access_spec_request
from readers.llrp.table import ENUMERATIONS

TAG_REPORT_DATA: Final = 240

MAX_WAITING_JOBS: Final = 1000
"""Jobs that may wait for the one under way: an encoder prepares a reel, not a year."""

MAX_OP_SPEC_ID: Final = 0xFFFF

RESULTS: Final[Mapping[str, str]] = {
    "C1G2ReadOpSpecResult": "C1G2ReadResultType",
    "C1G2WriteOpSpecResult": "C1G2WriteResultType",
    "C1G2KillOpSpecResult": "C1G2KillResultType",
    "C1G2LockOpSpecResult": "C1G2LockResultType",
    "C1G2BlockEraseOpSpecResult": "C1G2BlockEraseResultType",
    "C1G2BlockWriteOpSpecResult": "C1G2BlockWriteResultType",
}
"""Result parameter → the enumeration that says how it went."""


class Stage(StrEnum):
    """Where the job under way stands."""

    ADDING = "adding"
    ENABLING = "enabling"
    WORKING = "working"
    DELETING = "deleting"


ASKS: Final[Mapping[Stage, str]] = {
    Stage.ENABLING: "ENABLE_ACCESSSPEC",
    Stage.DELETING: "DELETE_ACCESSSPEC",
}

THEN: Final[Mapping[Stage, Stage]] = {Stage.ADDING: Stage.ENABLING, Stage.ENABLING: Stage.WORKING}


@dataclass(slots=True)
class _Run:
    """The job under way."""

    number: int
    job: AccessJob
    operations: dict[int, Operation]
    """By OpSpecID."""
    stage: Stage = Stage.ADDING
    asked_id: int = 0
    due_s: float | None = None
    accesses: list[TagAccess] = field(default_factory=list)
    timed_out: bool = False
    error: ReaderError | None = None

    @property
    def is_done(self) -> bool:
        """Whether as many tags were worked on as the job wants."""
        return len(self.accesses) >= self.job.tags


class AccessDesk:
    """The access jobs of one session. `ask` sends a request and returns its id; its answer comes to `answered`. Each
    job's outcome goes to `tell`, once.
    """

    def __init__(self, ask: Callable[[Message], int], tell: Callable[[AccessOutcome], None]) -> None:
        self._ask = ask
        self._tell = tell
        self._waiting: deque[tuple[int, AccessJob]] = deque()
        self._run: _Run | None = None
        self._last_number = 0
        self._last_op = 0

    @property
    def is_working(self) -> bool:
        """Whether reports may hold results: a reader may be quicker than its own answer, or than our deletion."""
        return self._run is not None and self._run.stage is not Stage.ADDING

    @property
    def asked_id(self) -> int:
        """The request of ours that waits for its answer; 0 if none does."""
        return self._run.asked_id if self._run is not None else 0

    @property
    def due_s(self) -> float | None:
        """When the job under way has had its time."""
        return self._run.due_s if self._run is not None else None

    def submit(self, job: AccessJob, now_s: float) -> int:
        """Take a job; returns its number. Raises EncodeError for one that cannot be asked, or too many."""
        if len(self._waiting) >= MAX_WAITING_JOBS:
            raise EncodeError(f"{MAX_WAITING_JOBS} access jobs wait already")
        for operation in job.operations:
            operation.fields()
        self._last_number += 1
        self._waiting.append((self._last_number, job))
        self._begin(now_s)
        return self._last_number

    def answered(self, answer: Answer, now_s: float) -> bool:
        """Whether this was the answer to a request of ours; the job then goes on."""
        run = self._run
        if run is None or answer.request_id != run.asked_id:
            return False
        if run.stage is Stage.DELETING:
            self._finish(now_s)
        elif answer.error is not None:
            run.error = answer.error
            self._enter(Stage.DELETING, now_s)
        else:
            self._enter(THEN[run.stage], now_s)
        return True

    def take_report(self, frame: bytes, now_s: float) -> None:
        """Look for results in an RO_ACCESS_REPORT that has been found sound."""
        run = self._run
        if run is None:
            return
        for record in _records(frame):
            access = _access_of(record, run.operations)
            if access is not None:
                run.accesses.append(access)
        if run.stage is Stage.WORKING and run.is_done:
            self._enter(Stage.DELETING, now_s)

    def time_passed(self, now_s: float) -> None:
        """The job under way may have had its time."""
        run = self._run
        if run is not None and run.due_s is not None and run.due_s <= now_s:
            run.timed_out = True
            self._enter(Stage.DELETING, now_s)

    def abandon(self, error: ReaderError) -> None:
        """The session is over: every job ends with `error`."""
        if self._run is not None:
            run, self._run = self._run, None
            self._tell(AccessOutcome(run.number, tuple(run.accesses), error=run.error or error))
        while self._waiting:
            self._tell(AccessOutcome(self._waiting.popleft()[0], (), error=error))

    def _begin(self, now_s: float) -> None:
        if self._run is not None or not self._waiting:
            return
        number, job = self._waiting.popleft()
        operations = {}
        for operation in job.operations:
            self._last_op = self._last_op % MAX_OP_SPEC_ID + 1
            operations[self._last_op] = operation
        self._run = _Run(number, job, operations)
        self._enter(Stage.ADDING, now_s)

    def _enter(self, stage: Stage, now_s: float) -> None:
        run = self._run
        assert run is not None, "only a run has stages"
        run.stage, run.due_s = stage, None
        if stage is Stage.WORKING and not run.is_done:
            run.due_s = now_s + run.job.timeout_s
            return
        if stage is Stage.WORKING:
            run.stage = stage = Stage.DELETING
        request = _add(run) if stage is Stage.ADDING else access_spec_request(ASKS[stage], 0)
        try:
            run.asked_id = self._ask(request)
        except EncodeError as error:
            run.error = error
            self._finish(now_s)

    def _finish(self, now_s: float) -> None:
        run, self._run = self._run, None
        assert run is not None, "only a run ends"
        timed_out = run.timed_out and not run.is_done
        self._tell(AccessOutcome(run.number, tuple(run.accesses), timed_out, run.error))
        self._begin(now_s)


def _add(run: _Run) -> Message:
    job = run.job
    operations = []
    for number, operation in run.operations.items():
        parameter = Parameter(operation.name, {"OpSpecID": number, **operation.fields()})
        if isinstance(operation, Lock):
            payload = {"Privilege": int(operation.privilege), "DataField": int(operation.what)}
            parameter.parameters.append(Parameter("C1G2LockPayload", payload))
        operations.append(parameter)
    stop = {"AccessSpecStopTrigger": 1, "OperationCountValue": job.tags}
    command = [Parameter("C1G2TagSpec", {}, [job.target.parameter()]), *operations]
    fields = {
        "AccessSpecID": ACCESS_SPEC_ID,
        "AntennaID": job.antenna,
        "ProtocolID": 1,
        "CurrentState": False,
        "ROSpecID": 0,
    }
    parts = [Parameter("AccessSpecStopTrigger", stop), Parameter("AccessCommand", {}, command)]
    return Message("ADD_ACCESSSPEC", 0, {}, [Parameter("AccessSpec", fields, parts)])


def _records(frame: bytes) -> Iterator[Parameter]:
    """The TagReportData of a sound report, one at a time: a record that the strict codec refuses costs only itself."""
    at = HEADER.size
    word = HEADER.unpack_from(frame)[0]
    while at + TLV_HEADER.size <= len(frame):
        kind, length = TLV_HEADER.unpack_from(frame, at)
        if length < TLV_HEADER.size:
            return
        if kind == TAG_REPORT_DATA:
            record = HEADER.pack(word, HEADER.size + length, 0) + frame[at : at + length]
            with contextlib.suppress(DecodeError):  # the read itself was taken; results in an unknown form are nobody's
                yield decode(record).parameters[0]
        at += length


def _access_of(record: Parameter, operations: Mapping[int, Operation]) -> TagAccess | None:
    results = [
        _result_of(parameter, operations[parameter.fields["OpSpecID"]])
        for parameter in record.parameters
        if parameter.name in RESULTS and parameter.fields["OpSpecID"] in operations
    ]
    if not results:
        return None
    epc = record.parameters[0].fields["EPC"]
    antenna = record.find("AntennaID")
    return TagAccess(epc, antenna.fields["AntennaID"] if antenna else 0, tuple(results))


def _result_of(parameter: Parameter, operation: Operation) -> OperationResult:
    value = parameter.fields["Result"]
    label = ENUMERATIONS[RESULTS[parameter.name]].get(value, f"result {value}")
    data = b"".join(word.to_bytes(2, "big") for word in parameter.fields.get("ReadData", ()))
    return OperationResult(operation, label, data, parameter.fields.get("NumWordsWritten", 0))
