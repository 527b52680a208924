"""What a tree is made of at this moment, and what it waits for, as data that JSON can tell."""

from __future__ import annotations

import os
import platform
from typing import TYPE_CHECKING, Any, Final

from circuits._version import __version__

from ._brief import TEXT, arguments_text, channel_text, component_text
from ._routing import TREE_LOCK
from ._suspended import tasks
from .handlers import SELF

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from .handlers import HandlerSpec
    from .manager import Manager

__all__ = ["state_data", "tree_data"]

#: How much is told at most, of each kind of thing.
COMPONENTS: Final = 2000
HANDLERS: Final = 5000
ROWS: Final = 200


def tree_data(root: Manager, label: Callable[[Any], str]) -> dict[str, Any]:
    """The components, from the root downwards, and their handlers.

    Args:
        root: The root of the tree.
        label: Gives the name of a bound method.
    """
    components: list[dict[str, Any]] = []
    handlers: list[list[Any]] = []
    numbers: dict[int, int] = {}
    total = 0
    with TREE_LOCK:
        for node in _walk(root):
            total += 1
            if len(components) >= COMPONENTS:
                continue
            number = numbers[id(node)] = len(components)
            parent = None if node.parent is node else numbers.get(id(node.parent))
            components.append({
                "parent": parent,
                "class": type(node).__name__,
                "module": type(node).__module__,
                "channel": channel_text(node._tree_channels[0]),
                "handlers": len(node._tree_specs),
            })  # fmt: skip
            specs = node._tree_specs[: HANDLERS - len(handlers)]
            handlers += [_handler_row(node, number, spec, label) for spec in specs]
    return {
        "type": "tree",
        "pid": os.getpid(),
        "title": component_text(root),
        "version": __version__,
        "python": platform.python_version(),
        "components": components,
        "handlers": handlers,
        "total": total,
    }


def _handler_row(
    node: Manager, number: int, spec: HandlerSpec, label: Callable[[Any], str]
) -> list[Any]:
    channel = node._tree_channels[0] if spec.channel is None else spec.channel
    return [
        "itself" if spec.channel is SELF else channel_text(channel),
        ", ".join(spec.keys)[:TEXT],
        label(spec.bound_to(node)),
        spec.priority,
        spec.filter,
        number,
    ]


def state_data(root: Manager, payloads: bool) -> dict[str, Any]:
    """What is waited for, and the connections.

    Args:
        root: The root of the tree.
        payloads: Whether the arguments of events are shown.
    """
    rows: list[list[Any]] = []
    total = 0
    with TREE_LOCK:
        nodes = list(_walk(root))
    for node in nodes:
        if (tell := getattr(node, "_connection_rows", None)) is not None:
            number, found = tell(ROWS - len(rows))
            total += number
            rows += [[component_text(node), *row] for row in found]
    return {
        "type": "state",
        "tasks": [
            [
                one.handler[:TEXT],
                f"{one.event._event_name}({arguments_text(one.event) if payloads else ''})",
                one.waits_for[:TEXT],
                [place[:TEXT] for place in one.places[:10]],
            ]
            for one in tasks(root, ROWS)
        ],
        "suspended": len(root._tree_engine.tasks),
        "connections": rows,
        "connected": total,
    }


def _walk(root: Manager) -> Iterator[Manager]:
    waiting = [root]
    while waiting:
        node = waiting.pop()
        yield node
        waiting.extend(reversed(list(node.components)))
