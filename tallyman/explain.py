"""One tag's reads, windows and decisions side by side: why was it said to have arrived, moved, departed, crossed?

The recording goes through the gateway's own pipeline once more, and what it knew of the tag is written down as it went.
The decisions are those of the events file; where the pipeline decides differently now (another configuration or
version), that is said. Drawn as a picture (extra `plots`) or told in the terminal.
"""

from __future__ import annotations

import json
from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, Final

import numpy as np
from rich.console import Console
from rich.padding import Padding

from gateway.config import GatewayConfig
from gateway.location import LEAD
from gateway.pipeline import Pipeline
from gateway.placing import View
from readers.read import EpcTable, ReadBatch, ReaderEvent, to_us
from tallyman.errors import ExplainError
from tallyman.replay import event_line, steps

TOGETHER_US: Final = 3_000_000
"""Crossings of one door and direction within this are one pallet's."""

MOST_COLUMNS: Final = 120
SHADES: Final = " ░▒▓█"


@dataclass(frozen=True, slots=True)
class TagRead:
    """A read of the tag: where it was read from, as `zone` or `portal side`, by which antenna, how loud and when."""

    where: str
    antenna: str
    rssi_dbm: float
    at_us: int


@dataclass(frozen=True, slots=True)
class Decision:
    """An event of the tag from the events file, and why it was decided."""

    event: dict[str, Any]
    at_us: int
    decided_us: int
    why: str

    @property
    def what(self) -> str:
        """The event in a few words: `moved dock → hall`."""
        event = self.event
        if event["kind"] == "crossed":
            return f"crossed {event['portal']} {event['direction']}"
        if event["kind"] == "moved":
            return f"moved {event['from_zone']} → {event['zone']}"
        return f"{event['kind']} {event['zone']}"


@dataclass(slots=True)
class Story:
    """All that is drawn. `views[i]` is what was known at `times_us[i]`."""

    epc: str
    config: GatewayConfig
    reads: list[TagRead] = field(default_factory=list)
    times_us: list[int] = field(default_factory=list)
    views: list[View] = field(default_factory=list)
    decisions: list[Decision] = field(default_factory=list)
    differs: bool = False
    """The pipeline decides otherwise now than the events file says."""

    @property
    def zones(self) -> list[str]:
        """Codes of the zones in which the tag was ever sighted, in the order of the configuration."""
        codes = [zone.code for zone in self.config.zones]
        seen = np.any([view.sightings > 0 for view in self.views], axis=0) if self.views else []
        return [code for code, sighted in zip(codes, seen, strict=False) if sighted]

    def zone_number(self, code: str) -> int:
        """The place of a zone in the configuration."""
        return [zone.code for zone in self.config.zones].index(code)

    def before(self, at_us: int) -> View | None:
        """What was known at the last look not after `at_us`."""
        place = bisect_right(self.times_us, at_us) - 1
        return self.views[place] if place >= 0 else None


def tell(events: Path, epc: str, recording: Path, config: GatewayConfig) -> Story:
    """Gather the story of one tag. Raises ExplainError where the files do not speak of it."""
    wanted = epc.upper()
    try:
        number = bytes.fromhex(wanted)
    except ValueError as error:
        raise ExplainError(f"{epc!r} is not an EPC as hex") from error
    told = _told(events)
    story = Story(wanted, config)
    now = _relive(story, number, recording)
    mine = [event for event in told if event["epc"] == wanted]
    if not story.reads and not mine:
        raise ExplainError(f"tag {wanted} is neither in {events} nor in {recording}")
    story.differs = [_key(event) for event in mine] != [_key(event) for event in now]
    for event in mine:
        at_us, decided_us = _us(event["at"]), _us(event["decided_at"])
        why = _why(event, story, told, at_us, decided_us)
        story.decisions.append(Decision(event, at_us, decided_us, why))
    return story


