"""Options in a TOML file."""

from __future__ import annotations

from cyclopts import CycloptsError
from cyclopts.config import Toml

from fuzz.targets.files import as_file
from pricewire.cli.main import app


def check(data: bytes) -> None:
    """Read the options of `pricewire serve`, without serving; what is wrong with them is an error of the command line."""
    app.config = (Toml(as_file(data, "pricewire.toml")),)
    try:
        app.parse_args(["serve"], print_error=False, exit_on_error=False)
    except CycloptsError:
        return
