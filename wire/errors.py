"""What can go wrong on the wire.

WireError
├── MessageError          bytes on a topic are no message of ours; says what is wrong and where
├── TopicError            a topic is not one of ours, or a name cannot stand in one
└── LinkError             the MQTT link cannot be made or kept
    └── LinkRefusedError  the broker answered and said no (credentials, protocol version, identifier)
"""

from __future__ import annotations


class WireError(Exception):
    """Base of everything that `wire` raises."""


class MessageError(WireError):
    """The payload is no message of ours. The text names the field and the fault."""


class TopicError(WireError):
    """A topic outside our tree, or a site, gateway or device name with a character that MQTT reserves."""


class LinkError(WireError):
    """The link to the broker cannot be made, or broke while something waited for it."""


class LinkRefusedError(LinkError):
    """The broker answered the connection and refused it; trying again without a change will not help."""
