"""Handlers that nobody fires for, and events that nobody handles.

What is fired cannot be seen in a tree; it is looked up in the sources: every place where an event
class is called, or an event is made by name. So the answer is a hint, not a proof: names that are
made up at run time are not seen, and a call that is never reached counts. Handlers are told of only where
nothing fires what cannot be seen: no event by a name that is computed, no component that others send
names to.
"""

from __future__ import annotations

import ast
import dataclasses
import inspect
import sys
from typing import TYPE_CHECKING, Any

from circuits.core.components import BaseComponent
from circuits.core.events import BaseEvent, LiteralEvent
from circuits.core.handlers import SELF, reprhandler
from circuits.core.utils import flatten, uncamel

from ._nested import deeply

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from types import ModuleType

    from circuits.core.handlers import HandlerSpec
    from circuits.core.manager import Manager

__all__ = ["Finding", "check"]

#: What an event may be followed by.
_FEEDBACK = ("_success", "_failure", "_complete", "_done", "_value_changed")


@dataclasses.dataclass(frozen=True, order=True)
class Finding:
    """Something that does not fit together. As text, it is a line.

    Attributes:
        kind: ``"unfired"``, a handler whose event nobody fires, or ``"unhandled"``, an event
            that is fired and that nobody handles.
        name: Name of the event.
        where: The handler, or ``file:line`` of where the event is made.
    """

    kind: str
    name: str
    where: str

    def __str__(self) -> str:
        if self.kind == "unfired":
            return f"{self.where} handles {self.name!r}, which nobody fires"
        return f"{self.where}: {self.name!r} is fired, and nobody handles it"


def check(x: Manager, *modules: ModuleType) -> list[Finding]:
    """Look for handlers that nobody fires for, and for events that nobody handles.

    Args:
        x: The application, completely registered.
        *modules: Modules whose sources count, beside those that define the components below
            ``x`` and the events of the application. Those of circuits are known.

    .. versionadded:: 2.1
    """
    nodes = list(flatten(x.root))
    sources = {*_modules_of(nodes), *_modules_with_events(), *modules}
    found = _Found()
    for module in sorted(sources, key=lambda module: module.__name__):
        _Reader(module, found).read()
    computing = {*map(_module_named, _names_of(nodes)), *modules}
    found.computes_names = not computing.isdisjoint(found.computing)
    return sorted({*_unfired(nodes, found), *_unhandled(nodes, found)})


@dataclasses.dataclass
class _Found:
    """What the sources say: by name, where an event is made, and whatever else is done by names."""

    made: dict[str, list[str]] = dataclasses.field(default_factory=dict)
    mentioned: set[str] = dataclasses.field(default_factory=set)  # its class is passed on
    awaited: set[str] = dataclasses.field(default_factory=set)
    called: set[str] = dataclasses.field(default_factory=set)  # as methods
    computing: set[ModuleType] = dataclasses.field(default_factory=set)  # names
    computes_names: bool = False  # that is, one of those that the components are of


def sources_are_there(x: Manager) -> bool:
    """Whether the sources of all modules of an application can be read, so that nothing is missed."""
    try:
        for module in _modules_of(list(flatten(x.root))):
            inspect.getsource(module)
    except (OSError, TypeError):
        return False
    return True


def handlers_of_applications(x: Manager, name: str) -> Iterator[Any]:
    """The handlers of a name that a tree has of others than circuits, but for pages."""
    for node in flatten(x.root):
        for spec in node._tree_specs:
            if name in spec.names and spec.channel is not SELF:
                if not _is_page(node) and not _is_ours(_module_of(spec)):
                    yield spec.bound_to(node)


def _is_ours(module: str) -> bool:
    return module == "circuits" or module.startswith("circuits.")


def _names_of(nodes: Iterable[Manager]) -> set[str]:
    return {base.__module__ for node in nodes for base in type(node).__mro__}


def _module_named(name: str) -> Any:
    return sys.modules.get(name)


def _modules_of(nodes: Iterable[Manager]) -> Iterator[ModuleType]:
    names = _names_of(nodes) | {event.__module__ for event in _event_classes()}
    for name in names:
        module = _module_named(name)
        if module is not None and name != "builtins" and not _is_ours(name):
            yield module


def _modules_with_events() -> Iterator[ModuleType]:
    """The modules that have an event class of the application by a name of their own."""
    # By their ids: what else a module holds may not be comparable.
    classes = {id(cls) for cls in _event_classes() if not _is_ours(cls.__module__)}
    for name, module in list(sys.modules.items()):
        if inspect.ismodule(module) and not _is_ours(name):
            if not classes.isdisjoint(map(id, list(vars(module).values()))):
                yield module


def _event_classes(base: type[BaseEvent] = BaseEvent) -> Iterator[type[BaseEvent]]:
    for cls in base.__subclasses__():
        yield cls
        yield from _event_classes(cls)


def _unfired(nodes: Iterable[Manager], found: _Found) -> Iterator[Finding]:
    if found.computes_names or any(getattr(node, "_fires_by_name", False) for node in nodes):
        return
    known = {*found.made, *found.mentioned, "exception"}
    known.update(event.name for event in _event_classes() if _is_ours(event.__module__))
    for node in nodes:
        for spec in node._tree_specs:
            if _is_ours(_module_of(spec)) or spec.channel is SELF or _is_page(node):
                continue
            if spec.names == (spec.attribute,) and spec.attribute in found.called:
                continue  # a method that is called as one
            for name in spec.names:
                if name != "*" and known.isdisjoint((name, _stem(name), uncamel(_stem(name)))):
                    yield Finding("unfired", name, reprhandler(spec.bound_to(node)))


