"""Every public name has a docstring, and its place in the reference that is made of them."""

from __future__ import annotations

import re
from types import ModuleType
from typing import Any

import pytest

from circuits import BaseEvent
from scripts import reference

_MODULES = reference.public_modules()


@pytest.fixture(scope="session")
def pages() -> dict[str, str]:
    """The reference as it becomes part of the site: names of files and what is in them."""
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
    modules = {f"{module.__name__}.md" for module in _MODULES}
    assert pages.keys() == modules | {"index.md", "events.md"}


def test_every_page_is_in_the_index(pages: dict[str, str]) -> None:
    linked = set(re.findall(r"\]\(([^)#]+)\)", pages["index.md"]))
    assert linked == pages.keys() - {"index.md"} | {"../index.md"}


def test_the_links_of_the_pages_lead_to_names(pages: dict[str, str]) -> None:
    wrong = [
        f"{page}: {target}#{anchor}"
        for page, text in pages.items()
        for target, anchor in reference.LINK.findall(text)
        if anchor and f"({anchor})=\n" not in pages[target]
    ]
    assert wrong == []


def test_a_place_is_that_of_one_name(pages: dict[str, str]) -> None:
    targets = [
        t for text in pages.values() for t in re.findall(r"^\((\S+)\)=$", text, re.MULTILINE)
    ]
    assert len(targets) == len(set(targets)) > 300


def test_names_and_places_agree(pages: dict[str, str]) -> None:
    places = reference.places()
    for name, kind, page, place in reference.names():
        if kind != "module":  # which may have the name of a function, as circuits.web.url
            file, _, anchor = places[name].partition("#")
            assert page == f"reference/{file.removesuffix('.md')}"
            assert re.sub(r"[._]", "-", anchor) == place


# -- events -----------------------------------------------------------------------------------


def test_of_every_event_it_is_told_who_fires_it() -> None:
    assert reference.nobody_fires() == []


def test_all_events_are_on_one_page(pages: dict[str, str]) -> None:
    rows = re.findall(r"^\| `(\w+)`<br/>", pages["events.md"], re.MULTILINE)
    assert sorted(rows) == sorted(cls.name for cls in reference.events())
    assert {"started", "read", "request", "_read", "remote", "task"} <= set(rows)


class Told(BaseEvent):
    """It is so: version 2.1.0 says it. Fired by it, on ``x.y``; with nothing. More follows.

    Args:
        a: Fired by nobody.
    """


class Below(Told):
    """A special case."""


class Untold(BaseEvent):
    """It is so. It fires the imagination of none.

    .. versionadded:: 2.1
       Fired.
    """


def test_who_fires_an_event_is_a_sentence_of_its_docstring() -> None:
    told = "Fired by it, on `x.y`; with nothing."
    assert reference.fired(Told) == told
    assert reference.fired(Below) == told
    assert reference.fired(Untold) == "It fires the imagination of none."
    assert reference.fired(BaseEvent) is None


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
        (
            ":class:`~circuits.io.notify.Notify`, :class:`Notify` and :mod:`circuits.io`",
            (
                "[`Notify`](circuits.io.notify.md#circuits.io.notify.notify), "
                "[`Notify`](circuits.io.notify.md#circuits.io.notify.notify) and "
                "[`circuits.io`](circuits.io.md)\n"
            ),
        ),
        (":class:`Client`, of which there are several", "`Client`, of which there are several\n"),
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
