"""Who is let in, who is refused, and that every place is given back."""

from __future__ import annotations

import json
import subprocess
import sys
from collections import Counter
from collections.abc import Sequence
from contextlib import ExitStack
from ipaddress import ip_address
from typing import Any

import httpx2
import pytest
import uvicorn
from hypothesis import given
from hypothesis import strategies as st

from pricewire.errors import PricewireError, StreamRefusedError
from pricewire.hub.hub import Hub
from pricewire.hub.streams import Stream
from pricewire.server.app import create_app
from pricewire.server.client_address import Network, parse_network
from pricewire.server.limits import MAX_RETRY_AFTER, Admission, Limits, Permit, Tally, TokenBucket
from pricewire.server.transport.handover import HandoverProtocol
from support.feeds import HandFeed
from support.metrics import metric, wait_until
from support.serving import Reader, Serving

STREAM = "/sse?topic=ticks:GOLD"

SERVERS: dict[str, dict[str, Any]] = {
    "handover": {"http": HandoverProtocol},
    "send": {"http": "h11", "server_class": uvicorn.Server},
}


@pytest.fixture(params=SERVERS)
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def serving(kind: str, limits: Limits, trusted: Sequence[Network] = (), feed: HandFeed | None = None) -> Serving:
    app = create_app([feed or HandFeed()], limits=limits, trusted_proxies=trusted, heartbeat=0.2)
    return Serving(app, proxy_headers=False, **SERVERS[kind])


def wait_for_streams(server: Serving, expected: int) -> None:
    """Wait until so many streams are open."""
    wait_until(lambda: metric(server.url, "pricewire_streams") == expected)


def opened(stack: ExitStack, server: Serving, **headers: str) -> Reader:
    reader = stack.enter_context(Reader(server.url, STREAM, headers=headers))
    assert reader.read_head()[0] == 200
    return reader


def refused(server: Serving, **headers: str) -> str:
    """Ask for a stream that has to be refused; return the message."""
    with Reader(server.url, STREAM, headers={**headers, "Connection": "close"}) as reader:
        status, head = reader.read_head()
        assert status == 429
        assert 1 <= int(head["retry-after"]) <= MAX_RETRY_AFTER * 2
        error = json.loads(reader.read_to_end())["error"]
        assert error["code"] == "RATE_LIMIT_EXCEEDED"
        assert f"try again in {head['retry-after']} s" in error["message"]
        return str(error["message"])


def test_streams_of_one_address(kind: str) -> None:
    feed = HandFeed()
    with serving(kind, Limits(streams_per_address=2), feed=feed) as server, ExitStack() as stack:
        oldest, newest = opened(stack, server), opened(stack, server)
        assert "this address has 2 streams, its limit" in refused(server)
        server.call(feed.give, 1, 1, 1_800_000_000_000)
        oldest.read_until(b'"seq":1')
        newest.read_until(b'"seq":1')
        oldest.socket.close()
        wait_for_streams(server, 1)
        opened(stack, server)
        assert metric(server.url, "pricewire_refusals_total", reason="address") == 1


def test_streams_of_the_process(kind: str) -> None:
    with serving(kind, Limits(streams=2)) as server, ExitStack() as stack:
        oldest = opened(stack, server)
        opened(stack, server)
        assert "the server has 2 streams, its limit" in refused(server)
        oldest.read_until(b":\n")
        assert metric(server.url, "pricewire_refusals_total", reason="process") == 1


def test_new_streams_per_second(kind: str) -> None:
    with serving(kind, Limits(new_streams_per_second=0.25, burst_seconds=8)) as server, ExitStack() as stack:
        opened(stack, server)
        opened(stack, server)
        assert "the server lets 0.25 new streams in per second, its limit" in refused(server)
        assert metric(server.url, "pricewire_refusals_total", reason="rate") == 1


def test_clients_behind_a_trusted_proxy_are_told_apart(kind: str) -> None:
    with serving(kind, Limits(streams_per_address=1), [parse_network("127.0.0.1")]) as server, ExitStack() as stack:
        for header in ({"X-Forwarded-For": "192.0.2.1"}, {"Forwarded": 'for="[2001:db8::1]:4711"'}):
            opened(stack, server, **header)
            assert "this address has 1 streams" in refused(server, **header)
        refused(server, Forwarded='for="[2001:db8::2]"')
        opened(stack, server, **{"X-Forwarded-For": "192.0.2.1, 192.0.2.2"})


def test_nobody_else_is_believed(kind: str) -> None:
    with serving(kind, Limits(streams_per_address=1), [parse_network("10.0.0.0/8")]) as server, ExitStack() as stack:
        opened(stack, server, **{"X-Forwarded-For": "192.0.2.1"})
        refused(server, **{"X-Forwarded-For": "192.0.2.2"})
        refused(server, Forwarded="for=192.0.2.3")


