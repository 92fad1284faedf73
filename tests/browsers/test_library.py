"""The library in all engines, against a real Pricewire of another origin: what changes, breaks, restarts, expires and is hidden."""

from __future__ import annotations

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from pricewire.market.feeds.simulated.feed import SimulatedFeed
from pricewire.server.app import create_app
from pricewire.server.services import TradingSetup
from support.app_server import KEY, RULES, TOKENS, add_account
from support.engines import PATIENCE, Engine
from support.feeds import HandFeed
from support.proxy import Proxy
from support.script_server import Answer, ScriptServer
from support.serving import Serving

STREAM = {"Content-Type": "text/event-stream", "Pricewire-Heartbeat": "0.2"}

CASES = {
    "cut": [Answer([b"id: 1\ndata: a\n\nid: 2\ndata: b"], end="cut"), Answer([b"id: 2\ndata: b\n\n"], end="hold")],
    "silent": [Answer([b"data: a\n\n:\n"], headers=STREAM, end="hold")],
    "flood": [Answer([b"id: 1\ndata: small\n\nid: 2\ndata: ", b"x" * 65_536], end="flood")],
    "three": [Answer([b"data: 1\n\ndata: 2\n\ndata: 3\n\n"], end="hold")],
}

# By the name of `window` throughout: what Firefox evaluates has globals of its own each time.
PRELUDE = """
window.seen = []
window.wake = () => {}
window.see = (...what) => { seen.push(what); window.wake() }
window.until = async check => { while (!check()) await new Promise(resolve => { window.wake = resolve }); return seen }
window.connect = options => {
  const seen = { states: [], starts: [], prices: [], codes: [], changes: 0, merged: 0, isOld: false }
  seen.close = createSSEConnection({
    params: { topic: ['ticks:GOLD'] }, reconnectInterval: 1, reconnectAttempts: Infinity,
    onMessage: ({ data, merged = 0 }) => { seen.prices.push(Number(data.bid)); seen.merged += merged; window.wake() },
    onState: ({ status, isSilent = false }) => {
      if (status !== seen.states.at(-1)) seen.states.push(status)
      seen.isOld ||= isSilent
      window.wake()
    },
    onOpen: ({ start }) => { seen.starts.push(start); window.wake() },
    onError: ({ code, status }) => { seen.codes.push(code ?? status ?? null); window.wake() },
    onControl: name => { seen.changes += name === 'changed'; window.wake() },
    ...options,
  })
  return seen
}
window.pretend = (what, name, value, type) => {
  Object.defineProperty(what, name, { value, configurable: true })
  what === document ? document.dispatchEvent(new Event(type, { bubbles: true })) : dispatchEvent(new Event(type))
}
"""


@pytest.fixture(scope="module")
def script_server() -> Iterator[ScriptServer]:
    with ScriptServer(CASES) as script_server:
        yield script_server


@pytest.fixture
def page(engine: Engine, script_server: ScriptServer) -> Engine:
    """The engine on a page that has the library, and the functions above."""
    engine.open(script_server.url)
    engine.evaluate(f"({{ done: (() => {{ {PRELUDE} }})() }})")
    return engine


@pytest.fixture
def server(feed: HandFeed) -> Iterator[Serving]:
    """A server that no delay of a busy machine makes silent, and whose heartbeats soon bring what WebKit keeps back."""
    with Serving(create_app([feed, SimulatedFeed(seed=1, rate=20)], heartbeat=1.0)) as serving:
        yield serving


