"""The hooks on a page in Chromium: one connection, few renders, nothing left behind; hidden, offline, and gone to another page."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page, sync_playwright

from support.engines import PATIENCE, find
from support.feeds import HandFeed
from support.metrics import metric, wait_until
from support.script_server import ScriptServer
from support.serving import Serving

WEB = Path(__file__).parents[2] / "web"

PAGE = """<!doctype html>
<meta charset="utf-8">
<title>Hooks</title>
<link rel="icon" href="data:,">
<div id="root"></div>
<script type="module" src="/library/hooks.js"></script>
"""

COUNT_TIMERS = """
window.timers = new Set()
for (const [set, clear, isOnce] of [['setTimeout', 'clearTimeout', true], ['setInterval', 'clearInterval', false]]) {
  const [setOwn, clearOwn] = [window[set], window[clear]]
  window[set] = (run, ...rest) => {
    const id = setOwn((...args) => { if (isOnce) timers.delete(id); run(...args) }, ...rest)
    timers.add(id)
    return id
  }
  window[clear] = id => { timers.delete(id); clearOwn(id) }
}
window.setHidden = isHidden => {
  Object.defineProperty(document, 'hidden', { value: isHidden, configurable: true })
  document.dispatchEvent(new Event('visibilitychange', { bubbles: true }))
}
"""

GOLD_IS = "bid => [...document.querySelectorAll('output')].some(output => output.textContent === bid)"


@pytest.fixture(scope="module")
def script_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ScriptServer]:
    """The page with the hooks, bundled."""
    folder = tmp_path_factory.mktemp("hooks")
    output = {"entryFileNames": "[name].js", "chunkFileNames": "[name].js"}
    rolldown = {"input": str(WEB / "tests/browsers/hooks.tsx"), "output": output}
    build = {"outDir": str(folder), "minify": False, "rolldownOptions": rolldown}
    config = folder / "vite.config.mjs"
    config.write_text(f"export default {json.dumps({'base': './', 'logLevel': 'error', 'build': build})}")
    subprocess.run([WEB / "node_modules/.bin/vite", "build", "--config", config], cwd=WEB, check=True)
    with ScriptServer({}, PAGE, folder) as script_server:
        yield script_server


@pytest.fixture(scope="module")
def chromium() -> Iterator[Page]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=find("chromium"),
            args=["--no-sandbox", "--disable-gpu"],
            # Playwright's default is a browser that keeps no page for its back button.
            ignore_default_args=["--disable-back-forward-cache"],
        )
        page = browser.new_page()
        page.set_default_timeout(PATIENCE * 1000)
        page.add_init_script(COUNT_TIMERS)
        yield page
        browser.close()


@pytest.fixture
def page(chromium: Page, script_server: ScriptServer, server: Serving) -> Iterator[Page]:
    chromium.goto(f"{script_server.url}/?server={server.url}")
    yield chromium
    chromium.context.set_offline(False)
    chromium.goto("about:blank")


def open_streams(server: Serving) -> float:
    return metric(server.url, "pricewire_streams")


def started(server: Serving, outcome: str) -> float:
    return metric(server.url, "pricewire_streams_started_total", outcome=outcome)


IDS = ["GOLD", "R_10", "R_25", "R_50", "R_75", "R_100", "1HZ10V", "1HZ25V", "1HZ50V", "1HZ75V", "1HZ100V"]


def give(server: Serving, feed: HandFeed, price: int) -> None:
    server.call(feed.give, float(price), price + 0.5, 1_790_000_000_000 + 1000 * price)


def test_all_hooks_share_one_connection(page: Page, server: Serving, feed: HandFeed) -> None:
    give(server, feed, 1)
    page.evaluate("ids => show(ids)", IDS)
    page.wait_for_function("[...document.querySelectorAll('output')].every(output => output.textContent !== '')")
    assert page.inner_text("b") == "open"
    page.evaluate("show(['GOLD'])")
    page.wait_for_function("store.topic('ticks:R_10').envelope === undefined")
    page.evaluate("show(['GOLD', 'R_100'])")
    page.wait_for_function("[...document.querySelectorAll('output')].every(output => output.textContent !== '')")
    give(server, feed, 2)
    page.wait_for_function(GOLD_IS, arg="2")
    assert open_streams(server) == started(server, "snapshot") == 1


def test_a_component_renders_once_per_frame(page: Page, server: Serving, feed: HandFeed) -> None:
    page.evaluate("show(['GOLD'])")
    page.wait_for_function("document.querySelector('b').textContent === 'open'")
    page.evaluate("""() => {
      window.frames = 0
      const count = () => { frames += 1; requestAnimationFrame(count) }
      requestAnimationFrame(count)
      Object.assign(counts, { renders: 0, prices: 0 })
    }""")
    for price in range(1, 501):
        give(server, feed, price)
    page.wait_for_function(GOLD_IS, arg="500")
    # StrictMode renders twice.
    assert page.evaluate("counts.renders <= 2 * frames + 4 && counts.prices > counts.renders / 2")


def test_a_thousand_mounts_leave_nothing_behind(page: Page, server: Serving) -> None:
    session = page.context.new_cdp_session(page)
    session.send("Performance.enable")

    def listeners() -> int:
        for _ in range(2):
            session.send("HeapProfiler.collectGarbage")
        metrics = {each["name"]: each["value"] for each in session.send("Performance.getMetrics")["metrics"]}
        return int(metrics["JSEventListeners"])

    def idle() -> None:
        page.wait_for_function("store.state.status === 'closed' && timers.size === 0")
        page.wait_for_function("navigator.locks.query().then(({ held, pending }) => held.length + pending.length === 0)")

    page.evaluate("showMany(20)")
    idle()
    before = listeners()
    page.evaluate("showMany(1000)")
    idle()
    # A few are of what the browser has not freed yet; one for each mount would be a thousand.
    assert listeners() <= before + 20
    assert open_streams(server) == 0


def test_it_pauses_while_hidden_and_resumes_without_a_gap(page: Page, server: Serving, feed: HandFeed) -> None:
    give(server, feed, 1)
    page.evaluate("show(['GOLD'])")
    page.wait_for_function(GOLD_IS, arg="1")
    page.evaluate("setHidden(true)")
    page.wait_for_function("store.state.status === 'paused' && store.state.reason === 'hidden'")
    wait_until(lambda: open_streams(server) == 0)
    give(server, feed, 2)
    page.evaluate("setHidden(false)")
    page.wait_for_function(GOLD_IS, arg="2")
    assert started(server, "resumed") == 1


def test_offline_and_online_are_acted_on_at_once(page: Page, server: Serving, feed: HandFeed) -> None:
    give(server, feed, 1)
    page.evaluate("show(['GOLD'])")
    page.wait_for_function(GOLD_IS, arg="1")
    page.context.set_offline(True)
    page.wait_for_function("document.querySelector('b').textContent === 'paused'")
    assert page.get_attribute("output", "data-stale") == "true"
    give(server, feed, 2)
    page.context.set_offline(False)
    page.wait_for_function(GOLD_IS, arg="2")
    assert started(server, "resumed") == 1


def test_the_back_button_brings_it_back(page: Page, server: Serving, feed: HandFeed, script_server: ScriptServer) -> None:
    give(server, feed, 1)
    page.evaluate("show(['GOLD'])")
    page.wait_for_function(GOLD_IS, arg="1")
    page.evaluate("addEventListener('pageshow', ({ persisted }) => { window.wasKept = persisted })")
    page.goto(f"{script_server.url}/elsewhere")
    give(server, feed, 2)
    # A page that was kept does not load again.
    page.go_back(wait_until="commit")
    page.wait_for_function(GOLD_IS, arg="2")
    # The page itself, with its state, and not one that was loaded anew.
    assert page.evaluate("window.wasKept") is True
    assert started(server, "resumed") == 1
