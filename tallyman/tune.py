"""Find how careful a door must be, on a recording whose crossings are known; say what that changes.

Searches the two cautions of `[rules.portals]` (see gateway.config.PortalRules), one after the other, for the best F1 of
crossings; between equals the one nearer to what is configured wins, so a recording that says nothing changes nothing.
Two numbers are little enough that one recording of some dozen crossings does not mislead; nothing else is touched.

Truth is a CSV with a header: `at` (ISO 8601 with offset) and `direction` (in, out) of every crossing, and `epc` (hex)
where rows are of single tags; without that column every EPC of the list of moving tags crosses each time. Tags that the
truth does not name stood still.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Final

from gateway.config import GatewayConfig, PortalRules, load
from gateway.errors import ConfigError
from gateway.pipeline import Pipeline
from readers.read import EpcTable
from tallyman.errors import TuneError
from tallyman.replay import steps, with_portal_rules
from wire.events import Movement

CAUTIONS: Final = (-1.5, -1.0, -0.5, 0.0, 0.5, 1.0, 1.5)
"""Steps in log-odds: less than half a step changes next to nothing, more than three break a fitted model."""

EARLY_S, LATE_S = 4.0, 6.0
"""A crossing is found when its last read lies this long before or after the true time."""

DECIMALS: Final = 2


@dataclass(frozen=True, slots=True)
class TrueCrossing:
    """What really happened. `at_s` seconds since 1970."""

    epc: str
    direction: str
    at_s: float


@dataclass(frozen=True, slots=True)
class Confusion:
    """Crossings decided against crossings that were, and the rules by which they were decided."""

    rules: PortalRules
    found: int
    missed: int
    wrong_way: int
    again: int
    still: int

    @property
    def f1(self) -> float:
        """Harmonic mean of precision and recall."""
        wrong = self.wrong_way + self.again + self.still
        return 2 * self.found / max(1, 2 * self.found + self.missed + wrong)


@dataclass(frozen=True, slots=True)
class Tuning:
    """Before and after."""

    before: Confusion
    after: Confusion

    def __str__(self) -> str:
        rows = [("", "before", "after")]
        rows += [(title, str(getattr(self.before, field)), str(getattr(self.after, field))) for title, field in _FIELDS]
        for title in ("caution", "group_caution"):
            before, after = (getattr(each.rules, title) for each in (self.before, self.after))
            rows.append((title, f"{before:+.2f}", f"{after:+.2f}"))
        rows.append(("F1", f"{self.before.f1:.4f}", f"{self.after.f1:.4f}"))
        return "\n".join(f"{title:<28}{before:>9}{after:>9}" for title, before, after in rows)


_FIELDS: Final = (
    ("crossings found", "found"),
    ("crossings missed", "missed"),
    ("decided the wrong way", "wrong_way"),
    ("decided when none was", "again"),
    ("decided of tags that stood", "still"),
)


def tune(recording: Path, truth: Path, config: GatewayConfig, moving: Path | None = None) -> Tuning:
    """Search the cautions on `recording`. Raises TuneError for a truth that cannot be read, and as `replay` does."""
    crossings = read_truth(truth, moving)
    before = after = judge(recording, config, crossings)
    for name in ("caution", "group_caution"):
        start = after
        for value in sorted(CAUTIONS, key=abs):
            if value != 0.0:
                changed = {name: round(getattr(start.rules, name) + value, DECIMALS)}
                trial = judge(recording, with_portal_rules(config, **_cautions(start.rules) | changed), crossings)
                after = trial if trial.f1 > after.f1 else after
    return Tuning(before, after)


def _cautions(rules: PortalRules) -> dict[str, float]:
    return {"caution": rules.caution, "group_caution": rules.group_caution}


def judge(recording: Path, config: GatewayConfig, crossings: Sequence[TrueCrossing]) -> Confusion:
    """Replay a recording and compare its crossings with the true ones, one to one."""
    open_: dict[str, list[TrueCrossing]] = {}
    for crossing in crossings:
        open_.setdefault(crossing.epc, []).append(crossing)
    taken: set[TrueCrossing] = set()
    wrong_way = again = still = 0
    for movement in _crossed(recording, config):
        at_s = movement.observed_at.timestamp()
        near = [each for each in open_.get(movement.epc, ()) if each.at_s - EARLY_S <= at_s <= each.at_s + LATE_S]
        right = [each for each in near if each.direction == movement.direction and each not in taken]
        if right:
            taken.add(min(right, key=lambda each: abs(each.at_s - at_s)))
        elif movement.epc not in open_:
            still += 1
        elif near and all(each.direction != movement.direction for each in near):
            wrong_way += 1
        else:
            again += 1
    found = len(taken)
    return Confusion(config.rules.portals, found, len(crossings) - found, wrong_way, again, still)


def _crossed(recording: Path, config: GatewayConfig) -> Iterator[Movement]:
    epcs = EpcTable()
    for _, step in steps(recording, config, epcs, Pipeline(config, epcs)):
        yield from (movement for movement in step.movements if movement.kind == "crossed")


def read_truth(path: Path, moving: Path | None = None) -> list[TrueCrossing]:
    """The true crossings of a CSV file. Raises TuneError naming the file and line."""
    crossings = []
    try:
        with path.open(encoding="utf-8-sig", newline="") as lines:
            rows = csv.DictReader(lines)
            missing = {"at", "direction"}.difference(rows.fieldnames or ())
            if missing:
                raise TuneError(f"{path}: no column {', '.join(sorted(missing))}; a truth has at, direction and epc")
            everyone = _listed(path, moving) if "epc" not in (rows.fieldnames or ()) else ()
            for row in rows:
                crossings += _rows_of(row, everyone, f"{path}, line {rows.line_num}")
    except (OSError, UnicodeDecodeError) as error:
        raise TuneError(f"{path}: cannot be read: {error}") from error
    if not crossings:
        raise TuneError(f"{path}: no crossings in it; nothing can be tuned by that")
    return crossings


def _rows_of(row: dict[str, str | None], everyone: Sequence[str], where: str) -> list[TrueCrossing]:
    direction = row["direction"]
    try:
        at = datetime.fromisoformat(row["at"] or "")
    except ValueError as error:
        raise TuneError(f"{where}: {row['at']!r} is no ISO 8601 time") from error
    if at.tzinfo is None:
        raise TuneError(f"{where}: the time {row['at']!r} has no offset from UTC")
    if direction not in ("in", "out"):
        raise TuneError(f"{where}: direction {direction!r} is neither in nor out")
    epcs = everyone or [(row.get("epc") or "").upper()]
    if not all(re.fullmatch(r"[0-9A-F]+", epc) for epc in epcs):
        raise TuneError(f"{where}: EPC {row.get('epc')!r} is not hex")
    return [TrueCrossing(epc, direction, at.timestamp()) for epc in epcs]


def _listed(truth: Path, moving: Path | None) -> list[str]:
    if moving is None:
        raise TuneError(f"{truth}: no column epc; add it, or name the tags that cross each time with --moving FILE")
    return [line.strip().upper() for line in moving.read_text(encoding="utf-8").splitlines() if line.strip()]


def write_rules(config: Path, rules: PortalRules) -> None:
    """Put the cautions into the section [rules.portals] of a configuration file and leave the rest as it stands.

    Raises TuneError, the file untouched, when the section cannot be placed; it then says what to write.
    """
    wanted = {"caution": rules.caution, "group_caution": rules.group_caution}
    lines = config.read_text(encoding="utf-8").splitlines()
    header = next((at for at, line in enumerate(lines) if line.strip() == "[rules.portals]"), None)
    if header is None:
        lines += ["", "[rules.portals]"]
        header = len(lines) - 1
    end = next((at for at in range(header + 1, len(lines)) if lines[at].lstrip().startswith("[")), len(lines))
    kept = [line for line in lines[header + 1 : end] if line.partition("=")[0].strip() not in wanted]
    new = [f"{name} = {value}" for name, value in wanted.items()]
    text = "\n".join([*lines[: header + 1], *new, *kept, *lines[end:]]) + "\n"
    trial = config.with_name(config.name + ".new")
    try:
        trial.write_text(text, encoding="utf-8")
        placed = load(trial).rules.portals == rules
    except (ConfigError, OSError):
        placed = False
    if not placed:
        trial.unlink(missing_ok=True)
        raise TuneError(f"{config}: no place for [rules.portals]; set there yourself: {', '.join(new)}")
    trial.replace(config)
