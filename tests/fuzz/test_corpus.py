"""Every input that is kept runs through its target: those of a kind each, and all that the fuzzers have found."""

from __future__ import annotations

import importlib
from pathlib import Path

import pytest
from fuzz.targets import TARGETS

CORPUS = Path(__file__).parents[2] / "fuzz" / "corpus"


def inputs() -> list[Path]:
    return sorted(path for target in TARGETS for path in (CORPUS / target).iterdir())


@pytest.mark.parametrize("path", inputs(), ids=lambda path: f"{path.parent.name}/{path.name}")
def test_no_input_does_harm(path: Path) -> None:
    importlib.import_module(f"fuzz.targets.{path.parent.name}").check(path.read_bytes())


def test_every_target_has_inputs() -> None:
    assert {path.name for path in CORPUS.iterdir()} == TARGETS.keys() == {path.parent.name for path in inputs()}
