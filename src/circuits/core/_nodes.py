"""What a node of the tree has beside its methods: its children, its engine, and looks at it."""

from __future__ import annotations

from ._engine import Engine
from ._routing import TREE_LOCK

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections import defaultdict
    from collections.abc import Callable
    from typing import Any

    from .manager import Manager
else:
    from _collections import defaultdict  # that of collections, whose import takes longer than ours

__all__ = ["ComponentSet", "EngineOnDemand", "Look", "own_globals", "own_handlers"]


class ComponentSet(dict["Manager", None]):
    """Components in the order of their registration; reads like a set."""

    __slots__ = ()

    def add(self, component: Manager) -> None:
        """Append a component."""
        self[component] = None

    def discard(self, component: Manager) -> None:
        """Take a component out, if it is there."""
        self.pop(component, None)

    def copy(self) -> ComponentSet:
        """Another set of the same components."""
        return ComponentSet(self)

    def __eq__(self, other: object) -> bool:
        return set(self) == (set(other) if isinstance(other, dict) else other)

    __hash__ = None

    def __repr__(self) -> str:
        return "{" + ", ".join(map(repr, self)) + "}"


class EngineOnDemand:
    """Finds or makes the engine of a tree when somebody needs it.

    Most components never do while they are alone: an engine would cost more than they. The
    engine is in the attribute ``_tree_live``, which no class has, so that reading it is fast.
    """

    def __get__(self, node: Manager | None, owner: type[Manager]) -> Any:
        if node is None:
            return self
        try:
            return node._tree_live
        except AttributeError:
            pass
        with TREE_LOCK:
            root = node.root
            engine = getattr(root, "_tree_live", None)
            if engine is None:
                engine = Engine(root)
            node._tree_live = engine
        return engine


class Look:
    """A look at what older programs know by this name, which a component may use for itself."""

    __slots__ = ("_function",)

    def __init__(self, function: Callable[[Any], Any]) -> None:
        self._function = function

    def __get__(self, node: Manager | None, owner: type[Manager]) -> Any:
        return self if node is None else self._function(node)


def own_handlers(node: Manager) -> dict[str, set[Callable[..., Any]]]:
    """The handlers of one component by their names, without the global ones; of others, none."""
    table: defaultdict[str, set[Callable[..., Any]]] = defaultdict(set)
    for spec in node._tree_specs:
        if not spec.is_global:
            for name in spec.keys:
                table[name].add(spec.bound_to(node))
    return table


def own_globals(node: Manager) -> set[Callable[..., Any]]:
    """The global handlers of one component."""
    return {spec.bound_to(node) for spec in node._tree_specs if spec.is_global}
