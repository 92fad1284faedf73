"""`pricewire config`: every option that a file can have, as such a file."""

from __future__ import annotations

import inspect
import sys
import textwrap
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path

import msgspec
from cyclopts import App
from cyclopts.argument import Argument

from pricewire.cli.main import app
from pricewire.cli.options import OF_SERVE, options_of
from pricewire.errors import PricewireError

WIDTH = 120


def command(*commands: str) -> None:
    """
    Print a `pricewire.toml` with every option, its default and what it does, each as a comment.

    Args:
        commands: whose options, `serve` or `account add` for instance; all where none is given.
    """
    wanted = " ".join(commands)
    found = {name: each for name, each in leaves(app, "") if wanted in ("", name) or name.startswith(f"{wanted} ")}
    if not found:
        raise PricewireError(f"there is no command {wanted!r} with options; there are {', '.join(name for name, _ in leaves(app, ''))}")
    sys.stdout.write(
        f"# Options of Pricewire; take the '# ' away from those that you set. The command line wins, then the environment.\n"
        f"{''.join(table(name, each) for name, each in found.items())}"
    )


def leaves(parent: App, above: str) -> Iterator[tuple[str, App]]:
    """Yield the commands with options and their names; those are left out of which a part is not installed."""
    for name in parent:
        if name.startswith("-") or name == OF_SERVE:
            continue
        try:
            child = parent[name]
        except ImportError:
            continue
        if any(not each.startswith("-") for each in child):
            yield from leaves(child, f"{above}{name} ")
        elif options_of(child):
            yield f"{above}{name}", child


def table(name: str, command: App) -> str:
    """Return a command's table."""
    options = "".join(option(argument) for argument in options_of(command))
    return f"\n[{name.replace(' ', '.')}]\n{options}"


def option(argument: Argument) -> str:
    """Return an option: what it does, the variable that sets it, and its default, where it has one."""
    key = argument.name.removeprefix("--").replace("-", "_")
    text = " ".join((argument.parameter.help or "").split())
    about = textwrap.fill(f"{text} (PRICEWIRE_{key.upper()})", WIDTH, initial_indent="# ", subsequent_indent="# ", break_long_words=False)
    return f"\n{about}\n# {key} = {as_toml(argument.field_info.default)}".rstrip() + "\n"


def as_toml(value: object) -> str:
    """Return a default as TOML; empty where there is none."""
    if value is None or value is inspect.Parameter.empty:
        return ""
    if isinstance(value, Decimal | float):
        return f"{float(value)!r}"
    return msgspec.json.encode(str(value) if isinstance(value, Path) else value).decode()
