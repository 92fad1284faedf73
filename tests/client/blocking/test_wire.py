"""The blocking client, with a real server in another thread."""

from __future__ import annotations

import gc
import signal
import subprocess
import sys
import threading

import pytest

from pricewire import sync
from pricewire.client.stream.reconnect import ReconnectPolicy, State
from pricewire.errors import ClientError, HTTPStatusError, ReconnectExhausted
from support.feeds import HandFeed
from support.serving import PATIENCE, Serving

START = 1_796_000_000_000


def test_ticks_come_one_by_one_together_and_as_a_snapshot(server: Serving, feed: HandFeed) -> None:
    server.call(feed.give, 1.0, 1.2, START)
    with sync.connect(server.url) as wire, wire.ticks("GOLD") as ticks:
        assert next(ticks).epoch_ms == START
        server.call(feed.give, 1.0, 1.2, START + 1)
        assert [tick.epoch_ms for tick in ticks.collect(1)] == [START + 1]
        assert ticks.snapshot().epoch_ms == START + 1


def test_candles_and_topics_of_any_type_come_over_the_same_wire(server: Serving) -> None:
    with sync.connect(server.url) as wire:
        assert next(wire.candles("R_10")).granularity == 60
        assert next(wire.topic("ticks:R_10", type=dict))["instrument_id"] == "R_10"
        with pytest.raises(HTTPStatusError, match="NOPE"):
            next(wire.ticks("NOPE"))


def test_a_subscription_knows_its_state(server: Serving, feed: HandFeed) -> None:
    server.call(feed.give, 1.0, 1.2, START)
    with sync.connect(server.url) as wire, wire.ticks("GOLD") as ticks:
        states = [wire.state.state]
        next(ticks)
        assert (ticks.start, ticks.topics, ticks.merged, ticks.is_stale) == ("snapshot", ("ticks:GOLD",), 0, False)
        assert ticks.stale_topics == frozenset()
        assert ticks.age is not None
        assert [*states, wire.state.state] == [State.CONNECTING, State.OPEN]
    assert ticks.state.state is State.CLOSED


def test_the_end_of_the_block_ends_all_subscriptions_and_refuses_new_ones(server: Serving) -> None:
    with sync.connect(server.url) as wire, wire.ticks("GOLD") as ticks:
        pass
    assert list(ticks) == []
    with pytest.raises(RuntimeError, match="closed"):
        wire.ticks("GOLD")
    wire.close()


def test_many_threads_read_and_another_one_closes(server: Serving) -> None:
    with sync.connect(server.url) as wire:
        begun = threading.Barrier(5)
        counts: list[int] = []

        def read(number: int) -> None:
            ticks = wire.ticks("R_10" if number % 2 else "R_25")
            next(ticks)
            begun.wait(PATIENCE)
            counts.append(sum(1 for _ in ticks))

        threads = [threading.Thread(target=read, args=(number,)) for number in range(4)]
        for thread in threads:
            thread.start()
        begun.wait(PATIENCE)
        wire.close()
        for thread in threads:
            thread.join(PATIENCE)
        assert len(counts) == 4


def test_closing_from_another_thread_and_from_a_callback(server: Serving, feed: HandFeed) -> None:
    with sync.connect(server.url) as wire:
        ticks, others = wire.ticks("GOLD"), wire.ticks("R_10")
        next(others)
        closing = threading.Timer(0.05, ticks.close)
        closing.start()
        assert list(ticks) == []
        closing.join()
        assert next(others).instrument_id == "R_10"

    def on_error(error: ClientError) -> None:
        with pytest.raises(RuntimeError, match="only close"):
            next(lost)
        failing.close()

    failing = sync.connect("http://127.0.0.1:1", on_error=on_error)
    lost = failing.ticks("R_10")
    assert list(lost) == []


def test_failures_reach_the_reader() -> None:
    policy = ReconnectPolicy(attempts=1, interval=0.001, floor=0.001)
    with sync.connect("http://127.0.0.1:1", reconnect=policy, on_error=lambda _: None) as wire, pytest.raises(ReconnectExhausted):
        next(wire.ticks("R_10"))
    with pytest.raises(ValueError, match="address"):
        sync.connect("nonsense")


SCRIPT = """
import sys
from pricewire import sync
wire = sync.connect(sys.argv[1])
ticks = wire.ticks("GOLD")
"""

WAIT = """
try:
    with wire:
        print("waiting", flush=True)
        next(ticks)
except KeyboardInterrupt:
    print("interrupted", flush=True)
"""


def test_ctrl_c_ends_a_wait(server: Serving) -> None:
    program = subprocess.Popen(
        [sys.executable, "-W", "error", "-c", SCRIPT + WAIT, server.url], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert program.stdout is not None
    assert program.stdout.readline() == "waiting\n"
    program.send_signal(signal.SIGINT)
    output, errors = program.communicate(timeout=PATIENCE)
    assert (output, errors, program.returncode) == ("interrupted\n", "", 0)


STORM = """
import random, signal
def interrupt(*_):
    raise KeyboardInterrupt
signal.signal(signal.SIGALRM, interrupt)
interrupted = 0
with wire:
    ticks = wire.ticks("R_10")
    for _ in range(300):
        try:
            try:
                signal.setitimer(signal.ITIMER_REAL, random.uniform(0.00001, 0.003))
                next(ticks)
                next(ticks)
            finally:
                signal.setitimer(signal.ITIMER_REAL, 0)
        except KeyboardInterrupt:
            interrupted += 1
    next(ticks)
print(interrupted > 100)
"""


def test_an_interrupt_at_any_moment_ends_the_wait_and_nothing_else(server: Serving) -> None:
    command = [sys.executable, "-W", "error", "-c", SCRIPT + STORM, server.url]
    done = subprocess.run(command, capture_output=True, text=True, timeout=2 * PATIENCE, check=False)
    assert (done.stdout, done.stderr, done.returncode) == ("True\n", "", 0)


def test_the_interpreter_ends_though_nothing_was_closed(server: Serving) -> None:
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", SCRIPT + "wire.ticks('R_10').collect(2)", server.url],
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")


def test_a_wire_that_nobody_holds_ends() -> None:
    sync.connect("http://127.0.0.1:1").ticks("R_10")


def test_a_subscription_needs_nobody_to_hold_its_wire(server: Serving) -> None:
    ticks = sync.connect(server.url).ticks("R_10")
    gc.collect()
    assert len(ticks.collect(2)) == 2
