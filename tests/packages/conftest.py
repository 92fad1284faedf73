"""The packages that are tried, and folders with what npm brings."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from support.doc_blocks import ROOT
from support.npm import Npm

TOOLS = Path(sys.executable).parent


@pytest.fixture(scope="session")
def wheel(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel: that of `--packages`, or one built from here."""
    folder = request.config.getoption("--packages")
    if folder is None:
        folder = tmp_path_factory.mktemp("wheel")
        # What builds it is installed here: an index is not needed.
        options = ["--quiet", "--wheel", "--no-build-isolation", "--python", sys.executable, "--out-dir", str(folder)]
        subprocess.run([str(TOOLS / "uv"), "build", *options], cwd=ROOT, check=True)
    (found,) = Path(folder).glob("*.whl")
    return found


@pytest.fixture(scope="session")
def tarball(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The browser package: that of `--packages`, or one packed from what `npm run build:lib` has built."""
    folder = request.config.getoption("--packages")
    if folder is None:
        folder = tmp_path_factory.mktemp("tarball")
        command = ["npm", "pack", "--ignore-scripts", "--silent", "--pack-destination", str(folder)]
        subprocess.run(command, cwd=ROOT / "web", check=True, capture_output=True)
    (found,) = Path(folder).glob("pricewire-*.tgz")
    return found


@pytest.fixture(scope="module")
def npm(tmp_path_factory: pytest.TempPathFactory) -> Npm:
    """Install into a folder of its own, or skip the test where no registry answers."""

    def install(packages: Mapping[str, str]) -> Path:
        folder = tmp_path_factory.mktemp("project")
        (folder / "package.json").write_text(json.dumps({"private": True, "dependencies": dict(packages)}))
        options = ["--ignore-scripts", "--no-audit", "--no-fund", "--prefer-offline", "--loglevel=error"]
        result = subprocess.run(["npm", "install", *options], cwd=folder, capture_output=True, text=True, check=False)
        if result.returncode != 0 and subprocess.run(["npm", "ping"], cwd=folder, capture_output=True, check=False).returncode != 0:
            pytest.skip("no npm registry answers")
        assert result.returncode == 0, result.stderr
        return folder

    return install
