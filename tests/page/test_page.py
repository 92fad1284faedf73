"""The trading page and the browser library, as built, in Chromium: prices, chart, addresses and themes."""

from __future__ import annotations

import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page, Route, expect

from pricewire.market.feeds.simulated.feed import SimulatedFeed
from pricewire.server.app import create_app
from support.page_server import amount, ask_for, balance, offer, positions, show_closed, show_events, wait_for_state
from support.serving import Serving

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def served() -> Iterator[Serving]:
    """A server of the simulated instruments, without trading."""
    with Serving(create_app([SimulatedFeed(seed=1, rate=4)])) as serving:
        yield serving


def wait_for_movement(page: Page) -> None:
    """Wait until the chosen instrument's price is another one than now."""
    price = page.locator(".quote [data-price=price]")
    expect(price).to_contain_text(re.compile("[0-9]"))
    expect(price).not_to_have_text(price.inner_text())


def wait_for_candles(page: Page) -> None:
    """Wait until the chart has many pixels in the colours of candles that rise and of those that fall."""
    page.wait_for_function(
        """() => {
          const style = getComputedStyle(document.documentElement)
          const rgb = name => style.getPropertyValue(name).trim().slice(1).match(/../g).map(hex => parseInt(hex, 16)).join()
          const count = { [rgb('--up')]: 0, [rgb('--down')]: 0 }
          for (const canvas of document.querySelectorAll('.chart canvas')) {
            const { data } = canvas.getContext('2d').getImageData(0, 0, canvas.width || 1, canvas.height || 1)
            for (let at = 0; at < data.length; at += 4) {
              const color = `${data[at]},${data[at + 1]},${data[at + 2]}`
              if (color in count) count[color] += 1
            }
          }
          return Object.values(count).every(pixels => pixels > 100)
        }""",
        polling=200,
    )


def test_prices_move_and_the_chart_draws(served: Serving, page: Page) -> None:
    page.goto(served.url)
    wait_for_state(page, "live")
    expect(page.get_by_role("status")).to_have_text("Live")
    expect(page.locator("[data-instrument]")).to_have_count(10)
    wait_for_movement(page)
    wait_for_candles(page)
    show_events(page)
    page.wait_for_function("parseInt(document.querySelector('.rate').textContent) > 0")
    page.get_by_role("radio", name="Topics").check(force=True)
    expect(page.get_by_role("row").filter(has_text="ticks:1HZ100V")).to_be_visible()
    page.get_by_role("radio", name="Connection").check(force=True)
    expect(page.get_by_role("list", name="Changes of the connection")).to_contain_text("open")
    page.get_by_role("radio", name="Code").check(force=True)
    expect(page.get_by_role("region", name="curl")).to_contain_text(f"curl -N '{served.url}/sse?topic=ticks%3AR_10'")
    # Where nothing is traded, nothing is said of trading.
    expect(page.locator(".ticket, .positions, .account")).to_have_count(0)
    expect(page.get_by_role("button", name="Log in")).to_have_count(0)


def test_prices_come_without_the_chart_which_is_loaded_once_that_is_possible(served: Serving, page: Page) -> None:
    page.route("**/assets/chart-*.js", lambda route: route.abort())
    page.goto(served.url)
    expect(page.get_by_text("The history could not be loaded: the server cannot be reached")).to_be_visible()
    wait_for_movement(page)
    page.unroute("**/assets/chart-*.js")
    wait_for_candles(page)


def test_the_frame_is_there_before_the_script_in_the_systems_colours(served: Serving, page: Page) -> None:
    page.emulate_media(color_scheme="dark")
    page.route("**/assets/*.js", lambda route: route.abort())
    page.goto(served.url)
    expect(page.get_by_role("heading", name="Pricewire")).to_be_visible()
    expect(page.locator("main .card")).to_have_count(2)
    expect(page.locator("body")).to_have_css("background-color", "rgb(11, 14, 19)")


