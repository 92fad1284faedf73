"""The type of the fixture that installs packages by npm."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

Npm = Callable[[Mapping[str, str]], Path]
"""Installs packages, each of a version, with their dependencies and without their scripts; returns the folder."""
