"""Live counters of one gateway: what the health page, the metrics and the demo show. Written on the event loop only."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(slots=True)
class GatewayStats:
    """Counters since the start, and the state of now."""

    reads: int = 0
    foreign: int = 0
    """Reads of EPCs that are not ours, dropped by rule."""
    late: int = 0
    """Reads that came after their instant had been judged."""
    dropped_reads: int = 0
    """Reads not judged because the journal had no room for too long."""
    movements: int = 0
    scans: int = 0
    refused_scans: int = 0
    """What wired scanners read and the gateway itself refused: no GS1 code, or no operator set."""
    batches_sent: int = 0
    times_back: int = 0
    """How often the publisher went back to send again."""
    rewinds: int = 0
    """How often a new store asked for older events, or a new epoch began."""
    epoch: str = ""
    store: str | None = None
    last_seq: int = 0
    acked_through: int = 0
    backlog: int = 0
    """Events that the backend has not acknowledged."""
    journal_used: float = 0.0
    """Used fraction of the journal's quota."""
    online: bool = False
    """Is there a connection to the broker?"""
    judging: bool = True
    """False while judging stands still because the journal takes nothing."""
    clock_offset_s: float | None = None
    """Backend's clock minus ours, as measured from its answers; None before the first."""
    readers: dict[str, bool] = field(default_factory=dict)
    """Which readers are inventorying."""
    scanners: dict[str, bool] = field(default_factory=dict)
    """Which wired scanners have a line."""
