"""
A NATS server for the processes of one machine: on its loopback interface, and for nobody but those who have the key in its directory.

Both sides show the same certificate and trust no other, so no other user of the machine can publish, read, or pretend to be the server
while that is down.
"""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import socket
import sysconfig
from contextlib import closing
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from pricewire.errors import BusError

HOST = "127.0.0.1"

VALID = timedelta(days=3650)
"""How long a certificate is valid: a new one is made at each start."""

BOOT = Path("/proc/sys/kernel/random/boot_id")
"""What tells one boot of the machine from another."""


class PrivateBus:
    """
    A NATS server for this machine's processes.

    Attributes:
        url: where processes find it.
        certificate: the file of the certificate that both sides show, and check the other's with.
        key: the file of its private key.
        command: what runs the server.

    Args:
        directory: for its files, which nobody else can read; made where it is missing.

    Raises:
        BusError: there is no `nats-server`, the directory cannot be used, or another process uses it.
    """

    def __init__(self, directory: Path) -> None:
        # Another program's working directory need not be this one's.
        directory = directory.absolute()
        program = find_server()
        try:
            directory.mkdir(mode=0o700, parents=True, exist_ok=True)
            directory.chmod(0o700)
            self._lock = lock(directory)
            self.certificate, self.key = write_certificate(directory)
            port = free_port()
            config = directory / "nats.conf"
            config.write_text(config_of(port, store_of(directory), self.certificate, self.key))
        except OSError as error:
            raise BusError(f"{error.filename or directory}: {error.strerror}") from None
        self.url = f"tls://{HOST}:{port}"
        self.command = [program, "--config", str(config)]


def lock(directory: Path) -> int:
    """
    Take a directory for this process, as long as it runs; return the file that has to stay open.

    Raises:
        BusError: another process has it.
        OSError: the directory cannot be used.
    """
    file = os.open(directory / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(file)
        raise BusError(f"{directory} is in use by another process: give this one another --data-dir") from None
    return file


def find_server() -> str:
    """
    Return where `nats-server` is: beside this Python's programs, or in the path.

    Raises:
        BusError: it is nowhere.
    """
    beside = Path(sysconfig.get_path("scripts")) / "nats-server"
    found = str(beside) if os.access(beside, os.X_OK) else shutil.which("nats-server")
    if found is None:
        raise BusError("--workers needs the program nats-server, which is not installed: pip install 'pricewire[nats]'")
    return found


def free_port() -> int:
    """Return a port of the loopback interface that nobody has now."""
    with closing(socket.create_server((HOST, 0))) as listener:
        port: int = listener.getsockname()[1]
        return port


def store_of(directory: Path) -> Path:
    """
    Return where JetStream keeps its stream; what an earlier boot of the machine has left is removed.

    JetStream syncs its files now and then. After a power cut its end may be missing, and new events would get ids that others have had.
    """
    boot = BOOT.read_text().strip() if BOOT.exists() else "unknown"
    store = directory / f"jetstream-{boot}"
    for other in directory.glob("jetstream-*"):
        if other != store:
            shutil.rmtree(other)
    return store


def config_of(port: int, store: Path, certificate: Path, key: Path) -> str:
    """Return the server's configuration; texts of JSON are texts of its format."""
    return "\n".join(
        [
            f'listen: "{HOST}:{port}"',
            "logtime: false",
            f"jetstream {{ store_dir: {json.dumps(str(store))} }}",
            "tls {",
            f"  cert_file: {json.dumps(str(certificate))}",
            f"  key_file: {json.dumps(str(key))}",
            f"  ca_file: {json.dumps(str(certificate))}",
            "  verify: true",
            "}",
            "",
        ]
    )


def write_certificate(directory: Path) -> tuple[Path, Path]:
    """Make a key, and a certificate that it has signed itself; return the files of both."""
    private_key = ec.generate_private_key(ec.SECP256R1())
    public_key, name = private_key.public_key(), x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Pricewire's private bus")])
    now = datetime.now(UTC)
    usage = dict.fromkeys(
        ("content_commitment", "key_encipherment", "data_encipherment", "key_agreement", "crl_sign", "encipher_only", "decipher_only"),
        False,
    )
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(public_key)
        .serial_number(x509.random_serial_number())
        # A clock may be set back.
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + VALID)
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address(HOST))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(x509.KeyUsage(digital_signature=True, key_cert_sign=True, **usage), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH]), critical=False)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(public_key), critical=False)
        .sign(private_key, hashes.SHA256())
    )
    chain, key = directory / "certificate.pem", directory / "key.pem"
    chain.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    key.unlink(missing_ok=True)
    with os.fdopen(os.open(key, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(private_key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()))
    return chain, key
