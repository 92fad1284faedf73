"""Many tabs of one browser share one connection, whatever becomes of the tab that has it. In Chromium."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator

import httpx2
import pytest
from playwright.sync_api import BrowserContext, Error, Page, sync_playwright

from pricewire.server.app import create_app
from support.engines import PATIENCE, find
from support.feeds import HandFeed
from support.metrics import metric, wait_until
from support.script_server import Answer, ScriptServer
from support.serving import Serving
from support.tab_scripts import BLOCK

SUBSCRIBE = """([url, options]) => {
  window.seen = {}
  window.seqs = {}
  window.states = []
  window.errors = []
  window.store = sharedStore({ baseUrl: url, reconnectInterval: 1, ...options })
  window.store.onState(({ status }) => window.states.push(status))
  window.store.onError(({ message }) => window.errors.push(message))
  window.take = topic => window.store.subscribe(topic, ({ envelope, error, isStale }) => {
    if (envelope === undefined || error !== undefined || isStale) return
    (window.seen[topic] ??= []).push(Number(envelope.data.bid ?? envelope.data.close));
    (window.seqs[topic] ??= []).push(envelope.seq)
  })
  window.setHidden = isHidden => {
    Object.defineProperty(document, 'hidden', { value: isHidden, configurable: true })
    document.dispatchEvent(new Event('visibilitychange', { bubbles: true }))
  }
  window.end = window.take('ticks:GOLD')
}"""


class Gold:
    """The newest price of gold at a server, and in the tabs of a browser."""

    def __init__(self, context: BrowserContext, script_server: ScriptServer, server: Serving, feed: HandFeed) -> None:
        self.context, self.script_server, self.server = context, script_server, server
        self.price = 0
        self._feed = feed

    def rise(self, times: int = 1) -> None:
        """Have it cost one more, so many times."""
        for _ in range(times):
            self.price += 1
            self.server.call(self._feed.give, float(self.price), self.price + 0.5, 1_790_000_000_000 + 1000 * self.price)

    def open_tabs(self, count: int, **options: object) -> list[Page]:
        """Open tabs, and wait until the newest price is in them."""
        tabs = [self.open_tab(**options) for _ in range(count)]
        self.reaches(*tabs)
        return tabs

    def open_tab(self, **options: object) -> Page:
        """Open a tab."""
        tab = self.context.new_page()
        tab.goto(self.script_server.url)
        tab.evaluate(SUBSCRIBE, [self.server.url, options])
        return tab

    def reaches(self, *tabs: Page) -> None:
        """Wait until the newest price is in these tabs."""
        for tab in tabs:
            tab.wait_for_function("price => window.seen['ticks:GOLD']?.at(-1) === price", arg=self.price)

    def open_streams(self) -> int:
        """Return how many streams are open at the server."""
        return int(metric(self.server.url, "pricewire_streams", endpoint="sse"))

    @contextlib.contextmanager
    def other_server(self) -> Iterator[None]:
        """Have another server at the address of the one that was stopped, where it costs one more."""
        app = create_app([self._feed], heartbeat=0.5)
        with Serving(app, port=self.server.port) as other:
            self.server = other
            self.rise()
            yield


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
def gold(context: BrowserContext, server: Serving, feed: HandFeed) -> Iterator[Gold]:
    """It costs 1 at the beginning."""
    with ScriptServer({"never": [Answer(end="cut")]}) as script_server:
        gold = Gold(context, script_server, server, feed)
        gold.rise()
        yield gold


def prices(tab: Page) -> list[int]:
    result: list[int] = tab.evaluate("window.seen['ticks:GOLD']")
    return result


def test_tabs_share_a_stream_and_the_next_one_goes_on_without_a_gap(gold: Gold) -> None:
    (first,) = gold.open_tabs(1)
    others = gold.open_tabs(3)
    assert gold.open_streams() == 1

    others[0].evaluate("void (window.endCandles = window.take('candles:R_50:60'))")
    others[0].wait_for_function("window.seen['candles:R_50:60'] !== undefined")
    assert gold.open_streams() == 1

    first.close()
    gold.rise(2)
    gold.reaches(*others)
    assert [prices(tab) for tab in others] == [[1, 2, 3]] * 3
    assert gold.open_streams() == 1
    before = others[0].evaluate("window.seen['candles:R_50:60'].length")
    others[0].wait_for_function("before => window.seen['candles:R_50:60'].length > before", arg=before)

    for tab in others:
        tab.evaluate("window.end()")
    others[0].evaluate("window.endCandles()")
    others[0].wait_for_function("window.states.at(-1) === 'closed'")
    assert gold.context.pages[0].evaluate("navigator.locks.query().then(({ held, pending }) => [...held, ...pending].length)") == 0


SLOW_TO_TELL = """() => {
  const post = BroadcastChannel.prototype.postMessage
  BroadcastChannel.prototype.postMessage = function (message) {
    if (message.type === 'want') setTimeout(() => post.call(this, message), 500)
    else post.call(this, message)
  }
}"""
"""Has a tab take its time until it tells which topics it wants."""


def test_a_new_leader_s_first_events_reach_tabs_that_have_told_it_nothing_yet(gold: Gold) -> None:
    (first,) = gold.open_tabs(1)
    others = gold.open_tabs(3)
    for tab in others:
        tab.evaluate(SLOW_TO_TELL)
    first.close()
    gold.rise(2)
    gold.reaches(*others)
    assert [prices(tab) for tab in others] == [[1, 2, 3]] * 3


TELLS_NOTHING = """isDropped => {
  const post = BroadcastChannel.prototype.postMessage
  BroadcastChannel.prototype.postMessage = function (message) {
    const { type, envelope, term } = message
    if (type === 'all') {
      window.isAsked = true
      if (isDropped) post.call(this, { type: 'dropped', topic: 'ticks:GOLD', isAnew: false, term })
    } else post.call(this, message)
  }
}"""
"""A leader that is too busy to tell others what it knows, and tells only what comes, or that it does not carry the topic yet."""

HOLD_STREAMS = """() => {
  const fetch = window.fetch
  const released = new Promise(resolve => { window.release = resolve })
  window.fetch = async (...request) => {
    window.asked = true
    await released
    return fetch(...request)
  }
}"""
"""Has requests wait until they are released."""


@pytest.mark.parametrize("is_dropped", [False, True])
def test_a_tab_that_was_told_nothing_yet_misses_nothing_of_what_it_has_begun(gold: Gold, is_dropped: bool) -> None:
    (first,) = gold.open_tabs(1)
    first.evaluate(TELLS_NOTHING, is_dropped)
    second = gold.open_tab()
    second.evaluate(HOLD_STREAMS)
    first.wait_for_function("window.isAsked")
    for _ in range(2):
        gold.rise()
        gold.reaches(second)

    first.close()
    second.wait_for_function("window.asked")
    gold.rise(2)
    second.evaluate("release()")
    gold.reaches(second)
    assert prices(second) == [2, 3, 4, 5]


LAGS = """() => {
  const post = BroadcastChannel.prototype.postMessage
  const events = []
  let later = 0
  BroadcastChannel.prototype.postMessage = function (message) {
    const { type, term } = message
    if (type === 'event') events.push(message)
    if (type !== 'all') return post.call(this, { ...message, term: term + later })
    window.isAsked = true
    window.lag = () => {
      later = 1
      const [{ envelope, id }] = events
      const topic = envelope.subscription_id
      const values = new Map([[topic, { envelope, current: new Map([['', envelope]]) }]])
      const stream = { id, topics: [topic], names: new Map() }
      for (const each of [{ ...message, values, stream, state: { status: 'open' } }, ...events])
        post.call(this, { ...each, term: term + later })
    }
  }
}"""
"""A leader that tells others what comes; with `lag()` as if it were the next one, which has resumed from further back."""


def test_a_leader_that_is_behind_the_one_before_is_no_new_beginning(gold: Gold) -> None:
    (first,) = gold.open_tabs(1)
    first.evaluate(LAGS)
    second = gold.open_tab()
    first.wait_for_function("window.isAsked")
    for _ in range(2):
        gold.rise()
        gold.reaches(second)
    first.evaluate("lag()")
    gold.rise()
    gold.reaches(second)
    assert prices(second) == [2, 3, 4]


def test_another_tab_takes_over_from_one_that_crashes(gold: Gold) -> None:
    (first,) = gold.open_tabs(1)
    (second,) = gold.open_tabs(1)
    with first.expect_event("crash"), contextlib.suppress(Error):
        first.goto("chrome://crash")
    gold.rise()
    gold.reaches(second)


def test_a_refusal_is_told_to_the_tabs_that_asked(gold: Gold) -> None:
    first, second = gold.open_tabs(2)
    second.evaluate("void window.take('ticks:NO_SUCH')")
    second.wait_for_function("window.store.topic('ticks:NO_SUCH').error?.status === 404")
    gold.rise()
    gold.reaches(first, second)
    assert gold.open_streams() == 1


@pytest.mark.parametrize("which", ["leader", "follower"])
def test_a_tab_that_was_frozen_goes_on_without_a_gap_while_another_has_the_stream(gold: Gold, which: str) -> None:
    tabs = gold.open_tabs(2)
    frozen, other = tabs if which == "leader" else tabs[::-1]
    session = gold.context.new_cdp_session(frozen)
    for _ in range(2):
        session.send("Page.setWebLifecycleState", {"state": "frozen"})
        gold.rise(5)
        gold.reaches(other)
        session.send("Page.setWebLifecycleState", {"state": "active"})
        gold.rise()
        gold.reaches(*tabs)
    assert [numbers(tab) for tab in tabs] == [list(range(1, 14))] * 2
    wait_until(lambda: gold.open_streams() == 1)


@pytest.mark.parametrize(
    "script",
    [
        "Object.defineProperty(Navigator.prototype, 'locks', { value: undefined })",
        "LockManager.prototype.request = () => Promise.reject(new DOMException('not here', 'SecurityError'))",
    ],
    ids=["no locks", "locks refused"],
)
def test_each_tab_has_a_stream_of_its_own_where_there_are_no_locks(gold: Gold, script: str) -> None:
    gold.context.add_init_script(script)
    tabs = gold.open_tabs(2)
    assert gold.open_streams() == 2
    tabs[0].close()
    gold.rise()
    gold.reaches(tabs[1])
    tabs[1].evaluate("window.end()")
    wait_until(lambda: gold.open_streams() == 0)


@contextlib.contextmanager
def blocked(tab: Page, script_server: ScriptServer) -> Iterator[None]:
    """Block a tab, so that nothing of it runs."""
    path = "/case/tab/never"
    before = len(script_server.requests.get(path, []))
    tab.evaluate(BLOCK, path)
    wait_until(lambda: len(script_server.requests.get(path, [])) > before)
    yield
    httpx2.get(f"{script_server.url}/release{path}", trust_env=False)


def leave(tab: Page) -> None:
    """End the only subscription of a tab, and wait until it has none."""
    tab.evaluate("window.end()")
    tab.wait_for_function("window.states.at(-1) === 'closed'")


def numbers(tab: Page, topic: str = "ticks:GOLD") -> list[int]:
    """Return the sequence numbers of a topic that a tab has been given."""
    result: list[int] = tab.evaluate("topic => window.seqs[topic] ?? []", topic)
    return result


def test_others_take_over_from_a_tab_that_is_blocked_and_it_goes_on_without_a_double(gold: Gold) -> None:
    (first,) = gold.open_tabs(1)
    others = gold.open_tabs(2)
    with blocked(first, gold.script_server):
        gold.rise(3)
        # While it is blocked.
        gold.reaches(*others)
        gold.rise()
        gold.reaches(*others)
    gold.rise()
    gold.reaches(first, *others)
    gold.rise()
    gold.reaches(first, *others)
    for tab in (first, *others):
        assert prices(tab) == [1, 2, 3, 4, 5, 6, 7]
        assert numbers(tab) == [1, 2, 3, 4, 5, 6, 7]
    wait_until(lambda: gold.open_streams() == 1)


def test_a_tab_that_comes_later_learns_what_was_refused(gold: Gold) -> None:
    first = gold.open_tab()
    first.evaluate("void window.take('ticks:NO_SUCH')")
    first.wait_for_function("window.store.topic('ticks:NO_SUCH').error?.status === 404")
    second = gold.open_tab()
    second.evaluate("void window.take('ticks:NO_SUCH')")
    second.wait_for_function("window.store.topic('ticks:NO_SUCH').error?.status === 404")
    third = gold.context.new_page()
    third.goto(gold.script_server.url)
    third.evaluate(SUBSCRIBE.replace("ticks:GOLD", "ticks:NO_SUCH"), [gold.server.url, {}])
    third.wait_for_function("window.store.topic('ticks:NO_SUCH').error?.status === 404")
    gold.rise()
    gold.reaches(first, second)


def test_all_tabs_come_back_after_a_server_that_was_away(gold: Gold) -> None:
    tabs = gold.open_tabs(5, reconnectCeiling=100)
    gold.server.stop()
    for tab in tabs:
        tab.wait_for_function("window.states.filter(status => status === 'waiting').length > 4")
    with gold.other_server():
        gold.reaches(*tabs)
        assert [tab.evaluate("window.store.state.status") for tab in tabs] == ["open"] * 5


@pytest.mark.parametrize("which", ["leader", "follower"])
def test_a_tab_that_gets_the_focus_ends_the_wait_for_all(gold: Gold, which: str) -> None:
    hour = 3_600_000
    gold.context.add_init_script("Math.random = () => 0.9")
    tabs = gold.open_tabs(2, reconnectInterval=hour, reconnectCeiling=hour)
    gold.server.stop()
    for tab in tabs:
        tab.wait_for_function("window.states.at(-1) === 'waiting'")
    with gold.other_server():
        tabs[which == "follower"].evaluate("void dispatchEvent(new Event('focus'))")
        gold.reaches(*tabs)


def test_a_tab_that_has_given_up_follows_one_that_succeeds(gold: Gold) -> None:
    tabs = gold.open_tabs(3, reconnectAttempts=0)
    gold.server.stop()
    for tab in tabs:
        tab.wait_for_function("window.states.at(-1) === 'closed' && window.errors.length > 0")
    with gold.other_server():
        tabs[1].evaluate("window.store.reconnect()")
        gold.reaches(*tabs)
        tabs[1].close()
        gold.rise()
        gold.reaches(tabs[0], tabs[2])


@pytest.mark.parametrize("which", ["leader", "follower"])
def test_what_a_paused_tab_has_missed_comes_when_it_is_back(gold: Gold, which: str) -> None:
    tabs = gold.open_tabs(2, hiddenAfter=10)
    paused, other = tabs if which == "leader" else tabs[::-1]
    paused.evaluate("window.setHidden(true)")
    paused.wait_for_function("window.states.at(-1) === 'paused'")
    gold.rise(34)
    gold.reaches(other)
    paused.evaluate("window.setHidden(false)")
    gold.reaches(paused)
    gold.rise()
    gold.reaches(paused, other)
    assert prices(paused) == prices(other) == list(range(1, 37))
    wait_until(lambda: gold.open_streams() == 1)


def test_a_tab_that_left_everything_begins_with_the_newest_value(gold: Gold) -> None:
    (other,) = gold.open_tabs(1)
    (own,) = gold.open_tabs(1)
    leave(own)
    gold.rise(5)
    gold.reaches(other)
    own.evaluate("void (window.end = window.take('ticks:GOLD'))")
    gold.reaches(own)
    assert prices(own) == [1, 6]
    leave(own)
    other.close()
    gold.rise(5)
    own.evaluate("void (window.end = window.take('ticks:GOLD'))")
    gold.reaches(own)
    assert prices(own) == [1, 6, 11]
    # Left and taken again at once.
    own.evaluate("window.end()")
    own.evaluate("void (window.end = window.take('ticks:GOLD'))")
    gold.rise()
    gold.reaches(own)
    assert prices(own)[3:] in ([12], [11, 12])


def test_the_only_tab_that_left_everything_begins_with_the_newest_value(gold: Gold) -> None:
    (tab,) = gold.open_tabs(1)
    leave(tab)
    gold.rise(5)
    tab.evaluate("void (window.end = window.take('ticks:GOLD'))")
    gold.reaches(tab)
    assert prices(tab) == [1, 6]
    # Nor is there silence where nothing new has come.
    leave(tab)
    tab.evaluate("void (window.end = window.take('ticks:GOLD'))")
    tab.wait_for_function("window.seen['ticks:GOLD'].length === 3")
    assert prices(tab) == [1, 6, 6]


@pytest.mark.parametrize("how", ["hidden", "blocked"])
def test_a_server_that_begins_anew_while_a_tab_is_away_is_no_silence(gold: Gold, how: str) -> None:
    tabs = gold.open_tabs(2, hiddenAfter=10, reconnectCeiling=100)
    for _ in range(8):
        gold.rise()
        gold.reaches(*tabs)
    away, other = tabs
    with contextlib.ExitStack() as servers:
        with contextlib.ExitStack() as stack:
            if how == "blocked":
                stack.enter_context(blocked(away, gold.script_server))
            else:
                away.evaluate("window.setHidden(true)")
                away.wait_for_function("window.states.at(-1) === 'paused'")
            gold.server.stop()
            servers.enter_context(gold.other_server())
            gold.reaches(other)
        if how == "hidden":
            away.evaluate("window.setHidden(false)")
        gold.reaches(*tabs)
        gold.rise()
        gold.reaches(*tabs)
        assert [prices(tab) for tab in tabs] == [list(range(1, 12))] * 2
        assert numbers(other)[-2:] == numbers(away)[-2:] == [1, 2]


def event(topic: str, seq: int, kind: str = "tick", *, at: int | None = None, **data: object) -> bytes:
    """Return an event of a stream of topics; its id is its place, or its number where that is not given."""
    envelope = {"event": kind, "subscription_id": topic, "seq": seq, "data": data}
    return f"id: {seq if at is None else at}\ndata: {json.dumps(envelope)}\n\n".encode()


def start(how: str) -> dict[str, str]:
    """Return the headers of a stream that begins."""
    return {"Content-Type": "text/event-stream", "Pricewire-Start": how, "Pricewire-Stream": "one"}


def open_scripted_tab(context: BrowserContext, script_server: ScriptServer, topic: str) -> Page:
    """Open a tab on a topic of the script server's case `sse`."""
    tab = context.new_page()
    tab.goto(script_server.url)
    tab.evaluate(SUBSCRIBE.replace("ticks:GOLD", topic), [f"{script_server.url}/case/any", {}])
    return tab


