"""Every public name has a docstring, and its place in the reference."""

from __future__ import annotations

import inspect
from types import ModuleType
from typing import Any

import pytest

from scripts import reference

_MODULES = reference.public_modules()
_NAMES = [
    pytest.param(module, name, id=f"{module.__name__}.{name}")
    for module in _MODULES
    for name in module.__all__
    if reference.describable(getattr(module, name))
]


@pytest.mark.parametrize(("module", "name"), _NAMES)
def test_a_public_name_has_a_docstring(module: ModuleType, name: str) -> None:
    thing = getattr(module, name)
    assert (thing.__doc__ or "").strip(), f"{module.__name__}.{name} has no docstring of its own"


@pytest.mark.parametrize(("module", "name"), _NAMES)
def test_so_do_its_methods(module: ModuleType, name: str) -> None:
    thing = getattr(module, name)
    if not isinstance(thing, type):
        return
    missing = [
        member
        for member, value in vars(thing).items()
        if not member.startswith("_")
        and not hasattr(value, "handler")
        and isinstance(value, type(lambda: None))
        and not inspect.getdoc(getattr(thing, member))
    ]
    assert missing == []


@pytest.mark.parametrize("module", _MODULES, ids=lambda module: module.__name__)
def test_a_module_has_its_page(module: ModuleType) -> None:
    path = reference.FOLDER / f"{module.__name__}.md"
    assert path.exists(), "run `make docs`"
    text = path.read_text(encoding="utf-8")
    missing = [
        name for name in module.__all__ if f"### {name}\n" not in text and f"`{name}`" not in text
    ]
    assert missing == [], "run `make docs`"


def test_a_page_has_its_module() -> None:
    pages = {path.stem for path in reference.FOLDER.glob("*.md")}
    assert pages - {module.__name__ for module in _MODULES} == {"index"}, "run `make docs`"


def test_every_module_has_a_place_in_the_index() -> None:
    index = (reference.FOLDER / "index.md").read_text(encoding="utf-8")
    assert [m.__name__ for m in _MODULES if f"({m.__name__}.md)" not in index] == []


def test_the_links_of_the_pages_lead_to_names() -> None:
    made = reference.reference()
    for page, text in made.items():
        for target, anchor in reference.LINK.findall(text):
            if target and anchor:
                assert f"### {anchor}\n" in made[target].lower(), f"{page}: {target}#{anchor}"


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
