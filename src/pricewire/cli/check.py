"""`pricewire check`: whether a server could start, a line for each thing that it needs; nothing is made or changed."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from importlib import import_module
from pathlib import Path

from cryptography import x509
from sqlalchemy.exc import SQLAlchemyError

from pricewire.cli.private_bus import find_server
from pricewire.cli.processes import OPTIONS, Processes, over_nats
from pricewire.cli.signing import keys_of
from pricewire.cli.store import Store
from pricewire.errors import DatabaseError, PricewireError
from pricewire.extras import missing_extra
from pricewire.market.journal import lock
from pricewire.server.auth.keys import KEY_FILE
from pricewire.store.address import parse_address, shown
from pricewire.store.database import reason
from pricewire.store.migrate import forms

SOON_DAYS = 14.0
"""A certificate that ends within so many days is told of."""

BUS_S = 5.0
"""How long a bus may take to answer, in seconds."""

Check = tuple[str, Callable[[], str]]
"""What is checked, and what returns how it stands, or raises a PricewireError."""


def run_checks(checks: Sequence[Check]) -> int:
    """Print a line for each check, with tabs between the columns; return the command's exit code."""
    failed = False
    for name, look in checks:
        try:
            state, detail = "ok", look()
        except PricewireError as error:
            state, detail, failed = "failed", str(error), True
        sys.stdout.write(f"{name}\t{state}\t{detail}\n")
        sys.stdout.flush()
    return int(failed)


def check_database(store: Store) -> str:
    """
    Return what the database is, and whether its tables are those of this version.

    Raises:
        PricewireError: it cannot be used.
    """
    url = parse_address(store.address)
    path = Path(str(url.database))
    if url.drivername == "sqlite" and not path.exists():
        return f"{path} is made at the start"
    try:
        current, wanted = forms(url)
    except ImportError as error:
        raise missing_extra(error, f"the database {shown(url)}") from error
    except SQLAlchemyError as error:
        raise DatabaseError(f"the database {shown(url)} cannot be opened: {reason(error)}") from None
    return shown(url) if current == wanted else f"{shown(url)}, whose tables get the form {wanted} at the start"


def check_bus(processes: Processes) -> str:
    """
    Return what the bus to other processes is.

    Raises:
        PricewireError: it cannot be used.
    """
    if processes.bus is None:
        return "none" if processes.workers is None else f"a NATS server for {processes.workers} gateways, {find_server()}"
    return str(asyncio.run(over_nats(OPTIONS).probe_bus(processes.options(processes.bus), BUS_S)))


def check_journal(store: Store) -> str:
    """
    Return where the journal is.

    Raises:
        PricewireError: it cannot be used, or a server has it.
    """
    folder = store.data_dir / "journal"
    if not folder.exists():
        return f"{folder} is made at the start"
    os.close(lock(folder))
    return str(folder)


def check_keys(store: Store) -> str:
    """
    Return what tokens are signed with.

    Raises:
        PricewireError: it cannot be used.
    """
    if store.jwt_secret_file is None and store.jwks_url is None and not (store.data_dir / KEY_FILE).exists():
        return f"{store.data_dir / KEY_FILE} is made at the start"
    keys_of(store)
    return str(store.jwks_url or store.jwt_secret_file or store.data_dir / KEY_FILE)


def check_mercure(path: Path) -> str:
    """
    Return where the hub of the Mercure protocol is.

    Raises:
        PricewireError: its file cannot be used, or a package is missing.
    """
    try:
        setup = import_module("pricewire.server.mercure.access_tokens").checked_setup(path)
    except ImportError as error:
        raise missing_extra(error, "the hub of the Mercure protocol") from error
    return str(setup.url)


def check_certificate(path: Path) -> str:
    """
    Return until when a server's certificate is valid, and whether that is soon.

    Raises:
        PricewireError: it has ended.
    """
    # The server's own stands first; it has been read before as what it is.
    end = x509.load_pem_x509_certificates(path.read_bytes())[0].not_valid_after_utc
    days = (end - datetime.now(UTC)).total_seconds() / 86_400
    if days <= 0:
        raise PricewireError(f"--tls-cert {path}: it ended at {end:%Y-%m-%d %H:%M} UTC; renew it")
    return f"{path}, valid until {end:%Y-%m-%d}{', which is soon: renew it' if days < SOON_DAYS else ''}"
