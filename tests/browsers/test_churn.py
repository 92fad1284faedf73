"""
Five tabs on one connection, with subscribers that come and go, over a network that cuts every stream after 1 to 3 s and loses, refuses,
delays or doubles one change in ten; and tabs that are closed, crash, are blocked, hidden, frozen or cut off.

Each subscriber is compared with a control reader: no event is missing, comes twice or out of order, and each has its price. A minute in
the tests; `make churn-tabs` runs an hour, and judges how late events come, which says something only where the machine is not busy.
"""

from __future__ import annotations

import contextlib
import json
import random
import threading
import time
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any, cast

import httpx2
import pytest
from playwright.sync_api import Browser, BrowserContext, Error, Page, sync_playwright

from support.engines import PATIENCE, find
from support.metrics import wait_until
from support.proxy import Proxy
from support.script_server import Answer, ScriptServer
from support.serving import Serving
from support.tab_scripts import BLOCK

TABS = 5

TOPICS = [f"ticks:{each}" for each in ("R_10", "R_50", "R_100", "1HZ10V", "1HZ50V", "1HZ100V")]

LATEST = 3.5
"""How late an event may come to a tab that is well, in seconds: 2 until a leader is missed, 1 of the policy's wait, and the connection."""

RECOVERY = 5.0
"""For how long after a tab was away its events may be late, in seconds: it gets what it missed."""

TROUBLE = """() => {
  window.troubles = []
  const fetch = window.fetch
  const sleep = seconds => new Promise(resolve => setTimeout(resolve, 1000 * seconds))
  const change = async (...request) => {
    if (Math.random() > 0.1) return fetch(...request)
    const kinds = ['lost', 'unanswered', 'busy', 'failing', 'delayed', 'doubled']
    const kind = kinds[Math.floor(Math.random() * kinds.length)]
    troubles.push(kind)
    if (kind === 'busy') return new Response(null, { status: 429, headers: { 'Retry-After': '0' } })
    if (kind === 'failing') return new Response(null, { status: 503 })
    if (kind === 'delayed') await sleep(0.1 + 0.9 * Math.random())
    if (kind !== 'lost' && kind !== 'delayed') await fetch(...request)
    if (kind === 'lost' || kind === 'unanswered') throw new TypeError('the network lost it')
    return fetch(...request)
  }
  const cut = response => {
    const reader = response.body.getReader()
    const end = Date.now() + 1000 + 2000 * Math.random()
    const pull = async controller => {
      const { value, done } = await reader.read()
      if (done) return controller.close()
      if (Date.now() < end) return controller.enqueue(value)
      troubles.push('cut')
      controller.enqueue(value.subarray(0, Math.floor(value.length * Math.random())))
      await reader.cancel()
      controller.error(new TypeError('the network cut the stream'))
    }
    const { status, headers } = response
    return new Response(new ReadableStream({ pull, cancel: reason => reader.cancel(reason) }), { status, headers })
  }
  window.fetch = async (...request) => {
    if (request[1]?.method === 'PATCH') return change(...request)
    const response = await fetch(...request)
    return response.ok && response.headers.has('Pricewire-Stream') ? cut(response) : response
  }
}"""
"""Cuts a tab's streams after 1 to 3 s, within what comes then; loses, refuses, delays and doubles one change in ten."""

SUBSCRIBE = """([url, topics]) => {
  window.subscribers = []
  window.problems = []
  window.store = sharedStore({ baseUrl: url, reconnectInterval: 500, reconnectCeiling: 1000, hiddenAfter: 10 })
  window.store.onError(({ message, status }) => { if (status !== undefined) problems.push(`${status} ${message}`) })
  const live = []
  let made = 0
  const join = () => {
    const topic = topics[Math.floor(Math.random() * topics.length)]
    const subscriber = { name: `${made++}`, topic, events: [] }
    const take = ({ envelope, isStale }) => {
      if (envelope && !isStale)
        subscriber.events.push([envelope.seq, envelope.merged ?? 0, envelope.data.bid, Date.now() / 1000])
    }
    take(store.topic(topic))
    live.push({ subscriber, end: store.subscribe(topic, take) })
    subscribers.push(subscriber)
  }
  const leave = () => {
    const [{ subscriber, end }] = live.splice(Math.floor(Math.random() * live.length), 1)
    subscriber.isOver = true
    end()
  }
  const change = () => {
    if (Math.random() < 0.04) while (live.length > 0) leave()
    else if (live.length < 6 && (live.length === 0 || Math.random() < 0.5)) join()
    else leave()
  }
  for (let count = 0; count < 3; count += 1) join()
  const timer = setInterval(change, 400)
  window.settle = () => {
    clearInterval(timer)
    if (live.length === 0) join()
    return live.map(({ subscriber }) => subscriber.name)
  }
  window.drain = () => {
    const news = subscribers.map(({ name, topic, events }) => [name, topic, events.splice(0)])
    window.subscribers = subscribers.filter(({ isOver }) => !isOver)
    return news
  }
  window.setHidden = isHidden => {
    Object.defineProperty(document, 'hidden', { value: isHidden, configurable: true })
    document.dispatchEvent(new Event('visibilitychange', { bubbles: true }))
  }
}"""


