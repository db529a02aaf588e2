"""AccessSpecs at work: which tag one is meant for, what its operations do to the tag, and the results (LLRP 1.0.1 §11).

For each tag that is singulated the enabled AccessSpec with the lowest id that fits ROSpec, antenna and tag is carried
out, operation by operation; an AccessSpec with an operation count is deleted after so many executions. Gen2 select
filters of an inventory command are matched here too: both compare bits of a bank with a mask.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from readers.llrp.message import Parameter
from simulators.sighting import Sightings
from simulators.tag_memory import Field, Lock, Refused, TagMemories, TagMemory, TagRefusedError

OPERATION_COUNT: Final = 1
"""AccessSpecStopTriggerType: delete it after so many executions."""

READ_RESULT: Final = 349
WRITE_RESULT: Final = 350
KILL_RESULT: Final = 351
LOCK_RESULT: Final = 352
BLOCK_ERASE_RESULT: Final = 353
BLOCK_WRITE_RESULT: Final = 354

READ_CODES: Final[Mapping[Refused, int]] = MappingProxyType({Refused.SILENT: 2})
WRITE_CODES: Final[Mapping[Refused, int]] = MappingProxyType({Refused.OVERRUN: 1, Refused.LOCKED: 2, Refused.SILENT: 5})
KILL_CODES: Final[Mapping[Refused, int]] = MappingProxyType({Refused.ZERO_KILL_PASSWORD: 1, Refused.SILENT: 4})
LOCK_CODES: Final[Mapping[Refused, int]] = MappingProxyType({Refused.SILENT: 3})
"""Result codes of each operation; a refusal that has no code of its own is a nonspecific tag error."""

READ_ERROR: Final = 1
WRITE_ERROR: Final = 4
KILL_ERROR: Final = 3
LOCK_ERROR: Final = 2


@dataclass(frozen=True, slots=True)
class Access:
    """What was done to a tag in one singulation: by which AccessSpec, and its OpSpecResults as they are sent."""

    spec_id: int
    results: bytes


class AccessSpecs:
    """The AccessSpecs of one reader."""

    def __init__(self) -> None:
        self.specs: dict[int, Parameter] = {}
        self._left: dict[int, int] = {}
        """Executions until an AccessSpec is deleted."""

    def add(self, spec: Parameter) -> None:
        """A new AccessSpec, disabled; the caller has checked it."""
        number = spec.fields["AccessSpecID"]
        self.specs[number] = spec
        stop = spec.find("AccessSpecStopTrigger")
        assert stop is not None
        count = stop.fields["OperationCountValue"]
        if stop.fields["AccessSpecStopTrigger"] == OPERATION_COUNT and count:  # a count of 0 never stops it
            self._left[number] = count

    def delete(self, number: int) -> None:
        """Forget it."""
        del self.specs[number]
        self._left.pop(number, None)

    def enable(self, number: int, enabled: bool) -> None:
        """Let it be carried out from now on, or no more."""
        self.specs[number].fields["CurrentState"] = enabled

    @property
    def at_work(self) -> bool:
        """Whether any is enabled."""
        return any(spec.fields["CurrentState"] for spec in self.specs.values())

    def carry_out(
        self, sightings: Sightings, memories: TagMemories, rospec_id: int
    ) -> tuple[dict[int, Access], list[bool]]:
        """Carry out what fits each sighting, in order; row → what was done, and which rows were still heard."""
        done: dict[int, Access] = {}
        heard: list[bool] = []
        for row, (epc, antenna) in enumerate(zip(sightings.epcs, sightings.antenna.tolist(), strict=True)):
            memory = memories.of(epc)
            heard.append(not memory.is_killed)
            spec = self._fitting(memory, antenna, rospec_id)
            if spec is None or memory.is_killed:
                continue
            number = spec.fields["AccessSpecID"]
            done[row] = Access(number, b"".join(_carry_out(op, memory) for op in _operations(spec)))
            if number in self._left:
                self._left[number] -= 1
                if self._left[number] == 0:
                    self.delete(number)
        return done, heard

    def _fitting(self, memory: TagMemory, antenna: int, rospec_id: int) -> Parameter | None:
        for number in sorted(self.specs):
            spec = self.specs[number]
            fields = spec.fields
            if (
                fields["CurrentState"]
                and fields["AntennaID"] in (0, antenna)
                and fields["ROSpecID"] in (0, rospec_id)
                and all(_is_target(target, memory) for target in _targets(spec))
            ):
                return spec
        return None


def _targets(spec: Parameter) -> Sequence[Parameter]:
    return _command(spec).parameters[0].parameters


def _operations(spec: Parameter) -> Sequence[Parameter]:
    return [op for op in _command(spec).parameters[1:] if op.name in OPERATIONS]


def _command(spec: Parameter) -> Parameter:
    command = spec.find("AccessCommand")
    assert command is not None
    return command


def _is_target(target: Parameter, memory: TagMemory) -> bool:
    """C1G2TargetTag: the bits under the mask equal the data, or must not."""
    fields = target.fields
    count = min(fields["TagMaskLengthBits"], fields["TagDataLengthBits"])
    found = memory.bits(fields["MB"], fields["Pointer"], count)
    mask, data = (_number(fields[name], count) for name in ("TagMask", "TagData"))
    return (found is not None and found & mask == data & mask) is bool(fields["Match"])


def _number(bits: bytes, count: int) -> int:
    """The first `count` bits as a number."""
    return int.from_bytes(bits, "big") >> (8 * len(bits) - count)


# --- operations ------------------------------------------------------------------------------------------------------


def _carry_out(op: Parameter, memory: TagMemory) -> bytes:
    """One operation on one tag; its OpSpecResult."""
    return OPERATIONS[op.name](op, memory)


def _result(kind: int, code: int, op: Parameter, more: bytes = b"") -> bytes:
    return struct.pack("!HHBH", kind, 7 + len(more), code, op.fields["OpSpecID"]) + more


def _read(op: Parameter, memory: TagMemory) -> bytes:
    fields = op.fields
    code, words = 0, []
    try:
        words = memory.read(fields["MB"], fields["WordPointer"], fields["WordCount"], fields["AccessPassword"])
    except TagRefusedError as error:
        code = READ_CODES.get(error.why, READ_ERROR)
    return _result(READ_RESULT, code, op, struct.pack(f"!H{len(words)}H", len(words), *words))


def _write(op: Parameter, memory: TagMemory) -> bytes:
    words = op.fields["WriteData"]
    code = _written(op, memory, words)
    kind = WRITE_RESULT if op.name == "C1G2Write" else BLOCK_WRITE_RESULT
    return _result(kind, code, op, struct.pack("!H", 0 if code else len(words)))


def _erase(op: Parameter, memory: TagMemory) -> bytes:
    return _result(BLOCK_ERASE_RESULT, _written(op, memory, [0] * op.fields["WordCount"]), op)


def _written(op: Parameter, memory: TagMemory, words: Sequence[int]) -> int:
    fields = op.fields
    try:
        memory.write(fields["MB"], fields["WordPointer"], words, fields["AccessPassword"])
    except TagRefusedError as error:
        return WRITE_CODES.get(error.why, WRITE_ERROR)
    return 0


def _kill(op: Parameter, memory: TagMemory) -> bytes:
    code = 0
    try:
        memory.kill(op.fields["KillPassword"])
    except TagRefusedError as error:
        code = KILL_CODES.get(error.why, KILL_ERROR)
    return _result(KILL_RESULT, code, op)


def _lock(op: Parameter, memory: TagMemory) -> bytes:
    changes = [
        (Field(payload.fields["DataField"]), Lock(payload.fields["Privilege"]))
        for payload in op.every("C1G2LockPayload")
    ]
    code = 0
    try:
        memory.lock(changes, op.fields["AccessPassword"])
    except TagRefusedError as error:
        code = LOCK_CODES.get(error.why, LOCK_ERROR)
    return _result(LOCK_RESULT, code, op)


OPERATIONS: Final[Mapping[str, Callable[[Parameter, TagMemory], bytes]]] = MappingProxyType(
    {
        "C1G2Read": _read,
        "C1G2Write": _write,
        "C1G2BlockWrite": _write,
        "C1G2BlockErase": _erase,
        "C1G2Kill": _kill,
        "C1G2Lock": _lock,
    }
)


# --- select filters --------------------------------------------------------------------------------------------------

SELECTS: Final = {0: (True, False), 1: (True, None), 2: (None, False), 3: (False, None), 4: (False, True)} | {
    5: (None, True)
}
"""C1G2StateUnawareAction → what becomes of matching and of other tags: selected, unselected, or as before."""


def filters_of(ai_spec: Parameter) -> dict[int, list[Parameter]]:
    """Antenna → its C1G2Filters, with 0 for those of every antenna."""
    found: dict[int, list[Parameter]] = {}
    for inventory in ai_spec.every("InventoryParameterSpec"):
        for settings in inventory.every("AntennaConfiguration"):
            for command in settings.every("C1G2InventoryCommand"):
                filters = list(command.every("C1G2Filter"))
                if filters:
                    found[settings.fields["AntennaID"]] = filters
    return found


def is_selected(memory: TagMemory, filters: Sequence[Parameter]) -> bool:
    """Whether a tag takes part in an inventory after these filters. Before the first, all are what it leaves alone:
    unselected where it selects some, selected where it unselects some.
    """
    first = _action(filters[0])
    selected = True not in first
    for one in filters:
        mask = one.find("C1G2TagInventoryMask")
        assert mask is not None
        fields = mask.fields
        count = fields["TagMaskLengthBits"]
        matches = memory.bits(fields["MB"], fields["Pointer"], count) == _number(fields["TagMask"], count)
        outcome = _action(one)[0 if matches else 1]
        selected = selected if outcome is None else outcome
    return selected


def _action(one: Parameter) -> tuple[bool | None, bool | None]:
    unaware = one.find("C1G2TagInventoryStateUnawareFilterAction")
    return SELECTS[unaware.fields["Action"] if unaware is not None else 0]
