"""Imports one exchange of ccxt, and not the hundred others that `import ccxt` brings: that takes five times as long."""

from __future__ import annotations

import contextlib
import difflib
import importlib
import importlib.util
import pkgutil
import sys
from collections.abc import Iterator
from types import ModuleType
from typing import Any

from pricewire.errors import FeedError

PACKAGES = ("ccxt", "ccxt.async_support", "ccxt.pro")
"""The packages whose `__init__` imports every exchange."""

COMMON = ("ccxt.base.errors", "ccxt.base.exchange")
"""The modules whose names modules of exchanges import from `ccxt` itself."""


class Package(ModuleType):
    """A package of ccxt, without what its `__init__` does: what is asked of it is imported then."""

    def __getattr__(self, name: str) -> object:
        """Import what `__init__` would have imported."""
        if not name.startswith("__"):
            for module in COMMON:
                if (found := getattr(importlib.import_module(module), name, None)) is not None:
                    return found
            with contextlib.suppress(ModuleNotFoundError):
                importlib.import_module(f"{self.__name__}.{name}")
                return self.__dict__[name]
        raise AttributeError(f"module {self.__name__!r} has no attribute {name!r}")

    def __setattr__(self, name: str, value: object) -> None:
        """Have the class of an exchange stand where importing puts its module, as `__init__` does."""
        own = getattr(value, name, None) if isinstance(value, ModuleType) else None
        super().__setattr__(name, own if isinstance(own, type) else value)


@contextlib.contextmanager
def lean() -> Iterator[None]:
    """Have the packages of ccxt stand empty within the block, unless it is imported already."""
    if "ccxt" in sys.modules:
        yield
        return
    try:
        for name in PACKAGES:
            # Finding a package runs the one that it is in, which is empty already.
            spec = importlib.util.find_spec(name)
            if spec is None:
                raise ModuleNotFoundError(f"No module named {name!r}", name=name)
            package = importlib.util.module_from_spec(spec)
            package.__class__ = Package
            sys.modules[name] = package
            parent, _, child = name.rpartition(".")
            if parent:
                setattr(sys.modules[parent], child, package)
        yield
    finally:
        # Whoever imports ccxt later gets all of it.
        for name in PACKAGES:
            sys.modules.pop(name, None)


def exchange_class(name: str) -> Any:
    """
    Return the class of an exchange with streams.

    Args:
        name: as ccxt calls it, `binance` for instance.

    Raises:
        FeedError: ccxt knows none of that name.
        ImportError: ccxt is not installed.
    """
    with lean():
        names = [module.name for module in pkgutil.iter_modules(importlib.import_module("ccxt.pro").__path__) if not module.ispkg]
        if name not in names:
            near = difflib.get_close_matches(name, names) or names
            raise FeedError(f"ccxt has no exchange {name!r} with streams; there are {', '.join(near)}")
        return getattr(importlib.import_module(f"ccxt.pro.{name}"), name)
