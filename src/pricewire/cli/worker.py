"""One process of `pricewire serve --workers`, as a program: it reads from its standard input which one it is, and all options."""

from __future__ import annotations

import pickle
import sys

from pricewire.cli.main import fail
from pricewire.cli.options import REREAD
from pricewire.cli.serve import serve
from pricewire.errors import PricewireError

if __name__ == "__main__":
    try:
        # The process that has started this one has written it.
        options = pickle.load(sys.stdin.buffer)  # noqa: S301
        # It keeps these: SIGHUP has it read the certificate alone.
        REREAD.set(lambda: options)
        serve(**options)
    except PricewireError as error:
        fail(error)