def test_a_new_leader_knows_the_server_s_other_names_for_topics(context: BrowserContext) -> None:
    names = {"topics": ["quote:10"], "interval_ms": 0, "expires_at": None, "names": {"quote:10.00": "quote:10"}}
    changed = f"event: changed\ndata: {json.dumps(names)}\n\n".encode()
    first_stream = Answer([changed, event("quote:10", 1)], headers=start("snapshot"), end="hold")
    second_stream = Answer([event("quote:10", 2), event("quote:10", 3)], headers=start("resumed"), end="hold")
    with ScriptServer({"sse": [first_stream, second_stream]}) as script_server:
        tabs = [open_scripted_tab(context, script_server, "quote:10.00") for _ in range(3)]
        for tab in tabs:
            tab.wait_for_function("window.seqs['quote:10.00']?.at(-1) === 1")
        tabs[0].close()
        for tab in tabs[1:]:
            tab.wait_for_function("window.seqs['quote:10.00'].at(-1) === 3")
            assert numbers(tab, "quote:10.00") == [1, 2, 3]
        # Nobody had to ask for what the stream carries already, or for what was missed.
        assert [request.get("last-event-id") for request in script_server.requests["/case/any/sse"]] == [None, "1"]


def test_a_tab_that_comes_later_begins_with_every_open_contract(context: BrowserContext) -> None:
    def contract(seq: int, contract_id: str, kind: str = "contract_updated") -> bytes:
        return event("contracts:me", seq, kind, contract_id=contract_id)

    first_stream = [
        *(contract(1, "a"), contract(2, "b", "contract_opened"), contract(3, "c"), contract(4, "d"), contract(5, "a")),
        *(contract(6, "c", "contract_settled"), contract(7, "d", "contract_sold")),
    ]
    second_stream = [contract(8, "b"), contract(9, "e", "contract_opened")]
    cases = {
        "sse": [
            Answer(first_stream, headers=start("snapshot"), end="hold"),
            Answer(second_stream, headers=start("resumed"), end="hold"),
        ]
    }
    with ScriptServer(cases) as script_server:
        leader = open_scripted_tab(context, script_server, "contracts:me")
        leader.wait_for_function("window.seqs['contracts:me']?.at(-1) === 7")
        other = open_scripted_tab(context, script_server, "contracts:me")
        other.wait_for_function("window.seqs['contracts:me']?.at(-1) === 5")
        assert numbers(other, "contracts:me") == [2, 5], "the newest of each contract that is open"
        current = "window.store.current('contracts:me').map(({ data, seq }) => [data.contract_id, seq])"
        for tab in (leader, other):
            assert tab.evaluate(current) == [["b", 2], ["a", 5]]
        leader.close()
        other.wait_for_function("window.seqs['contracts:me'].at(-1) === 9")
        assert numbers(other, "contracts:me") == [2, 5, 8, 9]
        assert other.evaluate(current) == [["a", 5], ["b", 8], ["e", 9]]
        assert [request.get("last-event-id") for request in script_server.requests["/case/any/sse"]] == [None, "7"]


