"""Helpers that tests import: ``from tests.support import require_program``."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

CI = os.environ.get("CI", "").lower() == "true"


def require_program(name: str, hint: str = "") -> str:
    """Return the path of an outside program that the test runs.

    Without it the test is skipped, but fails where ``CI=true``: nobody reads skips there.

    Args:
        name: The program, as it is found on ``PATH``.
        hint: What to install; by default a package of the same name.
    """
    path = shutil.which(name)
    if path is None:
        message = f"needs the program {name!r}: install {hint or name}"
        if CI:
            pytest.fail(message)
        pytest.skip(message)
    return path


def vectors_folder() -> Path | None:
    """The folder of public test vectors that ``CIRCUITS_VECTORS`` names, or ``None``."""
    folder = os.environ.get("CIRCUITS_VECTORS")
    return Path(folder) if folder else None


#: For programs that become another user: it may not be allowed to enter the folder of the sources,
#: or that of Python, so all that the framework may ask for later is loaded before.
LOAD_ALL = """
import importlib, pkgutil
for package in ("circuits.core", "circuits.io", "circuits.net", "circuits.app"):
    path = importlib.import_module(package).__path__
    for found in pkgutil.walk_packages(path, f"{package}."):
        importlib.import_module(found.name)
"""
