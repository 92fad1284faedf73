"""Build hook: brings the trading page along in the wheel, built from `web/` where it is not built yet."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface


class PageBuildHook(BuildHookInterface):  # type: ignore[type-arg]
    """Builds the page before a wheel is packed; an editable install serves what `make` builds."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Build the page, unless it is there; where npm is missing, the wheel has none, and the server says so."""
        root = Path(self.root)
        if version == "editable" or (root / "src/pricewire/server/page/index.html").exists():
            return
        npm = shutil.which("npm")
        if npm is None:
            self.app.display_warning("the wheel is built without the trading page, since npm is not on the PATH: install Node 20 or newer")
            return
        # A clone in which somebody works may have more installed, which `npm ci` would remove.
        if not (root / "web/node_modules/.bin/vite").exists():
            subprocess.run([npm, "ci", "--omit=dev", "--no-audit", "--no-fund"], cwd=root / "web", check=True)  # noqa: S603 - fixed
        subprocess.run([npm, "run", "build:page"], cwd=root / "web", check=True)  # noqa: S603 - fixed arguments