def test_topics_come_and_go_over_one_stream(page: Engine, server: Serving, feed: HandFeed) -> None:
    server.call(feed.give, 1.0, 1.2, 1_790_000_000_000)
    page.evaluate(f"void (window.store = new TopicStore({{ baseUrl: '{server.url}' }}))")
    page.evaluate("void (window.ends = ['ticks:GOLD', 'ticks:R_100'].map(topic => store.subscribe(topic, () => see(topic))))")
    page.evaluate("until(() => store.topic('ticks:GOLD').envelope && store.topic('ticks:R_100').envelope)")
    page.evaluate(
        "void ends.push(store.subscribe('candles:R_50:60', () => see('candle')), store.subscribe('ticks:NO_SUCH', () => see('none')))"
    )
    page.evaluate("until(() => store.topic('candles:R_50:60').envelope && store.topic('ticks:NO_SUCH').error)")
    assert page.evaluate("[store.topic('ticks:NO_SUCH').error.status, store.state.status]") == [404, "open"]
    server.call(feed.give, 2.0, 2.2, 1_790_000_001_000)
    page.evaluate("until(() => store.topic('ticks:GOLD').envelope.data.bid === '2.00')")
    assert page.evaluate(
        "(ends.forEach(end => end()), new Promise(resolve => store.onState(({ status }) => status === 'closed' && resolve(status))))"
    )
    streams = page.evaluate(f"fetch('{server.url}/metrics').then(response => response.text())")
    assert 'pricewire_streams_started_total{outcome="snapshot"} 1.0' in streams


# All in one go: the event must not come before its listener.
OPEN_CUT = """void [window.source = new CustomEventSource('%s', { reconnect: { interval: 1 } })].forEach(source => {
  source.addEventListener('message', ({ data, lastEventId }) => {
    if (data === 'a') fetch(`/release${new URL(source.url).pathname}`)
    see(data, lastEventId)
  })
  source.addEventListener('error', () => see('error', source.readyState))
})"""


def test_a_stream_that_was_cut_goes_on_after_its_last_event(page: Engine, script_server: ScriptServer) -> None:
    path = f"/case/{type(page).__name__}/cut"
    page.evaluate(OPEN_CUT % path)
    assert page.evaluate("until(() => seen.length === 3)") == [["a", "1"], ["error", 0], ["b", "2"]]
    assert script_server.requests[path][-1]["last-event-id"] == "1"
    page.evaluate("source.close()")


def test_silence_is_told_in_two_stages(page: Engine) -> None:
    page.evaluate("""void [window.source = new CustomEventSource('/case/life/silent', { reconnect: { attempts: 0 } })].forEach(source => {
      source.addEventListener('silence', () => see('silence', source.isSilent))
      source.addEventListener('error', ({ message }) => see(message.slice(0, 26)))
    })""")
    seen = page.evaluate("until(() => source.readyState === 2)")
    assert seen[-2:] == [["silence", True], ["the server has been silent"]]


def test_nothing_comes_after_close(page: Engine) -> None:
    page.evaluate("""void (window.source = new CustomEventSource('/case/life/three')).addEventListener('message', ({ data }) => {
      see(data)
      source.close()
    })""")
    assert page.evaluate("until(() => seen.length > 0)") == [["1"]]
    assert page.evaluate("new Promise(resolve => setTimeout(() => resolve(seen), 50))") == [["1"]]


def test_an_event_without_an_end_ends_the_source(page: Engine, script_server: ScriptServer) -> None:
    path = f"/case/{type(page).__name__}/flood"
    page.evaluate(f"""void [window.source = new CustomEventSource('{path}', {{ maxEventSize: 2 ** 20 }})].forEach(source => {{
      source.addEventListener('message', ({{ data }}) => see(data))
      source.addEventListener('error', ({{ code, retryAt = null }}) => see(code, retryAt))
    }})""")
    assert page.evaluate("until(() => source.readyState === 2)") == [["small"], ["EVENT_TOO_LARGE", None]]
    assert page.evaluate("source.lastEventId") == "1"
    assert script_server.hung_up.get(timeout=PATIENCE) == path
    assert len(script_server.requests[path]) == 1


def test_a_connection_tells_its_states_and_why(page: Engine, server: Serving) -> None:
    options = json.dumps({"baseUrl": server.url, "params": {"topic": ["ticks:NO_SUCH"]}})
    page.evaluate(f"""void createSSEConnection({{ ...{options}, onMessage: () => {{}},
      onState: ({{ status }}) => see(status), onError: ({{ status, code }}) => see(status, code) }})""")
    assert page.evaluate("until(() => seen.length === 3)") == [["connecting"], ["closed"], [404, "NOT_FOUND"]]


