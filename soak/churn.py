"""
`python -m soak.churn`: subscribers that join and leave one shared connection all the time, over a network that cuts, loses and refuses.

What they get is compared with what a control reader gets, over a connection of its own without faults.
"""

from __future__ import annotations

import argparse
import asyncio
import random
import sys
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any

import httpx2
import msgspec

from pricewire.client.stream.event_source import EventSource
from pricewire.client.stream.reconnect import ReconnectPolicy
from pricewire.client.topics.subscription import Subscription
from pricewire.client.wire import Wire, connect
from pricewire.protocol.messages import Envelope, TickBody
from soak.server import INSTRUMENTS, SoakServer, instrument_name

POLICY = ReconnectPolicy(attempts=None, interval=0.25, ceiling=1.0, floor=0.05)

SILENCE_S = 2.0 + POLICY.ceiling
"""How old an event may be, and how long a subscriber may wait for one, in seconds."""


@dataclass(frozen=True, slots=True)
class ChurnSettings:
    """
    How long, and how many.

    Attributes:
        seconds: how long it goes on.
        subscribers: how many come and go at the same time.
        seed: of the dice.
        silence: how long a subscriber may wait, in seconds.
        troubled: how many of the changes are lost, refused, delayed or doubled: 0 to 1.
    """

    seconds: float
    subscribers: int = 30
    seed: int = 1
    silence: float = SILENCE_S
    troubled: float = 0.1


@dataclass(slots=True)
class ChurnResult:
    """
    What came of it.

    Attributes:
        events: how many events subscribers got.
        joined: how many subscriptions there were.
        cuts: how often a stream was cut.
        changes: how many changes were asked for.
        troubles: what the network did to changes, and how often.
        resets: how often a subscriber was told that the stream had to begin anew.
        lost: events that a subscriber should have got.
        wrong: events that came again, or older than the last one.
        silent: how often a subscriber got nothing for too long, or something too old.
        stalled: the longest that the machine kept this process waiting, in seconds.
        samples: the first faults in words.
    """

    events: int = 0
    joined: int = 0
    cuts: int = 0
    changes: int = 0
    troubles: dict[str, int] = field(default_factory=dict)
    resets: int = 0
    lost: int = 0
    wrong: int = 0
    silent: int = 0
    stalled: float = 0.0
    samples: list[str] = field(default_factory=list)

    @property
    def faults(self) -> int:
        """How many promises were broken."""
        return self.lost + self.wrong + self.silent

    def note(self, text: str) -> None:
        """Keep one of the first faults in words."""
        if len(self.samples) < 10:
            self.samples.append(text)


class CutStream(httpx2.AsyncByteStream):
    """A body that breaks off after a while, in the middle of what comes then."""

    def __init__(self, body: Any, result: ChurnResult, dice: random.Random) -> None:
        self._body = body
        self._result = result
        self._dice = dice

    async def __aiter__(self) -> AsyncIterator[bytes]:
        loop = asyncio.get_running_loop()
        ends_at = loop.time() + self._dice.uniform(1, 3)
        async for chunk in self._body:
            if loop.time() > ends_at:
                yield chunk[: self._dice.randrange(len(chunk))]
                break
            yield chunk
        self._result.cuts += 1
        raise httpx2.ReadError("the network cut the stream")

    async def aclose(self) -> None:
        await self._body.aclose()


class BadNetwork(httpx2.AsyncHTTPTransport):
    """
    Cuts every stream after 1 to 3 s; loses, refuses, delays and doubles some of the changes.

    Args:
        settings: how many of the changes.
        result: where it counts what it does.
        dice: for what happens.
    """

    def __init__(self, settings: ChurnSettings, result: ChurnResult, dice: random.Random) -> None:
        super().__init__()
        self._settings = settings
        self._result = result
        self._dice = dice

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        if request.method != "PATCH":
            response = await super().handle_async_request(request)
            if response.status_code != 200:
                return response
            stream = CutStream(response.stream, self._result, self._dice)
            return httpx2.Response(200, headers=response.headers, stream=stream, extensions=response.extensions)
        self._result.changes += 1
        trouble = ""
        if self._dice.random() < self._settings.troubled:
            trouble = self._dice.choice(["lost", "unanswered", "busy", "failing", "delayed", "doubled"])
            self._result.troubles[trouble] = self._result.troubles.get(trouble, 0) + 1
        match trouble:
            case "lost":
                raise httpx2.ConnectError("the network lost a request", request=request)
            case "busy":
                return httpx2.Response(429, headers={"Retry-After": "0"}, stream=httpx2.ByteStream(b""))
            case "failing":
                return httpx2.Response(503, stream=httpx2.ByteStream(b""))
            case "delayed":
                await asyncio.sleep(self._dice.uniform(0.1, 1.0))
        response = await super().handle_async_request(request)
        if trouble == "doubled":
            await response.aread()
            response = await super().handle_async_request(request)
        if trouble == "unanswered":
            await response.aread()
            raise httpx2.ReadError("the network lost an answer", request=request)
        return response


