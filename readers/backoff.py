"""How long to wait before the next attempt to reach a device."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

FIRST_WAIT_S: Final = 1.0
"""Long enough for a reader to free the connection it believes alive, short enough that a door misses little."""

LONGEST_WAIT_S: Final = 30.0
"""With the jitter below this makes at most nine attempts in the first minute, and two a minute later on."""


class Backoff:
    """Doubling waits with jitter, so that a site's readers do not all come back in the same instant.

    `chance` gives numbers in [0, 1); each wait is drawn from the upper half of the doubling bound.
    """

    def __init__(self, chance: Callable[[], float], first_s: float = FIRST_WAIT_S, longest_s: float = LONGEST_WAIT_S):
        self._chance = chance
        self._first_s = first_s
        self._longest_s = longest_s
        self._bound_s = first_s

    def next_wait_s(self) -> float:
        """Seconds to wait before the next attempt; the bound doubles."""
        wait_s = self._bound_s * (0.5 + 0.5 * self._chance())
        self._bound_s = min(self._bound_s * 2, self._longest_s)
        return wait_s

    def reset(self) -> None:
        """The device was reached and stayed: begin again with the shortest wait."""
        self._bound_s = self._first_s
