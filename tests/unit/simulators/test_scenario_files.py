"""What gateways and backend are told of a world: enough to judge, nothing of the truth to come."""

from __future__ import annotations

import csv
from io import StringIO
from pathlib import Path

from gateway.config import GatewayConfig
from gateway.config import load as load_gateway
from gs1.epc import sgtin96_of
from simulators.catalog_files import catalog_files, stock_files
from simulators.gateway_files import gateway_settings, to_toml
from simulators.scenario import load
from simulators.world import World

START_US = 1_800_000_000_000_000


def table(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(StringIO(text)))


def test_a_gateway_takes_its_file(tmp_path: Path) -> None:
    world = World(load("three-warehouses"), 1, START_US)
    for site in world.scenario.sites:
        here = [reader for reader in world.readers if reader.site == site.code]
        addresses = {reader.name: f"127.0.0.1:{5000 + number}" for number, reader in enumerate(here)}
        settings = gateway_settings(
            world.scenario, site, addresses, mqtt_url="mqtt://127.0.0.1:1883", journal=tmp_path / "journal.db"
        )
        path = tmp_path / f"{site.code}.toml"
        path.write_text(to_toml(settings))
        config = load_gateway(path)
        assert config == GatewayConfig.model_validate(settings)
        assert {reader.name: reader.address for reader in config.readers} == addresses
        for reader in here:
            (told,) = (one for one in config.readers if one.name == reader.name)
            assert {antenna.port for antenna in told.antennas} == reader.antennas


def test_names_with_quotes_and_accents_survive_the_file() -> None:
    import tomllib

    settings = {"site": 'Gate "A" \\ Bandung é', "zones": [{"code": "a", "slots": [1, 2]}], "mqtt": {"url": "x"}}
    assert tomllib.loads(to_toml(settings)) == settings


def test_the_catalog_names_every_zone_door_and_gtin() -> None:
    scenario = load("three-warehouses")
    files = catalog_files(scenario)
    assert [row["code"] for row in table(files["sites"])] == ["JKT", "SUB", "MDN"]
    assert len(table(files["zones"])) == 12
    assert {(row["code"], row["inside_zone"]) for row in table(files["portals"])} == {
        ("D1", "receiving"),
        ("D2", "staging"),
    }
    assert {row["gtin"]: row["gtin_quantity"] for row in table(files["skus"])}["19521141005009"] == "12"


def test_receipts_and_opening_stock_know_the_goods_but_not_their_way() -> None:
    world = World(load("three-warehouses"), 1, START_US)
    files = stock_files(world)
    world.advance(START_US + 90_000_000)
    assert stock_files(world) == files
    receipts, opening = table(files["receipts"]), table(files["opening-stock"])
    by_epc = {tag.hex: tag for tag in world.goods.tags}
    announced = {row["epc"] for row in receipts}
    told = {row["epc"] for row in opening}
    assert not announced & told
    for row in [*receipts, *opening]:
        tag = by_epc[row["epc"]]
        assert (row["sku"], row["lot"]) == (tag.sku, tag.lot)
        assert row["expires_on"] == (tag.expires_on.isoformat() if tag.expires_on else "")
    for row in opening:
        assert world.truth.place(row["epc"], START_US) == (row["site"], row["zone"])
    swept = [tag for tag in world.goods.tags if tag.sku and tag.hex not in announced | told]
    assert len(swept) == 54
    assert {tag.lot for tag in swept} == {""}
    assert all((sgtin96_of(tag.epc) or ("",))[0] == tag.gtin for tag in swept)


def test_two_runs_share_no_serial_number() -> None:
    scenario = load("one-door")
    first, second = World(scenario, 1, START_US), World(scenario, 1, START_US + 1_000_000)
    assert not {tag.epc for tag in first.goods.tags} & {tag.epc for tag in second.goods.tags}
