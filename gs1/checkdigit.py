"""The GS1 modulo-10 check digit (GS1 General Specifications, section 7.9): weights 3, 1, 3 … from the right."""

from __future__ import annotations

from typing import Final

from gs1.errors import IdentityError

_GROUP: Final = 10_000
"""Four digits at a time: an even count, so that every group weighs alike; a look-up for each four is quick."""

_WEIGHED: Final = tuple(3 * (n % 10 + n // 100 % 10) + n // 10 % 10 + n // 1000 for n in range(_GROUP))


def of_number(payload: int) -> int:
    """The check digit of `payload`, the key without its check digit, as a number ≥ 0 (leading zeros weigh nothing)."""
    total = 0
    while payload:
        payload, low = divmod(payload, _GROUP)
        total += _WEIGHED[low]
    return -total % 10


def of(payload: str) -> str:
    """The check digit of a string of digits, as one digit."""
    return str(of_number(int(payload)))


def require(key: str, digits: int, what: str) -> None:
    """Raise IdentityError unless `key` is `digits` ASCII digits and ends in its right check digit."""
    if len(key) != digits or not (key.isascii() and key.isdigit()):
        raise IdentityError(f"{what} {key!r}: needs {digits} digits")
    right = of(key[:-1])
    if key[-1] != right:
        raise IdentityError(f"{what} {key}: check digit is {key[-1]}, it should be {right}")
