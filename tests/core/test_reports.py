"""The text of a failure."""

from __future__ import annotations

import logging
import re

import pytest

from circuits import Component, Event, handler
from circuits.core._reports import format_error, safe_repr
from circuits.testing import settle


class Broken(Component):
    def foo(self) -> None:
        raise ValueError("broken")


def test_the_text_of_an_error() -> None:
    problem = ValueError("why")
    plain = format_error(ValueError, problem, ["line 1\n", "line 2\n"])
    assert plain == "ERROR  (<class 'ValueError'>): why\nline 1\nline 2\n\n"
    event = Event.create("foo")
    text = format_error(ValueError, problem, [], Broken().foo, event)
    assert text == (
        "ERROR <listener[*.foo] (Broken.foo)> (<foo[.foo] ( )>) (<class 'ValueError'>): why\n\n"
    )


class Answer(Exception):
    def _brief(self) -> str | None:
        return self.args[0]  # type: ignore[no-any-return]


class Answers(Component):
    def foo(self, text: str | None) -> None:
        raise Answer(text)


@pytest.mark.parametrize(
    ("text", "level", "line"),
    [
        ("moved", logging.INFO, r"moved \(.*Answers\.foo\)"),
        (None, logging.ERROR, r"ERROR <listener\[\*\.foo\] \(Answers\.foo\)> .*"),
    ],
)
def test_what_is_an_answer_has_one_line(
    caplog: pytest.LogCaptureFixture, text: str | None, level: int, line: str
) -> None:
    caplog.set_level(logging.DEBUG, "circuits")
    app = Answers()
    app.fire(Event.create("foo", text))
    settle(app)
    [(_, got, message)] = caplog.record_tuples
    assert got == level
    assert re.match(line, message)
    assert ("\n" in message) is (text is None)


def test_what_cannot_be_shown_does_not_break_the_text() -> None:
    class Rude(Exception):
        def __str__(self) -> str:
            raise RuntimeError

    def function() -> None: ...

    text = format_error(Rude, Rude(), [], function)
    assert "function" in text
    assert "<RuntimeError while showing it>" in text


def test_safe_repr() -> None:
    class Rude:
        def __repr__(self) -> str:
            raise KeyError

    assert safe_repr(3) == "3"
    assert safe_repr(Rude()) == "<Rude whose repr raised KeyError>"


def test_a_handler_with_a_rude_channel_can_be_named() -> None:
    class Rude:
        def __str__(self) -> str:
            raise KeyError

        __repr__ = __str__

    function = handler("x", channel=Rude())(lambda self: None)
    assert "ERROR <function" in format_error(ValueError, ValueError(), [], function)
