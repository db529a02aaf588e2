"""Which of the planned antennas a reader has, and which of them are connected.

An operator is told the standing state, not each plug: one notice names all that are missing, and `antenna_back` comes
only when none is. So the last word is always the whole truth, and an alert that it raised is cleared when, and only
when, all is well.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal, NamedTuple


class AntennaNews(NamedTuple):
    """What changed, as a ReaderNotice says it."""

    kind: Literal["antenna_lost", "antenna_back"]
    detail: str


class Antennas:
    """The antennas of one plan on one connection. `told` is what was last said to be lost; None before anything was."""

    def __init__(self, planned: Iterable[int], told: frozenset[int] | None) -> None:
        self.planned = tuple(planned)
        self.usable = self.planned
        """Ports that the reader has, in the order of the plan."""
        self._unconnected: set[int] = set()
        self._told = told

    @property
    def lost(self) -> frozenset[int]:
        """Planned ports that see nothing."""
        return frozenset(self.planned).difference(self.usable) | self._unconnected

    @property
    def seeing(self) -> frozenset[int]:
        """Planned ports that see."""
        return frozenset(self.usable) - self._unconnected

    def limit(self, most: int) -> None:
        """The reader has ports 1 to `most`; 0 if it does not say."""
        if most:
            self.usable = tuple(port for port in self.planned if port <= most)

    def note(self, port: int, is_connected: bool) -> None:
        """A port is connected, or is not."""
        if is_connected:
            self._unconnected.discard(port)
        elif port in self.usable:
            self._unconnected.add(port)

    def news(self) -> AntennaNews | None:
        """What has to be said since the last call; None if nothing."""
        lost = self.lost
        if lost == self._told:
            return None
        self._told = lost
        if not lost:
            return AntennaNews("antenna_back", "every planned antenna is connected")
        missing = sorted(set(self.planned).difference(self.usable))
        parts = [f"the reader has no antenna {_listed(missing)}"] if missing else []
        if self._unconnected:
            parts.append(f"antenna {_listed(sorted(self._unconnected))} is not connected")
        return AntennaNews("antenna_lost", "; ".join(parts))


def _listed(ports: Iterable[int]) -> str:
    return ", ".join(map(str, ports))
