"""The OpenAPI 3.1 document of a table of routes: pydantic's JSON Schemas are its components.

OpenAPI 3.1 takes JSON Schema 2020-12 as it is, which is what pydantic writes, so nothing is translated.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Final

from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from backend.api.idempotency import MAX_KEY_CHARS
from backend.api.permissions import MEANING
from backend.api.problems import KINDS, MEDIA_TYPE, Problem
from backend.api.routing import CSV, JSON, Route

VERSION: Final = "3.1.1"

ANY_ROUTE: Final = ("invalid-request", "not-signed-in", "forbidden", "wrong-host", "internal", "unavailable")
"""The kinds of problem that every route may answer."""

ANY_POST: Final = ("key-missing", "key-in-progress", "key-reused", "too-large", "wrong-media-type")

KEY_HEADER: Final[dict[str, Any]] = {
    "name": "Idempotency-Key",
    "in": "header",
    "required": True,
    "description": "Made by the caller for each intended change; a repeat with it changes nothing twice",
    "schema": {"type": "string", "minLength": 1, "maxLength": MAX_KEY_CHARS},
}

IF_MATCH_HEADER: Final[dict[str, Any]] = {
    "name": "If-Match",
    "in": "header",
    "required": False,
    "description": "The ETag of what was read: nothing is changed if it is not so any more",
    "schema": {"type": "string"},
}

Schemas = dict[type[Any], dict[str, Any]]
"""Where each model's schema is to be found."""

_REF: Final = "#/components/schemas/{model}"


def document(routes: Iterable[Route], title: str, version: str) -> dict[str, Any]:
    """The document of these routes as JSON members."""
    table = list(routes)
    names, schemas = _schemas(table)
    paths: dict[str, dict[str, Any]] = {}
    for route in table:
        paths.setdefault(route.path, {})[route.method.lower()] = _operation(route, names)
    return {
        "openapi": VERSION,
        "info": {"title": title, "version": version, "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"}},
        "paths": paths,
        "components": {
            "schemas": schemas,
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}},
        },
        "security": [{"token": []}, {}],
        "x-permissions": {str(name): meaning for name, meaning in MEANING.items()},
    }


def _schemas(routes: Sequence[Route]) -> tuple[Schemas, dict[str, Any]]:
    """Where each model is to be found, and the component schemas themselves."""
    answers = {route.answer for route in routes if route.answer is not str} | {Problem}
    bodies = {route.body for route in routes if isinstance(route.body, type) and issubclass(route.body, BaseModel)}
    wanted = [(model, "serialization") for model in sorted(answers, key=lambda model: model.__name__)]
    wanted += [(model, "validation") for model in sorted(bodies - answers, key=lambda model: model.__name__)]
    refs, defined = models_json_schema(wanted, ref_template=_REF)  # type: ignore[arg-type]
    return {model: schema for (model, _), schema in refs.items()}, defined.get("$defs", {})


def _operation(route: Route, names: Schemas) -> dict[str, Any]:
    operation: dict[str, Any] = {
        "operationId": route.operation,
        "summary": route.summary,
        "tags": [route.path.split("/")[3]],
        "x-permission": str(route.permission),
        "parameters": _parameters(route),
        "responses": _responses(route, names),
    }
    if route.body is str:
        operation["requestBody"] = {"required": True, "content": {CSV: {"schema": {"type": "string"}}}}
    elif route.body is not None:
        operation["requestBody"] = {"required": True, "content": {JSON: {"schema": names[route.body]}}}
    return operation


def _parameters(route: Route) -> list[dict[str, Any]]:
    listed: list[dict[str, Any]] = []
    if route.params is not None:
        schema = route.params.model_json_schema(ref_template=_REF)
        if "$defs" in schema:
            raise ValueError(f"{route.operation}: parameters are plain values, not models")
        required = set(schema.get("required", ()))
        for name, value in schema.get("properties", {}).items():
            inside = name in route.path_names
            one: dict[str, Any] = {"name": name, "in": "path" if inside else "query"}
            one["required"] = inside or name in required
            schema_of_one = _without_null(value)
            if "description" in schema_of_one:
                one["description"] = schema_of_one.pop("description")
            one["schema"] = schema_of_one
            listed.append(one)
    if route.method == "POST":
        listed.append(KEY_HEADER)
    if route.is_guarded:
        listed.append(IF_MATCH_HEADER)
    return listed


def _without_null(schema: dict[str, Any]) -> dict[str, Any]:
    """A query parameter is left out, never null: `T | None = None` becomes T."""
    kept = [one for one in schema.get("anyOf", ()) if one.get("type") != "null"]
    rest = {name: value for name, value in schema.items() if name not in ("anyOf", "default", "title")}
    if schema.get("default") is not None:
        rest["default"] = schema["default"]
    if not kept:
        return rest
    return rest | (kept[0] if len(kept) == 1 else {"anyOf": kept})


def _responses(route: Route, names: Schemas) -> dict[str, Any]:
    content = {CSV: {"schema": {"type": "string"}}} if route.answer is str else {JSON: {"schema": names[route.answer]}}
    responses: dict[str, Any] = {"200": {"description": "Done", "content": content}}
    if route.method == "GET":
        responses["200"]["headers"] = {"ETag": {"schema": {"type": "string"}}}
        responses["304"] = {"description": "Unchanged since the answer whose tag If-None-Match holds"}
    kinds = {*ANY_ROUTE, *route.problems, *(ANY_POST if route.method == "POST" else ())}
    by_status: dict[int, list[str]] = {}
    for name in sorted(kinds):
        by_status.setdefault(KINDS[name].status, []).append(name)
    for status, listed in sorted(by_status.items()):
        responses[str(status)] = {
            "description": "; ".join(f"{name}: {KINDS[name].title}" for name in listed),
            "content": {MEDIA_TYPE: {"schema": names[Problem]}},
        }
    return responses
