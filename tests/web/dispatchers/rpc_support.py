"""A server in memory with components that clients may call, for both dispatchers."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

from circuits import BaseComponent, Component, Debugger, Event, Manager, handler, sleep
from circuits.web import Controller
from circuits.web.dispatchers import Dispatcher
from tests.web.http_support import Client, Reply, post, serving


class Inner(Event):
    pass


class Calc(Component):
    """What clients call; nothing here is for anybody else."""

    channel = "calc"

    def __init__(self) -> None:
        super().__init__()
        self.calls: list[Any] = []

    def add(self, a: Any, b: Any = 1) -> Any:
        self.calls.append(("add", a, b))
        return a + b

    def fooBar(self, *args: Any, **kwargs: Any) -> Any:
        return [list(args), kwargs]

    def nothing(self) -> None:
        self.calls.append("nothing")

    def give(self, value: Any = None, name: Any = None) -> Any:
        odd = isinstance(value, str) and value in VALUES
        return VALUES[value] if odd else [value, name]

    def fail(self, text: str = "no") -> None:
        raise KeyError(text)

    def slow(self) -> Any:
        yield sleep(0)
        self.calls.append("slow")
        yield "late"

    def pieces(self) -> Any:
        yield 1
        yield 2

    def ask(self) -> Any:
        value = yield self.call(Inner())
        yield ["inner", value.value]

    def inner(self) -> Any:
        yield sleep(0)
        yield "answer"

    def passed(self) -> Any:
        return self.fire(Inner())

    def described(self, event: Any, a: Any) -> Any:
        return [event.name, list(event.channels), a]

    def started(self, component: Manager) -> None:
        self.calls.append("started")

    def add_success(self, *args: Any) -> None:
        self.calls.append("add_success")

    @handler("_private")
    def _on_private(self, *args: Any) -> None:
        self.calls.append("_private")

    def read(self, *args: Any) -> str:
        self.calls.append("read")
        return "read"


VALUES: dict[Any, Any] = {}


class Other(Component):
    """Also hears calls that go to every channel."""

    channel = "other"

    def both(self) -> str:
        return "other"


class Another(Component):
    channel = "another"

    def both(self) -> str:
        return "another"

    def close(self, *args: Any) -> str:
        """A name that the transport has, too."""
        return "closed"


class Root(Controller):
    def page(self) -> str:
        return "a page"

    def add(self, *args: str) -> str:
        raise AssertionError("a method of a controller was called")


class Errors(BaseComponent):
    """Takes the errors of handlers, so that nobody logs them."""

    @handler("error", channel="*")
    def _on_error(self, *args: Any) -> None:
        pass


class Peer:
    """A client, and the components that it may call."""

    def __init__(self, client: Client, calc: Calc) -> None:
        self.client = client
        self.calc = calc
        calc.calls.clear()

    def send(self, body: bytes, target: str = "/rpc") -> Reply:
        return self.client.ask(post(body, target=target))


@contextlib.contextmanager
def peer(dispatcher: BaseComponent, *parts: Manager, debug: bool = False) -> Iterator[Peer]:
    calc = Calc()
    others = [Other(), Another(), Root(), Errors(), *parts]
    if debug:
        others.append(Debugger(logger=_Nowhere()))
    with serving(Dispatcher(), dispatcher, calc, *others) as server:
        server.stop_timeout = 0
        yield Peer(server.connect(), calc)


class _Nowhere:
    def debug(self, *args: Any) -> None:
        """Keep nothing."""

    error = info = debug
