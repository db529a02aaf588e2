"""Scenario files: those that come along are sound, and a wrong one is refused with the key and the mend."""

from __future__ import annotations

from pathlib import Path

import pytest

from simulators.errors import ScenarioError
from simulators.scenario import SCENARIOS, known, load


def test_the_scenarios_that_come_along() -> None:
    assert {"three-warehouses", "one-door", "recorded"} <= set(known())
    assert [load(name).name for name in known()] == known()


def test_three_warehouses_is_what_it_says() -> None:
    scenario = load("three-warehouses")
    assert [site.code for site in scenario.sites] == ["JKT", "SUB", "MDN"]
    for site in scenario.sites:
        plan = scenario.plan_of(site)
        doors = [reader for reader in plan.readers if reader.antennas[0].portal]
        assert [len(reader.antennas) for reader in doors] == [4, 4]
        assert len(plan.readers) - len(doors) == 3
        assert {zone.kind for zone in plan.zones} == {"receiving", "storage", "staging", "packing"}
        assert not any(antenna.zone == "packing" for reader in plan.readers for antenna in reader.antennas)
    assert [(outage.site, outage.for_s) for outage in scenario.outages] == [("MDN", 20)]


def broken(tmp_path: Path, before: str, after: str) -> str:
    text = (SCENARIOS / "one-door.toml").read_text()
    assert before in text
    path = tmp_path / "mine.toml"
    path.write_text(text.replace(before, after, 1))
    with pytest.raises(ScenarioError) as caught:
        load(path)
    assert str(path) in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize(
    ("before", "after", "says"),
    [
        ("warm_up_s = 3.0", "warmup_s = 3.0", "warmup_s"),
        ("slots = [[4.0, 5.0]]", "slots = [[4.0, 7.5]]", "slot [4.0, 7.5] lies outside its rect"),
        ('portal = "D1"', 'portal = "D9"', "no door D9"),
        ('zone = "storage"', 'zone = "cellar"', "no zone cellar"),
        ('inside_zone = "receiving"', 'inside_zone = "hall"', "inside_zone hall is no zone"),
        ('gtin = "09521141001004"', 'gtin = "09521141001005"', "check digit"),
        ('plan = "shop"', 'plan = "shed"', "plan shed is not in the file"),
        ("stored_pallets = 1", "stored_pallets = 3", "3 pallets in storage, plan shop has 2 slots"),
        ('departures = "D1"', 'departures = "D2"', "D2 is no door"),
        ("port = 2", "port = 1", "two antennas on one port"),
        ('side = "in"\n', "", "portal and side"),
        ('lots = ["T2601"]', 'lots = ["T2601", "T2602"]', "expires_on for each of the 2 lots"),
        ('name = "one-door"', "name = ", "not valid TOML"),
    ],
)
def test_a_fault_is_named(tmp_path: Path, before: str, after: str, says: str) -> None:
    assert says in broken(tmp_path, before, after)


def test_an_unknown_name_lists_the_known_ones() -> None:
    with pytest.raises(ScenarioError, match=r"one-door.*three-warehouses"):
        load("four-warehouses")


def test_a_missing_file_is_said(tmp_path: Path) -> None:
    with pytest.raises(ScenarioError, match="cannot be read"):
        load(tmp_path / "gone.toml")
