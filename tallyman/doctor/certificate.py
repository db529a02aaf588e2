"""How long a certificate holds."""

from __future__ import annotations

import ssl
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from tallyman.doctor.finding import Finding, fail, ok

EXPIRY_DAYS: Final = 21
"""A certificate that ends sooner needs somebody now: renewals take working days."""


def expiry(subject: str, what: str, certificate: Mapping[str, Any]) -> Finding:
    """Of a peer's certificate as the ssl module tells it; `what` names it."""
    end = datetime.fromtimestamp(ssl.cert_time_to_seconds(certificate["notAfter"]), UTC)
    left = end - datetime.now(UTC)
    said = f"{what} holds until {end:%Y-%m-%d}, {left.days} days"
    if left < timedelta(days=EXPIRY_DAYS):
        return fail(subject, said, f"renew {what} now")
    return ok(subject, said)
