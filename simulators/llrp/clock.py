"""The clock of a simulated reader: UTC or time since it was switched on, and how far it is off."""

from __future__ import annotations

from dataclasses import dataclass

from readers.llrp.message import Parameter


@dataclass(slots=True)
class ReaderClock:
    """What a reader stamps on events and reads. `at_us` is always true UTC microseconds; what it shows may not be."""

    has_utc: bool = True
    booted_us: int = 0
    """When a reader without UTC was switched on."""
    off_us: int = 0
    """How far it is ahead of the truth."""

    def shown(self, at_us: int) -> int:
        """Microseconds as the reader counts them; never before its beginning."""
        return max(0, at_us + self.shift_us)

    @property
    def shift_us(self) -> int:
        """What must be added to the truth."""
        return self.off_us - (0 if self.has_utc else self.booted_us)

    def stamp(self, at_us: int) -> Parameter:
        """UTCTimestamp or Uptime of an event."""
        return Parameter("UTCTimestamp" if self.has_utc else "Uptime", {"Microseconds": self.shown(at_us)})
