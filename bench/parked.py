"""Do parked tags flap? Static tags beside a real dock door, taken for absent though they never left.

Reads the recordings in ../shared/data/dockdoor: about 70 of 100 static tags are read in each of three runs, by four
antennas that here are one zone. gateway.presence.Presence runs as shipped, at several accepted errors. Each figure is
held against one fixed window for all tags, as long as ours is on average. Prints no cases where the folder is missing.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from bench.report import Case, line
from gateway.config import Rules
from gateway.presence import Presence, ZoneSightings
from readers.read import EpcTable
from readers.recording import read_recording

FOLDER = Path(__file__).resolve().parents[2] / "shared" / "data" / "dockdoor"
RUNS = ("xstart1", "xstart3", "xstart5")
DEFAULT_ERROR = Rules().absence_error
ERRORS = (DEFAULT_ERROR, 0.1, 0.2)
NO_LIMIT_US = 1 << 62

Times = NDArray[np.int64]


def parked(run: str) -> tuple[list[Times], float]:
    """For each static tag that was read in a run, when; and the tag-hours watched."""
    labels = FOLDER.joinpath("labels").glob("actual=stationary*")
    static = {bytes.fromhex(text) for label in labels for text in label.read_text().split()}
    epcs = EpcTable()
    reads = np.concatenate([batch.reads for batch in read_recording(FOLDER / "runs" / f"{run}.csv", epcs)])
    tags = [number for number in range(len(epcs)) if epcs.epc(number) in static]
    times = [np.sort(reads["at_us"][reads["epc"] == number]) for number in tags]
    span_us = int(reads["at_us"].max() - reads["at_us"].min())
    return times, len(times) * span_us / 3.6e9


def judged(times_us: Times, rules: Rules) -> tuple[int, Times]:
    """How often one tag was taken for absent before it was read again, and its window after each read."""
    presence = Presence(rules)
    presence.known.grow(1)
    row, one, level = np.zeros(1, np.int64), np.ones(1, np.int64), np.array([-60.0], np.float32)
    absences, windows = -1, []  # the first stay is no return
    for at_us in times_us:
        at = np.array([at_us])
        seen = presence.observe(row, ZoneSightings(row, at, at, one, one, level), at, np.array([NO_LIMIT_US]))
        absences += int(seen.new_stay[0])
        windows.append(int(presence.windows_us(row)[0]))
    return absences, np.array(windows)


def cases() -> Iterator[Case]:
    runs = [parked(run) for run in RUNS]
    tags = [times for each, _ in runs for times in each]
    hours = sum(each for _, each in runs)
    for error in ERRORS:
        results = [judged(times, Rules(absence_error=error)) for times in tags]
        window_us = float(np.concatenate([windows for _, windows in results]).mean())
        fixed = sum(int((np.diff(times) > window_us).sum()) for times in tags) / hours
        ours = sum(absences for absences, _ in results) / hours
        shipped = ", the default" if error == DEFAULT_ERROR else ""
        name = f"accepted error {error}{shipped}, windows of {window_us / 1e6:.0f} s on average"
        yield Case(name, ours, "false absences a tag-hour", "a fixed window of that length", fixed)


def main() -> None:
    print(line("parked", list(cases()) if FOLDER.is_dir() else []))


if __name__ == "__main__":
    main()
