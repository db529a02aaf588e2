"""Requests that others put to a session's reader, from question to answer: set an output, add an AccessSpec.

    event                                 the request
    a response with its id, M_Success     is answered
    a response with its id, other status  fails with ReaderStatusError
    ERROR_MESSAGE with its id             fails with ReaderStatusError
    a response with its id, undecodable   fails with DecodeError
    ANSWER_TIMEOUT_S pass                 fails with NoAnswerError; the session goes on
    the session ends                      fails with what ended it

Each is answered once, whatever comes. Any number may be under way at a time.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from readers.errors import NoAnswerError, ReaderError, ReaderStatusError
from readers.llrp.message import Message, Parameter

ANSWER_TIMEOUT_S: Final = 10.0
"""Readers answer within milliseconds; a busy one that reboots its radio takes a few seconds."""

M_SUCCESS: Final = 0

NO_STATUS: Final = -1
"""Stands for the status of a refusal that carries none."""


@dataclass(frozen=True, slots=True)
class Answer:
    """The end of one request: the reader's message, or why there is none. Exactly one of the two is set."""

    request_id: int
    message: Message | None
    error: ReaderError | None = None


def fault_of(request: str, answer: Message) -> ReaderStatusError | None:
    """Why `answer` refuses `request`; None when it does not."""
    status = answer.find("LLRPStatus")
    if status is None or status.fields["StatusCode"] == M_SUCCESS:
        return None
    return refusal_of(request, status)


def refusal_of(request: str, status: Parameter | None) -> ReaderStatusError:
    """`request` was refused with this LLRPStatus, whatever it says."""
    if status is None:
        return ReaderStatusError(request, NO_STATUS, "no status given")
    return ReaderStatusError(request, int(status.fields["StatusCode"]), str(status.fields["ErrorDescription"]))


class Exchange:
    """The requests under way. Times are seconds of the session's clock."""

    def __init__(self) -> None:
        self._open: dict[int, tuple[str, float]] = {}

    @property
    def due_s(self) -> float | None:
        """When the oldest unanswered request fails."""
        return min(due_s for _, due_s in self._open.values()) if self._open else None

    def open(self, request: Message, now_s: float) -> None:
        """`request` has been sent."""
        self._open[request.id] = (request.name, now_s + ANSWER_TIMEOUT_S)

    def answered(self, message: Message) -> Answer | None:
        """The answer that this message is; None when it answers nothing here."""
        name = self._open.get(message.id, ("", 0.0))[0]
        if not name or message.name not in (name, f"{name}_RESPONSE", "ERROR_MESSAGE"):
            return None
        del self._open[message.id]
        status = message.find("LLRPStatus")
        error = refusal_of(name, status) if message.name == "ERROR_MESSAGE" else fault_of(name, message)
        return Answer(message.id, None if error else message, error)

    def failed(self, request_id: int, error: ReaderError) -> Answer | None:
        """The answer that an undecodable message with this id is; None when it answers nothing here."""
        if self._open.pop(request_id, None) is None:
            return None
        return Answer(request_id, None, error)

    def expire(self, now_s: float) -> list[Answer]:
        """Fail what has waited too long."""
        late = [(number, name) for number, (name, due_s) in self._open.items() if due_s <= now_s]
        for number, _ in late:
            del self._open[number]
        return [Answer(number, None, NoAnswerError(name, ANSWER_TIMEOUT_S)) for number, name in late]

    def abandon(self, error: ReaderError) -> list[Answer]:
        """Fail everything: the session is over."""
        numbers = list(self._open)
        self._open.clear()
        return [Answer(number, None, error) for number in numbers]
