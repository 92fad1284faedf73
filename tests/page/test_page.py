"""The trading page and the browser library, as built, in Chromium, against a real server in a process of its own."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, Route, expect, sync_playwright

ROOT = Path(__file__).parents[2]
CHROMIUM = os.environ.get("CHROMIUM", "/usr/bin/chromium")
ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
    "--disable-quic",
]

PATIENCE = 20_000
"""How long the page may take for anything, in milliseconds; the machines that run this are slow."""


class Served:
    """`pricewire serve` on a port of its own, which can be stopped and started again."""

    def __init__(self, *options: str) -> None:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port: int = free.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"
        self._options = options
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        command = [sys.executable, "-m", "pricewire", "serve", "--port", str(self.port), *self._options]
        self._process = subprocess.Popen(command)
        deadline = time.monotonic() + 30
        while True:
            try:
                socket.create_connection(("127.0.0.1", self.port), timeout=1).close()
                return
            except OSError:
                assert self._process.poll() is None, f"the server ended with {self._process.returncode}"
                assert time.monotonic() < deadline, "the server did not start"
                time.sleep(0.05)

    def stop(self) -> None:
        if self._process is not None:
            self._process.send_signal(signal.SIGINT)
            self._process.wait(20)
            self._process = None


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        yield browser
        browser.close()


@pytest.fixture
def served() -> Iterator[Served]:
    served = Served("--seed", "1")
    served.start()
    yield served
    served.stop()


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    context = browser.new_context(viewport={"width": 1440, "height": 900})
    context.set_default_timeout(PATIENCE)
    page = context.new_page()
    errors: list[str] = []
    page.on("pageerror", lambda error: errors.append(str(error)))
    yield page
    context.close()
    assert errors == []


def wait_for_state(page: Page, state: str) -> None:
    page.wait_for_selector(f".status[data-state={state}]")


def wait_for_movement(page: Page) -> None:
    """Wait until a price is another one than now."""
    page.wait_for_selector("[data-instrument] [data-price=bid] >> text=/[0-9]/")
    bids = "[...document.querySelectorAll('[data-instrument] [data-price=bid]')].map(cell => cell.textContent).join()"
    before = page.evaluate(bids)
    page.wait_for_function(f"before => {bids} !== before", arg=before)


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
        }"""
    )


def chart_close(page: Page) -> float:
    """Return the close of the newest candle, as the chart's legend has it."""
    return float(page.inner_text(".legend").rsplit(" ", 1)[1])


def test_prices_move_and_the_chart_draws(served: Served, page: Page) -> None:
    page.goto(served.url)
    wait_for_state(page, "live")
    expect(page.get_by_role("status")).to_have_text("Live")
    expect(page.locator("[data-instrument]")).to_have_count(10)
    wait_for_movement(page)
    wait_for_candles(page)
    page.wait_for_function("parseInt(document.querySelector('.rate').textContent) > 0")


def test_the_page_recovers_when_the_server_comes_back(served: Served, page: Page) -> None:
    page.goto(f"{served.url}/#1HZ100V/1m")
    wait_for_state(page, "live")
    wait_for_movement(page)

    served.stop()
    wait_for_state(page, "reconnecting")
    expect(page.get_by_role("status")).to_have_text("Reconnecting")
    expect(page.get_by_role("alert")).to_contain_text("Connection lost")
    expect(page.locator("[data-instrument='R_100']")).to_contain_text("stale")

    histories = []
    page.on("response", lambda response: histories.append(response.url) if response.url.endswith("/history") and response.ok else None)
    served.start()
    wait_for_state(page, "live")
    expect(page.get_by_role("alert")).to_have_count(0)
    wait_for_movement(page)
    expect(page.locator("[data-instrument='R_100']")).not_to_contain_text("stale")
    # The history is loaded anew, so that the chart has no hole, and goes on with the stream.
    page.wait_for_function("before => document.querySelector('.legend').textContent !== before", arg=page.inner_text(".legend"))
    assert histories
    price = float(page.inner_text(".quote [data-price=price]").split()[-1])
    assert chart_close(page) == pytest.approx(price, rel=0.01)


def test_the_page_waits_for_a_server_that_serves_other_instruments(served: Served, page: Page, tmp_path: Path) -> None:
    page.goto(f"{served.url}/#R_100/1m")
    wait_for_state(page, "live")
    served.stop()
    recording = tmp_path / "GOLD.csv"
    rows = (f"{1_700_000_000_000 + 200 * number},{1900 + number % 7},{1901 + number % 7}" for number in range(2000))
    recording.write_text("epoch_ms,bid,ask\n" + "\n".join(rows))
    other = Served("--feed", f"replay:{recording}")
    other.port = served.port
    other.start()
    try:
        wait_for_state(page, "live")
        expect(page.locator("[data-instrument]")).to_have_count(1)
        expect(page.get_by_text("This server has no instrument “R_100”")).to_be_visible()
        wait_for_movement(page)
    finally:
        other.stop()


def test_a_link_names_the_instrument_and_the_timeframe(served: Served, page: Page) -> None:
    page.goto(f"{served.url}/#1HZ100V/tick")
    expect(page.locator("[aria-current=true]")).to_have_attribute("data-instrument", "1HZ100V")
    expect(page.get_by_role("button", name="Tick")).to_have_attribute("aria-pressed", "true")
    page.get_by_role("button", name="5m", exact=True).click()
    page.locator("[data-instrument='R_50']").click()
    expect(page).to_have_url(f"{served.url}/#R_50/5m")
    wait_for_candles(page)
    page.go_back()
    expect(page.locator("[aria-current=true]")).to_have_attribute("data-instrument", "1HZ100V")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_page_fits_a_phone_in_both_themes(served: Served, browser: Browser, scheme: str) -> None:
    context = browser.new_context(viewport={"width": 390, "height": 844}, color_scheme="dark" if scheme == "dark" else "light")
    context.set_default_timeout(PATIENCE)
    page = context.new_page()
    page.goto(served.url)
    wait_for_movement(page)
    wait_for_candles(page)
    assert page.evaluate("document.documentElement.scrollWidth") == 390
    ground = "getComputedStyle(document.body).backgroundColor"
    before = page.evaluate(ground)
    page.get_by_role("button", name="Switch to").click()
    other = {"light": "dark", "dark": "light"}[scheme]
    expect(page.locator("html")).to_have_attribute("data-theme", other)
    assert page.evaluate(ground) != before
    page.reload()
    expect(page.locator("html")).to_have_attribute("data-theme", other)
    context.close()


def test_the_library_is_a_plain_module(served: Served, page: Page) -> None:
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
