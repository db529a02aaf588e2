"""What can go wrong in the program itself.

TallymanError
├── MissingExtraError    a command needs packages that the base install leaves out; names the extra
├── EmbeddedError        the embedded database or broker cannot run here; says why and what to do
├── ReplayError          a recording does not fit the configuration, or its events cannot be written
├── TuneError            a truth cannot be read, or what was found cannot be written; names the file and the mend
└── DemoError            the demo cannot start or go on; says why and what to do
"""

from __future__ import annotations


class TallymanError(Exception):
    """Base of everything that `tallyman` raises."""


class MissingExtraError(TallymanError):
    """A package is missing that an extra of the distribution brings."""


class EmbeddedError(TallymanError):
    """The embedded PostgreSQL or broker cannot run here."""


class DemoError(TallymanError):
    """The demo cannot start or go on."""


class ReplayError(TallymanError):
    """A recording does not fit the configuration, or its events cannot be written. Names the file."""


class TuneError(TallymanError):
    """A truth cannot be read, or what was found cannot be written. Names the file."""
