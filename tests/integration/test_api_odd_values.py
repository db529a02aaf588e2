"""Values that no caller in its right mind sends: each is refused with a reason, none of them makes the server fail."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

import aiohttp
import pytest
from yarl import URL

ODD_TEXTS = ("\0", "a\0b", "\u0661\u0662\u0663", "\u2028", "x" * 900)
ODD_TIMES = ("0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00")
ODD_NUMBERS = (2**31, 2**63, -(2**63) - 1, 10**30)
KNOWN = {
    "site": "jakarta",
    "sku": "CASE",
    "zone": "rack",
    "epc": "3034257BF7194E4000000001",
    "sscc": "106141412345678908",
}

LISTS = ("sites", "zones", "portals", "skus", "lots", "lot_words", "stock", "card", "history", "movements", "alerts")
LISTS += (
    "orders",
    "documents",
    "doors",
    "departures",
    "inspections",
    "counts",
    "accuracy",
    "offenders",
    "contents",
    "gateways",
)


def cursors() -> Iterator[str]:
    """Cursors of every list that hold what no row has, for any number of columns."""
    for name in LISTS:
        for odd in (2**70, "\0", "\ud800", *ODD_TIMES):
            for columns in range(1, 6):
                packed = json.dumps([name, *[odd] * columns]).encode()
                yield base64.urlsafe_b64encode(packed).decode().rstrip("=")


def odd_values(parameter: dict[str, Any]) -> Iterator[str]:
    if parameter["name"] == "cursor":
        yield from cursors()
    elif parameter["schema"].get("type") == "integer":
        yield from map(str, ODD_NUMBERS)
    else:
        yield from (*ODD_TEXTS, *ODD_TIMES)


def address(path: str, parameters: list[dict[str, Any]], odd: tuple[str, str] | None) -> URL:
    """A route's address with a plain value for whatever it needs, and one odd value."""
    query = []
    for one in parameters:
        name = one["name"]
        is_odd = odd is not None and odd[0] == name
        value = quote(odd[1] if odd is not None and is_odd else KNOWN.get(name, "1"), safe="")
        if one["in"] == "path":
            path = path.replace(f"{{{name}}}", value)
        elif is_odd or one["required"]:
            query.append(f"{name}={value}")
    return URL(path + ("?" + "&".join(query) if query else ""), encoded=True)


@pytest.mark.parametrize("method", ["get", "post"])
async def test_no_parameter_makes_the_server_fail(api: aiohttp.ClientSession, method: str) -> None:
    async with api.get("/api/openapi.json") as answer:
        paths = (await answer.json())["paths"]
    failed, asked = [], 0
    for path, operations in paths.items():
        parameters = [one for one in operations.get(method, {}).get("parameters", ()) if one["in"] != "header"]
        for parameter in parameters:
            for value in odd_values(parameter):
                where, asked = address(path, parameters, (parameter["name"], value)), asked + 1
                headers = {} if method == "get" else {"Idempotency-Key": str(asked), "Content-Type": "application/json"}
                async with api.request(method, where, data=None if method == "get" else b"{}", headers=headers) as got:
                    if got.status >= 500:
                        failed.append(f"{got.status} {where}")
    assert asked > 50
    assert not failed, "\n".join(failed)


@pytest.mark.parametrize(
    ("path", "row"),
    [
        ("zones", {"site": "\0", "code": "z", "kind": "storage"}),
        ("lots", {"sku": "CASE", "code": "a\0"}),
        ("sites", {"code": "s", "name": "n", "time_zone": "\0"}),
    ],
)
async def test_a_row_with_a_control_character_is_told_by_its_column(
    api: aiohttp.ClientSession, path: str, row: dict[str, str]
) -> None:
    async with api.post(f"/api/v1/{path}", json={"rows": [row]}, headers={"Idempotency-Key": "k"}) as answer:
        assert answer.status == 422
        told = (await answer.json())["errors"]
    assert any("control character" in one["what"] for one in told), told