@pytest.mark.parametrize("width", [1440, 1024, 390])
def test_nothing_moves_while_the_page_comes(served: Serving, page: Page, width: int) -> None:
    page.set_viewport_size({"width": width, "height": 844})
    page.add_init_script(
        """window.shifts = 0
        new PerformanceObserver(list => { for (const { value } of list.getEntries()) shifts += value })
          .observe({ type: 'layout-shift', buffered: true })"""
    )
    page.goto(f"{served.url}/#1HZ100V/1m")
    wait_for_candles(page)
    wait_for_movement(page)
    expect(page.locator(".quote .about b").first).to_contain_text(re.compile("[0-9]"))
    # A figure that grows by a digit moves by one: that is a thousandth of what people notice.
    assert page.evaluate("shifts") < 0.0005


def test_instruments_are_searched_and_chosen_with_the_keyboard(served: Serving, page: Page) -> None:
    page.goto(served.url)
    wait_for_state(page, "live")
    page.keyboard.press("/")
    page.keyboard.type("75 (1s)")
    expect(page.locator("[data-instrument]")).to_have_count(1)
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    expect(page.locator(".quote h2")).to_have_text("Volatility 75 (1s) Index")
    page.keyboard.press("/")
    page.keyboard.press("ControlOrMeta+a")
    page.keyboard.type("gold")
    expect(page.get_by_text("No instrument matches “gold”.")).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.locator("[data-instrument]")).to_have_count(10)
    # Enter chooses the first that is found.
    page.keyboard.type("50 (1s)")
    expect(page.locator("[data-instrument]")).to_have_count(1)
    page.keyboard.press("Enter")
    expect(page.locator(".quote h2")).to_have_text("Volatility 50 (1s) Index")
    # A name that is cut off is there as a whole for a pointer.
    expect(page.locator("[data-instrument='1HZ50V'] .name b")).to_have_attribute("title", "Volatility 50 (1s) Index")


def test_instruments_out_of_view_are_there_for_screen_readers_and_move(served: Serving, page: Page) -> None:
    page.set_viewport_size({"width": 1440, "height": 400})
    page.goto(served.url)
    wait_for_state(page, "live")
    hidden = page.locator("[data-in-view=false]")
    expect(hidden.last.locator(".price")).to_contain_text(re.compile("[0-9]"))
    expect(hidden.last).not_to_have_text(hidden.last.text_content() or "")
    # As Chromium tells them: Playwright works out a name by itself, and finds one where a screen reader is given none.
    nodes = page.context.new_cdp_session(page).send("Accessibility.getFullAXTree")["nodes"]
    names = [node["name"]["value"] for node in nodes if node["role"]["value"] == "button" and "name" in node]
    for row in page.locator("[data-instrument]").all():
        name = row.locator("b").inner_text()
        assert any(found.startswith(name) and "price" in found for found in names), name
    hidden.last.scroll_into_view_if_needed()
    expect(page.locator("[data-instrument]").last).to_have_attribute("data-in-view", "true")


def test_a_link_names_the_instrument_and_the_timeframe(served: Serving, page: Page) -> None:
    page.goto(f"{served.url}/#1HZ100V/tick")
    expect(page.locator("[aria-current=true]")).to_have_attribute("data-instrument", "1HZ100V")
    expect(page.get_by_role("button", name="Tick")).to_have_attribute("aria-pressed", "true")
    page.get_by_role("button", name="5m", exact=True).click()
    page.locator("[data-instrument='R_50']").click()
    expect(page).to_have_url(f"{served.url}/#R_50/5m")
    wait_for_candles(page)
    page.go_back()
    expect(page.locator("[aria-current=true]")).to_have_attribute("data-instrument", "1HZ100V")


