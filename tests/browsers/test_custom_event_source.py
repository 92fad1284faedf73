"""The library's CustomEventSource in all engines: the shared vectors, and case by case what the browser's own EventSource does."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from browsers.engines import Engine
from browsers.stage import Answer, Stage

VECTORS = json.loads((Path(__file__).parents[1] / "vectors/event_stream.json").read_text())

VECTOR_CASES = {f"vector{index}": [Answer([vector["input"].encode("latin-1")])] for index, vector in enumerate(VECTORS) if vector["input"]}

READ_VECTOR = """new Promise(resolve => {
  const seen = []
  const source = new CustomEventSource('/case/custom/%s', { reconnect: { attempts: 0 } })
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


CASES: dict[str, Sequence[Answer]] = {
    "plain": [piece(QUICK + b"data: a\n\ndata: b\n\n"), END],
    "named": [piece(QUICK + b"event: add\ndata: 1\n\nevent: add\nevent: other\ndata: 2\n\n"), END],
    "named-error": [piece(QUICK + b"event: error\ndata: from the server\n\ndata: after\n\n"), END],
    "named-open": [piece(QUICK + b"event: open\ndata: from the server\n\n"), END],
    "id": [piece(QUICK + b"id: 1\ndata: a\n\ndata: b\n\n"), piece(b"data: c\n\nid: 2\ndata: d\n\n"), END],
    "id-alone": [piece(QUICK + b"data: a\n\nid: 7\n\n"), END],
    "id-reset": [piece(QUICK + b"id: 1\ndata: a\n\nid\ndata: b\n\n"), END],
    "id-null": [piece(QUICK + b"id: 1\ndata: a\n\nid: 2\x003\ndata: b\n\n"), END],
    "id-utf8": [piece(QUICK + "id: é€\ndata: a\n\n".encode()), END],
    "cut-off": [piece(QUICK + b"id: 1\ndata: whole\n\nid: 2\ndata: half\n", end="cut"), piece(b"data: c\n\n"), END],
    "no-blank-line": [piece(QUICK + b"data: a\n\ndata: lost"), END],
    "retry-garbage": [piece(QUICK + b"retry: 1e9\nretry: -4\nretry\ndata: a\n\n"), END],
    "crlf-split": [piece(QUICK + b"data: a\r", b"\n\r", b"\ndata: b\r\r\n"), END],
    "mark": [piece("\ufeffretry: 10\ndata: a\n\ndata:\ufeffb\n\n".encode()), END],
    "not-utf8": [piece(QUICK + b"data: \xff\xc3\n\n"), END],
    "other-charset": [piece(QUICK + "data: é\n\n".encode(), **{"Content-Type": f"{TEXT};charset=windows-1252"}), END],
    "capitals": [piece(QUICK + b"data: a\n\n", **{"Content-Type": "Text/Event-Stream"}), END],
    "no-data": [piece(QUICK + b"event: add\n\n: comment\n\ndata\n\n"), END],
    "redirected": [redirect(302, "target"), END],
    "redirected-307": [redirect(307, "target-307"), END],
    "204": [END],
    "200-html": [Answer([b"<p>"], headers=HTML)],
    "200-nothing": [Answer([b"data: a\n\n"], headers={})],
    **{str(status): [Answer([b"data: a\n\n"], status=status)] for status in (201, 206, 400, 401, 404, 429, 500, 503)},
    "close-in-message": [piece(QUICK + b"data: a\n\ndata: b\n\n"), END],
    "close-in-error": [piece(QUICK + b"data: a\n\n"), END],
    "close-in-open": [piece(QUICK + b"data: a\n\n"), END],
    "throw": [piece(QUICK + b"data: a\n\ndata: b\n\n"), END],
}

TARGETS = {name: [piece(QUICK + b"data: a\n\n"), END] for name in ("target", "target-307")}
"""Where redirections lead."""

HELD = {name: [piece(end="hold")] for name in ("a", "url")}
"""Streams that stay open."""

DIFFERENT = {
    # It refuses an encoding that it would ignore anyway; and after a redirection it goes back to where that led.
    "Chromium": {"other-charset", "redirected", "redirected-307"},
    # It forgets an id without data, and drops an event whose id has a null.
    "Firefox": {"id-alone", "id-null"},
    # It forgets an id without data, and keeps half an event for the next connection; and its fetch encodes what is encoded already.
    "WebKit": {"id-alone", "cut-off", "id-utf8"},
}
"""Where an engine's own EventSource departs from the standard, or its `fetch` from its own."""

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
window.observeAll = async names => {
  const seen = {}
  // Two cases are four connections, and a browser opens no more than six.
  const work = async () => {
    for (let name = names.pop(); name !== undefined; name = names.pop()) {
      seen[name] = await Promise.all([
        observe(EventSource, `/case/own/${name}`, name),
        observe(CustomEventSource, `/case/custom/${name}`, name),
      ])
    }
  }
  await Promise.all([work(), work()])
  return seen
}"""


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


@pytest.fixture(scope="module")
def stage() -> Iterator[Stage]:
    with Stage({**CASES, **TARGETS, **VECTOR_CASES, **HELD}) as stage:
        yield stage


def test_the_shared_vectors(engine: Engine, stage: Stage) -> None:
    engine.open(stage.url)
    wrong = []
    for index, vector in enumerate(VECTORS):
        if not vector["input"]:
            continue
        types = sorted({"message", *(event["type"] for event in vector["events"])} - {"error"})
        seen = engine.evaluate(READ_VECTOR % (f"vector{index}", json.dumps(types)))
        if seen != {"events": vector["events"], "last_event_id": vector["last_event_id"]}:
            wrong.append((vector["name"], seen))
    assert wrong == []


def test_it_has_the_interface(engine: Engine, stage: Stage) -> None:
    engine.open(stage.url)
    engine.evaluate(f"({{ done: (() => {{ {INTERFACE} }})() }})")
    own, custom = engine.evaluate("[describe(EventSource), describe(CustomEventSource)]")
    assert custom == own


def asked(stage: Stage, kind: str, name: str) -> list[Any]:
    """Return what the requests of a case have sent that a server may rely on."""
    names = ("accept", "last-event-id", "cache-control")
    return [[request.get(each) for each in names] for request in stage.requests.get(f"/case/{kind}/{name}", [])]


def test_it_does_what_the_browsers_own_does(engine: Engine, stage: Stage) -> None:
    engine.open(stage.url)
    engine.evaluate(f"({{ done: (() => {{ {OBSERVE} }})() }})")
    stage.requests.clear()
    differences = {}
    for name, (own, custom) in engine.evaluate(f"observeAll({json.dumps(list(CASES))})").items():
        custom = json.loads(json.dumps(custom).replace("/custom/", "/own/"))
        if custom != own or asked(stage, "custom", name) != asked(stage, "own", name):
            differences[name] = (own, custom, asked(stage, "own", name), asked(stage, "custom", name))
    assert differences.keys() == DIFFERENT[type(engine).__name__], differences
