"""A server where the documentation has one, and a folder with the files that it speaks of."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from pricewire.market.feeds.replay.feed import ReplayFeed
from pricewire.market.feeds.simulated.feed import SimulatedFeed
from pricewire.server.app import create_app
from pricewire.server.auth.keys import local_key
from pricewire.server.auth.tokens import Tokens
from pricewire.server.services import TradingSetup
from pricewire.server.topic_rules import read_rules
from support.doc_blocks import SERVER, Block, blocks, read
from support.serving import Serving

Place = Callable[[Block], Path]


def record(folder: Path) -> Path:
    """Write a minute of quotes as `eurusd.csv`."""
    path = folder / "eurusd.csv"
    lines = (f"20200102 0930{second:02d}{ms},1.12{second:03d},1.12{second + 40:03d},0" for second in range(60) for ms in ("100", "600"))
    path.write_text("\n".join(lines) + "\n")
    return path


@pytest.fixture(scope="session")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the data directory of the server."""
    return tmp_path_factory.mktemp("data")


@pytest.fixture(scope="session")
def served(tmp_path_factory: pytest.TempPathFactory, data: Path) -> Iterator[Serving]:
    """Pricewire with the simulated instruments at twenty times their rate, EURUSD from a recording, and the demo account."""
    recording = ReplayFeed(record(tmp_path_factory.mktemp("recording")), speed=10, loop=True)
    trading = TradingSetup(data / "pricewire.db", data / "journal", local_key(data), demo_account=True, ring=data / "bus")
    (settings,) = [block for block in blocks("toml") if block.title == "topics.toml"]
    (data / "topics.toml").write_text(settings.code)
    rules = read_rules(data / "topics.toml")
    app = create_app([SimulatedFeed(seed=1, rate=20), recording], heartbeat=0.5, trading=trading, topic_rules=rules)
    with Serving(app) as serving:
        yield serving


@pytest.fixture(scope="session")
def publisher(data: Path, served: Serving) -> str:
    """Return a token that publishes news."""
    return Tokens(local_key(data)).issue("backend", frozenset({"publish"}), topics=["news:*"])


@pytest.fixture
def place(tmp_path: Path, served: Serving, publisher: str) -> Place:
    """Makes a folder with a recording, a publisher's token, and the files that a block's page has given."""

    def make(block: Block) -> Path:
        record(tmp_path)
        (tmp_path / "publisher.token").write_text(publisher)
        for other in read(block.page):
            if other.title not in (None, "pricewire.toml") and (other.language in ("python", "toml") or other.title.endswith(".cfg")):
                (tmp_path / other.title).write_text(other.code.replace(SERVER, served.url))
        return tmp_path

    return make
