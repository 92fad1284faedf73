"""`python -m pricewire.verify URL`: the same as `pricewire verify URL`."""

from __future__ import annotations

import sys
from importlib import import_module

from pricewire.extras import missing_extra


def main() -> None:
    """Run the command."""
    try:
        command_line = import_module("pricewire.cli.main")
    except ImportError as error:
        sys.exit(f"pricewire: {missing_extra(error, 'the command line')}")
    command_line.main(["verify", *sys.argv[1:]])


if __name__ == "__main__":
    main()
