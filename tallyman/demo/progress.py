"""What the demo tells while it runs: a live table for a person, a line now and then without one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Self

from rich.console import Console
from rich.live import Live
from rich.table import Table

HEADLESS_EVERY_S: Final = 5.0
"""Seconds between two lines when nobody watches."""

LIVE_EVERY_S: Final = 0.5
"""Seconds between two pictures: fast enough to feel live, slow enough to read."""


@dataclass(frozen=True, slots=True)
class Progress:
    """One look at the whole chain. `backlog` are events that the backend has not confirmed."""

    act: str
    elapsed_s: float
    reads: int
    reads_per_s: float
    movements: int
    backlog: int
    applied: int
    quarantined: int
    sites_down: tuple[str, ...]
    page: str

    def rows(self) -> list[tuple[str, str]]:
        """Name and value of each figure."""
        return [
            ("now", self.act),
            ("elapsed", f"{self.elapsed_s:,.0f} s"),
            ("reads", f"{self.reads:,} ({self.reads_per_s:,.0f}/s)"),
            ("movements", f"{self.movements:,}"),
            ("journal backlog", f"{self.backlog:,}"),
            ("applied", f"{self.applied:,}"),
            ("quarantined", f"{self.quarantined:,}"),
            ("lines down", ", ".join(self.sites_down) or "none"),
            ("page", self.page),
        ]


class Display:
    """Shows each Progress: redrawn in place, or one line every few seconds when headless."""

    def __init__(self, console: Console, *, headless: bool) -> None:
        self._console = console
        self._live = None if headless else Live(console=console, refresh_per_second=4, transient=True)
        self._due_s = 0.0
        self._act = ""

    def __enter__(self) -> Self:
        if self._live is not None:
            self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._live is not None:
            self._live.stop()

    def show(self, progress: Progress) -> None:
        """Draw it, or print a line when it is time or something new begins."""
        if self._live is not None:
            table = Table(title="Tallyman", show_header=False, min_width=60)
            for name, value in progress.rows():
                table.add_row(name, value)
            self._live.update(table)
        elif progress.elapsed_s >= self._due_s or progress.act != self._act:
            self._due_s, self._act = progress.elapsed_s + HEADLESS_EVERY_S, progress.act
            line = "  ".join(f"{name} {value}" for name, value in progress.rows())
            self._console.print(line, highlight=False, soft_wrap=True)
