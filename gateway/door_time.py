"""A door's time: it stands while a read that belongs to it may still be on its way, and then catches up.

A door judges the order of reads, bin by bin, and cannot go back. A reader whose line is down may hold what it reads and
hand it over when the line is back, so the doors that it looks at wait for it; other doors and zones do not.

    each of the door's readers                             the door's time
    on, giving signs                                       runs
    on, silent < doubt, and no tag near the door lately    stands: nothing could be decided
    off                                                    stands
    on again, since less than HELD_PAUSE_US                stands: what was held comes before the word that it is on
    off for LONGEST_AWAY_US, or the door as far behind     runs: the reader is given up

What is read of the door meanwhile waits here, in time or late, and so do its photo-eyes. When time runs again, the bins
that it stood are judged in their order, each by what was read up to then, and decided at the watermark of now: the same
recording gives the same crossings however it is cut into ticks. Only a reader that was seen to be on is waited for: not
one that never came, nor one that is well and idle until its trigger.

That all was delivered needs no sign of its own: one line delivers in order, and a driver says that its reader is on
again only after what it held (readers/llrp/connection.py: the reader is let send it before it is asked for more). Where
a driver learns from the first read that its reader is back (readers/vendor_event.py), HELD_PAUSE_US is all there is.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from gateway.grid import GridReads, Ints, ReorderBuffer, join
from gateway.passage import Flags

MAX_WAITING: Final = 500_000
"""Reads and beams that wait at one door: 20 MB, what two readers make at 2,000 reads a second in LONGEST_AWAY_US. With
more the door goes on with what it has."""


class DoorTime:
    """How far one door has judged, and what waits for it. `bin_us`: a bin; `antennas`: how many the gateway has."""

    def __init__(self, bin_us: int, antennas: int) -> None:
        self._bin_us = bin_us
        self._reads = ReorderBuffer(bin_us, antennas)
        self._beams: list[int] = []
        self.waiting = 0
        self.due_bin: int | None = None
        """While it stands, the bin at whose start is to be judged next; None while it runs."""

    @property
    def stands(self) -> bool:
        """Is there a bin that should have been judged and is not?"""
        return self.due_bin is not None

    @property
    def is_full(self) -> bool:
        """Can nothing more wait?"""
        return self.waiting >= MAX_WAITING

    def stand(self, due_bin: int) -> None:
        """Judge nothing at the start of `due_bin` or later until told to run."""
        self.due_bin = due_bin

    def run(self) -> None:
        """Everything is judged, and nothing waits."""
        self.due_bin = None
        self.waiting = 0

    def unjudged(self, at_us: Ints) -> Flags:
        """Which of these times lie in bins not judged yet, and may wait."""
        if self.due_bin is None or self.is_full:
            return np.zeros(len(at_us), np.bool_)
        return np.greater_equal(at_us, (self.due_bin - 1) * self._bin_us)

    def keep(self, reads: GridReads) -> None:
        """Let reads wait."""
        self.waiting += len(reads)
        self._reads.add(reads, reads.at_us)

    def keep_beam(self, at_us: int) -> None:
        """Let a change of the photo-eye wait."""
        self.waiting += 1
        self._beams.append(at_us)

    def release(self, now_bin: int) -> tuple[GridReads | None, list[int]]:
        """What waited of the time before `now_bin`: reads, in order and each once, and beams."""
        if not self.waiting:
            return None, []
        reads = list(self._reads.take_before(now_bin).values())
        now_us = now_bin * self._bin_us
        beams = [at_us for at_us in self._beams if at_us < now_us]
        self._beams = [at_us for at_us in self._beams if at_us >= now_us]
        return join(reads) if reads else None, beams
