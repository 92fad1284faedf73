"""What the trading page does when server, network, token or tab go away, and when they come back."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from pricewire.protocol.messages import Instrument
from support.app_server import RULES, TOKENS
from support.page_server import (
    INSTRUMENT,
    PLACE,
    PageServer,
    ask_for,
    balance,
    buy,
    log_in,
    offer,
    open_page_server,
    positions,
    send_login,
    wait_for_state,
)
from support.proxy import Proxy

HEARTBEAT = 2.0
"""In seconds: after twice as much of silence the page takes the connection for lost."""


@pytest.fixture(scope="module")
def page_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PageServer]:
    """A server that shows often that it lives."""
    with open_page_server(tmp_path_factory.mktemp("page") / "trading.db", heartbeat=HEARTBEAT) as page_server:
        yield page_server


@pytest.fixture
def network(page_server: PageServer) -> Iterator[Proxy]:
    """What lies between the page and the server."""
    with Proxy(page_server.serving.port) as proxy:
        yield proxy


def expect_price(page: Page, price: float) -> None:
    """Wait until the chosen instrument's price is this one, in the quote and in the chart."""
    expect(page.locator(".quote [data-price=price]")).to_contain_text(f"{price:.2f}")
    expect(page.locator(".legend")).to_contain_text(f"C {price:.2f}")


def test_a_server_that_stops_and_comes_back(page: Page, tmp_path: Path) -> None:
    database = tmp_path / "trading.db"
    with open_page_server(database) as page_server:
        port = page_server.serving.port
        page.goto(page_server.url)
        log_in(page, page_server.account())
        ask_for(page, 5, "minutes")
        buy(page_server, page, "rise")
        expect(positions(page)).to_have_count(1)
    wait_for_state(page, "reconnecting")
    expect(page.locator(".trouble")).to_contain_text("Connection lost")
    expect(page.locator(f"[data-instrument={INSTRUMENT.id}]")).to_contain_text("stale")
    expect(page.locator("[data-variant=rise]")).to_have_attribute("aria-disabled", "true")

    with open_page_server(database, port=port) as page_server:
        wait_for_state(page, "live")
        expect(page.locator(".trouble")).to_have_count(0)
        page_server.move(1950)
        expect_price(page, 1950)
        expect(page.locator(f"[data-instrument={INSTRUMENT.id}]")).not_to_contain_text("stale")
        # The account is still logged in, and what it had bought is there.
        expect(balance(page)).to_contain_text("9,990.00 USD")
        expect(positions(page)).to_have_count(1)
        expect(offer(page, "rise")).to_be_visible()


def test_a_server_that_comes_back_with_other_instruments(page: Page, tmp_path: Path) -> None:
    with open_page_server(tmp_path / "one.db") as page_server:
        port = page_server.serving.port
        page.goto(page_server.url)
        wait_for_state(page, "live")
    wait_for_state(page, "reconnecting")
    gold = Instrument(id="GOLD", display_name="Gold", categories=["Commodities"], pip_size=2)
    with open_page_server(tmp_path / "other.db", instrument=gold, port=port) as page_server:
        expect(page.get_by_text("This server has no instrument “R_100”. The page shows Gold instead.")).to_be_visible()
        expect(page.locator("[data-instrument]")).to_have_count(1)
        page_server.move(2040)
        expect_price(page, 2040)


def test_a_network_that_is_cut(page_server: PageServer, network: Proxy, page: Page) -> None:
    page.goto(f"{network.url}/{PLACE}")
    wait_for_state(page, "live")
    network.cut()
    wait_for_state(page, "reconnecting")
    expect(page.locator(".trouble")).to_contain_text("Connection lost")
    page_server.move(1801)
    with page.expect_request(re.compile("/sse")):
        page.get_by_role("button", name="Try now").click()
    # An attempt is not yet a success: what is said of the loss stays.
    assert page.locator(".trouble").is_visible()
    network.heal()
    wait_for_state(page, "live")
    expect_price(page, 1801)
    page_server.move(1802)
    expect_price(page, 1802)


