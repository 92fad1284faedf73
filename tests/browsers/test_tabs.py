"""Many tabs of one browser share one connection, whatever becomes of the tab that has it. In Chromium."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator

import httpx2
import pytest
from playwright.sync_api import BrowserContext, Error, Page, sync_playwright

from support.engines import PATIENCE, find
from support.feeds import HandFeed
from support.script_server import ScriptServer
from support.serving import Serving

SUBSCRIBE = """url => {
  window.seen = {}
  window.states = []
  window.store = sharedStore({ baseUrl: url, reconnectInterval: 1 })
  window.store.onState(({ status }) => window.states.push(status))
  window.take = topic => window.store.subscribe(topic, ({ envelope }) => {
    (window.seen[topic] ??= []).push(Number(envelope.data.bid ?? envelope.data.close))
  })
  window.end = window.take('ticks:GOLD')
}"""


@pytest.fixture
def context() -> Iterator[BrowserContext]:
    """A browser of its own, in which a tab may crash."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=find("chromium"), args=["--no-sandbox", "--disable-gpu"])
        context = browser.new_context()
        context.set_default_timeout(PATIENCE * 1000)
        yield context
        browser.close()


@pytest.fixture
def script_server() -> Iterator[ScriptServer]:
    with ScriptServer({}) as script_server:
        yield script_server


class Gold:
    """
    The price of gold at the server, and in tabs.

    Attributes:
        price: the newest.
    """

    def __init__(self, server: Serving, feed: HandFeed) -> None:
        self._server, self._feed = server, feed
        self.price = 0

    def rise(self) -> int:
        """Have it cost one more, and return that."""
        self.price += 1
        self._server.call(self._feed.give, float(self.price), self.price + 0.5, 1_790_000_000_000 + 1000 * self.price)
        return self.price

    def reaches(self, *tabs: Page) -> None:
        """Wait until the newest price is in these tabs."""
        for tab in tabs:
            tab.wait_for_function("price => window.seen['ticks:GOLD']?.at(-1) === price", arg=self.price)

    def open_streams(self) -> int:
        """Return how many streams are open at the server."""
        text = httpx2.get(f"{self._server.url}/metrics", trust_env=False).text
        found = re.search(r'pricewire_streams\{endpoint="sse"\} ([0-9]+)', text)
        assert found is not None
        return int(found[1])


@pytest.fixture
def gold(server: Serving, feed: HandFeed) -> Gold:
    return Gold(server, feed)


def open_tab(context: BrowserContext, script_server: ScriptServer, server: Serving) -> Page:
    tab = context.new_page()
    tab.goto(script_server.url)
    tab.evaluate(SUBSCRIBE, server.url)
    return tab


def prices(tab: Page) -> list[int]:
    result: list[int] = tab.evaluate("window.seen['ticks:GOLD']")
    return result


def test_tabs_share_a_stream_and_the_next_one_goes_on_without_a_gap(
    context: BrowserContext, script_server: ScriptServer, server: Serving, gold: Gold
) -> None:
    gold.rise()
    first = open_tab(context, script_server, server)
    gold.reaches(first)
    others = [open_tab(context, script_server, server) for _ in range(3)]
    gold.reaches(*others)
    assert gold.open_streams() == 1

    others[0].evaluate("void (window.endCandles = window.take('candles:R_50:60'))")
    others[0].wait_for_function("window.seen['candles:R_50:60'] !== undefined")
    assert gold.open_streams() == 1

    first.close()
    gold.rise()
    gold.rise()
    gold.reaches(*others)
    assert [prices(tab) for tab in others] == [[1, 2, 3]] * 3
    assert gold.open_streams() == 1
    before = others[0].evaluate("window.seen['candles:R_50:60'].length")
    others[0].wait_for_function("before => window.seen['candles:R_50:60'].length > before", arg=before)

    for tab in others:
        tab.evaluate("window.end()")
    others[0].evaluate("window.endCandles()")
    others[0].wait_for_function("window.states.at(-1) === 'closed'")
    assert context.pages[0].evaluate("navigator.locks.query().then(({ held, pending }) => [...held, ...pending].length)") == 0


SLOW_TO_TELL = """() => {
  const post = BroadcastChannel.prototype.postMessage
  BroadcastChannel.prototype.postMessage = function (message) {
    if (message.type === 'want') setTimeout(() => post.call(this, message), 500)
    else post.call(this, message)
  }
}"""
"""Has a tab take its time until it tells which topics it wants."""


def test_a_new_leader_s_first_events_reach_tabs_that_have_told_it_nothing_yet(
    context: BrowserContext, script_server: ScriptServer, server: Serving, gold: Gold
) -> None:
    gold.rise()
    first = open_tab(context, script_server, server)
    gold.reaches(first)
    others = [open_tab(context, script_server, server) for _ in range(3)]
    gold.reaches(*others)
    for tab in others:
        tab.evaluate(SLOW_TO_TELL)
    first.close()
    gold.rise()
    gold.rise()
    gold.reaches(*others)
    assert [prices(tab) for tab in others] == [[1, 2, 3]] * 3


def test_another_tab_takes_over_from_one_that_crashes(
    context: BrowserContext, script_server: ScriptServer, server: Serving, gold: Gold
) -> None:
    gold.rise()
    first = open_tab(context, script_server, server)
    gold.reaches(first)
    second = open_tab(context, script_server, server)
    gold.reaches(second)
    with first.expect_event("crash"), contextlib.suppress(Error):
        first.goto("chrome://crash")
    gold.rise()
    gold.reaches(second)


def test_a_refusal_is_told_to_the_tabs_that_asked(
    context: BrowserContext, script_server: ScriptServer, server: Serving, gold: Gold
) -> None:
    gold.rise()
    first, second = (open_tab(context, script_server, server) for _ in range(2))
    gold.reaches(first, second)
    second.evaluate("void window.take('ticks:NO_SUCH')")
    second.wait_for_function("window.store.topic('ticks:NO_SUCH').error?.status === 404")
    gold.rise()
    gold.reaches(first, second)
    assert gold.open_streams() == 1


def test_a_frozen_tab_gives_the_stream_away(context: BrowserContext, script_server: ScriptServer, server: Serving, gold: Gold) -> None:
    gold.rise()
    first = open_tab(context, script_server, server)
    gold.reaches(first)
    second = open_tab(context, script_server, server)
    gold.reaches(second)
    session = context.new_cdp_session(first)
    session.send("Page.setWebLifecycleState", {"state": "frozen"})
    gold.rise()
    gold.reaches(second)
    session.send("Page.setWebLifecycleState", {"state": "active"})
    gold.rise()
    gold.reaches(first, second)
    assert gold.open_streams() == 1
