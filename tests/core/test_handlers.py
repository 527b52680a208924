from __future__ import annotations

import functools
import warnings
from typing import Any

import pytest

from circuits import BaseComponent, Component, Event, handler, reprhandler
from circuits.core.errors import HandlerWarning
from circuits.core.handlers import HandlerMetaClass, Unknown
from circuits.testing import settle


class Foo(Event):
    pass


# -- the decorator --


def test_it_marks_the_very_function() -> None:
    def function(self: Any, x: int) -> None: ...

    assert handler("foo", "bar", channel="c", priority=2.5, filter=True, override=True)(
        function
    ) is (function)
    marks: Any = function
    assert marks.handler is True
    assert marks.names == ("foo", "bar")
    assert marks.channel == "c"
    assert marks.priority == 2.5
    assert marks.filter is True
    assert marks.override is True
    assert marks.event is False


def test_defaults() -> None:
    marks: Any = handler()(lambda self: None)
    assert (marks.names, marks.channel, marks.priority) == ((), None, 0)
    assert (marks.filter, marks.override, marks.event) == (False, False, False)


def test_false_marks_what_is_no_handler() -> None:
    marks: Any = handler(False)(lambda self: None)
    assert marks.handler is False


def test_event_classes_stand_for_their_names() -> None:
    marks: Any = handler(Foo, "bar")(lambda self, *args: None)
    assert marks.names == ("foo", "bar")


@pytest.mark.parametrize(
    ("function", "wants"),
    [
        (lambda self, event: None, True),
        (lambda self, event, x: None, True),
        (lambda event: None, True),
        (lambda self, x, event: None, False),
        (lambda self: None, False),
        (lambda: None, False),
        (lambda self, *event: None, False),
        (lambda self, *, event=None: None, False),
        (lambda self, **event: None, False),
        (lambda this, event: None, False),
    ],
)
def test_the_first_parameter_decides_whether_the_event_comes(function: Any, wants: bool) -> None:
    assert handler("foo")(function).event is wants


def test_wrapped_functions_are_looked_through() -> None:
    def function(self: Any, event: Event) -> None: ...

    @functools.wraps(function)
    def wrapper(*args: Any, **kwargs: Any) -> None: ...

    marks: Any = handler("foo")(wrapper)
    assert marks.event is True


def test_a_mark_that_is_there_already_is_kept() -> None:
    def function(self: Any, evt: Event) -> None: ...

    function.event = True  # type: ignore[attr-defined]
    assert handler("foo")(function).event is True  # type: ignore[attr-defined]


def test_what_cannot_be_inspected_gets_no_event() -> None:
    class Odd:
        __signature__ = "nonsense"

        def __call__(self) -> None: ...

    marks: Any = handler("foo")(Odd())
    assert marks.event is False


@pytest.mark.parametrize(
    ("args", "kwargs", "message"),
    [
        ((), {"chanel": "x"}, "no option chanel"),
        ((1,), {}, "names or classes of events"),
        ((int,), {}, "names or classes of events"),
        ((Foo(),), {}, "names or classes of events"),
        (("x",), {"priority": "high"}, "priority must be a number"),
        (("x",), {"priority": True}, "priority must be a number"),
        (("x",), {"channel": []}, "unhashable"),
    ],
)
def test_mistakes_are_refused(args: Any, kwargs: Any, message: str) -> None:
    with pytest.raises(TypeError, match=message):
        handler(*args, **kwargs)(lambda self: None)


def test_forgetting_the_call_is_refused() -> None:
    with pytest.raises(TypeError, match="not <function"):

        class _App(Component):
            @handler  # type: ignore[arg-type]
            def foo(self) -> None: ...  # type: ignore[misc]


# -- implicit handlers --


def names_of(component: BaseComponent) -> set[str]:
    return set(component._handlers) - {"unregister", "prepare_unregister_complete"}


class Implicit(Component):
    attribute = 3

    def public(self) -> None: ...

    def _private(self) -> None: ...

    @handler("other")
    def explicit(self) -> None: ...

    @handler(False)
    def helper(self) -> None: ...

    @property
    def some_property(self) -> int:
        raise AssertionError("a property is not read")

    @staticmethod
    def static() -> None: ...

    @classmethod
    def of_class(cls) -> None: ...

    class Nested:
        pass

    partial = functools.partial(print)

    def init(self, *args: Any, **kwargs: Any) -> None: ...


def test_public_methods_of_a_component_are_handlers_and_nothing_else_is() -> None:
    assert names_of(Implicit()) == {"public", "other"}


def test_a_base_component_has_only_explicit_ones() -> None:
    class Explicit(BaseComponent):
        def public(self) -> None: ...

        @handler("other")
        def _on_other(self) -> None: ...

    assert names_of(Explicit()) == {"other"}


def test_components_have_the_documented_metaclass() -> None:
    assert type(Component) is HandlerMetaClass
    assert type(BaseComponent) is type