def test_the_theme_is_the_systems_until_another_is_chosen(served: Serving, page: Page) -> None:
    page.emulate_media(color_scheme="dark")
    page.goto(served.url)
    root = page.locator("html")
    expect(root).to_have_attribute("data-theme", "dark")
    wait_for_candles(page)
    ground = "getComputedStyle(document.body).backgroundColor"
    dark = page.evaluate(ground)
    page.get_by_role("button", name="Settings").click()
    settings = page.get_by_role("dialog", name="Settings")
    settings.get_by_role("radio", name="Light").check(force=True)
    expect(root).to_have_attribute("data-theme", "light")
    assert page.evaluate(ground) != dark
    # The chart is drawn anew in the colours of the theme.
    wait_for_candles(page)
    page.reload()
    expect(root).to_have_attribute("data-theme", "light")
    page.get_by_role("button", name="Settings").click()
    settings.get_by_role("radio", name="System").check(force=True)
    expect(root).to_have_attribute("data-theme", "dark")
    wait_for_candles(page)
    page.emulate_media(color_scheme="light")
    expect(root).to_have_attribute("data-theme", "light")
    wait_for_candles(page)


def test_what_a_user_starts_trades_from_log_in_to_settlement(page: Page, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "pricewire", "serve", "--port", "0", "--data-dir", str(tmp_path), "--drain-seconds", "0.1"]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as server:
        try:
            assert server.stderr is not None
            address = next(found[0] for line in server.stderr if (found := re.search(r"http://[\d.:]+", line)))
            page.goto(f"{address}/#1HZ100V/1m")
            page.locator(".bar").get_by_role("button", name="Log in").click()
            # The server tells the page of its demo account, so that there is nothing to fill in.
            page.get_by_role("dialog").get_by_role("button", name="Log in").click()
            expect(balance(page)).to_contain_text("10,000.00 USD")
            ask_for(page, 1, "ticks")
            offer(page, "rise").click()
            expect(page.get_by_text("Bought Rise for 10.00.")).to_be_visible()
            show_closed(page)
            expect(positions(page)).to_contain_text(re.compile("Won|Lost"))
            profit = amount(positions(page).locator(".profit"))
            expect(balance(page)).to_contain_text(f"{10_000 + profit:,.2f} USD")
        finally:
            server.send_signal(signal.SIGINT)


def test_the_library_is_a_plain_module(served: Serving, page: Page) -> None:
    def library(route: Route) -> None:
        route.fulfill(path=ROOT / "web/dist/pricewire.js", content_type="text/javascript")

    page.route("**/pricewire.js", library)
    page.route("**/blank", lambda route: route.fulfill(body="<!doctype html>", content_type="text/html"))
    page.goto(f"{served.url}/blank")
    seen = page.evaluate(
        """async () => {
          const { createSSEConnection } = await import('/pricewire.js')
          const reported = []
          addEventListener('error', event => { reported.push(event.message); event.preventDefault() })
          const messages = await new Promise(resolve => {
            const messages = []
            const close = createSSEConnection({
              params: { topic: ['ticks:1HZ100V'] },
              onMessage: message => {
                messages.push(message)
                if (messages.length === 3) { close(); resolve(messages) }
                throw new Error('of a handler')
              },
            })
          })
          return { messages, reported }
        }"""
    )
    assert [message["subscription_id"] for message in seen["messages"]] == ["ticks:1HZ100V"] * 3
    first, second, third = (message["seq"] for message in seen["messages"])
    assert (second, third) == (first + 1, first + 2)
    # What a handler throws is reported as any uncaught error is, and does not stop the stream.
    assert seen["reported"] == ["Uncaught Error: of a handler"] * 3


