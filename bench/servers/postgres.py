"""A PostgreSQL server of one's own, in a directory of its own."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from pathlib import Path

DEBIAN = Path("/usr/lib/postgresql")
"""Where Debian keeps each version's programs, apart from the others."""


def missing() -> str | None:
    """Return why there is no PostgreSQL here; None where there is."""
    return None if shutil.which("initdb") or any(DEBIAN.glob("*/bin/initdb")) else "there is no PostgreSQL (initdb)"


def binaries() -> Path:
    """Return where PostgreSQL's programs are."""
    if found := shutil.which("initdb"):
        return Path(found).resolve().parent
    return max(DEBIAN.glob("*/bin"), key=lambda path: int(path.parent.name))


class PostgresServer:
    """
    A PostgreSQL server on a socket in its directory, and on no port; it has a database `postgres`.

    Args:
        settings: beside the defaults, as `fsync=off`.
    """

    def __init__(self, *settings: str) -> None:
        self._directory = Path(tempfile.mkdtemp(prefix="pricewire-postgres-"))
        data = self._directory / "data"
        if os.geteuid() == 0:
            # The server refuses to run as root.
            shutil.chown(self._directory, "postgres")
        self._run("initdb", "--auth=trust", "--username=pricewire", "--encoding=UTF8", "--no-sync", f"--pgdata={data}")
        self._options = " ".join(f"-c {each}" for each in ("listen_addresses=", f"unix_socket_directories={self._directory}", *settings))
        self._control("start")

    def stop(self) -> None:
        """Stop the server and remove its data."""
        self._run("pg_ctl", "stop", "--wait", "--silent", "--mode=immediate", f"--pgdata={self._directory}/data")
        shutil.rmtree(self._directory)

    def crash(self) -> None:
        """End the server as a crash does, and start it again; what was committed is there."""
        self._control("restart", "--mode=immediate")

    def address(self, database: str) -> str:
        """Return the address of a database of the server."""
        return f"postgresql://pricewire@/{database}?host={self._directory}"

    def _control(self, act: str, *arguments: str) -> None:
        log, options = f"--log={self._directory}/log", f"--options={self._options}"
        self._run("pg_ctl", act, "--wait", "--silent", f"--pgdata={self._directory}/data", log, options, *arguments)

    def _run(self, program: str, *arguments: str) -> None:
        command = [str(binaries() / program), *arguments]
        if os.geteuid() == 0:
            command = ["runuser", "-u", "postgres", "--", *command]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL, cwd=self._directory)
