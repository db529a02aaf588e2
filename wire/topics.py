"""Every MQTT topic of the system. No other file builds or parses a topic string.

    tallyman/1/{site}/gateways/{gateway}/events     gateway → backend   Batch, Lost
    tallyman/1/{site}/gateways/{gateway}/ack        backend → gateway   Ack (retained: a hint)
    tallyman/1/{site}/gateways/{gateway}/status     gateway → anyone    GatewayStatus (retained; last will)
    tallyman/1/{site}/devices/{device}/scans        handheld → gateway  ScanRequest
    tallyman/1/{site}/devices/{device}/outcomes     gateway → handheld  ScanOutcome
    tallyman/1/doctor/{token}                       doctor → itself     a probe of the broker

The site stands early, so that work is shared out by site with plain subscriptions (docs/adr/0008).
"""

from __future__ import annotations

import re
from typing import Final, Literal, NamedTuple

from wire.errors import TopicError

ROOT: Final = "tallyman/1"

Leaf = Literal["events", "ack", "status", "scans", "outcomes"]

_GROUP_OF: Final[dict[str, str]] = {
    "events": "gateways",
    "ack": "gateways",
    "status": "gateways",
    "scans": "devices",
    "outcomes": "devices",
}
_NAME: Final = re.compile(r"^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$")


class Address(NamedTuple):
    """Who a topic belongs to: `name` is a gateway or a device, as the leaf says."""

    site: str
    name: str
    leaf: Leaf


def topic(site: str, name: str, leaf: Leaf) -> str:
    """The topic of one gateway or device. Raises TopicError for a name that cannot stand in a topic."""
    for part in (site, name):
        if not _NAME.match(part):
            raise TopicError(f"{part!r} cannot be part of a topic: use letters, digits, '.', '_' and '-', at most 63")
    return f"{ROOT}/{site}/{_GROUP_OF[leaf]}/{name}/{leaf}"


def every(leaf: Leaf, site: str | None = None) -> str:
    """The subscription that receives `leaf` of every gateway or device, of one site or of all."""
    if site is not None and not _NAME.match(site):
        raise TopicError(f"{site!r} cannot be part of a topic")
    return f"{ROOT}/{site or '+'}/{_GROUP_OF[leaf]}/+/{leaf}"


def probe(token: str) -> str:
    """A topic for one probe of a broker; matches no other filter of ours."""
    return f"{ROOT}/doctor/{token}"


def shared(group: str, topic_filter: str) -> str:
    """The filter by which the members of `group` share what matches `topic_filter`."""
    return f"$share/{group}/{topic_filter}"


def unshared(topic_filter: str) -> str:
    """What a filter matches, whether or not it is shared."""
    return topic_filter.split("/", 2)[2] if topic_filter.startswith("$share/") else topic_filter


def parse(text: str) -> Address:
    """Whose topic this is. Raises TopicError for one that is not ours."""
    parts = text.removeprefix(ROOT + "/").split("/")
    if not text.startswith(ROOT + "/") or len(parts) != 4 or _GROUP_OF.get(parts[3]) != parts[1]:
        raise TopicError(f"{text!r} is no topic of ours")
    site, _, name, leaf = parts
    if not (_NAME.match(site) and _NAME.match(name)):
        raise TopicError(f"{text!r} names no valid site or gateway")
    return Address(site, name, leaf)  # type: ignore[arg-type]  # checked against _GROUP_OF above