def _told(events: Path) -> list[dict[str, Any]]:
    """The events of the file, each with the fields that are used here."""
    try:
        lines = events.read_text(encoding="utf-8").splitlines()
    except OSError as error:
        raise ExplainError(f"{events}: cannot be read: {error.strerror}") from error
    told = []
    for number, text in enumerate(lines, start=1):
        try:
            event = json.loads(text)
            _us(event["decided_at"]), _us(event["at"]), _key(event), event["epc"], event["confidence"]
        except (ValueError, KeyError, TypeError) as error:
            raise ExplainError(f"{events}, line {number}: not a movement that `tallyman replay` wrote") from error
        told.append(event)
    return told


def _us(text: str) -> int:
    return to_us(datetime.fromisoformat(text))


def _key(event: dict[str, Any]) -> tuple[object, ...]:
    return tuple(event.get(name) for name in ("kind", "zone", "portal", "direction", "at", "decided_at"))


def _relive(story: Story, epc: bytes, recording: Path) -> list[dict[str, Any]]:
    """Run the recording, filling in reads and views; returns what is decided of the tag now."""
    epcs = EpcTable()
    pipeline = Pipeline(story.config, epcs)
    number = epcs.number(epc)
    looks = {
        (reader.name, antenna.port): antenna.zone or f"{antenna.portal} {antenna.side}"
        for reader in story.config.readers
        for antenna in reader.antennas
    }
    now: list[dict[str, Any]] = []
    for events, result in steps(recording, story.config, epcs, pipeline):
        story.reads.extend(_reads_of(events, number, looks))
        decided = [movement for movement in result.movements if movement.epc == story.epc]
        now.extend(event_line(movement, story.config.site) for movement in decided)
        watermark_us = pipeline.watermark_us
        if story.reads and watermark_us is not None:
            story.times_us.append(watermark_us)
            story.views.append(pipeline.view(epc))
    story.reads.sort(key=lambda read: read.at_us)
    return now


def _reads_of(events: Any, number: int, looks: dict[tuple[str, int], str]) -> Iterator[TagRead]:
    batches: list[ReaderEvent] = list(events)
    for batch in batches:
        if isinstance(batch, ReadBatch):
            for read in batch.reads[batch.reads["epc"] == number]:
                port = int(read["antenna"])
                where = looks.get((batch.reader, port), "nowhere")
                yield TagRead(where, f"{batch.reader}/{port}", float(read["rssi_dbm"]), int(read["at_us"]))


def _why(event: dict[str, Any], story: Story, told: list[dict[str, Any]], at_us: int, decided_us: int) -> str:
    """One sentence on what the decision rests on."""
    if event["kind"] == "crossed":
        return _why_crossed(event, story, told, at_us)
    # A view stands at the end of its cell: the last one before the decision still shows what led to it.
    view = story.before(decided_us - 1)
    if view is None:
        return "decided before the recording begins"
    zone = story.zone_number(event["zone"])
    if event["kind"] == "departed":
        return _why_departed(event, int(view.window_us[zone]), story)
    total = max(float(view.evidence.sum()), 1e-9)
    sure = f"{event['zone']} has {100 * float(view.evidence[zone]) / total:.0f} % of the evidence"
    reads = (event.get("evidence") or {}).get("reads", 0)
    if event["kind"] == "arrived":
        return f"sighted again after a first time, {_count(reads, 'read')} in all; {sure}"
    old = story.zone_number(event["from_zone"])
    led, held = float(view.evidence[zone]), float(view.evidence[old])
    if led <= LEAD * held:
        window_s = view.window_us[old] / 1e6
        return f"the window of {window_s:.1f} s in {event['from_zone']} is over, and {event['zone']} still sees it"
    lead = f"{led / held:.1f} times that of" if held > 1e-3 else "and nothing is left of"
    return f"{sure}, {lead} {event['from_zone']}, and has led long enough; {_count(reads, 'read')} there"


def _why_departed(event: dict[str, Any], window_us: int, story: Story) -> str:
    silent_s = (_us(event["decided_at"]) - _us(event["at"])) / 1e6
    longest = ", the longest allowed" if window_us >= story.config.rules.window_max_ms * 1000 else ""
    doubt = f"the chance that it is still there is {100 * (1 - float(event['confidence'])):.1f} %"
    return f"not seen for {silent_s:.1f} s, its window was {window_us / 1e6:.1f} s{longest}; {doubt}"


