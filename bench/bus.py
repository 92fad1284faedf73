"""
The bus: what an event costs a gateway beyond its hub's part, how much later it is there than in one process, and how long a takeover takes.

The publisher and NATS share one core, the gateway has the other. What the hub's part costs is measured in the gateway's process, by the
same frames once more, in memory.
"""

from __future__ import annotations

import asyncio
import gc
import multiprocessing
import re
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import AsyncExitStack, contextmanager, suppress
from dataclasses import asdict, dataclass, field
from multiprocessing.synchronize import Event
from pathlib import Path

import httpx2
import uvloop

from bench.machine import ROOT, Placement
from bench.process import cpu_seconds
from bench.report import Progress, Report, Table, verdict
from bench.servers import postgres
from bench.servers.nats import free_ports, nats_server
from bench.workload import timed_tick, topic_name
from pricewire.bus.bus import Bus, deliver
from pricewire.bus.frames import Frame, Published, Record
from pricewire.bus.memory import MemoryBus
from pricewire.bus.nats import WRITER, NatsBus
from pricewire.bus.nats_connection import NatsAddress, connected
from pricewire.bus.nats_reader import StreamReader
from pricewire.bus.tasks import running
from pricewire.hub.hub import Hub
from pricewire.hub.streams import Stream, StreamSpec

TOPICS = 200
"""How many topics there are."""

TURN_S = 0.002
"""How often events are published, in seconds, as many at once as the rate asks for."""

BEYOND = 3.0
"""What an event may cost a gateway beyond the hub's part, in microseconds of CPU."""

LATER_MS = {"p50": 1.0, "p99": 10.0}
"""How much later than in one process an event may be there, in milliseconds."""

WORST_S = 5.0
"""How long a takeover may take, in seconds."""

PATIENCE = 60.0
"""How long to wait for what has to come, in seconds."""

STANDING_S = 2.0
"""How long a server that has just begun is given until it stands by, in seconds."""

SENT = re.compile(rb'"sent_ns":(\d+)')


@dataclass(frozen=True, slots=True)
class Settings:
    """
    How much is measured.

    Attributes:
        rate: events per second where the cost is measured.
        calm_rate: events per second where the time is measured.
        seconds: how long each of them is published.
        kills: how often a writer of each role is killed.
        judge: whether to say which expectations were met.
    """

    rate: int = 50_000
    calm_rate: int = 1000
    seconds: float = 10.0
    kills: int = 10
    judge: bool = True


QUICK = Settings(rate=2000, calm_rate=500, seconds=0.5, kills=0, judge=False)
"""Whether the pieces work; the figures say nothing."""


@dataclass(slots=True)
class Got:
    """
    What a reader of the bus got.

    Attributes:
        events: how many events.
        frames: in how many frames.
        seconds: the CPU time that took, in seconds.
        hub_seconds: the hub's part of it: the same frames once more, in memory.
        nats_seconds: the CPU time of the NATS server meanwhile, in seconds.
        delays_ms: from the publication of each event to its stream, in milliseconds.
    """

    events: int = 0
    frames: int = 0
    seconds: float = 0.0
    hub_seconds: float = 0.0
    nats_seconds: float = 0.0
    delays_ms: list[float] = field(default_factory=list)


def run(placement: Placement, settings: Settings, progress: Progress) -> Report:
    """Measure, and return the report."""
    costs = Table(
        "The bus: microseconds of CPU in a gateway for each event", ["events/s", "in a frame", "in all", "hub", "beyond it", "NATS"]
    )
    delays = Table("From publishing to the stream, in milliseconds", ["over", "p50", "p99", "worst"])
    figures: dict[str, object] = {"settings": asdict(settings)}
    report = Report("bus", [costs, delays], figures, [])
    with placement.on_server_cores():
        progress(f"{settings.rate:,} events a second")
        got = _over_nats(placement, settings.rate, settings.seconds)
        each = [got.seconds / got.events * 1e6, got.hub_seconds / got.events * 1e6]
        beyond = each[0] - each[1]
        nats = got.nats_seconds / got.events * 1e6
        costs.rows.append([f"{settings.rate:,}", f"{got.events / got.frames:.1f}", *(f"{value:.2f}" for value in (*each, beyond, nats))])
        figures["cost"] = {"events": got.events, "frames": got.frames, "in all": each[0], "hub": each[1], "NATS": nats}
        progress(f"{settings.calm_rate:,} events a second")
        over_nats = _over_nats(placement, settings.calm_rate, settings.seconds).delays_ms
    within = uvloop.run(_within(settings.calm_rate, settings.seconds)).delays_ms
    for name, found in {"memory": within, "NATS": over_nats}.items():
        shown = _shown(found) | {"worst": max(found)}
        delays.rows.append([name, *(f"{value:.2f}" for value in shown.values())])
        figures[f"delay over {name}, ms"] = shown
    if settings.judge:
        report.notes.append(f"at most {BEYOND:g} microseconds beyond the hub's part expected; {verdict(beyond, BEYOND)}")
        for name, at_most in LATER_MS.items():
            later = _shown(over_nats)[name] - _shown(within)[name]
            report.notes.append(f"{name} at most {at_most:g} ms later than in memory expected; {verdict(later, at_most)}")
    if settings.kills:
        _takeovers(settings, progress, report)
    return report


