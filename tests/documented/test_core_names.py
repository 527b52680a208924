"""The documented names of the core: where they are, and how they may be called."""

from __future__ import annotations

import importlib
import inspect
from typing import Any

import pytest

_TOP = [
    "Debugger",
    "Loader",
    "Manager",
    "Timer",
    "BaseEvent",
    "DerivedEvent",
    "Event",
    "LiteralEvent",
    "handler",
    "reprhandler",
    "BaseComponent",
    "Component",
]
_NAMES = {
    "circuits": [*_TOP, "__version__", "TimeoutError", "sleep"],
    "circuits.core": [*_TOP, "Value", "TimeoutError"],
    "circuits.core.events": [
        "EventMetaClass",
        "BaseEvent",
        "Event",
        "LiteralEvent",
        "DerivedEvent",
        "Error",
        "Done",
        "Success",
        "Complete",
        "Failure",
        "Started",
        "Stopped",
        "Signal",
        "Registered",
        "Unregister",
        "Unregistered",
        "GenerateEvents",
    ],
    "circuits.core.components": [
        "BaseComponent",
        "Component",
        "PrepareUnregister",
        "SingletonError",
        "check_singleton",
    ],
    "circuits.core.handlers": ["handler", "reprhandler", "HandlerMetaClass", "Unknown"],
    "circuits.core.manager": ["Manager", "UnregistrableError", "CallValue", "TIMEOUT"],
    "circuits.core.values": ["Value", "ValueChanged"],
    "circuits.core.pollers": [
        "BasePoller",
        "Poller",
        "Select",
        "Poll",
        "EPoll",
        "KQueue",
        "Read",
        "Write",
        "Error",
        "Disconnect",
        "TIMEOUT",
    ],
    "circuits.core.timers": ["Timer"],
    "circuits.core.loader": ["Loader"],
    "circuits.core.utils": [
        "uncamel",
        "flatten",
        "findchannel",
        "findtype",
        "findcmp",
        "findroot",
        "safeimport",
    ],
    "circuits.core.debugger": ["Debugger"],
    "circuits.core.helpers": ["FallBackGenerator", "FallBackErrorHandler"],
    "circuits.core.workers": ["Task", "Worker", "DEFAULT_WORKERS"],
    "circuits.core.bridge": ["Bridge", "Ipc", "ipc"],
    "circuits.core.supervisor": ["Supervisor", "Crashed", "Restarted", "GaveUp"],
}


@pytest.mark.parametrize(
    ("module", "name"),
    [(module, name) for module, names in _NAMES.items() for name in names],
)
def test_the_name_is_where_it_is_documented(module: str, name: str) -> None:
    assert hasattr(importlib.import_module(module), name)


@pytest.mark.parametrize("package", ["circuits", "circuits.core"])
@pytest.mark.parametrize("name", ["Task", "Worker", "task", "Bridge", "Ipc", "ipc", "Supervisor"])
def test_workers_and_bridge_are_friendly_names_too(package: str, name: str) -> None:
    module = importlib.import_module(package)
    assert hasattr(module, name)


# path: what inspect.signature shows, annotations left out
_SIGNATURES = {
    "components.BaseComponent": "(*args, **kwargs)",
    "components.Component": "(*args, **kwargs)",
    "components.BaseComponent.register": "(self, parent)",
    "components.BaseComponent.unregister": "(self)",
    "components.BaseComponent.handlers": "()",
    "components.BaseComponent.handles": "(*names)",
    "components.PrepareUnregister.in_subtree": "(self, component)",
    "events.Event": "(*args, **kwargs)",
    "events.Error": "(type, value, traceback, handler=None)",
    "events.Failure": "(*args, **kwargs)",
    "events.Success": "(*args, **kwargs)",
    "events.Registered": "(component, manager)",
    "events.Signal": "(signal, stack)",
    "events.Started": "(component)",
    "events.Stopped": "(component)",
    "events.Unregister": "(component=None)",
    "events.GenerateEvents": "(lock, max_wait)",
    "events.GenerateEvents.reduce_time_left": "(self, time_left)",
    "handlers.HandlerMetaClass": "(name, bases, ns)",
    "manager.Manager": "(*args, **kwargs)",
    "manager.Manager.flush": "(self)",
    "manager.Manager.flushEvents": "(self)",
    "manager.Manager.start": "(self, process=False, link=None, *, implicit=True)",
    "manager.Manager.join": "(self)",
    "manager.Manager.tick": "(self, timeout=-1)",
    "manager.Manager.run": "(self, socket=None)",
    "values.Value": "(event=None, manager=None)",
    "values.Value.getValue": "(self, recursive=True)",
    "values.Value.inform": "(self, force=False)",
    "pollers.BasePoller": "(timeout=0.01, channel=None)",
    "pollers.Select": "(timeout=0.01, channel='select')",
    "pollers.Poll": "(timeout=0.01, channel='poll')",
    "pollers.EPoll": "(timeout=0.01, channel='epoll')",
    "pollers.KQueue": "(timeout=1e-05, channel='kqueue')",
    "loader.Loader": (
        "(auto_register=True, init_args=None, init_kwargs=None, paths=None, channel='loader')"
    ),
    "utils.findchannel": "(root, channel, all=False)",
    "utils.findcmp": "(root, component, all=False)",
    "utils.findtype": "(root, component, all=False)",
    "utils.findroot": "(component)",
    "utils.flatten": "(root, visited=None)",
    "utils.safeimport": "(name)",
    "handlers.reprhandler": "(handler)",
    "debugger.Debugger": (
        "(errors=True, events=True, file=None, logger=None, prefix=None, trim=None, **kwargs)"
    ),
}