class Gold:
    """The price of gold, from a server to the connection of a page."""

    def __init__(self, page: Engine, feed: HandFeed) -> None:
        self.page, self.feed = page, feed
        self.price = 0

    def connect(self, url: str, **options: Any) -> None:
        """Connect the page."""
        self.page.evaluate(f"void (window.seen = connect({json.dumps({'baseUrl': url, **options})}))")

    def rise(self, server: Serving, times: int = 1) -> None:
        """Have it cost one more, so many times."""
        for _ in range(times):
            self.price += 1
            server.call(self.feed.give, float(self.price), self.price + 0.5, 1_790_000_000_000 + 1000 * self.price)

    def arrives(self) -> None:
        """Wait until the newest price is on the page."""
        self.until(f"seen.prices.at(-1) === {self.price}")

    def until(self, what: str) -> None:
        """Wait until something holds of what the page has seen."""
        self.page.evaluate(f"until(() => {what}).then(() => true)")

    def seen(self, what: str) -> Any:
        """Return what the page has seen."""
        return self.page.evaluate(f"seen.{what}")


@pytest.fixture
def gold(page: Engine, feed: HandFeed) -> Gold:
    return Gold(page, feed)


def test_a_network_that_is_cut_leaves_no_gap(gold: Gold, server: Serving) -> None:
    with Proxy(server.port) as network:
        gold.rise(server)
        gold.connect(network.url)
        gold.arrives()
        network.cut()
        gold.until("seen.states.includes('waiting')")
        gold.rise(server, 2)
        network.heal()
        gold.arrives()
        assert gold.seen("prices") == [1, 2, 3]
        assert gold.seen("starts") == ["snapshot", "resumed"]


def test_a_network_that_stalls_is_noticed(gold: Gold) -> None:
    app = create_app([gold.feed], heartbeat=0.2)
    with Serving(app) as server, Proxy(server.port) as network:
        gold.rise(server)
        gold.connect(network.url)
        gold.arrives()
        network.stall()
        gold.until("seen.isOld && seen.states.includes('waiting')")
        gold.rise(server, 2)
        network.heal()
        gold.arrives()
        assert gold.seen("prices") == [1, 2, 3]


def test_a_slow_network_is_borne(gold: Gold, server: Serving) -> None:
    with Proxy(server.port) as network:
        gold.rise(server)
        gold.connect(network.url)
        gold.arrives()
        network.throttle(20_000)
        gold.rise(server, 300)
        gold.arrives()
        assert gold.seen("states") == ["connecting", "open"]
        assert gold.seen("prices.length + seen.merged") == gold.price


def test_a_server_that_restarts_is_found_again(gold: Gold, server: Serving) -> None:
    gold.rise(server)
    gold.connect(server.url)
    gold.arrives()
    server.stop()
    gold.until("seen.states.includes('waiting')")
    gold.feed = HandFeed()
    with Serving(create_app([gold.feed], heartbeat=1.0), port=server.port) as again:
        gold.rise(again)
        gold.arrives()
        assert gold.seen("starts")[0] == "snapshot"
        assert gold.seen("starts").count("reset") == 1
        assert gold.seen("codes")[0] == "SERVER_DRAINING"


def test_a_page_that_is_hidden_or_offline_pauses_and_resumes(gold: Gold, server: Serving) -> None:
    gold.rise(server)
    gold.connect(server.url, hiddenAfter=1)
    gold.arrives()
    gold.page.evaluate("pretend(document, 'hidden', true, 'visibilitychange')")
    gold.until("seen.states.at(-1) === 'paused'")
    gold.rise(server)
    gold.page.evaluate("pretend(document, 'hidden', false, 'visibilitychange')")
    gold.arrives()
    gold.page.evaluate("pretend(navigator, 'onLine', false, 'offline')")
    gold.until("seen.states.at(-1) === 'paused'")
    gold.rise(server)
    gold.page.evaluate("pretend(navigator, 'onLine', true, 'online')")
    gold.arrives()
    assert gold.seen("prices") == [1, 2, 3]
    assert gold.seen("starts") == ["snapshot", "resumed", "resumed"]
    assert gold.seen("states") == ["connecting", "open", "paused", "connecting", "open", "paused", "connecting", "open"]


