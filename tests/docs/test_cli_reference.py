"""The reference of the command line is that of the commands there are."""

from __future__ import annotations

import subprocess
import sys

from support.doc_blocks import ROOT


def test_the_reference_is_that_of_the_commands() -> None:
    # In a process of its own: what other tests have set, such as the width of the terminal, is not to matter.
    code = "import runpy, sys; sys.stdout.write(runpy.run_path('docs/cli_reference.py')['reference']())"
    made = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    assert (ROOT / "docs/cli.md").read_text() == made, "python docs/cli_reference.py writes it anew"