def _why_crossed(event: dict[str, Any], story: Story, told: list[dict[str, Any]], at_us: int) -> str:
    evidence = event.get("evidence")
    sides = []
    if evidence is not None:
        first_us, last_us = _us(evidence["first_at"]), _us(evidence["last_at"])
        used = [read for read in story.reads if first_us <= read.at_us <= last_us]
        for side in ("in", "out") if event["direction"] == "out" else ("out", "in"):
            levels = [read.rssi_dbm for read in used if read.where == f"{event['portal']} {side}"]
            loudest = f" (up to {max(levels):.0f} dBm)" if levels else ", yet"
            sides.append(f"{_count(len(levels), 'read') if levels else 'none'} on the {side} side{loudest}")
    same = [
        other
        for other in told
        if other["kind"] == "crossed"
        and (other["portal"], other["direction"]) == (event["portal"], event["direction"])
        and other["epc"] != event["epc"]
        and abs(_us(other["at"]) - at_us) <= TOGETHER_US
    ]
    company = f"{_count(len(same), 'other tag')} crossed with it" if same else "nothing else crossed with it"
    return f"{', then '.join(sides) or 'no reads named'}; {company}"


def print_story(story: Story, console: Console) -> None:
    """Tell the story in the terminal: where it was read over time, and each decision with its reason."""
    console.print(f"[bold]{story.epc}[/bold]: {len(story.reads)} reads, {len(story.decisions)} decisions")
    if story.differs:
        console.print("[yellow]With this configuration and version the recording now gives other decisions.[/yellow]")
    if story.reads:
        _print_strips(story, console)
    for number, decision in enumerate(story.decisions, start=1):
        delay_s = (decision.decided_us - decision.at_us) / 1e6
        confidence = decision.event["confidence"]
        head = f"{number:>3}  {_clock(decision.decided_us)}  [bold]{decision.what}[/bold]"
        console.print(f"{head}, confidence {confidence:.2f}, {delay_s:.2f} s after its last read", highlight=False)
        console.print(Padding(decision.why, (0, 0, 0, 5)), highlight=False)


def _print_strips(story: Story, console: Console) -> None:
    """A line for each place it was read from: louder reads stand darker; below, where decisions were made."""
    places = sorted({read.where for read in story.reads})
    width = max(len(place) for place in (*places, "decisions"))
    columns = max(10, min(MOST_COLUMNS, console.width - width - 4))
    begin_us = story.reads[0].at_us
    end_us = max(story.reads[-1].at_us, *(each.decided_us for each in story.decisions), begin_us + 1)
    column_us = -(-(end_us - begin_us + 1) // columns)
    for place in places:
        strip = [" "] * columns
        for read in story.reads:
            if read.where == place:
                column = (read.at_us - begin_us) // column_us
                strip[column] = max(strip[column], _shade(read.rssi_dbm), key=SHADES.index)
        console.print(f"{place:>{width}} │{''.join(strip)}│", markup=False, highlight=False)
    marks = [" "] * columns
    for decision in story.decisions:
        marks[max(0, (decision.decided_us - begin_us) // column_us)] = "▲"
    console.print(f"{'decisions':>{width}} │{''.join(marks)}│", markup=False, highlight=False)
    span = f"{_clock(begin_us)} … {_clock(end_us)}, one column {column_us / 1e6:.2f} s"
    console.print(f"{'':>{width}}  {span}", markup=False, highlight=False)


def _shade(rssi_dbm: float) -> str:
    """A darker character for a louder read, 8 dB a step from -80; of a read without a level the lightest."""
    return SHADES[1 + int(np.clip((np.nan_to_num(rssi_dbm, nan=-80.0) + 80) // 8, 0, 3))]


def _count(count: int, thing: str) -> str:
    return f"{count} {thing}" if count == 1 else f"{count} {thing}s"


def _clock(at_us: int) -> str:
    return np.datetime64(at_us, "us").item().strftime("%H:%M:%S.%f")[:-3]
