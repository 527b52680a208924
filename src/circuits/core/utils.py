"""Small functions for names, trees and imports (manual: circuits.core.utils)."""

from __future__ import annotations

import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from types import ModuleType
    from typing import Any

    from .manager import Manager

__all__ = [
    "call_all",
    "findchannel",
    "findcmp",
    "findroot",
    "findtype",
    "flatten",
    "safeimport",
    "uncamel",
]


def uncamel(name: str) -> str:
    """Turn a class name into an event name: ``WritePID`` becomes ``write_pid``.

    An underscore goes between a lower-case letter or a digit and an upper-case letter that
    follows it directly; runs of capitals stay together.
    """
    # A loop, because importing ``re`` would double what ``import circuits`` costs.
    parts = []
    previous = ""
    for character in name:
        if character.isupper() and (previous.islower() or previous.isdigit()):
            parts.append("_")
        parts.append(character)
        previous = character
    return "".join(parts).lower()


def flatten(root: Manager, visited: set[Manager] | None = None) -> Iterator[Manager]:
    """Walk a tree in pre-order, each component once.

    Args:
        root: Where to begin; it comes first.
        visited: Components to leave out; those met are added to it.
    """
    seen: set[Any] = set() if visited is None else visited  # of components, or ids of them
    stack = [root]
    while stack:
        node = stack.pop()
        if node in seen:
            continue
        seen.add(node)
        yield node
        children = node._tree_children
        if children:
            stack.extend(reversed(list(children)))


def findchannel(root: Manager, channel: Any, all: bool = False) -> Any:
    """Find the first component on a channel in pre-order, or all of them.

    Args:
        root: Where to begin; it counts too.
        channel: What the component's ``channel`` must equal. Nodes without one are passed over.
        all: Return a list of every match instead of the first one or ``None``.
    """
    found = (node for node in flatten(root) if getattr(node, "channel", _NOTHING) == channel)
    return list(found) if all else next(found, None)


def findtype(root: Manager, component: type, all: bool = False) -> Any:
    """Find the first instance of a class in pre-order, or all of them.

    Args:
        root: Where to begin; it counts too.
        component: A class; instances of its subclasses match as well.
        all: Return a list of every match instead of the first one or ``None``.
    """
    found = (node for node in flatten(root) if isinstance(node, component))
    return list(found) if all else next(found, None)


findcmp = findtype


def findroot(component: Manager) -> Manager:
    """Climb to the top of the tree that a component belongs to."""
    return component.root


def safeimport(name: str) -> ModuleType | None:
    """Import a module by its dotted name; reload it when it is there already.

    Returns:
        The module, or ``None`` when importing it raised anything at all. Whatever the failed
        attempt had added to ``sys.modules`` is taken out again.
    """
    import importlib  # not needed until somebody loads a component

    before = set(sys.modules)
    try:
        module = sys.modules.get(name)
        if module is not None:
            return importlib.reload(module)
        importlib.invalidate_caches()
        return importlib.import_module(name)
    except Exception:
        for added in set(sys.modules) - before:
            del sys.modules[added]
        return None


_NOTHING = object()  # equal to no channel


def call_all(functions: Iterable[Callable[[], object]]) -> None:
    """Call functions, each of them whatever one before has raised.

    Raises:
        BaseException: What the first one that failed has raised.
    """
    first = None
    for function in functions:
        try:
            function()
        except BaseException as problem:
            first = first or problem
    if first is not None:
        raise first
