"""The trading page, as built from `web/`."""

from __future__ import annotations

from pathlib import Path

from litestar import Response, Router, get
from litestar.datastructures import CacheControlHeader
from litestar.static_files import create_static_files_router
from litestar.types import ControllerRouterHandler

PAGE = Path(__file__).parent / "page"


@get("/", include_in_schema=False, media_type="text/html")
async def index() -> Response[bytes]:
    """Return the page; its assets' names change with their content, its own does not."""
    return Response((PAGE / "index.html").read_bytes(), media_type="text/html", headers={"cache-control": "no-cache"})


def page_routes() -> list[ControllerRouterHandler]:
    """Return the routes of the page, none where it is not built."""
    if not (PAGE / "index.html").exists():
        return []
    assets: Router = create_static_files_router(
        path="/assets",
        directories=[PAGE / "assets"],
        cache_control=CacheControlHeader(max_age=31_536_000, immutable=True, public=True),
        include_in_schema=False,
    )
    return [index, assets]
