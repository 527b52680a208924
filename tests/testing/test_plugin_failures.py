"""A test in which a handler has raised what nobody took fails at its end."""

from __future__ import annotations

import pytest

pytest_plugins = ["pytester"]

_HEAD = """
import pytest
from circuits import Component, Event, handler
from circuits.testing import Recorder, settle

class Fails(Component):
    def go(self):
        raise ValueError("lost")
"""

_LOST = """
def test_it():
    app = Fails()
    app.fire(Event.create("go"))
    settle(app)
"""

_TAKEN = {
    "value": "def test_it():\n    app = Fails()\n    value = app.fire(Event.create('go'))\n    settle(app)\n    assert value.errors",
    "recorder": "def test_it():\n    app = Fails()\n    Recorder('error').register(app)\n    app.fire(Event.create('go'))\n    settle(app)",
    "log": "def test_it(caplog):\n    app = Fails()\n    app.fire(Event.create('go'))\n    settle(app)",
    "fixture": "def test_it(handler_errors):\n    app = Fails()\n    app.fire(Event.create('go'))\n    settle(app)\n    assert str(handler_errors[0]) == 'lost'",
    "awaited": """
def test_it(app_runner):
    class Asks(Fails):
        async def ask(self):
            with pytest.raises(ValueError):
                await self.call(Event.create("go"))
    app = app_runner(Asks())
    app.fire(Event.create("ask"))
    settle(app)
""",
}


def test_what_nobody_took_fails_the_test(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(_HEAD + _LOST)
    result = pytester.runpytest_subprocess("-p", "no:cacheprovider")
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["*a handler has raised what nobody took*", "*(Fails.go)*lost*"])


@pytest.mark.parametrize("way", _TAKEN)
def test_what_was_taken_does_not(pytester: pytest.Pytester, way: str) -> None:
    pytester.makepyfile(_HEAD + _TAKEN[way])
    pytester.runpytest_subprocess("-p", "no:cacheprovider").assert_outcomes(passed=1)


def test_it_can_be_left_out(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(_HEAD + _LOST)
    pytester.makeini("[pytest]\ncircuits_handler_errors = false")
    pytester.runpytest_subprocess("-p", "no:cacheprovider").assert_outcomes(passed=1)


def test_others_are_left_alone(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        """
from circuits import Component, Event
def test_it():
    class Fails(Component):
        def go(self):
            raise ValueError("lost")
    app = Fails()
    app.fire(Event.create("go"))
    app.flush()
    app.flush()
"""
    )
    pytester.runpytest_subprocess("-p", "no:cacheprovider").assert_outcomes(passed=1)
