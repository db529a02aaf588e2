"""The memory of Gen2 tags: four banks, two passwords, five locks, and what becomes of commands (Gen2 1.2 §6.3.2).

    bank          words                              written by a client
    ----          -----                              -------------------
    0 reserved    0-1 kill password, 2-3 access      while the password's own lock allows it
    1 EPC         0 CRC, 1 PC, 2… EPC                while the EPC lock allows it; the CRC is the tag's own
    2 TID         who made it, serial                never: locked for good at the factory
    3 user        USER_WORDS                         while the user lock allows it

    lock              open (no or no right password)   secured (right password, or none set)
    ----              ------------------------------   -------------------------------------
    unlocked          writable                         writable
    locked            not                              writable
    for ever open     writable                         writable
    for ever locked   not                              not

A password that is locked cannot be read either. A wrong password silences the tag until it is powered anew. The world
knows a tag by the EPC it was made with; what it answers with later is here.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from enum import IntEnum
from hashlib import blake2b
from typing import Final

import numpy as np

from simulators.sighting import Sightings

RESERVED, EPC, TID, USER = range(4)

USER_WORDS: Final = 32
"""512 bits, as on the larger of the common chips."""

EPC_WORDS_LEAST: Final = 8
"""An EPC of 96 bits may be rewritten as one of 128."""

TID_HEAD: Final = bytes.fromhex("e2801170")
"""Class E2, a designer of chips with serialised TIDs, a chip of 96 bits of TID."""

WORD_BITS: Final = 16
ACCESS_PASSWORD_WORD: Final = 2
PC_WORD: Final = 1
EPC_FIRST_WORD: Final = 2
WORD_MAX: Final = 0xFFFF


class Lock(IntEnum):
    """How a field is locked: the privilege that LLRP's C1G2LockPayload sets."""

    LOCKED = 0
    LOCKED_FOR_EVER = 1
    OPEN_FOR_EVER = 2
    UNLOCKED = 3


class Field(IntEnum):
    """What has a lock of its own (C1G2LockDataField)."""

    KILL_PASSWORD = 0
    ACCESS_PASSWORD = 1
    EPC = 2
    TID = 3
    USER = 4


FIELD_OF_BANK: Final = {EPC: Field.EPC, TID: Field.TID, USER: Field.USER}


class Refused(IntEnum):
    """Why a tag did not do what it was told."""

    OVERRUN = 1
    LOCKED = 2
    SILENT = 3
    ZERO_KILL_PASSWORD = 4


class TagRefusedError(Exception):
    """A command that this tag does not carry out; `why` says why."""

    def __init__(self, why: Refused) -> None:
        super().__init__(why.name)
        self.why = why


class TagMemory:
    """One tag. `epc` is what it was made with; a whole number of words."""

    def __init__(self, epc: bytes) -> None:
        words = _words(epc)
        serial = blake2b(epc, digest_size=8).digest()
        spare = [0] * max(0, EPC_WORDS_LEAST - len(words))
        self.banks: list[list[int]] = [
            [0, 0, 0, 0],
            [0, len(words) << 11, *words, *spare],
            _words(TID_HEAD + serial),
            [0] * USER_WORDS,
        ]
        self._store_crc()
        self.locks = dict.fromkeys(Field, Lock.UNLOCKED) | {Field.TID: Lock.LOCKED_FOR_EVER}
        self.is_killed = False

    @property
    def epc(self) -> bytes:
        """What it answers with: as many words of EPC memory as its PC says."""
        bank = self.banks[EPC]
        return _bytes(bank[EPC_FIRST_WORD : EPC_FIRST_WORD + (bank[PC_WORD] >> 11)])

    def bits(self, bank: int, pointer: int, count: int) -> int | None:
        """`count` bits of a bank from a bit address on, as a number; None beyond its end."""
        words = self.banks[bank]
        beyond = len(words) * WORD_BITS - pointer - count
        if beyond < 0:
            return None
        return int.from_bytes(_bytes(words), "big") >> beyond & ((1 << count) - 1)

    def read(self, bank: int, pointer: int, count: int, password: int) -> list[int]:
        """Words of a bank, to its end for a count of 0. Raises TagRefusedError."""
        secured = self._is_secured(password)
        end = pointer + count if count else len(self.banks[bank])
        if not pointer < end <= len(self.banks[bank]):
            raise TagRefusedError(Refused.OVERRUN)
        if bank == RESERVED:
            for field in _passwords_in(pointer, end):
                self._require(field, secured)
        return self.banks[bank][pointer:end]

    def write(self, bank: int, pointer: int, words: Sequence[int], password: int) -> None:
        """Write whole words, all or none. Raises TagRefusedError."""
        secured = self._is_secured(password)
        end = pointer + len(words)
        if end > len(self.banks[bank]):
            raise TagRefusedError(Refused.OVERRUN)
        for field in _passwords_in(pointer, end) if bank == RESERVED else (FIELD_OF_BANK[bank],):
            self._require(field, secured)
        self.banks[bank][pointer:end] = words
        if bank == EPC:
            self._store_crc()

    def lock(self, changes: Iterable[tuple[Field, Lock]], password: int) -> None:
        """Change locks, all or none: only a tag in the secured state does. Raises TagRefusedError."""
        wanted = list(changes)
        if not self._is_secured(password):
            raise TagRefusedError(Refused.SILENT)
        for field, lock in wanted:
            now = self.locks[field]
            if now in (Lock.LOCKED_FOR_EVER, Lock.OPEN_FOR_EVER) and lock != now:
                raise TagRefusedError(Refused.LOCKED)
        self.locks.update(wanted)

    def kill(self, password: int) -> None:
        """Silence it for ever. Raises TagRefusedError."""
        own = self._password(0)
        if own == 0:
            raise TagRefusedError(Refused.ZERO_KILL_PASSWORD)
        if own != password:
            raise TagRefusedError(Refused.SILENT)
        self.is_killed = True

    def _password(self, word: int) -> int:
        high, low = self.banks[RESERVED][word : word + 2]
        return high << WORD_BITS | low

    def _is_secured(self, password: int) -> bool:
        """The state that an access password brings it to; a wrong one silences it."""
        own = self._password(ACCESS_PASSWORD_WORD)
        if password not in (0, own):
            raise TagRefusedError(Refused.SILENT)
        return own == password

    def _require(self, field: Field, secured: bool) -> None:
        lock = self.locks[field]
        if lock is Lock.LOCKED_FOR_EVER or (lock is Lock.LOCKED and not secured):
            raise TagRefusedError(Refused.LOCKED)

    def _store_crc(self) -> None:
        bank = self.banks[EPC]
        bank[0] = gen2_crc(bank[PC_WORD].to_bytes(2, "big") + self.epc)


