"""Checks where a server is to listen, before it starts; an error names the option."""

from __future__ import annotations

import errno
import os
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


def open_socket(host: str, port: int, option: str) -> socket.socket:
    """
    Return a socket that a server can listen at.

    Args:
        host: an address of this machine.
        port: the port; 0 for any.
        option: what gave the port, for messages.

    Raises:
        PricewireError: it cannot be had.
    """
    listener = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
    except OSError as error:
        listener.close()
        reason = f"port {port} of {host} is taken" if error.errno == errno.EADDRINUSE else f"{host}: {error.strerror}"
        raise PricewireError(f"{option} {port}: {reason}; choose another by {option}") from None
    return listener


def shared_socket(host: str, port: int, option: str) -> socket.socket:
    """
    Return a socket at an address that other processes have such sockets at, too: the system spreads new connections over them.

    Args:
        host: an address of this machine.
        port: the port; 0 for any.
        option: what gave the port, for messages.

    Raises:
        PricewireError: it cannot be had.
    """
    if not hasattr(socket, "SO_REUSEPORT"):
        raise PricewireError(f"{option} {port}: this system cannot share a port between processes")
    listener = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    try:
        listener.bind((host, port))
    except OSError as error:
        listener.close()
        raise PricewireError(f"{option} {port}: port {port} of {host}: {error.strerror}") from None
    return listener


class UnixListener(socket.socket):
    """
    A Unix socket whose file is removed when it is closed: after a signal nothing else of the server's is done any more.

    Args:
        path: the file, which is there once the socket is bound.
    """

    def __init__(self, path: Path) -> None:
        super().__init__(socket.AF_UNIX, socket.SOCK_STREAM)
        self._path = path
        self._is_bound = False

    def listen_there(self) -> None:
        """Make the file, in place of one that a server has left behind."""
        if self._path.is_socket():
            self._path.unlink()
        self.bind(str(self._path))
        self._is_bound = True

    def close(self) -> None:
        """Close the socket."""
        if self._is_bound:
            self._is_bound = False
            self._path.unlink(missing_ok=True)
        super().close()


def open_unix_socket(path: Path) -> socket.socket:
    """
    Return a Unix socket that a server can listen at; one that a server has left behind is replaced.

    Raises:
        PricewireError: a server listens there, something else is there, or the path cannot be used.
    """
    if is_answered(path):
        raise PricewireError(f"--uds {path}: a server listens there; end it, or choose another path")
    listener = UnixListener(path)
    try:
        listener.listen_there()
    except OSError as error:
        listener.close()
        raise PricewireError(
            f"--uds {path}: {error.strerror or error}; give the path of a socket to be made, in a folder that exists"
        ) from None
    return listener


def is_answered(path: Path) -> bool:
    """Return whether a server listens at a Unix socket."""
    if not path.is_socket():
        return False
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        return probe.connect_ex(str(path)) == 0


def inherited_socket(number: int) -> socket.socket:
    """
    Return a listening socket that the parent process has opened, as systemd does.

    Args:
        number: its file descriptor; systemd's first is 3.

    Raises:
        PricewireError: it is none.
    """
    try:
        found = socket.socket(fileno=number)
        listens = found.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN)
    except OSError as error:
        raise PricewireError(f"--fd {number}: {error.strerror}; give the number of a listening socket, 3 under systemd") from None
    if not listens:
        found.close()
        raise PricewireError(f"--fd {number}: the socket does not listen; under systemd its unit has Accept=no")
    return found


def has_terminal() -> bool:
    """Return whether the process belongs to a terminal, whose end SIGHUP then tells; to others it says to reload."""
    try:
        os.close(os.open("/dev/tty", os.O_RDWR | os.O_NOCTTY))
    except OSError:
        return False
    return True


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
