"""What is imported when: a program loads only what it uses, and a command starts within a blink."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import pricewire
from support.command import environment

CLIENT = {"asyncio", "httpx2", "msgspec"}

TERMINAL = {"cyclopts", "rich"}

DATABASE = {"alembic", "asyncio", "msgspec", "sqlalchemy"}

HEAVY = CLIENT | TERMINAL | DATABASE | {"cryptography", "litestar", "numpy", "opentelemetry", "pyarrow", "scipy", "uvicorn"}
"""What takes long to import, from 20 ms to a second."""


def imported(*arguments: str, cwd: Path) -> list[str]:
    """Return the modules that a Python process imports, in their order."""
    command = [sys.executable, "-X", "importtime", *arguments]
    result = subprocess.run(command, capture_output=True, text=True, timeout=600, cwd=cwd, env=environment(), check=False)
    lines = [line for line in result.stderr.splitlines() if line.startswith("import time:")]
    return [line.rpartition("|")[2].strip() for line in lines[1:]]


@pytest.mark.parametrize(
    ("arguments", "heavy", "most"),
    [
        # The counts are those of Python 3.11 and some to spare: of some 20 ms of CPU, 70, 220 and 320.
        (["-c", "import pricewire"], set[str](), 70),
        (["-m", "pricewire", "--version"], set[str](), 160),
        (["-m", "pricewire", "--help"], TERMINAL, 380),
        (["-m", "pricewire", "watch", "--help"], CLIENT | TERMINAL, 600),
        (["-c", "import pricewire; pricewire.connect"], CLIENT, 400),
        (["-c", "import pricewire; pricewire.sync.connect"], CLIENT, 400),
        (["-c", "import pricewire; pricewire.Hub"], {"asyncio", "msgspec"}, 250),
        (["-m", "pricewire", "account", "list"], DATABASE | TERMINAL, 900),
        (["-m", "pricewire", "token", "demo"], CLIENT | DATABASE | TERMINAL | {"cryptography"}, 1100),
        (["-m", "pricewire", "serve", "--rate", "0"], HEAVY - {"opentelemetry", "pyarrow"}, 2500),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_what_is_imported(arguments: list[str], heavy: set[str], most: int, tmp_path: Path) -> None:
    modules = imported(*arguments, cwd=tmp_path)
    assert {name.partition(".")[0] for name in modules} & HEAVY <= heavy
    assert len(modules) <= most, f"{len(modules)} modules"


def test_the_names_that_tools_read_are_those_there_are() -> None:
    stub = ast.parse(Path(pricewire.__file__).with_suffix(".pyi").read_text())
    homes = {
        alias.asname or alias.name: f"{node.module}:{alias.name}" if alias.asname else str(node.module)
        for node in stub.body
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    }
    listed = next(ast.literal_eval(node.value) for node in stub.body if isinstance(node, ast.Assign))
    assert homes == {**vars(pricewire)["HOMES"], "sync": "pricewire"}
    assert sorted(listed) == sorted(homes) == sorted(pricewire.__all__)
    assert set(listed) <= set(dir(pricewire))
    for name in listed:
        assert getattr(pricewire, name) is not None


def test_a_name_that_is_none_is_said() -> None:
    with pytest.raises(AttributeError, match="module 'pricewire' has no attribute 'nonsense'"):
        pricewire.nonsense  # type: ignore[attr-defined] # noqa: B018