class Control:
    """
    Reads all topics without a break.

    Attributes:
        events: of each topic and number the price, and when it came, in seconds since 1970.
    """

    def __init__(self, url: str) -> None:
        self.events: dict[str, dict[int, tuple[str, float]]] = {topic: {} for topic in TOPICS}
        self._url = url
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()
        wait_until(lambda: all(self.events.values()))

    def newest(self, topic: str) -> int:
        return max(self.events[topic])

    def has(self, topic: str, seq: int) -> bool:
        """Return whether it has read so far."""
        return self.newest(topic) >= seq

    def _read(self) -> None:
        with (
            contextlib.suppress(httpx2.TransportError),  # the server's end
            httpx2.stream("GET", f"{self._url}/sse", params={"topic": TOPICS}, timeout=PATIENCE, trust_env=False) as response,
        ):
            for line in response.iter_lines():
                if line.startswith("data: {") and "seq" in (envelope := json.loads(line[6:])):
                    assert "merged" not in envelope
                    self.events[envelope["subscription_id"]][envelope["seq"]] = envelope["data"]["bid"], time.time()


class Tab:
    """A page, and what its subscribers were given."""

    def __init__(self, context: BrowserContext, script_server: ScriptServer, url: str, number: int) -> None:
        self.number = number
        self.page: Page = context.new_page()
        self.page.goto(script_server.url)
        self.page.evaluate(TROUBLE)
        self.page.evaluate(SUBSCRIBE, [url, TOPICS])
        self.away: list[tuple[float, float]] = []
        self.last: dict[str, int] = {}
        self.counts: dict[str, int] = {}
        self.topics: dict[str, str] = {}

    @contextlib.contextmanager
    def is_away(self) -> Iterator[None]:
        start = time.time()
        yield
        self.away.append((start - 0.5, time.time() + RECOVERY))


