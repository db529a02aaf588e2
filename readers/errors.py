"""What can go wrong between a device and a read.

ReaderError
├── ProtocolError              bytes break the protocol; the link cannot be trusted any more
│   ├── FrameError             a header that lies: reserved bits, length below 10 or above the cap
│   └── DecodeError            a message that does not follow the table; carries an LLRP status code
├── EncodeError                a message of ours that does not follow the table
├── LinkLostError              the connection closed, reset, or fell silent beyond the watchdog
├── ReaderRefusedError         the reader answered the connection and refused it
├── ReaderStatusError          the reader answered a request with a status other than success
├── NoAnswerError              the reader did not answer a request in time; the link stands
├── MissingExtraError          a driver needs a package that an extra of the distribution brings; names the extra
├── RecordingError             a recording cannot be read or written; names file and line or byte
│   └── TapeDamagedError       bytes of a tape are no block; says where
└── DriverNotFoundError        no installed package offers the driver a configuration names
"""

from __future__ import annotations


class ReaderError(Exception):
    """Base of everything that `readers` raises."""


class ProtocolError(ReaderError):
    """The peer's bytes break the protocol."""


class FrameError(ProtocolError):
    """A frame header cannot be true; nothing after it can be found, so the link must close.

    `frames` are the whole frames that came before it in the same bytes: they are good and still count.
    """

    def __init__(self, message: str, *, frames: tuple[bytes, ...] = ()) -> None:
        super().__init__(message)
        self.frames = frames


class DecodeError(ProtocolError):
    """One message does not follow the table. The frame's end is known: only this message is lost.

    `status_code` is the LLRP StatusCode (LLRP 1.1 §14.2.1) that a reader answers with; `where` is the path of
    parameters to the fault, such as `ADD_ROSPEC/ROSpec/AISpec`; `types` are the type numbers of those parameters,
    outermost first, and `field` is the number of the faulty field, counted from 0 (-1: no single field).
    """

    def __init__(
        self, message: str, *, status_code: int, where: str, types: tuple[int, ...] = (), field: int = -1
    ) -> None:
        super().__init__(f"{where}: {message}" if where else message)
        self.status_code = status_code
        self.where = where
        self.types = types
        self.field = field


class EncodeError(ReaderError):
    """A message of ours names a field or parameter that the table does not have, or a value that does not fit."""


class LinkLostError(ReaderError):
    """The connection to the reader is gone."""


class ReaderRefusedError(ReaderError):
    """The reader refused the connection (ConnectionAttemptEvent status 1-4)."""

    def __init__(self, status: int, meaning: str) -> None:
        super().__init__(f"the reader refused the connection: {meaning} (status {status})")
        self.status = status


class ReaderStatusError(ReaderError):
    """A request was answered with an LLRPStatus other than M_Success."""

    def __init__(self, request: str, status_code: int, description: str) -> None:
        super().__init__(f"{request} was answered with status {status_code}: {description or 'no description'}")
        self.request = request
        self.status_code = status_code


class NoAnswerError(ReaderError):
    """A request was not answered. Whether it was carried out is not known."""

    def __init__(self, request: str, waited_s: float) -> None:
        super().__init__(f"{request} was not answered within {waited_s:.0f} s")
        self.request = request


class RecordingError(ReaderError):
    """A recording cannot be read or written."""


class TapeDamagedError(RecordingError):
    """The bytes at `offset` of a tape are no whole block, and more bytes will not help."""

    def __init__(self, offset: int, what: str) -> None:
        super().__init__(f"at byte {offset}: {what}")
        self.offset = offset


class DriverNotFoundError(ReaderError):
    """The configuration names a driver that no installed package offers."""


class MissingExtraError(ReaderError):
    """A driver needs a package that is not installed. Names the extra that brings it."""
