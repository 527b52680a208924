from __future__ import annotations

import threading
from typing import Any

import pytest

from circuits import Component, Event, handler
from circuits.core._latch import Latch
from circuits.core._reports import format_error, safe_repr
from circuits.core.helpers import FallBackErrorHandler, FallBackGenerator
from circuits.testing import settle


def test_a_latch_remembers_one_resume() -> None:
    latch = Latch()
    latch.resume()
    latch.resume()
    latch.block(60)  # ends at once
    latch.block(0)  # nothing is left, and no time to wait


@pytest.mark.parametrize("timeout", [-1, 60, 1e30])
def test_a_latch_is_resumed_from_another_thread(timeout: float) -> None:
    latch = Latch()
    thread = threading.Thread(target=latch.resume)
    thread.start()
    latch.block(timeout)
    thread.join()


class Broken(Component):
    def foo(self) -> None:
        raise ValueError("broken")


def test_the_fallback_for_errors_writes_to_standard_error(
    capsys: pytest.CaptureFixture[str],
) -> None:
    app = Broken()
    FallBackErrorHandler().register(app)
    app.fire(Event.create("foo"))
    settle(app)
    err = capsys.readouterr().err
    assert err.startswith("ERROR <listener[*.foo] (Broken.foo)> (<class 'ValueError'>): broken\n")
    assert err.endswith("\n\n")


def test_the_fallback_for_waiting_comes_last_and_is_woken() -> None:
    method: Any = FallBackGenerator._on_generate_events
    assert (method.priority, method.filter, method.channel) == (-100, True, "*")
    app = Component()
    waiting = FallBackGenerator().register(app)
    with app.running():
        settle(app)
        waiting.resume()
        app.tick(60)  # the resume before it ends it
        app.fire(Event.create("foo"))
        app.tick(0)


def test_the_text_of_an_error() -> None:
    problem = ValueError("why")
    plain = format_error(ValueError, problem, ["line 1\n", "line 2\n"])
    assert plain == "ERROR  (<class 'ValueError'>): why\nline 1\nline 2\n\n"
    event = Event.create("foo")
    text = format_error(ValueError, problem, [], Broken().foo, event)
    assert text == (
        "ERROR <listener[*.foo] (Broken.foo)> (<foo[.foo] ( )>) (<class 'ValueError'>): why\n\n"
    )


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
