"""`pricewire`, and `python -m pricewire`: the command line, or what it needs to be installed."""

from __future__ import annotations

import sys
from importlib import import_module

from pricewire.extras import missing_extra


def main() -> None:
    """Run the command line."""
    if sys.argv[1:] == ["--version"]:
        sys.stdout.write(f"{import_module('importlib.metadata').version('pricewire')}\n")
        return
    try:
        command_line = import_module("pricewire.cli.main")
    except ImportError as error:
        sys.exit(f"pricewire: {missing_extra(error, 'the command line')}")
    command_line.main()


if __name__ == "__main__":
    main()
