"""The exported schemas are those of the models, and hold what the models hold."""

import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest

import wire.schema
from wire import topics
from wire.schema import CHANNELS, MESSAGES, documents

FOLDER = Path(wire.schema.__file__).parent
AT = "2026-11-23T08:00:00Z"

EXAMPLES: dict[str, dict[str, Any]] = {
    "batch": {
        "type": "batch",
        "version": 1,
        "site": "jkt",
        "gateway": "gate",
        "epoch": "0123456789abcdef",
        "first_seq": 1,
        "sent_at": AT,
        "events": [
            {"kind": "arrived", "epc": "30740000", "zone": "dock", "observed_at": AT, "decided_at": AT},
            {"kind": "reader_health", "reader": "r1", "state": "lost", "observed_at": AT},
        ],
    },
    "lost": {
        "site": "jkt",
        "gateway": "gate",
        "epoch": "0123456789abcdef",
        "from_seq": 1,
        "through_seq": 9,
        "reason": "journal full",
        "sent_at": AT,
    },
    "ack": {
        "gateway": "gate",
        "epoch": "0123456789abcdef",
        "store": "0a0a0a0a",
        "store_made_at": AT,
        "through": 0,
        "at": AT,
    },
    "gateway-status": {
        "site": "jkt",
        "gateway": "gate",
        "online": True,
        "epoch": "0123456789abcdef",
        "config_hash": "0" * 64,
        "at": AT,
    },
    "scan-request": {"scan_id": "1", "operator": "ani", "intent": "pick", "code": "4006381333931", "scanned_at": AT},
    "scan-outcome": {"device": "hand-1", "scan_id": "1", "state": "stored"},
}


def schema(name: str) -> Any:
    return json.loads((FOLDER / f"{name}.json").read_text())


def test_no_file_has_drifted_from_its_model() -> None:
    for name, text in documents().items():
        assert (FOLDER / name).read_text() == text, f"{name} is old: run python -m wire.schema"
    assert {path.name for path in FOLDER.glob("*.json")} == set(documents())


@pytest.mark.parametrize("name", MESSAGES)
def test_a_schema_accepts_what_the_model_accepts_and_refuses_a_misspelt_field(name: str) -> None:
    jsonschema.Draft202012Validator.check_schema(schema(name))
    validator = jsonschema.Draft202012Validator(schema(name))
    example = EXAMPLES[name]
    MESSAGES[name].model_validate_json(json.dumps(example))
    validator.validate(example)
    assert not validator.is_valid(example | {"misspelt": 1})
    for field in example:
        if field in schema(name)["required"]:
            assert not validator.is_valid({key: value for key, value in example.items() if key != field})


def test_the_asyncapi_document_names_every_topic_and_nothing_that_is_not_there() -> None:
    document = schema("asyncapi")
    assert document["asyncapi"] == "3.0.0"
    for leaf, channel in document["channels"].items():
        named = channel["address"].replace("{site}", "jkt").replace("{" + CHANNELS[leaf][0] + "}", "x1")
        assert named == topics.topic("jkt", "x1", leaf)
        assert set(channel["parameters"]) == {"site", CHANNELS[leaf][0]}
    for reference in references(document):
        node = document
        for part in reference.removeprefix("#/").split("/"):
            node = node[part]
    assert len(document["operations"]) == 5


def references(node: Any) -> list[str]:
    if isinstance(node, dict):
        return [node["$ref"]] if "$ref" in node else [one for value in node.values() for one in references(value)]
    return [one for value in node for one in references(value)] if isinstance(node, list) else []
