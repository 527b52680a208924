"""What another thread leaves to the thread of the loop."""

from __future__ import annotations

from .events import Event

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

__all__ = ["CallInLoop"]


class CallInLoop(Event):
    """Has the thread of the loop call a function, when this event has its turn.

    Fired at the root by another thread, for what only that of the loop may do.

    Args:
        call: The function. It must not raise, since it is not a handler and nobody would be told.
        *arguments: For it.
    """

    name = "_call_in_loop"

    def __init__(self, call: Callable[..., object], *arguments: Any) -> None:
        super().__init__(call, *arguments)

    # The one step of dispatch that asks the event itself: a handler would have to be registered
    # in every tree, although hardly any ever needs it.
    def _choose_routes(self, routes: Any) -> None:
        call, *arguments = self.args
        call(*arguments)
