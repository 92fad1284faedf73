"""The table of what the draft asks of a hub names tests that exist."""

from __future__ import annotations

import ast
import re
from functools import cache
from pathlib import Path

from pricewire.server.mercure.configuration import read_setup
from support.mercure import SECRET

PAGE = Path(__file__).parents[3] / "docs" / "mercure.md"
ROW = re.compile(r"^\| .* \| .* \| (?:`([\w/]+)::([\w:]+)`|-) \|$")


@cache
def names_in(file: Path) -> set[str]:
    """Return the names of a file's tests, those of classes after the class and `::`."""
    names = set()
    for node in ast.parse(file.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            names.add(node.name)
        if isinstance(node, ast.ClassDef):
            names |= {f"{node.name}::{each.name}" for each in node.body if isinstance(each, ast.FunctionDef)}
    return names


def test_each_requirement_has_a_test_that_exists() -> None:
    table = PAGE.read_text(encoding="utf-8").partition("| held by |\n")[2].split("\n\n")[0].splitlines()[1:]
    assert len(table) > 50
    for line in table:
        row = ROW.match(line)
        assert row is not None, line
        if row[1] is not None:
            assert row[2] in names_in(Path(__file__).parent / f"{row[1]}.py"), line


def test_the_configuration_of_the_page_can_be_read(tmp_path: Path) -> None:
    text = PAGE.read_text(encoding="utf-8").partition('```toml title="mercure.toml"\n')[2].partition("```")[0]
    (tmp_path / "mercure.toml").write_text(text)
    (tmp_path / "mercure-secret").write_bytes(SECRET)
    assert read_setup(tmp_path / "mercure.toml").subscriptions
