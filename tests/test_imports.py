"""Who may import whom: only downwards, as `docs/architecture.md` draws it."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

SOURCE = Path(__file__).parents[1] / "src" / "pricewire"

MAY_IMPORT = {
    "errors": set[str](),
    "protocol": {"errors"},
    "hub": {"errors", "protocol"},
    "market": {"errors", "protocol"},
    "client": {"errors", "protocol"},
    "trading": {"errors", "protocol", "market"},
    "server": {"errors", "protocol", "hub", "market", "trading"},
    "watch": {"errors", "protocol", "client"},
    "table": {"errors", "protocol"},
    "sync": {"client"},
    "recorder": {"errors", "protocol", "client", "table"},
    "options": {"errors"},
    "administration": {"errors", "options", "protocol", "server", "trading"},
    "cli": {"errors", "options", "protocol", "market", "server", "administration", "watch", "recorder"},
    "__main__": {"cli"},
    "__init__": {"errors", "protocol", "hub", "server", "client", "sync"},
}

FOREIGN = {
    "protocol": {"msgspec"},
    "hub": {"msgspec"},
    "market": {"msgspec", "numpy", "pyarrow"},
    "trading": {"msgspec", "numpy", "scipy", "sqlalchemy", "alembic"},
    "client": {"msgspec", "httpx2"},
}
"""What a part may import beside the standard library; the parts that are not named may import anything."""

PURE = {
    "hub": {"event.py", "log.py"},
    "market": {"backoff.py", "brownian.py", "candles.py", "history.py", "markets.py", "pips.py"},
    "trading": {
        "bodies.py",
        "book.py",
        "columns.py",
        "contract_price.py",
        "contracts.py",
        "money.py",
        "positions.py",
        "pricing.py",
        "products.py",
        "proposals.py",
        "purchase.py",
        "quotes.py",
        "volatility.py",
    },
    "client": {"conflation.py", "lanes.py", "lineup.py", "pacing.py", "routes.py", "reconnect.py"},
    "protocol": {path.name for path in (SOURCE / "protocol").glob("*.py")},
}
"""The modules that know no loop, no clock and no log."""


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
            other = rest.split(".")[0] or "__init__"
            assert other == part or other in MAY_IMPORT[part], f"{part} imports {name}"
        elif part in FOREIGN and top not in FOREIGN[part]:
            assert top in sys.stdlib_module_names, f"{part} imports {name}"


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(SOURCE)))
def test_no_import_is_hidden_to_break_a_cycle(path: Path) -> None:
    tree = ast.parse(path.read_text())
    assert "TYPE_CHECKING" not in path.read_text()
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            hidden = [each for each in ast.walk(node) if isinstance(each, ast.Import | ast.ImportFrom)]
            assert not hidden, f"{node.name} imports"


PURE_MODULES = [SOURCE / part / name for part, names in PURE.items() for name in sorted(names)]


@pytest.mark.parametrize("path", PURE_MODULES, ids=lambda path: path.name)
def test_the_core_knows_no_loop_no_clock_and_no_log(path: Path) -> None:
    assert not {name.partition(".")[0] for name, _ in imports(path)} & {"asyncio", "time", "logging", "random", "threading"}


def test_every_module_says_what_it_is() -> None:
    for path in MODULES:
        docstring = ast.get_docstring(ast.parse(path.read_text()))
        assert docstring, f"{path} has no docstring"
