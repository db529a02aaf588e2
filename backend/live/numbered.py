"""What clients are shown, kept once for all of them, with the latest deltas (no IO).

`seq` is `<generation>.<number>`: a generation begins when the picture is loaded afresh, numbers count its deltas. A
client of another generation, or too far behind, cannot be told what it missed and gets a snapshot.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import deque
from typing import Final

DELTAS_KEPT: Final = 300
"""Half a minute at ten a second: a page that lost its line for a moment is told what it missed."""

CHARS_KEPT: Final = 16_000_000
"""Of these deltas together: two snapshots of a hundred thousand offers. A new rule can make a delta as large as one:
three hundred of them would fill the memory; whoever missed so much is better served by a snapshot."""


class Numbered(ABC):
    """A picture's deltas as messages, by their numbers, and its snapshot."""

    def __init__(self, generation: str) -> None:
        self._generation = generation
        self._number = 0
        self._deltas: deque[str] = deque()
        self._chars = 0
        self._snapshot: str | None = None

    @property
    def number(self) -> int:
        """How many deltas there have been in this generation."""
        return self._number

    @property
    def seq(self) -> str:
        """The name of the latest delta."""
        return f"{self._generation}.{self._number}"

    def snapshot(self) -> str:
        """The whole picture as a message; encoded once for all who ask before the next change."""
        if self._snapshot is None:
            self._snapshot = self._whole()
        return self._snapshot

    def number_of(self, seq: str | None) -> int | None:
        """The number that a client's `seq` means in this generation, None when it means nothing here."""
        generation, _, number = (seq or "").rpartition(".")
        if generation != self._generation or not (number.isascii() and number.isdigit()) or len(number) > 18:
            return None
        return int(number)

    def behind(self, number: int | None) -> list[str] | None:
        """The deltas after `number`, oldest first; None when they are not all there and only a snapshot helps."""
        if number is None or not self._number - len(self._deltas) <= number <= self._number:
            return None
        missed = self._number - number
        return list(self._deltas)[len(self._deltas) - missed :] if missed else []

    @abstractmethod
    def _whole(self) -> str:
        """The snapshot, encoded now."""

    def _keep(self, delta: str) -> None:
        """The delta of the number that was counted up for it."""
        self._deltas.append(delta)
        self._chars += len(delta)
        while len(self._deltas) > DELTAS_KEPT or self._chars > CHARS_KEPT:
            self._chars -= len(self._deltas.popleft())
        self._snapshot = None
