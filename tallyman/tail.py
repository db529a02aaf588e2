"""`tallyman tail`: what readers see now, as a table that stays where it is; newest first.

TagBoard is the table's memory, without a clock or terminal; the rest shows it.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import numpy as np
from rich.console import Console, Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from gs1.epc import parse_epc
from gs1.errors import Gs1Error
from gs1.identity import Giai, Grai, Sgtin, Sscc
from readers.read import EpcTable, ReadBatch, ReaderEvent, ReaderNotice, ReaderState, from_us, to_us
from readers.recording import read_events
from readers.tape import TapeOpened
from tallyman.attach import Attached, attached
from tallyman.log_lines import log_shown
from wire.clock import Clock, ScaledClock

RATE_S: Final = 5
"""Seconds over which reads a second are counted: long enough to be steady, short enough to see a tag come and go."""

SPARK_S: Final = 12
"""Seconds of RSSI that a sparkline shows, one mark a second."""

WEAKEST_DBM, STRONGEST_DBM = -80.0, -40.0
"""What the lowest and highest mark stand for: a passive tag at the edge of its range, and one on the antenna."""

GONE_S: Final = 5
"""Seconds without a read after which a tag is shown dim."""

REFRESH_S: Final = 0.25
MAX_TAGS: Final = 20_000
"""Tags remembered; the one seen longest ago is forgotten first."""

TAG_CHARS: Final = 24
"""A tag's column is never narrower: the hex of an EPC of 96 bits."""

WIDE_CHARS: Final = 110
"""Screens narrower than this show no times of the first read and no count: the tag itself matters more."""

_MARKS: Final = "▁▂▃▄▅▆▇█"
_FRAME_LINES: Final = 7
"""Lines of the screen that are not rows: titles, borders, totals."""


