"""The reference of the browser package is that of its sources."""

from __future__ import annotations

import runpy

from support.doc_blocks import ROOT
from support.npm import Npm


def test_the_reference_is_that_of_the_sources(npm: Npm) -> None:
    script = runpy.run_path(str(ROOT / "docs/browser_reference.py"))
    for page, text in script["reference"](npm(script["TOOLS"])).items():
        assert (ROOT / "docs/reference/browser" / page).read_text() == text, "python docs/browser_reference.py writes it anew"
