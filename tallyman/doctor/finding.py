"""What a check says: one line, OK or FAIL, and how to mend it."""

from __future__ import annotations

import os
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

S = TypeVar("S")


@dataclass(frozen=True, slots=True)
class Finding:
    """One line. `mend` says what to do and stands where `is_ok` is false."""

    subject: str
    is_ok: bool
    said: str
    mend: str = ""


def ok(subject: str, said: str) -> Finding:
    """All is well."""
    return Finding(subject, True, said)


def fail(subject: str, said: str, mend: str) -> Finding:
    """Something is amiss."""
    return Finding(subject, False, said, mend)


def reason(error: OSError) -> str:
    """Why a connection failed, in words without the call that failed."""
    if error.errno and (isinstance(error, ConnectionError) or type(error) is OSError):
        return os.strerror(error.errno).lower()
    return error.strerror or str(error)


@dataclass(frozen=True, slots=True)
class Check(Generic[S]):
    """One row of a table of checks: what it is about, and the function that looks."""

    name: str
    look: Callable[[S], Awaitable[list[Finding]]]