def test_topics_of_one_stream() -> None:
    with serving("handover", Limits(topics_per_stream=2)) as server:
        path = STREAM + "&topic=candles:GOLD:60&topic=candles:GOLD:120"
        with Reader(server.url, path, headers={"Connection": "close"}) as reader:
            assert reader.read_head()[0] == 400
            error = json.loads(reader.read_to_end())["error"]
        assert error == {
            "code": "INVALID_PARAMETERS",
            "message": "3 topics exceed the limit of 2 for one stream; open another for the rest",
        }
        assert metric(server.url, "pricewire_refusals_total", reason="parameters") == 1


@pytest.mark.parametrize(
    "path",
    [
        "/v1/market/instruments/ticks/stream?instrument_id=GOLD",
        "/v1/market/instruments/candles/stream?instrument_id=GOLD&granularity=60&start_epoch_ms=0",
        STREAM,
    ],
)
def test_every_endpoint_counts(path: str) -> None:
    with serving("handover", Limits(streams=1)) as server:
        with Reader(server.url, path) as reader:
            assert reader.read_head()[0] == 200
            endpoint = path.partition("?")[0].split("/")[-2] if path.startswith("/v1") else "sse"
            assert metric(server.url, "pricewire_streams", endpoint=endpoint) == metric(server.url, "pricewire_streams") == 1
            refused(server)
        wait_for_streams(server, 0)


def test_a_place_is_given_back_however_a_request_ends(kind: str) -> None:
    with serving(kind, Limits()) as server:
        for path in ("/sse", "/sse?topic=ticks:NONE", STREAM + "&interval_ms=-1"):
            assert httpx2.get(server.url + path).status_code in (400, 404)
        with Reader(server.url, STREAM, method="HEAD") as reader:
            assert reader.read_head()[0] in (200, 405)
        for _ in range(100):
            # Gone before the head, or with it.
            Reader(server.url, STREAM).socket.close()
        with ExitStack() as stack:
            for _ in range(3):
                opened(stack, server)
        wait_for_streams(server, 0)


