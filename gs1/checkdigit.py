"""The GS1 modulo-10 check digit (GS1 General Specifications, section 7.9): weights 3, 1, 3 … from the right."""

from __future__ import annotations

from gs1.errors import IdentityError


def _weighted(number: int, first: int, second: int) -> int:
    hundreds, tens, ones = number // 100, number // 10 % 10, number % 10
    return first * ones + second * tens + first * hundreds


# Weighted sums of three digits at a time: a check digit then costs one look-up for three digits.
_ODD = tuple(_weighted(number, 3, 1) for number in range(1000))
_EVEN = tuple(_weighted(number, 1, 3) for number in range(1000))


def of_number(payload: int) -> int:
    """The check digit of `payload`, the key without its check digit, as a number ≥ 0 (leading zeros weigh nothing)."""
    total = 0
    while payload:
        payload, low = divmod(payload, 1000)
        total += _ODD[low]
        payload, low = divmod(payload, 1000)
        total += _EVEN[low]
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
