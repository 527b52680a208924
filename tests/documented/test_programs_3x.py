"""Programs of the 3.x line run, where nothing in 2.1 speaks against it."""

from __future__ import annotations

import importlib
import inspect
import logging
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from circuits import Component, Event, LiteralEvent, Worker, handler, task
from circuits.app import Daemon, DropPrivileges
from circuits.core.helpers import FallBackErrorHandler, FallBackExceptionHandler
from circuits.core.manager import ExceptionWrapper
from circuits.io import File, Process
from circuits.net.sockets import TCPClient
from circuits.net.utils import is_ssl_handshake
from circuits.node import Node, remote
from circuits.testing import settle
from circuits.tools import getargspec
from circuits.web.client import request as client_request

# -- names of classes as they are written --


class Connect(Event):
    success = True
    complete = True


class PowerButtonOffEvent(Event):
    success = True
    failure = True


class Log(Component):
    def __init__(self) -> None:
        super().__init__()
        self.log: list[Any] = []


def run_with(app: Log, event: Event) -> list[Any]:
    with app.running():
        settle(app)
        app.fire(event)
        settle(app)
    return app.log


def test_handlers_may_be_bound_to_the_class_as_written() -> None:
    class App(Log):
        @handler("Connect")
        def _on_connect(self) -> None:
            self.log.append("written")

        @handler("connect", "Connect")
        def _on_both(self) -> None:
            self.log.append("once")

        @handler("Connect_success")
        def _on_success(self, subject: Event, value: Any) -> None:
            self.log.append("success")

        @handler("Connect_complete", channel="*")
        def _on_complete(self, subject: Event, value: Any) -> None:
            self.log.append("complete")

    assert Connect.name == "connect"
    assert run_with(App(), Connect()) == ["written", "once", "success", "complete"]


def test_methods_of_such_names_are_handlers() -> None:
    class App(Log):
        def PowerButtonOffEvent(self) -> None:
            self.log.append("off")

        def PowerButtonOffEvent_success(self, subject: Event, value: Any) -> None:
            self.log.append("done")

    app = App()
    assert run_with(app, PowerButtonOffEvent()) == ["off", "done"]
    assert app.getHandlers(PowerButtonOffEvent(), "*") == {app.PowerButtonOffEvent}


def test_failures_too() -> None:
    class App(Log):
        def power_button_off_event(self) -> None:
            raise ValueError("no")

        def PowerButtonOffEvent_failure(self, subject: Event, error: Any) -> None:
            self.log.append(error[0])

        @handler("error", channel="*")
        def _on_error(self, *args: Any) -> None: ...

    assert run_with(App(), PowerButtonOffEvent()) == [ValueError]


def test_what_is_added_later_is_heard_and_what_is_removed_is_not() -> None:
    app = Log()

    def later(self: Log) -> None:
        self.log.append("later")

    with app.running():
        app.fire(Connect())
        settle(app)
        method = app.addHandler(handler("Connect")(later))
        app.fire(Connect())
        settle(app)
        app.removeHandler(method)
        app.fire(Connect())
        settle(app)
    assert app.log == ["later"]


def test_others_of_that_spelling_are_others() -> None:
    class GET(LiteralEvent):
        pass

    class get(Event):
        pass

    class App(Log):
        def GET(self) -> None:
            self.log.append("GET")

        def get(self) -> None:
            self.log.append("get")

    assert run_with(App(), GET()) == ["GET"]
    assert run_with(App(), get()) == ["get"]


def test_names_made_at_run_time_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    from circuits.core import _written

    monkeypatch.setattr(_written, "_LIMIT", len(_written._written) + 12)
    for number in range(10):
        Event.create(f"MadeUp{number}")
    assert len(_written._written) <= _written._LIMIT + 6


# -- failures --


class Fails(Log):
    def connect(self) -> None:
        raise ValueError("broken")


def test_handlers_of_exception_hear_of_failures(caplog: pytest.LogCaptureFixture) -> None:
    class App(Fails):
        @handler("exception", channel="*")
        def _on_exception(
            self,
            error_type: Any,
            value: Any,
            traceback: Any,
            handler: Any = None,
            fevent: Any = None,
        ) -> None:
            self.log.append((error_type, str(value), type(traceback), handler, fevent.name))

    app = App()
    assert run_with(app, Connect()) == [(ValueError, "broken", list, app.connect, "connect")]
    assert caplog.records == []  # that counts as having seen it


def test_one_that_fails_is_logged_and_no_more(caplog: pytest.LogCaptureFixture) -> None:
    class App(Fails):
        @handler("exception", channel="*")
        def _on_exception(self, *args: Any, **kwargs: Any) -> None:
            raise KeyError("mine")

    with caplog.at_level(logging.ERROR, "circuits"):
        run_with(App(), Connect())
    (record,) = caplog.records
    assert "mine" in record.getMessage()


