"""Helpers that tests import: ``from tests.support import require_program``."""

from __future__ import annotations

import contextlib
import importlib
import os
import secrets
import shutil
import socket
from pathlib import Path
from typing import Any, NoReturn

import pytest
from hypothesis import settings

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
        _do_without(f"needs the program {name!r}: install {hint or name}")
    return path


def require_package(name: str) -> Any:
    """Return a module of others that the test uses, or that a program of the test imports.

    Without it the test is skipped, but fails where ``CI=true``: nobody reads skips there.
    """
    try:
        return importlib.import_module(name)
    except ImportError as problem:
        _do_without(f"needs a package that requirements/peers.txt has: {problem}")


def _do_without(message: str) -> NoReturn:
    if CI:
        pytest.fail(message)
    pytest.skip(message)


def vectors_folder() -> Path | None:
    """The folder of public test vectors that ``CIRCUITS_VECTORS`` names, or ``None``."""
    folder = os.environ.get("CIRCUITS_VECTORS")
    return Path(folder) if folder else None


def unused_port() -> int:
    """A port that nobody has, for servers that cannot take a free one or that come back at the same one.

    It is none of those that the system gives to whoever asks for any: such a port may be a client's
    a moment later, even that of the client which tries to reach the server.
    """
    while True:
        port = 10_000 + secrets.randbelow(22_000)
        with contextlib.suppress(OSError), socket.create_server(("127.0.0.1", port)):
            return port


#: For programs that become another user: it may not be allowed to enter the folder of the sources,
#: or that of Python, so all that the framework may ask for later is loaded before.
LOAD_ALL = """
import importlib, pkgutil
for package in ("circuits.core", "circuits.io", "circuits.net", "circuits.app", "circuits.tools"):
    path = importlib.import_module(package).__path__
    for found in pkgutil.walk_packages(path, f"{package}."):
        importlib.import_module(found.name)
"""


def examples(count: int) -> settings:
    """So many examples of a property that takes long; more where the profile asks for more."""
    usual = settings().max_examples  # of the profile
    return settings(max_examples=max(1, usual * count // 100))
