"""Checks where a server is to listen, before it starts; an error names the option."""

from __future__ import annotations

import errno
import socket
import ssl
import sys
from pathlib import Path

from pricewire.errors import PricewireError


def check_tls(certificate: Path, key: Path) -> None:
    """
    Check that a server can start with a certificate and its key.

    Raises:
        PricewireError: one cannot be read, or they do not fit together.
    """
    for option, path, what in (("--tls-cert", certificate, "certificate chain"), ("--tls-key", key, "private key")):
        try:
            path.read_bytes()
        except OSError as error:
            raise PricewireError(f"{option} {path}: {error.strerror}; give the path of the {what}, a file in PEM") from None
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