def test_a_network_that_stalls(page_server: PageServer, network: Proxy, page: Page) -> None:
    page.goto(f"{network.url}/{PLACE}")
    wait_for_state(page, "live")
    network.stall()
    # Nothing says that the connection is dead. So the page doubts it first, and gives it up then.
    wait_for_state(page, "silent")
    expect(page.locator(".trouble")).to_contain_text("Prices may be out of date")
    wait_for_state(page, "reconnecting")
    expect(page.locator(".trouble")).to_contain_text("the server has been silent for 4 s")
    page_server.move(1811)
    network.heal()
    wait_for_state(page, "live")
    expect_price(page, 1811)


def test_a_slow_network_shows_new_prices(page_server: PageServer, network: Proxy, page: Page) -> None:
    page.goto(f"{network.url}/{PLACE}")
    wait_for_state(page, "live")
    network.throttle(8_000)
    for price in range(1820, 1850):
        page_server.move(price)
    expect_price(page, 1849)
    wait_for_state(page, "live")


def test_an_order_in_a_network_that_breaks_buys_once(page_server: PageServer, network: Proxy, page: Page) -> None:
    page.goto(f"{network.url}/{PLACE}")
    log_in(page, page_server.account())
    ask_for(page, 5, "minutes")
    page_server.move(1900)
    expect(offer(page, "fall")).to_be_visible()
    network.stall()
    with page.expect_request(re.compile("/contracts/buy")):
        offer(page, "fall").click()
    network.cut()
    expect(page.get_by_text("No answer yet. Trying again …")).to_be_visible()
    network.heal()
    page_server.move(1900)
    expect(page.get_by_text("Bought Fall")).to_be_visible()
    wait_for_state(page, "live")
    expect(balance(page)).to_contain_text("9,990.00 USD")
    expect(positions(page)).to_have_count(1)


def test_a_device_that_is_offline(page_server: PageServer, page: Page) -> None:
    page.goto(page_server.url)
    wait_for_state(page, "live")
    page.context.set_offline(True)
    wait_for_state(page, "offline")
    expect(page.locator(".trouble")).to_contain_text("This device is offline")
    page_server.move(1831)
    page.context.set_offline(False)
    wait_for_state(page, "live")
    expect_price(page, 1831)


def test_a_tab_that_is_hidden_and_shown(page_server: PageServer, page: Page) -> None:
    page.clock.install()
    page.add_init_script("Object.defineProperty(document, 'hidden', { get: () => window.isHidden === true })")
    page.goto(page_server.url)
    wait_for_state(page, "live")
    show = "hidden => { window.isHidden = hidden; document.dispatchEvent(new Event('visibilitychange', { bubbles: true })) }"
    page.evaluate(show, True)
    page_server.move(1841)
    expect_price(page, 1841)  # whoever looks elsewhere for a moment loses nothing
    page.clock.fast_forward(61_000)
    wait_for_state(page, "paused")
    page_server.move(1842)
    page.evaluate(show, False)
    wait_for_state(page, "live")
    expect_price(page, 1842)


def test_a_token_that_expires(page_server: PageServer, page: Page) -> None:
    account = page_server.account()
    # A server believes a token for some seconds more than it is good, since clocks differ: so many, less three, are over already.
    lifetime = 3 - RULES.leeway
    page.route("**/login", lambda route: route.fulfill(json={"token": TOKENS.issue(account.uuid, lifetime=lifetime)}))
    page.goto(page_server.url)
    # The balance may be gone before this test can see it: a busy machine takes more than those three seconds.
    send_login(page, account)
    expect(page.get_by_text("Your session has ended. Log in again to trade.")).to_be_visible()
    expect(page.locator(".balance")).to_have_count(0)
    wait_for_state(page, "live")
    page_server.move(1851)
    expect_price(page, 1851)
    page.unroute("**/login")
    log_in(page, account)
    expect(balance(page)).to_contain_text("10,000.00 USD")
