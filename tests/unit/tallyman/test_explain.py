"""Why a decision was made: told in words, drawn, and refused where the files do not speak of the tag."""

from __future__ import annotations

import io
import json
import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest
from rich.console import Console

from gateway.config import GatewayConfig
from tallyman.errors import ExplainError
from tallyman.explain import Story, print_story, tell
from tallyman.replay import replay

TAG, OTHER = "AA" * 12, "BB" * 12
START = datetime(2026, 3, 1, 8, 0, 0, tzinfo=UTC)
CONFIG = GatewayConfig.model_validate(
    {
        "site": "s",
        "gateway": "g",
        "zones": [{"code": "dock"}, {"code": "hall"}],
        "portals": [{"code": "d1", "inside_zone": "dock"}],
        "readers": [
            {
                "name": "r",
                "address": "r",
                "antennas": [
                    {"port": 1, "zone": "dock"},
                    {"port": 2, "zone": "hall"},
                    {"port": 3, "portal": "d1", "side": "in"},
                    {"port": 4, "portal": "d1", "side": "out"},
                ],
            }
        ],
        "rules": {"absence_error": 0.2, "window_max_ms": 40_000},
    }
)


@dataclass
class Files:
    events: Path
    reads: Path


def row(at_s: float, epc: str, antenna: int, rssi_dbm: float = -60.0) -> tuple[float, str]:
    at = (START + timedelta(seconds=at_s)).isoformat(timespec="microseconds")
    return at_s, f"{at};{epc};;{antenna};{rssi_dbm:.1f};865,7;r;;"


@pytest.fixture
def files(tmp_path: Path) -> Files:
    """A tag comes through the door into the dock, goes to the hall and is not seen any more; another one stays."""
    rows = [row(1.0 + 0.2 * count, TAG, 4) for count in range(15)] + [
        row(4.2 + 0.2 * count, TAG, 3) for count in range(15)
    ]
    rows += [row(9.0 + 0.5 * count, TAG, 1) for count in range(20)] + [
        row(20.0 + 0.5 * count, TAG, 2) for count in range(40)
    ]
    rows += [row(0.5 + 0.7 * count, OTHER, 1) for count in range(120)]
    reads, events = tmp_path / "reads.csv", tmp_path / "events.jsonl"
    reads.write_text("\n".join(line for _, line in sorted(rows)) + "\n")
    replay(reads, CONFIG, events)
    return Files(events, reads)


@pytest.fixture
def story(files: Files) -> Story:
    return tell(files.events, TAG.lower(), files.reads, CONFIG)


def test_each_decision_has_its_reason(story: Story) -> None:
    assert [decision.what for decision in story.decisions] == ["crossed d1 in", "moved dock → hall", "departed hall"]
    crossed, moved, departed = (decision.why for decision in story.decisions)
    assert "15 reads on the out side" in crossed
    assert "nothing else crossed with it" in crossed
    assert re.fullmatch(r"the window of \d\.\d s in dock is over, and hall still sees it", moved)
    assert re.search(r"not seen for \d+\.\d s, its window was \d+\.\d s; the chance .* is 1?\d\.\d %", departed)
    assert not story.differs
    assert story.zones == ["dock", "hall"]


def test_a_move_by_lead_says_by_how_much(files: Files) -> None:
    patient = CONFIG.model_copy(update={"rules": CONFIG.rules.model_copy(update={"window_min_ms": 15_000})})
    replay(files.reads, patient, files.events)
    moved = tell(files.events, TAG, files.reads, patient).decisions[1]
    assert moved.what == "moved dock → hall"
    assert re.search(r"hall has \d+ % of the evidence, \d\.\d times that of dock, and has led long enough", moved.why)


def test_what_was_known_is_kept_in_order_of_time(story: Story) -> None:
    assert story.times_us == sorted(story.times_us)
    assert len(story.reads) == 90
    places = [view.place for view in story.views]
    assert places[-1] == -1
    assert set(places) == {-1, 0, 1}
    moved = story.decisions[1]
    before = story.before(moved.decided_us - 1)
    assert before is not None
    assert before.place == 0
    assert np.isfinite(before.absence).all()


def test_events_of_another_configuration_are_noticed(files: Files) -> None:
    other = CONFIG.model_copy(update={"rules": CONFIG.rules.model_copy(update={"window_min_ms": 15_000})})
    assert tell(files.events, TAG, files.reads, other).differs


def test_the_terminal_tells_the_story(story: Story) -> None:
    text = io.StringIO()
    print_story(story, Console(file=text, width=100))
    told = text.getvalue()
    for expected in ("90 reads, 3 decisions", "d1 in", "d1 out", "▲", "moved dock → hall", "not seen for"):
        assert expected in told
    assert max(len(line) for line in told.splitlines()) <= 100


def test_the_picture_is_drawn(story: Story, tmp_path: Path) -> None:
    plot = pytest.importorskip("tallyman.explain_plot", reason="matplotlib is not installed")
    for name, magic in (("why.png", b"\x89PNG"), ("why.svg", b"<?xml")):
        plot.draw(story, tmp_path / name)
        assert (tmp_path / name).read_bytes().startswith(magic)
    assert "departed hall" in (tmp_path / "why.svg").read_text()
    with pytest.raises(ExplainError, match="cannot be written"):
        plot.draw(story, tmp_path / "nowhere" / "why.png")
    with pytest.raises(ExplainError, match="xyz"):
        plot.draw(story, tmp_path / "why.xyz")


def test_a_tag_that_nobody_read_is_named(files: Files) -> None:
    with pytest.raises(ExplainError, match="CCCC"):
        tell(files.events, "CC" * 12, files.reads, CONFIG)


@pytest.mark.parametrize("epc", ["", "zz", "ABC"])
def test_what_is_no_epc_is_refused(files: Files, epc: str) -> None:
    with pytest.raises(ExplainError, match=r"EPC as hex|neither"):
        tell(files.events, epc, files.reads, CONFIG)


def test_a_file_that_holds_no_events_is_refused(files: Files) -> None:
    files.events.write_text(json.dumps({"kind": "arrived"}) + "\n")
    with pytest.raises(ExplainError, match="line 1"):
        tell(files.events, TAG, files.reads, CONFIG)
    files.events.write_text("not json\n")
    with pytest.raises(ExplainError, match="line 1"):
        tell(files.events, TAG, files.reads, CONFIG)
