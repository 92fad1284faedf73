"""One instrument in an `iframe` of another site, as built, in Chromium; and the trading page, which is in nobody's."""

from __future__ import annotations

from playwright.sync_api import Page, Route, expect

from support.page_server import PageServer

ELSEWHERE = "http://localhost/"
"""Another site, on this machine: browsers do not let the pages of the internet frame those of a machine."""


def test_another_site_shows_a_live_price(page_server: PageServer, page: Page) -> None:
    url = page_server.serving.url

    def frame(route: Route) -> None:
        html = f'<!doctype html><iframe id="in" src="{url}/embed/R_100"></iframe><iframe id="out" src="{url}/"></iframe>'
        route.fulfill(body=html, content_type="text/html")

    page.route(ELSEWHERE, frame)
    page.goto(ELSEWHERE)
    embedded = page.frame_locator("#in")
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
