"""A real server that is killed and begun again: each client, its record held against all that was published."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import json
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx2

from pricewire import EventSource, ReconnectPolicy
from pricewire.bus import ring
from pricewire.bus.frames import Forgotten, Published
from support.app_server import TOKENS, add_account, purchase
from support.lives import Lives
from support.serving import PATIENCE

TICKS = ["ticks:R_100", "ticks:1HZ100V", "ticks:R_10"]


@dataclass
class Client:
    """
    A stream, and all that came over it.

    Attributes:
        topics: what it carries.
        path: where it is.
        token: for those of an account.
        starts: how each of its connections began.
        events: the position, the type and the data of all its events that have an id.
    """

    topics: list[str]
    path: str
    token: str | None = None
    starts: list[str] = field(default_factory=list)
    events: list[tuple[int, str, Any]] = field(default_factory=list)
    boots: set[str] = field(default_factory=set)

    def add(self, event_id: str, event_type: str, data: str) -> None:
        boot, _, position = event_id.partition("-")
        self.boots.add(boot)
        self.events.append((int(position), event_type, json.loads(data)))

    async def read(self, url: str) -> None:
        raise NotImplementedError


class Ours(Client):
    """The package's own client."""

    async def read(self, url: str) -> None:
        policy = ReconnectPolicy(attempts=None, interval=0.2, ceiling=0.5)
        async with EventSource(
            url + self.path,
            token=self.token,
            reconnect=policy,
            retry_statuses=True,
            on_open=lambda: self.starts.append(start(source.headers)),
        ) as source:
            last = ""
            async for event in source:
                # Those of a snapshot but the last have none of their own.
                if event.last_event_id != last:
                    last = event.last_event_id
                    self.add(last, event.type, event.data)


class Bare(Client):
    """A program of forty lines that reads lines from a socket, and comes back with the last id."""

    async def read(self, url: str) -> None:
        last = ""
        port = int(url.rpartition(":")[2])
        while True:
            with contextlib.suppress(OSError, asyncio.IncompleteReadError):
                reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=1 << 24)
                try:
                    last = await self.read_once(reader, writer, last)
                except CutError as cut:
                    last = cut.last
                finally:
                    writer.close()
            await asyncio.sleep(0.05)

    async def read_once(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, last: str) -> str:
        resume = f"Last-Event-ID: {last}\r\n" if last else ""
        authorization = f"Authorization: Bearer {self.token}\r\n" if self.token else ""
        # HTTP/1.0, so that nothing comes in chunks.
        writer.write(f"GET {self.path} HTTP/1.0\r\nHost: localhost\r\n{resume}{authorization}\r\n".encode())
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        if " 200 " not in head.partition("\r\n")[0]:
            return last
        self.starts.append(start({name.lower(): value for name, _, value in (line.partition(": ") for line in head.split("\r\n"))}))
        fields: dict[str, str] = {}
        while True:
            try:
                line = (await reader.readuntil(b"\n")).decode().rstrip("\n")
            except (OSError, asyncio.IncompleteReadError):
                raise CutError(last) from None
            if line:
                name, _, value = line.partition(": ")
                fields[name] = value
            elif fields:
                if "id" in fields and "data" in fields:
                    last = fields["id"]
                    self.add(last, fields.get("event", "message"), fields["data"])
                fields = {}


class CutError(Exception):
    """The connection ended."""

    def __init__(self, last: str) -> None:
        self.last = last


def start(headers: Any) -> str:
    return str(headers["pricewire-start"])


def shared(topics: list[str], more: str = "", root: str = "/sse") -> tuple[list[str], str]:
    return topics, f"{root}?{'&'.join(f'topic={topic}' for topic in topics)}{more}"


def published(folder: Path) -> dict[str, list[tuple[int, Published]]]:
    """Return all that was published, by topics, from the ring."""
    past = ring.read(folder / "bus")
    assert past is not None
    assert past.oldest.first == 1, "it reaches back to the beginning"
    records: dict[str, list[tuple[int, Published]]] = defaultdict(list)
    for _, frame in past.frames():
        for position, record in enumerate(frame.records, frame.first):
            if isinstance(record, Published):
                records[record.topic].append((position, record))
            elif isinstance(record, Forgotten):
                assert not records.pop(record.topic, None), "no topic of a client is forgotten"
    return records


async def trade(lives: Lives, token: str) -> None:
    """Buy contracts that end soon, whether the server answers or not."""
    number = 0
    async with httpx2.AsyncClient(headers={"Authorization": f"Bearer {token}"}, timeout=PATIENCE) as http:
        while True:
            number += 1
            body = purchase(f"k{number}", duration=5, duration_unit="ticks")
            with contextlib.suppress(httpx2.HTTPError):
                await http.post(f"{lives.url}/v1/trading/contracts/buy", json=body)
            await asyncio.sleep(0.3)