@dataclass(slots=True)
class TagLine:
    """One tag, as the table shows it."""

    epc: int
    first_us: int
    last_us: int
    reads: int = 0
    reader: str = ""
    antenna: int = 0
    rssi_dbm: float = float("nan")
    seconds: deque[tuple[int, int, float]] = field(default_factory=lambda: deque(maxlen=max(RATE_S, SPARK_S) + 1))
    """Of each second with reads: the second, how many, the strongest RSSI."""

    def rate(self, now_us: int) -> float:
        """Reads a second over the last whole RATE_S seconds, or since the tag was first seen."""
        now_s = now_us // 1_000_000
        counted = sum(count for second, count, _ in self.seconds if now_s - RATE_S <= second < now_s)
        return counted / max(1, min(RATE_S, now_s - self.first_us // 1_000_000))

    def spark(self, now_us: int) -> str:
        """A mark for each of the last SPARK_S seconds, blank where it was not read."""
        strongest = {second: rssi for second, _, rssi in self.seconds}
        now_s = now_us // 1_000_000
        return "".join(_mark(strongest.get(second)) for second in range(now_s - SPARK_S + 1, now_s + 1))


class TagBoard:
    """What was seen, by tag. Takes events in the order of their coming; asked at any time for the newest."""

    def __init__(self) -> None:
        self._lines: dict[int, TagLine] = {}
        self.reads = 0
        self.forgotten = 0
        self.antennas: dict[str, frozenset[int]] = {}
        self.notices: deque[ReaderNotice] = deque(maxlen=3)
        self._per_second: deque[list[int]] = deque(maxlen=RATE_S + 1)

    @property
    def tags(self) -> int:
        """Different tags seen."""
        return len(self._lines) + self.forgotten

    def take(self, event: ReaderEvent) -> None:
        """Remember what was seen, and who sees."""
        if isinstance(event, ReadBatch):
            self._take_reads(event)
        elif isinstance(event, ReaderState):
            self.antennas[event.reader] = event.antennas
        elif isinstance(event, ReaderNotice):
            self.notices.append(event)

    def newest(self, count: int) -> list[TagLine]:
        """So many tags, the one seen last first."""
        return sorted(self._lines.values(), key=lambda line: line.last_us, reverse=True)[:count]

    def rate(self, now_us: int) -> float:
        """Reads a second of all tags over the last whole RATE_S seconds."""
        now_s = now_us // 1_000_000
        return sum(count for second, count in self._per_second if now_s - RATE_S <= second < now_s) / RATE_S

    def _take_reads(self, batch: ReadBatch) -> None:
        reads = batch.reads
        for epc, antenna, rssi, first_us, at_us in zip(
            *(reads[name].tolist() for name in ("epc", "antenna", "rssi_dbm", "first_at_us", "at_us")), strict=True
        ):
            line = self._lines.get(epc)
            if line is None:
                line = self._lines[epc] = TagLine(epc, first_us, at_us)
            line.reads += 1
            line.last_us = max(line.last_us, at_us)
            line.reader, line.antenna = batch.reader, antenna
            if not np.isnan(rssi):
                line.rssi_dbm = rssi
            _count(line.seconds, at_us // 1_000_000, rssi)
        self.reads += len(reads)
        self._count_all(batch.received_at_us // 1_000_000, len(reads))
        if len(self._lines) > MAX_TAGS:
            self._forget()

    def _count_all(self, second: int, count: int) -> None:
        if self._per_second and self._per_second[-1][0] >= second:
            self._per_second[-1][1] += count
        else:
            self._per_second.append([second, count])

    def _forget(self) -> None:
        """A tenth at once, so that sorting is rare."""
        oldest = sorted(self._lines.values(), key=lambda line: line.last_us)[: MAX_TAGS // 10]
        for line in oldest:
            del self._lines[line.epc]
        self.forgotten += len(oldest)


def _count(seconds: deque[tuple[int, int, float]], second: int, rssi: float) -> None:
    if seconds and seconds[-1][0] >= second:
        last, count, strongest = seconds[-1]
        seconds[-1] = (last, count + 1, np.fmax(strongest, rssi))
    else:
        seconds.append((second, 1, rssi))


def _mark(rssi_dbm: float | None) -> str:
    if rssi_dbm is None:
        return " "
    if np.isnan(rssi_dbm):
        return "·"
    part = (rssi_dbm - WEAKEST_DBM) / (STRONGEST_DBM - WEAKEST_DBM)
    return _MARKS[min(len(_MARKS) - 1, max(0, int(part * len(_MARKS))))]


@dataclass(frozen=True, slots=True)
class View:
    """The table at one moment. Rich asks it at each refresh, with the room that there is."""

    board: TagBoard
    epcs: EpcTable
    now_us: Callable[[], int]
    source: str
    readers: tuple[str, ...] = ()
    log: deque[str] = field(default_factory=lambda: deque(maxlen=2))
    """The program's own last words, such as why a reader is not reached."""

    def __rich_console__(self, console: Console, options: Any) -> Iterator[Any]:
        """A table as high as the screen, what it is of above it."""
        height, notices = options.height or console.height, self._notices()
        wide = options.max_width >= WIDE_CHARS
        yield Group(self._head(), self._table(max(3, height - _FRAME_LINES - len(notices)), wide=wide), *notices)

    def _head(self) -> Text:
        board = self.board
        names = sorted({*self.readers, *board.antennas})
        text = Text.assemble((f" {self.source} ", "bold reverse"), "  ")
        for name in names:
            ports = board.antennas.get(name)
            text.append("● ", "green" if ports else "red" if ports is not None else "yellow")
            text.append(name + ("" if ports else " off" if ports is not None else " connecting") + "  ")
        rate = board.rate(self.now_us())
        text.append(f"{board.tags:,}", "bold").append(" tags  ").append(f"{board.reads:,}", "bold").append(" reads  ")
        return text.append(f"{rate:,.0f}", "bold").append(" reads/s")

    def _table(self, rows: int, *, wide: bool) -> Table:
        now_us = self.now_us()
        table = Table(expand=True, box=None, padding=(0, 1), header_style="bold cyan")
        table.add_column("tag", ratio=1, no_wrap=True, overflow="ellipsis", min_width=TAG_CHARS)
        table.add_column("reader", no_wrap=True)
        table.add_column("ant", justify="right")
        table.add_column("reads/s", justify="right")
        if wide:
            table.add_column("reads", justify="right")
        table.add_column("dBm", justify="right")
        table.add_column(f"last {SPARK_S} s", width=SPARK_S)
        if wide:
            table.add_column("first seen", no_wrap=True)
        table.add_column("last seen", no_wrap=True)
        for line in self.board.newest(rows):
            gone = now_us - line.last_us > GONE_S * 1_000_000
            rssi = "" if np.isnan(line.rssi_dbm) else f"{line.rssi_dbm:.1f}"
            cells = [
                Text(named(self.epcs.epc(line.epc))),
                Text(line.reader),
                str(line.antenna),
                f"{line.rate(now_us):.1f}",
                *([f"{line.reads:,}"] if wide else ()),
                rssi,
                Text(line.spark(now_us), style="green"),
                *([_clock(line.first_us)] if wide else ()),
                _clock(line.last_us),
            ]
            table.add_row(*cells, style="dim" if gone else "")
        return table

    def _notices(self) -> list[Text]:
        return [
            Text(
                f"{_clock(notice.at_us)} {notice.reader}: {notice.kind.replace('_', ' ')}: {notice.detail}",
                style="yellow",
            )
            for notice in self.board.notices
        ] + [Text(line, style="yellow", no_wrap=True, overflow="ellipsis") for line in self.log]


def named(epc: bytes) -> str:
    """A tag by its key where it has one, as hex where not."""
    try:
        identity = parse_epc(epc)
    except Gs1Error:
        return epc.hex().upper()
    match identity:
        case Sgtin():
            return f"GTIN {identity.gtin} · {identity.serial}"
        case Sscc():
            return f"SSCC {identity.sscc}"
        case Grai():
            return f"GRAI {identity.grai}"
        case Giai():
            return f"GIAI {identity.giai}"
        case _:
            return f"{identity.kind.upper()} {epc.hex().upper()}"


def _clock(at_us: int) -> str:
    return f"{from_us(at_us).astimezone():%H:%M:%S}"


async def tail_live(
    readers: Sequence[Attached],
    clock: Clock,
    stop: asyncio.Event,
    *,
    for_s: float | None = None,
    console: Console | None = None,
) -> int:
    """Show live readers until stopped, or for so long; 1 when no read came."""
    board, epcs = TagBoard(), EpcTable()
    names = tuple(one.settings.name for one in readers)
    view = View(board, epcs, lambda: to_us(clock.now()), "live", names)
    return await _show(view, attached(readers, epcs, clock, board.take), stop, for_s, console)


async def tail_recording(
    recording: Path,
    stop: asyncio.Event,
    *,
    speed: float = 1.0,
    for_s: float | None = None,
    console: Console | None = None,
) -> int:
    """Show a recording, `speed` times as fast as it was recorded; ends with it. Raises RecordingError."""
    board, epcs = TagBoard(), EpcTable()
    events = read_events(recording, epcs)
    first = next((event for event in events if not isinstance(event, TapeOpened)), None)
    if first is None:
        return 1
    clock = ScaledClock(from_us(_came_us(first)), speed)
    board.take(first)

    @asynccontextmanager
    async def playing() -> AsyncIterator[None]:
        async with asyncio.TaskGroup() as group:
            task = group.create_task(_play(events, board, clock, stop))
            yield
            task.cancel()

    view = View(board, epcs, lambda: to_us(clock.now()), recording.name)
    return await _show(view, playing(), stop, for_s, console)


async def _play(
    events: Iterator[ReaderEvent | TapeOpened], board: TagBoard, clock: ScaledClock, stop: asyncio.Event
) -> None:
    for event in events:
        if isinstance(event, TapeOpened):
            continue
        wait_s = (_came_us(event) - to_us(clock.now())) / 1e6
        if wait_s > 0:
            await clock.sleep(wait_s)
        board.take(event)
    stop.set()


def _came_us(event: ReaderEvent) -> int:
    return event.received_at_us if isinstance(event, ReadBatch) else event.at_us


async def _show(
    view: View,
    running: AbstractAsyncContextManager[None],
    stop: asyncio.Event,
    for_s: float | None,
    console: Console | None,
) -> int:
    console = console or Console()
    loop = asyncio.get_running_loop()
    end_s = None if for_s is None else loop.time() + for_s
    live = Live(view, console=console, auto_refresh=False, screen=True) if console.is_terminal else None
    async with running:
        with log_shown(view.log.append), live or nullcontext():
            while not stop.is_set() and (end_s is None or loop.time() < end_s):
                if live is not None:
                    live.refresh()
                await asyncio.sleep(REFRESH_S)
        console.print(view)  # while the readers are still on
    return 0 if view.board.reads else 1