def test_what_the_hub_does_not_let_in_has_no_place(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with serving(kind, Limits()) as server:
        monkeypatch.setattr(Hub, "join", refuse)
        with Reader(server.url, STREAM, headers={"Connection": "close"}) as reader:
            assert reader.read_head()[0] == 200
            assert b"NO" in reader.read_to_end()
        wait_for_streams(server, 0)
        monkeypatch.setattr(Hub, "join", fail)
        with Reader(server.url, STREAM, headers={"Connection": "close"}) as reader:
            reader.read_to_end()
        wait_for_streams(server, 0)


def refuse(hub: Hub, stream: Stream, *_: object) -> None:
    stream.closed()
    stream.end(stream.frame(b"NO"))


def fail(*_: object) -> None:
    raise ZeroDivisionError


@pytest.mark.parametrize("field", ["streams", "streams_per_address", "new_streams_per_second", "burst_seconds", "request_seconds"])
@pytest.mark.parametrize("value", [0, -1, float("nan")])
def test_a_limit_is_above_0(field: str, value: float) -> None:
    with pytest.raises(PricewireError, match=f"limit {field} is .*; it has to be above 0"):
        Limits(**{field: value})  # type: ignore[arg-type]


def admitted(admission: Admission, client: str | None = None) -> Permit:
    return admission.admit("sse", None if client is None else ip_address(client))


def test_one_household_of_ipv6_is_one_client() -> None:
    admission = Admission(Limits(streams_per_address=1))
    admitted(admission, "2001:db8::1")
    with pytest.raises(StreamRefusedError):
        admitted(admission, "2001:db8::ffff")
    admitted(admission, "2001:db8:0:1::1")


def test_a_client_without_an_address_is_not_limited_by_it() -> None:
    admission = Admission(Limits(streams_per_address=1))
    admitted(admission)
    admitted(admission)


def test_who_is_refused_takes_nobodys_turn() -> None:
    admission = Admission(Limits(streams_per_address=1, new_streams_per_second=2, burst_seconds=1), clock=lambda: 0.0)
    admitted(admission, "192.0.2.1")
    for _ in range(5):
        with pytest.raises(StreamRefusedError) as refusal:
            admitted(admission, "192.0.2.1")
        assert refusal.value.reason == "address"
    admitted(admission, "192.0.2.2")


def test_those_refused_together_are_told_different_times() -> None:
    chances = iter([0.0, 0.5, 0.999])
    admission = Admission(Limits(streams=1), jitter=lambda: next(chances))
    admitted(admission)
    times = []
    for _ in range(3):
        with pytest.raises(StreamRefusedError) as refusal:
            admitted(admission)
        times.append(refusal.value.retry_after)
    assert times == [6, 7, 8]


def test_a_storm_is_spread_over_the_time_that_letting_it_in_takes() -> None:
    """5,000 streams come at once; who is refused comes when it was told to. All are in within some seconds, and few come in vain."""
    now = 0.0
    admission = Admission(clock=lambda: now)
    waiting = Counter({0: 5000})
    refusals = 0
    while waiting:
        now = float(min(waiting))
        for _ in range(waiting.pop(int(now))):
            try:
                admitted(admission)
            except StreamRefusedError as refusal:
                refusals += 1
                waiting[int(now) + refusal.retry_after] += 1
    assert now <= 8
    assert refusals < 2 * 5000


times = st.lists(st.floats(0, 5), max_size=60).map(sorted)


@given(times=times, rate=st.floats(0.1, 20), burst=st.floats(1, 10))
def test_a_bucket_never_lets_in_more_than_it_should(times: list[float], rate: float, burst: float) -> None:
    bucket = TokenBucket(rate, burst)
    let_in = [now for now in times if bucket.take(now) == 0]
    for first, begin in enumerate(let_in):
        for last, end in enumerate(let_in[first:], first):
            assert last - first + 1 <= burst + (end - begin) * rate + 1e-6


@given(rate=st.sampled_from([0.5, 1.0, 2.0, 64.0]), more=st.integers(1, 200))
def test_appointments_follow_one_another_at_the_rate(rate: float, more: int) -> None:
    bucket = TokenBucket(rate, 1)
    assert bucket.take(10.0) == 0
    waits = [bucket.take(10.0) for _ in range(more)]
    assert waits == [min((number + 1) / rate, MAX_RETRY_AFTER) for number in range(more)]
    kept = [wait for wait in waits if wait < MAX_RETRY_AFTER]
    assert [bucket.take(10.0 + wait) for wait in kept] == [0] * len(kept), "who comes when it was told to is let in"


def test_a_clock_that_is_asked_twice_at_once_fills_nothing() -> None:
    bucket = TokenBucket(rate=1, burst=1)
    assert bucket.take(1e9) == 0
    assert bucket.take(1e9) > 0


clients = st.sampled_from(["192.0.2.1", "192.0.2.2", "2001:db8::1", "2001:db8::2", None])


@given(st.lists(st.tuples(st.sampled_from(["open", "fail", "close", "close again"]), clients, st.integers(0, 30)), max_size=80))
def test_no_place_is_lost_or_given_back_twice(steps: list[tuple[str, str | None, int]]) -> None:
    """Opens and closes in any order, against a list of what is open."""
    admission = Admission(Limits(streams=5, streams_per_address=2, new_streams_per_second=1000, burst_seconds=1))
    places: list[tuple[Permit, str | None]] = []
    closed: list[Permit] = []
    for action, client, number in steps:
        address = client if client is None or "." in client else "2001:db8::/64"
        if action in ("open", "fail"):
            mine = [each for _, each in places if each == address]
            full = len(places) >= 5 or (address is not None and len(mine) >= 2)
            try:
                with admitted(admission, client) as permit:
                    if action == "fail":
                        raise ZeroDivisionError
            except StreamRefusedError:
                assert full
            except ZeroDivisionError:
                assert not full
            else:
                assert not full
                places.append((permit, address))
        elif action == "close" and places:
            permit, _ = places.pop(number % len(places))
            permit.give_back()
            closed.append(permit)
        elif closed:
            closed[number % len(closed)].give_back()
        assert admission.open["sse"] == len(places)
    for permit, _ in places:
        permit.give_back()
    assert admission.open.total() == 0
    assert admission._addresses._counts == {}, "nothing is kept of clients that have gone"


def test_a_tally_forgets_what_is_at_0() -> None:
    tally = Tally()
    tally.add("a")
    tally.add("a")
    tally.remove("a")
    assert (tally["a"], tally["b"], len(tally._counts)) == (1, 0, 1)
    tally.remove("a")
    assert len(tally._counts) == 0


@pytest.mark.skipif(sys.platform == "win32", reason="there is no such limit")
@pytest.mark.parametrize(("soft", "hard", "expected"), [(100, 2000, "None 1200"), (100, 500, "500 500"), (1500, 2000, "None 1500")])
def test_the_process_may_open_as_many_files_as_it_has_streams(soft: int, hard: int, expected: str) -> None:
    code = (
        f"import resource as r; r.setrlimit(r.RLIMIT_NOFILE, ({soft}, {hard}))\n"
        "from pricewire.server.limits import allow_open_files\n"
        "print(allow_open_files(1000), r.getrlimit(r.RLIMIT_NOFILE)[0])"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == expected
