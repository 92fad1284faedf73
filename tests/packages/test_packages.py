"""The packages as they are published: what is in them, and that they work where nothing else is installed."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import tarfile
import zipfile
from collections.abc import Mapping
from pathlib import Path

import pytest

from support.doc_blocks import PATH, ROOT, Block, Program, read

TOOLS = Path(sys.executable).parent
INSTALL_PAGE = list(read(ROOT / "docs/install.md"))
SERVER = "http://127.0.0.1:8080"


class Environment:
    """An environment of Python with nothing in it."""

    def __init__(self, folder: Path, python: str) -> None:
        self.folder = folder
        self.python = folder / "bin/python"
        subprocess.run([str(TOOLS / "uv"), "venv", "--quiet", "--python", python, str(folder)], check=True)

    def install(self, *what: str) -> None:
        """Install from the index, or skip the test where none answers."""
        result = self._pip("install", *what)
        if result.returncode != 0 and self._pip("install", "--dry-run", "--refresh-package", "msgspec", "msgspec").returncode != 0:
            pytest.skip("no package index answers")
        assert result.returncode == 0, result.stderr

    def _pip(self, command: str, *arguments: str) -> subprocess.CompletedProcess[str]:
        # Lines that are compiled here would only be read once.
        options = ["--no-compile-bytecode"] if command == "install" else []
        line = [str(TOOLS / "uv"), "pip", command, "--python", str(self.python), *options, *arguments]
        return subprocess.run(line, capture_output=True, text=True, check=False)

    def run(self, *command: str, code: int = 0) -> str:
        """Run a program of the environment, and return what it printed."""
        program = [str(self.folder / "bin" / command[0]), *command[1:]]
        result = subprocess.run(program, capture_output=True, text=True, cwd=self.folder, timeout=300, check=False)
        assert result.returncode == code, result.stderr
        return f"{result.stdout}{result.stderr}"

    def packages(self) -> dict[str, str]:
        """Return the names and versions of what is installed."""
        listed = self._pip("list", "--format", "json").stdout
        return {each["name"]: each["version"] for each in json.loads(listed)}

    def size(self) -> int:
        """Return how much is installed, in bytes."""
        return sum(path.stat().st_size for path in (self.folder / "lib").rglob("*") if path.is_file() and "__pycache__" not in path.parts)


def interpreters() -> dict[str, str]:
    """Return where the versions of Python are that this machine has."""
    found = {f"3.{sys.version_info[1]}": sys.executable}
    for minor in range(11, 15):
        python = shutil.which(f"python3.{minor}")
        # The shims of pyenv are there for versions that are not chosen, too.
        places = [python, *(str(path) for path in Path.home().glob(f".pyenv/versions/3.{minor}.*/bin/python"))]
        for place in places:
            if place is not None and subprocess.run([place, "-c", ""], capture_output=True, check=False).returncode == 0:
                found.setdefault(f"3.{minor}", place)
    return found


PYTHONS = interpreters()


def test_the_wheel_holds_the_package_and_nothing_else(wheel: Path) -> None:
    names = [name for name in zipfile.ZipFile(wheel).namelist() if not re.match(r"pricewire-[^/]+\.dist-info/", name)]
    source = ROOT / "src"
    own = {str(path.relative_to(source)) for path in source.rglob("*") if path.is_file() and "__pycache__" not in path.parts}
    own = {name for name in own if Path(name).suffix not in (".c", ".h", ".so")}
    # Where there is a compiler, the name of the wheel says for which machines it is.
    assert wheel.stem.endswith("-none-any") or ("-cp311-abi3-" in wheel.name and "pricewire/_native/core.abi3.so" in names)
    assert set(names) - {"pricewire/_native/core.abi3.so"} == own
    assert {"pricewire/py.typed", "pricewire/__init__.pyi", "pricewire/store/migrations/versions/first.py"} <= own
    assert {Path(name).suffix for name in names if "/server/page/" not in name} - {".so"} == {".py", ".pyi", ".typed"}
    assert wheel.stat().st_size < 2_000_000


def test_the_browser_package_holds_what_is_published(tarball: Path) -> None:
    with tarfile.open(tarball) as archive:
        sizes = {member.name.removeprefix("package/"): member.size for member in archive.getmembers()}
    top = {name for name in sizes if "/" not in name}
    assert top == {"LICENSE", "README.md", "package.json"}
    assert {"dist/pricewire.js", "dist/react.js", "dist/pricewire.script.js", "dist/pricewire.d.ts", "dist/react.d.ts"} <= set(sizes)
    assert {"".join(Path(name).suffixes[-2:]) for name in sizes if name.startswith("dist/")} <= {
        ".js",
        ".d.ts",
        ".js.map",
        ".script.js",
        ".map",
    }
    assert tarball.stat().st_size < 300_000


@pytest.mark.parametrize("version", ["3.11", "3.12", "3.13", "3.14"])
def test_the_client_is_small_and_says_what_the_rest_needs(wheel: Path, tmp_path: Path, version: str) -> None:
    if version not in PYTHONS:
        pytest.skip(f"Python {version} is not installed")
    environment = Environment(tmp_path / "environment", PYTHONS[version])
    before = environment.size()
    environment.install(str(wheel))
    assert len(environment.packages()) <= 12
    assert environment.size() - before <= 15_000_000
    assert re.fullmatch(r"\d+\.\d+\.\d+\n", environment.run("pricewire", "--version"))
    said = environment.run("pricewire", "watch", "R_100", code=1)
    assert "the command line needs cyclopts, which is not installed: pip install 'pricewire[cli]'" in said
    program = """
