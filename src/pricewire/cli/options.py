"""Checks options before anything starts; an error names the option, and the file that it is in."""

from __future__ import annotations

import difflib
import errno
import socket
import ssl
import sys
import tomllib
from decimal import Decimal, InvalidOperation
from math import isfinite
from pathlib import Path
from typing import Any

from cyclopts import App

from pricewire.errors import PricewireError

MAX_PORT = 65_535


def check_file(path: Path, app: App) -> None:
    """
    Check a file with options.

    Options within a command's table are checked when the command reads them.

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
        raise PricewireError(f"{path}: {error}") from None
    check_tables(path, found, app, "")


def check_tables(path: Path, found: dict[str, Any], app: App, above: str) -> None:
    """
    Check that all there is are tables of an application's commands.

    Args:
        path: the file, for messages.
        found: what it has there.
        app: whose commands are meant.
        above: the table's own name with a dot after it; empty for the file itself.

    Raises:
        PricewireError: something is no table of a command.
    """
    commands = sorted(name for name in app if not name.startswith("-"))
    for name, value in found.items():
        if name not in commands:
            raise PricewireError(f"{path}: {misplaced(name, value, app, commands, above)}")
        if not isinstance(value, dict):
            raise PricewireError(f"{path}: {above}{name} is a command; write its options under [{above}{name}]")
        if any(not each.startswith("-") for each in app[name]):
            check_tables(path, value, app[name], f"{above}{name}.")


def misplaced(name: str, value: object, app: App, commands: list[str], above: str) -> str:
    """Return what is wrong with something that is no table of a command, and what is meant."""
    if not isinstance(value, dict):
        having = [command for command in commands if has_option(app[command], name)]
        where = " or ".join(f"[{above}{command}]" for command in having) or "a command's table, such as [serve]"
        return f"the option {above}{name} stands outside of a command's table; put it under {where}"
    close = difflib.get_close_matches(name.lower(), commands, 1, 0.5)
    meant = f"[{above}{close[0]}] is meant" if close else f"there are {', '.join(f'[{above}{command}]' for command in commands)}"
    return f"there is no command for the table [{above}{name}]; {meant}"


def has_option(command: App, name: str) -> bool:
    """Return whether a command has an option of this name in a file."""
    if command.default_command is None:
        return False
    wanted = f"--{name.replace('_', '-')}"
    return any(wanted in argument.names for argument in command.assemble_argument_collection())


def check_port(_: object, value: int) -> None:
    """
    Refuse what is no port; the system would take it modulo 65,536.

    Raises:
        ValueError: it is none.
    """
    if not 0 <= value <= MAX_PORT:
        raise ValueError(f"a port is 0 to {MAX_PORT}")


def check_span(_: object, value: float) -> None:
    """
    Refuse what is no span of time.

    Raises:
        ValueError: it is negative, infinite or no number.
    """
    if not (isfinite(value) and value >= 0):
        raise ValueError("give a number, not below 0")


def to_decimal(text: str) -> Decimal:
    """
    Return the number that a text is.

    Raises:
        ValueError: it is none.
    """
    try:
        return Decimal(text)
    except InvalidOperation:
        raise ValueError(text) from None


def check_tls(certificate: Path, key: Path) -> None:
    """
    Check that a server can start with a certificate and its key.

    Raises:
        PricewireError: one cannot be read, or they do not fit together.
    """
    for option, path in (("--tls-cert", certificate), ("--tls-key", key)):
        try:
            path.read_bytes()
        except OSError as error:
            raise PricewireError(f"{option} {path}: {error.strerror}") from None
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    try:
        # Loading both fails for a wrong certificate and for a wrong key; so the certificate is tried alone first.
        context.load_verify_locations(certificate)
    except ssl.SSLError:
        raise PricewireError(f"--tls-cert {certificate} holds no certificate in PEM") from None
    try:
        # Asked for on the terminal otherwise; a server starts without anybody at it.
        context.load_cert_chain(certificate, key, password=lambda: "")
    except ssl.SSLError as error:
        if error.reason == "KEY_VALUES_MISMATCH":
            raise PricewireError(f"--tls-key {key} is not the key of --tls-cert {certificate}") from None
        raise PricewireError(f"--tls-key {key} holds no private key in PEM that can be read without a password") from None


def check_address(host: str, port: int) -> None:
    """
    Check that a server can listen at an address.

    Args:
        host: a name or an address of this machine.
        port: the port; 0 for any.

    Raises:
        PricewireError: it cannot.
    """
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    except OSError as error:
        raise PricewireError(f"--host {host}: {error.strerror}") from None
    for family, kind, protocol, _, address in found:
        with socket.socket(family, kind, protocol) as listener:
            if sys.platform != "win32":
                # As servers do, so that connections that have ended do not count.
                listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            if family == socket.AF_INET6:
                listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            try:
                listener.bind(address)
            except OSError as error:
                if error.errno == errno.EADDRINUSE:
                    raise PricewireError(f"port {port} of {host} is taken: end what has it, or choose another by --port") from None
                option = f"--port {port}" if error.errno == errno.EACCES else f"--host {host}"
                raise PricewireError(f"{option}: {error.strerror}") from None
