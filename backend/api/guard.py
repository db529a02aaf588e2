"""Who is calling, and may they.

Two states, by configuration. Without a token the server is bound to loopback and serves whoever sits at the machine;
a page of another origin must not reach it through the visitor's browser, so the Host header must be a loopback name
(DNS rebinding) and a WebSocket's Origin must be the server's own. With a token every call carries it: in
`Authorization: Bearer …`, or, for a browser's WebSocket, which cannot set headers, as the subprotocol
`bearer.<base64url of the token>`.
"""

from __future__ import annotations

import base64
import hmac
import ipaddress
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlsplit

from aiohttp import web

from backend.api.permissions import Permission, Principal
from backend.api.problems import ProblemError

LIVE_PROTOCOL: Final = "tallyman.live.1"
"""The WebSocket subprotocol; a browser offers it beside the one that carries the token."""

BEARER_PROTOCOL: Final = "bearer."

EVERYTHING: Final = frozenset(Permission)


@dataclass(frozen=True, slots=True)
class Guard:
    """How callers are known. `token` None: by sitting at the machine."""

    token: str | None = None

    def principal(self, request: web.Request) -> Principal:
        """Who is calling. Raises ProblemError when that cannot be told or is nobody we serve."""
        self._same_origin(request)
        if self.token is None:
            if not is_loopback(_host_name(request.host)):
                raise ProblemError("wrong-host", f"the request was addressed to {request.host}")
            return Principal("local", "operator", EVERYTHING)
        given = _given_token(request)
        if given is None:
            raise ProblemError("not-signed-in", "the request carries no token")
        if not hmac.compare_digest(given.encode("utf-8", "surrogateescape"), self.token.encode()):
            raise ProblemError("not-signed-in", "the token is not the configured one")
        return Principal("token", "operator", EVERYTHING)

    @staticmethod
    def _same_origin(request: web.Request) -> None:
        origin = request.headers.get("Origin")
        if origin is not None and urlsplit(origin).netloc != request.host:
            raise ProblemError("wrong-host", f"a page of {origin} may not use this server")


GUARD: Final = web.AppKey("guard", Guard)


def require(request: web.Request, permission: Permission) -> Principal:
    """The caller, who holds `permission`. Raises ProblemError otherwise."""
    principal = request.app[GUARD].principal(request)
    if not principal.may(permission):
        raise ProblemError("forbidden", f"{principal.actor} may not {permission}", permission=str(permission))
    return principal


def is_loopback(name: str) -> bool:
    """Whether a host name or address means this machine only."""
    if name == "localhost" or name.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return False


def _host_name(host: str) -> str:
    try:
        return urlsplit(f"//{host}").hostname or ""
    except ValueError:
        return ""


def _given_token(request: web.Request) -> str | None:
    scheme, _, value = request.headers.get("Authorization", "").partition(" ")
    if scheme.lower() == "bearer" and value:
        return value.strip()
    for offered in request.headers.get("Sec-WebSocket-Protocol", "").split(","):
        if offered.strip().startswith(BEARER_PROTOCOL):
            packed = offered.strip().removeprefix(BEARER_PROTOCOL)
            try:
                return base64.urlsafe_b64decode(packed + "=" * (-len(packed) % 4)).decode()
            except ValueError:
                return None
    return None
