"""Writes `reference/browser`, the reference of the browser package, by TypeDoc: `.venv/bin/python docs/browser_reference.py`."""

from __future__ import annotations

import json
import re
import subprocess
import tempfile
from pathlib import Path

PAGES = Path(__file__).with_name("reference") / "browser"
WEB = Path(__file__).parents[1] / "web"

TOOLS = {"typedoc": "0.28.20", "typedoc-plugin-markdown": "4.14.1", "typescript": "5.9.3", "@types/react": "19.3.0"}
"""What is needed of npm. TypeDoc asks the compiler, and that of the package itself has no interface for this."""

ENTRIES = ("pricewire", "react", "react_native")

OPTIONS = {
    "plugin": ["typedoc-plugin-markdown"],
    "readme": "none",
    "name": "pricewire",
    "router": "module",
    "disableSources": True,
    "excludeExternals": True,
    "excludeInternal": True,
    "excludePrivate": True,
    "hideBreadcrumbs": True,
    "hidePageHeader": True,
    "skipErrorChecking": True,
    "logLevel": "Warn",
}


def reference(tools: Path) -> dict[str, str]:
    """
    Return the pages, by the names of their files.

    Args:
        tools: a folder where `TOOLS` are installed.
    """
    sources = tools / "src"
    sources.mkdir(exist_ok=True)
    for source in (WEB / "src").iterdir():
        (sources / source.name).write_text(source.read_text())
    compiler = json.loads((WEB / "tsconfig.json").read_text())["compilerOptions"]
    (tools / "tsconfig.json").write_text(json.dumps({"compilerOptions": {**compiler, "types": []}, "include": ["src"]}))
    entries = [f"src/{name}.ts" for name in ENTRIES]
    (tools / "typedoc.json").write_text(json.dumps({**OPTIONS, "entryPoints": entries, "out": "out"}))
    subprocess.run(["node", "node_modules/typedoc/bin/typedoc"], cwd=tools, check=True)
    pages = {f"{name}.md": (tools / "out" / f"{name}.md").read_text() for name in ENTRIES}
    # Of headings with the same text MkDocs counts the anchors as `name_1`, not `name-1`.
    return {page: re.sub(r"(\]\([\w.]*#[\w-]+?)-(\d+)\)", r"\1_\2)", text) for page, text in pages.items()}


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        packages = [f"{name}@{version}" for name, version in TOOLS.items()]
        subprocess.run(["npm", "install", "--ignore-scripts", "--no-audit", "--no-fund", "--prefix", folder, *packages], check=True)
        PAGES.mkdir(parents=True, exist_ok=True)
        for page, text in reference(Path(folder)).items():
            (PAGES / page).write_text(text)
