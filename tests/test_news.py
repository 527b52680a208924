"""The news fragments are ready to be joined into the list of changes."""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

_ROOT = Path(__file__).parent.parent
_FRAGMENTS = sorted(set((_ROOT / "newsfragments").iterdir()) - {_ROOT / "newsfragments/README.md"})
_KINDS = ["feature", "fix", "change", "deprecation", "removal"]
_NAME = re.compile(rf"[a-z0-9]+(-[a-z0-9]+)*\.({'|'.join(_KINDS)})\.md")


def test_fragments_are_named_by_topic_and_kind() -> None:
    assert [path.name for path in _FRAGMENTS if not _NAME.fullmatch(path.name)] == []


def test_a_fragment_is_a_paragraph_of_whole_sentences() -> None:
    wrong = [
        path.name
        for path in _FRAGMENTS
        if not re.fullmatch(r"[^\s#*-](.+\n)*.*[.!)`]\n", path.read_text(encoding="utf-8"))
    ]
    assert wrong == []


def test_the_kinds_are_those_that_are_documented_and_joined() -> None:
    table = (_ROOT / "newsfragments" / "README.md").read_text(encoding="utf-8")
    assert re.findall(r"^\| `(\w+)` \|", table, re.MULTILINE) == _KINDS
    project = tomllib.loads((_ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    joined = [kind["directory"] for kind in project["tool"]["towncrier"]["type"]]
    assert sorted(joined) == sorted(_KINDS)


@pytest.mark.process
def test_a_release_joins_all_of_them_by_kind() -> None:
    command = [sys.executable, "-m", "towncrier", "build", "--draft", "--version", "2.1.0"]
    made = subprocess.run(command, cwd=_ROOT, capture_output=True, text=True, check=True).stdout
    text = made[made.index("## ") :]
    assert re.match(r"## 2\.1\.0 \(\d{4}-\d\d-\d\d\)\n", text)
    kinds = tomllib.loads((_ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    names = {kind["directory"]: kind["name"] for kind in kinds["tool"]["towncrier"]["type"]}
    used = [name for kind, name in names.items() if any(kind in p.name for p in _FRAGMENTS)]
    assert re.findall(r"^### (.*)$", text, re.MULTILINE) == used
    parts = re.split(r"^### .*$", text, flags=re.MULTILINE)
    for path in _FRAGMENTS:
        (words,) = {" ".join(path.read_text(encoding="utf-8").split())}
        part = parts[1 + used.index(names[path.suffixes[-2][1:]])]
        assert f"- {words}" in " ".join(part.split())
