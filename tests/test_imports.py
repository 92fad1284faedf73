"""Who may import whom: only downwards, as `docs/architecture.md` draws it."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import pricewire

SOURCE = Path(__file__).parents[1] / "src" / "pricewire"

MAY_IMPORT = {
    "errors": set[str](),
    "extras": {"errors"},
    "secret_file": {"errors"},
    "nats_client": set[str](),
    "_native": {"errors"},
    "protocol": {"errors", "_native"},
    "hub": {"errors", "protocol", "_native"},
    "bus": {"errors", "extras", "nats_client", "protocol", "hub"},
    "market": {"errors", "extras", "nats_client", "protocol", "secret_file"},
    "client": {"errors", "protocol", "_native"},
    "store": {"errors", "extras", "protocol", "market", "trading.contracts", "trading.interfaces", "trading.money", "trading.partitions"},
    "trading": {"errors", "protocol", "market"},
    "server": {"errors", "extras", "protocol", "secret_file", "hub", "bus", "market", "store", "trading"},
    "table": {"errors", "extras", "protocol"},
    "sync": {"client"},
    "verify": {"errors", "extras", "protocol"},
    "cli": {"errors", "extras", "protocol", "hub.flush_pace", "market", "client", "store", "trading", "server", "table", "verify"},
    "__main__": {"cli", "extras"},
    "__init__": {"errors", "extras", "protocol", "hub", "server", "client", "sync"},
}
"""A part, or a module that a part may import without the rest of its part."""

FOREIGN = {
    "protocol": {"msgspec"},
    "hub": {"msgspec"},
    "bus": {"msgspec", "nats"},
    "market": {"msgspec", "numpy", "scipy", "cryptography", "pyarrow", "duckdb", "nats", "quickfix", "websockets", "redis"},
    "store": {"msgspec", "numpy", "sqlalchemy", "alembic"},
    "trading": {"msgspec", "numpy", "scipy"},
    "client": {"msgspec", "httpx2"},
    "verify": {"msgspec", "h2", "pytest"},
}
"""What a part may import beside the standard library; the parts that are not named may import anything."""

PURE = {
    "bus": {"bus.py", "frames.py"},
    "hub": {"delta.py", "event.py", "log.py"},
    "market": {
        "candles.py",
        "feeds/guard.py",
        "feeds/mapping.py",
        "feeds/paths.py",
        "feeds/simulated/brownian.py",
        "feeds/simulated/keystream.py",
        "feeds/simulated/path.py",
        "history.py",
        "hours.py",
        "markets.py",
        "pips.py",
    },
    "trading": {
        "columns.py",
        "commissions.py",
        "contracts.py",
        "durations.py",
        "instrument_books.py",
        "interfaces.py",
        "messages.py",
        "money.py",
        "offers.py",
        "partitions.py",
        "positions.py",
        "pricing.py",
        "products.py",
        "touching.py",
        "volatility.py",
    },
    "client": {
        "api/renewal.py",
        "stream/reconnect.py",
        "topics/conflation.py",
        "topics/throttle.py",
        "topics/topic_set.py",
    },
    "verify": {
        *(f"checks/{path.name}" for path in (SOURCE / "verify/checks").glob("*.py")),
        "exchange.py",
        "facts.py",
        "report.py",
        "scanner.py",
        "servers.py",
        "target.py",
        "verdicts.py",
    },
    "protocol": {path.name for path in (SOURCE / "protocol").glob("*.py")},
}
"""The modules that know no loop, no clock and no log."""

DEFERRED = {
    "pricewire.cli.archive_export",
    "pricewire.cli.archive_import",
    "pricewire.cli.record_journal",
    "pricewire.cli.recording_file",
    "pricewire.market.archive",
    "pricewire.market.feeds.nats",
    "pricewire.market.feeds.redis",
    "pricewire.market.feeds.replay.recording_parquet",
    "pricewire.market.feeds.websocket",
}
"""The modules that may be imported within a function: they need a package that an extra brings."""


def part_of(path: Path) -> str:
    return path.relative_to(SOURCE).parts[0].removesuffix(".py")


def imports(path: Path) -> Iterator[tuple[str, ast.stmt]]:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield alias.name, node
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: imports are absolute"
            yield node.module or "", node


MODULES = sorted(SOURCE.rglob("*.py"))


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(SOURCE)))
def test_a_module_imports_only_downwards(path: Path) -> None:
    part = part_of(path)
    for name, _ in imports(path):
        top, _, rest = name.partition(".")
        if top == "pricewire":
            names = rest.split(".")
            other = names[0] or "__init__"
            assert other == part or {other, ".".join(names[:2])} & MAY_IMPORT[part], f"{part} imports {name}"
        elif part in FOREIGN and top not in FOREIGN[part]:
            assert top in sys.stdlib_module_names, f"{part} imports {name}"


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(SOURCE)))
def test_no_import_is_hidden_to_break_a_cycle(path: Path) -> None:
    tree = ast.parse(path.read_text())
    assert "TYPE_CHECKING" not in path.read_text()
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            hidden = [each for each in ast.walk(node) if isinstance(each, ast.Import | ast.ImportFrom) and not deferred(each)]
            assert not hidden, f"{node.name} imports"


def deferred(node: ast.Import | ast.ImportFrom) -> bool:
    return isinstance(node, ast.ImportFrom) and node.module in DEFERRED


def test_a_public_name_comes_from_where_the_package_may_import() -> None:
    for place in vars(pricewire)["HOMES"].values():
        assert place.split(".")[1].partition(":")[0] in MAY_IMPORT["__init__"]


PURE_MODULES = [SOURCE / part / name for part, names in PURE.items() for name in sorted(names)]


@pytest.mark.parametrize("path", PURE_MODULES, ids=lambda path: path.name)
def test_the_core_knows_no_loop_no_clock_and_no_log(path: Path) -> None:
    assert not {name.partition(".")[0] for name, _ in imports(path)} & {"asyncio", "time", "logging", "random", "threading"}


def test_what_the_store_has_of_trading_knows_neither() -> None:
    known = {name for name in MAY_IMPORT["store"] if name.startswith("trading.")}
    for module in known:
        for name, _ in imports(SOURCE / f"{module.replace('.', '/')}.py"):
            top, _, rest = name.partition(".")
            assert top != "pricewire" or rest in known or rest.split(".")[0] in ("errors", "protocol"), f"{module} imports {name}"


def test_every_module_says_what_it_is() -> None:
    for path in MODULES:
        docstring = ast.get_docstring(ast.parse(path.read_text()))
        assert docstring, f"{path} has no docstring"
