"""circuits.app.log.JSONFormatter: a line of JSON, with the event, the request and the component."""

from __future__ import annotations

import io
import json
import logging
import pickle
import threading
from collections.abc import Generator, Iterator
from typing import Any

import pytest

from circuits import Component, Event, Supervisor, sleep
from circuits.app.log import JSONFormatter
from circuits.core._tracing import Tracing
from circuits.testing import settle
from circuits.testing.web import web_client
from circuits.web import Controller
from circuits.web.exceptions import NotFound

_log = logging.getLogger("tests.json")


@pytest.fixture
def lines() -> Iterator[Any]:
    out = io.StringIO()
    place = logging.StreamHandler(out)
    place.setFormatter(JSONFormatter())
    _log.addHandler(place)
    _log.setLevel(logging.DEBUG)
    yield lambda: [json.loads(line) for line in out.getvalue().splitlines()]
    _log.removeHandler(place)


class Ping(Event):
    """Something happened."""


def test_a_record_is_a_line(lines: Any) -> None:
    _log.info("hello %s\n%s", "world", {"a": 1}, extra={"user": "ann", "thing": object})
    [line] = lines()
    assert line.pop("time").endswith("Z")
    assert line == {
        "level": "info",
        "logger": "tests.json",
        "message": "hello world\n{'a': 1}",
        "user": "ann",
        "thing": "<class 'object'>",
    }


def test_an_exception_is_in_it(lines: Any) -> None:
    try:
        raise LookupError("gone")
    except LookupError:
        _log.exception("failed", stack_info=True)
    [line] = lines()
    assert line["exception"].endswith("LookupError: gone")
    assert "test_an_exception_is_in_it" in line["stack"]


class App(Component):
    channel = "app"

    def ping(self) -> None:
        self.tell()

    def tell(self) -> None:
        _log.info("hello")

    def later(self) -> Generator[Any, Any, None]:
        _log.info("one")
        yield sleep(0)
        _log.info("two")


@pytest.mark.parametrize("traced", [False, True])
def test_a_handler_is_named(lines: Any, traced: bool) -> None:
    app = App()
    settle(app)
    if traced:

        class Subscriber:
            limit: int | None = None
            chooses: Any = None

            def __getattr__(self, name: str) -> Any:
                return lambda *args: None

        Tracing.of(app._tree_engine).subscribe(Subscriber())
    for _ in range(2):
        app.fire(Ping())
        app.fire(Event.create("later"))
        settle(app)
    found = [(line["event"], line["channels"], line["component"]) for line in lines()]
    assert (
        found
        == [
            ("ping", ["app"], "App/app"),
            ("later", ["app"], "App/app"),
            ("later", ["app"], "App/app"),
        ]
        * 2
    )
    ids = [line["event_id"] for line in lines()]
    assert len(set(ids)) == 4


def test_a_coroutine_is_named(lines: Any) -> None:
    class Async(Component):
        channel = "app"

        async def started(self, *args: Any) -> None:
            await sleep(0)
            _log.info("hello")
            self.stop()

    Async().run()
    [line] = lines()
    assert (line["event"], line["component"]) == ("started", "Async/app")


def test_a_request_is_named(lines: Any) -> None:
    class Root(Controller):
        def index(self) -> str:
            _log.info("hello")
            return str(self.request.id)

    with web_client(Root) as client:
        identity = client.get("/").text
    [line] = lines()
    assert line["request_id"] == identity
    assert line["component"] == "Root//"


def test_other_threads_have_no_event(lines: Any) -> None:
    class Threads(Component):
        channel = "app"

        def ping(self) -> None:
            thread = threading.Thread(target=_log.info, args=("hello",))
            thread.start()
            thread.join(10)

    app = Threads()
    app.fire(Ping())
    settle(app)
    [line] = lines()
    assert "event" not in line


@pytest.fixture
def reports() -> Iterator[Any]:
    out = io.StringIO()
    place = logging.StreamHandler(out)
    place.setFormatter(JSONFormatter())
    log = logging.getLogger("circuits")
    log.addHandler(place)
    before = log.level
    log.setLevel(logging.INFO)
    yield lambda: [json.loads(line) for line in out.getvalue().splitlines()]
    log.setLevel(before)
    log.removeHandler(place)


def test_a_failure_names_the_handler_that_has_failed(
    reports: Any, caplog: pytest.LogCaptureFixture
) -> None:
    class Failing(Component):
        channel = "failing"

        def ping(self) -> None:
            raise LookupError("gone")

    app = Component() + Failing() + Supervisor()
    app.fire(Ping(), "failing")
    settle(app)
    [line] = reports()
    told = line["event"], line["channels"], line["component"]
    assert told == ("ping", ["failing"], "Failing/failing")
    [record] = caplog.records
    assert pickle.loads(pickle.dumps(record.__dict__["circuits_failure"])) is None


@pytest.mark.parametrize(("path", "level"), [("/gone", "info"), ("/broken", "error")])
def test_a_failed_request_is_named(
    reports: Any, handler_errors: Any, path: str, level: str
) -> None:
    class Root(Controller):
        def gone(self) -> str:
            raise NotFound

        async def broken(self) -> str:
            await sleep(0)
            raise LookupError

    with web_client(Root, raise_errors=False) as client:
        identity = client.get(path).headers["X-Request-ID"]
    [line] = [line for line in reports() if line["logger"] == "circuits"]
    assert line["level"] == level
    assert line["request_id"] == identity
    assert (line["event"], line["component"]) == (path[1:], "Root//")


def test_what_a_loop_around_this_one_handles_is_not_told(lines: Any) -> None:
    class Outer(Component):
        channel = "outer"

        def ping(self) -> None:
            inner = Component()
            inner._tree_engine.schedule.call_in(-1, lambda: _log.info("for no event"))
            inner.tick(0)

    app = Outer()
    app.fire(Ping())
    settle(app)
    assert [line.get("event") for line in lines()] == [None]
