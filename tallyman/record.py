"""`tallyman record`: what live readers deliver, onto a tape (docs/tape.md)."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from rich.console import Console
from rich.live import Live
from rich.text import Text

from readers.read import EpcTable, ReadBatch, ReaderEvent, ReaderState, to_us
from readers.recording import TapeFile
from readers.tape import TapeReader
from tallyman.attach import Attached, attached
from tallyman.log_lines import log_shown
from wire.clock import Clock

FLUSH_S: Final = 1.0
"""What a crash of this machine loses at most."""


@dataclass(slots=True)
class RecordStatus:
    """What the line at the terminal tells."""

    out: Path
    readers: int
    epcs: EpcTable
    reads: int = 0
    rate: float = 0.0
    bytes: int = 0
    on: set[str] = field(default_factory=set)

    def __rich__(self) -> Text:
        state = "green" if len(self.on) == self.readers else "yellow" if self.on else "red"
        return Text.assemble(
            ("● ", state),
            (f"{len(self.on)}/{self.readers}", state),
            " readers  ",
            (f"{self.reads:,}", "bold"),
            " reads of ",
            (f"{len(self.epcs):,}", "bold"),
            f" tags  {self.rate:,.0f} reads/s  {self.bytes / 1024:,.0f} KiB  ",
            (str(self.out), "cyan"),
        )


async def record(
    readers: Sequence[Attached],
    out: Path,
    clock: Clock,
    stop: asyncio.Event,
    *,
    for_s: float | None = None,
    console: Console | None = None,
) -> int:
    """Record until stopped, or for so long; 1 when no reader delivered anything. Raises RecordingError."""
    console = console or Console(stderr=True)
    epcs = EpcTable()
    status = RecordStatus(out, len(readers), epcs)
    named = [TapeReader(one.settings.name, one.driver, one.settings.address, one.settings.antennas) for one in readers]
    tape = await asyncio.to_thread(TapeFile, out, named, epcs, to_us(clock.now()))

    def take(event: ReaderEvent) -> None:
        tape.take(event)
        if isinstance(event, ReadBatch):
            status.reads += len(event.reads)
        elif isinstance(event, ReaderState):
            (status.on.add if event.antennas else status.on.discard)(event.reader)

    try:
        async with attached(readers, epcs, clock, take):
            live = Live(status, console=console, refresh_per_second=4, transient=True)
            with live, log_shown(lambda line: console.print(line, style="yellow")):
                await _keep_flushing(tape, status, stop, for_s)
    finally:
        tape.close()
        status.bytes = tape.size
    per_read = f", {status.bytes / status.reads:.1f} bytes a read" if status.reads else ""
    console.print(f"{out}: {status.reads:,} reads of {len(epcs):,} tags, {status.bytes / 1024:,.1f} KiB{per_read}")
    return 0 if status.reads else 1


async def _keep_flushing(tape: TapeFile, status: RecordStatus, stop: asyncio.Event, for_s: float | None) -> None:
    loop = asyncio.get_running_loop()
    end_s = None if for_s is None else loop.time() + for_s
    seen, seen_s = 0, loop.time()
    while not stop.is_set() and (end_s is None or loop.time() < end_s):
        wait_s = FLUSH_S if end_s is None else max(0.0, min(FLUSH_S, end_s - loop.time()))
        try:
            async with asyncio.timeout(wait_s):
                await stop.wait()
        except TimeoutError:
            pass
        await _store(tape)
        now_s = loop.time()
        status.rate = (status.reads - seen) / max(now_s - seen_s, 1e-3)
        status.bytes, seen, seen_s = tape.size, status.reads, now_s


async def _store(tape: TapeFile) -> None:
    """Write off the event loop; also when cancelled not before it is done, for what comes next must stand behind it."""
    writing = asyncio.ensure_future(asyncio.to_thread(tape.write, tape.gather()))
    try:
        await asyncio.shield(writing)
    except asyncio.CancelledError:
        await writing
        raise
