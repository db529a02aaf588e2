"""What can go wrong in the backend.

BackendError
├── StoreError
│   ├── StoreUnavailableError   the database does not answer; trying again later may help
│   ├── SchemaError             the schema is not the one this program needs; says which command mends it
│   ├── MigrationError          an applied migration was changed, or one is missing
│   └── FellBehindError         a reader of the outbox was away until what it had not read was deleted: it loads anew
├── CatalogError                a definition cannot stand: says which one and why
│   ├── UnknownNameError        no site, zone, portal, SKU or item of that name
│   └── ImportRefusedError      a file with faults: each with its line and column; nothing of it was imported
└── ConfigError                 the configuration file is not usable; says where and why
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple


class BackendError(Exception):
    """Base of everything that `backend` raises."""


class StoreError(BackendError):
    """The database cannot be used as it is."""


class StoreUnavailableError(StoreError):
    """The database does not answer now."""


class SchemaError(StoreError):
    """The database holds no schema, or an older one than this program needs."""


class MigrationError(StoreError):
    """The migrations in the database are not the ones of this program."""


class FellBehindError(StoreError):
    """Rows of the outbox that a reader had not read are gone."""


class CatalogError(BackendError):
    """A site, zone, portal, SKU or lot cannot be defined so."""


class UnknownNameError(CatalogError):
    """Nothing in the catalog has that name."""


class LineFault(NamedTuple):
    """One fault of an imported file: its line (the header is 1), the column's name, and what to do."""

    line: int
    column: str
    what: str

    def __str__(self) -> str:
        return f"line {self.line}, {self.column}: {self.what}" if self.column else f"line {self.line}: {self.what}"


class ImportRefusedError(CatalogError):
    """A file with faults. `faults` holds every one that was found; nothing was imported."""

    def __init__(self, faults: Sequence[LineFault]) -> None:
        self.faults = tuple(faults)
        super().__init__("nothing was imported: " + "; ".join(str(fault) for fault in self.faults))


class ConfigError(BackendError):
    """The backend's configuration cannot be used."""
