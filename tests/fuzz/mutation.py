"""Damage done to good messages, as chance (a seed) will have it."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from typing import Final

from readers.llrp.codec import HEADER, decode
from tests.fuzz.rearrangement import rearrange
from tests.fuzz.targets import MAX_INPUT_BYTES

LENGTH_AT: Final = 2
"""Where a message's header has its length."""

SUSPICIOUS: Final = (
    *(number.to_bytes(1, "big") for number in (0, 1, 4, 0x7F, 0x80, 0x8D, 0xFF)),
    *(number.to_bytes(2, "big") for number in (0, 3, 4, 5, 61, 240, 241, 1023, 0x7FFF, 0x8000, 0xFFFF)),
    *(
        number.to_bytes(4, "big")
        for number in (0, 5, 9, 10, 1 << 20, (1 << 20) + 1, 25882, 161, 1 << 31, (1 << 32) - 1)
    ),
)

SWELLS_ONE_IN: Final = 20_000
"""One input in so many is blown up to the largest size: it costs a thousand small ones."""

REARRANGED_SHARE: Final = 0.4
"""Share of inputs that begin as a message whose parameters were moved about, with lengths that are true at every depth:
damage to bytes alone is refused at the first parameter it touches, and never sees what lies behind."""

DAMAGED_SHARE: Final = 0.3
"""Share of those whose bytes are damaged as well."""

MEND_SHARE: Final = 0.75
"""Share of inputs whose header says their true length again, so that the damage is looked at, not only the header."""

Mutation = Callable[[bytearray, "Mutator"], None]


class Mutator:
    """Makes inputs out of seeds. The same seeds and seed give the same inputs."""

    def __init__(self, seeds: Sequence[bytes], seed: int) -> None:
        self.seeds = seeds
        self.messages = [decode(seed) for seed in seeds]
        self.chance = random.Random(seed)

    def make(self) -> bytes:
        """One input of at most MAX_INPUT_BYTES."""
        chance = self.chance
        if chance.random() < REARRANGED_SHARE:
            data = bytearray(rearrange(self.messages, chance))
            if chance.random() > DAMAGED_SHARE:
                return bytes(data[:MAX_INPUT_BYTES])
        else:
            data = bytearray(chance.choice(self.seeds))
        for _ in range(chance.choice((1, 1, 1, 2, 2, 3, 5))):
            chance.choice(MUTATIONS)(data, self)
        if chance.randrange(SWELLS_ONE_IN) == 0:
            swell(data, self)
        if len(data) >= HEADER.size and chance.random() < MEND_SHARE:
            data[LENGTH_AT : LENGTH_AT + 4] = len(data).to_bytes(4, "big")
            data[0] &= 0x1F
        return bytes(data[:MAX_INPUT_BYTES])


def flip_bit(data: bytearray, mutator: Mutator) -> None:
    if data:
        data[mutator.chance.randrange(len(data))] ^= 1 << mutator.chance.randrange(8)


def set_byte(data: bytearray, mutator: Mutator) -> None:
    if data:
        data[mutator.chance.randrange(len(data))] = mutator.chance.randrange(256)


def set_suspicious(data: bytearray, mutator: Mutator) -> None:
    piece = mutator.chance.choice(SUSPICIOUS)
    at = mutator.chance.randrange(len(data) + 1)
    data[at : at + len(piece)] = piece


def cut_out(data: bytearray, mutator: Mutator) -> None:
    at = mutator.chance.randrange(len(data) + 1)
    del data[at : at + mutator.chance.choice((1, 1, 2, 4, 8, 30))]


def cut_off(data: bytearray, mutator: Mutator) -> None:
    del data[mutator.chance.randrange(len(data) + 1) :]


def repeat(data: bytearray, mutator: Mutator) -> None:
    at = mutator.chance.randrange(len(data) + 1)
    data[at:at] = data[at : at + mutator.chance.choice((1, 4, 12, 20, 60))] * mutator.chance.choice((1, 2, 5))


def insert_noise(data: bytearray, mutator: Mutator) -> None:
    at = mutator.chance.randrange(len(data) + 1)
    data[at:at] = mutator.chance.randbytes(mutator.chance.choice((1, 2, 4, 16)))


def splice(data: bytearray, mutator: Mutator) -> None:
    other = mutator.chance.choice(mutator.seeds)
    data[mutator.chance.randrange(len(data) + 1) :] = other[mutator.chance.randrange(len(other) + 1) :]


def append(data: bytearray, mutator: Mutator) -> None:
    data += mutator.chance.choice(mutator.seeds)


def swell(data: bytearray, mutator: Mutator) -> None:
    """A piece of the body, most often a whole parameter, until nothing more fits."""
    start = HEADER.size
    if len(data) < start + 4:
        return
    size = int.from_bytes(data[start + 2 : start + 4], "big")
    piece = data[start : start + (size or 1)] if mutator.chance.random() < MEND_SHARE else data[start:]
    data += piece * ((MAX_INPUT_BYTES - len(data)) // max(1, len(piece)))


MUTATIONS: Final[tuple[Mutation, ...]] = (
    flip_bit,
    set_byte,
    set_suspicious,
    cut_out,
    cut_off,
    repeat,
    insert_noise,
    splice,
    append,
)
