"""What stands in where nobody else does: waiting without a poller, and reporting errors."""

from __future__ import annotations

import _thread
import sys

from .components import BaseComponent
from .handlers import handler, reprhandler

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from typing import Any

    from .events import BaseEvent, Error, GenerateEvents

__all__ = ["FallBackErrorHandler", "FallBackGenerator", "format_error"]

#: Longest wait that a lock accepts at once, in seconds.
_LONGEST_WAIT = _thread.TIMEOUT_MAX


class Latch:
    """Waits until somebody else says go on, without a descriptor. Safe in signal handlers."""

    __slots__ = ("_lock",)

    def __init__(self) -> None:
        # A bare lock: releasing it from a signal handler in the waiting thread cannot deadlock,
        # as notifying a Condition could.
        self._lock = _thread.allocate_lock()
        self._lock.acquire()

    def block(self, timeout: float) -> None:
        """Wait for ``resume``, at most ``timeout`` seconds (negative: without limit)."""
        if timeout < 0:
            self._lock.acquire()
        else:
            self._lock.acquire(True, min(timeout, _LONGEST_WAIT))

    def resume(self) -> None:
        """End the wait; if nobody waits, the next one ends at once."""
        if self._lock.locked():
            try:
                self._lock.release()
            except RuntimeError:  # somebody else was faster
                pass


class FallBackGenerator(BaseComponent):
    """Waits for events where there is no poller.

    Handles ``generate_events`` on ``"*"`` after everybody else.
    """

    @handler("generate_events", channel="*", priority=-100, filter=True)
    def _on_generate_events(self, event: GenerateEvents) -> bool:
        if event.time_left != 0:
            self._tree_engine._own_latch().block(event.time_left)
        return True

    def resume(self) -> None:
        """End the wait."""
        self._tree_engine._own_latch().resume()


class FallBackErrorHandler(BaseComponent):
    """Writes errors to standard error, as happens by itself where nobody handles ``error``."""

    @handler("error", channel="*")
    def _on_error(self, *args: Any) -> None:
        if len(args) >= 3:
            sys.stderr.write(format_error(*args[:4]))


def format_error(
    etype: type[BaseException],
    value: BaseException,
    traceback: Iterable[str],
    function: Callable[..., Any] | None = None,
    fevent: BaseEvent | None = None,
) -> str:
    """The text of an error: which handler, which exception, where; ends with an empty line."""
    who = ""
    if function is not None:
        try:
            who = reprhandler(function)
        except Exception:  # not a handler, or a name that cannot be shown
            who = safe_repr(function)
    about = f" ({safe_repr(fevent)})" if fevent is not None else ""
    try:
        text = str(value)
    except Exception as problem:
        text = f"<{type(problem).__name__} while showing it>"
    return f"ERROR {who}{about} ({etype!r}): {text}\n{''.join(traceback)}\n"


def log_if_unheard(watcher: BaseComponent, event: Error) -> None:
    """Log an error that only reached components which watch errors, but report none.

    To be called by each of them: where there is nobody else, the first one logs it, as happens
    by itself where nobody handles ``error`` at all. Their class has ``_only_watches``.
    """
    engine = watcher._tree_engine
    methods = [method for method, _, _ in engine.route("error", event.channels)]
    owners = [getattr(method, "__self__", None) for method in methods]
    if owners[0] is watcher and all(getattr(owner, "_only_watches", False) for owner in owners):
        engine._no_error_handler(event)


def safe_repr(thing: object) -> str:
    """``repr`` that never raises: an object that cannot be shown is named by its type."""
    try:
        return repr(thing)
    except Exception as problem:
        return f"<{type(thing).__name__} whose repr raised {type(problem).__name__}>"
