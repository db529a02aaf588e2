"""Work on tags: read, write, lock, kill, block-write and erase their memory, as LLRP's AccessSpecs.

An AccessSpec rests on the reader until a running inventory meets a tag that it matches; its results come inside that
tag's report. One job at a time is under way, the others wait in order:

    stage      asks                 success          refused
    ADDING     ADD_ACCESSSPEC       ENABLING         DELETING
    ENABLING   ENABLE_ACCESSSPEC    WORKING          DELETING
    WORKING    nothing: reports     DELETING once `tags` tags were worked on, or after `timeout_s`
    DELETING   DELETE_ACCESSSPEC    done             done: the reader deleted it by its own count

The AccessSpec carries the count too, so that a reader that lost us works on no more tags than asked; its number is
fixed, and the session deletes what an earlier connection left before anything else. Results are known by the OpSpec
numbers, which no two jobs of a connection share. Pure: requests go out through `ask`, time comes in.

Units: memory is addressed in 16-bit words, masks in bits. Source: LLRP 1.0.1 §11, §15.2.1.2; Gen2 §6.3.2.1.
"""

from __future__ import annotations

import contextlib
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import IntEnum, StrEnum
from typing import Any, ClassVar, Final

from readers.errors import DecodeError, EncodeError, ReaderError
from readers.llrp.codec import HEADER, TLV_HEADER, decode
from readers.llrp.exchange import Answer
from readers.llrp.message import Message, Parameter
from readers.llrp.requests import ACCESS_SPEC_ID, access_spec_request
from readers.llrp.table import ENUMERATIONS

RO_ACCESS_REPORT: Final = 61
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


class Bank(IntEnum):
    """Gen2 memory banks."""

    RESERVED = 0
    EPC = 1
    TID = 2
    USER = 3


class LockField(IntEnum):
    """C1G2LockDataField."""

    KILL_PASSWORD = 0
    ACCESS_PASSWORD = 1
    EPC = 2
    TID = 3
    USER = 4


class Privilege(IntEnum):
    """C1G2LockPrivilege: lock (writing needs the password), for ever, open for ever, or unlock."""

    LOCK = 0
    PERMA_LOCK = 1
    PERMA_UNLOCK = 2
    UNLOCK = 3


@dataclass(frozen=True, slots=True)
class TagMask:
    """Which tags: those whose `bank` from bit `pointer` on begins with `data`. Empty data matches every tag."""

    data: bytes = b""
    bank: Bank = Bank.EPC
    pointer: int = 0x20
    """EPC memory starts with CRC and PC words; the EPC itself begins at bit 20h."""

    def parameter(self) -> Parameter:
        """As C1G2TargetTag: every bit of the data counts."""
        bits = 8 * len(self.data)
        fields = {
            "MB": int(self.bank),
            "Match": True,
            "Pointer": self.pointer,
            "TagMask": b"\xff" * len(self.data),
            "TagMaskLengthBits": bits,
            "TagData": self.data,
            "TagDataLengthBits": bits,
        }
        return Parameter("C1G2TargetTag", fields)


def _words(data: bytes) -> list[int]:
    if not data or len(data) % 2:
        raise EncodeError(f"{len(data)} bytes to write: tag memory is written in whole words of two bytes")
    return [int.from_bytes(data[at : at + 2], "big") for at in range(0, len(data), 2)]


@dataclass(frozen=True, slots=True)
class Read:
    """Read `count` words; 0 reads the bank to its end."""

    name: ClassVar[str] = "C1G2Read"
    bank: Bank
    word: int = 0
    count: int = 0
    password: int = 0

    def fields(self) -> dict[str, Any]:
        """As LLRP names them."""
        memory = {"MB": int(self.bank), "WordPointer": self.word, "WordCount": self.count}
        return {"AccessPassword": self.password, **memory}


@dataclass(frozen=True, slots=True)
class Write:
    """Write whole words, one by one."""

    name: ClassVar[str] = "C1G2Write"
    bank: Bank
    word: int
    data: bytes
    password: int = 0

    def fields(self) -> dict[str, Any]:
        """As LLRP names them. Raises EncodeError for half a word."""
        memory = {"MB": int(self.bank), "WordPointer": self.word, "WriteData": _words(self.data)}
        return {"AccessPassword": self.password, **memory}


