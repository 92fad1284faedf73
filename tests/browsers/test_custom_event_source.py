"""The library's CustomEventSource in all engines, over `fetch` and XMLHttpRequest: the shared vectors, and what the standard says."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from support.engines import Engine
from support.script_server import Answer, ScriptServer

VECTORS = json.loads((Path(__file__).parents[1] / "vectors/event_stream.json").read_text())

VECTOR_CASES = {f"vector{index}": [Answer([vector["input"].encode("latin-1")])] for index, vector in enumerate(VECTORS) if vector["input"]}

READ_VECTOR = """new Promise(resolve => {
  const seen = []
  const source = new %s('/case/custom/%s', { reconnect: { attempts: 0 } })
  for (const type of %s) {
    source.addEventListener(type, ({ type, data, lastEventId }) => {
      if (data !== undefined) seen.push({ type, data, last_event_id: lastEventId })
    })
  }
  source.addEventListener('error', () => {
    if (source.readyState === 2) resolve({ events: seen, last_event_id: source.lastEventId })
  })
})"""

HTML = {"Content-Type": "text/html"}
END = Answer(status=204)
TEXT = "text/event-stream"
QUICK = b"retry: 10\n"


def piece(*body: bytes, end: str = "end", **headers: str) -> Answer:
    """Return an answer with this body."""
    return Answer(body, headers={"Content-Type": TEXT, **headers}, end=end)  # type: ignore[arg-type]


def redirect(status: int, to: str) -> Answer:
    """Return a redirection."""
    return Answer(status=status, headers={"Location": to})


@dataclass(frozen=True)
class Dispatched:
    """An event that a source dispatches; `state` is its `readyState` meanwhile, and an event that is not from the stream has no data."""

    type: str
    state: int
    data: str | None = None
    id: str | None = None


OPENED = Dispatched("open", 1)
LOST = Dispatched("error", 0)
FAILED = Dispatched("error", 2)


def message(data: str, id: str = "", type: str = "message") -> Dispatched:
    """Return an event of the stream."""
    return Dispatched(type, 1, data, id)


@dataclass(frozen=True)
class Case:
    """
    What a server answers, and what a source makes of it by the standard.

    Attributes:
        answers: to one request after another.
        events: what is dispatched.
        ids: the `Last-Event-ID` of each request; by default there is none, and one request for each answer.
    """

    answers: Sequence[Answer]
    events: Sequence[Dispatched]
    ids: Sequence[str | None] = ()

    def requests(self) -> list[list[str | None]]:
        """Return what each request sends that a server may rely on: `Accept`, `Last-Event-ID` and `Cache-Control`."""
        return [[TEXT, id, "no-cache"] for id in self.ids or [None] * len(self.answers)]


def once(body: bytes, *events: Dispatched, last: str | None = None, **headers: str) -> Case:
    """Return the case of one stream, which is lost when it has ended, and not found again."""
    return Case([piece(body, **headers), END], [OPENED, *events, LOST, FAILED], [None, last])


def refusal(answer: Answer) -> Case:
    """Return the case of an answer that ends the source."""
    return Case([answer], [FAILED])


CASES: dict[str, Case] = {
    "plain": once(QUICK + b"data: a\n\ndata: b\n\n", message("a"), message("b")),
    "named": once(
        QUICK + b"event: add\ndata: 1\n\nevent: add\nevent: other\ndata: 2\n\n", message("1", type="add"), message("2", type="other")
    ),
    "named-error": once(
        QUICK + b"event: error\ndata: from the server\n\ndata: after\n\n", message("from the server", type="error"), message("after")
    ),
    "named-open": once(QUICK + b"event: open\ndata: from the server\n\n", message("from the server", type="open")),
    "id": Case(
        [piece(QUICK + b"id: 1\ndata: a\n\ndata: b\n\n"), piece(b"data: c\n\nid: 2\ndata: d\n\n"), END],
        [OPENED, message("a", "1"), message("b", "1"), LOST, OPENED, message("c", "1"), message("d", "2"), LOST, FAILED],
        [None, "1", "2"],
    ),
    "id-alone": once(QUICK + b"data: a\n\nid: 7\n\n", message("a"), last="7"),
    "id-reset": once(QUICK + b"id: 1\ndata: a\n\nid\ndata: b\n\n", message("a", "1"), message("b")),
    "id-null": once(QUICK + b"id: 1\ndata: a\n\nid: 2\x003\ndata: b\n\n", message("a", "1"), message("b", "1"), last="1"),
    "id-utf8": once(QUICK + "id: é€\ndata: a\n\n".encode(), message("a", "é€"), last="é€".encode().decode("latin-1")),
    "cut-off": Case(
        [piece(QUICK + b"id: 1\ndata: whole\n\nid: 2\ndata: half\n", end="cut"), piece(b"data: c\n\n"), END],
        [OPENED, message("whole", "1"), LOST, OPENED, message("c", "1"), LOST, FAILED],
        [None, "1", "1"],
    ),
    "no-blank-line": once(QUICK + b"data: a\n\ndata: lost", message("a")),
    "retry-garbage": once(QUICK + b"retry: 1e9\nretry: -4\nretry\ndata: a\n\n", message("a")),
    "crlf-split": Case([piece(QUICK + b"data: a\r", b"\n\r", b"\ndata: b\r\r\n"), END], [OPENED, message("a"), message("b"), LOST, FAILED]),
    "mark": once("\ufeffretry: 10\ndata: a\n\ndata:\ufeffb\n\n".encode(), message("a"), message("\ufeffb")),
    "not-utf8": once(QUICK + b"data: \xff\xc3\n\n", message("\ufffd\ufffd")),
    "other-charset": once(QUICK + "data: é\n\n".encode(), message("é"), **{"Content-Type": f"{TEXT};charset=windows-1252"}),
    "capitals": once(QUICK + b"data: a\n\n", message("a"), **{"Content-Type": "Text/Event-Stream"}),
    "no-data": once(QUICK + b"event: add\n\n: comment\n\ndata\n\n", message("")),
    # It comes back to the address that it was given.
    "redirected": Case([redirect(302, "target"), END], [OPENED, message("a"), LOST, FAILED]),
    "redirected-307": Case([redirect(307, "target-307"), END], [OPENED, message("a"), LOST, FAILED]),
    "204": refusal(END),
    "200-html": refusal(Answer([b"<p>"], headers=HTML)),
    "200-nothing": refusal(Answer([b"data: a\n\n"], headers={})),
    **{str(status): refusal(Answer([b"data: a\n\n"], status=status)) for status in (201, 206, 400, 401, 404, 429, 500, 503)},
    "close-in-message": Case([piece(QUICK + b"data: a\n\ndata: b\n\n")], [OPENED, message("a")]),
    "close-in-error": Case([piece(QUICK + b"data: a\n\n")], [OPENED, message("a"), LOST]),
    "close-in-open": Case([piece(QUICK + b"data: a\n\n")], [OPENED]),
    "throw": once(QUICK + b"data: a\n\ndata: b\n\n", message("a"), message("b")),
}

TARGETS = {name: [piece(QUICK + b"data: a\n\n"), END] for name in ("target", "target-307")}
"""Where redirections lead."""

HELD = {name: [piece(end="hold")] for name in ("a", "url")}
"""Streams that stay open."""

OBSERVE = """
window.onerror = () => true // what listeners throw is part of the case
window.observe = (Kind, url, name) => new Promise(resolve => {
  const seen = []
  const source = new Kind(url)
  seen.push([source.url, source.readyState, source.withCredentials, String(source.onmessage)])
  const finish = () => setTimeout(() => { source.close(); resolve(seen) }, 30)
  const see = how => event => {
    seen.push([how, event.type, event.data ?? null, event.lastEventId ?? null, event.origin ?? null, event instanceof MessageEvent,
               source.readyState, event.target === source, event.bubbles, event.cancelable, event.defaultPrevented])
  }
  source.addEventListener('message', see('listener'))
  source.onmessage = event => {
    see('handler')(event)
    if (name === 'close-in-message') { source.close(); finish() }
    if (name === 'cut-off') fetch(`/release${url}`)
    if (name === 'throw') throw new Error('of the handler')
  }
  source.addEventListener('message', { handleEvent: see('object') })
  source.addEventListener('message', see('once'), { once: true })
  for (const type of ['add', 'other', 'open', 'error']) source.addEventListener(type, see('listener'))
  source.addEventListener('open', () => { if (name === 'close-in-open') { source.close(); finish() } })
  source.onerror = event => {
    see('handler')(event)
    if (name === 'close-in-error') source.close()
    if (source.readyState === 2) finish()
  }
})
window.observeAll = async (Kind, kind, names) => {
  const seen = {}
  // A browser opens no more than six connections.
  const work = async () => {
    for (let name = names.pop(); name !== undefined; name = names.pop()) {
      const never = new Promise(resolve => setTimeout(resolve, %d, 'it does not come to an end'))
      seen[name] = await Promise.race([observe(Kind, `/case/${kind}/${name}`, name), never])
    }
  }
  await Promise.all([work(), work(), work(), work()])
  return seen
}"""

LONGEST = 5000
"""How long a case may take, in milliseconds."""


INTERFACE = """window.describe = Kind => {
  const failure = make => { try { make(); return null } catch (error) { return [error instanceof DOMException, error.name, error.code] } }
  const source = new Kind('case/held/a?b=c#d')
  const taken = ['onopen', 'onmessage', 'onerror'].map(name => [() => {}, 5, null, 'text', {}].map(value => {
    source[name] = value
    return typeof source[name]
  }))
  const seen = [source.url, source.withCredentials, source.readyState, source instanceof EventTarget, taken]
  for (const each of [Kind, Kind.prototype, source]) seen.push([each.CONNECTING, each.OPEN, each.CLOSED])
  seen.push(['url', 'readyState', 'withCredentials', 'onopen', 'onmessage', 'onerror', 'close'].map(name => name in source))
  seen.push([source.close(), source.readyState, source.close(), source.readyState])
  const other = new Kind(new URL('/case/held/url', location), { withCredentials: true })
  seen.push([other.url, other.withCredentials, other.close()])
  return [...seen, failure(() => new Kind('http://[')), failure(() => new Kind('')), failure(() => Kind('/'))?.slice(0, 1)]
}"""


def interface(url: str) -> list[Any]:
    """Return what `describe` finds by the standard, on a page of this address."""
    return [
        f"{url}/case/held/a?b=c#d",
        False,
        0,
        True,
        # An object that is no function is taken, and never called; what is no object counts as null.
        [["function", "object", "object", "object", "object"]] * 3,
        *[[0, 1, 2]] * 3,
        [True] * 7,
        [None, 2, None, 2],
        [f"{url}/case/held/url", True, None],
        [True, "SyntaxError", 12],
        None,
        [False],
    ]


@pytest.fixture(scope="module")
def script_server() -> Iterator[ScriptServer]:
    cases = {name: case.answers for name, case in CASES.items()}
    with ScriptServer({**cases, **TARGETS, **VECTOR_CASES, **HELD, "echo": [END]}) as script_server:
        yield script_server


@pytest.fixture
def report(engine: Engine, remark: Callable[[str], None]) -> Callable[[str, object], None]:
    """
    Put something that the engine itself does otherwise into the summary of the run. It is no failure of ours.

    Engines mend their faults, and have new ones: no list of them holds for the versions of all distributions.
    """

    def report(what: str, difference: object) -> None:
        remark(f"{engine.evaluate('navigator.userAgent')}: {what}: {difference}")

    return report


@pytest.mark.parametrize("kind", ["CustomEventSource", "XhrEventSource"])
def test_the_shared_vectors(engine: Engine, script_server: ScriptServer, kind: str) -> None:
    engine.open(script_server.url)
    wrong = []
    for index, vector in enumerate(VECTORS):
        if not vector["input"]:
            continue
        types = sorted({"message", *(event["type"] for event in vector["events"])} - {"error"})
        seen = engine.evaluate(READ_VECTOR % (kind, f"vector{index}", json.dumps(types)))
        if seen != {"events": vector["events"], "last_event_id": vector["last_event_id"]}:
            wrong.append((vector["name"], seen))
    assert wrong == []


def test_it_has_the_interface(engine: Engine, script_server: ScriptServer, report: Callable[[str, object], None]) -> None:
    engine.open(script_server.url)
    engine.evaluate(f"({{ done: (() => {{ {INTERFACE} }})() }})")
    standard = interface(script_server.url)
    own = engine.evaluate("describe(EventSource)")
    if own != standard:
        report("the interface", own)
    assert engine.evaluate("describe(CustomEventSource)") == standard


NEVER = [
    "about:blank",
    "about:srcdoc",
    "ftp://127.0.0.1/stream",
    "javascript:void 0",
    "mailto:a@example.com",
    "no-such-scheme:stream",
    "tel:1",
    "ws://127.0.0.1:1/stream",
    "http://user:password@127.0.0.1:1/stream",
]
"""Addresses that no event stream can come from: asking again would change nothing."""

TRY = """window.attempt = (Kind, url) => new Promise(resolve => {
  const source = new Kind(url)
  const seen = [source.readyState]
  source.onerror = ({ message }) => {
    seen.push(source.readyState, message)
    // Another attempt would follow within these.
    setTimeout(() => { source.close(); resolve(seen) }, source.readyState === 2 ? 0 : 50)
  }
  setTimeout(() => { source.close(); resolve(seen) }, 1000)
})"""


def test_it_fails_at_once_where_no_stream_can_come_from(
    engine: Engine, script_server: ScriptServer, report: Callable[[str, object], None]
) -> None:
    engine.open(script_server.url)
    engine.evaluate(f"({{ done: (() => {{ {TRY} }})() }})")
    for url in NEVER:
        custom = engine.evaluate(f"attempt(CustomEventSource, {json.dumps(url)})")
        assert custom[:2] == [0, 2], url
        assert len(custom) == 3, url
        assert custom[2] == "this URL cannot be fetched"
        if (own := engine.evaluate(f"attempt(EventSource, {json.dumps(url)})"))[:2] != [0, 2]:
            report(f"its own EventSource of {url.partition(':')[0]}:", own)


def seen_of(url: str, name: str, events: Sequence[Dispatched]) -> list[list[Any]]:
    """Return what `observe` sees when a source of this address dispatches these events."""
    seen: list[list[Any]] = [[url, 0, False, "null"]]
    origin = url.partition("/case/")[0]
    is_first = True
    for event in events:
        is_streamed = event.data is not None
        message = ["handler", "object", "once"] if is_first else ["handler", "object"]
        listeners = {"message": ["listener", *message], "error": ["listener", "handler"]}
        for how in listeners.get(event.type, ["listener"]):
            state = 2 if name == "close-in-message" and how in ("object", "once") else event.state
            detail = [event.data, event.id, origin if is_streamed else None, is_streamed]
            seen.append([how, event.type, *detail, state, True, False, False, False])
        is_first = is_first and event.type != "message"
    return seen


def asked(script_server: ScriptServer, kind: str, name: str) -> list[list[str | None]]:
    """Return what the requests of a case have sent that a server may rely on."""
    names = ("accept", "last-event-id", "cache-control")
    return [[request.get(each) for each in names] for request in script_server.requests.get(f"/case/{kind}/{name}", [])]


def sent_by_fetch(engine: Engine, script_server: ScriptServer, value: str) -> str:
    """Return what the engine's `fetch` sends for the value of a header whose characters stand for bytes."""
    engine.evaluate(f"fetch('/case/fetch/echo', {{ headers: {{ 'Last-Event-ID': {json.dumps(value)} }} }}).then(() => true)")
    return script_server.requests["/case/fetch/echo"][-1]["last-event-id"]


