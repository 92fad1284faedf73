"""The pages: they build without a warning, name what there is, and link to what exists."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import zlib
from collections.abc import Iterator
from pathlib import Path

import httpx2
import pytest
from prometheus_client.parser import text_string_to_metric_families

import pricewire
from support.doc_blocks import FENCE, PAGES, ROOT
from support.serving import Serving

LINK = re.compile(r"!?\[[^]]*\]\(([^)\s]+)\)|(?:src|srcset|href)=\"([^\"]+)\"")
HEADING = re.compile(r"^#+ (.+)$", re.MULTILINE)
FOREIGN = re.compile(
    r"<(?:script|img|source|iframe)\b[^>]*\bsrc(?:set)?=\"?(?:https?:)?//|<link\b[^>]*\bhref=\"?(?:https?:)?//", re.IGNORECASE
)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The documentation, built with warnings as errors."""
    site = tmp_path_factory.mktemp("site")
    command = [str(Path(sys.executable).with_name("mkdocs")), "build", "--strict", "--site-dir", str(site)]
    result = subprocess.run(command, cwd=ROOT, env={**os.environ, "NO_MKDOCS_2_WARNING": "1"}, capture_output=True, text=True)
    assert result.returncode == 0, result.stderr
    return site


def test_the_pages_load_nothing_from_elsewhere(site: Path) -> None:
    pages = list(site.rglob("*.html"))
    assert len(pages) > 15
    for page in pages:
        assert FOREIGN.search(page.read_text()) is None, page
    for style in site.rglob("*.css"):
        assert re.search(r"(url\(|@import)\s*[\"']?(https?:)?//", style.read_text()) is None, style


@pytest.mark.parametrize("name", pricewire.__all__)
def test_every_public_name_is_in_the_reference(site: Path, name: str) -> None:
    inventory = (site / "objects.inv").read_bytes().split(b"\n", 4)[4]
    names = {line.split()[0] for line in zlib.decompress(inventory).decode().splitlines()}
    item = getattr(pricewire, name)
    assert f"pricewire.{name}" in names or f"{item.__module__}.{name}" in names


def test_every_endpoint_is_described(served: Serving) -> None:
    described = (ROOT / "docs/http.md").read_text()
    schema = httpx2.get(f"{served.url}/schema").json()
    missing = [path for path in [*schema["paths"], "/schema"] if path not in described]
    assert not missing
    for path, methods in schema["paths"].items():
        for parameter in [each for method in methods.values() for each in method.get("parameters", [])]:
            assert f"`{parameter['name']}`" in described, f"{path}: {parameter['name']}"


def test_every_metric_is_described(served: Serving) -> None:
    described = (ROOT / "docs/operations.md").read_text()
    families = [each.name for each in text_string_to_metric_families(httpx2.get(f"{served.url}/metrics").text)]
    metrics = [name for name in families if name.startswith("pricewire_") and not name.endswith("_created")]
    assert len(metrics) > 5
    assert [name for name in metrics if not re.search(rf"`{name}(_total)?[`{{]", described)] == []


def links(page: Path) -> Iterator[str]:
    """Yield where a page links to in this repository."""
    for match in LINK.finditer(FENCE.sub("", page.read_text())):
        target = match[1] or match[2]
        if re.match(r"[a-z]+:", target) is None:
            yield target


def slug(heading: str) -> str:
    """Return the anchor of a heading."""
    return re.sub(r"[\s-]+", "-", re.sub(r"[^\w\s-]", "", heading).strip().lower())


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links(page: Path) -> None:
    for link in links(page):
        path, _, anchor = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        assert target.exists(), f"{page.name} links to {link}"
        if anchor and target.suffix == ".md":
            anchors = {slug(heading) for heading in HEADING.findall(FENCE.sub("", target.read_text()))}
            # Headings with the same text are counted, as in `#token_1`; MkDocs itself checks the numbers.
            assert re.sub(r"_\d+$", "", anchor) in anchors, f"{page.name} links to {link}; there are {sorted(anchors)}"


def test_images_are_small() -> None:
    for image in (ROOT / "docs/images").glob("*.png"):
        assert image.stat().st_size <= 300 * 1024, image
