"""The browser package in fresh projects, from its tarball: what the documentation shows for each framework is built, and shows prices."""

from __future__ import annotations

import functools
import json
import os
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from playwright.sync_api import Browser, sync_playwright

from pricewire.market.feeds.simulated.feed import SimulatedFeed
from pricewire.server.app import create_app
from support.doc_blocks import ROOT, SERVER, Block, Program, read
from support.engines import PATIENCE, find
from support.npm import Npm
from support.serving import Serving

QUOTE = r"\d{2,}(\.\d+)? / \d{2,}(\.\d+)?"
"""Bid and ask, as every example shows them."""

VITE = {
    "@sveltejs/vite-plugin-svelte": "7.3.1",
    "@vitejs/plugin-vue": "6.0.11",
    "react": "19.3.1",
    "react-dom": "19.3.1",
    "react-native-web": "0.21.4",
    "svelte": "5.57.3",
    "vite": "8.3.8",
    "vue": "3.5.45",
}

NEXT = {
    "@types/node": "20.19.43",
    "@types/react": "19.3.0",
    "next": "16.4.6",
    "react": "19.3.1",
    "react-dom": "19.3.1",
    "typescript": "5.9.3",
}

RENDER = """
import { createRoot } from 'react-dom/client'
import * as example from './%s'

const Component = Object.values(example)[0]
createRoot(document.getElementById('root')).render(<Component />)
"""

MOUNT_VUE = """
import { createApp } from 'vue'
import App from './App.vue'

createApp(App).mount('#root')
"""

MOUNT_SVELTE = """
import { mount } from 'svelte'
import App from './App.svelte'

mount(App, { target: document.getElementById('root') })
"""

CONFIG = """
import { svelte } from '@sveltejs/vite-plugin-svelte'
import vue from '@vitejs/plugin-vue'

export default {
  base: './',
  logLevel: 'warn',
  plugins: [svelte(), vue()],
  // In a browser React Native is `react-native-web`, and `expo/fetch` the browser's own.
  resolve: { alias: { 'react-native': 'react-native-web', 'expo/fetch': '/expo_fetch.js' } },
  build: { rolldownOptions: { input: %s } },
}
"""

LAYOUT = """
export default function Layout({ children }: { children: React.ReactNode }) {
  return <html lang="en"><body>{children}</body></html>
}
"""


@pytest.fixture(scope="module")
def server() -> Iterator[Serving]:
    with Serving(create_app([SimulatedFeed(seed=1, rate=20)], heartbeat=1.0)) as serving:
        yield serving


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=find("chromium"), args=["--no-sandbox", "--disable-gpu"])
        yield browser
        browser.close()


def examples(page: str, *languages: str) -> list[Block]:
    """Return the blocks of a page in these languages."""
    found = [block for block in read(ROOT / page) if block.language in languages]
    assert found, page
    return found


def write(folder: Path, name: str, code: str, server: Serving) -> None:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(code.replace(SERVER, server.url))


@pytest.fixture(scope="module")
def site(npm: Npm, tarball: Path, server: Serving) -> Iterator[str]:
    """The address of the files that Vite makes of all examples, each a page of its own."""
    folder = npm({**VITE, "pricewire": f"file:{tarball}"})
    entries = {}

    def add(name: str, files: dict[str, str], main: str) -> None:
        for file, code in {**files, "main.jsx": main}.items():
            write(folder / name, file, code, server)
        (folder / f"{name}.html").write_text(f'<!doctype html><div id="root"></div><script type="module" src="/{name}/main.jsx"></script>')
        entries[name] = f"{name}.html"

    (readme,) = examples("README.md", "tsx")
    native, expo = examples("docs/react-native.md", "tsx")
    for name, block in (("readme", readme), ("native", native), ("expo", expo)):
        add(name, {"example.tsx": block.code}, RENDER % "example")
    add("vue", {str(block.title): block.code for block in examples("docs/vue.md", "ts", "vue")}, MOUNT_VUE)
    add("svelte", {str(block.title): block.code for block in examples("docs/svelte.md", "ts", "svelte")}, MOUNT_SVELTE)
    (folder / "expo_fetch.js").write_text("export const fetch = (...request) => globalThis.fetch(...request)\n")
    (folder / "vite.config.mjs").write_text(CONFIG % json.dumps(entries))
    run(folder, "vite", "build")
    # What needs no bundler.
    package = folder / "node_modules/pricewire/dist"
    for file in package.glob("*.js"):
        (folder / "dist" / file.name).write_text(file.read_text())
    for block in examples("docs/script-tag.md", "html"):
        write(folder / "dist", str(block.title), block.code, server)
    with files_of(folder / "dist") as url:
        yield url


def run(folder: Path, tool: str, *arguments: str) -> None:
    environment = {**os.environ, "NEXT_TELEMETRY_DISABLED": "1"}
    command = [str(folder / "node_modules/.bin" / tool), *arguments]
    result = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stdout + result.stderr


class Quiet(SimpleHTTPRequestHandler):
    """Serves files, and keeps silent about it."""

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


@contextmanager
def files_of(folder: Path) -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Quiet, directory=str(folder))) as files:
        thread = threading.Thread(target=files.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{files.server_port}"
        files.shutdown()
        thread.join()


def assert_it_shows_prices(browser: Browser, url: str) -> None:
    """Open a page, and wait until it shows a quote, and then another one; no error may go uncaught."""
    failures: list[str] = []
    page = browser.new_page()
    page.set_default_timeout(PATIENCE * 1000)
    page.on("pageerror", lambda error: failures.append(str(error)))
    page.goto(url)
    page.wait_for_function("pattern => document.body.innerText.match(pattern)", arg=QUOTE)
    before = page.inner_text("body")
    page.wait_for_function("before => document.body.innerText !== before", arg=before)
    page.close()
    assert failures == []


@pytest.mark.parametrize("name", ["readme", "native", "expo", "vue", "svelte", "prices", "modules"])
def test_the_example_shows_prices(name: str, site: str, browser: Browser) -> None:
    assert_it_shows_prices(browser, f"{site}/{name}.html")


def test_a_fresh_project_of_next_js_shows_prices(
    request: pytest.FixtureRequest, npm: Npm, tarball: Path, server: Serving, browser: Browser
) -> None:
    if request.config.getoption("--packages") is None:
        pytest.skip("Next.js takes a minute and 400 MB: `make dist` tries it")
    folder = npm({**NEXT, "pricewire": f"file:{tarball}"})
    write(folder, "app/layout.tsx", LAYOUT, server)
    (readme,) = examples("README.md", "tsx")
    write(folder, "app/readme/example.tsx", f"'use client'\n{readme.code}", server)
    write(folder, "app/readme/page.tsx", "import { Price } from './example'\n\nexport default () => <Price />\n", server)
    for block in examples("docs/nextjs.md", "tsx"):
        write(folder, str(block.title), block.code, server)
    run(folder, "next", "build")
    with Program([folder / "node_modules/.bin/next", "start", "--port", "0"], folder) as program:
        url = program.wait_for(r"http://localhost:\d+")[0]
        for path in ("/", "/readme"):
            assert_it_shows_prices(browser, url + path)
