"""One instrument in an `iframe` of another site, as built, in Chromium; and the trading page, which is in nobody's."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from playwright.sync_api import Page, expect

from support.page_server import PageServer


@contextlib.contextmanager
def another_site(html: str) -> Iterator[str]:
    """Serve a page of another origin, and return its address."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Type", "text/html")
            self.end_headers()
            self.wfile.write(html.encode())

        def log_message(self, format: str, *args: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/"
        server.shutdown()


def test_another_site_shows_a_live_price(page_server: PageServer, page: Page) -> None:
    url = page_server.serving.url
    html = f'<!doctype html><iframe id="in" src="{url}/embed/R_100"></iframe><iframe id="out" src="{url}/"></iframe>'
    with another_site(html) as site:
        page.goto(site)
        embedded = page.frame_locator("#in")
        expect(embedded.get_by_role("status")).to_have_text("Live")
        page_server.move(1923)
        expect(embedded.locator(".quote [data-price=price]")).to_contain_text("1923.00")
        expect(embedded.locator(".chart canvas").first).to_be_attached()
        expect(embedded.get_by_role("link", name="Open in Pricewire")).to_have_attribute("href", "/#R_100")
        expect(embedded.locator(".ticket, .positions, .bar")).to_have_count(0)
        # Where somebody could lay something over it, nothing is for sale.
        expect(page.frame_locator("#out").locator(".bar")).to_have_count(0)


def test_an_instrument_that_is_not_there_is_said_not_to_be(page_server: PageServer, page: Page) -> None:
    page.goto(f"{page_server.serving.url}/embed/A%2FB")
    expect(page.get_by_text("This server has no instrument “A/B”.")).to_be_visible()
    # Nothing connects then.
    expect(page.get_by_role("status")).to_have_count(0)


def test_the_figures_of_a_small_frame_lie_beside_each_other(page_server: PageServer, page: Page) -> None:
    page.set_viewport_size({"width": 320, "height": 300})
    page.goto(f"{page_server.serving.url}/embed/R_100")
    page_server.move(1923)
    expect(page.locator(".quote [data-price=price]")).to_contain_text("1923.00")
    expect(page.locator(".quote .about")).to_contain_text("Today from")
    big, about = page.locator(".quote .big").bounding_box(), page.locator(".quote .about").bounding_box()
    assert big is not None
    assert about is not None
    assert about["y"] >= big["y"] + big["height"]
