"""What can go wrong in the program itself.

TallymanError
├── MissingExtraError    a command needs packages that the base install leaves out; names the extra
├── EmbeddedError        the embedded database or broker cannot run here; says why and what to do
├── ReplayError          a recording does not fit the configuration, or its events cannot be written or served
├── SimulateError        readers cannot be served as asked; names the option and the mend
├── ExplainError         the files given do not speak of the tag, or the picture cannot be written
├── SourceError          it is not said, or not clear, which reader or recording is meant
├── AskError             what is asked at a terminal cannot be read; names the file or option, and the mend
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


class SimulateError(TallymanError):
    """Readers cannot be served as asked."""


class ReplayError(TallymanError):
    """A recording does not fit the configuration, or its events cannot be written or served. Names the file."""


class ExplainError(TallymanError):
    """The events or the recording do not speak of the tag, or its picture cannot be written."""


class SourceError(TallymanError):
    """It is not said, or not clear, which reader or recording is meant."""


class TuneError(TallymanError):
    """A truth cannot be read, or what was found cannot be written. Names the file."""


class AskError(TallymanError):
    """What is asked of the backend at a terminal cannot be read. Names the file or option."""
