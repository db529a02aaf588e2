"""Faults of readers as a scenario file tells them: which, when, for how long.

[[faults]]
reader = "jkt-door-1"       # as `tallyman simulate` prints it
kind = "stall"
at_s = 30
for_s = 12

kind              needs      does
----              -----      ----
stall             for_s      the link is up and nothing is sent
refusal           for_s      who connects is shown out: ConnectionAttemptEvent 3
overflow          for_s      reads are lost; the client is told with a ReportBufferOverflowErrorEvent
antenna_off       for_s, antenna    the antenna's cable is off
half_frame                   the next report breaks off and the link ends
lying_length      length     the next report claims another length
unknown_message              a message of an unknown type precedes the next report
reset                        the connection is reset, unsent bytes are lost
clock_jump        jump_s     the reader's clock jumps
exception         text       the reader reports a ReaderExceptionEvent
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Annotated, Final, Literal, Protocol

from pydantic import BaseModel, ConfigDict, Field, model_validator

from wire.clock import Clock
from wire.events import Name

NEEDS: Final[Mapping[str, tuple[str, ...]]] = {
    "stall": ("for_s",),
    "refusal": ("for_s",),
    "overflow": ("for_s",),
    "antenna_off": ("for_s", "antenna"),
    "half_frame": (),
    "lying_length": ("length",),
    "unknown_message": (),
    "reset": (),
    "clock_jump": ("jump_s",),
    "exception": ("text",),
}

Kind = Literal[
    "stall",
    "refusal",
    "overflow",
    "antenna_off",
    "half_frame",
    "lying_length",
    "unknown_message",
    "reset",
    "clock_jump",
    "exception",
]


class BreakableReader(Protocol):
    """A reader whose faults can be switched."""

    def stall(self, on: bool) -> None:
        """Send nothing, or everything again."""

    def refuse(self, on: bool) -> None:
        """Show out who connects."""

    def lose_reads(self, on: bool) -> None:
        """Lose what is seen."""

    def set_antenna(self, port: int, is_connected: bool) -> None:
        """Pull or put back an antenna's cable."""

    def half_frame(self) -> None:
        """Break the next report off."""

    def lie(self, length: int) -> None:
        """Let the next report claim another length."""

    def unknown_message(self) -> None:
        """Send a message of an unknown type."""

    def cut(self) -> None:
        """Reset the connection."""

    def jump_clock(self, seconds: float) -> None:
        """Put the clock forward, or back."""

    def tell_exception(self, text: str) -> None:
        """Report that something is wrong."""


class ReaderFault(BaseModel):
    """One fault of one reader, from `at_s` after the beginning on."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    reader: Name
    kind: Kind
    at_s: Annotated[float, Field(ge=0)]
    for_s: Annotated[float, Field(gt=0)] | None = None
    antenna: Annotated[int, Field(ge=1)] | None = None
    length: Annotated[int, Field(ge=0, le=0xFFFF_FFFF)] | None = None
    jump_s: float | None = None
    text: str | None = None

    @model_validator(mode="after")
    def _has_what_it_needs(self) -> ReaderFault:
        given = {name for name in ("for_s", "antenna", "length", "jump_s", "text") if getattr(self, name) is not None}
        needed = set(NEEDS[self.kind])
        if given != needed:
            wanted = ", ".join(NEEDS[self.kind]) or "nothing more than reader, kind and at_s"
            raise ValueError(f"a fault {self.kind} takes {wanted}")
        return self

    def switch(self, reader: BreakableReader, on: bool) -> None:
        """Let it begin; one that lasts also ends."""
        match self.kind:
            case "stall":
                reader.stall(on)
            case "refusal":
                reader.refuse(on)
            case "overflow":
                reader.lose_reads(on)
            case "antenna_off":
                reader.set_antenna(self.antenna or 0, not on)
            case "half_frame":
                reader.half_frame()
            case "lying_length":
                reader.lie(self.length or 0)
            case "unknown_message":
                reader.unknown_message()
            case "reset":
                reader.cut()
            case "clock_jump":
                reader.jump_clock(self.jump_s or 0.0)
            case "exception":
                reader.tell_exception(self.text or "")


async def play_faults(faults: Iterable[ReaderFault], readers: Mapping[str, BreakableReader], clock: Clock) -> None:
    """Switch every fault at its time, counted from now on the clock. Faults of readers that are not there pass."""
    switches = sorted(
        (
            (at_s, number, fault, on)
            for number, fault in enumerate(faults)
            for at_s, on in ((fault.at_s, True), (fault.at_s + (fault.for_s or 0.0), False))
            if (on or fault.for_s) and fault.reader in readers
        ),
        key=lambda switch: switch[:2],
    )
    began = clock.now()
    for at_s, _, fault, on in switches:
        await clock.sleep(max(0.0, at_s - (clock.now() - began).total_seconds()))
        fault.switch(readers[fault.reader], on)
