"""What marks an event: flags on classes and on instances."""

from __future__ import annotations

from typing import Any

import pytest

from circuits import Component, Event, handler


class FooBar(Event):
    pass


@pytest.mark.parametrize("flag", ["success", "failure", "complete", "alert_done"])
def test_flags_can_be_set_on_a_class_body_a_class_and_an_instance(flag: str) -> None:
    by_body = type("ByBody", (Event,), {flag: True})
    assert getattr(by_body, flag) is True
    assert getattr(by_body(), flag) is True
    assert getattr(type("Below", (by_body,), {})(), flag) is True
    assert getattr(type("Off", (by_body,), {flag: False})(), flag) is False

    by_class = type("ByClass", (Event,), {})
    setattr(by_class, flag, True)
    assert getattr(by_class(), flag) is True

    event = FooBar()
    setattr(event, flag, True)
    assert getattr(event, flag) is True
    assert getattr(FooBar(), flag) is False
    setattr(event, flag, False)
    assert getattr(event, flag) is False


@pytest.mark.parametrize("name", ["success_channels", "complete_channels", "failure_channels"])
def test_feedback_channels_are_unset_by_default(name: str) -> None:
    assert not hasattr(Event(), name)


def _feedback(event: Event[Any]) -> list[str]:
    """The feedback that an event gets whose handler does nothing."""
    heard = []

    class App(Component):
        @handler("*")
        def _on_event(self, event: Event[Any], *args: Any) -> None:
            heard.append(event.name)

    app = App()
    app.fire(event)
    while len(app):
        app.flush()
    return heard[1:]


def test_a_flag_set_on_a_class_reaches_the_classes_below() -> None:
    class Above(Event[None]):
        pass

    class Below(Above):
        failure = True

    early = Below()
    Above.success = True
    assert early.success is True
    assert Below().failure is True
    assert _feedback(early) == _feedback(Below()) == ["below_success"]
    Below.success = False
    assert _feedback(Below()) == []
    assert _feedback(Above()) == ["above_success"]


def test_flags_of_several_bases_add_up() -> None:
    class One(Event[None]):
        success = True
        failure = True

    class Other(Event[None]):
        complete = True

    class Both(One, Other):
        failure = False

    both = Both()
    assert (both.success, both.failure, both.complete) == (True, False, True)
    assert _feedback(both) == ["both_success", "both_complete"]


def test_flags_may_come_from_a_class_that_is_no_event() -> None:
    class Asking:
        success: bool = True

    class Asked(Asking, Event[None]):
        pass

    class Below(Asked):
        pass

    assert _feedback(Below()) == ["below_success"]
    quiet = Below()
    quiet.success = False
    assert _feedback(quiet) == []


def test_a_flag_that_is_deleted_is_that_of_the_class_again() -> None:
    class Asked(Event[None]):
        success = True

    asked = Asked()
    asked.success = False
    del asked.success
    assert asked.success is True
    asked.success_channels = ("a",)
    del asked.success_channels
    assert not hasattr(asked, "success_channels")
    with pytest.raises(AttributeError):
        del asked.success_channels


def test_feedback_channels_are_independent() -> None:
    asked = Event.create("asked")
    asked.success = True
    asked.success_channels = ("a",)
    asked.complete_channels = ()
    heard = []

    class App(Component):
        @handler("asked_success", channel="*")
        def _on_success(self, event: Event[Any], *args: Any) -> None:
            heard.append(event.channels)

    app = App()
    app.fire(asked)
    app.flush()
    app.flush()
    assert heard == [("a",)]


def test_a_class_that_is_renamed_names_its_feedback_anew() -> None:
    class Before(Event[None]):
        success = True

    assert _feedback(Before()) == ["before_success"]
    Before.name = "after"
    assert _feedback(Before()) == ["after_success"]
