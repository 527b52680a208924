"""``circuits new``: a starter project, whose tests pass.

What it consists of are the files in ``_starter``, each with ``.txt`` behind its name, so that no tool
takes them for modules of ours. In their paths and texts the name of the project is put in.
"""

from __future__ import annotations

import argparse
import json
import keyword
import re
import shlex
import sys
from importlib import metadata, resources
from pathlib import Path
from typing import TYPE_CHECKING, Final
from urllib.parse import unquote, urlsplit

from circuits._version import __version__

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from importlib.resources.abc import Traversable

__all__ = ["BadNameError", "check_name", "main", "make_parser"]

_PROG: Final = "circuits new"
_NAME: Final = re.compile(r"[a-z][a-z0-9]*([-_][a-z0-9]+)*")
_LONGEST: Final = 50
#: What a package of this name would hide, or be hidden by.
_TAKEN: Final = frozenset({"circuits", "tests", "test", "src", "pytest", "pip", "setuptools"})


class BadNameError(ValueError):
    """A project cannot have this name."""


def make_parser() -> argparse.ArgumentParser:
    """The options."""
    parser = argparse.ArgumentParser(
        prog=_PROG,
        description="Make a starter project: a small web application with a page, JSON, a WebSocket, "
        "and tests that pass.",
    )
    parser.add_argument("name", metavar="NAME", help="of the project, such as my-shop; its folder")
    parser.add_argument(
        "-d",
        "--directory",
        metavar="FOLDER",
        default=".",
        help="where to make the folder (default: here)",
    )
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Make the project."""
    options = make_parser().parse_args(argv)
    name: str = options.name
    folder = Path(options.directory) / name
    try:
        package = check_name(name)
        count = _make(folder, name, package)
    except BadNameError as problem:
        print(f"{_PROG}: {problem}", file=sys.stderr)
        return 2
    except FileExistsError:
        print(f"{_PROG}: {folder} exists already; nothing was changed", file=sys.stderr)
        return 1
    except OSError as problem:
        print(f"{_PROG}: cannot make {folder}: {problem.strerror or problem}", file=sys.stderr)
        return 1
    print(
        f"Made {folder} of {count} files. Next:\n\n"
        f"  cd {folder}\n"
        f"  python3 -m venv .venv && .venv/bin/pip install {_origin()}-e '.[test]'\n"
        "  .venv/bin/pytest\n"
        f"  .venv/bin/{name}"
    )
    return 0


def check_name(name: str) -> str:
    """The name of the package for the name of a project.

    Raises:
        BadNameError: It does not do as both; the text says why.
    """
    if not _NAME.fullmatch(name):
        raise BadNameError(
            f"{name!r:.80} is no name for a project: it is made of lower-case letters, digits, and "
            "single - or _ between them, and begins with a letter, such as my-shop"
        )
    if len(name) > _LONGEST:
        raise BadNameError(f"a name has at most {_LONGEST} characters, not {len(name)}")
    package = name.replace("-", "_")
    if keyword.iskeyword(package):
        raise BadNameError(f"{name!r} is a word of Python, and cannot be imported")
    if package in _TAKEN or package in sys.stdlib_module_names:
        raise BadNameError(f"{name!r} would hide the module {package} that is there already")
    return package


def _origin() -> str:
    """What has to be installed beside the project: where this circuits is not from an index."""
    try:
        text = metadata.distribution("circuits").read_text("direct_url.json")
        url: str = json.loads(text)["url"] if text else ""
    except (metadata.PackageNotFoundError, ValueError, LookupError, TypeError):
        return ""
    if url.startswith("file://"):
        return shlex.quote(unquote(urlsplit(url).path)) + " "
    return ""


def _make(folder: Path, name: str, package: str) -> int:
    texts = {
        "{{name}}": name,
        "{{package}}": package,
        "{{title}}": name.replace("-", " ").replace("_", " ").capitalize(),
        "{{version}}": __version__,
        "{{origin}}": _origin(),
    }
    folder.parent.mkdir(parents=True, exist_ok=True)
    folder.mkdir()
    count = 0
    for path, source in _files(resources.files(__package__) / "_starter"):
        text = source.read_text(encoding="utf-8")
        for mark, word in texts.items():
            text = text.replace(mark, word)
        target = folder / path.replace("PACKAGE", package).replace("NAME", name)
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text, encoding="utf-8")
        count += 1
    return count


def _files(folder: Traversable, below: str = "") -> Iterator[tuple[str, Traversable]]:
    for entry in sorted(folder.iterdir(), key=lambda entry: entry.name):
        if entry.is_dir():
            yield from _files(entry, f"{below}{entry.name}/")
        elif entry.name.endswith(".txt"):
            yield below + entry.name.removesuffix(".txt"), entry