class Churn:
    """
    What is done to the tabs, and what is wrong with what they were given.

    Attributes:
        faults: what is wrong.
        latest: how late an event came to a tab that was well, in seconds.
        late: those that were too late.
        history: the deeds, and when each began.
        count: of the events that were compared.
        done: how often each deed was done.
        troubles: what the network did, and how often.
    """

    def __init__(self, context: BrowserContext, script_server: ScriptServer, wire: Proxy, control: Control, seed: int) -> None:
        self._context, self._script_server, self._wire, self._control = context, script_server, wire, control
        self._random = random.Random(seed)
        self._made = 0
        self.faults: list[str] = []
        self.latest = 0.0
        self.late: list[str] = []
        self.history: list[str] = []
        self.count = 0
        self.done: dict[str, int] = {}
        self.troubles: dict[str, int] = {}
        self._tabs: list[Tab] = []
        while len(self._tabs) < TABS:
            self._open()

    def run(self, seconds: float) -> None:
        """Do one deed after another, the first ones in turn."""
        deeds: list[Callable[[Tab], None]] = [self._close, self._crash, self._block, self._hide, self._freeze, self._cut]
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            time.sleep(self._random.uniform(1, 3))
            turn = sum(self.done.values())
            deed = deeds[turn] if turn < len(deeds) else self._random.choice(deeds)
            # The oldest one leads, most of the time.
            tab = self._tabs[0] if self._random.random() < 0.5 else self._random.choice(self._tabs)
            name = deed.__name__.strip("_")
            self.history.append(f"{time.ctime()[11:19]} {name} {tab.number}")
            deed(tab)
            self.done[name] = self.done.get(name, 0) + 1
            for each in self._tabs:
                self._drain(each)

    def settle(self) -> None:
        """Have each subscriber that there is come up to the control reader."""
        for tab in self._tabs:
            names = tab.page.evaluate("settle()")
            self._drain(tab)
            goals = {name: self._control.newest(tab.topics[name]) for name in names}
            end = time.monotonic() + PATIENCE
            while any(tab.last.get(name, 0) < goal for name, goal in goals.items()):
                if time.monotonic() > end:
                    state = tab.page.evaluate("JSON.stringify(store.state)")
                    self.faults.append(f"tab {tab.number} is silent: {state}, {[(n, tab.topics[n], tab.last.get(n)) for n in names]}")
                    break
                time.sleep(0.1)
                self._drain(tab)

    def _open(self) -> None:
        self._made += 1
        self._tabs.append(Tab(self._context, self._script_server, self._wire.url, self._made))

    def _close(self, tab: Tab) -> None:
        self._drain(tab)
        tab.page.close()
        self._tabs.remove(tab)
        self._open()

    def _crash(self, tab: Tab) -> None:
        self._drain(tab)
        with tab.page.expect_event("crash"), contextlib.suppress(Error):
            tab.page.goto("chrome://crash")
        tab.page.close()
        self._tabs.remove(tab)
        self._open()

    def _block(self, tab: Tab) -> None:
        path = f"/case/{tab.number}/never"
        before = len(self._script_server.requests.get(path, []))
        with tab.is_away():
            tab.page.evaluate(BLOCK, path)
            wait_until(lambda: len(self._script_server.requests.get(path, [])) > before)
            time.sleep(self._random.uniform(1, 6))
            httpx2.get(f"{self._script_server.url}/release{path}", trust_env=False)
            tab.page.evaluate("1")

    def _hide(self, tab: Tab) -> None:
        with tab.is_away():
            tab.page.evaluate("setHidden(true)")
            time.sleep(self._random.uniform(0.1, 4))
            tab.page.evaluate("setHidden(false)")

    def _freeze(self, tab: Tab) -> None:
        session = self._context.new_cdp_session(tab.page)
        with tab.is_away():
            session.send("Page.setWebLifecycleState", {"state": "frozen"})
            time.sleep(self._random.uniform(0.1, 4))
            session.send("Page.setWebLifecycleState", {"state": "active"})
        session.detach()

    def _cut(self, tab: Tab) -> None:
        self._wire.cut()
        self._wire.heal()

    def _drain(self, tab: Tab) -> None:
        """Compare what has come since the last time."""
        for name, topic, events in cast("list[Any]", tab.page.evaluate("drain()")):
            tab.topics[name] = topic
            for seq, merged, bid, at in events:
                who = f"tab {tab.number}, subscriber {name} of {topic}: {seq}"
                last = tab.last.get(name)
                # The first is the value that was known; from the second on none is missing.
                count = tab.counts[name] = tab.counts.get(name, 0) + 1
                if last is not None and (seq <= last or (count > 2 and seq > last + 1 + merged)):
                    self.faults.append(f"{who} after {last}, merged {merged}, the {count}th")
                tab.last[name] = seq
                self.count += 1
                wait_until(partial(self._control.has, topic, seq))
                price, came = self._control.events[topic].get(seq, (None, at))
                if price is not None and price != bid:
                    self.faults.append(f"{who} costs {bid} and not {price}")
                # A subscriber's first event may be an old one.
                if last is not None and not any(start < came < end or start < at < end for start, end in tab.away):
                    self.latest = max(self.latest, at - came)
                    if at - came > LATEST:
                        self.late.append(f"{who} came {at - came:.1f} s late, at {time.ctime(at)}, after {self.history[-4:]}")
        for trouble in tab.page.evaluate("troubles.splice(0)"):
            self.troubles[trouble] = self.troubles.get(trouble, 0) + 1
        for problem in tab.page.evaluate("problems.splice(0)"):
            self.faults.append(f"tab {tab.number}: {problem}")


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=find("chromium"), args=["--no-sandbox", "--disable-gpu"])
        yield browser
        browser.close()


def test_no_subscriber_misses_anything_whatever_becomes_of_the_tabs(
    request: pytest.FixtureRequest, browser: Browser, server: Serving, remark: Callable[[str], None]
) -> None:
    minutes: float = request.config.getoption("--churn-minutes")
    seed = random.randrange(1_000_000)
    context = browser.new_context()
    context.set_default_timeout(PATIENCE * 1000)
    with ScriptServer({"never": [Answer(end="cut")]}) as script_server, Proxy(server.port) as wire:
        churn = Churn(context, script_server, wire, Control(server.url), seed)
        churn.run(60 * minutes)
        churn.settle()
        context.close()
    deeds = f"{sum(churn.done.values())} deeds {churn.done}, troubles of the network {churn.troubles}"
    text = f"seed {seed}: {churn.count} events, {deeds}, at most {churn.latest:.1f} s late"
    remark(text)
    assert not churn.faults, "\n".join([text, *churn.faults[:50], *churn.late[:50]])
    if minutes >= 10:
        assert churn.latest < LATEST, "\n".join([text, *churn.late[:50]])
