"""The programs that publish, in other languages: each is run where the machine has the language, and what it publishes arrives."""

from __future__ import annotations

import shutil

import pytest

from support.doc_blocks import SERVER, Block, Program, blocks
from support.serving import EventReader, Serving

from .conftest import Place

COMMANDS = {"js": ["node", "program.mjs"], "php": ["php", "program.php"], "go": ["go", "run", "program.go"]}
"""What runs a program, by its language."""

SLOW = {"go"}
"""What is compiled for longer than all other tests of a page take: `make test-languages` runs it."""


@pytest.mark.parametrize("block", blocks(*COMMANDS), ids=lambda block: block.language)
def test_a_program_publishes(block: Block, served: Serving, place: Place, pytestconfig: pytest.Config) -> None:
    command = COMMANDS[block.language]
    if block.language in SLOW and not pytestconfig.getoption("--languages"):
        pytest.skip("it is run by `make test-languages`")
    if shutil.which(command[0]) is None:
        pytest.skip(f"there is no {command[0]}")
    folder = place(block)
    (folder / command[-1]).write_text(block.code.replace(SERVER, served.url))
    with EventReader(served.url, "/sse?topic=news:economy") as stream, Program(command, folder) as program:
        printed = list(program.lines())
        assert program.wait() == 0, "\n".join(program.errors)
        published = printed[0].split('"')[-2] if block.language == "go" else printed[0]
        messages = []
        while stream.last_id != published:
            messages.append(stream.next()[1]["data"])
        assert messages[-1] == {"headline": "Rates stay"}
