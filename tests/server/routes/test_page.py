"""The page's files: whole, cached for ever, compressed for whoever takes that."""

from __future__ import annotations

import re

import httpx2
import pytest

from support.serving import Serving


@pytest.fixture
def script(server: Serving) -> str:
    """The address of the page's script."""
    found = re.search(r'src="\.?(/assets/[\w.-]+\.js)"', httpx2.get(server.url).text)
    assert found is not None
    return server.url + found[1]


@pytest.mark.parametrize(
    ("accepts", "is_packed"),
    [
        ("gzip", True),
        ("br, GZIP;q=0.5", True),
        ("gzip, deflate, br, zstd", True),
        ("gzip;q=0, identity", False),
        ("gzip; q=0.000", False),
        ("notgzip, br", False),
        ("identity", False),
    ],
)
def test_a_file_is_compressed_for_whoever_takes_that(script: str, accepts: str, is_packed: bool) -> None:
    whole = httpx2.get(script, headers={"accept-encoding": "identity"})
    answer = httpx2.get(script, headers={"accept-encoding": accepts})
    assert answer.status_code == 200
    assert answer.headers.get("content-encoding") == ("gzip" if is_packed else None)
    assert answer.content == whole.content
    assert (int(answer.headers["content-length"]) < len(whole.content) / 2) == is_packed
    assert answer.headers["content-type"].startswith("text/javascript")
    assert answer.headers["vary"] == "Accept-Encoding"
    assert "immutable" in answer.headers["cache-control"]


@pytest.mark.parametrize(
    "name", ["none.js", "%2e%2e", "%2e%2e%2findex.html", "..%5cindex.html", "%00", "a" * 300, "a" * 252, "%ff", "." * 255]
)
def test_what_is_no_file_of_the_page_is_not_found(server: Serving, name: str) -> None:
    answer = httpx2.get(f"{server.url}/assets/{name}")
    assert (answer.status_code, answer.json()["error"]["code"]) == (404, "NOT_FOUND")


def test_the_page_itself_is_looked_for_anew_each_time(server: Serving) -> None:
    answer = httpx2.get(server.url)
    assert answer.headers["cache-control"] == "no-cache"
    assert 'name="pricewire-demo" content=""' in answer.text


def test_the_page_has_its_style_sheet_in_it_so_that_it_is_painted_without_another_answer(server: Serving) -> None:
    whole, packed = (httpx2.get(server.url, headers={"accept-encoding": coding}) for coding in ("identity", "gzip"))
    assert (whole.headers.get("content-encoding"), packed.headers.get("content-encoding")) == (None, "gzip")
    assert whole.content == packed.content
    assert int(packed.headers["content-length"]) < len(whole.content) / 2
    assert {answer.headers["vary"] for answer in (whole, packed)} == {"Accept-Encoding"}
    style = re.search("<style>(.*)</style>", whole.text, re.DOTALL)
    assert style is not None
    assert ".bar" in style[1]
    assert 'rel="stylesheet"' not in whole.text
    # Its policy lets it have no other style than files.
    assert 'rel="stylesheet"' in httpx2.get(f"{server.url}/embed/R_100").text


def test_only_the_page_where_nothing_is_traded_may_be_framed(server: Serving) -> None:
    assert httpx2.get(server.url).headers["content-security-policy"] == "frame-ancestors 'none'"
    embedded = httpx2.get(f"{server.url}/embed/R_100")
    assert embedded.status_code == 200
    assert "content-security-policy" not in embedded.headers
    assert 'name="pricewire-demo" content=""' in embedded.text


def test_only_the_trading_page_has_its_frame(server: Serving) -> None:
    assert '<div id="root"><header' in httpx2.get(server.url).text
    embedded = httpx2.get(f"{server.url}/embed/R_100").text
    assert '<div id="root"></div>' in embedded
    # It shows a chart and needs an instrument, as the trading page does.
    assert embedded.count("preload") == 2
