"""Topics: built, parsed, and refused."""

import pytest
from paho.mqtt.client import topic_matches_sub

from wire.errors import TopicError
from wire.topics import Leaf, every, parse, probe, shared, topic, unshared

LEAVES: list[Leaf] = ["events", "ack", "status", "scans", "outcomes"]


@pytest.mark.parametrize("leaf", LEAVES)
def test_what_is_built_is_parsed_and_subscribed_to(leaf: Leaf) -> None:
    built = topic("jkt-1", "gate.a", leaf)
    assert parse(built) == ("jkt-1", "gate.a", leaf)
    assert topic_matches_sub(every(leaf), built)
    assert topic_matches_sub(every(leaf, "jkt-1"), built)
    assert not topic_matches_sub(every(leaf, "sub"), built)
    assert [other for other in LEAVES if topic_matches_sub(every(other), built)] == [leaf]


@pytest.mark.parametrize("name", ["", "a/b", "+", "#", "-a", "a" * 64, "gå", "a b"])
def test_a_name_that_mqtt_reserves_is_refused(name: str) -> None:
    with pytest.raises(TopicError):
        topic(name, "gate", "ack")
    with pytest.raises(TopicError):
        topic("jkt", name, "ack")
    if name:
        with pytest.raises(TopicError):
            every("ack", name)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "tallyman/1/jkt/gateways/gate",
        "tallyman/2/jkt/gateways/gate/ack",
        "tallyman/1/jkt/devices/gate/ack",
        "tallyman/1/jkt/gateways/gate/scans",
        "tallyman/1/jkt/gateways/gate/ack/more",
        "tallyman/1/jkt/gateways/gate/nonsense",
        "tallyman/1/j+t/gateways/gate/ack",
        "other/tallyman/1/jkt/gateways/gate/ack",
    ],
)
def test_a_foreign_topic_is_refused(text: str) -> None:
    with pytest.raises(TopicError):
        parse(text)


def test_shared_filters_and_probes() -> None:
    filter_ = shared("workers", every("events"))
    assert filter_ == "$share/workers/tallyman/1/+/gateways/+/events"
    assert unshared(filter_) == every("events")
    assert unshared(every("ack")) == every("ack")
    with pytest.raises(TopicError):
        parse(probe("a1b2"))