def test_the_chart_is_drawn_in_other_ways_and_remembers_them(served: Serving, page: Page) -> None:
    page.goto(f"{served.url}/#1HZ100V/1m")
    wait_for_candles(page)
    page.get_by_role("button", name="bars").click()
    page.get_by_text("Indicators").click()
    page.get_by_label("Relative strength index, 14").check()
    page.get_by_role("button", name="UTC").click()
    page.reload()
    wait_for_candles(page)
    expect(page.get_by_role("button", name="bars")).to_have_attribute("aria-pressed", "true")
    expect(page.get_by_text("Indicators 1")).to_be_visible()
    expect(page.get_by_role("button", name="Local time")).to_be_visible()


@pytest.mark.parametrize("width", [1440, 1024, 390, 320])
def test_the_menu_of_indicators_is_in_view(served: Serving, page: Page, width: int) -> None:
    page.set_viewport_size({"width": width, "height": 844})
    page.goto(f"{served.url}/#1HZ100V/1m")
    wait_for_candles(page)
    page.get_by_text("Indicators").click()
    names = page.locator(".menu label")
    expect(names).to_have_count(3)
    # What lies at both ends of each name is that name.
    in_view = """label => {
      const { left, right, top, height } = label.getBoundingClientRect()
      return [left + 1, right - 1].every(x => label.contains(document.elementFromPoint(x, top + height / 2)))
    }"""
    assert [name.evaluate(in_view) for name in names.all()] == [True, True, True]
    # It closes as the menus of the system do.
    names.first.click()
    page.keyboard.press("Escape")
    expect(names.first).to_be_hidden()
    button = page.get_by_text("Indicators 1")
    expect(button).to_be_focused()
    button.click()
    expect(names.first).to_be_visible()
    page.locator(".quote h2").click()
    expect(names.first).to_be_hidden()


def test_older_prices_are_loaded_where_the_chart_is_scrolled_back(served: Serving, page: Page) -> None:
    asked: list[Any] = []
    page.on("request", lambda request: asked.append(request.post_data_json) if "candles/history" in request.url else None)
    page.goto(f"{served.url}/#1HZ100V/1m")
    wait_for_candles(page)
    canvas = page.locator(".canvas").bounding_box()
    assert canvas is not None
    page.mouse.move(canvas["x"] + 200, canvas["y"] + 100)
    with page.expect_request(lambda request: "to_epoch_ms" in (request.post_data or "")):
        for _ in range(60):
            page.mouse.wheel(-900, 0)
    assert {"granularity": 60, "count": 500}.items() <= asked[-1].items()
    page.get_by_role("button", name="Back to now").click()
    expect(page.get_by_role("button", name="Back to now")).to_have_count(0)


def test_a_range_shows_so_much_history_as_there_is_and_is_remembered(served: Serving, page: Page) -> None:
    asked: list[Any] = []
    page.on("request", lambda request: asked.append(request.post_data_json) if "candles/history" in request.url else None)
    page.goto(f"{served.url}/#1HZ100V/1m")
    wait_for_candles(page)
    ranges = page.get_by_role("group", name="Range")
    begins = page.get_by_title("This server has no older prices")
    ranges.get_by_role("button", name="6H").click()
    expect(page).to_have_url(f"{served.url}/#1HZ100V/5m?range=6h")
    expect(page.get_by_role("button", name="5m", exact=True)).to_have_attribute("aria-pressed", "true")
    wait_for_candles(page)
    # A day of history is simulated before the start, and no week.
    expect(begins).to_have_count(0)
    ranges.get_by_role("button", name="1W").click()
    expect(begins).to_be_visible()
    ranges.get_by_role("button", name="All").click()
    expect(page).to_have_url(f"{served.url}/#1HZ100V/15m?range=all")
    expect(begins).to_be_visible()
    wait_for_candles(page)
    assert {"granularity": 900, "count": 5000}.items() <= asked[-1].items()
    # Another timeframe shows as many candles as fit.
    page.get_by_role("button", name="1m", exact=True).click()
    expect(page).to_have_url(f"{served.url}/#1HZ100V/1m")
    expect(ranges.get_by_role("button", name="All")).to_have_attribute("aria-pressed", "false")
    ranges.get_by_role("button", name="1D").click()
    # A visit without an address shows what was shown last.
    page.goto("about:blank")
    page.goto(served.url)
    wait_for_candles(page)
    expect(ranges.get_by_role("button", name="1D")).to_have_attribute("aria-pressed", "true")
    expect(page.get_by_role("button", name="15m")).to_have_attribute("aria-pressed", "true")


