"""Entity tags: an answer that has not changed since the caller last read it is not sent again (RFC 9110, 8.8.3)."""

from __future__ import annotations

import hashlib
from typing import Final

from aiohttp import web
from pydantic import BaseModel

from backend.api.problems import ProblemError

DIGEST_BYTES: Final = 12
"""96 bits: two different answers of one address never meet."""


def tag(body: bytes) -> str:
    """The strong entity tag of a body, without its quotation marks."""
    return hashlib.blake2b(body, digest_size=DIGEST_BYTES).hexdigest()


def respond(
    request: web.Request, body: bytes, content_type: str = "application/json", *, max_age_s: int = 0
) -> web.Response:
    """The body with its tag, or 304 when If-None-Match says that the caller has it already. For `max_age_s` seconds the
    caller may show it again without asking."""
    mark = tag(body)
    known = request.if_none_match
    if known is not None and any(one.value in (mark, "*") for one in known):
        response = web.Response(status=304)
    else:
        response = web.Response(body=body, content_type=content_type, charset="utf-8")
    response.etag = mark
    response.headers["Cache-Control"] = f"private, max-age={max_age_s}" if max_age_s else "private, no-cache"
    return response


def require_match(if_match: str | None, model: BaseModel) -> None:
    """Guard a change with the tag of what the caller had read; without If-Match nothing is guarded.

    Raises ProblemError when `model`, as it stands now, is not what the caller's tag was made of.
    """
    if if_match is None or if_match.strip() == "*":
        return
    mark = tag(model.model_dump_json().encode())
    if mark not in [one.strip().removeprefix("W/").strip('"') for one in if_match.split(",")]:
        raise ProblemError("changed-meanwhile", "it is not any more what the If-Match tag was made of")
