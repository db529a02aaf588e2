"""What the API says when something is wrong: problem documents of RFC 9457, `application/problem+json`.

Every kind stands in the table `KINDS`. A problem's `type` is the address of its description on the same server, so
whoever meets one can read what it means and what to do.

ProblemError   one problem, raised anywhere below a route; becomes the response
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from aiohttp import web
from pydantic import BaseModel, ValidationError

MEDIA_TYPE: Final = "application/problem+json"

TYPE_ROOT: Final = "/problems/"


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of problem: its HTTP status, its short title, and what whoever meets it should do."""

    status: int
    title: str
    mend: str


KINDS: Final[Mapping[str, Kind]] = {
    "invalid-request": Kind(400, "The request cannot be read", "Mend what `errors` names and send it again."),
    "key-missing": Kind(
        400,
        "Idempotency-Key is missing",
        "Make a fresh random key for each change you intend, send it as Idempotency-Key, keep it when you repeat.",
    ),
    "not-signed-in": Kind(
        401, "Nobody is signed in", "Send the configured token as `Authorization: Bearer …` with every request."
    ),
    "forbidden": Kind(403, "Not allowed", "Ask for the permission that `permission` names."),
    "wrong-host": Kind(
        403,
        "This server answers its own machine only",
        "Open it by a loopback address, or configure a token before serving others.",
    ),
    "not-found": Kind(404, "There is no such thing", "Check the spelling of the path."),
    "method-not-allowed": Kind(405, "The path has no such method", "Use one of the methods that `Allow` names."),
    "key-in-progress": Kind(
        409, "The same request is being worked on", "Wait a moment, then repeat it with the same key."
    ),
    "code-taken": Kind(
        409,
        "The code belongs to something else",
        "Take another code, or ask for exactly what the first request asked for.",
    ),
    "not-available": Kind(
        409,
        "There is not enough to promise",
        "`errors` says for each line what is lacking and why: ask for less, allow a back-order, or come again later.",
    ),
    "wrong-state": Kind(409, "It is not in a state in which that can be done", "Read `detail`, and look at it again."),
    "changed-meanwhile": Kind(
        412, "Somebody changed it meanwhile", "Read it again, and send the change with its new ETag."
    ),
    "too-large": Kind(413, "The body is too large", "Send it in parts; `limit_bytes` is the most that one may have."),
    "wrong-media-type": Kind(415, "The body's media type is not accepted", "Send the type that `expected` names."),
    "key-reused": Kind(
        422,
        "The Idempotency-Key belongs to another request",
        "Use a fresh key for each new request; repeat a request only with the same method, path and body.",
    ),
    "refused-rows": Kind(
        422, "Rows of the file are wrong; nothing was taken over", "Mend the lines that `errors` names; send all again."
    ),
    "refused": Kind(422, "The request is understood and refused", "Read `detail`; nothing was changed."),
    "internal": Kind(
        500, "The server failed", "Nothing was changed. Repeat the request; if it fails again, read the server's log."
    ),
    "unavailable": Kind(503, "The server cannot do this now", "Repeat the request in a moment, with the same key."),
}


class Problem(BaseModel):
    """An RFC 9457 problem document. Kinds may add members of their own, such as `errors` or `permission`."""

    type: str
    title: str
    status: int
    detail: str
    mend: str


class ProblemError(Exception):
    """A request cannot be answered as asked. `kind` is a key of KINDS; `members` are added to the document."""

    def __init__(self, kind: str, detail: str, **members: Any) -> None:
        super().__init__(detail)
        self.kind = kind
        self.detail = detail
        self.members = members

    @property
    def status(self) -> int:
        """The HTTP status of this kind of problem."""
        return KINDS[self.kind].status

    def document(self) -> dict[str, Any]:
        """The problem as JSON members."""
        kind = KINDS[self.kind]
        named = Problem(
            type=TYPE_ROOT + self.kind, title=kind.title, status=kind.status, detail=self.detail, mend=kind.mend
        )
        return named.model_dump() | self.members


def invalid(error: ValidationError) -> ProblemError:
    """The problem that a failed validation is: each fault with where it is and what is wrong."""
    faults = [
        {"where": ".".join(str(part) for part in fault["loc"]) or "request", "what": fault["msg"]}
        for fault in error.errors(include_url=False, include_context=False, include_input=False)
    ]
    said = "; ".join(f"{fault['where']}: {fault['what']}" for fault in faults)
    return ProblemError("invalid-request", said, errors=faults)


def response(error: ProblemError) -> web.Response:
    """The HTTP response that tells the problem."""
    headers = {"WWW-Authenticate": "Bearer"} if error.status == 401 else None
    # a detail may quote a header, whose bytes need not be text
    body = json.dumps(error.document(), ensure_ascii=False).encode("utf-8", "backslashreplace")
    return web.Response(
        body=body,
        status=error.status,
        content_type=MEDIA_TYPE,
        charset="utf-8",
        headers=headers,
    )


async def describe(request: web.Request) -> web.Response:
    """GET /problems/{kind}: what the kind means and what to do about it."""
    name = request.match_info["kind"]
    if name not in KINDS:
        raise ProblemError("not-found", f"there is no kind of problem named {name!r}")
    kind = KINDS[name]
    return web.json_response({"type": TYPE_ROOT + name, "title": kind.title, "status": kind.status, "mend": kind.mend})
