"""What can go wrong in a gateway.

GatewayError
├── ConfigError        gateway.toml cannot be used; names the key, the fault and the mend
└── JournalError       the journal file cannot be opened, read or written
    └── JournalFullError   the quota (with the policy to refuse) or the disk is full; nothing was overwritten
"""

from __future__ import annotations


class GatewayError(Exception):
    """Base of everything that `gateway` raises."""


class ConfigError(GatewayError):
    """The configuration cannot be used."""


class JournalError(GatewayError):
    """The journal cannot do what was asked; nothing of the call was kept."""


class JournalFullError(JournalError):
    """The journal reached its quota and its policy is to refuse new events, or its disk is full."""