def test_a_link_shows_somebody_else_the_same(served: Serving, page: Page) -> None:
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    page.goto(f"{served.url}/#1HZ50V/1m/markets")
    page.get_by_role("button", name="1D", exact=True).click()
    page.get_by_role("button", name="bars").click()
    page.get_by_role("button", name="Copy a link to this view").click()
    expect(page.get_by_text("Link copied")).to_be_visible()
    link = page.evaluate("navigator.clipboard.readText()")
    assert link == f"{served.url}/#1HZ50V/15m?range=1d&style=bars"
    page.evaluate("localStorage.clear()")
    page.goto("about:blank")
    page.goto(link)
    expect(page.locator(".quote h2")).to_have_text("Volatility 50 (1s) Index")
    expect(page.get_by_role("button", name="bars")).to_have_attribute("aria-pressed", "true")
    expect(page.get_by_role("button", name="1D", exact=True)).to_have_attribute("aria-pressed", "true")


def test_where_the_browser_does_not_copy_the_link_is_shown(served: Serving, page: Page) -> None:
    page.add_init_script("Object.defineProperty(navigator, 'clipboard', { value: undefined })")
    page.goto(f"{served.url}/#1HZ50V/5m")
    wait_for_state(page, "live")
    page.get_by_role("button", name="Copy a link to this view").click()
    field = page.get_by_role("dialog").get_by_role("textbox", name="Link to this view")
    expect(field).to_have_value(f"{served.url}/#1HZ50V/5m?style=candles")
    expect(field).to_be_focused()
    assert page.evaluate("getSelection().toString()") == field.input_value()


def test_a_program_that_cannot_be_copied_is_selected(served: Serving, page: Page) -> None:
    page.add_init_script("navigator.clipboard.writeText = async () => { throw new DOMException('denied', 'NotAllowedError') }")
    page.goto(f"{served.url}/#1HZ50V/5m")
    wait_for_state(page, "live")
    show_events(page)
    page.get_by_role("radio", name="Code").check(force=True)
    program = page.get_by_role("region", name="curl")
    program.get_by_role("button", name="Copy as curl").click()
    expect(program.get_by_role("button", name="Not allowed to copy: it is selected")).to_be_visible()
    assert page.evaluate("getSelection().toString()").strip() == program.locator("pre").inner_text().strip()


def test_the_boxes_of_the_settings_have_one_size(served: Serving, page: Page) -> None:
    page.set_viewport_size({"width": 390, "height": 844})
    page.goto(served.url)
    page.get_by_role("button", name="Settings").click()
    boxes = page.get_by_role("dialog", name="Settings").get_by_role("checkbox")
    expect(boxes).to_have_count(2)
    size = "box => [box.offsetWidth, box.offsetHeight]"
    assert [box.evaluate(size) for box in boxes.all()] == [[16, 16], [16, 16]]


def test_lists_are_closer_for_whoever_likes_that(served: Serving, page: Page) -> None:
    page.goto(served.url)
    row = page.locator("[data-instrument]").first
    wait_for_state(page, "live")

    def height() -> float:
        box = row.bounding_box()
        assert box is not None
        return box["height"]

    usual = height()
    page.get_by_role("button", name="Settings").click()
    page.get_by_role("dialog").get_by_role("radio", name="Compact").check(force=True)
    expect(page.locator("html")).to_have_attribute("data-density", "compact")
    assert height() < usual
    page.reload()
    wait_for_state(page, "live")
    assert height() < usual
