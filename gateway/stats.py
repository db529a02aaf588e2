"""Live counters of one gateway: read by its health page, by metrics and by whoever runs it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(slots=True)
class GatewayStats:
    """What a gateway is doing now. Written by its own tasks, read by anyone in the process."""

    epoch: str = ""
    reads: int = 0
    foreign: int = 0
    late: int = 0
    dropped_reads: int = 0
    movements: int = 0
    scans: int = 0
    backlog: int = 0
    acked_through: int = 0
    readers_up: int = 0
    online: bool = False
    judging: bool = True
    journal_fraction: float = 0.0
    clock_offset_s: float | None = None
    """The backend's clock minus ours, as the last acknowledgement measured it."""
