"""The trading page, as built from `web/`."""

from __future__ import annotations

import gzip
import re
from functools import lru_cache
from mimetypes import guess_type
from pathlib import Path
from typing import Any

from litestar import Request, Response, get
from litestar.datastructures import CacheControlHeader
from litestar.exceptions import NotFoundException
from litestar.params import FromPath
from litestar.types import ControllerRouterHandler

from pricewire.errors import quoted

PAGE = Path(__file__).parents[1] / "page"

MISSING = "the trading page is not part of this installation: it was built without npm; install a wheel, or install Node and build again"

DEMO_PLACE = b'<meta name="pricewire-demo" content="'
"""Where the page looks for the account that anybody may log in with."""

SHEET = re.compile(rb'<link rel="stylesheet"[^>]* href="/assets/([^"/]+\.css)">')
"""Where the style sheet of the page is."""

FRAME = re.compile(rb'(?<=<div id="root">).*(?=</div><noscript>)', re.DOTALL)
"""The frame of the trading page, which is shown until its script runs: another page has another one."""

EARLY = re.compile(rb'<link rel="(?:module)?preload"[^>]*>')
"""What the browser is to load before the script asks for it."""

UNFRAMED = "frame-ancestors 'none'"
"""No other page has the trading page in a frame: what lies over it could have clicks buy and sell. Source: CSP Level 3, section 6.4.2."""

FOR_OPERATORS = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; manifest-src 'self'; "
    f"base-uri 'none'; form-action 'none'; {UNFRAMED}"
)
"""The page for operators runs its own files only, and talks to its own server: it holds a token that can stop it."""

FOREVER = CacheControlHeader(max_age=31_536_000, immutable=True, public=True).to_header()

GZIP = re.compile(r"(?:^|[ ,])gzip *(?:,|$|; *q=(?!0(?:\.0*)? *(?:,|$)))")
"""That a reader takes gzip. Source: RFC 9110, section 12.5.3."""


def has_page() -> bool:
    """Return whether the page is installed."""
    return (PAGE / "index.html").exists()


def page_routes(*, demo_account: str = "", has_admin: bool = False) -> list[ControllerRouterHandler]:
    """
    Return the routes of the page, or one that says it is missing.

    Args:
        demo_account: what the page names as the account to try, `name/password`; empty for none.
        has_admin: whether there is a page for operators: it needs tokens.
    """
    if not has_page():
        return [no_page]

    @get("/", include_in_schema=False, media_type="text/html", sync_to_thread=True)
    def index(request: Request[Any, Any, Any]) -> Response[bytes]:
        """Return the page; its assets' names change with their content, its own does not."""
        html, packed = trading_page((PAGE / "index.html").stat().st_mtime_ns, demo_account)
        headers = {"cache-control": "no-cache", "content-security-policy": UNFRAMED, "vary": "Accept-Encoding"}
        if takes_gzip(request):
            html, headers["content-encoding"] = packed, "gzip"
        return Response(html, media_type="text/html", headers=headers)

    return [index, embed, asset, *([admin] if has_admin else [])]


@lru_cache(maxsize=4)
def trading_page(changed_ns: int, demo_account: str) -> tuple[bytes, bytes]:
    """
    Return the trading page, as it is and compressed. Its style sheet is in it, so that the browser paints it without another answer.

    Args:
        changed_ns: when its file was changed, by the system's clock; a new build is another page.
        demo_account: the account to try, as `page_routes` has it.
    """
    html = (PAGE / "index.html").read_bytes().replace(DEMO_PLACE, DEMO_PLACE + demo_account.encode())
    html = SHEET.sub(lambda match: b"<style>" + (PAGE / "assets" / match[1].decode()).read_bytes() + b"</style>", html)
    return html, gzip.compress(html, 9, mtime=0)


def takes_gzip(request: Request[Any, Any, Any]) -> bool:
    """Return whether a reader takes gzip."""
    return GZIP.search(request.headers.get("accept-encoding", "").lower()) is not None


@get("/embed/{instrument_id:path}", include_in_schema=False, media_type="text/html", sync_to_thread=True)
def embed(instrument_id: FromPath[str]) -> Response[bytes]:
    """Return the page for an `iframe` of any site. Under this address it shows one instrument, whose id is in it, and sells nothing."""
    html = FRAME.sub(b"", (PAGE / "index.html").read_bytes())
    return Response(html, media_type="text/html", headers={"cache-control": "no-cache"})


@get("/admin", include_in_schema=False, media_type="text/html", sync_to_thread=True)
def admin() -> Response[bytes]:
    """Return the page for operators. It is for anybody: what it shows comes by a stream that needs a token of theirs."""
    headers = {
        "cache-control": "no-cache",
        "content-security-policy": FOR_OPERATORS,
        "referrer-policy": "no-referrer",
        "x-robots-tag": "noindex",
    }
    html = EARLY.sub(b"", FRAME.sub(b"", (PAGE / "index.html").read_bytes()))
    return Response(html, media_type="text/html", headers=headers)


@get("/", include_in_schema=False)
async def no_page() -> None:
    """Refuse what is not there, and say why."""
    raise NotFoundException(MISSING)


@get("/assets/{name:str}", include_in_schema=False, sync_to_thread=True)
def asset(name: FromPath[str], request: Request[Any, Any, Any]) -> Response[bytes]:
    """Return a file that the page is made of, as the build has compressed it where the reader takes that: a quarter of the bytes."""
    # By what there is: a path that a request makes up may be one that the system refuses to look at.
    files = {path.name: path for path in (PAGE / "assets").iterdir() if path.is_file()}
    headers = {"cache-control": FOREVER, "vary": "Accept-Encoding"}
    path = files.get(name)
    packed = files.get(f"{name}.gz")
    if packed is not None and takes_gzip(request):
        path = packed
        headers["content-encoding"] = "gzip"
    if path is None:
        raise NotFoundException(f"the page has no file {quoted(name)}")
    return Response(path.read_bytes(), media_type=guess_type(name)[0] or "application/octet-stream", headers=headers)
