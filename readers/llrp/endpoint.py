"""Where a reader listens and how it is reached: address, port, TLS.

LLRP leaves TLS to the parties (1.0.1 §18.2: a MAY, on a port of its own, with TLS 1.0 as its floor). Ours is TLS 1.2,
and the reader's certificate is always checked: one that nobody signed is named as its own `ca_file`.
"""

from __future__ import annotations

import ssl
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from pydantic import BaseModel, ConfigDict, model_validator

from readers.errors import ReaderError

LLRP_PORT: Final = 5084
LLRP_TLS_PORT: Final = 5085
"""IANA's ports for LLRP without and with TLS."""

TLS_FLOOR: Final = ssl.TLSVersion.TLSv1_2
"""Readers of 2012 speak it; what is older is broken."""


class TlsOptions(BaseModel):
    """How a reader proves who it is, and how we do; unknown keys are refused. Nothing set: the system's authorities."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    ca_file: Path | None = None
    """Certificates (PEM) that may sign the reader's; or the reader's own."""
    cert_file: Path | None = None
    """Our certificate, for a reader that wants one."""
    key_file: Path | None = None
    """Its key, where it is not in the same file."""
    server_name: str | None = None
    """The name in the reader's certificate, where it is not the one in its address."""

    @model_validator(mode="after")
    def _key_needs_certificate(self) -> TlsOptions:
        if self.key_file is not None and self.cert_file is None:
            raise ValueError("key_file without cert_file: name the certificate that the key is for")
        return self

    def context(self) -> ssl.SSLContext:
        """For every connection to this reader. Raises ReaderError for files that cannot be used."""
        try:
            context = ssl.create_default_context(cafile=self.ca_file)
            context.minimum_version = TLS_FLOOR
            if self.cert_file is not None:
                context.load_cert_chain(self.cert_file, self.key_file)
        except (OSError, ValueError) as error:
            files = ", ".join(str(file) for file in (self.ca_file, self.cert_file, self.key_file) if file is not None)
            raise ReaderError(f"tls: {files}: not a certificate, or not a key for it: {error}") from error
        return context


@dataclass(frozen=True, slots=True)
class Address:
    """Where a reader listens."""

    host: str
    port: int


def parse_address(text: str, default_port: int = LLRP_PORT) -> Address:
    """`host`, `host:port`, `[v6]:port`, or a bare IPv6 address. Raises ReaderError."""
    host, port = text.strip(), str(default_port)
    if host.startswith("["):
        host, bracket, rest = host[1:].partition("]")
        if not bracket or (rest and not rest.startswith(":")):
            raise ReaderError(f"reader address {text!r}: an IPv6 address with a port is written [address]:port")
        port = rest[1:] if rest else port
    elif host.count(":") == 1:
        host, _, port = host.partition(":")
    if not host or not port.isascii() or not port.isdigit() or not 0 < int(port) < 1 << 16:
        raise ReaderError(f"reader address {text!r}: write host, host:port or [address]:port, ports 1-65535")
    return Address(host, int(port))
