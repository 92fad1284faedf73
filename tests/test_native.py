"""Whether what was compiled is used."""

from __future__ import annotations

import importlib

import pytest

from pricewire import _native
from pricewire._native import compiled
from pricewire.errors import NativeCodeError


def missing(name: str) -> None:
    raise ModuleNotFoundError(f"No module named {name!r}", name=name)


def test_it_is_used_where_it_is_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib, "import_module", lambda name: _native)
    assert compiled(None) is compiled("") is compiled("1") is _native
    assert compiled("0") is None


def test_where_it_is_not_there_it_is_missed_only_if_it_is_needed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib, "import_module", missing)
    assert compiled(None) is None
    assert compiled("0") is None
    with pytest.raises(NativeCodeError, match=r"PRICEWIRE_NATIVE is 1, .*No module named .* install a C compiler .* by PRICEWIRE_NATIVE=0"):
        compiled("1")


def test_another_choice_is_an_error() -> None:
    with pytest.raises(NativeCodeError, match="PRICEWIRE_NATIVE is 'yes': set it to 1 to need the compiled code, to 0 to do without"):
        compiled("yes")
