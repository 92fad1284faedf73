"""Mercure: the hub of its protocol as its authors publish it, a module of Caddy."""

from __future__ import annotations

from collections import Counter
from urllib.parse import urlencode

import jwt

from bench.machine import Placement, program
from bench.servers.kept_connection import KeptConnection
from bench.servers.nats import free_ports
from bench.servers.peer import Peer
from bench.workload import TOPIC, Load, encoded_envelope, encoded_ticks

KEY = "a key for measurements, on this machine alone"

CONFIGURATION = """
{{
    admin off
    auto_https off
    persist_config off
    log {{
        level ERROR
    }}
}}
http://{host}:{port} {{
    bind {host}
    mercure {{
        publisher_jwt "{key}"
        subscriber_jwt "{key}"
        anonymous
        transport local
        heartbeat 1h
    }}
}}
"""

HUB = "/.well-known/mercure"

UNANSWERED = 64
"""How many messages that were posted at a steady pace may be without an answer."""


class Mercure(Peer):
    """Its hub without a history, published to by requests. It encodes and writes each message for each stream by itself."""

    name = "mercure"
    label = "Mercure"
    path = f"{HUB}?{urlencode({'topic': TOPIC})}"

    @classmethod
    def missing(cls) -> str | None:
        """Say so where it is not installed."""
        return None if program("mercure") else "there is no mercure on the PATH"

    def __init__(self, placement: Placement) -> None:
        super().__init__(placement)
        self._messages = encoded_ticks()
        self._seqs: Counter[str] = Counter()
        self._publisher: KeptConnection | None = None

    def publish(self, flushes: int, per_flush: int) -> None:
        """Post the messages back to back, on one connection: it knows no batches."""
        for _ in range(flushes * per_flush):
            self._post(TOPIC, next(self._messages))

    def target(self, topics: list[str], interval: float = 0.0) -> str:
        """Name the topics one by one."""
        return f"{HUB}?{urlencode([('topic', topic) for topic in topics])}"

    def steady(self, load: Load) -> None:
        """Post each message when it is due, or as soon after as it answers: a few may be without an answer."""
        for topic, due in load.paced():
            self._seqs[topic] += 1
            self._post(topic, encoded_envelope(topic, self._seqs[topic], due), ahead=UNANSWERED)
        if self._publisher is not None:
            self._publisher.finish()

    def settle(self) -> None:
        """Do nothing: it collects its garbage by itself."""

    def _post(self, topic: str, message: bytes, *, ahead: int = 0) -> None:
        assert self._publisher is not None, "it was made at the start"
        self._publisher.post(HUB, urlencode({"topic": topic, "data": message}).encode(), ahead=ahead)

    def _start(self) -> None:
        self.port = free_ports(1)[0]
        configuration = self.directory / "Caddyfile"
        configuration.write_text(CONFIGURATION.format(host=self.host, port=self.port, key=KEY))
        found = program("mercure")
        assert found is not None, "it was looked for"
        self._spawn([found, "run", "--config", str(configuration), "--adapter", "caddyfile"])
        self._await_port()
        token = jwt.encode({"mercure": {"publish": ["*"]}}, KEY, "HS256")
        fields = f"Authorization: Bearer {token}\r\nContent-Type: application/x-www-form-urlencoded\r\n"
        self._publisher = KeptConnection(self.host, self.port, self.label, fields)

    def _stop(self) -> None:
        if self._publisher is not None:
            self._publisher.close()
        super()._stop()