async def until(is_it: Callable[[], bool]) -> None:
    async with asyncio.timeout(PATIENCE):
        while not is_it():  # noqa: ASYNC110 - the clients' records have no events
            await asyncio.sleep(0.02)


async def go_on(clients: list[Client], count: int) -> None:
    """Wait until every client has so many events more."""
    before = [len(client.events) for client in clients]
    await until(lambda: all(len(client.events) >= had + count for client, had in zip(clients, before, strict=True)))


def clients_of(account_uuid: str, token: str) -> list[Client]:
    account = [f"contracts:{account_uuid}", f"balance:{account_uuid}"]
    return [
        *(kind(*shared(TICKS)) for kind in (Ours, Bare)),
        *(kind(*shared([*TICKS, "candles:R_100:60"], "&interval_ms=250")) for kind in (Ours, Bare)),
        *(kind(*shared(account, root="/protected/sse"), token) for kind in (Ours, Bare)),
        Ours(*shared(["candles:1HZ100V:60", *TICKS])),
        Bare(["ticks:R_100"], "/v1/market/instruments/ticks/stream?instrument_id=R_100"),
        Bare(["candles:R_100:60"], "/v1/market/instruments/candles/stream?instrument_id=R_100&granularity=60"),
    ]


def check(client: Client, records: dict[str, list[tuple[int, Published]]]) -> None:
    """Hold a client's record against what was published."""
    where = f"{type(client).__name__} {client.path}"
    assert len(client.boots) == 1, where
    assert client.starts[0] == "snapshot", where
    assert set(client.starts[1:]) == {"resumed"}, where
    assert "reset" not in {event_type for _, event_type, _ in client.events}, where
    positions = [position for position, event_type, _ in client.events if event_type == "message"]
    assert positions == sorted(set(positions)), f"{where}: nothing comes twice, or out of order"
    # After the snapshot, whose events but the last have no ids.
    expected = sorted(
        (position, record) for topic in client.topics for position, record in records[topic] if positions[0] < position <= positions[-1]
    )
    if "interval_ms" not in client.path:
        assert positions[1:] == [position for position, _ in expected], where
        return
    seqs: dict[str, int] = {}
    for _, _, data in client.events:
        topic = data["subscription_id"]
        if topic in seqs:
            assert data["seq"] == seqs[topic] + data.get("merged", 0) + 1, f"{where}: what is missing was merged"
        seqs[topic] = data["seq"]
    assert {position for position, record in expected if record.key is None} <= set(positions), where


async def go_through_lives(lives: Lives, clients: list[Client], token: str) -> None:
    """Have the clients read while the server ends several times, in both ways."""
    async with asyncio.TaskGroup() as tasks:
        running = [tasks.create_task(client.read(lives.url)) for client in clients]
        running.append(tasks.create_task(trade(lives, token)))
        await go_on(clients, 8)
        for end in (lives.kill, lives.stop, lives.kill, lives.kill):
            await asyncio.to_thread(end)
            await asyncio.to_thread(lives.begin)
            await go_on(clients, 4)
        await asyncio.to_thread(lives.stop)
        for task in running:
            task.cancel()


def test_a_server_that_is_killed_goes_on_where_every_stream_was(tmp_path: Path) -> None:
    alice = add_account(tmp_path / "pricewire.db", "alice", balance="1000000.00")
    token = TOKENS.issue(alice.uuid)
    clients = clients_of(alice.uuid, token)
    with Lives.open(tmp_path) as lives:
        asyncio.run(go_through_lives(lives, clients, token))
    records = published(tmp_path)
    for client in clients:
        assert len(client.starts) >= 5
        check(client, records)
    for topic in TICKS:
        times = [int(json.loads(record.json)["epoch_ms"]) for _, record in records[topic]]
        assert times == sorted(times), "no price goes back in time"
        # Five a second or two in one: also while the server was down.
        assert len(times) == len(set(times))
        steps = {after - before for before, after in itertools.pairwise(times)}
        assert len(steps) == 1, "every tick was published, also those of the time when the server was down"
    for topic, those in records.items():
        assert [record.seq for _, record in those] == list(range(1, len(those) + 1)), topic
    events = [(record.event, json.loads(record.json)["contract_id"]) for _, record in records[f"contracts:{alice.uuid}"]]
    opened = [contract_id for event, contract_id in events if event == "contract_opened"]
    settled = [contract_id for event, contract_id in events if event in ("contract_settled", "contract_sold")]
    assert len(opened) == len(set(opened)) > 2
    assert len(settled) == len(set(settled)) > 0
