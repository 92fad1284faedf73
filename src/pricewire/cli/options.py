"""Checks options before anything starts; an error names the option, and the file that it is in."""

from __future__ import annotations

import difflib
import re
import tomllib
from collections.abc import Callable, Mapping, Sequence
from contextvars import ContextVar
from decimal import Decimal
from math import isfinite
from pathlib import Path
from typing import Annotated, Any

from cyclopts import App, CoercionError, Parameter, Token
from cyclopts.argument import Argument

from pricewire.errors import PricewireError, quoted
from pricewire.hub.flush_pace import LONGEST_MAX_INTERVAL
from pricewire.protocol.numbers import MOST_DECIMALS, read_number

CONFIG = Path("pricewire.toml")
"""The file with options, in the working directory."""

OF_SERVE = "check"
"""The command that has the options of `serve`, and so no table of its own."""

REREAD: ContextVar[Callable[[], Mapping[str, Any]]] = ContextVar("REREAD")
"""Returns the options of the running command by their names, as the file has them now, or raises a `PricewireError`."""

MAX_PORT = 65_535


def check_file(path: Path, app: App, running: str) -> None:
    """
    Check a file with options.

    Options within a command's table are checked when the command reads them.

    Args:
        path: the file.
        app: whose commands have tables in it.
        running: the command that is run; the others are not loaded.

    Raises:
        PricewireError: it cannot be read, or has something beside tables of commands, which nobody would read.
    """
    try:
        with path.open("rb") as file:
            found = tomllib.load(file)
    except OSError as error:
        raise PricewireError(f"{path}: {error.strerror}") from None
    except UnicodeDecodeError as error:
        raise PricewireError(f"{path}: it is no UTF-8, from byte {error.start} on") from None
    except tomllib.TOMLDecodeError as error:
        raise PricewireError(f"{path}: {error}{line_of(path, str(error))}") from None
    check_tables(path, found, app, "", running)


def line_of(path: Path, problem: str) -> str:
    """Return the line of a file that a parser complains of, and what TOML looks like, to be put after the complaint."""
    place = re.search(r"at line (\d+)", problem)
    lines = path.read_text(encoding="utf-8").splitlines()
    number = int(place[1]) if place is not None else len(lines)
    line = lines[number - 1].strip() if 0 < number <= len(lines) else ""
    # What a line sets may be a secret.
    return f", which is {quoted(line.partition('=')[0].strip())}; TOML has tables such as [serve], and lines such as port = 9000 in them"


def check_tables(path: Path, found: dict[str, Any], app: App, above: str, running: str | None) -> None:
    """
    Check that all there is are tables of an application's commands.

    Args:
        path: the file, for messages.
        found: what it has there.
        app: whose commands are meant.
        above: the table's own name with a dot after it; empty for the file itself.
        running: the only command whose own tables are checked; None for all.

    Raises:
        PricewireError: something is no table of a command.
    """
    commands = sorted(name for name in app if not name.startswith("-") and name != OF_SERVE)
    for name, value in found.items():
        if name not in commands:
            raise PricewireError(f"{path}: {misplaced(name, value, app, commands, above)}")
        if not isinstance(value, dict):
            raise PricewireError(f"{path}: {above}{name} is a command; write its options under [{above}{name}]")
        if running not in (None, name):
            continue
        if any(not each.startswith("-") for each in app[name]):
            check_tables(path, value, app[name], f"{above}{name}.", None)
        else:
            check_keys(path, value, app[name], f"{above}{name}")


def misplaced(name: str, value: object, app: App, commands: list[str], above: str) -> str:
    """Return what is wrong with something that is no table of a command, and what is meant."""
    if not isinstance(value, dict):
        having = [command for command in commands if has_option(app, command, name)]
        where = " or ".join(f"[{above}{command}]" for command in having) or "a command's table, such as [serve]"
        return f"the option {above}{name} stands outside of a command's table; put it under {where}"
    close = difflib.get_close_matches(name.lower(), commands, 1, 0.5)
    meant = f"[{above}{close[0]}] is meant" if close else f"there are {', '.join(f'[{above}{command}]' for command in commands)}"
    return f"there is no command for the table [{above}{name}]; {meant}"


