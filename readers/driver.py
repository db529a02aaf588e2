"""What every reader driver offers. A driver is an entry point in the group `tallyman.drivers`: a package nobody here
wrote can bring one, and a configuration names it (`driver = "llrp"`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from importlib.metadata import entry_points
from typing import Any, Final, Protocol, TypeVar, cast, runtime_checkable

from pydantic import BaseModel, ConfigDict, ValidationError

from readers.errors import DriverNotFoundError, ReaderError
from readers.read import EpcTable, ReaderEvent
from wire.clock import Clock
from wire.events import explain

ENTRY_POINT_GROUP: Final = "tallyman.drivers"

Deliver = Callable[[ReaderEvent], None]
"""How a driver hands on what its reader saw. Called on the event loop; must not block."""


@dataclass(frozen=True, slots=True)
class ReaderSettings:
    """One reader of a gateway's configuration. `options` belong to the driver, which refuses those it does not know."""

    name: str
    address: str
    antennas: tuple[int, ...]
    options: Mapping[str, Any] = field(default_factory=dict)


class DriverOptions(BaseModel):
    """What a configuration may say to one driver; unknown keys are refused."""

    model_config = ConfigDict(frozen=True, extra="forbid")


OptionsT = TypeVar("OptionsT", bound=DriverOptions)


def read_options(model: type[OptionsT], settings: ReaderSettings, driver: str) -> OptionsT:
    """The options of one reader, checked. Raises ReaderError naming the reader, the driver and each fault."""
    try:
        return model.model_validate(dict(settings.options))
    except ValidationError as error:
        raise ReaderError(f"reader {settings.name}: options of the {driver} driver: {explain(error)}") from error


class Driver(Protocol):
    """One reader while the gateway runs: it connects, inventories, reconnects and never gives up by itself."""

    async def run(self) -> None:
        """Keep the reader inventorying until cancelled; then close the connection cleanly.

        Delivers a ReaderState with antennas when inventory begins and one without when the link is lost, or could not
        be made at the first attempt. Logs once when the link drops and once when it is back. Raises only for a
        configuration that can never work.
        """


@runtime_checkable
class SetsOutputs(Protocol):
    """What a driver offers beside whose reader has outputs (GPO), for lamps and the like."""

    async def set_gpo(self, port: int, high: bool) -> None:
        """Set an output. Raises ReaderError when the reader is away, refuses, or does not answer."""


class DriverFactory(Protocol):
    """What the entry point names: a class or function that makes a Driver."""

    def __call__(self, settings: ReaderSettings, epcs: EpcTable, clock: Clock, deliver: Deliver) -> Driver:
        """Make the driver of one reader; connects nothing yet. Raises ReaderError for options it does not know."""


def find_driver(name: str) -> DriverFactory:
    """The factory that an installed package registered under `name`. Raises DriverNotFoundError."""
    return cast("DriverFactory", find_registered(ENTRY_POINT_GROUP, name, "driver"))


def find_registered(group: str, name: str, what: str) -> Any:
    """What an installed package registered under `name` in a group of entry points. Raises DriverNotFoundError."""
    for entry in entry_points(group=group, name=name):
        return entry.load()
    known = ", ".join(sorted(entry.name for entry in entry_points(group=group))) or "none"
    raise DriverNotFoundError(f"no {what} {name!r} is installed; known: {known}")
