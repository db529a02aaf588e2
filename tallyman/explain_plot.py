"""The picture of a tag's story: its reads, the chance that it is gone, the evidence for zones, and the decisions."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Any, Final

import matplotlib as mpl
import numpy as np
from matplotlib.figure import Figure

from readers.read import to_us
from tallyman.errors import ExplainError
from tallyman.explain import Decision, Story

COLOURS: Final = ("#4477aa", "#ee6677", "#228833", "#ccbb44", "#66ccee", "#aa3377", "#bbbbbb")
"""Told apart by most who see colours differently (Paul Tol's bright scheme)."""

KIND_COLOURS: Final = {"arrived": "#228833", "moved": "#4477aa", "departed": "#cc3311", "crossed": "#aa3377"}

CLOSE_US: Final = 4_000_000
CLOSE_COLUMNS: Final = 6
MOST_CLOSE: Final = 24
"""Crossings take seconds of a recording of hours: each is drawn again close up, the first two dozen."""


def draw(story: Story, out: Path) -> None:
    """Write the picture to `out`; the ending says in which format. Raises ExplainError where it cannot be written."""
    # Text stays text in SVG: it can be searched and copied.
    mpl.rcParams["svg.fonttype"] = "none"
    begin_us = story.reads[0].at_us if story.reads else story.decisions[0].at_us
    zones, crossings = story.zones, _crossings(story)
    close_rows = -(-len(crossings) // CLOSE_COLUMNS)
    heights = [3.0, *([1.6, 1.6] if zones else []), *([1.5] * close_rows), 0.2 * max(1, len(story.decisions)) + 0.1]
    figure = Figure(figsize=(13, 1.3 + 1.25 * sum(heights)), layout="constrained")
    grid = figure.add_gridspec(len(heights), 1, height_ratios=heights)
    panels = [figure.add_subplot(grid[0])]
    panels += [figure.add_subplot(grid[row], sharex=panels[0]) for row in ((1, 2) if zones else ())]
    _draw_reads(panels[0], story, begin_us)
    if zones:
        _draw_absence(panels[1], story, zones, begin_us)
        _draw_evidence(panels[2], story, zones, begin_us)
    for number, decision in enumerate(story.decisions, start=1):
        _mark(panels, decision, number, begin_us)
    panels[-1].set_xlabel(f"seconds since {np.datetime64(begin_us, 'us').item():%Y-%m-%d %H:%M:%S} UTC")
    for row in range(close_rows):
        cells = grid[len(panels) + row].subgridspec(1, CLOSE_COLUMNS)
        for column, number in enumerate(crossings[row * CLOSE_COLUMNS : (row + 1) * CLOSE_COLUMNS]):
            _draw_close(figure.add_subplot(cells[column]), story, number)
    _tell(figure.add_subplot(grid[-1]), story)
    _finish(figure, story)
    try:
        figure.savefig(out, dpi=110)
    except OSError as error:
        raise ExplainError(f"{out}: cannot be written: {error.strerror}") from error
    except ValueError as error:
        raise ExplainError(f"{out}: {error}") from error


def _finish(figure: Figure, story: Story) -> None:
    for panel in figure.axes:
        panel.grid(alpha=0.25)
    title = f"{story.epc}: {len(story.reads)} reads, {len(story.decisions)} decisions"
    warning = "\n(this configuration and version now decide otherwise)" if story.differs else ""
    figure.suptitle(title + warning, fontsize=12)


def _crossings(story: Story) -> list[int]:
    """Numbers of the crossings that are drawn close up, from 1."""
    crossed = [n for n, decision in enumerate(story.decisions, start=1) if decision.event["kind"] == "crossed"]
    return crossed[:MOST_CLOSE]


def _draw_close(panel: Any, story: Story, number: int) -> None:
    """The seconds around one crossing: which side read the tag when, what the decision rests on, and when it fell."""
    decision = story.decisions[number - 1]
    portal, centre_us = decision.event["portal"], decision.at_us
    places = sorted({read.where for read in story.reads})
    for side in ("in", "out"):
        near = [
            read for read in story.reads if read.where == f"{portal} {side}" and abs(read.at_us - centre_us) <= CLOSE_US
        ]
        if near:
            colour = COLOURS[places.index(near[0].where) % 7]
            seconds = [(read.at_us - centre_us) / 1e6 for read in near]
            panel.plot(seconds, [read.rssi_dbm for read in near], "o", ms=4, color=colour)
    _band(panel, decision, centre_us)
    panel.axvline((decision.decided_us - centre_us) / 1e6, color=KIND_COLOURS["crossed"], lw=1.2)
    panel.set_xlim(-CLOSE_US / 1e6, CLOSE_US / 1e6)
    panel.set_title(f"{number}  {decision.event['direction']}", fontsize=9, color=KIND_COLOURS["crossed"], loc="left")
    panel.tick_params(labelsize=7)


def _draw_reads(panel: Any, story: Story, begin_us: int) -> None:
    places = sorted({read.where for read in story.reads})
    for number, place in enumerate(places):
        mine = [read for read in story.reads if read.where == place]
        seconds = [(read.at_us - begin_us) / 1e6 for read in mine]
        panel.plot(seconds, [read.rssi_dbm for read in mine], "o", ms=4, color=COLOURS[number % 7], label=place)
    panel.set_ylabel("reads, dBm")
    if places:
        panel.legend(loc="upper left", bbox_to_anchor=(1.0, 1.0), title="read at", fontsize=9)


def _draw_absence(panel: Any, story: Story, zones: list[str], begin_us: int) -> None:
    """The chance of being gone, zone by zone, and where the line is that makes a tag depart."""
    seconds = (np.array(story.times_us) - begin_us) / 1e6
    for code in zones:
        zone = story.zone_number(code)
        sighted = np.array([view.sightings[zone] > 0 for view in story.views])
        gone = np.array([view.absence[zone] for view in story.views])
        over = np.array([view.silent_us[zone] > view.window_us[zone] for view in story.views])
        colour = _zone_colour(story, code)
        panel.plot(seconds, np.where(sighted, gone, np.nan), color=colour, lw=1.4, label=code)
        panel.fill_between(seconds, 0, 1, where=over & sighted, color=colour, alpha=0.18, step="post")
    panel.axhline(1 - story.config.rules.absence_error, color="black", lw=0.8, ls="--", label="absent above")
    panel.set_ylim(-0.03, 1.06)
    panel.set_ylabel("chance it is gone")
    panel.legend(loc="upper left", bbox_to_anchor=(1.0, 1.0), title="zone (shaded: window over)", fontsize=9)


def _draw_evidence(panel: Any, story: Story, zones: list[str], begin_us: int) -> None:
    """Evidence for each zone, and below it in colour where the tag was held to be."""
    seconds = (np.array(story.times_us) - begin_us) / 1e6
    top = max(0.5, *(float(view.evidence.max()) for view in story.views)) * 1.05
    for code in zones:
        zone = story.zone_number(code)
        colour = _zone_colour(story, code)
        panel.plot(seconds, [view.evidence[zone] for view in story.views], color=colour, lw=1.4, label=code)
        here = np.array([view.place == zone for view in story.views])
        panel.fill_between(seconds, -0.12 * top, -0.03 * top, where=here, color=colour, step="post", lw=0)
    panel.set_ylim(-0.13 * top, top)
    panel.set_ylabel("evidence")
    panel.legend(loc="upper left", bbox_to_anchor=(1.0, 1.0), title="zone (bar: held to be)", fontsize=9)


def _zone_colour(story: Story, code: str) -> str:
    """The colour that the zone's reads have, or a further one."""
    places = sorted({read.where for read in story.reads})
    return COLOURS[(places.index(code) if code in places else len(places)) % 7]


def _mark(panels: list[Any], decision: Decision, number: int, begin_us: int) -> None:
    """A line where the decision was made, a band from the first to the last read it rests on."""
    colour = KIND_COLOURS[decision.event["kind"]]
    decided_s = (decision.decided_us - begin_us) / 1e6
    for panel in panels:
        panel.axvline(decided_s, color=colour, lw=1.2)
    if decision.event["kind"] == "crossed":
        _band(panels[0], decision, begin_us)
    panels[0].annotate(
        str(number),
        (decided_s, 1.0),
        xycoords=("data", "axes fraction"),
        ha="center",
        va="bottom",
        color="white",
        fontsize=8,
        bbox={"boxstyle": "circle,pad=0.25", "fc": colour, "ec": "none"},
        annotation_clip=False,
    )


def _band(panel: Any, decision: Decision, begin_us: int) -> None:
    """From the first to the last read that a decision rests on."""
    if "evidence" in decision.event:
        first_us = to_us(datetime.fromisoformat(decision.event["evidence"]["first_at"]))
        ends_s = [(each - begin_us) / 1e6 for each in (first_us, decision.at_us)]
        panel.axvspan(*ends_s, color=KIND_COLOURS[decision.event["kind"]], alpha=0.12)


def _tell(legend: Any, story: Story) -> None:
    """Each decision in words, in the colour and with the number of its line."""
    legend.axis("off")
    rows = len(story.decisions)
    for row, decision in enumerate(story.decisions):
        delay_s = (decision.decided_us - decision.at_us) / 1e6
        text = f"{row + 1}  {decision.what}, {decision.event['confidence']:.2f}, {delay_s:.2f} s after its last read: "
        height = 1.0 - (row + 0.5) / rows
        colour = KIND_COLOURS[decision.event["kind"]]
        legend.text(0.0, height, text + decision.why, color=colour, fontsize=9, va="center", transform=legend.transAxes)
    if not rows:
        legend.text(0.0, 0.5, "Nothing was decided of this tag.", fontsize=9, transform=legend.transAxes)