@dataclass(frozen=True, slots=True)
class BlockWrite(Write):
    """Write several words in one go; not every tag and reader can."""

    name: ClassVar[str] = "C1G2BlockWrite"


@dataclass(frozen=True, slots=True)
class BlockErase(Read):
    """Set `count` words to zero; not every tag and reader can."""

    name: ClassVar[str] = "C1G2BlockErase"


@dataclass(frozen=True, slots=True)
class Lock:
    """Change who may write one part of the memory (and read it, for passwords)."""

    name: ClassVar[str] = "C1G2Lock"
    what: LockField
    privilege: Privilege
    password: int = 0

    def fields(self) -> dict[str, Any]:
        """As LLRP names them."""
        return {"AccessPassword": self.password}


@dataclass(frozen=True, slots=True)
class Kill:
    """Silence the tag for ever. Its kill password must not be 0."""

    name: ClassVar[str] = "C1G2Kill"
    password: int

    def fields(self) -> dict[str, Any]:
        """As LLRP names them."""
        return {"KillPassword": self.password}


Operation = Read | Write | BlockWrite | BlockErase | Lock | Kill


@dataclass(frozen=True, slots=True)
class AccessJob:
    """Carry out `operations`, in order, on `tags` tags that match, within `timeout_s` of the inventory's time.

    `antenna` 0 stands for all of them. Raises EncodeError for what cannot be asked.
    """

    operations: tuple[Operation, ...]
    target: TagMask = field(default_factory=TagMask)
    antenna: int = 0
    tags: int = 1
    timeout_s: float = 5.0

    def __post_init__(self) -> None:
        if not self.operations or self.tags < 1 or self.timeout_s <= 0:
            raise EncodeError("an access job needs operations, at least one tag and some time")


@dataclass(frozen=True, slots=True)
class OperationResult:
    """How one operation went: LLRP's word for it, what was read, how many words were written."""

    operation: Operation
    result: str
    data: bytes = b""
    words_written: int = 0

    @property
    def ok(self) -> bool:
        """Whether the tag did it."""
        return self.result == "Success"


@dataclass(frozen=True, slots=True)
class TagAccess:
    """What was done to one tag. `epc` is the one it answered with: the old one, where a job wrote a new one."""

    epc: bytes
    antenna: int
    results: tuple[OperationResult, ...]

    @property
    def ok(self) -> bool:
        """Whether every operation succeeded."""
        return all(result.ok for result in self.results)


@dataclass(frozen=True, slots=True)
class AccessOutcome:
    """The end of a job. `timed_out`: fewer tags came than asked for. `error` says what ended it, if not the job itself;
    `accesses` is then what is known to have been done.
    """

    job_id: int
    accesses: tuple[TagAccess, ...]
    timed_out: bool = False
    error: ReaderError | None = None


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


class AccessDesk:
    """The access jobs of one session. `ask` sends a request and returns its id; its answer comes to `answered`."""

    def __init__(self, ask: Callable[[Message], int]) -> None:
        self._ask = ask
        self._waiting: deque[tuple[int, AccessJob]] = deque()
        self._run: _Run | None = None
        self._last_number = 0
        self._last_op = 0
        self._outcomes: list[AccessOutcome] = []

    @property
    def is_working(self) -> bool:
        """Whether reports may hold results."""
        return self._run is not None and self._run.stage is Stage.WORKING

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
            if access is not None and run.stage is Stage.WORKING:
                run.accesses.append(access)
                if len(run.accesses) >= run.job.tags:
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
            self._outcomes.append(AccessOutcome(run.number, tuple(run.accesses), error=run.error or error))
        while self._waiting:
            self._outcomes.append(AccessOutcome(self._waiting.popleft()[0], (), error=error))

    def take_outcomes(self) -> list[AccessOutcome]:
        """What ended since the last call."""
        outcomes, self._outcomes = self._outcomes, []
        return outcomes

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
        if stage is Stage.WORKING:
            run.due_s = now_s + run.job.timeout_s
            return
        request = _add(run) if stage is Stage.ADDING else access_spec_request(ASKS[stage], 0)
        try:
            run.asked_id = self._ask(request)
        except EncodeError as error:
            run.error = error
            self._finish(now_s)

    def _finish(self, now_s: float) -> None:
        run, self._run = self._run, None
        assert run is not None, "only a run ends"
        self._outcomes.append(AccessOutcome(run.number, tuple(run.accesses), run.timed_out, run.error))
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
