"""What a class exposes, and what its methods find while they run."""

from __future__ import annotations

import asyncio
import functools
import json
from typing import Any

import pytest

from circuits import BaseComponent, Event, handler
from circuits.core.errors import HandlerWarning
from circuits.web import errors, exceptions
from circuits.web.controllers import (
    BaseController,
    Binding,
    Controller,
    JSONController,
    expose,
    exposeJSON,
)
from tests.web.controller_support import Site


def names_of(controller: type[BaseController]) -> set[str]:
    """The names that a URL may reach."""
    return set(controller()._bindings())


# -- exposure -----------------------------------------------------------------------------------


def test_a_controller_exposes_its_public_functions_only() -> None:
    class Page(Event):
        """A class, not a function."""

    class Mixed(Controller):
        event_class = Page
        attribute = len

        class Inner:
            """Nested."""

        def shown(self) -> None:
            """A function."""

        def _hidden(self) -> None:
            """Private."""

        @staticmethod
        def static() -> None:
            """No function of the instance."""

        @classmethod
        def of_class(cls) -> None:
            """Neither."""

        @handler("something", channel="x")
        def hears(self) -> None:
            """A handler already."""

        @handler(False)
        def helper(self) -> None:
            """Explicitly none."""

        @expose("other.txt")
        def renamed(self) -> None:
            """Under another name only."""

        def init(self, *args: Any, **kwargs: Any) -> None:
            """Called by the constructor."""

    assert names_of(Mixed) == {"shown", "other.txt"}


def test_a_base_controller_exposes_what_it_is_told() -> None:
    class Some(BaseController):
        @expose()
        def one(self) -> None: ...

        @expose("b", "c")
        @expose("a")
        def several(self) -> None: ...

        def none(self) -> None: ...

    assert names_of(Some) == {"one", "a", "b", "c"}


class Parent(Controller):
    def index(self) -> str:
        return "parent"

    def inherited(self) -> str:
        return "inherited"


def test_exposed_methods_are_inherited_and_replaced() -> None:
    class Child(Parent):
        def index(self) -> str:
            return "child of " + super().index()

    site = Site(Child())
    assert site.ask("/").result == "child of parent"
    assert site.ask("/inherited").result == "inherited"


def test_an_exposed_function_that_hides_the_framework_is_warned_of() -> None:
    with pytest.warns(
        HandlerWarning, match=r"Bad\.fire is exposed and hides Manager\.fire"
    ) as seen:

        class Bad(Controller):
            def fire(self) -> None:  # type: ignore[override]
                """Would break the component."""

    assert seen[0].filename == __file__


def test_config_reaches_the_handler() -> None:
    @expose("x", priority=3, channel="/there")
    def method(self: Any) -> None:
        """Docstring."""

    assert (method.names, method.priority, method.channel) == (("x",), 3, "/there")
    assert method.__name__ == "method"
    assert method.__doc__ == "Docstring."


# -- bindings --------------------------------------------------------------------------------------


def _f0(self: Any) -> None: ...
def _f1(self: Any, a: Any) -> None: ...
def _f2(self: Any, a: Any, b: Any = 2) -> None: ...
def _rest(self: Any, a: Any, *rest: Any) -> None: ...
def _keywords(self: Any, a: Any = 1, *, key: Any, other: Any = 2) -> None: ...
def _all(self: Any, *args: Any, **kwargs: Any) -> None: ...
def _slash(self: Any, a: Any, /, **kwargs: Any) -> None: ...
def _strict(self: Any, a: Any = 1, /) -> None: ...


FUNCTIONS = [_f0, _f1, _f2, _rest, _keywords, _all, _slash, _strict]
NAMES = [
    (),
    ("a",),
    ("b",),
    ("key",),
    ("self",),
    ("a", "b"),
    ("a", "key"),
    ("key", "other"),
    ("z",),
]


@pytest.mark.parametrize("function", FUNCTIONS, ids=lambda f: f.__name__)
def test_a_binding_agrees_with_python(function: Any) -> None:
    binding = Binding(function, 1, strict=True)
    for count in range(4):
        for names in NAMES:
            try:
                function("me", *"xyz"[:count], **dict.fromkeys(names, 1))
                fits = True
            except TypeError:
                fits = False
            assert (binding.misfit(count, names) is None) == fits, (count, names)
        assert binding.fits(count) == (binding.misfit(count, ()) is None), count


