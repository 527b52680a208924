"""Every public name has a docstring, and its place in the reference that is made of them."""

from __future__ import annotations

import re
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

import circuits
from scripts import reference

_MODULES = reference.public_modules()


@pytest.fixture(scope="module")
def pages() -> dict[str, str]:
    """The reference as `make docs` writes it: names of files and what is in them."""
    return reference.reference()


@pytest.mark.parametrize("module", _MODULES, ids=lambda module: module.__name__)
def test_public_names_and_their_methods_have_docstrings(module: ModuleType) -> None:
    assert reference.undescribed(module) == []


def test_what_has_no_docstring_is_told() -> None:
    class Bare:
        def method(self) -> None: ...

        def _private(self) -> None: ...

    def bare() -> None: ...

    Bare.__module__ = bare.__module__ = "circuits.here"
    module = ModuleType("here")
    vars(module).update(Bare=Bare, bare=bare, LIMIT=1, __all__=["Bare", "bare", "LIMIT"])
    assert reference.undescribed(module) == ["here.Bare", "here.Bare.method", "here.bare"]


def test_every_module_has_a_page_with_all_its_names(pages: dict[str, str]) -> None:
    missing = [
        f"{module.__name__}.{name}"
        for module in _MODULES
        for name in module.__all__
        if f"### {name}\n" not in pages[f"{module.__name__}.md"]
        and f"`{name}`" not in pages[f"{module.__name__}.md"]
    ]
    assert missing == []
    assert pages.keys() == {f"{module.__name__}.md" for module in _MODULES} | {"index.md"}


def test_every_page_is_in_the_index(pages: dict[str, str]) -> None:
    linked = set(re.findall(r"\]\(([^)]+)\)", pages["index.md"]))
    assert linked == pages.keys() - {"index.md"} | {"../index.md"}


def test_the_links_of_the_pages_lead_to_names(pages: dict[str, str]) -> None:
    wrong = [
        f"{page}: {target}#{anchor}"
        for page, text in pages.items()
        for target, anchor in reference.LINK.findall(text)
        if anchor and (target not in pages or f"### {anchor}\n" not in pages[target].lower())
    ]
    assert wrong == []


def test_the_script_writes_the_pages_and_removes_others(
    pages: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reference, "FOLDER", tmp_path / "reference")
    reference.main()
    (tmp_path / "reference" / "circuits.gone.md").touch()
    reference.main()
    written = {p.name: p.read_text(encoding="utf-8") for p in reference.FOLDER.iterdir()}
    assert written == pages


def test_the_script_fails_where_a_docstring_is_missing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reference, "FOLDER", tmp_path)
    monkeypatch.setattr(circuits.Timer, "__doc__", " ")
    with pytest.raises(SystemExit, match=r"circuits\.Timer\n"):
        reference.main()


# -- from docstrings to Markdown --------------------------------------------------------------


def test_sections_become_lists() -> None:
    doc = """Do it.

    Args:
        a: One
            thing.
        *b, c: Others.

    Returns:
        What ``x`` is.
    """
    assert reference.markdown(doc) == (
        "Do it.\n\n**Arguments**\n\n- `a`: One\n  thing.\n- `*b`, `c`: Others.\n\n"
        "**Returns**\n\nWhat `x` is.\n"
    )


@pytest.mark.parametrize(
    ("doc", "text"),
    [
        (":class:`~a.b.C` and :mod:`a.b`", "`C` and `a.b`\n"),
        ("New.\n\n.. versionadded:: 2.1", "New.\n\n*New in 2.1.*\n"),
        (
            "X\n\n.. versionchanged:: 2.1\n   It is\n   other.",
            "X\n\n*Changed in 2.1.* It is other.\n",
        ),
        ("See::\n\n    a  ``b``\n\nEnd.", "See:\n\n    a  ``b``\n\nEnd.\n"),
        ("Tree.\n\n::\n\n    A\n        B\n\nEnd.", "Tree.\n\n    A\n        B\n\nEnd.\n"),
    ],
)
def test_text(doc: str, text: str) -> None:
    assert reference.markdown(doc) == text


class Example:
    def __init__(self, a: int, /, b: Any = None, *, c: str = "x") -> None: ...


class Passing:
    def __init__(self, *args: Any, **kwargs: Any) -> None: ...

    def init(self, port: int) -> None: ...


class Problem(Exception):
    pass


def function(*parts: int, kind: Any = object()) -> list[str]:  # noqa: B008 - to be shown
    raise NotImplementedError


@pytest.mark.parametrize(
    ("thing", "text"),
    [
        (Example, "(a: int, /, b=None, *, c: str = 'x')"),
        (Passing, "(port: int)"),
        (Problem, ""),
        (function, "(*parts: int, kind=...) -> list[str]"),
    ],
)
def test_signatures(thing: Any, text: str) -> None:
    assert reference.signature(thing) == text
