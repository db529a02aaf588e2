"""What every scanner offers. A scanner driver is an entry point in the group `tallyman.scanners`, as reader drivers are
in theirs: a configuration names it (`driver = "serial"`), and a stranger can bring one.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Protocol, cast

from pydantic import ValidationError

from readers.barcode.framing import Code, Unreadable
from readers.driver import OptionsT, find_registered
from readers.errors import ReaderError
from wire.events import explain

ENTRY_POINT_GROUP: Final = "tallyman.scanners"


@dataclass(frozen=True, slots=True)
class ScannerSettings:
    """One scanner of a configuration. `options` belong to its driver, which refuses those it does not know."""

    name: str
    address: str
    options: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ScannerState:
    """The line to a scanner came up or went down, and why."""

    up: bool
    detail: str = ""


ScannerEvent = Code | Unreadable | ScannerState
Deliver = Callable[[ScannerEvent], None]
"""How a driver hands on what its scanner said. Called on the event loop; must not block."""


class Scanner(Protocol):
    """One scanner while the gateway runs: its line is opened, and opened again, and never given up."""

    async def run(self) -> None:
        """Keep the line open until cancelled. Delivers a ScannerState, and logs once, when it comes up or goes down.

        Raises only for a configuration that can never work.
        """

    def answer(self, signal: bytes) -> None:
        """Send the scanner what its configuration says it understands (a beep, a light). Does nothing where the line is
        down, or carries nothing back."""


class ScannerFactory(Protocol):
    """What the entry point names: a class or function that makes a Scanner."""

    def __call__(self, settings: ScannerSettings, deliver: Deliver) -> Scanner:
        """Make one scanner; opens nothing yet. Raises ReaderError for options or an address that cannot work."""


def find_scanner(name: str) -> ScannerFactory:
    """The factory that an installed package registered under `name`. Raises DriverNotFoundError."""
    return cast("ScannerFactory", find_registered(ENTRY_POINT_GROUP, name, "scanner driver"))


def read_options(model: type[OptionsT], settings: ScannerSettings, driver: str) -> OptionsT:
    """The options of one scanner, checked. Raises ReaderError naming the scanner, the driver and each fault."""
    try:
        return model.model_validate(dict(settings.options))
    except ValidationError as error:
        raise ReaderError(f"scanner {settings.name}: options of the {driver} driver: {explain(error)}") from error
