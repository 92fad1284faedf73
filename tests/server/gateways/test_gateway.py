"""Gateways in front of a server, over a real NATS server: what a client sees is what the server alone would show."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import secrets
import signal
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any, ClassVar

import httpx2
import msgspec
import pytest
from bench.servers.nats import NatsServer, nats_server

from pricewire.bus.frames import Published, decode
from pricewire.bus.nats import NatsPlan
from pricewire.bus.nats_connection import NatsAddress, connected
from pricewire.hub.log import LogLimits
from pricewire.server.auth.tokens import ADMIN
from pricewire.server.gateways.gateway import Gateway
from pricewire.server.gateways.leader import NatsSetup
from pricewire.server.gateways.messages import Call
from pricewire.server.gateways.subjects import calls
from pricewire.server.transport.handover import HandoverProtocol
from pricewire.store.accounts import Account
from pricewire.trading.outbox import Outbox
from support.app_server import TOKENS, Events, add_account, bearer, log_in, open_app_server, purchase, refused, with_accounts
from support.feeds import HandFeed
from support.metrics import wait_until
from support.proxy import Proxy
from support.serving import PATIENCE, Serving

numbers = itertools.count()


class GoldFeed(HandFeed):
    """A feed of GOLD that says how volatile it is, so that it can be traded."""

    volatilities: ClassVar[dict[str, float]] = {"GOLD": 1.0}


@dataclass
class Place:
    """
    A server with the market and trading, and two gateways.

    Attributes:
        nats: the NATS server between them.
        plan: what they call their streams there.
        feed: of GOLD.
        server: the server.
        gateways: the gateways.
        database: its database.
        alice: an account.
    """

    nats: NatsServer
    plan: NatsPlan
    feed: HandFeed
    server: Serving
    gateways: list[Serving]
    database: Path
    alice: Account
    times: Iterator[int] = field(default_factory=lambda: itertools.count(time.time_ns() // 1_000_000 - 90_000, 1000))

    @property
    def leader(self) -> Any:
        """What the server's application has of the bus."""
        app: Any = self.server._config.app
        return app.leader

    def tick(self, bid: float) -> str:
        """Have a tick of GOLD come; return its price."""
        self.server.call(self.feed.give, bid, bid + 0.02, next(self.times))
        return f"{bid + 0.01:.2f}"

    def buy(self, gateway: Serving, order: dict[str, Any], token: str) -> httpx2.Response:
        """Buy by a gateway; on a busy machine the market may seem closed between two ticks."""
        deadline = time.monotonic() + PATIENCE
        while time.monotonic() < deadline:
            self.tick(10)
            answer = httpx2.post(f"{gateway.url}/v1/trading/contracts/buy", json=order, headers=bearer(token), timeout=PATIENCE)
            if answer.status_code == 200:
                return answer
            refused(answer, 409, "MARKET_CLOSED")
        raise TimeoutError("the market stays closed")


@contextlib.contextmanager
def serve_gateway(nats: NatsServer, plan: NatsPlan) -> Iterator[Serving]:
    with Serving(Gateway(NatsAddress((nats.url,)), plan=plan, heartbeat=0.5), http=HandoverProtocol) as gateway:
        until_ready(gateway)
        yield gateway


def until_ready(server: Serving, status: int = 200) -> str:
    """Wait until a process says that it is ready, or with another status that it is not; return what it says."""
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        answer = httpx2.get(f"{server.url}/readyz", timeout=PATIENCE)
        if answer.status_code == status:
            return answer.text
        time.sleep(0.05)
    raise TimeoutError(f"/readyz does not say {status}")


