"""Build hook: compiles what is in C where that is possible, and brings the trading page along in the wheel, built where it is not yet."""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
import sysconfig
import tempfile
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface
from setuptools import Distribution, Extension

MODULE = "pricewire._native.core"

SOURCES = "src/pricewire/_native/*.c"


class BuildHook(BuildHookInterface):  # type: ignore[type-arg]
    """
    Compiles, and builds the page, before a wheel is packed; an editable install compiles in place, and serves the page that `make` builds.

    `PRICEWIRE_NATIVE=0` has nothing compiled, and `PRICEWIRE_NATIVE=1` has the build fail where that is not possible; otherwise the package
    is then one of Python alone, which does the same more slowly.
    """

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Compile, and build the page."""
        root = Path(self.root)
        compiled = self._compile(root)
        if version == "editable":
            return
        if compiled is not None:
            build_data["pure_python"] = False
            build_data["tag"] = f"cp311-abi3-{sysconfig.get_platform().replace('-', '_').replace('.', '_')}"
            build_data["force_include"][str(compiled)] = str(compiled.relative_to(root / "src"))
        self._build_page(root)

    def _compile(self, root: Path) -> Path | None:
        """Return what was compiled; None where nothing was."""
        choice = os.environ.get("PRICEWIRE_NATIVE")
        if choice == "0":
            return None
        try:
            return compile_in_place(root)
        except BaseException as error:
            # setuptools has errors of many kinds, and ends the process for some.
            if choice == "1" or isinstance(error, KeyboardInterrupt):
                raise
            self.app.display_warning(f"built without the compiled code, as a C compiler or Python's headers are missing: {error}")
            return None

    def _build_page(self, root: Path) -> None:
        """Build the page, unless it is there; where npm is missing, the wheel has none, and the server says so."""
        if (root / "src/pricewire/server/page/index.html").exists():
            return
        npm = shutil.which("npm")
        if npm is None:
            self.app.display_warning("the wheel is built without the trading page, since npm is not on the PATH: install Node 20 or newer")
            return
        # A clone in which somebody works may have more installed, which `npm ci` would remove.
        if not (root / "web/node_modules/.bin/vite").exists():
            subprocess.run([npm, "ci", "--omit=dev", "--no-audit", "--no-fund"], cwd=root / "web", check=True)  # noqa: S603 - fixed
        subprocess.run([npm, "run", "build:page"], cwd=root / "web", check=True)  # noqa: S603 - fixed arguments


def compile_in_place(root: Path) -> Path:
    """
    Compile what is in C, for this Python and all later ones, into the sources' folder; return the file.

    Raises:
        Exception: it is not possible here.
    """
    if platform.python_implementation() != "CPython" or sysconfig.get_config_var("Py_GIL_DISABLED"):
        raise RuntimeError("there is no stable ABI for this Python")
    options = [] if os.name == "nt" else ["-std=c11", "-O2", "-g0"]
    sources = sorted(str(path) for path in root.glob(SOURCES))
    extension = Extension(MODULE, sources, py_limited_api=True, extra_compile_args=options)
    command = Distribution({"name": "pricewire", "ext_modules": [extension]}).get_command_obj("build_ext")
    with tempfile.TemporaryDirectory() as objects:
        # Always anew: what another machine or another Python made may lie there, and not fit.
        command.force = True
        command.build_lib = str(root / "src")
        command.build_temp = objects
        command.ensure_finalized()
        command.run()
        return Path(command.get_ext_fullpath(MODULE))
