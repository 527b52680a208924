"""Packages import only from below: the table of the map, checked by reading the sources."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

_SOURCES = Path(__file__).parent.parent / "src" / "circuits"

_BELOW_WEB = {"_wire", "core", "net", "io"}
_EVERYTHING = {"_wire", "core", "net", "io", "web", "node", "app", "protocols"}

# Package: what it may import of ours, besides itself and the version.
_MAY_IMPORT: dict[str, set[str]] = {
    "_version": set(),
    "_wire": set(),
    "core": {"_wire"},
    "net": {"core", "_wire"},
    "io": {"core", "_wire"},
    "web": _BELOW_WEB,
    "node": _BELOW_WEB,
    "app": _BELOW_WEB,
    # The 3.x paths only give other names to what is below.
    "protocols": _BELOW_WEB,
    "tools": _EVERYTHING | {"testing"},
    "testing": _EVERYTHING | {"tools"},
    "cli": _EVERYTHING | {"tools", "testing"},
    "bench": {"core"},
}
# Packages that import the standard library and nothing else.
_ONLY_STANDARD_LIBRARY = {"_wire", "_version"}
# Aliases may stand beside what they stand for: `circuits.core` hands out nothing from above.
_RE_EXPORTS = {"__init__.py", "__main__.py"}


def imported_modules(source: str, module: str, *, is_package: bool) -> Iterator[tuple[int, str]]:
    """Yield (line, absolute module or module.name) for each import, lazy ones included."""
    package = module if is_package else module.rpartition(".")[0]
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield node.lineno, alias.name
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                anchor = package.split(".")
                anchor = anchor[: len(anchor) - node.level + 1]
                base = ".".join([*anchor, base] if base else anchor)
            if base == "circuits":  # what is taken may be a package or a friendly name
                for alias in node.names:
                    yield node.lineno, f"circuits.{alias.name}"
            else:
                yield node.lineno, base


def violations(root: Path) -> list[str]:
    """Every import below ``root`` (a folder ``circuits``) that the table does not allow."""
    found = []
    for path in sorted(root.rglob("*.py")):
        relative = path.relative_to(root)
        if str(relative) in _RE_EXPORTS:
            continue
        layer = relative.parts[0].removesuffix(".py")
        allowed = _MAY_IMPORT.get(layer)
        where = f"circuits/{relative.as_posix()}"
        if allowed is None:
            found.append(f"{where}: {layer} has no place in the table")
            continue
        parts = ["circuits", *relative.with_suffix("").parts]
        is_package = parts[-1] == "__init__"
        module = ".".join(parts[:-1] if is_package else parts)
        source = path.read_text(encoding="utf-8")
        for line, target in imported_modules(source, module, is_package=is_package):
            head, *rest = target.split(".")
            if head == "circuits":
                name = rest[0] if rest else ""
                if name in {layer, "_version"} or name in allowed:
                    continue
                if name not in _MAY_IMPORT:
                    found.append(f"{where}:{line}: imports the top-level circuits ({target})")
                else:
                    found.append(f"{where}:{line}: {layer} imports {target}")
            elif layer in _ONLY_STANDARD_LIBRARY and head not in sys.stdlib_module_names:
                found.append(f"{where}:{line}: {layer} imports {target}")
    return found


def test_the_sources_keep_the_table() -> None:
    assert violations(_SOURCES) == []


def test_there_are_sources() -> None:
    assert {"_wire", "core"} <= {path.name for path in _SOURCES.iterdir()}


@pytest.mark.parametrize(
    ("file", "source", "complaint"),
    [
        ("core/a.py", "from circuits.net.sockets import TCPServer", "core imports circuits.net"),
        ("core/a.py", "import circuits.web", "core imports circuits.web"),
        ("core/a.py", "def f():\n    from circuits import io", "core imports circuits.io"),
        ("core/a.py", "from circuits import Event", "imports the top-level circuits"),
        ("core/a.py", "import circuits", "imports the top-level circuits"),
        ("core/sub/a.py", "from ...net import sockets", "core imports circuits.net"),
        ("core/__init__.py", "from ..web import http", "core imports circuits.web"),
        ("net/a.py", "from circuits.io import file", "net imports circuits.io"),
        ("io/a.py", "from .. import net", "io imports circuits.net"),
        ("web/a.py", "from circuits.node import node", "web imports circuits.node"),
        ("node/a.py", "from circuits.web import http", "node imports circuits.web"),
        ("app/a.py", "from circuits.testing import Recorder", "app imports circuits.testing"),
        ("_wire/a.py", "from circuits.core import events", "_wire imports circuits.core"),
        ("_wire/a.py", "import msgspec", "_wire imports msgspec"),
        ("new/a.py", "", "new has no place in the table"),
    ],
)
def test_a_violation_is_found(tmp_path: Path, file: str, source: str, complaint: str) -> None:
    path = tmp_path / "circuits" / file
    path.parent.mkdir(parents=True)
    path.write_text(source, encoding="utf-8")
    assert [complaint in line for line in violations(tmp_path / "circuits")] == [True]


@pytest.mark.parametrize(
    ("file", "source"),
    [
        ("__init__.py", "from circuits.web import Controller"),
        ("core/a.py", "from circuits.core.events import Event\nfrom . import b\nimport socket"),
        ("core/a.py", "from circuits._wire import buffer"),
        ("core/a.py", "from circuits._version import __version__"),
        ("_wire/a.py", "import struct\nfrom circuits._wire.buffer import Buffer\nfrom . import b"),
        ("web/a.py", "import msgspec\nfrom circuits.net.sockets import TCPServer"),
        ("web/dispatchers/a.py", "from circuits.web.events import Request\nfrom . import static"),
        ("testing/a.py", "from circuits.web import Server\nfrom circuits.tools import graph"),
    ],
)
def test_what_the_table_allows_passes(tmp_path: Path, file: str, source: str) -> None:
    path = tmp_path / "circuits" / file
    path.parent.mkdir(parents=True)
    path.write_text(source, encoding="utf-8")
    assert violations(tmp_path / "circuits") == []
