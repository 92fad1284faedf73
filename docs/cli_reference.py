"""Writes `cli.md`, the reference of the command line, from the commands themselves: `.venv/bin/python docs/cli_reference.py`."""

from __future__ import annotations

import re
from pathlib import Path

from pricewire.cli.main import app

PAGE = Path(__file__).with_name("cli.md")


def reference() -> str:
    """Return the page."""
    text = app.generate_docs(output_format="markdown")
    # The page's own list of headings stands beside it, and each command has the option --config.
    text = re.sub(r"^## Table of Contents\n.*?(?=^\*\*Commands\*\*)", "", text, flags=re.MULTILINE | re.DOTALL)
    return text.replace("```console", "```text").rstrip() + "\n"


if __name__ == "__main__":
    PAGE.write_text(reference())