def _shown(delays_ms: list[float]) -> dict[str, float]:
    return {"p50": statistics.median(delays_ms), "p99": statistics.quantiles(delays_ms, n=100)[98]}


def _over_nats(placement: Placement, rate: int, seconds: float) -> Got:
    """Have another process publish, and read here."""
    context = multiprocessing.get_context("spawn")
    is_reading = context.Event()
    with nats_server() as node:
        publisher = context.Process(target=_publisher, args=(node.url, rate, seconds, is_reading))
        publisher.start()
        placement.pin_readers()
        try:
            before = cpu_seconds(node.pid)
            got = uvloop.run(_read(node.url, round(rate * seconds), is_reading))
            got.nats_seconds = cpu_seconds(node.pid) - before
            return got
        finally:
            publisher.kill()
            publisher.join(PATIENCE)


def _publisher(url: str, rate: int, seconds: float, is_reading: Event) -> None:
    """Be the process that publishes."""

    async def publish() -> None:
        bus = NatsBus(Hub(), NatsAddress((url,)), writes="market")
        async with bus.open():
            await asyncio.to_thread(is_reading.wait)
            await _publish(bus, rate, seconds)
            await asyncio.sleep(PATIENCE)

    uvloop.run(publish())


async def _publish(bus: Bus, rate: int, seconds: float) -> None:
    """Publish at a rate, whatever becomes of the events."""
    began, done, count = time.monotonic(), 0, round(rate * seconds)
    while done < count:
        due = min(count, int((time.monotonic() - began) * rate))
        for number in range(done, due):
            topic = topic_name(number % TOPICS)
            bus.publish(topic, timed_tick(topic, time.monotonic_ns()), key=topic, event="tick")
        done = max(done, due)
        await asyncio.sleep(TURN_S)


class Sink(Stream):
    """A stream whose reader takes everything, and notes when."""

    def __init__(self, delays_ms: list[float]) -> None:
        super().__init__("sink")

        def write(data: bytes) -> None:
            now = time.monotonic_ns()
            delays_ms.extend((now - int(sent)) / 1e6 for sent in SENT.findall(data))

        self.write = write

    def end(self, data: bytes) -> None:
        """Take the last bytes."""

    def abort(self) -> None:
        """Be ended."""


@contextmanager
def _watched(hub: Hub, got: Got) -> Iterator[None]:
    """Have a stream of all topics within the block."""
    topics = [topic_name(number) for number in range(TOPICS)]
    stream = Sink(got.delays_ms)
    hub.join(stream, StreamSpec(tuple(topics)), hub.start(topics, None))
    try:
        yield
    finally:
        hub.close()


async def _read(url: str, count: int, is_reading: Event) -> Got:
    """Read so many events from the bus, and what they cost."""
    got, frames = Got(), list[list[Record]]()
    hub = Hub()
    bus = NatsBus(hub, NatsAddress((url,)), writes=None)
    bus.on_read = lambda records: frames.append([record for record in records if type(record) is Published])
    async with bus.open():
        with _watched(hub, got):
            gc.collect()
            is_reading.set()
            began, deadline = time.process_time(), time.monotonic() + PATIENCE
            while len(got.delays_ms) < count:
                if time.monotonic() > deadline:
                    raise TimeoutError(f"{len(got.delays_ms)} of {count} events came within {PATIENCE:g} s")
                await asyncio.sleep(0.01)
            got.seconds = time.process_time() - began
    frames = [frame for frame in frames if frame]
    got.events, got.frames = sum(map(len, frames)), len(frames)
    got.hub_seconds = await _hub_part(frames)
    return got


async def _hub_part(frames: list[list[Record]]) -> float:
    """Return the CPU time that a hub takes for frames, in seconds."""
    hub = Hub()
    hub.begin("1", 0)
    with _watched(hub, Got()):
        gc.collect()
        began = time.process_time()
        for sequence, records in enumerate(frames, 1):
            deliver(Frame.numbered(sequence, records), hub)
            await asyncio.sleep(0)
        return time.process_time() - began


async def _within(rate: int, seconds: float) -> Got:
    """Publish and read in this process, by the bus in memory."""
    got, hub = Got(), Hub()
    bus = MemoryBus(hub, None)
    async with bus.open():
        with _watched(hub, got):
            await _publish(bus, rate, seconds)
            await asyncio.sleep(0.1)
    return got


