"""The configuration of each site's gateway, written from the scenario: the same zones, doors and antennas that the
world is made of, as a gateway's operator would write them down.

Only what an installer knows goes in: which antenna looks where. Where antennas hang, walls and tags stay secret.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from simulators.scenario import Antenna, Scenario, Site


def reader_name(site: Site, reader: str) -> str:
    """What a reader of the plan is called at one site; unique in the world."""
    return f"{site.code.lower()}-{reader}"


def gateway_name(site: Site) -> str:
    """The site's one gateway."""
    return f"{site.code.lower()}-gateway"


def gateway_settings(
    scenario: Scenario, site: Site, addresses: Mapping[str, str], *, mqtt_url: str, journal: Path
) -> dict[str, Any]:
    """One site's gateway.toml as plain values. `addresses` gives `host:port` for each reader name of the site."""
    plan = scenario.plan_of(site)
    return {
        "site": site.code,
        "gateway": gateway_name(site),
        "zones": [{"code": zone.code, "name": zone.name} for zone in plan.zones],
        "portals": [{"code": door.code, "inside_zone": door.inside_zone, "name": door.name} for door in plan.doors],
        "readers": [
            {
                "name": reader_name(site, reader.name),
                "address": addresses[reader_name(site, reader.name)],
                "antennas": [_antenna(antenna) for antenna in reader.antennas],
            }
            for reader in plan.readers
        ],
        "journal": {"path": str(journal)},
        "mqtt": {"url": mqtt_url},
    }


def _antenna(antenna: Antenna) -> dict[str, Any]:
    if antenna.portal is not None:
        return {"port": antenna.port, "portal": antenna.portal, "side": antenna.side}
    return {"port": antenna.port, "zone": antenna.zone}


def to_toml(settings: Mapping[str, Any]) -> str:
    """Settings as the text of a TOML file: lists of tables as [[name]] with inner tables in one line each."""
    plain, sections = [], []
    for key, value in settings.items():
        if isinstance(value, Mapping):
            sections.append(f"[{key}]\n{_lines(value)}")
        elif isinstance(value, list) and value and isinstance(value[0], Mapping):
            sections += [f"[[{key}]]\n{_lines(table)}" for table in value]
        else:
            plain.append(f"{key} = {_value(value)}\n")
    return "\n".join(["".join(plain), *sections])


def _lines(table: Mapping[str, Any]) -> str:
    return "".join(f"{key} = {_value(value)}\n" for key, value in table.items())


def _value(value: Any) -> str:
    if isinstance(value, Mapping):
        return "{ " + ", ".join(f"{key} = {_value(inner)}" for key, inner in value.items()) + " }"
    if isinstance(value, list):
        return "[" + ", ".join(map(_value, value)) + "]"
    # A JSON string, number or boolean is written the same in TOML.
    return json.dumps(value, ensure_ascii=False)
