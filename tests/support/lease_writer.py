"""A process that stands by for a lease, and publishes numbers while it believes that it has it: `python lease_writer.py URL NAME`."""

from __future__ import annotations

import asyncio
import sys

import nats
from nats.aio.client import Client
from nats.js.kv import KeyValue

from pricewire.bus.lease import FencedSubject, Lease
from pricewire.errors import FencedError

STREAM = "numbers"
SUBJECT = "numbers.0"
BUCKET = "leases"


async def bucket_of(connection: Client, replicas: int = 1) -> KeyValue:
    """Make the stream and the bucket of the tests where they are missing, and return the bucket."""
    context = connection.jetstream()
    await context.add_stream(name=STREAM, subjects=[f"{STREAM}.>"], num_replicas=replicas)
    return await context.create_key_value(bucket=BUCKET, replicas=replicas)


def say(word: str) -> None:
    """Tell the test."""
    sys.stdout.write(f"{word}\n")
    sys.stdout.flush()


async def run(urls: list[str], name: str) -> None:
    """Say `leads` on standard output when it begins, and `fenced` when the server refuses what it publishes."""
    connection = await nats.connect(urls, max_reconnect_attempts=-1, reconnect_time_wait=0, ping_interval=1, connect_timeout=1)
    lease = Lease(await connection.jetstream().key_value(BUCKET), "numbers.0", name)
    say("ready")
    await lease.acquire()
    subject = FencedSubject(connection.jetstream(), STREAM, SUBJECT, name)
    await subject.claim(f"{name} claims".encode())
    say("leads")
    # What `keep` says is not heard: the server alone is to stop it.
    keeping = asyncio.create_task(lease.keep())
    keeping.add_done_callback(lambda task: task.exception())
    number = 0
    try:
        while True:
            number += 1
            await subject.publish(f"{name} {number}".encode())
            await asyncio.sleep(0.002)
    except FencedError:
        say("fenced")


if __name__ == "__main__":
    asyncio.run(run(sys.argv[1].split(","), sys.argv[2]))
