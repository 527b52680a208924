"""The pages lead where they say, and their programs are at least Python."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

_ROOT = Path(__file__).parent.parent
_PAGES = sorted(
    page
    for pattern in (
        "*.md",
        "docs/**/*.md",
        "examples/**/*.md",
        "newsfragments/*.md",
        "benchmarks/*.md",
    )
    for page in _ROOT.glob(pattern)
)
_LINK = re.compile(r"\]\(([^)\s]+)\)")
_PROGRAM = re.compile(r"^```python\n(.*?)^```", re.DOTALL | re.MULTILINE)
_FRAGMENT = re.compile(r"[a-z0-9-]+\.(feature|fix|change|deprecation|removal)\.md")


def page_id(path: Path) -> str:
    return path.relative_to(_ROOT).as_posix()


@pytest.mark.parametrize("page", _PAGES, ids=page_id)
def test_relative_links_exist(page: Path) -> None:
    targets = _LINK.findall(page.read_text(encoding="utf-8"))
    local = [t.partition("#")[0] for t in targets if "://" not in t and not t.startswith("#")]
    assert [t for t in local if not (page.parent / t).exists()] == []


@pytest.mark.parametrize("page", _PAGES, ids=page_id)
def test_programs_can_be_parsed(page: Path) -> None:
    for program in _PROGRAM.findall(page.read_text(encoding="utf-8")):
        ast.parse(program, filename=str(page))


@pytest.mark.parametrize("folder", ["tutorial", "howto", "topics", "reference", "decisions"])
def test_each_page_is_in_its_index(folder: str) -> None:
    index = _ROOT / "docs" / folder / "index.md"
    links = set(_LINK.findall(index.read_text(encoding="utf-8")))
    pages = {path.name for path in index.parent.glob("*.md")} - {"index.md"}
    assert pages - {link.partition("#")[0] for link in links} == set()


def test_news_fragments_are_named_by_topic_and_kind() -> None:
    names = {path.name for path in (_ROOT / "newsfragments").iterdir()} - {"README.md"}
    assert [name for name in sorted(names) if not _FRAGMENT.fullmatch(name)] == []