def test_it_does_what_the_standard_says(engine: Engine, script_server: ScriptServer, report: Callable[[str, object], None]) -> None:
    engine.open(script_server.url)
    engine.evaluate(f"({{ done: (() => {{ {OBSERVE % LONGEST} }})() }})")
    script_server.requests.clear()

    def differences(kind: str, constructor: str, expected: Mapping[str, Case]) -> dict[str, Any]:
        observed = engine.evaluate(f"observeAll({constructor}, '{kind}', {json.dumps(list(CASES))})")
        found = {}
        for name, case in expected.items():
            wanted = (seen_of(f"{script_server.url}/case/{kind}/{name}", name, case.events), case.requests())
            if (got := (observed[name], asked(script_server, kind, name))) != wanted:
                found[name] = {"got": got, "wanted": wanted}
        return found

    if own := differences("own", "EventSource", CASES):
        report("its own EventSource", ", ".join(own))
    # Ours can send no other bytes than `fetch` does.
    utf8 = CASES["id-utf8"]
    possible = [id and sent_by_fetch(engine, script_server, id) for id in utf8.ids]
    if possible != utf8.ids:
        report("fetch", f"sends {possible[-1]!r} for {utf8.ids[-1]!r}")
    expected = {**CASES, "id-utf8": replace(utf8, ids=possible)}
    assert differences("custom", "CustomEventSource", expected) == {}
    assert differences("xhr", "XhrEventSource", expected) == {}
