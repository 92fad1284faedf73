"""What was made before a fork: in the child it fails at once and says what to do, and the parent's goes on."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from client.blocking.test_wire import START
from support.feeds import HandFeed
from support.serving import PATIENCE, Serving

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")

SCRIPT = """
import gc, os, signal, sys, threading
from decimal import Decimal
from pricewire import ProposalTopic, sync
from pricewire.client import http_client

url = sys.argv[1]
contract = ProposalTopic("rise_fall", "GOLD", 5, "minutes", Decimal(10), allow_equals=False)
wire = sync.connect(url)
ticks = wire.ticks("GOLD")
next(ticks)
source = sync.EventSource(url + "/sse?topic=ticks:GOLD")
next(source)
connection = sync.create_sse_connection({"topic": "ticks:GOLD"}, base_url=url, on_message=repr)
# As if another thread had been in there at that moment.
threading.Thread(target=http_client.loading.acquire).start()
http_client.certificates.clear()
child = os.fork()
if child == 0:
    signal.alarm(50)
    for name, call in {
        "next": lambda: next(ticks),
        "collect": lambda: ticks.collect(1),
        "subscribe": lambda: wire.ticks("GOLD"),
        "buy": lambda: wire.buy(contract, "rise"),
        "event": lambda: next(source),
        "on": lambda: source.on("x", len),
        "wait": connection.wait_closed,
    }.items():
        try:
            call()
        except RuntimeError as error:
            print(name, "make a new one in this process" in str(error), flush=True)
    for each in (ticks, wire, source, connection):
        each.close()
    with sync.connect(url) as another:
        print("another", next(another.ticks("GOLD")).instrument_id, flush=True)
    del ticks, wire, source, connection
    gc.collect()
    sys.exit()
status = os.waitpid(child, 0)[1]
http_client.loading.release()
print("child", status, flush=True)
sys.stdin.readline()
print("parent", next(ticks).ask, next(source).data.count("GOLD") > 0, flush=True)
wire.close(), source.close(), connection.close()
"""


def test_a_fork(server: Serving, feed: HandFeed) -> None:
    server.call(feed.give, 1.0, 1.2, START)
    command = [sys.executable, "-W", "error", "-W", "ignore:This process:DeprecationWarning", "-c", SCRIPT, server.url]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as program:
        assert program.stdin is not None
        assert program.stdout is not None
        said: list[str] = []
        for line in program.stdout:
            said.append(line.strip())
            if line.startswith("child"):
                break
        server.call(feed.give, 1.0, 1.3, START + 1)
        output, errors = program.communicate("\n", timeout=PATIENCE)
    assert said == [
        *(f"{name} True" for name in ("next", "collect", "subscribe", "buy", "event", "on", "wait")),
        "another GOLD",
        "child 0",
    ]
    assert (output, errors) == ("parent 1.30 True\n", "")