def test_a_subclass_of_a_component_goes_on_with_it() -> None:
    class Below(Implicit):
        def more(self) -> None: ...

    assert names_of(Below()) == {"public", "other", "more"}


def test_hiding_a_method_of_the_kernel_is_a_warning() -> None:
    with pytest.warns(HandlerWarning, match=r"App.stop becomes a handler .* hides Manager.stop"):

        class App(Component):
            def stop(self) -> None: ...  # type: ignore[override]


def test_not_hiding_one_is_none() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")

        class _App(Component):
            def started(self, component: Any) -> None: ...

            @handler(False)
            def stop(self, code: Any = None) -> None: ...


# -- inheritance --


class Base(Component):
    def __init__(self) -> None:
        super().__init__()
        self.ran: list[str] = []

    def test(self) -> None:
        self.ran.append("Base")


class Adds(Base):
    def test(self) -> None:
        self.ran.append("Adds")


class AddsMore(Adds):
    def test(self) -> None:
        self.ran.append("AddsMore")


class Overrides(Adds):
    @handler("test", override=True)
    def test(self) -> None:
        self.ran.append("Overrides")


class BelowOverrides(Overrides):
    def test(self) -> None:
        self.ran.append("BelowOverrides")


class Inherits(Base):
    pass


class High(Base):
    @handler("test", priority=1)
    def test(self) -> None:
        self.ran.append("High")


class OtherName(Base):
    @handler("test")
    def _on_test(self) -> None:
        self.ran.append("OtherName")


class Hides(Base):
    @handler(False)
    def test(self) -> None:
        self.ran.append("never")


class Left(Base):
    def test(self) -> None:
        self.ran.append("Left")


class Right(Base):
    def test(self) -> None:
        self.ran.append("Right")


class Diamond(Left, Right):
    pass


@pytest.mark.parametrize(
    ("cls", "ran"),
    [
        (Base, ["Base"]),
        (Inherits, ["Base"]),
        (Adds, ["Base", "Adds"]),
        (AddsMore, ["Base", "Adds", "AddsMore"]),
        (Overrides, ["Overrides"]),
        (BelowOverrides, ["Overrides", "BelowOverrides"]),
        (High, ["High", "Base"]),
        (OtherName, ["Base", "OtherName"]),
        (Hides, ["Base"]),
        (Diamond, ["Base", "Right", "Left"]),
    ],
)
def test_a_redefinition_adds_unless_it_overrides(cls: type[Base], ran: list[str]) -> None:
    app = cls()
    app.fire(Event.create("test"))
    settle(app)
    assert app.ran == ran


def test_inherited_ones_are_visible_under_the_name_of_their_class() -> None:
    app: Any = AddsMore()
    app.Base_test()
    app.Adds_test()
    app.test()
    assert app.ran == ["Base", "Adds", "AddsMore"]
    assert not hasattr(Inherits(), "Base_test")


def test_components_that_share_a_function_register_it_once() -> None:
    class Shared(BaseComponent):
        calls = 0

        @handler("foo")
        def _on_foo(self) -> None:
            Shared.calls += 1

        again = _on_foo

    app = Shared()
    app.fire(Foo())
    settle(app)
    assert Shared.calls == 1


# -- representation --


class A(Component):
    def foo(self) -> None: ...

    @handler("x", "y", channel="c", filter=True)
    def _on_xy(self) -> None: ...

    @handler()
    def _all(self) -> None: ...


@pytest.mark.parametrize(
    ("method", "text"),
    [
        ("foo", "<listener[*.foo] (A.foo)>"),
        ("_on_xy", "<filter[c.x.y] (A._on_xy)>"),
        ("_all", "<listener[*.] (A._all)>"),
        ("_on_unregister", "<listener[*.unregister] (A._on_unregister)>"),
        (
            "_on_prepare_unregister_complete",
            (
                "<listener[<instance of A>.prepare_unregister_complete] "
                "(A._on_prepare_unregister_complete)>"
            ),
        ),
    ],
)
def test_reprhandler(method: str, text: str) -> None:
    assert reprhandler(getattr(A(), method)) == text


def test_reprhandler_of_an_unbound_handler_and_of_a_component_channel() -> None:
    assert reprhandler(A.foo) == f"<listener[*.foo] ({Unknown.__name__}.foo)>"
    function = handler("foo", channel=A())(lambda self: None)
    assert reprhandler(function).startswith("<listener[<instance of A>.foo] (Unknown.")


@pytest.mark.parametrize("thing", [print, lambda: None, 3, Implicit.helper])
def test_reprhandler_of_something_else(thing: Any) -> None:
    with pytest.raises(AttributeError):
        reprhandler(thing)


def test_a_bare_decorator_is_told_how_to_write_it() -> None:
    def ring(self: Any) -> None: ...

    with pytest.raises(TypeError, match=r'not <function .*ring at .*>: write @handler\("ring"\)'):
        handler(ring)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match=r"not 5$"):
        handler(5)  # type: ignore[arg-type]