LEAD = """name => {
  window.wants = []
  const values = new Map()
  const stream = { id: '', topics: ['A', 'X'], names: new Map() }
  const channel = new BroadcastChannel(name)
  const tell = message => channel.postMessage({ ...message, term: 1e15 })
  window.tellEvent = (topic, seq, id) => {
    const envelope = { event: 'tick', subscription_id: topic, seq, data: {} }
    values.set(topic, { envelope, current: new Map([['', envelope]]) })
    stream.id = `${id}`
    tell({ type: 'event', envelope, id: stream.id })
  }
  window.drop = topic => {
    values.delete(topic)
    tell({ type: 'dropped', topic, isAnew: false })
  }
  channel.onmessage = ({ data }) => {
    if (data.type === 'ask') tell({ type: 'alive' })
    if (data.type === 'want') {
      wants.push(data.topics)
      tell({ type: 'all', values, stream, to: data.tab, state: { status: 'open', isSilent: false } })
    }
  }
  void navigator.locks.request(name, { steal: true }, () => {
    // A word before it leads would have the other resign, and take the lock again that is free then.
    tellEvent('A', 1, 1)
    tellEvent('X', 1, 2)
    return new Promise(() => {})
  })
}"""
"""Takes the lead from a tab, and tells it what the test says."""