def check_keys(path: Path, found: dict[str, Any], command: App, table: str) -> None:
    """
    Check that a command has the options of its table.

    Args:
        path: the file, for messages.
        found: the table.
        command: whose it is.
        table: its name.

    Raises:
        PricewireError: an option is none.
    """
    names = [argument.name for argument in options_of(command)]
    for key in found:
        if f"--{key.replace('_', '-')}" not in names:
            known = [name.removeprefix("--").replace("-", "_") for name in names]
            close = difflib.get_close_matches(key.lower().replace("-", "_"), known, 1, 0.6)
            meant = f"{close[0]} is meant" if close else f"`pricewire config {table.replace('.', ' ')}` lists those there are"
            raise PricewireError(f"{path}: [{table}] has no option {quoted(key)}; {meant}")


def options_of(command: App) -> list[Argument]:
    """Return what of a command can stand in a file: its options, without those that are made of others."""
    if command.default_command is None:
        return []
    return [each for each in command.assemble_argument_collection(parse_docstring=True) if each.name.startswith("--")]


def has_option(app: App, command_name: str, name: str) -> bool:
    """Return whether a command has an option of this name in a file; none has of which a part is not installed."""
    try:
        command = app[command_name]
    except ImportError:
        return False
    wanted = f"--{name.replace('_', '-')}"
    return any(wanted in argument.names for argument in options_of(command))


def check_port(_: object, value: int | None) -> None:
    """
    Refuse what is no port; the system would take it modulo 65,536.

    Raises:
        ValueError: it is none.
    """
    if value is not None and not 0 <= value <= MAX_PORT:
        raise ValueError(f"a port is 0 to {MAX_PORT}")


def check_span(_: object, value: float) -> None:
    """
    Refuse what is no span of time.

    Raises:
        ValueError: it is negative, infinite or no number.
    """
    if not (isfinite(value) and value >= 0):
        raise ValueError("give a number, not below 0")


def check_flush_interval(_: object, value: float) -> None:
    """
    Refuse what is no longest time between flushes, in milliseconds.

    Raises:
        ValueError: it is none.
    """
    if not 0 <= value <= LONGEST_MAX_INTERVAL * 1000:
        raise ValueError(f"give 0 to {LONGEST_MAX_INTERVAL * 1000:g} milliseconds")


def check_utilisation(_: object, value: float) -> None:
    """
    Refuse what is no part of a processor's time.

    Raises:
        ValueError: it is none.
    """
    if not 0 < value <= 1:
        raise ValueError("give a part of a core, above 0 and at most 1")


def read_amount(_: object, tokens: Sequence[Token]) -> Decimal:
    """
    Return the amount of money that was given, perhaps with a sign: as requests have it, and not all that Python takes for a number.

    Raises:
        CoercionError: it is none.
    """
    text = tokens[0].value
    sign = text[:1] if text[:1] in ("+", "-") else ""
    number = read_number(text.removeprefix(sign))
    if number is None:
        # The command line and the environment are told by the option's name.
        place = "" if tokens[0].source in ("cli", "env") else f" from {tokens[0].source}"
        raise CoercionError(
            f"{quoted(text)}{place} is not an amount; give up to {MOST_DECIMALS} of the digits 0 to 9, with or without a point and up to "
            f"{MOST_DECIMALS} decimals, such as 1250 or 12.50",
            # Not a `ValueError`, whose text is lost where amounts are by currency.
            token=tokens[0],
        )
    return -number if sign == "-" else number


Money = Annotated[Decimal, Parameter(converter=read_amount, allow_leading_hyphen=True)]
"""An amount of money."""
