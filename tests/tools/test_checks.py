"""circuits.tools.checks: what is handled and not fired, and the other way round."""

from __future__ import annotations

import importlib.util
import sys
from typing import TYPE_CHECKING, Any

import pytest

from circuits import Debugger
from circuits.net.protocols.irc import IRC
from circuits.node import Node
from circuits.protocols.irc import IRC as OldIRC
from circuits.tools import Finding, check
from circuits.web.dispatchers import JSONRPC, XMLRPC

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path
    from types import ModuleType

HEAD = """
import circuits
from circuits import Component, Event, LiteralEvent, Timer, handler
from circuits.net import sockets
from circuits.net.sockets import Write

class CheckedPing(Event): ...
class CheckedPong(Event): ...
class App(Component):
    channel = "app"
"""


@pytest.fixture
def load(tmp_path: Path) -> Iterator[Callable[[str], ModuleType]]:
    """Function that imports an application from its source."""
    names = []

    def load(body: str) -> ModuleType:
        name = f"checked_app_{tmp_path.name}"
        path = tmp_path / f"{name}.py"
        path.write_text(HEAD + body)
        spec = importlib.util.spec_from_file_location(name, path)
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        sys.modules[name] = module
        names.append(name)
        spec.loader.exec_module(module)
        return module

    yield load
    for name in names:
        del sys.modules[name]


def findings(module: ModuleType) -> list[tuple[str, str]]:
    path = str(module.__file__)
    here = [f for f in check(module.App()) if f.where.startswith(path) or "App." in f.where]
    return [(found.kind, found.name) for found in here]


@pytest.mark.parametrize(
    "body",
    [
        # fired and handled
        """
    def checked_ping(self):
        self.fire(CheckedPong())
    def checked_pong(self):
        yield self.call(CheckedPing())
""",
        # by other names of the class
        """
    def checked_ping(self):
        from checked_elsewhere import CheckedPong
        self.fire(CheckedPong())
    @handler(CheckedPong)
    def _on_it(self):
        other = CheckedPing
        self.fire(CheckedPing())
""",
        # made by name
        """
    def started(self, component):
        self.fire(Event.create("CheckedThird", 1))
        self.fire(LiteralEvent.create("checkedFourth"))
        self.fire(LiteralEvent.create(Event, "checkedFifth"))
    def checked_third(self, x): ...
    def checkedFourth(self): ...
    def checkedFifth(self): ...
""",
        # what the framework fires, and feedback
        """
    def started(self, component):
        self.fire(CheckedPing())
    def registered(self, component, parent): ...
    def connected(self, host, port): ...
    def checked_ping(self): ...
    def checked_ping_success(self, e, value): ...
    def checked_ping_value_changed(self, value): ...
    def signal(self, number, frame): ...
""",
        # waited for
        """
    def started(self, component):
        self.fire(CheckedPing())
        self.fire(CheckedPong())
        yield self.wait("checked_ping")
        yield self.wait(CheckedPong)
""",
        # whatever comes
        """
    def started(self, component):
        self.fire(CheckedPing())
    @handler(channel="app")
    def _on_all(self, event, *args): ...
""",
        # by the name of its class as it is written
        """
    def started(self, component):
        self.fire(CheckedPing())
        self.fire(CheckedPong())
    def CheckedPing(self): ...
    @handler("CheckedPong")
    def _on_pong(self): ...
    def CheckedPing_success(self, e, value): ...
    def exception(self, *args, **kwargs): ...
""",
        # made from a class that was passed on
        """
    def started(self, component):
        for cls in TABLE.values():
            self.fire(cls())
    def checked_ping(self): ...
    def checked_pong(self): ...
TABLE = {"ping": CheckedPing, "pong": CheckedPong}
""",
        # a name that is computed
        """
    def started(self, component):
        for number in range(3):
            self.fire(Event.create("Checked%d" % number))
    def checked1(self): ...
""",
        # a method that is called as one
        """
    def started(self, component):
        self.checked_helper(1)
    def checked_helper(self, number): ...
""",
    ],
)
def test_what_fits_together_is_not_told(load: Callable[[str], ModuleType], body: str) -> None:
    assert findings(load(body)) == []


