"""The TypeScript in the documentation: compiled, bundled with the npm package, and run in Chromium against a real server."""

from __future__ import annotations

import functools
import json
import os
import re
import subprocess
import threading
from collections.abc import Iterator
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, sync_playwright

from pricewire.market.feeds.simulated.feed import SimulatedFeed
from pricewire.server.app import create_app
from pricewire.server.services import TradingSetup
from support.app_server import KEY, RULES
from support.doc_blocks import ROOT, SERVER, Block, blocks
from support.serving import Serving

WEB = ROOT / "web"
CHROMIUM = os.environ.get("CHROMIUM", "/usr/bin/chromium")

ELSEWHERE = {"nextjs", "react-native", "svelte", "vue"}
"""Pages whose code needs more than the browser package and React; `tests/packages/test_frameworks.py` runs it."""

REFERENCE = ROOT / "docs/reference/browser"
"""Where the examples are those of the sources, and parts of programs."""

BLOCKS = [block for block in blocks("ts", "tsx") if block.page.stem not in ELSEWHERE and block.page.parent != REFERENCE]

RENDER = """
import { createRoot } from 'react-dom/client'
import * as example from './%s'

const Component = Object.values(example).find((value) => typeof value === 'function') as () => React.ReactNode
createRoot(document.getElementById('root') as HTMLElement).render(<Component />)
"""

QUOTE = re.compile(r"\d{2,}(\.\d+)? / \d{2,}(\.\d+)?")
"""Bid and ask, as every component of the documentation shows them."""


def name_of(block: Block) -> str:
    """Return the name of a block's module, without an ending."""
    return f"{block.page.stem.lower()}-{block.line}"


@pytest.fixture(scope="module")
def sources(served: Serving, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with all blocks as modules, and the packages that they import."""
    for needed in (WEB / "node_modules/.bin/tsc", WEB / "dist/pricewire.js", WEB / "dist/react.js"):
        if not needed.exists():
            pytest.fail(f"{needed.relative_to(ROOT)} is missing: run the tests by `make test`, which builds it")
    folder = tmp_path_factory.mktemp("web")
    packages = folder / "node_modules"
    packages.mkdir()
    (packages / "pricewire").symlink_to(WEB)
    for name in ("@types", "react", "react-dom", "scheduler", "csstype"):
        (packages / name).symlink_to(WEB / "node_modules" / name)
    entries = {}
    for block in BLOCKS:
        name = name_of(block)
        (folder / f"{name}.{block.language}").write_text(block.code.replace(SERVER, served.url))
        entries[name] = f"{name}.ts"
        if block.language == "tsx":
            (folder / f"{name}.entry.tsx").write_text(RENDER % name)
            entries[name] = f"{name}.entry.tsx"
    compiler = {"extends": str(WEB / "tsconfig.json"), "compilerOptions": {"types": []}, "include": ["*.ts", "*.tsx"]}
    (folder / "tsconfig.json").write_text(json.dumps(compiler))
    output = {"entryFileNames": "[name].js"}
    build = {"outDir": "out", "minify": False, "rolldownOptions": {"input": entries, "output": output}}
    (folder / "vite.config.mjs").write_text(f"export default {json.dumps({'base': './', 'logLevel': 'warn', 'build': build})}")
    return folder


def run(tool: str, *arguments: str, folder: Path) -> None:
    result = subprocess.run([WEB / "node_modules/.bin" / tool, *arguments], cwd=folder, capture_output=True, text=True)
    assert result.returncode == 0, result.stdout + result.stderr


def test_it_compiles(sources: Path) -> None:
    run("tsc", "--project", ".", "--pretty", "false", folder=sources)


def test_the_types_are_those_of_the_servers_schema(tmp_path: Path) -> None:
    """Where it fails: `curl -s http://127.0.0.1:8080/schema | npm --prefix web run schema`, with `pricewire serve` running."""
    app = create_app([SimulatedFeed(seed=1)], trading=TradingSetup(tmp_path / "never-opened.sqlite", tmp_path / "never-opened", KEY, RULES))
    schema = json.dumps(app.openapi_schema.to_schema(), default=str)
    made = tmp_path / "schema.ts"
    subprocess.run(["node", WEB / "schema.mjs", made], input=schema, text=True, check=True)
    subprocess.run([WEB / "node_modules/.bin/biome", "format", "--write", "--config-path", WEB, made], check=True, capture_output=True)
    assert (WEB / "src/schema.ts").read_text() == made.read_text()


class Quiet(SimpleHTTPRequestHandler):
    """Serves files, and keeps silent about it."""

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


@pytest.fixture(scope="module")
def developer(sources: Path) -> Iterator[str]:
    """The address of a page under development, of another origin than the server's: `/<name>.html` runs the bundle of a block."""
    run("vite", "build", folder=sources)
    for block in BLOCKS:
        script = f"<script type=module src=./{name_of(block)}.js></script>"
        (sources / "out" / f"{name_of(block)}.html").write_text(f"<!doctype html><link rel=icon href=data:,><div id=root></div>{script}")
    with ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Quiet, directory=str(sources / "out"))) as files:
        thread = threading.Thread(target=files.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{files.server_port}"
        files.shutdown()
        thread.join()


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    if not Path(CHROMIUM).exists():
        pytest.skip(f"there is no {CHROMIUM}; install Debian's chromium, or name another one by CHROMIUM")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu"])
        yield browser
        browser.close()


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    """A page on which no error may go uncaught."""
    context = browser.new_context()
    context.set_default_timeout(20_000)
    page = context.new_page()
    failures: list[str] = []
    page.on("pageerror", lambda error: failures.append(str(error)))
    yield page
    context.close()
    assert failures == []


@pytest.mark.parametrize("block", [block for block in BLOCKS if block.language == "tsx"], ids=str)
def test_a_component_shows_prices(block: Block, developer: str, page: Page) -> None:
    page.goto(f"{developer}/{name_of(block)}.html")
    page.wait_for_function("pattern => document.body.innerText.match(pattern)", arg=QUOTE.pattern)
    before = page.inner_text("body")
    page.wait_for_function("before => document.body.innerText !== before", arg=before)


@pytest.mark.parametrize("block", [block for block in BLOCKS if block.language == "ts" and "console.log" in block.code], ids=str)
def test_a_script_logs_prices(block: Block, developer: str, page: Page) -> None:
    with page.expect_console_message(lambda message: message.type == "log" and re.search(r"\d{2,}\.\d", message.text) is not None):
        page.goto(f"{developer}/{name_of(block)}.html")
