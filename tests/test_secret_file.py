from __future__ import annotations

import stat
import subprocess
import sys
from pathlib import Path

import pytest

from pricewire.errors import PricewireError
from pricewire.secret_file import read_secret_file


def test_it_is_written_once_for_its_owner_alone(tmp_path: Path) -> None:
    path = tmp_path / "data" / "key"
    assert read_secret_file(path, lambda: b"one") == b"one"
    assert read_secret_file(path, lambda: b"two") == b"one"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    assert list(path.parent.iterdir()) == [path], "no draft is left"


def test_processes_that_start_together_have_one(tmp_path: Path) -> None:
    code = (
        "import secrets, sys; from pathlib import Path; from pricewire.secret_file import read_secret_file;"
        "print(read_secret_file(Path(sys.argv[1]) / 'key', lambda: secrets.token_bytes(32)))"
    )
    processes = [subprocess.Popen([sys.executable, "-c", code, str(tmp_path)], stdout=subprocess.PIPE, text=True) for _ in range(3)]
    assert len({process.communicate(timeout=120)[0] for process in processes}) == 1
    assert all(process.returncode == 0 for process in processes)


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o622])
def test_one_that_others_may_use_is_refused(tmp_path: Path, mode: int) -> None:
    path = tmp_path / "key"
    path.write_bytes(b"one")
    path.chmod(mode)
    with pytest.raises(PricewireError, match="may be read by others than its owner: chmod 600 it"):
        read_secret_file(path, lambda: b"two")


def test_what_the_system_refuses_is_told(tmp_path: Path) -> None:
    (tmp_path / "key").mkdir(mode=0o700)
    with pytest.raises(PricewireError, match="key: Is a directory"):
        read_secret_file(tmp_path / "key", lambda: b"")
    (tmp_path / "file").touch()
    with pytest.raises(PricewireError, match="file"):
        read_secret_file(tmp_path / "file" / "key", lambda: b"")