class TagMemories:
    """The memories of a world's tags, each made when first looked into, known by the EPC it was made with."""

    def __init__(self) -> None:
        self._memories: dict[bytes, TagMemory] = {}

    def __len__(self) -> int:
        return len(self._memories)

    def of(self, made_with: bytes) -> TagMemory:
        """The memory of a tag."""
        memory = self._memories.get(made_with)
        if memory is None:
            memory = self._memories[made_with] = TagMemory(made_with)
        return memory

    def answering(self, made_with: bytes) -> bytes | None:
        """The EPC that a tag answers with now; None for one that was killed."""
        memory = self._memories.get(made_with)
        if memory is None:
            return made_with
        return None if memory.is_killed else memory.epc

    def heard(self, sightings: Sightings) -> Sightings:
        """Sightings of those that still answer. Their EPCs stay those they were made with."""
        dead = {epc for epc, memory in self._memories.items() if memory.is_killed}
        if dead.isdisjoint(sightings.epcs):
            return sightings
        return kept(sightings, np.fromiter((epc not in dead for epc in sightings.epcs), bool, len(sightings)))

    def renamed(self, sightings: Sightings) -> Sightings:
        """Sightings under the EPCs that the tags answer with."""
        known = self._memories.keys()
        if known.isdisjoint(sightings.epcs):
            return sightings
        return replace(sightings, epcs=[self.answering(epc) or epc for epc in sightings.epcs])


def kept(sightings: Sightings, rows: np.ndarray[tuple[int], np.dtype[np.bool_]]) -> Sightings:
    """Some rows of sightings."""
    return Sightings(
        [epc for epc, is_kept in zip(sightings.epcs, rows.tolist(), strict=True) if is_kept],
        sightings.antenna[rows],
        sightings.rssi_dbm[rows],
        sightings.at_us[rows],
        None if sightings.phase_rad is None else sightings.phase_rad[rows],
    )


def gen2_crc(data: bytes) -> int:
    """The CRC-16 a Gen2 tag sends with PC and EPC (ISO/IEC 13239: polynomial 0x1021, preset and complement of ones)."""
    crc = WORD_MAX
    for byte in data:
        crc ^= byte << 8
        for _ in range(8):
            crc = (crc << 1 ^ 0x1021 if crc & 0x8000 else crc << 1) & WORD_MAX
    return crc ^ WORD_MAX


def _passwords_in(pointer: int, end: int) -> Iterator[Field]:
    """Which passwords words `pointer` to `end` of the reserved bank touch."""
    if pointer < ACCESS_PASSWORD_WORD:
        yield Field.KILL_PASSWORD
    if end > ACCESS_PASSWORD_WORD:
        yield Field.ACCESS_PASSWORD


def _words(data: bytes) -> list[int]:
    padded = data + bytes(len(data) % 2)
    return [int.from_bytes(padded[at : at + 2], "big") for at in range(0, len(padded), 2)]


def _bytes(words: Sequence[int]) -> bytes:
    return b"".join(word.to_bytes(2, "big") for word in words)