def test_what_a_tab_misses_of_several_topics_is_fetched_from_where_the_first_was_dropped(context: BrowserContext) -> None:
    missed = [event("X", 2, at=4), event("A", 4, at=6), event("X", 3, at=7), event("A", 5, at=8), event("X", 4, at=9)]
    answers = [
        Answer([event("A", 1, at=1), event("X", 1, at=2)], headers=start("snapshot"), end="hold"),
        Answer([b":\n"], headers=start("resumed"), end="hold"),
        Answer(missed, headers=start("resumed"), end="hold"),
    ]
    with ScriptServer({"sse": answers}) as script_server:
        tab = context.new_page()
        tab.goto(script_server.url)
        # Where the machine is busy it would take the lead again.
        tab.evaluate("window.setInterval = () => 0")
        tab.evaluate(SUBSCRIBE.replace("window.end", "window.take('A'); window.take('X'); //"), [f"{script_server.url}/case/any", {}])
        tab.wait_for_function("window.seqs['X']?.at(-1) === 1")
        requests = script_server.requests["/case/any/sse"]
        leader = context.new_page()
        leader.goto(script_server.url)
        held = "navigator.locks.query().then(({ held }) => held.map(({ name }) => name).sort((a, b) => a.length - b.length)[0])"
        leader.evaluate(LEAD, tab.evaluate(held))
        # It asks what there is when it hears of the new leader, and when it learns that it has lost the lock.
        leader.wait_for_function("wants.length >= 2")
        leader.evaluate("tellEvent('A', 2, 3); drop('X'); tellEvent('A', 3, 5); drop('A'); tellEvent('A', 5, 8)")
        wait_until(lambda: len(requests) == 2)
        leader.evaluate("tellEvent('X', 4, 9)")
        tab.wait_for_function("window.seqs['A'].at(-1) === 5 && window.seqs['X'].at(-1) === 4")
        # It may have noticed late that it leads no more, and be sure of what came before only.
        assert requests[-1]["last-event-id"] in ("2", "3")
        assert numbers(tab, "A") == [1, 2, 3, 4, 5]
        assert numbers(tab, "X") == [1, 2, 3, 4]
