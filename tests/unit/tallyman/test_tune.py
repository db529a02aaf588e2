"""Tuning on a recording of one's own: what was true, what it searches, and what it writes."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest

from gateway.config import PortalRules, load
from tallyman.errors import TuneError
from tallyman.replay import with_portal_rules
from tallyman.tune import judge, read_truth, tune, write_rules

EXAMPLE = Path(__file__).resolve().parents[3] / "examples" / "dockdoor.toml"


def truth_file(folder: Path, *rows: str, header: str = "epc,direction,at") -> Path:
    path = folder / "truth.csv"
    path.write_text("\n".join([header, *rows]) + "\n", encoding="utf-8")
    return path


def test_a_truth_of_single_tags(tmp_path: Path) -> None:
    (crossing,) = read_truth(truth_file(tmp_path, "ad38,in,2023-01-06T17:01:40+01:00"))
    assert (crossing.epc, crossing.direction, crossing.at_s) == ("AD38", "in", 1673020900.0)


def test_a_truth_of_a_trolley_needs_the_list_of_its_tags(tmp_path: Path) -> None:
    path = truth_file(tmp_path, "in,2023-01-06T17:01:40Z", "out,2023-01-06T17:02:40Z", header="direction,at")
    with pytest.raises(TuneError, match="--moving"):
        read_truth(path)
    moving = tmp_path / "moving.csv"
    moving.write_text("AA\nbb\n\n", encoding="utf-8")
    found = [(each.epc, each.direction) for each in read_truth(path, moving)]
    assert found == [("AA", "in"), ("BB", "in"), ("AA", "out"), ("BB", "out")]


@pytest.mark.parametrize(
    ("row", "fault"),
    [
        ("AA,up,2023-01-06T17:01:40Z", "direction 'up'"),
        ("AA,in,yesterday", "no ISO 8601"),
        ("AA,in,2023-01-06T17:01:40", "offset"),
        ("tag,in,2023-01-06T17:01:40Z", "not hex"),
    ],
)
def test_a_bad_row_is_named_with_its_line(tmp_path: Path, row: str, fault: str) -> None:
    with pytest.raises(TuneError, match=rf"line 3.*{fault}"):
        read_truth(truth_file(tmp_path, "AA,in,2023-01-06T17:01:30Z", row))


def test_an_empty_truth_tunes_nothing(tmp_path: Path) -> None:
    with pytest.raises(TuneError, match="no crossings"):
        read_truth(truth_file(tmp_path))
    with pytest.raises(TuneError, match="no column"):
        read_truth(truth_file(tmp_path, header="a,b"))


@pytest.mark.parametrize(
    "before", ["", "\n[rules]\ntick_ms = 50\n\n[rules.portals]\ncaution = 9.0 # much\n\n[health]\n"]
)
def test_what_was_found_is_written_and_the_rest_left(tmp_path: Path, before: str) -> None:
    path = tmp_path / "gateway.toml"
    path.write_text(EXAMPLE.read_text(encoding="utf-8").partition("[rules")[0] + before, encoding="utf-8")
    others = load(path).model_dump(exclude={"rules"})
    write_rules(path, PortalRules(caution=-0.5, group_caution=0.25))
    written = load(path)
    assert (written.rules.portals.caution, written.rules.portals.group_caution) == (-0.5, 0.25)
    assert written.model_dump(exclude={"rules"}) == others
    assert path.read_text(encoding="utf-8").startswith("# A real dock door")


def test_a_file_without_a_place_for_it_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "gateway.toml"
    text = "rules = { portals = { caution = 1.0 } }\n" + EXAMPLE.read_text(encoding="utf-8").partition("[rules")[0]
    path.write_text(text, encoding="utf-8")
    with pytest.raises(TuneError, match=r"caution = 0\.5"):
        write_rules(path, PortalRules(caution=0.5))
    assert path.read_text(encoding="utf-8") == text
    assert [each.name for each in tmp_path.iterdir()] == ["gateway.toml"]


def test_a_real_door_made_far_too_careful_is_mended(shared_data: Path, tmp_path: Path) -> None:
    """The first crossings of a run, at a caution at which next to nothing crosses."""
    folder = shared_data / "dockdoor"
    lines = (folder / "runs" / "xstart3.csv").read_text(encoding="utf-8").splitlines(keepends=True)
    recording = tmp_path / "part.csv"
    recording.write_text("".join(lines[:2400]), encoding="utf-8")
    (moving,) = (folder / "labels").glob("actual=moving*")
    with (folder / "truth" / "xstart3.csv").open(encoding="utf-8") as rows:
        first = [f"{row['direction']},{row['at']}" for row in csv.DictReader(rows)][:3]
    truth = truth_file(tmp_path, *first, header="direction,at")
    careful = with_portal_rules(load(EXAMPLE), caution=3.0)
    found = tune(recording, truth, careful, moving)
    assert found.before == judge(recording, careful, read_truth(truth, moving))
    assert found.after.f1 > found.before.f1 + 0.05
    assert found.after.rules.caution < 3.0
    assert "crossings found" in str(found)
