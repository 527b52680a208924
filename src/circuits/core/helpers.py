"""Fallbacks: waiting without a poller, and reporting errors that nobody handles."""

from __future__ import annotations

import sys

from ._reports import format_error, log_unheard
from .components import BaseComponent
from .handlers import handler

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from .events import Error, GenerateEvents

__all__ = [
    "FallBackErrorHandler",
    "FallBackExceptionHandler",
    "FallBackGenerator",
    "format_error",
]


class FallBackGenerator(BaseComponent):
    """Waits for events where there is no poller.

    Handles ``generate_events`` on ``"*"`` after everybody else.
    """

    @handler("generate_events", channel="*", priority=-100, filter=True)
    def _on_generate_events(self, event: GenerateEvents) -> bool:
        if event.time_left != 0:
            self._tree_engine.loop.own_latch().block(event.time_left)
        return True

    def resume(self) -> None:
        """End the wait."""
        self._tree_engine.loop.own_latch().resume()


class FallBackErrorHandler(BaseComponent):
    """Writes errors to standard error, as happens by itself where nobody handles ``error``."""

    @handler("error", channel="*")
    def _on_error(self, *args: Any) -> None:
        if len(args) >= 3:
            sys.stderr.write(format_error(*args[:4]))


#: The name of the 3.x line.
FallBackExceptionHandler = FallBackErrorHandler


def log_if_unheard(watcher: BaseComponent, event: Error) -> None:
    """Log an error that only reached components which watch errors, but report none.

    To be called by each of them: where there is nobody else, the first one logs it, as happens
    by itself where nobody handles ``error`` at all. Their class has ``_only_watches``.
    """
    engine = watcher._tree_engine
    methods = [method for method, _, _ in engine.route("error", event.channels)]
    owners = [getattr(method, "__self__", None) for method in methods]
    if owners[0] is watcher and all(getattr(owner, "_only_watches", False) for owner in owners):
        log_unheard(event)
