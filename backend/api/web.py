"""The page at `/` and its files, as Vite built them into backend/web/dist."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from aiohttp import web

from backend.api.problems import ProblemError

DIST: Final = Path(__file__).parents[1] / "web" / "dist"

ONE_YEAR: Final = "public, max-age=31536000, immutable"
"""Built files carry their content's hash in the name, so they never change."""

POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
    "form-action 'none'; base-uri 'none'; frame-ancestors 'none'"
)
"""The page loads nothing from anywhere else."""


def mount(app: web.Application, dist: Path = DIST) -> None:
    """Serve the page; without built files `/` says how to build them, and the API works all the same."""

    async def page(_request: web.Request) -> web.StreamResponse:
        if not (dist / "index.html").is_file():
            raise ProblemError("not-found", "the page is not built: run `make web`")
        return web.FileResponse(
            dist / "index.html",
            headers={
                "Cache-Control": "no-cache",
                "Content-Security-Policy": POLICY,
                "X-Content-Type-Options": "nosniff",
                "Referrer-Policy": "no-referrer",
            },
        )

    async def asset(request: web.Request) -> web.StreamResponse:
        name = request.match_info["name"]
        path = dist / "assets" / name
        if Path(name).name != name or not path.is_file():
            raise ProblemError("not-found", f"nothing is at {request.path}")
        return web.FileResponse(path, headers={"Cache-Control": ONE_YEAR, "X-Content-Type-Options": "nosniff"})

    app.router.add_get("/", page)
    app.router.add_get("/assets/{name}", asset)
