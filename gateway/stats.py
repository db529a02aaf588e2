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
    held_back: int = 0
    """Reads not judged because the journal had no room."""
    movements: int = 0
    reader_events: int = 0
    scans: int = 0
    scans_refused: int = 0
    batches_sent: int = 0
    times_back: int = 0
    """How often the publisher went back to send again."""
    rewinds: int = 0
    """How often a new store asked for older events."""
    epoch: str = ""
    store: str | None = None
    last_seq: int = 0
    acked_through: int = 0
    backlog: int = 0
    journal_used: float = 0.0
    """Used fraction of the journal's quota."""
    link_up: bool = False
    holding: bool = False
    """Is judging stopped because the journal has no room?"""
    clock_offset_s: float | None = None
    """Backend's clock minus ours, as measured from its answers; None before the first."""
    readers: dict[str, bool] = field(default_factory=dict)
    """Which readers are inventorying."""
    last_tick_s: float = 0.0
    """Event loop's time at the last tick: the health page tells a stalled gateway by it."""