@pytest.mark.parametrize(
    ("function", "counts"),
    [
        (_f0, {0}),
        (_f1, {0, 1}),
        (_f2, {0, 1, 2}),
        (_rest, {0, 1, 2, 3}),
        (_keywords, {0, 1}),
        (_all, {0, 1, 2, 3}),
        (_strict, {0, 1}),
    ],
)
def test_a_binding_accepts_so_many_segments(function: Any, counts: set[int]) -> None:
    binding = Binding(function, 1)
    assert {count for count in range(4) if binding.accepts(count)} == counts


@pytest.mark.parametrize("function", FUNCTIONS, ids=lambda f: f.__name__)
def test_what_a_binding_leaves_out_is_what_does_not_fit(function: Any) -> None:
    binding = Binding(function, 1)
    for count in range(4):
        for names in NAMES:
            kwargs = dict.fromkeys(names, 1)
            if binding.misfit(count, names) is None:
                function("me", *"xyz"[:count], **binding.chosen(count, kwargs))


def test_surplus_segments_are_not_found_and_wrong_parameters_are_bad() -> None:
    binding = Binding(_f1, 1, strict=True)
    assert binding.misfit(2, ()) == (404, "The path has too many segments.")
    assert binding.misfit(0, ()) == (400, "Missing parameter: a")
    assert binding.misfit(1, ("q",)) == (400, "Unexpected parameter: q")


def test_behind_a_decorator_that_passes_on_the_limit_is_that_of_the_function() -> None:
    def transparent(function: Any) -> Any:
        @functools.wraps(function)
        def inner(self: Any, *args: Any, **kwargs: Any) -> Any:
            return function(self, *args, **kwargs)

        return inner

    def giving(function: Any) -> Any:
        @functools.wraps(function)
        def inner(self: Any, **kwargs: Any) -> Any:
            return function(self, "given", **kwargs)

        return inner

    class Decorated(Controller):
        @transparent
        def index(self) -> str:
            return "index"

        @giving
        def two(self, given: str, b: str = "b") -> str:
            return given + b

    site = Site(Decorated())
    assert site.ask("/").result == "index"
    assert site.ask("/unknown").code == 404
    assert site.ask("/two", "b=2").result == "given2"


# -- the request at hand -------------------------------------------------------------------------


class Seeing(Controller):
    def index(self) -> str:
        return f"{self.request.path} {self.response.code} {self.name}"

    def jar(self) -> str:
        assert self.cookie is self.request.cookie
        return self.cookie["a"].value

    def steps(self, count: str) -> Any:
        for number in range(int(count)):
            yield f"{self.request.qs}{number} "
            yield None
        try:
            yield self.call(Event.create("Missing"), timeout=0)
        except TimeoutError:
            yield "late " + self.request.qs

    def nested(self) -> Any:
        yield self._inner()
        yield from self._inner()
        value = yield self.call(Event.create("Echo"), "echo")
        yield f"{value.value}{self.request.qs}"

    def _inner(self) -> Any:
        yield f"inner {self.request.qs} "

    def returned(self) -> Any:
        return (self.request.qs + n for n in "12")

    def calls(self) -> str:
        return self.helper("x") + "/" + self.helper("y", self.request.path)

    def helper(self, a: str, b: str = "-") -> str:
        return f"{a}{b}{self.request.path}"

    def told(self, event: Any, a: str) -> str:
        return f"{event.name} {a} {self.request.path}"

    def streamed(self) -> Any:
        self.response.stream = True
        self.response.body = self._inner()
        return self.response

    def answered(self) -> str:
        return f"{self.uri.path} {self.uri.query} {self.url()} {self.url('x')}"

    def raises(self) -> str:
        raise exceptions.Forbidden("no")


class Echo(BaseComponent):
    channel = "echo"

    @handler("echo")
    def _on_echo(self) -> str:
        return "echo "