class Writers:
    """Notes which process writes the frames of a role, and since when."""

    def __init__(self, role: str) -> None:
        self.seen: list[tuple[str, float]] = []
        self._role = role

    def begin(self, *_: object) -> None:
        """Begin."""

    def skip(self, _: int) -> None:
        """Frames from before are of no interest."""

    def take(self, sequence: int, subject: str, data: bytes, headers: dict[str, str], age: float) -> None:
        """Note who has written a frame."""
        writer = headers.get(WRITER, "")
        if writer and subject.split(".")[1] == self._role and writer not in [name for name, _ in self.seen]:
            self.seen.append((writer, time.monotonic()))


def _takeovers(settings: Settings, progress: Progress, report: Report) -> None:
    """Measure how long it takes from the kill of a process that writes to the first frame of the one that stood by."""
    table = Table(f"Takeover after a kill, in seconds, of {settings.kills} kills each", ["role", "median", "worst"])
    report.tables.append(table)
    roles = ["market"]
    if reason := postgres.missing():
        report.notes.append(f"no takeover of trading is measured: {reason}")
    else:
        roles.append("trading")
    for role in roles:
        times = uvloop.run(_takeover_times(role, settings.kills, progress))
        table.rows.append([role, f"{statistics.median(times):.2f}", f"{max(times):.2f}"])
        report.figures[f"takeovers of {role}, s"] = times
        if settings.judge:
            report.notes.append(f"{role}: at most {WORST_S:g} s expected; {verdict(max(times), WORST_S)}")


async def _takeover_times(role: str, kills: int, progress: Progress) -> list[float]:
    async with AsyncExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        node = stack.enter_context(nats_server())
        options = ["--role", role, "--bus", node.url]
        if role == "trading":
            server = postgres.PostgresServer("fsync=off")
            stack.callback(server.stop)
            options += ["--database", server.address("postgres")]
            stack.enter_context(Server(folder / "prices", "--role", "market", "--bus", node.url).running())
        pair = [stack.enter_context(Server(folder / name, *options).running()) for name in ("first", "second")]
        web = await stack.enter_async_context(httpx2.AsyncClient(timeout=5))
        client = await stack.enter_async_context(connected(NatsAddress((node.url,)), "bench"))
        writers = Writers(role)
        times: list[float] = []
        await _ready(pair, web)
        await stack.enter_async_context(running(StreamReader(client, "pw", writers).run(), "reader"))
        for number in range(kills):
            progress(f"takeover of {role}: {number + 1} of {kills}")
            leader = await _ready(pair, web)
            await _standing_by(next(server for server in pair if server is not leader), web)
            seen = len(writers.seen)
            killed = time.monotonic()
            leader.kill()
            while len(writers.seen) == seen:
                if time.monotonic() > killed + PATIENCE:
                    raise TimeoutError(f"nobody has taken over the role {role} within {PATIENCE:g} s")
                await asyncio.sleep(0.005)
            times.append(writers.seen[-1][1] - killed)
            leader.start()
        return times


class Server:
    """`pricewire serve` in a process that can be killed and started again."""

    def __init__(self, folder: Path, *options: str) -> None:
        self.port = free_ports(1)[0]
        place = ["--port", str(self.port), "--data-dir", str(folder)]
        self._command = [sys.executable, "-m", "pricewire", "serve", *place, *options]
        self._process: subprocess.Popen[bytes] | None = None

    @contextmanager
    def running(self) -> Iterator[Server]:
        """Run it within the block."""
        self.start()
        try:
            yield self
        finally:
            self.kill()

    def start(self) -> None:
        """Start it."""
        self._process = subprocess.Popen(self._command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd=ROOT)

    def kill(self) -> None:
        """End it as a crash does."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()


async def _ready(servers: Sequence[Server], web: httpx2.AsyncClient) -> Server:
    """Wait until one of the servers serves, and return it."""
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        for server in servers:
            with suppress(httpx2.HTTPError):
                if (await web.get(f"http://127.0.0.1:{server.port}/readyz")).is_success:
                    return server
        await asyncio.sleep(0.1)
    raise TimeoutError(f"no server is ready after {PATIENCE:g} s")


async def _standing_by(server: Server, web: httpx2.AsyncClient) -> None:
    """Wait until a server answers, and then some time, until it watches the lease."""
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        with suppress(httpx2.HTTPError):
            await web.get(f"http://127.0.0.1:{server.port}/readyz")
            await asyncio.sleep(STANDING_S)
            return
        await asyncio.sleep(0.1)
    raise TimeoutError(f"the server that is to stand by does not answer after {PATIENCE:g} s")