import pricewire
hub = pricewire.Hub()
hub.publish("news", {"a": 1}, key="a")
pricewire.EventStream(hub, ["news"]), pricewire.connect("http://127.0.0.1:1"), pricewire.sync.connect
for use in (lambda: pricewire.run, lambda: __import__("pricewire.server.app"), lambda: __import__("pricewire.table")):
    try:
        use()
    except pricewire.MissingExtraError as error:
        print(error)
"""
    assert environment.run("python", "-c", program).splitlines() == [
        "pricewire.run needs uvicorn, which is not installed: pip install 'pricewire[server]'",
        "the server needs litestar, which is not installed: pip install 'pricewire[server]'",
        "pricewire.table needs pyarrow, which is not installed: pip install 'pricewire[arrow]'",
    ]


def test_every_extra_is_known_to_the_errors() -> None:
    code = """
import re, tomllib, pathlib
from pricewire.extras import EXTRAS
extras = tomllib.loads(pathlib.Path("pyproject.toml").read_text())["project"]["optional-dependencies"]
print(sorted(set(extras) - {"all", "dev", "fuzz"}) == sorted(EXTRAS))
"""
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout == "True\n"


def code_of(block: Block, wheel: Path, tarball: Path) -> str:
    """Return a block's code, with the packages that are tried in place of those of an index."""
    code = re.sub(r"pip install '?pricewire(\[[a-z,]+\])?'?", lambda match: f"pip install '{wheel}{match[1] or ''}'", block.code)
    return code.replace("npm install pricewire", f"npm install --no-audit --no-fund '{tarball}'")


def test_every_block_of_the_install_page_works_in_an_empty_environment(wheel: Path, tarball: Path, tmp_path: Path) -> None:
    environment = Environment(tmp_path / "environment", sys.executable)
    # Is there an index at all?
    environment.install("msgspec")
    pip = environment.folder / "bin/pip"
    pip.write_text(f'#!/bin/sh\nexec "{TOOLS}/uv" pip "$@" --python "{environment.python}" --no-compile-bytecode --quiet\n')
    pip.chmod(0o755)
    folder = tmp_path / "project"
    folder.mkdir()
    variables = {"PATH": f"{environment.folder}/bin:{os.environ['PATH']}", "PRICEWIRE_PORT": "0"}
    server: Program | None = None
    url = ""
    assert [block.language for block in INSTALL_PAGE[:2]] == ["sh", "sh"]
    assert [block.code for block in INSTALL_PAGE[:2]] == ["pip install pricewire\n", "npm install pricewire\n"]
    try:
        for block in INSTALL_PAGE:
            code = code_of(block, wheel, tarball)
            if block.language == "text":
                continue
            if block.language == "html":
                code = script_of(block, folder).replace(SERVER, url)
                with Program(["node", "-e", code], folder, variables) as program:
                    assert float(next(program.lines())) > 0
            elif block.language == "python":
                assert run([str(environment.python), "-c", code], folder, variables)
            elif code == "pricewire serve\n":
                server = Program(["sh", "-c", f"exec {code}"], folder, variables)
                server.__enter__()
                url = server.wait_for(r"Serving on (http://\S+)")[1]
            else:
                run(["sh", "-e", "-c", code], folder, {**variables, "PRICEWIRE_URL": url} if url else variables)
    finally:
        if server is not None:
            server.__exit__(None, None, None)


def script_of(block: Block, folder: Path) -> str:
    """Return the scripts of a page as one program; what a tag loads is looked for in the package."""
    program = ""
    for source, inline in re.findall(r"<script(?: src=\"([^\"]+)\")?>(.*?)</script>", block.code, re.DOTALL):
        program += (folder / "node_modules/pricewire/dist" / source).read_text() if source else inline
    return program


def run(command: list[str], folder: Path, variables: Mapping[str, str]) -> str:
    result = subprocess.run(
        command, cwd=folder, env={**os.environ, "PATH": PATH, **variables}, capture_output=True, text=True, timeout=600, check=False
    )
    assert result.returncode == 0, f"{command}: {result.stderr}"
    return result.stdout
