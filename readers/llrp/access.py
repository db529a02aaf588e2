"""Work on tags, as values: what to do (read, write, lock, kill, block-write, erase), to which tags, and how it went.

Units: memory is addressed in 16-bit words, masks in bits. Source: LLRP 1.0.1 §11, §15.2.1.2; Gen2 §6.3.2.1.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import IntEnum
from typing import Any, ClassVar

from readers.errors import EncodeError, ReaderError
from readers.llrp.message import Parameter


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
