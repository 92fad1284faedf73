"""The keys that this server signs with."""

from __future__ import annotations

import stat
import subprocess
import sys
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, generate_private_key

from pricewire.errors import InvalidTokenError, PricewireError
from pricewire.server.auth.keys import KEY_FILE, local_key, shared_secret
from pricewire.server.auth.tokens import Tokens


async def test_the_local_key_is_made_once_and_for_its_owner_alone(tmp_path: Path) -> None:
    directory = tmp_path / "data"
    token = Tokens(local_key(directory)).issue("a")
    assert stat.S_IMODE((directory / KEY_FILE).stat().st_mode) == 0o600
    assert stat.S_IMODE(directory.stat().st_mode) == 0o700
    assert [path.name for path in directory.iterdir()] == [KEY_FILE], "no draft is left"
    assert (await Tokens(local_key(directory)).check(token)).account == "a"
    with pytest.raises(InvalidTokenError, match="does not know"):
        await Tokens(local_key(tmp_path / "other")).check(token)


def test_processes_that_start_together_have_one_key(tmp_path: Path) -> None:
    code = "import sys; from pathlib import Path; from pricewire.server.auth.keys import *; local_key(Path(sys.argv[1]))"
    command = [sys.executable, "-c", code + "; print((Path(sys.argv[1]) / KEY_FILE).read_text())", str(tmp_path)]
    processes = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    assert len({process.communicate(timeout=120)[0] for process in processes}) == 1
    assert all(process.returncode == 0 for process in processes)


def test_a_key_that_others_may_read_is_refused(tmp_path: Path) -> None:
    local_key(tmp_path)
    (tmp_path / KEY_FILE).chmod(0o640)
    with pytest.raises(PricewireError, match="chmod 600"):
        local_key(tmp_path)


@pytest.mark.parametrize("kind", ["text", "other key", "directory"])
def test_a_file_that_holds_no_key_is_refused(tmp_path: Path, kind: str) -> None:
    path = tmp_path / KEY_FILE
    if kind == "directory":
        path.mkdir(mode=0o700)
    else:
        path.touch(mode=0o600)
        other = generate_private_key(SECP256R1()).private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        path.write_bytes(b"not a key" if kind == "text" else other)
    with pytest.raises(PricewireError, match=KEY_FILE):
        local_key(tmp_path)


async def test_a_shared_secret_signs_and_checks() -> None:
    token = Tokens(shared_secret(b"s" * 32)).issue("a")
    assert (await Tokens(shared_secret(b"s" * 32)).check(token)).account == "a"
    with pytest.raises(InvalidTokenError, match="signature"):
        await Tokens(shared_secret(b"t" * 32)).check(token)
    with pytest.raises(PricewireError, match="31 bytes is too short"):
        shared_secret(b"s" * 31)


def test_no_text_of_a_key_shows_it(tmp_path: Path) -> None:
    assert "ssss" not in repr(shared_secret(b"s" * 32))
    assert repr(local_key(tmp_path)) == "SigningKey(for EdDSA)"
