"""The trading page for everybody: screen readers by axe, themes, small screens, and people whom motion disturbs."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal, get_args

import pytest
from playwright.sync_api import Browser, Page, expect

from pricewire.server.auth.tokens import ADMIN
from support.app_server import TOKENS
from support.page_server import (
    PATIENCE,
    PageServer,
    ask_for,
    buy,
    log_in,
    offer,
    positions,
    show_events,
    wait_for_entry,
    wait_for_state,
)

AXE = Path(__file__).parents[2] / "web/node_modules/axe-core/axe.min.js"


def findings(page: Page) -> list[str]:
    """Return what axe finds, with the elements that it is about."""
    # What is fading in has not the colours yet that it is going to have.
    page.wait_for_function("document.getAnimations().every(animation => animation.playState !== 'running')")
    report: list[dict[str, Any]] = page.evaluate("async () => (await axe.run({ resultTypes: ['violations'] })).violations")
    return [f"{found['id']}: {node['html'][:200]} - {node['failureSummary']}" for found in report for node in found["nodes"]]


Colours = Literal["light", "dark", "forced"]


@pytest.fixture(params=get_args(Colours))
def themed(browser: Browser, request: pytest.FixtureRequest) -> Iterator[Page]:
    """A page in each theme in turn, and in the few colours that some people choose for their system; with axe in it."""
    colours: Colours = request.param
    context = browser.new_context(
        viewport={"width": 1440, "height": 900},
        color_scheme="dark" if colours == "dark" else "light",
        forced_colors="active" if colours == "forced" else "none",
        reduced_motion="reduce",
    )
    context.set_default_timeout(PATIENCE)
    context.add_init_script(path=AXE)
    yield context.new_page()
    context.close()


def test_axe_finds_nothing(page_server: PageServer, themed: Page) -> None:
    page = themed
    page.goto(page_server.url)
    wait_for_state(page, "live")
    page_server.move(1900)
    expect(page.locator("[data-variant=rise][aria-disabled=false]")).to_be_visible()
    assert findings(page) == [], "logged out"

    page.locator(".bar").get_by_role("button", name="Log in").click()
    page.get_by_role("dialog").get_by_label("Password").fill("wrong")
    page.get_by_role("dialog").get_by_role("button", name="Log in").click()
    expect(page.get_by_role("dialog").get_by_role("alert")).to_contain_text("wrong")
    assert findings(page) == [], "with the dialog"
    page.keyboard.press("Escape")

    log_in(page, page_server.account())
    ask_for(page, 5, "minutes")
    for variant in ("rise", "fall"):
        buy(page_server, page, variant)
        expect(page.get_by_text(re.compile(f"Bought {variant}", re.IGNORECASE))).to_be_visible()
    expect(positions(page)).to_have_count(2)
    show_events(page)
    page_server.move(1905)
    expect(page.locator(".events li").first).to_be_visible()
    assert findings(page) == [], "with positions and the events"

    positions(page).first.locator(".sell button[aria-disabled=false]").click()
    expect(page.get_by_role("log", name="Results").get_by_role("listitem")).to_have_count(1)
    choose(page, "Topics")
    page_server.move(1906)
    expect(page.get_by_role("row").filter(has_text="ticks:R_100")).to_be_visible()
    assert findings(page) == [], "with a result and the topics"

    choose(page, "Code")
    choose(page, "Statement")
    expect(positions(page).first).to_contain_text("Sale")
    page.get_by_text("Indicators").click()
    assert findings(page) == [], "with the statement, programs and indicators"

    choose(page, "Connection")
    choose(page, "Closed")
    choose(page, "Touch/No Touch")
    page.get_by_label("Barrier").fill("nowhere")
    page.get_by_label("Stake", exact=True).fill("0")
    expect(positions(page)).to_have_count(1)
    assert findings(page) == [], "with closed contracts, and a stake and a barrier that cannot be"

    page.get_by_role("button", name="Settings").click()
    assert findings(page) == [], "with the settings"
    page.keyboard.press("Escape")

    page.context.set_offline(True)
    expect(page.locator(".trouble")).to_be_visible()
    assert findings(page) == [], "offline"


def choose(page: Page, name: str) -> None:
    """Choose one of several by its segment."""
    page.locator(".segments label").filter(has_text=re.compile(f"^{name}")).click()


def test_axe_finds_nothing_on_a_phone_and_in_a_frame(page_server: PageServer, themed: Page) -> None:
    page = themed
    page.set_viewport_size({"width": 390, "height": 844})
    page.goto(page_server.url)
    wait_for_state(page, "live")
    for part in ("Markets", "Positions", "Events"):
        page.get_by_role("navigation", name="Parts of the page").get_by_role("button", name=part).click()
        expect(page.locator("main")).to_have_attribute("data-tab", part.lower())
        assert findings(page) == [], part
    page.goto(f"{page_server.serving.url}/embed/R_100")
    expect(page.get_by_role("status")).to_have_text("Live")
    assert findings(page) == [], "in a frame"


@pytest.mark.parametrize("width", [320, 820])
def test_no_part_is_wider_than_the_screen(page_server: PageServer, browser: Browser, width: int) -> None:
    context = browser.new_context(viewport={"width": width, "height": 844}, has_touch=True, reduced_motion="reduce")
    context.set_default_timeout(PATIENCE)
    page = context.new_page()
    page.goto(page_server.url)
    log_in(page, page_server.account("1234567.89"))
    ask_for(page, 5, "minutes")
    buy(page_server, page, "rise")
    expect(page.get_by_text("Bought Rise")).to_be_visible()
    scrolled = "document.documentElement.scrollWidth"
    assert page.evaluate(scrolled) == width
    tabs = page.get_by_role("navigation", name="Parts of the page")
    if width < 720:
        for tab in ("Markets", "Events", "Positions"):
            tabs.get_by_role("button", name=tab).click()
            assert page.evaluate(scrolled) == width, tab
    page_server.move(1900)
    expect(positions(page)).to_have_count(1)
    assert page.evaluate(scrolled) == width
    wait_for_entry(page_server, page, 1900).tap()
    expect(positions(page)).to_contain_text("Sold")
    assert page.evaluate(scrolled) == width
    context.close()


def test_what_can_be_pressed_has_a_border_in_the_colours_of_the_system(page_server: PageServer, page: Page) -> None:
    page.emulate_media(forced_colors="active")
    page.goto(page_server.url)
    ask_for(page, 5, "minutes")
    for pressed in (offer(page, "rise"), page.get_by_role("button", name="Got it"), page.locator(".chips button").first):
        expect(pressed).to_have_css("border-top-style", "solid")
        expect(pressed).to_have_css("border-top-width", "1px")


def test_nothing_moves_for_show_where_that_is_not_wanted(page_server: PageServer, page: Page) -> None:
    page.goto(page_server.url)
    wait_for_state(page, "live")
    moving = "document.getAnimations().length"
    for price in (1900, 1901):
        page_server.move(price)
        expect(page.locator(".quote [data-price=price]")).to_contain_text(f"{price}.00")
    assert page.evaluate(moving) == 0
    # For everybody else a price that has moved lights up.
    page.emulate_media(reduced_motion="no-preference")
    page_server.move(1902)
    page.wait_for_function(f"{moving} > 0")


def test_axe_finds_nothing_on_the_page_for_operators(page_server: PageServer, themed: Page) -> None:
    page = themed
    page.goto(f"{page_server.serving.url}/admin")
    expect(page.get_by_label("Token")).to_be_visible()
    assert findings(page) == [], "no token"
    page.get_by_label("Token").fill(TOKENS.issue(page_server.account().uuid, frozenset({ADMIN})))
    page.get_by_role("button", name="Show the server").click()
    expect(page.get_by_role("row", name="PageFeed (R_100)")).to_be_visible()
    assert findings(page) == [], "the server"
    page.get_by_role("button", name="Drain …").click()
    expect(page.get_by_role("dialog")).to_be_visible()
    assert findings(page) == [], "drain"
