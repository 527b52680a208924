from __future__ import annotations

from typing import Any

import pytest

from circuits import Component, Event
from circuits.core.helpers import FallBackErrorHandler, FallBackGenerator
from circuits.testing import settle


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
