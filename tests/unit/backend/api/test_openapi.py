"""The OpenAPI document: what generators of clients and people need from it."""

from __future__ import annotations

import re
from typing import Any

import pytest
from pydantic import BaseModel

from backend.api import openapi
from backend.api.paging import Page, Paged
from backend.api.permissions import MEANING, Permission
from backend.api.problems import KINDS
from backend.api.routing import Call, Routes


class Thing(BaseModel):
    """A thing."""

    name: str


class ThingParams(Paged):
    """Which things."""

    name: str
    colour: str | None = None


ROUTES = Routes()


@ROUTES.get("/api/v1/things/{name}", Permission.ITEMS_READ, "A thing")
async def get_thing(_call: Call, params: ThingParams) -> Thing:
    return Thing(name=params.name)


@ROUTES.get("/api/v1/things", Permission.ITEMS_READ, "Things")
async def list_things(_call: Call, params: Paged) -> Page[Thing]:
    return Page(rows=[])


@ROUTES.post("/api/v1/things", Permission.STOCK_IMPORT, "Take in things", "refused-rows")
async def import_things(_call: Call, body: str) -> Thing:
    return Thing(name=body)


@ROUTES.post("/api/v1/things/one", Permission.STOCK_IMPORT, "Put it", "changed-meanwhile")
async def put_thing(_call: Call, body: Thing) -> Thing:
    return body


@pytest.fixture
def document() -> dict[str, Any]:
    return openapi.document(ROUTES, "Test", "1")


def references(part: Any) -> set[str]:
    if isinstance(part, dict):
        own = {part["$ref"]} if "$ref" in part else set()
        return own.union(*(references(value) for value in part.values()))
    return set().union(*(references(value) for value in part)) if isinstance(part, list) else set()


def test_every_reference_leads_somewhere(document: dict[str, Any]) -> None:
    found = references(document)
    assert found
    for reference in found:
        assert reference.removeprefix("#/components/schemas/") in document["components"]["schemas"]


def test_parameters_stand_where_the_path_says(document: dict[str, Any]) -> None:
    listed = {one["name"]: one for one in document["paths"]["/api/v1/things/{name}"]["get"]["parameters"]}
    assert listed["name"]["in"] == "path"
    assert listed["name"]["required"] is True
    assert listed["colour"] == {"name": "colour", "in": "query", "required": False, "schema": {"type": "string"}}
    assert listed["limit"]["schema"]["default"] == 100
    assert listed["cursor"]["schema"] == {"type": "string", "maxLength": 1000}


def test_a_post_needs_its_key_and_says_what_it_takes(document: dict[str, Any]) -> None:
    post = document["paths"]["/api/v1/things"]["post"]
    (key,) = post["parameters"]
    assert (key["name"], key["in"], key["required"]) == ("Idempotency-Key", "header", True)
    assert list(post["requestBody"]["content"]) == ["text/csv"]
    assert "refused-rows" in post["responses"]["422"]["description"]
    put = document["paths"]["/api/v1/things/one"]["post"]
    assert put["requestBody"]["content"]["application/json"]["schema"]["$ref"].endswith("/Thing")
    assert [one["name"] for one in put["parameters"]] == ["Idempotency-Key", "If-Match"]


def test_operations_can_become_methods_and_name_their_permission(document: dict[str, Any]) -> None:
    for operations in document["paths"].values():
        for operation in operations.values():
            assert re.fullmatch(r"[a-z][a-z0-9_]*", operation["operationId"])
            assert operation["x-permission"] in document["x-permissions"]


def test_every_permission_and_every_kind_of_problem_is_explained() -> None:
    assert set(MEANING) == set(Permission)
    for name, kind in KINDS.items():
        assert re.fullmatch(r"[a-z-]+", name)
        assert 400 <= kind.status < 600
        assert kind.mend.endswith(".")
