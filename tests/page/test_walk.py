"""A walk through all that the page has for a trader, a visitor, a developer and an operator: on a desktop, and on a phone by touch."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

import pytest
from playwright.sync_api import Browser, Locator, Page, ViewportSize, expect

from pricewire.server.auth.tokens import ADMIN
from support.app_server import TOKENS
from support.page_server import PATIENCE, PageServer, ask_for, balance, buy, positions, show_events, wait_for_entry, wait_for_state

SCREENS: dict[str, ViewportSize] = {"desktop": {"width": 1440, "height": 900}, "phone": {"width": 390, "height": 844}}


@dataclass
class Walker:
    """Somebody with the page: a phone shows one part of it at a time."""

    page: Page
    server: PageServer
    is_phone: bool

    def press(self, button: Locator) -> None:
        """Press a button, on a phone with a finger."""
        if self.is_phone:
            button.tap()
        else:
            button.click()

    def go_to(self, part: str) -> None:
        """Bring a part of the page into view."""
        if self.is_phone:
            self.press(self.page.get_by_role("navigation", name="Parts of the page").get_by_role("button", name=part))

    def choose(self, name: str) -> None:
        """Choose one of several by its segment."""
        self.press(self.page.locator(".segments label").filter(has_text=re.compile(f"^{name}")))


@pytest.fixture(params=SCREENS)
def walker(page_server: PageServer, browser: Browser, request: pytest.FixtureRequest) -> Iterator[Walker]:
    """A walker with a screen of each size, whose page must not fail."""
    is_phone = request.param == "phone"
    context = browser.new_context(viewport=SCREENS[request.param], has_touch=is_phone, is_mobile=is_phone, reduced_motion="reduce")
    context.set_default_timeout(PATIENCE)
    page = context.new_page()
    errors: list[str] = []
    page.on("pageerror", lambda error: errors.append(str(error)))
    yield Walker(page, page_server, is_phone)
    context.close()
    assert errors == []


def test_a_first_visit_from_a_price_to_a_statement(walker: Walker) -> None:
    page = walker.page
    # The first visit: hints, and an account by one press.
    page.goto(walker.server.url)
    wait_for_state(page, "live")
    walker.go_to("Positions")
    expect(page.get_by_role("region", name="How to begin").get_by_role("listitem")).to_have_count(3)
    walker.go_to("Trade")
    walker.press(page.get_by_role("button", name="Try with play money"))
    expect(balance(page)).to_contain_text(re.compile(r"\d USD"))

    # The ticket: a stake and a duration by a press, and what there is to win.
    walker.press(page.get_by_role("group", name="Stakes").get_by_role("button", name="25", exact=True))
    expect(page.get_by_label("Stake", exact=True)).to_have_value("25")
    page.get_by_label("Duration unit").select_option("ticks")
    walker.press(page.get_by_role("group", name="Durations").get_by_role("button", name="1", exact=True))
    walker.server.move(1900)
    expect(page.locator("[data-variant=rise] .odds")).to_contain_text(re.compile(r"\d % chance · win [\d.]+, lose 25.00"))

    # What happened: bought, entered, won, and said so.
    buy(walker.server, page, "rise")
    expect(page.get_by_text("Bought Rise for 25.00.")).to_be_visible()
    walker.server.move(1900)
    walker.server.move(1902)
    announced = page.get_by_role("log", name="Results").get_by_role("listitem")
    expect(announced).to_contain_text(re.compile(r"Won \+[\d.]+ USD"))
    expect(announced).to_contain_text("Rise · Volatility 100 Index")
    walker.press(announced.get_by_role("button", name="Dismiss"))
    expect(announced).to_have_count(0)

    # The contract on the chart: a dot at its entry, in a colour that no candle has.
    ask_for(page, 5, "minutes")
    buy(walker.server, page, "fall")
    expect(page.get_by_text("Bought Fall")).to_be_visible()
    walker.go_to("Positions")
    wait_for_entry(walker.server, page, 1900)
    walker.go_to("Trade")
    page.wait_for_function(
        """() => {
          const accent = getComputedStyle(document.documentElement).getPropertyValue('--accent').trim()
          const rgb = accent.slice(1).match(/../g).map(hex => parseInt(hex, 16)).join()
          return [...document.querySelectorAll('.chart canvas')].some(canvas => {
            const { data } = canvas.getContext('2d').getImageData(0, 0, canvas.width || 1, canvas.height || 1)
            let count = 0
            for (let at = 0; at < data.length; at += 4) count += `${data[at]},${data[at + 1]},${data[at + 2]}` === rgb
            return count > 20
          })
        }""",
        polling=200,
    )

    # The statement: all movements, or those of one kind.
    walker.go_to("Positions")
    walker.choose("Closed")
    expect(positions(page)).to_contain_text(["Won"])
    walker.choose("Statement")
    expect(positions(page).first).to_contain_text("Purchase")
    page.get_by_label("Kind").select_option("payout")
    expect(positions(page).first).to_contain_text("Payout")
    expect(positions(page).first.locator(".profit")).to_contain_text("+")
    # All of a contract, with the ticks of its life.
    walker.press(positions(page).first.get_by_role("button", name="Payout"))
    drawer = page.get_by_role("dialog", name="Contract")
    expect(drawer).to_contain_text("ticks of its life")
    expect(drawer.get_by_role("row").filter(has_text="Entry")).to_have_count(1)
    walker.press(drawer.get_by_role("button", name="Close"))
    expect(drawer).to_have_count(0)

    # Sold, so that the next to try the same account finds it without.
    walker.choose("Open")
    walker.press(wait_for_entry(walker.server, page, 1900))
    expect(positions(page)).to_contain_text(re.compile(r"Sold [+−]"))


def test_markets_chart_and_settings(walker: Walker) -> None:
    page = walker.page
    page.goto(walker.server.url)
    wait_for_state(page, "live")
    # The market: favourites, order, search, and one sentence about what it is.
    walker.go_to("Markets")
    row = page.locator("[data-instrument=R_100]")
    expect(row.locator(".change")).to_contain_text("%")
    walker.press(page.get_by_role("button", name="Favourite: Volatility 100 Index"))
    expect(page.get_by_role("region", name="Favourites")).to_contain_text("Volatility 100 Index")
    page.get_by_label("Order of the instruments").select_option("name")
    page.get_by_role("searchbox", name="Search instruments").fill("gold")
    expect(row).to_have_count(0)
    walker.press(page.get_by_role("button", name="Show all"))
    walker.press(row)

    # The chart: another style, another timeframe, an indicator; the address keeps what a link needs.
    walker.press(page.get_by_role("button", name="bars"))
    walker.press(page.get_by_role("button", name="5m", exact=True))
    expect(page).to_have_url(re.compile("#R_100/5m"))
    walker.press(page.get_by_text("Indicators"))
    page.get_by_label("Moving average, 20").check()
    walker.press(page.get_by_text("Indicators"))
    walker.server.move(1907)
    expect(page.locator(".legend")).to_contain_text("C 1907.00")
    # A range, in the link that shows somebody else the same.
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    walker.press(page.get_by_role("group", name="Range").get_by_role("button", name="6H"))
    walker.press(page.get_by_role("button", name="Copy a link to this view"))
    expect(page.get_by_text("Link copied")).to_be_visible()
    assert "/#R_100/5m?range=6h&style=bars" in page.evaluate("navigator.clipboard.readText()")

    # Settings: a theme, the clock on the wall, and the browser keeps all of it.
    walker.press(page.get_by_role("button", name="Settings"))
    settings = page.get_by_role("dialog", name="Settings")
    walker.choose("Dark")
    walker.choose("Local")
    walker.choose("Compact")
    walker.press(settings.get_by_role("button", name="Done"))
    page.reload()
    expect(page.locator("html")).to_have_attribute("data-theme", "dark")
    expect(page.locator("html")).to_have_attribute("data-density", "compact")
    expect(page.get_by_role("button", name="bars")).to_have_attribute("aria-pressed", "true")
    walker.press(page.get_by_role("button", name="Settings"))
    expect(settings.get_by_role("radio", name="Local")).to_be_checked()
    # A phone installs it by its manifest.
    manifest = page.evaluate("fetch(document.querySelector('link[rel=manifest]').href).then(response => response.json())")
    assert manifest["display"] == "standalone"
    assert manifest["icons"][0]["sizes"] == "any"
    # On a page of somebody else.
    page.goto(f"{walker.server.serving.url}/embed/R_100")
    expect(page.locator(".quote [data-price=price]")).to_contain_text("1907.00")
    expect(page.locator(".ticket, .bar")).to_have_count(0)


def test_developers_and_operators(walker: Walker) -> None:
    page = walker.page
    page.goto(walker.server.url)
    wait_for_state(page, "live")
    if walker.is_phone:
        walker.go_to("Events")
        expect(page.get_by_role("complementary", name="For developers")).to_be_visible()
    else:
        show_events(page)
    walker.server.move(1911)
    expect(page.locator(".events li").filter(has_text="tick of ticks:R_100").first).to_contain_text('"price":"1911.00"')
    walker.choose("Topics")
    expect(page.get_by_text("Waiting for the next event …")).to_be_visible()
    walker.server.move(1912)
    expect(page.get_by_role("row").filter(has_text="ticks:R_100")).to_be_visible()
    walker.choose("Connection")
    expect(page.get_by_role("list", name="Changes of the connection")).to_contain_text("open")
    walker.choose("Code")
    expect(page.get_by_role("region", name="curl")).to_contain_text("/sse?topic=ticks%3AR_100")

    page.goto(f"{walker.server.serving.url}/admin")
    page.get_by_label("Token").fill(TOKENS.issue(walker.server.account().uuid, frozenset({ADMIN})))
    walker.press(page.get_by_role("button", name="Show the server"))
    expect(page.get_by_role("region", name="Streams", exact=True)).to_be_visible()
    expect(page.get_by_role("region", name="Feeds")).to_contain_text("R_100")
    scrolled: int = page.evaluate("document.documentElement.scrollWidth - innerWidth")
    assert scrolled <= 0