def test_a_handler_that_nobody_fires_for(load: Callable[[str], ModuleType]) -> None:
    module = load(
        "    def checked_pign(self): ...\n    def checked_nobody_success(self, e, v): ..."
    )
    found = [f for f in check(module.App()) if "App." in f.where]
    assert found == [
        Finding("unfired", "checked_nobody_success", found[0].where),
        Finding("unfired", "checked_pign", "<listener[*.checked_pign] (App.checked_pign)>"),
    ]
    assert str(found[1]) == (
        "<listener[*.checked_pign] (App.checked_pign)> handles 'checked_pign', which nobody fires"
    )


def test_what_names_an_event_does_not_fire_it(load: Callable[[str], ModuleType]) -> None:
    module = load("""
    @handler(CheckedPing)
    def _on_ping(self, *args: CheckedPing) -> CheckedPing:
        kept: CheckedPing | None = args[0] if isinstance(args[0], CheckedPing) else None
class Derived(CheckedPing): ...
""")
    assert findings(module) == [("unfired", "checked_ping")]


@pytest.mark.parametrize("make", [IRC, OldIRC, XMLRPC, JSONRPC, Node])
def test_others_may_fire_by_name(load: Callable[[str], ModuleType], make: Any) -> None:
    app = load("    def checked_from_afar(self): ...").App()
    assert len(check(app)) > len(check(app + make()))


def test_modules_that_only_fire_count(load: Callable[[str], ModuleType], tmp_path: Path) -> None:
    module = load("    def checked_ping(self): ...")
    path = tmp_path / "checked_helpers.py"
    path.write_text("def go_on(app):\n    app.fire(CheckedPing())\n")
    spec = importlib.util.spec_from_file_location("checked_helpers", path)
    assert spec is not None
    assert spec.loader is not None
    helpers: Any = importlib.util.module_from_spec(spec)
    helpers.CheckedPing = module.CheckedPing  # as it has imported it
    spec.loader.exec_module(helpers)
    assert findings(module) == [("unfired", "checked_ping")]
    sys.modules["checked_helpers"] = helpers
    try:
        assert findings(module) == []
    finally:
        del sys.modules["checked_helpers"]


def test_an_event_that_nobody_handles(load: Callable[[str], ModuleType]) -> None:
    module = load(
        """
    def started(self, component):
        self.fire(CheckedPing())
        self.fire(sockets.Write(b""), "nowhere")
        Timer(1, Event.create("CheckedLost"))
"""
    )
    assert findings(module) == [
        ("unhandled", "checked_lost"),
        ("unhandled", "checked_ping"),
        ("unhandled", "write"),
    ]
    found = next(f for f in check(module.App()) if f.name == "checked_ping")
    line = HEAD.count("\n") + 3
    assert str(found) == (
        f"{module.__file__}:{line}: 'checked_ping' is fired, and nobody handles it"
    )


def test_who_only_looks_on_handles_nothing(load: Callable[[str], ModuleType]) -> None:
    module = load(
        "    def init(self):\n"
        "        Debugger().register(self)\n"
        "        self.fire(CheckedPing())\n"
        "from circuits import Debugger\n"
    )
    assert ("unhandled", "checked_ping") in findings(module)
    assert Debugger in {type(child) for child in module.App().components}


def test_pages_are_asked_for_by_browsers(load: Callable[[str], ModuleType]) -> None:
    module = load(
        "    def init(self):\n"
        "        Pages().register(self)\n"
        "from circuits.web import Controller\n"
        "class Pages(Controller):\n"
        "    def checked_page(self): ...\n"
    )
    assert not [found for found in check(module.App()) if found.name == "checked_page"]


def test_more_modules_may_be_named(load: Callable[[str], ModuleType], tmp_path: Path) -> None:
    path = tmp_path / "checked_elsewhere.py"
    path.write_text("def f(app, events):\n    app.fire(events.Event.create('CheckedPign'))\n")
    spec = importlib.util.spec_from_file_location("checked_elsewhere", path)
    assert spec is not None
    assert spec.loader is not None
    other = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(other)
    other.events = importlib.import_module("circuits.core.events")  # type: ignore[attr-defined]
    module = load("    def checked_pign(self): ...\n")
    assert findings(module) == [("unfired", "checked_pign")]
    assert not [f for f in check(module.App(), other) if f.name == "checked_pign"]


def test_a_long_sum_is_looked_through(load: Callable[[str], ModuleType]) -> None:
    module = load(
        """
    def started(self, component):
        self.fire(CheckedPing())
TEXT = """
        + " + ".join(["'a'"] * 900)
    )
    assert findings(module) == [("unhandled", "checked_ping")]