def test_a_handler_may_yield_its_failure(caplog: pytest.LogCaptureFixture) -> None:
    class App(Log):
        def connect(self) -> Iterator[Any]:
            yield ExceptionWrapper(ValueError("yielded"))
            self.log.append("not reached")

        def outer(self) -> Iterator[Any]:
            try:
                yield self.connect()
            except ValueError as problem:
                self.log.append(str(problem))

    app = App()
    with app.running():
        value = app.fire(Connect())
        settle(app)
        assert value.errors
        assert value.value[0] is ValueError
        app.fire(Event.create("outer"))
        settle(app)
    assert app.log == ["yielded"]


# -- workers --


def test_tasks_tell_of_their_ends() -> None:
    class App(Log):
        def started(self, component: Any) -> None:
            worker = Worker().register(self)
            self.fire(task(pow, 2, 5), worker)
            self.fire(task(int, "x"), worker)

        @handler("task_success", channel="*")
        def _on_success(self, subject: Event, result: Any) -> None:
            self._add(result)

        @handler("task_failure", channel="*")
        def _on_failure(self, subject: Event, error: Any) -> None:
            self._add(error[0])

        @handler("error", channel="*")
        def _on_error(self, *args: Any) -> None: ...

        def _add(self, what: Any) -> None:
            self.log.append(what)
            if len(self.log) == 2:
                self.stop()

    app = App()
    app.run()
    assert set(app.log) == {32, ValueError}


def test_the_pool_takes_functions_as_one_of_multiprocessing() -> None:
    worker = Worker(workers=1)
    assert worker.pool.apply_async(pow, (2, 5)).get(10) == 32
    assert worker.pool.apply_async(int, ("11",), {"base": 2}).get(10) == 3
    worker._dismiss()


# -- init --


