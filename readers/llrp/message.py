"""LLRP messages and parameters as plain values, named as the specification names them.

`fields` holds scalars by the field's LLRP name (enumerations as integers, bit strings and EPCs as bytes), and
`parameters` the sub-parameters in wire order. The table (table.py) says which are allowed where.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any


@dataclass(slots=True)
class Parameter:
    """One LLRP parameter. A vendor's or unknown one is named `Custom` and keeps its payload in `Data`."""

    name: str
    fields: dict[str, Any] = field(default_factory=dict)
    parameters: list[Parameter] = field(default_factory=list)

    def find(self, name: str) -> Parameter | None:
        """The first direct sub-parameter of this name."""
        return next(self.every(name), None)

    def every(self, name: str) -> Iterator[Parameter]:
        """All direct sub-parameters of this name, in order."""
        return (parameter for parameter in self.parameters if parameter.name == name)


@dataclass(slots=True)
class Message:
    """One LLRP message. `version` is the header's protocol version: 1 for LLRP 1.0.1, 2 for 1.1."""

    name: str
    id: int
    fields: dict[str, Any] = field(default_factory=dict)
    parameters: list[Parameter] = field(default_factory=list)
    version: int = 1

    def find(self, name: str) -> Parameter | None:
        """The first direct parameter of this name."""
        return next(self.every(name), None)

    def every(self, name: str) -> Iterator[Parameter]:
        """All direct parameters of this name, in order."""
        return (parameter for parameter in self.parameters if parameter.name == name)
