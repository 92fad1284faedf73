"""Centrifugo: a server in Go that applications publish to, with its unidirectional SSE and its unidirectional WebSocket."""

from __future__ import annotations

import json
from collections import Counter
from typing import ClassVar
from urllib.parse import quote

from bench.machine import Placement, program
from bench.readers.pool import Protocol
from bench.servers.kept_connection import KeptConnection
from bench.servers.nats import free_ports
from bench.servers.peer import Peer
from bench.workload import Load, encoded_envelope, encoded_ticks

ANYBODY = {"allow_subscribe_for_client": True, "allow_subscribe_for_anonymous": True}

CONFIGURATION = {
    "log": {"level": "error"},
    "usage_stats": {"disabled": True},
    "http_api": {"insecure": True},
    # Its pings are put off as Pricewire's heartbeats are.
    "client": {"insecure": True, "ping_interval": "3600s"},
    # No history: it could not be resumed by Last-Event-ID.
    "channel": {"without_namespace": ANYBODY, "namespaces": [{"name": "ticks", **ANYBODY}]},
    "uni_sse": {"enabled": True},
    "uni_websocket": {"enabled": True},
}

UNANSWERED = 64
"""How many messages that were posted at a steady pace may be without an answer."""


def connect_to(topics: list[str]) -> str:
    """Return the query that subscribes a connection to some channels."""
    return "?cf_connect=" + quote(json.dumps({"subs": {topic: {} for topic in topics}}))


class Centrifugo(Peer):
    """Its unidirectional SSE. Each stream has a queue of its own: what gathers there while the server is busy is written at once."""

    name = "centrifugo"
    label = "Centrifugo, SSE"
    path = "/connection/uni_sse" + connect_to(["news"])

    @classmethod
    def missing(cls) -> str | None:
        """Say so where it is not installed."""
        return None if program("centrifugo") else "centrifugo is not installed (make peers)"

    def __init__(self, placement: Placement) -> None:
        super().__init__(placement)
        self._messages = encoded_ticks()
        self._seqs: Counter[str] = Counter()
        self._publisher: KeptConnection | None = None

    def publish(self, flushes: int, per_flush: int) -> None:
        """Post each message by itself, and those of a flush as one batch; it answers when they are in the streams' queues."""
        assert self._publisher is not None, "it was made at the start"
        for _ in range(flushes):
            publications = [b'{"channel":"news","data":%b}' % next(self._messages) for _ in range(per_flush)]
            if per_flush == 1:
                self._publisher.post("/api/publish", publications[0])
            else:
                self._publisher.post("/api/batch", b'{"commands":[%b]}' % b",".join(b'{"publish":%b}' % each for each in publications))

    def target(self, topics: list[str], interval: float = 0.0) -> str:
        """Name the channels in the request to connect."""
        return self.path.partition("?")[0] + connect_to(topics)

    def steady(self, load: Load) -> None:
        """Post each message when it is due, or as soon after as it answers: a few may be without an answer."""
        publisher, seqs = self._publisher, self._seqs
        assert publisher is not None, "it was made at the start"
        for topic, due in load.paced():
            seqs[topic] += 1
            body = b'{"channel":"%b","data":%b}' % (topic.encode(), encoded_envelope(topic, seqs[topic], due))
            publisher.post("/api/publish", body, ahead=UNANSWERED)
        publisher.finish()

    def settle(self) -> None:
        """Do nothing: it collects its garbage by itself."""

    def _start(self) -> None:
        self.port = free_ports(1)[0]
        configuration = self.directory / "config.json"
        configuration.write_text(json.dumps({**CONFIGURATION, "http_server": {"address": self.host, "port": self.port}}))
        found = program("centrifugo")
        assert found is not None, "it was looked for"
        # It uses as many threads as it may use cores.
        self._spawn([found, "--config", str(configuration)])
        self._await_port()
        self._publisher = KeptConnection(self.host, self.port, self.label, "Content-Type: application/json\r\n")

    def _stop(self) -> None:
        if self._publisher is not None:
            self._publisher.close()
        super()._stop()


class CentrifugoWebsocket(Centrifugo):
    """Its unidirectional WebSocket, a frame for each message."""

    name = "centrifugo_websocket"
    label = "Centrifugo, WebSocket"
    path = "/connection/uni_websocket" + connect_to(["news"])
    protocol: ClassVar[Protocol] = "websocket"