@pytest.mark.parametrize(
    ("cls", "args"),
    [
        (File, ("file.txt", "w")),
        (Process, (["true"],)),
        (Daemon, ("app.pid",)),
        (DropPrivileges, ("nobody",)),
        (TCPClient, ()),
    ],
)
def test_init_is_called_when_the_component_is_made(
    cls: Any, args: tuple[Any, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    called: list[Any] = []

    class Own(cls):  # type: ignore[misc]
        def init(self, *args: Any, **kwargs: Any) -> None:
            super().init(*args, **kwargs)
            called.append((args, kwargs, set(vars(self))))

    class Further(Own):
        def init(self, *args: Any, **kwargs: Any) -> None:
            super().init(*args, **kwargs)
            called.append("further")

    made = cls(*args)
    Own(*args, channel="here")
    ((got, options, attributes),) = called
    assert (got, options) == (args, {"channel": "here"})
    assert attributes >= {name for name in vars(made) if not name.startswith("_tree")}
    called.clear()
    Further(*args)
    assert called[1:] == ["further"]
    assert inspect.signature(Own) == inspect.signature(cls)


def test_a_component_has_one_that_does_nothing() -> None:
    class App(Component):
        def init(self, number: int, **kwargs: Any) -> None:
            super().init(number, **kwargs)
            self.number = number

    assert App(3).number == 3


# -- marks of others --


def full(function: Any) -> Any:
    function.handler = True
    function.names = ("connect",)
    function.channel = None
    function.priority = 0
    function.override = False
    function.event = False
    return function


def little(function: Any) -> Any:
    function.handler = True
    function.names = ["connect"]
    return function


def test_functions_that_others_have_marked_are_handlers() -> None:
    class App(Log):
        @full
        def _full(self) -> None:
            self.log.append("full")

        @little
        def _little(self, event: Event) -> None:
            self.log.append(event.name)

    assert run_with(App(), Connect()) == ["full", "connect"]


def test_handlers_are_names_with_the_attributes_of_handlers() -> None:
    class App(Component):
        channel = "app"

        @handler("connect", "other", channel="here", priority=3)
        def _on_connect(self) -> None: ...

        def plain(self) -> None: ...

    names = {str(name): name for name in App.handlers()}
    assert set(App.handlers()) >= {"connect", "other", "plain"}
    connect: Any = names["connect"]
    assert connect == "connect"
    assert (connect.names, connect.channel, connect.priority) == (("connect", "other"), "here", 3)
    assert (connect.filter, connect.override, connect.event) == (False, False, False)
    assert connect.__name__ == "_on_connect"
    assert all(isinstance(name.channel, str | None) for name in App.handlers())  # type: ignore[attr-defined]


# -- processes --

_BRIDGED = """
import os
from circuits import Component, Debugger, Event, handler, ipc
class Ping(Event): ...
class Pong(Event): ...
class Child(Component):
    def ping(self, text):
        os.write(1, b"child %s\\n" % text.encode())
        return text.upper()
class App(Component):
    def started(self, component):
        child = Child()
        _, self.bridge = child.start(process=True, link=self{options})
    def ready(self, *args):
        self.fire(Event.create("go"))
    def go(self):
        {first}
        yield self.call(Ping("plain"))
        value = yield self.call(ipc(Ping("wrapped")))
        yield self.call(Ping("again"))
        print(value.value, flush=True)
        self.stop()
    def ping(self, text):
        os.write(1, b"parent %s\\n" % text.encode())
App().run()
"""


@pytest.mark.integration
@pytest.mark.parametrize(
    ("options", "first", "expected"),
    [
        (", implicit=False", "", ["child wrapped"]),
        ("", "yield self.call(ipc(Ping('first')))", ["child first", "child wrapped"]),
        ("", "", ["child plain", "child wrapped"]),
    ],
    ids=["told", "after the first", "2.1"],
)
def test_who_wraps_what_is_to_cross_gets_nothing_else(
    options: str, first: str, expected: list[str]
) -> None:
    done = subprocess.run(
        [sys.executable, "-c", _BRIDGED.format(options=options, first=first)],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    lines = done.stdout.splitlines()
    assert [line for line in lines if line.startswith("child")] == expected
    assert [line for line in lines if line.startswith("parent")] == ["parent plain", "parent again"]
    assert lines[-1] == "WRAPPED"


# -- other names --


def test_other_names() -> None:
    assert FallBackExceptionHandler is FallBackErrorHandler
    assert is_ssl_handshake(b"\x16\x03\x01\x02\x00")
    assert not is_ssl_handshake(b"GET / HTTP/1.1")
    assert not is_ssl_handshake(b"\x16\x03")
    assert getargspec(lambda a, *b, c=1, **d: None) == (["a"], "b", "d", None)
    assert Log()._handlers["*"] == set()

    class App(Component):
        @handler("*")
        def _on_any(self, *args: Any) -> None: ...

    app = App()
    assert app._handlers["*"] == {app._on_any}


def test_nodes() -> None:
    class Greet(Event):
        success = True

    class Greeter(Component):
        channel = "greeter"

        def greet(self, name: str) -> str:
            return f"hello {name}"

    class App(Component):
        greeting = None

        def started(self, component: Component) -> None:
            assert self.server.port
            other = Node(channel="other").register(self)
            other.add("server", "127.0.0.1", self.server.port)

        def __init__(self) -> None:
            super().__init__()
            self.server = Node(port=0, server_ip="127.0.0.1").register(self)
            Greeter().register(self)

        @handler("connected_to", channel="other")
        def _on_connected_to(self, *args: Any) -> Iterator[Any]:
            value: Any = yield self.call(remote(Greet("you"), "server", "greeter"), "other")
            self.greeting = value.value
            self.stop()

    app = App()
    app.run()
    assert app.greeting == "hello you"


def test_six() -> None:
    from circuits import six

    assert (six.PY2, six.PY3) == (False, True)
    assert isinstance("x", six.string_types)
    assert six.b("\xe9") == b"\xe9"
    assert six.u("x") == "x"
    mapping = {1: 2}
    assert [*six.iterkeys(mapping), *six.itervalues(mapping)] == [1, 2]
    assert [*six.iteritems(mapping)] == [(1, 2)]
    with pytest.raises(KeyError):
        six.reraise(KeyError, KeyError("x"))


@pytest.mark.parametrize(
    ("module", "names"),
    [
        (
            "core.manager",
            "TimeoutError sleep ExceptionWrapper CallValue TIMEOUT UnregistrableError",
        ),
        ("core.components", "prepare_unregister BaseComponent Component"),
        ("web.client", "Client request connect close write NotConnected HTTPException"),
        ("web.dispatchers", "WebSocketsDispatcher Dispatcher Static VirtualHosts XMLRPC JSONRPC"),
        ("web.websockets", "WebSocketClient WebSocketsDispatcher"),
        ("io.process", "Process terminated"),
    ],
)
def test_names_are_where_they_were(module: str, names: str) -> None:
    found = importlib.import_module(f"circuits.{module}")
    assert [name for name in names.split() if not hasattr(found, name)] == []


def test_a_request_of_the_client_by_its_old_name() -> None:
    event = client_request("GET", "/a", b"x", {"A": "b"})
    assert (event.name, event.args) == ("request", ["GET", "/a", b"x", {"A": "b"}])