@pytest.fixture
def place(tmp_path: Path, sqlite_template: Path) -> Iterator[Place]:
    database = tmp_path / "pricewire.db"
    database.write_bytes(sqlite_template.read_bytes())
    alice = add_account(database, "alice")
    plan, feed = NatsPlan(f"place-{next(numbers)}"), GoldFeed()
    with nats_server() as nats, open_app_server(database, feed, bus=NatsSetup(NatsAddress((nats.url,)), plan)) as server:
        deadline = time.monotonic() + PATIENCE
        while httpx2.get(f"{server.url}/v1/market/products").status_code != 200:
            assert time.monotonic() < deadline
            time.sleep(0.05)
        with serve_gateway(nats, plan) as first, serve_gateway(nats, plan) as second:
            place = Place(nats, plan, feed, server, [first, second], database, alice)
            # So many that the pace is known.
            for _ in range(30):
                place.tick(10)
            yield place


def test_what_was_published_minutes_ago_is_not_published_again(
    tmp_path: Path, sqlite_template: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def remove_nothing(outbox: Outbox) -> None:
        """Leave the events in the database, as where the process is killed before."""

    monkeypatch.setattr(Outbox, "_remove", remove_nothing)
    database = tmp_path / "pricewire.db"
    database.write_bytes(sqlite_template.read_bytes())
    alice = add_account(database, "alice")
    with nats_server() as nats:
        plan = NatsPlan(f"place-{next(numbers)}")
        setup = NatsSetup(NatsAddress((nats.url,)), plan)
        feed = GoldFeed()
        with open_app_server(database, feed, bus=setup) as server:
            until_ready(server)
            place = Place(nats, plan, feed, server, [], database, alice)
            for _ in range(30):
                place.tick(10)
            token = log_in(server, "alice")
            with Events(server, f"/protected/sse?topic=contracts:{alice.uuid}", token) as stream:
                place.buy(server, purchase("once", instrument_id="GOLD"), token)
                stream.until(lambda data: data.get("event") == "contract_opened")
        # When a process begins to serve, it drops what streams can no longer resume from.
        later = SimpleNamespace(monotonic=lambda: time.monotonic() + 2 * LogLimits().age)
        monkeypatch.setattr("pricewire.hub.topics.time", later)
        with open_app_server(database, GoldFeed(), bus=setup) as server:
            until_ready(server)
        published = asyncio.run(events_of(nats, plan, f"contracts:{alice.uuid}"))
    assert published.count("contract_opened") == 1


async def events_of(nats: NatsServer, plan: NatsPlan, topic: str) -> list[str]:
    """Return the names of the events of a topic that are in the frames of a stream."""
    async with connected(NatsAddress((nats.url,)), "reader") as client:
        context = client.jetstream()
        newest = (await context.stream_info(plan.stream)).state.last_seq
        frames = [decode((await context.get_msg(plan.stream, number)).data or b"") for number in range(1, newest + 1)]
    return [record.event for records in frames for record in records if isinstance(record, Published) and record.topic == topic]


def message(stream: Events) -> Any:
    """Return the next message; on a busy machine the market may seem silent in between."""
    return stream.until(lambda data: "seq" in data)


def price(data: Any) -> str:
    found: str = data["data"]["price"]
    return found


def test_a_stream_has_the_same_events_and_ids_on_every_gateway(place: Place) -> None:
    with contextlib.ExitStack() as stack:
        streams = [stack.enter_context(Events(each, "/sse?topic=ticks:GOLD")) for each in (place.server, *place.gateways)]
        for stream in streams:
            assert stream.status == 200
            assert stream.head["pricewire-start"] == "snapshot"
            assert price(message(stream)) == "10.01"
        for bid in (11, 12, 13):
            expected = place.tick(bid)
            # Some of the ticks before may still have been on their way.
            events = [stream.until(lambda data: "seq" in data and price(data) == expected) for stream in streams]  # noqa: B023 - called now
            assert len({event["seq"] for event in events}) == 1
            assert len({stream.last_id for stream in streams}) == 1


def test_a_reader_resumes_on_a_gateway_that_never_had_the_topic(place: Place) -> None:
    with Events(place.gateways[0], "/sse?topic=ticks:GOLD") as stream:
        stream.next()
        place.tick(11)
        stream.next()
    missed = [place.tick(12), place.tick(13)]
    with Events(place.server, "/sse?topic=ticks:GOLD") as other:
        other.until(lambda data: "seq" in data and price(data) == missed[-1])
    with Events(place.gateways[1], f"/sse?topic=ticks:GOLD&last_event_id={stream.last_id}") as again:
        assert again.head["pricewire-start"] == "resumed"
        assert [price(message(again)) for _ in missed] == missed


def test_an_account_logs_in_buys_and_watches_on_different_gateways(place: Place) -> None:
    first, second = place.gateways
    token = log_in(first, "alice")
    account = place.alice.uuid
    with Events(second, f"/protected/sse?topic=balance:{account}&topic=contracts:{account}", token) as stream:
        assert stream.next()[1]["data"]["balance"] == "10000.00"
        order = purchase("one", instrument_id="GOLD")
        bought = place.buy(first, order, token)
        # The same key on the other one buys nothing more.
        again = httpx2.post(f"{second.url}/v1/trading/contracts/buy", json=order, headers=bearer(token), timeout=PATIENCE)
        assert again.json() == bought.json()
        opened = stream.until(lambda data: data.get("event") == "contract_opened")
        assert opened["data"]["contract_id"] == bought.json()["data"]["contract_id"]
        assert stream.until(lambda data: data.get("event") == "balance")["data"]["balance"] == "9990.00"
    refusal = httpx2.get(f"{first.url}/v1/accounting/balance", headers=bearer(token), timeout=PATIENCE)
    assert refusal.json()["data"]["balance"] == "9990.00"
    other = httpx2.get(f"{first.url}/protected/sse?topic=balance:another", headers=bearer(token), timeout=PATIENCE)
    refused(other, 403, "FORBIDDEN")


def test_a_stream_is_changed_and_prolonged_by_any_gateway(place: Place) -> None:
    first, second = place.gateways
    account = place.alice.uuid
    token = TOKENS.issue(account, lifetime=100)
    with Events(first, f"/protected/sse?topic=balance:{account}", token) as stream:
        stream.next()
        url = f"{second.url}/v1/streams/{stream.head['pricewire-stream']}"
        longer = TOKENS.issue(account, lifetime=1000)
        answer = httpx2.patch(url, json={"add": ["ticks:GOLD"]}, headers=bearer(longer), timeout=PATIENCE)
        assert answer.status_code == 200, answer.text
        assert answer.json()["data"]["topics"] == [f"balance:{account}", "ticks:GOLD"]
        assert price(message(stream)) == "10.01"
        assert stream.wait_for("changed") == answer.json()["data"]
        expected = place.tick(11)
        assert price(message(stream)) == expected
        refused(httpx2.patch(url, json={"add": ["ticks:GOLD"]}, timeout=PATIENCE), 401, "UNAUTHORIZED")
    unknown = httpx2.patch(f"{first.url}/v1/streams/nothing", json={}, timeout=PATIENCE)
    refused(unknown, 404, "NOT_FOUND")


def test_a_revocation_ends_streams_on_whichever_gateway(place: Place) -> None:
    token, account = log_in(place.gateways[0], "alice"), place.alice.uuid
    with Events(place.gateways[1], f"/protected/sse?topic=balance:{account}", token) as stream:
        stream.next()
        httpx2.post(f"{place.gateways[0].url}/v1/logout", headers=bearer(token), timeout=PATIENCE)
        assert stream.wait_for("error")["error"]["code"] == "TOKEN_REVOKED"
        stream.wait_for_end()
    token = log_in(place.gateways[0], "alice")
    with Events(place.gateways[1], f"/protected/sse?topic=balance:{account}", token) as stream:
        stream.next()
        with_accounts(place.database, lambda accounts: accounts.end_tokens("alice"))
        assert stream.wait_for("error")["error"]["code"] == "TOKEN_REVOKED"


def test_a_ticket_of_one_gateway_is_good_once_on_another(place: Place) -> None:
    token = log_in(place.gateways[0], "alice")
    ticket = httpx2.post(f"{place.gateways[0].url}/v1/tickets", headers=bearer(token), timeout=PATIENCE).json()["data"]["ticket"]
    path = f"/protected/sse?topic=balance:{place.alice.uuid}&ticket={ticket}"
    with Events(place.gateways[1], path) as stream:
        assert stream.status == 200
    refused(httpx2.get(place.gateways[0].url + path, timeout=PATIENCE), 401, "UNAUTHORIZED")


def test_the_other_requests_are_answered_as_by_the_server(place: Place) -> None:
    gateway = place.gateways[0]
    for path in ("/v1/market/instruments", "/v1/market/products", "/v1/nothing", "/sse", "/v1/accounts", "/sse?topic=ticks:NOTHING"):
        answers = [httpx2.get(f"{each.url}{path}", timeout=PATIENCE) for each in (place.server, gateway)]
        assert answers[0].status_code == answers[1].status_code
        assert answers[0].content == answers[1].content
        assert answers[0].headers.get("www-authenticate") == answers[1].headers.get("www-authenticate")
    history = {"instrument_id": "GOLD", "count": 5}
    answer = httpx2.post(f"{gateway.url}/v1/market/instruments/ticks/history", json=history, timeout=PATIENCE)
    assert [each["price"] for each in answer.json()["data"]["ticks"]] == ["10.01"] * 5
    large = httpx2.post(f"{gateway.url}/login", content=b"x" * 100_000, timeout=PATIENCE)
    assert large.status_code == 413


def test_readiness_is_that_of_the_server_and_of_the_bus(place: Place) -> None:
    place.tick(10)
    assert until_ready(place.server) == "ok\n"
    assert until_ready(place.gateways[0]) == "ok\n"
    place.nats.kill()
    assert "bus" in until_ready(place.server, 503)


def test_a_gateway_is_not_ready_before_it_has_heard_of_a_server() -> None:
    with nats_server() as nats, Serving(Gateway(NatsAddress((nats.url,)))) as gateway:
        wait_until(lambda: "not open" not in httpx2.get(f"{gateway.url}/readyz", timeout=PATIENCE).text)
        assert "no frame of the market" in httpx2.get(f"{gateway.url}/readyz", timeout=PATIENCE).text


def test_a_gateways_streams_count_until_they_end(place: Place) -> None:
    leader = place.leader
    with Events(place.gateways[0], "/sse?topic=ticks:GOLD") as stream:
        stream.next()
        assert leader.metrics()["pricewire_gateway_streams"][1] == 1
    deadline = time.monotonic() + PATIENCE
    while leader.metrics()["pricewire_gateway_streams"][1]:
        assert time.monotonic() < deadline
        time.sleep(0.05)
    metrics = httpx2.get(f"{place.gateways[0].url}/metrics", timeout=PATIENCE).text
    assert 'pricewire_streams{endpoint="sse"} 0.0' in metrics
    assert "pricewire_bus_frames_read_total" in metrics
    assert "process_cpu_seconds_total" in metrics


def test_a_bus_that_is_away_leaves_streams_open_and_stale(place: Place) -> None:
    gateway = place.gateways[0]
    with Events(gateway, "/sse?topic=ticks:GOLD") as stream:
        stream.next()
        place.nats.kill()
        assert stream.wait_for("stale")["topic"] == "ticks:GOLD"
        assert "bus" in until_ready(gateway, 503)
        answer = httpx2.get(f"{gateway.url}/v1/market/instruments", timeout=PATIENCE)
        assert answer.status_code == 503
        assert int(answer.headers["retry-after"]) >= 1
        missed = [place.tick(11), place.tick(12)]
        place.nats.start()
        until_ready(gateway)
        assert [price(message(stream)) for _ in missed] == missed


def test_a_request_that_was_refused_without_a_bus_is_not_sent_once_it_is_back(place: Place) -> None:
    def ask(proxy: Proxy, gateway: Serving) -> None:
        proxy.cut()
        until_ready(gateway, 503)
        answer = httpx2.post(f"{gateway.url}/login", json={"account_id": "alice", "password": "wrong"}, timeout=PATIENCE)
        assert answer.status_code == 503
        proxy.heal()
        until_ready(gateway)
        assert httpx2.get(f"{gateway.url}/v1/market/products", timeout=PATIENCE).status_code == 200

    async def first_call_during(proxy: Proxy, gateway: Serving) -> str:
        """Return the path of the first request that the server is asked to answer."""
        async with connected(NatsAddress((place.nats.url,)), "listener") as client:
            heard = await client.subscribe(calls(place.plan.stream))
            await client.flush()
            await asyncio.to_thread(ask, proxy, gateway)
            return msgspec.msgpack.decode((await heard.next_msg(PATIENCE)).data, type=Call).path

    with Proxy(int(place.nats.url.rpartition(":")[2])) as proxy:
        address = NatsAddress((proxy.url.replace("http", "nats"),))
        with Serving(Gateway(address, plan=place.plan, heartbeat=0.5), http=HandoverProtocol) as gateway:
            until_ready(gateway)
            assert asyncio.run(first_call_during(proxy, gateway)) == "/v1/market/products"


def test_a_server_that_is_followed_by_another_keeps_the_gateways_streams(place: Place) -> None:
    gateway, account = place.gateways[0], place.alice.uuid
    with Events(gateway, f"/protected/sse?topic=balance:{account}&topic=ticks:GOLD", place.alice) as stream:
        stream.next()
        stream.next()
        place.server.stop()
        answer = httpx2.get(f"{gateway.url}/v1/market/instruments", timeout=PATIENCE)
        assert answer.status_code == 503
        plan = place.leader._bus._plan
        feed = GoldFeed()
        setup = NatsSetup(NatsAddress((place.nats.url,)), plan)
        with open_app_server(place.database, feed, bus=setup) as server:
            next_place = Place(place.nats, place.plan, feed, server, place.gateways, place.database, place.alice, place.times)
            until_answered(gateway)
            expected = next_place.tick(11)
            assert price(stream.until(lambda data: "seq" in data and data["subscription_id"] == "ticks:GOLD")) == expected
            next_place.buy(gateway, purchase("two", instrument_id="GOLD"), TOKENS.issue(account))
            assert stream.until(lambda data: data.get("event") == "balance")["data"]["balance"] == "9990.00"


def test_streams_of_more_topics_than_one_message_holds_are_known_to_the_next_server(place: Place) -> None:
    gateway, account = place.gateways[0], place.alice.uuid
    reader = TOKENS.issue(account, topics=["long:*"])
    with contextlib.ExitStack() as stack:
        for number in range(5):
            stream = stack.enter_context(Events(gateway, "/protected/sse?topic=long:first", reader))
            url = f"{gateway.url}/v1/streams/{stream.head['pricewire-stream']}"
            for part in range(4):
                # A character of four bytes counts as one of a name.
                added = [f"long:{number}:{part}:{name}:" + "\U0001f4b0" * 240 for name in range(60)]
                answer = httpx2.patch(url, content=msgspec.json.encode({"add": added}), headers=bearer(reader), timeout=PATIENCE)
                assert answer.status_code == 200, answer.text
        token = log_in(gateway, "alice")
        own = stack.enter_context(Events(gateway, f"/protected/sse?topic=balance:{account}", token))
        own.next()
        place.server.stop()
        setup = NatsSetup(NatsAddress((place.nats.url,)), place.plan)
        with open_app_server(place.database, GoldFeed(), bus=setup) as server:
            app: Any = server._config.app
            until_answered(gateway)
            wait_until(lambda: app.leader.metrics()["pricewire_gateway_streams"][1] == 6)
            httpx2.post(f"{gateway.url}/v1/logout", headers=bearer(token), timeout=PATIENCE)
            assert own.wait_for("error")["error"]["code"] == "TOKEN_REVOKED"


def test_what_is_more_than_a_message_of_the_bus_holds_is_refused_at_once(tmp_path: Path, sqlite_template: Path) -> None:
    database, configuration = tmp_path / "pricewire.db", tmp_path / "nats.conf"
    database.write_bytes(sqlite_template.read_bytes())
    configuration.write_text("max_payload: 65536\n")
    plan = NatsPlan(f"place-{next(numbers)}")
    token = TOKENS.issue(add_account(database, "alice").uuid, frozenset({"publish", "read"}), topics=["*"])
    with contextlib.ExitStack() as stack:
        nats = stack.enter_context(nats_server("-c", str(configuration)))
        server = stack.enter_context(open_app_server(database, GoldFeed(), bus=NatsSetup(NatsAddress((nats.url,)), plan)))
        gateway = stack.enter_context(serve_gateway(nats, plan))
        until_answered(gateway)

        def publish(data: str) -> httpx2.Response:
            body = {"topic": "chat:1", "data": data}
            return httpx2.post(f"{gateway.url}/v1/publish?durable=true", json=body, headers=bearer(token), timeout=PATIENCE)

        def log(limit: int) -> httpx2.Response:
            return httpx2.get(f"{gateway.url}/v1/topics/chat:1/log?limit={limit}", headers=bearer(token), timeout=PATIENCE)

        # Half of what hexadecimal digits take is left when they are compressed.
        texts = [secrets.token_hex(20_000) for _ in range(5)]
        assert [publish(text).status_code for text in texts] == [200] * 5
        assert [each["data"] for each in log(2).json()["data"]["events"]] == texts[:2]
        refused(log(5), 413, "REQUEST_TOO_LARGE")
        refused(publish(secrets.token_hex(100_000)), 413, "REQUEST_TOO_LARGE")
        with Events(gateway, "/protected/sse?topic=chat:2", token) as stream:
            url = f"{gateway.url}/v1/streams/{stream.head['pricewire-stream']}"
            added = [f"chat:{name}:" + "\U0001f4b0" * 240 for name in range(40)]
            answer = httpx2.patch(url, content=msgspec.json.encode({"add": added}), headers=bearer(token), timeout=PATIENCE)
            assert answer.status_code == 200, answer.text
            assert stream.wait_for("error")["error"]["code"] == "INTERNAL_ERROR"
        app: Any = server._config.app
        wait_until(lambda: not app.leader.metrics()["pricewire_gateway_streams"][1])


def test_a_server_that_stands_by_has_the_ticks_of_the_one_that_it_follows(place: Place) -> None:
    """Its feed cannot tell them, and contracts are settled by them."""
    gateway, token = place.gateways[0], TOKENS.issue(place.alice.uuid)
    journal = place.database.parent / "second" / "journal"
    setup = NatsSetup(NatsAddress((place.nats.url,)), place.leader._bus._plan)
    feed = GoldFeed()
    with open_app_server(place.database, feed, bus=setup, journal=journal) as standby:
        bought = place.buy(gateway, purchase("one", instrument_id="GOLD", duration=3, duration_unit="ticks"), token).json()["data"]
        # From here on they come after the purchase.
        place.times = itertools.count(time.time_ns() // 1_000_000 + 1000, 1000)
        with Events(gateway, "/sse?topic=ticks:GOLD") as stream:
            prices = [place.tick(bid) for bid in (11, 12)]
            stream.until(lambda data: "seq" in data and price(data) == prices[-1])
        place.server.stop()
        until_answered(gateway)
        history = {"instrument_id": "GOLD", "count": 2}
        answer = httpx2.post(f"{gateway.url}/v1/market/instruments/ticks/history", json=history, timeout=PATIENCE)
        assert [each["price"] for each in answer.json()["data"]["ticks"]] == prices
        with Events(gateway, f"/protected/sse?topic=contracts:{place.alice.uuid}", token) as stream:
            follower = Place(place.nats, place.plan, feed, standby, place.gateways, place.database, place.alice, place.times)
            for bid in (13, 14):
                follower.tick(bid)
            settled = stream.until(lambda data: data.get("event") == "contract_settled")["data"]
        assert settled["contract_id"] == bought["contract_id"]
        assert (settled["contract_details"]["entry_spot"], settled["contract_details"]["exit_spot"]) == ("11.01", "14.01")


def until_answered(gateway: Serving) -> None:
    """Wait until a gateway's requests are answered."""
    deadline = time.monotonic() + PATIENCE
    while httpx2.get(f"{gateway.url}/v1/market/instruments", timeout=PATIENCE).status_code != 200:
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_a_stopped_nats_server_is_noticed(place: Place) -> None:
    gateway = place.gateways[0]
    with Events(gateway, "/sse?topic=ticks:GOLD") as stream:
        stream.next()
        place.nats.send(signal.SIGSTOP)
        try:
            stream.wait_for("stale")
            expected = place.tick(11)
        finally:
            place.nats.send(signal.SIGCONT)
        assert price(message(stream)) == expected


def test_operators_see_the_server_and_its_gateways_by_any_of_them(place: Place) -> None:
    operator = TOKENS.issue(place.alice.uuid, frozenset({ADMIN}))
    one, other = place.gateways
    refused(httpx2.get(f"{one.url}/protected/sse?topic=admin", headers=bearer(log_in(one, "alice"))), 403, "FORBIDDEN")
    with (
        Events(other, "/sse?topic=ticks:GOLD") as prices,
        Events(one, "/protected/sse?topic=admin", operator) as stream,
    ):
        body = stream.until(lambda data: data.get("event") == "admin" and data["data"]["streams"]["on_gateways"] == 2)["data"]
        assert body["streams"]["gateways"] == 2
        assert {"topic": "ticks:GOLD", "streams": 1} in body["busiest_topics"]
        assert body["problems"] == []
        assert prices.status == 200


def test_what_is_published_at_a_gateway_reaches_readers_at_all_gateways(place: Place) -> None:
    tokens = TOKENS.issue(place.alice.uuid, frozenset({"publish", "read"}), topics=["chat:*"])
    one, other = place.gateways

    def publish(server: Serving, *topics: str, data: object = "x") -> list[str]:
        body = [{"topic": topic, "data": data} for topic in topics]
        answer = httpx2.post(f"{server.url}/v1/publish", json=body, headers=bearer(tokens), timeout=PATIENCE)
        assert answer.status_code == 200, answer.text
        ids: list[str] = answer.json()["data"]["ids"]
        return ids

    with (
        Events(one, "/protected/sse?topic=chat:*", tokens) as follower,
        Events(other, "/protected/sse?topic=chat:1", tokens) as reader,
    ):
        ids = publish(one, "chat:1", "chat:2") + publish(other, "chat:1")
        assert [(follower.next()[1]["subscription_id"], follower.last_id) for _ in range(3)] == [
            ("chat:1", ids[0]),
            ("chat:2", ids[1]),
            ("chat:1", ids[2]),
        ]
        assert [(reader.next()[1]["seq"], reader.last_id) for _ in range(2)] == [(1, ids[0]), (2, ids[2])]
        # A message of NATS has 1 MiB: bodies are compressed on their way to the server.
        publish(one, *["chat:1"] * 4, data="é" * 120_000)
        assert all(len(reader.next()[1]["data"]) == 120_000 for _ in range(4))
        topics = httpx2.get(f"{one.url}/v1/topics?topic=chat:*", headers=bearer(tokens), timeout=PATIENCE).json()["data"]["topics"]
        assert [(each["topic"], each["readers"]) for each in topics] == [("chat:1", 2), ("chat:2", 1)]
    refused(httpx2.post(f"{one.url}/v1/publish", content=b"[" + b" " * 1_048_576, headers=bearer(tokens)), 413, "REQUEST_TOO_LARGE")