@pytest.fixture
def seeing() -> Site:
    return Site(Seeing(), Echo())


@pytest.mark.parametrize("name", ["request", "response", "cookie", "session", "uri"])
def test_there_is_no_request_outside_of_one(seeing: Site, name: str) -> None:
    controller = seeing.dispatcher.paths["/"]
    seeing.ask("/")
    seeing.ask("/steps/2", "q")
    seeing.ask("/raises")
    with pytest.raises(AttributeError, match=rf"Seeing\.{name} exists only while"):
        getattr(controller, name)
    assert not hasattr(controller, name)


def test_methods_see_their_request(seeing: Site) -> None:
    assert seeing.ask("/").result == "/ 200 Seeing"
    assert seeing.ask("/jar", Cookie="a=1").result == "1"
    assert seeing.ask("/told/7").result == "told 7 /told/7"
    assert seeing.ask("/answered", Host="h").result == "/answered  http://h/answered http://h/x"


class Interleaved(Controller):
    def index(self, tag: str, count: str) -> Any:
        for _ in range(int(count)):
            yield self.request.kwargs["tag"]  # type: ignore[index]
            yield None
        if tag == "b":
            raise exceptions.NotFound(self.request.qs)
        yield "."


def test_generators_keep_their_own_request_at_every_step() -> None:
    site = Site(Interleaved())
    outcomes = [
        site.begin("/", f"tag={tag}&count={n}") for tag, n in (("a", 3), ("b", 2), ("c", 1))
    ]
    site.settle()
    a, b, c = outcomes
    assert a.result == ["a", "a", "a", "."]
    assert b.code == 404
    assert b.value.exceptions[0].description == "tag=b&count=2"  # type: ignore[attr-defined]
    assert c.result == ["c", "."]


def test_generators_within_generators_see_the_request(seeing: Site) -> None:
    outcome = seeing.ask("/nested")
    assert "".join(outcome.result) == "inner  inner  echo "
    assert seeing.ask("/returned").result == ["1", "2"]


def test_a_timeout_reaches_the_method_with_its_request(seeing: Site) -> None:
    assert seeing.ask("/steps/1").result == ["0 ", "late "]


def test_a_streamed_body_sees_the_request(seeing: Site) -> None:
    outcome = seeing.ask("/streamed")
    assert outcome.result is outcome.response
    assert list(outcome.response.body) == ["inner  "]


def test_one_exposed_method_calls_another(seeing: Site) -> None:
    assert seeing.ask("/calls").result == "x-/calls/y/calls/calls"


def test_an_exposed_method_can_be_called_by_a_test() -> None:
    assert Parent().index() == "parent"


def test_the_session_needs_its_component() -> None:
    class Visits(Controller):
        def index(self) -> str:
            return str(self.session["visits"])

    site = Site(Visits())
    outcome = site.begin("/")
    outcome.request.session = {"visits": 3}
    site.settle()
    assert outcome.result == "3"
    failure = site.ask("/").value.exceptions[0]
    assert "needs a Sessions component" in str(failure)


class Waits(Controller):
    async def index(self, tag: str) -> str:
        before = self.request.qs
        await asyncio.sleep(0)
        value = await self.call(Event.create("Echo"), "echo")
        assert self.request.qs == before
        return f"{value}{self.request.qs}"

    async def fails(self) -> str:
        await asyncio.sleep(0)
        raise exceptions.Forbidden(self.request.path)


def test_coroutines_see_their_request() -> None:
    site = Site(Waits(), Echo())
    with site.running():
        outcomes = [site.begin("/", f"tag={n}") for n in range(3)]
        failing = site.begin("/fails")
        pending = [*outcomes, failing]
        for _ in range(200):
            site.tick(0)
            if all(o.value.result for o in pending):
                break
    assert [o.result for o in outcomes] == ["echo tag=0", "echo tag=1", "echo tag=2"]
    assert failing.code == 403
    assert failing.value.exceptions[0].description == "/fails"  # type: ignore[attr-defined]
    assert not hasattr(site.dispatcher.paths["/"], "request")


# -- helpers ---------------------------------------------------------------------------------------


