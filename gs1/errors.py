"""What can go wrong with an identity.

Gs1Error
├── EpcError                tag memory is not a valid EPC of the scheme its header names; says which field and why
│   └── UnknownSchemeError  the header names no scheme we know: somebody else's tag, or none written yet
├── UriError                a tag URI or pure identity URI does not parse
├── IdentityError           a key breaks its own rules: length, digits, check digit, or too big for the scheme
├── ScanError               what a barcode scanner sent is no GS1 code, or pairs keys that the standard forbids
└── DigitalLinkError        a web address is no GS1 Digital Link for a key we know
"""

from __future__ import annotations


class Gs1Error(ValueError):
    """Base of everything that `gs1` raises; a ValueError, as all of it is about values."""


class EpcError(Gs1Error):
    """The bytes are not a valid EPC of the scheme that their header names."""


class UnknownSchemeError(EpcError):
    """The header byte names no scheme of the table."""


class UriError(Gs1Error):
    """The text is not an EPC tag URI or pure identity URI of a scheme we know."""


class IdentityError(Gs1Error):
    """A key breaks the rules of its kind, or does not fit the scheme it is to be written in."""


class ScanError(Gs1Error):
    """A scanned code cannot be understood or is forbidden by the GS1 General Specifications."""


class DigitalLinkError(Gs1Error):
    """A web address is no GS1 Digital Link of a key we know."""
