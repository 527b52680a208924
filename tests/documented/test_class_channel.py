"""``channel = "..."`` in the body of a class that derives from a component of ours: it holds."""

from __future__ import annotations

import importlib
import inspect
import pkgutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import circuits
from circuits import BaseComponent, Component, Event, Supervisor, Worker, handler
from circuits.app import Config, Daemon, DropPrivileges, Environment
from circuits.app.log import Logger
from circuits.core import pollers
from circuits.core.loader import Loader
from circuits.io import File, Notify, Process
from circuits.net import sockets
from circuits.net.protocols.http import HTTP
from circuits.net.protocols.stomp import StompClient
from circuits.node import Node
from circuits.testing import settle
from circuits.web import BaseServer, Server
from circuits.web.client import Client
from circuits.web.websockets import WebSocketClient


def subclasses(cls: Any) -> Iterator[Any]:
    for sub in cls.__subclasses__():
        yield sub
        yield from subclasses(sub)


def constructors() -> list[type[BaseComponent]]:
    """Every component of ours whose constructor has a default channel that is text."""
    for module in pkgutil.walk_packages(circuits.__path__, "circuits."):
        if not module.name.endswith("__main__") and module.name != "circuits.testing.plugin":
            try:
                importlib.import_module(module.name)
            except ModuleNotFoundError as problem:  # an extra that is not installed
                if str(problem.name).startswith("circuits"):
                    raise
    found = []
    for cls in set(subclasses(BaseComponent)):
        if cls.__module__.startswith("circuits.") and not cls.__name__.startswith("_"):
            parameter = inspect.signature(cls).parameters.get("channel")
            if parameter is not None and isinstance(parameter.default, str):
                found.append(cls)
    return sorted(found, key=lambda cls: (cls.__module__, cls.__name__))


@pytest.mark.parametrize("cls", constructors(), ids=lambda cls: f"{cls.__module__}.{cls.__name__}")
def test_each_takes_part(cls: type[BaseComponent]) -> None:
    derived: Any = type("Derived", (cls,), {"channel": "echo"})
    component = derived.__new__(derived)
    assert component.channel == "echo"
    default = inspect.signature(cls).parameters["channel"].default
    assert component._tree_ignored_channel == default
    given = derived.__new__(derived, channel=default)
    assert given._tree_ignored_channel is None


_MAKE: dict[Any, tuple[Any, ...]] = {
    pollers.Select: (), Loader: (), Worker: (), Supervisor: (),
    sockets.TCPServer: (0,), sockets.UDPServer: (0,), sockets.TCPClient: (), sockets.UNIXClient: (),
    HTTP: (), StompClient: ("localhost", 1), Server: (0,), BaseServer: (0,), Client: (),
    WebSocketClient: ("ws://localhost/",), Config: ("x.ini",), Daemon: ("x.pid",), DropPrivileges: (),
    Environment: ("x", "x"), Logger: ("x.log", "x", "stderr", "INFO"), File: ("x.txt", "w"), Notify: (),
    Process: ("true",), Node: (),
}  # fmt: skip


@pytest.mark.parametrize("cls", _MAKE, ids=lambda cls: cls.__name__)
@pytest.mark.filterwarnings("ignore::ResourceWarning")
def test_the_attribute_holds_and_the_keyword_beats_it(
    cls: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    derived = type("Derived", (cls,), {"channel": "echo"})
    heard = []

    class Root(Component):
        @handler("asked", channel="echo")
        def _on_asked(self) -> None:
            heard.append("echo")

    component = derived(*_MAKE[cls])
    assert component.channel == "echo"
    root = Root()
    component.register(root)
    component.fire(Event.create("asked"))
    settle(root)
    assert heard == ["echo"]
    component.unregister()
    settle(root)
    default = cls(*_MAKE[cls]).channel
    assert derived(*_MAKE[cls], channel="kw").channel == "kw"
    assert derived(*_MAKE[cls], channel=default).channel == default


class Mine(BaseComponent):
    def __init__(self, size: int = 1, channel: str = "mine") -> None:
        super().__init__(channel=channel)
        self.size = size


class Own(Mine):
    channel = "own"


class Further(Own):
    pass


class WithConstructor(Own):
    def __init__(self) -> None:
        super().__init__(2)


class Insists(Own):
    def __init__(self) -> None:
        super().__init__(2, channel="here")


class Below(Own):
    channel = "below"


@pytest.mark.parametrize(
    ("make", "expected"),
    [
        (lambda: Mine(), "mine"),
        (lambda: Own(), "own"),
        (lambda: Own(3), "own"),
        (lambda: Own(3, "place"), "place"),
        (lambda: Own(3, "mine"), "mine"),
        (lambda: Own(channel="mine"), "mine"),
        (lambda: Further(), "own"),
        (lambda: WithConstructor(), "own"),
        (lambda: Insists(), "here"),
        (lambda: Below(), "below"),
    ],
)
def test_components_of_applications_have_the_same(make: Any, expected: str) -> None:
    assert make().channel == expected