class Helping(Controller):
    def away(self) -> Any:
        return self.redirect("/there", 307)

    def no(self) -> Any:
        return self.forbidden("not you")

    def nothing(self) -> Any:
        return self.notfound()

    def ignored(self) -> str:
        self.forbidden()
        return "still forbidden"

    def stale(self) -> str:
        self.expires(60)
        return "x"

    def file(self, path: str) -> Any:
        return self.serve_file(path, type="text/x-test")

    def download(self, path: str) -> Any:
        return self.serve_download(path, "n.txt")


def test_helpers_make_what_is_to_be_returned(tmp_path: Any) -> None:
    site = Site(Helping())
    away = site.ask("/away", Host="h")
    assert isinstance(away.result, errors.Redirect)
    assert (away.code, away.response.headers["Location"]) == (307, "http://h/there")
    no = site.ask("/no")
    assert (no.code, no.result.description) == (403, "not you")
    assert site.ask("/nothing").code == 404
    assert site.ask("/ignored").code == 403
    assert site.ask("/stale").response.headers["Expires"]
    path = tmp_path / "f.txt"
    path.write_text("text")
    shown = site.ask("/file", f"path={path}")
    assert shown.response.headers["Content-Type"] == "text/x-test"
    saved = site.ask("/download", f"path={path}")
    assert "attachment" in (saved.response.headers["Content-Disposition"] or "")
    for outcome in (shown, saved):
        outcome.response.release()


# -- JSON ------------------------------------------------------------------------------------------


class Data(JSONController):
    def index(self) -> Any:
        return {"path": self.request.path}

    def nothing(self) -> None:
        """Nothing is a result, too."""

    def true(self) -> bool:
        return True

    def last(self) -> Any:
        yield {"first": 1}
        yield self._inner()
        yield {"path": self.request.path}

    def final(self) -> Any:
        yield 1
        return [2]

    def _inner(self) -> Any:
        yield {"inner": 1}

    def denied(self) -> Any:
        return self.forbidden()

    def own(self) -> Any:
        self.response.body = "[]"
        return self.response

    def raises(self) -> Any:
        raise exceptions.NotFound("nobody")

    def impossible(self) -> Any:
        return {1, 2}

    def combined(self) -> Any:
        return [self.index(), self.true()]

    def _private(self) -> None: ...


@pytest.mark.parametrize(
    ("path", "data"),
    [
        ("/", {"path": "/"}),
        ("/nothing", None),
        ("/true", True),
        ("/last", {"path": "/last"}),
        ("/final", [2]),
        ("/combined", [{"path": "/combined"}, True]),
    ],
)
def test_results_are_sent_as_json(path: str, data: Any) -> None:
    outcome = Site(Data()).ask(path)
    assert json.loads(outcome.result) == data
    assert outcome.response.headers["Content-Type"] == "application/json"
    assert outcome.code == 200


def test_errors_and_responses_are_no_data() -> None:
    site = Site(Data())
    denied = site.ask("/denied")
    assert json.loads(str(denied.result))["code"] == 403
    own = site.ask("/own")
    assert own.result is own.response
    assert site.ask("/raises").code == 404
    assert site.ask("/raises").response.headers["Content-Type"] == "application/json"
    assert site.ask("/impossible").code == 500
    assert site.ask("/_private").code == 404


def test_a_single_method_may_answer_in_json() -> None:
    class Both(Controller):
        @exposeJSON("data.json")
        def data(self, a: str) -> Any:
            return [a]

        def page(self) -> str:
            return "page"

        @exposeJSON()
        def told(self, event: Any) -> Any:
            return event.name

    site = Site(Both())
    assert site.ask("/data.json/1").result == '["1"]'
    assert site.ask("/page").result == "page"
    assert site.ask("/told").result == '"told"'
    assert site.ask("/data").code == 404


def test_coroutines_answer_in_json() -> None:
    class Later(JSONController):
        async def index(self) -> Any:
            await asyncio.sleep(0)
            return [self.request.path]

    site = Site(Later())
    with site.running():
        outcome = site.begin("/")
        for _ in range(50):
            site.tick(0)
            if outcome.value.result:
                break
    assert outcome.result == '["/"]'
