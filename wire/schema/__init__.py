"""The wire language for those who do not read Python: a JSON Schema for each message, and an AsyncAPI 3.0 document.

The files beside this one are made from the models by `python -m wire.schema`; a test fails when they differ.
"""

from __future__ import annotations

import json
from typing import Any, Final

from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from wire.ack import Ack, GatewayStatus, ScanOutcome, ScanRequest
from wire.events import PROTOCOL_VERSION, Batch, Lost
from wire.topics import Leaf, every

MESSAGES: Final[dict[str, type[BaseModel]]] = {
    "batch": Batch,
    "lost": Lost,
    "ack": Ack,
    "gateway-status": GatewayStatus,
    "scan-request": ScanRequest,
    "scan-outcome": ScanOutcome,
}

CHANNELS: Final[dict[Leaf, tuple[str, str, tuple[str, ...], str]]] = {
    "events": ("gateway", "send", ("batch", "lost"), "What the gateway decided, in numbered runs."),
    "ack": ("gateway", "receive", ("ack",), "How far the backend has committed. The retained copy is only a hint."),
    "status": ("gateway", "send", ("gateway-status",), "Birth and last will."),
    "scans": ("device", "receive", ("scan-request",), "A handheld repeats a request until it hears an outcome."),
    "outcomes": ("device", "send", ("scan-outcome",), "What became of a scan."),
}
"""For each topic: whose name it carries, what the gateway does there, which messages travel, and why."""

RETAINED: Final = ("ack", "status")
JSON_SCHEMA_DIALECT: Final = "https://json-schema.org/draft/2020-12/schema"
MQTT_BINDING_VERSION: Final = "0.2.0"


def documents() -> dict[str, str]:
    """Every file of this folder that is made, by name."""
    made = {f"{name}.json": _schema(model) for name, model in MESSAGES.items()}
    made["asyncapi.json"] = asyncapi()
    return {name: json.dumps(document, indent=2) + "\n" for name, document in made.items()}


def asyncapi() -> dict[str, Any]:
    """The AsyncAPI 3.0 document, written from the gateway's side."""
    _, schemas = models_json_schema(
        [(model, "validation") for model in MESSAGES.values()], ref_template="#/components/schemas/{model}"
    )
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": "Tallyman gateway",
            "version": f"{PROTOCOL_VERSION}.0.0",
            "description": (
                "MQTT 3.1.1, QoS 1, JSON. Events are numbered within an epoch and sent again until an"
                " acknowledgement of the backend covers them; every batch is answered."
            ),
        },
        "defaultContentType": "application/json",
        "channels": {leaf: _channel(leaf) for leaf in CHANNELS},
        "operations": {f"{action}_{leaf}": _operation(leaf, action) for leaf, (_, action, _, _) in CHANNELS.items()},
        "components": {
            "messages": {
                name: {"name": name, "payload": {"$ref": f"#/components/schemas/{model.__name__}"}}
                for name, model in MESSAGES.items()
            },
            "schemas": _plain(schemas["$defs"]),
        },
    }


def _schema(model: type[BaseModel]) -> dict[str, Any]:
    return {"$schema": JSON_SCHEMA_DIALECT, **_plain(model.model_json_schema())}


def _plain(node: Any) -> Any:
    """Without OpenAPI's `discriminator`, which JSON Schema does not know and AsyncAPI means differently."""
    if isinstance(node, dict):
        return {key: _plain(value) for key, value in node.items() if key != "discriminator"}
    return [_plain(value) for value in node] if isinstance(node, list) else node


def _channel(leaf: Leaf) -> dict[str, Any]:
    owner, _, messages, meaning = CHANNELS[leaf]
    return {
        "address": every(leaf).replace("+", "{site}", 1).replace("+", "{" + owner + "}", 1),
        "description": meaning,
        "parameters": {"site": {"description": "Code of the site"}, owner: {"description": f"Name of the {owner}"}},
        "messages": {name: {"$ref": f"#/components/messages/{name}"} for name in messages},
    }


def _operation(leaf: Leaf, action: str) -> dict[str, Any]:
    return {
        "action": action,
        "channel": {"$ref": f"#/channels/{leaf}"},
        "messages": [{"$ref": f"#/channels/{leaf}/messages/{name}"} for name in CHANNELS[leaf][2]],
        "bindings": {"mqtt": {"qos": 1, "retain": leaf in RETAINED, "bindingVersion": MQTT_BINDING_VERSION}},
    }
