"""`tallyman replay --serve`: a recording's readers again, each a simulated LLRP reader on a printed port."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Final

from rich.console import Console
from rich.table import Table

from readers.read import EpcTable
from readers.recording import read_recording
from simulators.llrp.reader import SimulatedReader
from simulators.recorded import RecordedSource
from tallyman.errors import ReplayError
from wire.clock import Clock

LOOK_S: Final = 0.2
"""Real seconds between two looks whether the tapes have run out."""


async def serve(
    recording: Path, clock: Clock, stop: asyncio.Event, *, port: int = 0, console: Console | None = None
) -> int:
    """Serve every reader of the recording until stopped or all is served; each begins when its client asks.

    `port` is the first reader's, the others get the ones after it; 0 takes free ones. Raises RecordingError for a file
    that cannot be read, ReplayError for a port that is taken.
    """
    console = console or Console()
    names = await asyncio.to_thread(_readers_of, recording)
    sources = {name: await asyncio.to_thread(RecordedSource, recording, name, recorded_as=name) for name in names}
    table = Table("reader", "antennas", "reads", "tags", "length", "LLRP address", title=f"Recording {recording.name}")
    async with AsyncExitStack() as stack:
        for number, (name, source) in enumerate(sources.items()):
            reader = SimulatedReader(name, source, clock, max(source.antennas))
            try:
                listening = await reader.start(port=port + number if port else 0)
            except (OSError, OverflowError) as error:
                raise ReplayError(f"cannot listen on port {port + number}: {error}") from error
            stack.push_async_callback(reader.stop)
            antennas = ", ".join(map(str, sorted(source.antennas)))
            length = f"{source.length_us / 1e6:,.1f} s"
            address = f"127.0.0.1:{listening}"
            table.add_row(
                name, antennas, f"{source.count:,}", f"{len(source.epcs):,}", length, f"[bold cyan]{address}[/]"
            )
        console.print(table)
        console.print("Each tape runs while its reader is asked to inventory. Ctrl-C ends.", style="dim")
        while not stop.is_set() and not all(source.finished for source in sources.values()):
            await asyncio.sleep(LOOK_S)
    served, held = (sum(getattr(source, what) for source in sources.values()) for what in ("served", "count"))
    console.print(f"served {served:,} of {held:,} reads")
    return 0


def _readers_of(recording: Path) -> list[str]:
    names = {batch.reader for batch in read_recording(recording, EpcTable())}
    if not names:
        raise ReplayError(f"{recording}: holds no read")
    return sorted(names)