def lookup(path: str) -> Any:
    module, *names = path.split(".")
    found: Any = importlib.import_module(f"circuits.core.{module}")
    for name in names:
        found = getattr(found, name)
    return found


@pytest.mark.parametrize(("path", "documented"), _SIGNATURES.items())
def test_signatures(path: str, documented: str) -> None:
    signature = inspect.signature(lookup(path))
    bare = signature.replace(
        parameters=[p.replace(annotation=p.empty) for p in signature.parameters.values()],
        return_annotation=signature.empty,
    )
    assert str(bare) == documented


# Those that may be called in more ways than the manual says.
@pytest.mark.parametrize(
    ("path", "args", "kwargs"),
    [
        ("manager.Manager.fire", ("self", "event"), {}),
        ("manager.Manager.fire", ("self", "event", "a", "b"), {}),
        ("manager.Manager.fireEvent", ("self", "event", "a", "b"), {}),
        ("manager.Manager.call", ("self", "event", "a", "b"), {}),
        ("manager.Manager.callEvent", ("self", "event", "a", "b"), {}),
        ("manager.Manager.wait", ("self", "name", "a", "b"), {}),
        ("manager.Manager.waitEvent", ("self", "name", "a", "b"), {}),
        ("manager.Manager.wait", ("self", "name"), {"timeout": 5}),
        ("manager.Manager.stop", ("self",), {}),
        ("timers.Timer", (5, "event", "a", "b"), {"persist": True}),
        ("timers.Timer.reset", ("self",), {}),
        ("handlers.handler", ("foo", "bar"), {"channel": "c", "priority": 1, "filter": True}),
        ("handlers.handler", ("foo",), {"override": True}),
        ("events.Event.create", ("name", 1, 2), {"key": 3}),
        ("events.LiteralEvent.create", (object, "name", 1, 2), {"key": 3}),
        ("events.DerivedEvent.create", ("Topic", "event", 1, 2), {"key": 3}),
    ],
)
def test_documented_calls(path: str, args: Any, kwargs: Any) -> None:
    inspect.signature(lookup(path)).bind(*args, **kwargs)


@pytest.mark.parametrize(
    ("path", "base"),
    [
        ("components.BaseComponent", "manager.Manager"),
        ("components.Component", "components.BaseComponent"),
        ("components.PrepareUnregister", "events.Event"),
        ("events.Event", "events.BaseEvent"),
        ("events.DerivedEvent", "events.Event"),
        ("events.Error", "events.Event"),
        ("events.Failure", "events.DerivedEvent"),
        ("events.Success", "events.DerivedEvent"),
        ("events.Complete", "events.DerivedEvent"),
        ("events.Done", "events.DerivedEvent"),
        ("events.Registered", "events.Event"),
        ("events.GenerateEvents", "events.Event"),
        ("pollers.BasePoller", "components.BaseComponent"),
        ("pollers.Select", "pollers.BasePoller"),
        ("pollers.Poll", "pollers.BasePoller"),
        ("pollers.EPoll", "pollers.BasePoller"),
        ("timers.Timer", "components.BaseComponent"),
        ("loader.Loader", "components.BaseComponent"),
        ("debugger.Debugger", "components.BaseComponent"),
    ],
)
def test_bases(path: str, base: str) -> None:
    assert issubclass(lookup(path), lookup(base))


def test_constants() -> None:
    assert lookup("manager.TIMEOUT") == 0.1
    assert lookup("pollers.TIMEOUT") == 0.01
    assert isinstance(importlib.import_module("circuits").__version__, str)


@pytest.mark.parametrize("name", ["name", "running", "pid"])
def test_documented_properties(name: str) -> None:
    assert isinstance(inspect.getattr_static(lookup("manager.Manager"), name), property)


def test_what_was_removed_is_not_there() -> None:
    circuits = importlib.import_module("circuits")
    assert not hasattr(circuits, "tick")
    assert not hasattr(lookup("manager.Manager"), "__tick__")
