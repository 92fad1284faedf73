"""A real Pricewire for the tests that talk to one."""

from __future__ import annotations

import atexit
import os
import shutil
import signal
import tempfile
from collections.abc import AsyncIterator, Callable, Iterator
from functools import cache, partial
from pathlib import Path

import httpx2
import pytest
from httpx2._transports import default as transports
from hypothesis import settings

from pricewire._native import VARIABLE
from pricewire.market.feed import Feed
from pricewire.market.feeds.simulated.feed import SimulatedFeed
from pricewire.market.journal import Journal
from pricewire.protocol.messages import Instrument
from pricewire.server.app import create_app
from pricewire.store.address import parse_address
from pricewire.store.database import Database
from pricewire.store.migrate import migrate
from support import behind_gateways
from support.feeds import HandFeed
from support.postgres import Postgres
from support.serving import Serving

# A background shell, and many a CI runner, starts programs with these signals ignored, and their children inherit that: no test could
# interrupt one. A handler is not inherited, so children begin with the defaults.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)
if signal.getsignal(signal.SIGHUP) is signal.SIG_IGN:
    signal.signal(signal.SIGHUP, lambda *_: None)

# The tests' servers are on this machine, which no proxy reaches; and what the user has set for a server of their own is not for these.
# Whether what was compiled is used is for all of them.
for name in list(os.environ):
    if name.lower() in ("http_proxy", "https_proxy", "all_proxy", "no_proxy") or (name.startswith("PRICEWIRE_") and name != VARIABLE):
        del os.environ[name]

# Browsers do not start without a home directory that they can write to.
if not os.access(Path.home(), os.W_OK):
    os.environ["HOME"] = tempfile.mkdtemp(prefix="pricewire-home-")
    atexit.register(shutil.rmtree, os.environ["HOME"], ignore_errors=True)

# Each HTTP client of a test would load what the system trusts, which takes 50 to 90 ms of CPU. The library offers no other way to share
# that than to name it with each request.
transports.create_ssl_context = cache(httpx2.create_ssl_context)  # type: ignore[attr-defined]

# The machines that run this are busy: how long an example takes says nothing.
settings.register_profile("unhurried", deadline=None)
settings.load_profile("unhurried")

REMARK = "remark"

LONGEST = ("test_chaos.py", "test_churn.py", "test_kill.py", "test_workers.py", "test_ledger_model.py", "test_soak.py")
"""Files whose tests take a minute or more."""


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--churn-minutes", type=float, default=1.0, help="how long the tabs of a browser are troubled")
    parser.addoption("--verify-times", type=int, default=1, help="how often `pricewire verify` tests each server and each line")
    parser.addoption("--languages", action="store_true", help="run the programs of the documentation that take long to compile, too")
    parser.addoption("--gateways", action="store_true", help="have the servers of many tests behind two gateways")
    parser.addoption("--packages", type=Path, default=None, help="the folder of the packages to try; by default they are built")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with what takes longest, so that no process waits for it at the end."""
    items.sort(key=lambda item: item.path.name not in LONGEST)


def pytest_configure(config: pytest.Config) -> None:
    behind_gateways.is_wanted = config.getoption("--gateways")


@pytest.fixture
def remark(record_property: Callable[[str, object], None]) -> Callable[[str], None]:
    """Put a sentence into the summary of the run, for what is good to know and no failure."""
    return partial(record_property, REMARK)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print what tests have remarked, in whatever process they ran."""
    # A key of "" holds the reports of setting up and tearing down, which repeat the properties.
    reports = [report for key, all in terminalreporter.stats.items() if key for report in all if isinstance(report, pytest.TestReport)]
    remarks = [(report.nodeid, text) for report in reports for name, text in report.user_properties if name == REMARK]
    if remarks:
        terminalreporter.section("remarks")
        for test, text in remarks:
            terminalreporter.line(f"{test}: {text}")


@pytest.fixture
def feed() -> HandFeed:
    """The feed of GOLD that the test gives ticks to, by `server.call(feed.give, 1.0, 1.2, epoch_ms)`."""
    return HandFeed()


@pytest.fixture
def server(feed: HandFeed) -> Iterator[Serving]:
    """A server of GOLD and of the simulated instruments at twenty times their rate."""
    # The usual day of history would take most of the time that a server needs to start, and hundreds of megabytes at this rate.
    feeds: list[Feed] = [feed, SimulatedFeed(seed=1, rate=20, history_s=3600)]
    with behind_gateways.serving(lambda bus: create_app(feeds, heartbeat=0.5, bus=bus), heartbeat=0.5) as serving:
        yield serving


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    """A PostgreSQL server of this process; `postgres.make()` gives the address of a fresh database."""
    server = Postgres()
    yield server
    server.stop()


@pytest.fixture(scope="session")
def sqlite_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An SQLite file with Pricewire's tables, to copy: making them takes longer than many a test."""
    path = tmp_path_factory.mktemp("template") / "pricewire.sqlite"
    migrate(parse_address(path))
    return path


@pytest.fixture(params=["sqlite", "postgresql"])
def database_address(request: pytest.FixtureRequest, tmp_path: Path, sqlite_template: Path) -> str:
    """The address of a fresh database, of each kind in turn."""
    if request.param == "sqlite":
        return str(shutil.copy(sqlite_template, tmp_path))
    server: Postgres = request.getfixturevalue("postgres")
    return server.make()


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[Journal]:
    """A fresh journal of GOLD and SILVER, both with two decimals."""
    journal = Journal(tmp_path / "journal", [Instrument(name, name.title(), [], 2) for name in ("GOLD", "SILVER")])
    yield journal
    journal.close()


@pytest.fixture
async def database(database_address: str) -> AsyncIterator[Database]:
    """A fresh database, of each kind in turn, open."""
    database = await Database.open(database_address)
    yield database
    await database.close()
