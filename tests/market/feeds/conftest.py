"""Real servers for the feeds of messages, and the files of their options."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from bench.servers.nats import NatsServer, nats_server

from support.message_feeds import OptionsFile


@pytest.fixture
def options_file(tmp_path: Path) -> OptionsFile:
    """Writes a file of options; returns its path."""

    def write(text: str) -> str:
        file = tmp_path / "feed.toml"
        file.write_text(text)
        return str(file)

    return write


@pytest.fixture(scope="session")
def nats() -> Iterator[NatsServer]:
    """A NATS server with JetStream."""
    with nats_server() as server:
        yield server