class Control:
    """What there is to get: when each event came first, by topic and number, in seconds of a monotonic clock."""

    def __init__(self) -> None:
        self.times: dict[str, dict[int, float]] = {}

    async def read(self, url: str, topics: list[str]) -> None:
        """Read all topics until cancelled."""
        query = "&".join(f"topic={topic}" for topic in topics)
        async with EventSource(f"{url}/sse?{query}") as source:
            async for message in source:
                if message.type == "message":
                    event = msgspec.json.decode(message.data, type=Envelope[TickBody])
                    times = self.times.setdefault(event.subscription_id, {})
                    times[event.seq] = time.monotonic()
                    times.pop(event.seq - 1000, None)


async def subscribe(wire: Wire, topic: str, seconds: float, settings: ChurnSettings, control: Control, result: ChurnResult) -> None:
    """Subscribe for a while, and check what comes."""
    result.joined += 1
    events: Subscription[Envelope[TickBody]]
    async with wire.topic(topic, type=Envelope[TickBody]) as events:
        until = time.monotonic() + seconds
        last: int | None = None
        start = events.start
        while last is None or time.monotonic() < until:
            stalled = result.stalled
            try:
                async with asyncio.timeout(settings.silence):
                    event = await anext(events)
            except TimeoutError:
                if result.stalled > stalled:
                    continue
                result.silent += 1
                result.note(f"{topic}: nothing after {last} for {settings.silence:g} s, while {events.state.state}")
                return
            result.events += 1
            came = control.times.get(topic, {}).get(event.seq)
            age = 0.0 if came is None or last is None else time.monotonic() - came
            if age > settings.silence + result.stalled:
                result.silent += 1
                result.note(f"{topic}: {event.seq} came {age:.1f} s late")
            is_reset = events.start == "reset" != start
            start = events.start
            result.resets += is_reset
            if last is not None:
                # A reset begins with the current value, which may be the last one.
                if event.seq < last or (event.seq == last and not is_reset):
                    result.wrong += 1
                    result.note(f"{topic}: {event.seq} after {last}, start {start}")
                elif event.seq - event.merged > last + 1 and not is_reset:
                    result.lost += event.seq - event.merged - last - 1
                    result.note(f"{topic}: {event.seq} with {event.merged} merged after {last}, start {start}")
            last = event.seq


async def come_and_go(wire: Wire, settings: ChurnSettings, control: Control, result: ChurnResult, dice: random.Random) -> None:
    """Be one subscriber after another until cancelled."""
    while True:
        topic = f"ticks:{instrument_name(dice.randrange(INSTRUMENTS))}"
        await subscribe(wire, topic, dice.uniform(0, 2), settings, control, result)
        if dice.random() < 0.5:
            await asyncio.sleep(dice.uniform(0, 1))


async def watch(result: ChurnResult) -> None:
    """Note how long the machine keeps this process waiting."""
    while True:
        before = time.monotonic()
        await asyncio.sleep(0.1)
        result.stalled = max(result.stalled, time.monotonic() - before - 0.1)


async def run_churn(url: str, settings: ChurnSettings) -> ChurnResult:
    """
    Have subscribers come and go for a while.

    Args:
        url: the server's.
        settings: how long, and how many.
    """
    result, control, dice = ChurnResult(), Control(), random.Random(settings.seed)
    topics = [f"ticks:{instrument_name(number)}" for number in range(INSTRUMENTS)]
    async with (
        httpx2.AsyncClient(transport=BadNetwork(settings, result, dice)) as client,
        connect(url, http_client=client, reconnect=POLICY, on_error=lambda _: None) as wire,
    ):
        tasks = [asyncio.create_task(watch(result)), asyncio.create_task(control.read(url, topics))]
        tasks += [
            asyncio.create_task(come_and_go(wire, settings, control, result, random.Random(f"{settings.seed} {number}")))
            for number in range(settings.subscribers)
        ]
        done, _ = await asyncio.wait(tasks, timeout=settings.seconds, return_when=asyncio.FIRST_COMPLETED)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        for task in done:
            # None of them ends by itself.
            task.result()
    return result


def main() -> None:
    """Run what the command line says; the status is 1 where a promise was broken."""
    parser = argparse.ArgumentParser(prog="python -m soak.churn", description="Audit subscribers that come and go over a bad network.")
    parser.add_argument("--minutes", type=float, default=60.0)
    parser.add_argument("--subscribers", type=int, default=30)
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    settings = ChurnSettings(arguments.minutes * 60, arguments.subscribers, arguments.seed)
    with SoakServer() as server:
        result = asyncio.run(run_churn(f"http://127.0.0.1:{server.port}", settings))
    print(f"{result.events} events of {result.joined} subscriptions, {result.cuts} cuts, {result.changes} changes: {result.troubles}")
    print(f"{result.lost} lost, {result.wrong} doubled or out of order, {result.silent} silent, {result.resets} told of a new beginning")
    print(f"the machine stood still for {result.stalled:.1f} s at most")
    for sample in result.samples:
        print(f"  {sample}")
    sys.exit("BROKEN" if result.faults or not result.events else 0)


if __name__ == "__main__":
    main()
