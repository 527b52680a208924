"""An event by which a component calls a function of its own, in its turn."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from circuits.core.events import Event

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["Later"]


class Later(Event):
    """Something is done behind what has been fired, and in the thread of the loop.

    Fired by a component at itself, from any thread, and handled by it: an exception of the function
    is reported like that of any handler.

    Args:
        call: What is called.
        *arguments: For it.
    """

    name = "_later"

    def __init__(self, call: Callable[..., object], *arguments: Any) -> None:
        super().__init__(call, *arguments)
