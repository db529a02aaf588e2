"""Gen2 tag memory: banks, passwords, locks, kill. Each table row is one rule."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simulators.tag_memory import EPC, RESERVED, TID, USER, Field, Lock, Refused, TagMemory, TagRefusedError

NAME = bytes.fromhex("3034257bf7194e4000000001")
PASSWORD = 0xCAFE0001
OPEN, SECURED = 0, PASSWORD


def locked(field: Field, lock: Lock) -> TagMemory:
    """A tag with an access password, one field of which is locked somehow."""
    tag = TagMemory(NAME)
    tag.write(RESERVED, 2, [PASSWORD >> 16, PASSWORD & 0xFFFF], 0)
    tag.lock([(field, lock)], PASSWORD)
    return tag


def refusal(call: object, *arguments: object) -> Refused | None:
    try:
        call(*arguments)  # type: ignore[operator]
    except TagRefusedError as error:
        return error.why
    return None


def test_a_fresh_tag_answers_with_its_epc_and_a_tid_of_its_own() -> None:
    tag, other = TagMemory(NAME), TagMemory(NAME[:-1] + b"\x02")
    assert tag.epc == NAME
    assert tag.read(EPC, 1, 1, 0) == [0x3000]
    assert tag.read(TID, 0, 2, 0) == [0xE280, 0x1170]
    assert tag.read(TID, 0, 0, 0) != other.read(TID, 0, 0, 0)
    assert len(tag.read(TID, 0, 0, 0)) == 6


def test_its_crc_is_the_one_that_gen2_defines() -> None:
    # A worked value: PC 3000 with this EPC under CRC-16/GENIBUS, the catalogue's name for Gen2's CRC.
    crc = 0xFFFF
    for bit in f"{0x3000:016b}" + "".join(f"{byte:08b}" for byte in NAME):
        top = crc >> 15 ^ int(bit)
        crc = (crc << 1 & 0xFFFF) ^ (0x1021 if top else 0)
    assert TagMemory(NAME).read(EPC, 0, 1, 0) == [crc ^ 0xFFFF]


@pytest.mark.parametrize(
    ("lock", "password", "expected"),
    [
        (Lock.UNLOCKED, OPEN, None),
        (Lock.UNLOCKED, SECURED, None),
        (Lock.LOCKED, OPEN, Refused.LOCKED),
        (Lock.LOCKED, SECURED, None),
        (Lock.OPEN_FOR_EVER, OPEN, None),
        (Lock.LOCKED_FOR_EVER, OPEN, Refused.LOCKED),
        (Lock.LOCKED_FOR_EVER, SECURED, Refused.LOCKED),
        (Lock.UNLOCKED, 0xBAD, Refused.SILENT),
    ],
)
@pytest.mark.parametrize(
    ("field", "bank", "word"), [(Field.USER, USER, 0), (Field.EPC, EPC, 2), (Field.KILL_PASSWORD, RESERVED, 0)]
)
def test_who_may_write_what(
    field: Field, bank: int, word: int, lock: Lock, password: int, expected: Refused | None
) -> None:
    tag = locked(field, lock)
    before = list(tag.banks[bank])
    assert refusal(tag.write, bank, word, [0xABCD], password) == expected
    assert (tag.banks[bank] == before) is (expected is not None)


def test_a_locked_password_cannot_be_read_but_the_rest_can() -> None:
    tag = locked(Field.ACCESS_PASSWORD, Lock.LOCKED)
    assert refusal(tag.read, RESERVED, 2, 2, OPEN) is Refused.LOCKED
    assert refusal(tag.read, RESERVED, 0, 0, OPEN) is Refused.LOCKED
    assert tag.read(RESERVED, 0, 2, OPEN) == [0, 0]
    assert tag.read(RESERVED, 2, 2, SECURED) == [0xCAFE, 0x0001]


def test_the_tid_is_nobodys_to_write() -> None:
    assert refusal(TagMemory(NAME).write, TID, 0, [1], 0) is Refused.LOCKED


def test_what_is_for_ever_stays() -> None:
    tag = locked(Field.USER, Lock.OPEN_FOR_EVER)
    assert refusal(tag.lock, [(Field.EPC, Lock.LOCKED), (Field.USER, Lock.LOCKED)], PASSWORD) is Refused.LOCKED
    assert tag.locks[Field.EPC] is Lock.UNLOCKED
    assert refusal(tag.lock, [(Field.EPC, Lock.LOCKED)], OPEN) is Refused.SILENT


@pytest.mark.parametrize(("pointer", "count"), [(0, 33), (32, 1), (40, 0)])
def test_beyond_the_end_of_a_bank_there_is_nothing(pointer: int, count: int) -> None:
    tag = TagMemory(NAME)
    assert refusal(tag.read, USER, pointer, count, 0) is Refused.OVERRUN
    assert refusal(tag.write, USER, pointer, [0] * max(count, 1), 0) is Refused.OVERRUN


def test_only_a_kill_password_kills() -> None:
    tag = TagMemory(NAME)
    assert refusal(tag.kill, 0) is Refused.ZERO_KILL_PASSWORD
    tag.write(RESERVED, 0, [0, 7], 0)
    assert refusal(tag.kill, 8) is Refused.SILENT
    assert not tag.is_killed
    tag.kill(7)
    assert tag.is_killed


@given(st.binary(min_size=2, max_size=16).filter(lambda epc: len(epc) % 2 == 0))
def test_a_tag_renamed_by_a_write_answers_with_the_new_name(epc: bytes) -> None:
    tag = TagMemory(NAME)
    words = [int.from_bytes(epc[at : at + 2], "big") for at in range(0, len(epc), 2)]
    tag.write(EPC, 1, [len(words) << 11, *words], 0)
    assert tag.epc == epc


@given(st.integers(0, 100), st.integers(0, 40))
def test_bits_are_those_of_the_bank(pointer: int, count: int) -> None:
    tag = TagMemory(NAME)
    whole = "".join(f"{word:016b}" for word in tag.banks[EPC])
    assert tag.bits(EPC, pointer, count) == int(whole[pointer : pointer + count] or "0", 2)
    assert tag.bits(EPC, len(whole) - count + 1, count) is None
