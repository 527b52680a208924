"""Names of hosts: looked up in threads, because no system call does so without blocking."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

from circuits.core.components import BaseComponent
from circuits.core.events import Event

from . import _outside

__all__ = ["Resolved", "look_up"]


class Resolved(Event):
    """The addresses of a name, or the error; fired at the component that asked."""

    name = "_resolved"

    def __init__(self, request: Any, addresses: list[Any], problem: Exception | None) -> None:
        super().__init__(request, addresses, problem)


def look_up(component: BaseComponent, request: Any, find: Callable[[], list[Any]]) -> None:
    """Call a function in a thread of its own, and fire ``Resolved`` at the component.

    Args:
        component: Who asks.
        request: What it recognises the answer by.
        find: Returns the addresses.
    """
    if _outside.look_up is not None:
        _outside.look_up(component, request, find)
        return
    threading.Thread(
        target=_work, args=(component, request, find), name=f"{component.name} look-up", daemon=True
    ).start()


def _work(component: BaseComponent, request: Any, find: Callable[[], list[Any]]) -> None:
    try:
        found = find()
    except Exception as problem:
        component.fire(Resolved(request, [], problem), component)
    else:
        component.fire(Resolved(request, found, None), component)
