"""The text of a failure."""

from __future__ import annotations

import contextlib
import io
import logging
import re
from collections.abc import Iterator

import pytest

from circuits import Component, Debugger, Event, handler, sleep
from circuits.core._reports import format_error
from circuits.core.helpers import FallBackErrorHandler
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
    assert "\n" not in message
    assert (caplog.records[0].exc_info is None) is (text is not None)


def test_what_cannot_be_shown_does_not_break_the_text() -> None:
    class Rude(Exception):
        def __str__(self) -> str:
            raise RuntimeError

    def function() -> None: ...

    text = format_error(Rude, Rude(), [], function)
    assert "function" in text
    assert "<RuntimeError while showing it>" in text


def test_a_handler_with_a_rude_channel_can_be_named() -> None:
    class Rude:
        def __str__(self) -> str:
            raise KeyError

        __repr__ = __str__

    function = handler("x", channel=Rude())(lambda self: None)
    assert "ERROR <function" in format_error(ValueError, ValueError(), [], function)


# -- the record of a failure --


class asks(Event):
    pass


def record_of(
    caplog: pytest.LogCaptureFixture, function: object, *args: object, **kwargs: object
) -> str:
    """The formatted record of what a handler has raised."""
    app = Component()
    app.addHandler(handler("asks")(function))  # type: ignore[type-var,arg-type]
    with app.running():
        app.fire(asks(*args, **kwargs))
        settle(app)
    (record,) = caplog.records
    assert record.exc_info
    return logging.Formatter("%(message)s").format(record)


def raises() -> None:
    raise ValueError("deep")


def plain(self: object, *args: object) -> None:
    raises()


def generator(self: object, *args: object) -> Iterator[None]:
    yield
    raises()


async def coroutine(self: object, *args: object) -> None:
    await sleep(0)
    raises()


@pytest.mark.parametrize("function", [plain, generator, coroutine])
def test_it_begins_in_the_handler_and_ends_where_it_was_raised(
    caplog: pytest.LogCaptureFixture, function: object
) -> None:
    text = record_of(caplog, function, "argument")
    frames = re.findall(r'File ".*?([^/]+)", line \d+, in (\w+)', text)
    name = function.__name__  # type: ignore[attr-defined]
    assert frames == [("test_reports.py", name), ("test_reports.py", "raises")]
    assert f"Component.{name}" in text.splitlines()[0]
    assert "'argument'" in text.splitlines()[0]
    assert text.endswith("ValueError: deep")


@pytest.mark.parametrize("callee", [plain, generator, coroutine])
def test_what_is_called_and_awaited_is_shown_without_what_lies_between(
    caplog: pytest.LogCaptureFixture, callee: object
) -> None:
    app = Component()
    app.addHandler(handler("called")(callee))  # type: ignore[type-var,arg-type]

    async def caller(self: Component) -> None:
        await self.call(Event.create("called"))

    app.addHandler(handler("asks")(caller))
    with app.running():
        app.fire(asks())
        settle(app)
    (record,) = (record for record in caplog.records if record.levelno >= logging.ERROR)
    text = logging.Formatter("%(message)s").format(record)
    frames = re.findall(r'File ".*?([^/]+)", line \d+, in (\w+)', text)
    name = callee.__name__  # type: ignore[attr-defined]
    assert frames == [("test_reports.py", at) for at in ("caller", name, "raises")]


def test_what_the_kernel_refuses_is_shown_to_its_end(caplog: pytest.LogCaptureFixture) -> None:
    async def refused(self: Component) -> None:
        sleep(-1)

    text = record_of(caplog, refused)
    assert re.findall(r'File ".*?([^/]+)", line \d+, in', text)[:2] == [
        "test_reports.py",
        "_sleep.py",
    ]


def test_cause_notes_and_members_are_told(caplog: pytest.LogCaptureFixture) -> None:
    def fails(self: object) -> None:
        group = ExceptionGroup("both", [KeyError("one"), OSError("other")])
        group.add_note("look there")
        try:
            raises()
        except ValueError as problem:
            raise group from problem

    text = record_of(caplog, fails)
    for part in ("ValueError: deep", "KeyError: 'one'", "OSError: other", "look there", "cause"):
        assert part in text


@pytest.mark.parametrize("debugger", [False, True], ids=["fallback", "debugger"])
def test_they_are_told_to_those_who_read_too(debugger: bool) -> None:
    def fails(self: object) -> None:
        problem = RuntimeError("outer")
        problem.add_note("look there")
        raise problem from ValueError("inner")

    app, out = Component(), io.StringIO()
    if debugger:
        Debugger(file=out).register(app)
    app.addHandler(handler("asks")(fails))
    with contextlib.redirect_stderr(out):
        if not debugger:
            FallBackErrorHandler().register(app)
        app.fire(asks())
        settle(app)
    text = out.getvalue()
    assert "ERROR <listener[*.asks] (Component.fails)> (<class 'RuntimeError'>): outer\n" in text
    assert "ValueError: inner" in text
    assert "look there" in text


def test_arguments_are_shown_in_part(caplog: pytest.LogCaptureFixture) -> None:
    class Rude:
        def __repr__(self) -> str:
            raise RuntimeError

    text = record_of(caplog, plain, b"x" * 10**6, [0] * 10**6, Rude(), "y" * 10**6)
    first = text.splitlines()[0]
    assert len(first) < 1500
    for part in ("1000000 in all", "<list of 1000000>", "<Rude whose repr raised RuntimeError>"):
        assert part in first


@pytest.mark.parametrize(
    ("function", "args", "kwargs", "takes", "given"),
    [
        (lambda self, a: None, (1, 2), {}, "(a)", "asks(1, 2)"),
        (lambda self, a: None, (), {}, "(a)", "asks()"),
        (lambda self: None, (), {"x": 3}, "()", "asks(x=3)"),
        (lambda self, *, key: None, (), {}, "(*, key)", "asks()"),
    ],
)
def test_wrong_arguments_are_told_by_handler_and_event(
    caplog: pytest.LogCaptureFixture,
    function: object,
    args: tuple[object, ...],
    kwargs: dict[str, object],
    takes: str,
    given: str,
) -> None:
    function.__name__ = "listens"  # type: ignore[attr-defined]
    function.__qualname__ = "Some.listens"  # type: ignore[attr-defined]
    text = record_of(caplog, function, *args, **kwargs)
    line = function.__code__.co_firstlineno  # type: ignore[attr-defined]
    assert f"Some.listens{takes} at {__file__}:{line} cannot handle {given}" in text
    assert "_dispatch.py" not in text


def test_a_type_error_of_a_handler_itself_has_no_such_note(
    caplog: pytest.LogCaptureFixture,
) -> None:
    def fails(self: object) -> None:
        plain()  # type: ignore[call-arg]

    text = record_of(caplog, fails)
    assert "cannot handle" not in text
    assert "in fails" in text