@pytest.fixture(scope="module")
def app_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Serving, str]]:
    """A server with an account, and the account."""
    database: Path = tmp_path_factory.mktemp("house") / "trading.db"
    # To the second, however much clocks may differ: a token that has expired is refused.
    app = create_app(
        [HandFeed()], heartbeat=1.0, trading=TradingSetup(database, database.with_name("journal"), KEY, replace(RULES, leeway=0.0))
    )
    with Serving(app) as serving, ThreadPoolExecutor(1) as pool:
        # In a thread, as Playwright has a loop running in this one.
        yield serving, pool.submit(add_account, database, "browser").result().uuid


SHORT_S = 4.0
"""The life of a token that expires in the test, in seconds: half of it is left for a busy machine to renew it."""


def test_tokens_are_renewed_before_and_after_they_expire(gold: Gold, app_server: tuple[Serving, str]) -> None:
    serving, account = app_server
    page = gold.page
    page.evaluate(f"void (window.options = {json.dumps({'baseUrl': serving.url, 'params': {'topic': f'balance:{account}'}})})")
    short, long = TOKENS.issue(account, lifetime=SHORT_S), TOKENS.issue(account)
    # A null stands for a provider that fails.
    tokens = {"renewed": [short, long], "late": [short, None, long], "refused": ["bad", long]}
    page.evaluate(f"""void (window.all = Object.fromEntries(Object.entries({json.dumps(tokens)}).map(([name, tokens]) => [name, connect({{
      ...options, token: async () => tokens.shift() ?? Promise.reject(new Error('no token now')) }})])))""")
    page.evaluate(f"void (all.fixed = connect({{ ...options, token: '{short}' }}))")
    page.evaluate("until(() => all.fixed.states.at(-1) === 'closed' && all.late.starts.length === 2 && all.renewed.changes === 1)")
    once = ["connecting", "open"]
    assert page.evaluate("Object.fromEntries(Object.entries(all).map(([name, { states }]) => [name, states]))") == {
        "renewed": once,
        "late": [*once, "waiting", *once],
        "refused": once,
        "fixed": [*once, "waiting", "connecting", "closed"],
    }
    assert page.evaluate("[all.late.starts, all.late.codes[0], all.fixed.codes]") == [
        ["snapshot", "resumed"],
        "TOKEN_EXPIRED",
        ["TOKEN_EXPIRED", None, "UNAUTHORIZED"],
    ]


SUBSCRIBE = """
window.tabs = {}
window.openTab = async name => {
  const frame = document.body.appendChild(document.createElement('iframe'))
  frame.src = '/'
  await new Promise(resolve => { frame.onload = resolve })
  const prices = []
  const store = frame.contentWindow.sharedStore({ baseUrl: '%s', reconnectInterval: 1 })
  const end = store.subscribe('ticks:GOLD', ({ envelope }) => { prices.push(Number(envelope.data.bid)); window.wake() })
  tabs[name] = { frame, prices, end }
}"""


def test_documents_share_a_stream_and_the_next_one_goes_on_without_a_gap(gold: Gold, server: Serving) -> None:
    page = gold.page
    page.evaluate(f"({{ done: (() => {{ {SUBSCRIBE % server.url} }})() }})")
    gold.rise(server)
    for name in ("first", "second"):
        page.evaluate(f"openTab('{name}')")
        page.evaluate(f"until(() => tabs.{name}.prices.length > 0)")
    assert 'pricewire_streams{endpoint="sse"} 1.0' in page.evaluate(f"fetch('{server.url}/metrics').then(answer => answer.text())")
    page.evaluate("tabs.first.frame.remove()")
    gold.rise(server, 2)
    page.evaluate(f"until(() => tabs.second.prices.at(-1) === {gold.price})")
    assert page.evaluate("tabs.second.prices") == [1, 2, 3]