def _module_of(spec: HandlerSpec) -> str:
    return str(getattr(spec.function, "__module__", ""))


def _is_page(node: Manager) -> bool:
    # A web dispatcher makes their events from the path of a request.
    channel = node._tree_channels[0] if isinstance(node, BaseComponent) else None
    return isinstance(channel, str) and channel.startswith("/")


def _stem(name: str) -> str:
    for ending in _FEEDBACK:
        name = name.removesuffix(ending)
    return name


def _unhandled(nodes: Iterable[Manager], found: _Found) -> Iterator[Finding]:
    handled = set(found.awaited)
    for node in nodes:
        for spec in node._tree_specs:
            if spec.names and "*" not in spec.names:
                handled.update(spec.names, (uncamel(name) for name in spec.names))
            elif spec.channel != "*" or getattr(spec.function, "forwards", False):
                return  # one that takes whatever comes on its channel; the others only look on
    for name, places in found.made.items():
        if name not in handled:
            for place in places:
                yield Finding("unhandled", name, place)


def _name_of(node: ast.expr) -> str:
    if isinstance(node, ast.Name):
        return node.id
    return node.attr if isinstance(node, ast.Attribute) else ""


class _Reader(ast.NodeVisitor):
    """Notes which events the source of a module makes, and which it waits for."""

    def __init__(self, module: ModuleType, found: _Found) -> None:
        self._module = module
        self._found = found
        # Names within functions cannot be looked up; by the name of the class they are found.
        self._by_name = {cls.__name__: cls for cls in _event_classes()}

    def read(self) -> None:
        try:
            source = inspect.getsource(self._module)
        except (OSError, TypeError):  # typed in, compiled, or made at run time
            return
        tree = ast.parse(source)
        with deeply():
            self.visit(tree)

    def visit_ClassDef(self, node: ast.ClassDef) -> None:
        for part in (*node.decorator_list, *node.body):  # what it derives from is not made by that
            self.visit(part)

    def visit_FunctionDef(self, node: ast.FunctionDef | ast.AsyncFunctionDef) -> None:
        for part in node.decorator_list:
            # Nor is what a handler is bound to, or annotated with.
            if not (isinstance(part, ast.Call) and _name_of(part.func) == "handler"):
                self.visit(part)
        for part in (*node.args.defaults, *filter(None, node.args.kw_defaults)):
            self.visit(part)
        for statement in node.body:
            self.visit(statement)

    def visit_AsyncFunctionDef(self, node: ast.AsyncFunctionDef) -> None:
        self.visit_FunctionDef(node)

    def visit_Name(self, node: ast.Name | ast.Attribute) -> None:
        self.generic_visit(node)
        event = self._class_of(node) if isinstance(node.ctx, ast.Load) else None
        if event is not None:
            self._found.mentioned.add(event.name)

    def visit_Attribute(self, node: ast.Attribute) -> None:
        self.visit_Name(node)

    def visit_AnnAssign(self, node: ast.AnnAssign) -> None:
        if node.value is not None:
            self.visit(node.value)

    def visit_Call(self, node: ast.Call) -> None:
        event = self._class_of(node.func)
        if event is not None:
            for part in (*node.args, *node.keywords):
                self.visit(part)
            self._note(event.name, node)
            return
        if _name_of(node.func) == "isinstance":
            self.visit(node.args[0])
            return
        self.generic_visit(node)
        if isinstance(node.func, ast.Attribute):
            self._found.called.add(node.func.attr)
        if not isinstance(node.func, ast.Attribute) or not node.args:
            return
        first = node.args[0]
        if node.func.attr == "create":
            self._note_created(node)
        elif node.func.attr in ("wait", "waitEvent"):
            if isinstance(first, ast.Constant) and isinstance(first.value, str):
                self._found.awaited.add(first.value)
            elif (awaited := self._class_of(first)) is not None:
                self._found.awaited.add(awaited.name)

    def _note_created(self, node: ast.Call) -> None:
        maker = self._class_of(node.func.value) if isinstance(node.func, ast.Attribute) else None
        if maker is None:
            return
        is_literal = issubclass(maker, LiteralEvent)
        for argument in node.args[: 2 if is_literal else 1]:
            if isinstance(argument, ast.Constant) and isinstance(argument.value, str):
                self._note(argument.value if is_literal else uncamel(argument.value), node)
                return
        self._found.computing.add(self._module)

    def _note(self, name: str, node: ast.Call) -> None:
        path = getattr(self._module, "__file__", None) or self._module.__name__
        places = self._found.made.setdefault(name, [])
        places.append(f"{path}:{node.lineno}")

    def _class_of(self, node: ast.expr) -> type[BaseEvent] | None:
        """The event class that an expression names."""
        found: Any = self._resolve(node)
        if found is None:
            name = node.id if isinstance(node, ast.Name) else getattr(node, "attr", None)
            found = self._by_name.get(name) if isinstance(name, str) else None
        return found if isinstance(found, type) and issubclass(found, BaseEvent) else None

    def _resolve(self, node: ast.expr) -> Any:
        if isinstance(node, ast.Name):
            return vars(self._module).get(node.id)
        if isinstance(node, ast.Attribute):
            base = self._resolve(node.value)
            if inspect.ismodule(base) or isinstance(base, type):
                return vars(base).get(node.attr)
        return None
