"""The command line: which commands there are. Each is imported when it is run, so that none loads what another one needs."""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

from cyclopts import App, CycloptsError, Parameter
from cyclopts.config import Env, Toml

from pricewire.cli.options import CONFIG, OF_SERVE, REREAD, check_file
from pricewire.errors import PricewireError
from pricewire.extras import missing_extra


def installed_version() -> str:
    """Return the version; what knows it is slow to import."""
    return str(importlib.import_module("importlib.metadata").version("pricewire"))


app = App(
    name="pricewire",
    version=installed_version,
    help="""
    Live trading data over Server-Sent Events.

    Begin with `pricewire serve`, open http://127.0.0.1:8080 in a browser, and in another terminal try
    `pricewire watch R_100`, or `curl -N 'http://127.0.0.1:8080/sse?topic=ticks:R_100'`.

    Every option can also stand in an environment variable (`PRICEWIRE_PORT=9000`), or in `pricewire.toml` in the working directory,
    under the command's name (`[serve]`, then `port = 9000`).
    """,
    help_format="markdown",
)
app.register_install_completion_command()

COMMANDS = {
    "account": ("account:accounts", "Open accounts, list them, change their passwords and status, move their money, and see who did what."),
    "check": (
        "serve:serve",
        """
        Check whether `pricewire serve` with the same options could start, a line for each thing that it needs.

        It has the options of `pricewire serve`, from the same table of the file, `[serve]`. Nothing is made or changed. The exit status
        is 1 where something is wrong.
        """,
    ),
    "config": (
        "config:command",
        """
        Print a `pricewire.toml` with every option, its default and what it does, each as a comment.

        `pricewire config serve > pricewire.toml` begins a file for the server.
        """,
    ),
    "export": (
        "export:command",
        """
        Write the ticks of instruments as CSV or Parquet, from the archive and the journal of a server, which may be running.

        `pricewire export --instrument EURUSD --from 2026-01-01 --to 2026-02-01 > january.csv` is CSV, and with `--format parquet --output
        january.parquet` it is Parquet, which is smaller.
        """,
    ),
    "feed": ("feed:feeds", "Try a feed without a server: see its prices, and what is wrong with its messages."),
    "import": (
        "import_recordings:command",
        """
        Put recordings into the archive, which a server with `--history` answers from.

        `pricewire import EURUSD-2025.csv` takes what `pricewire serve --feed replay:PATH` plays, and what `pricewire record` and `pricewire
        export` write. What is there already stays as it is, and what contradicts it is refused. No server may be running with the data
        directory.
        """,
    ),
    "instruments": ("instruments:command", "List the instruments of a server, with tabs between the columns."),
    "record": (
        "record:command",
        """
        Record ticks into a CSV or Parquet file, which `pricewire serve --feed replay:PATH` plays.

        `pricewire record R_100 EURUSD --to ticks.parquet` records until Ctrl-C. The file is complete at any moment; a recording that was
        interrupted goes on where it stopped when the same command is given again.

        `pricewire record R_100 --to ticks.parquet --journal pricewire-data/journal` records what has been, and ends.
        """,
    ),
    "serve": (
        "serve:serve",
        """
        Serve prices, and the trading page.

        `pricewire serve` simulates ten volatility indices. `pricewire serve --feed replay:eurusd.csv --speed 50` plays a recording at
        fifty times its pace. `pricewire serve --feed my_module:MyFeed` runs a feed of your own.
        """,
    ),
    "token": ("token:token", "Print a token for an account."),
    "verify": (
        "verify:command",
        """
        Test an event stream of any server, and say what is wrong with it and how to mend it.

        `pricewire verify https://example.com/stream` takes half a minute and opens at most 20 connections. The exit status is 1
        where a rule is broken.
        """,
    ),
    "watch": (
        "watch:command",
        """
        Watch prices in the terminal.

        `pricewire watch R_100 EURUSD` shows price, change, ticks per second, age, and the state of the connection; Ctrl-C ends it.
        """,
    ),
}
"""The commands: where each is defined, and what it does - here, so that `pricewire --help` needs none of them."""

for _name, (_place, _help) in COMMANDS.items():
    app.command(f"pricewire.cli.{_place}", name=_name, help=_help)


@app.meta.default
def launch(*tokens: Annotated[str, Parameter(show=False, allow_leading_hyphen=True)], config: Path | None = None) -> None:
    """
    Run a command with its options from the command line, the environment and a file, in this order.

    Args:
        tokens: the command and its options.
        config: a TOML file with options; `pricewire.toml` in the working directory where none is given.
    """
    running = tokens[0] if tokens else ""
    if running == OF_SERVE and not {"--help", "-h"} & set(tokens):
        running, tokens = "serve", ("serve", "--check", *tokens[1:])

    def configure() -> None:
        if config is not None or CONFIG.exists():
            check_file(config or CONFIG, app, running)
        app.config = (Env("PRICEWIRE_", command=False), Toml(config or CONFIG))

    def reread() -> Mapping[str, Any]:
        configure()
        try:
            _, bound, _ = app.parse_args(tokens, print_error=False, exit_on_error=False)
        except CycloptsError as error:
            raise PricewireError(str(error)) from None
        bound.apply_defaults()
        return bound.arguments

    configure()
    REREAD.set(reread)
    app(tokens)


def main(arguments: Sequence[str] | None = None) -> None:
    """
    Run the command line; errors of ours are one line, without a traceback.

    Args:
        arguments: what follows the program's name; by default this process's arguments.
    """
    # The one of an earlier call in this process would be read before `launch` has checked it.
    app.config = ()
    try:
        app.meta(arguments)
    except PricewireError as error:
        fail(error)
    except ImportError as error:
        command = " ".join(["pricewire", *(arguments if arguments is not None else sys.argv[1:])][:2])
        # What loads a command raises an error of its own from the one that says what is missing.
        for cause in causes(error):
            found = missing_extra(cause, f"`{command}`") if isinstance(cause, ImportError) else cause
            if isinstance(found, PricewireError):
                fail(found)
        raise


def causes(error: BaseException | None) -> Iterable[BaseException]:
    """Yield an error and what it was raised from."""
    while error is not None:
        yield error
        error = error.__cause__


def fail(error: PricewireError) -> None:
    """Write what is wrong, and end the process."""
    is_coloured = sys.stderr.isatty() and not os.environ.get("NO_COLOR")
    name = "\x1b[1;31mpricewire:\x1b[0m" if is_coloured else "pricewire:"
    text = "".join(each if each.isprintable() or each == "\n" else repr(each)[1:-1] for each in str(error))
    sys.stderr.write(f"{name} {text}\n")
    sys.exit(1)
