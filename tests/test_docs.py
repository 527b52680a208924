"""The pages lead where they say, and their programs are at least Python."""

from __future__ import annotations

import ast
import re
from collections import defaultdict
from importlib import import_module
from pathlib import Path

import pytest

from scripts.pictures import FENCE

_ROOT = Path(__file__).parent.parent
# Not the reference: it is made by `make docs`, and may be missing or old.
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
    if page.parent != _ROOT / "docs" / "reference"
)
_LINK = re.compile(r"\]\(([^)\s]+)\)")
_PROGRAM = re.compile(r"^```python\n(.*?)^```", re.DOTALL | re.MULTILINE)


def name_of(path: Path) -> str:
    return path.relative_to(_ROOT).as_posix()


def test_relative_links_exist() -> None:
    missing = [
        f"{name_of(page)}: {target}"
        for page in _PAGES
        for target in _LINK.findall(page.read_text(encoding="utf-8"))
        if "://" not in target
        and not target.startswith("#")
        and not (page.parent / target.partition("#")[0]).exists()
    ]
    assert missing == []


def test_recipes_lead_back_to_their_list() -> None:
    pages = [page for page in (_ROOT / "docs" / "howto").glob("*.md") if page.stem != "index"]
    ends = {page.read_text(encoding="utf-8").splitlines()[-1] for page in pages}
    assert ends == {"Back to the [recipes](index.md)."}


def test_no_link_needs_the_reference_to_have_been_made() -> None:
    links = [
        f"{name_of(page)}: {target}"
        for page in _PAGES
        for target in _LINK.findall(page.read_text(encoding="utf-8"))
        if "reference/" in target
    ]
    assert links == []


def test_programs_can_be_parsed() -> None:
    for page in _PAGES:
        for program in _PROGRAM.findall(page.read_text(encoding="utf-8")):
            ast.parse(program, filename=name_of(page))


def test_constants_that_pages_name_exist() -> None:
    texts = [path.read_text(encoding="utf-8") for path in (_ROOT / "src").rglob("*.py")]
    texts += [path.read_text(encoding="utf-8") for path in (_ROOT / "tests").rglob("*.py")]
    texts.append((_ROOT / "Makefile").read_text(encoding="utf-8"))
    known = set(re.findall(r"\b[A-Z]+_[A-Z_]+\b", "\n".join(texts)))
    named = {
        name: name_of(page)
        for page in _PAGES
        for name in re.findall(r"`([A-Z]+_[A-Z_]+)`", page.read_text(encoding="utf-8"))
    }
    assert {name: page for name, page in named.items() if name not in known} == {}


def test_pictures_show_methods_that_exist() -> None:
    named = {
        (name_of(page), owner, method)
        for page in _PAGES
        for maker, picture in FENCE.findall(page.read_text(encoding="utf-8"))
        if not maker  # else it shows the classes of a program
        for owner, method in re.findall(r"\b([A-Z]\w+)\.(\w+)", picture)
    }
    shown = re.compile(rf"^class (?:{'|'.join({owner for _, owner, _ in named})})\b", re.MULTILINE)
    modules = defaultdict(list)  # a class of the same name may be in several
    for file in (_ROOT / "src" / "circuits").rglob("*.py"):
        source = file.read_text(encoding="utf-8")
        for node in ast.parse(source).body if shown.search(source) else ():
            if isinstance(node, ast.ClassDef):
                path = file.relative_to(_ROOT / "src").with_suffix("")
                modules[node.name].append(".".join(path.parts))
    missing = [
        f"{page}: {owner}.{method}"
        for page, owner, method in sorted(named)
        if not any(
            hasattr(getattr(import_module(module), owner), method) for module in modules[owner]
        )
    ]
    assert missing == []
    assert named


@pytest.mark.parametrize("folder", ["tutorial", "howto", "topics", "decisions"])
def test_each_page_is_in_its_index(folder: str) -> None:
    index = _ROOT / "docs" / folder / "index.md"
    links = set(_LINK.findall(index.read_text(encoding="utf-8")))
    pages = {path.name for path in index.parent.glob("*.md")} - {"index.md"}
    assert pages - {link.partition("#")[0] for link in links} == set()
