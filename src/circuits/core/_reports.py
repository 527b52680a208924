"""The text of a failure: which handler or function, which exception, where."""

from __future__ import annotations

from .events import BaseEvent, Error
from .handlers import reprhandler

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from typing import Any

    from .manager import Manager

__all__ = [
    "describe",
    "fire_error",
    "format_error",
    "format_traceback",
    "log_error",
    "log_unheard",
    "no_event",
    "safe_repr",
]


def format_traceback(problem: BaseException) -> list[str]:
    """The lines of a traceback, without the frame of ours that called the handler."""
    import traceback  # expensive, and needed for errors only

    frames = problem.__traceback__
    if frames is not None and frames.tb_next is not None:
        frames = frames.tb_next
    return traceback.format_tb(frames)


def log_error(
    problem: BaseException,
    lines: list[str],
    method: Any,
    event: BaseEvent | None,
    debug: bool = False,
    about: BaseEvent | None = None,
) -> None:
    """Log a failure that no handler hears of; with ``debug``, because somebody else does.

    One line tells by what comes first in the event ``about`` what it was an answer to.
    """
    import logging  # expensive, and needed for errors only

    brief = _brief(problem, method, event if about is None else about)
    text = brief or format_error(type(problem), problem, lines, method, event)
    level = logging.DEBUG if debug else logging.INFO if brief else logging.ERROR
    logging.getLogger("circuits").log(level, text)


def _brief(problem: BaseException, method: Any, event: BaseEvent | None) -> str | None:
    """The one line for what is an answer rather than a failure, and says so by ``_brief``."""
    make = getattr(type(problem), "_brief", None)
    text: str | None = None if make is None else make(problem)
    subject = event.args[0] if event is not None and event.args else None
    make = getattr(type(subject), "_brief", None)
    where = describe(method) if make is None else f"{make(subject)}, {describe(method)}"
    return text and f"{text} ({where})"


def log_unheard(event: BaseEvent) -> None:
    """Log an ``error`` that nobody handles."""
    if isinstance(event, Error):
        problem, lines, method = event.args[1:4]
        is_received = getattr(event, "received", False)
        about = getattr(event, "fevent", None)
        log_error(problem, lines, method, None, debug=is_received, about=about)


def fire_error(
    root: Manager,
    problem: BaseException,
    method: Any,
    event: BaseEvent | None,
    lines: list[str] | None = None,
    waiters: Iterable[Any] | None = None,
) -> None:
    """Fire the ``error`` event of an exception, or log it if an ``error`` handler raised it."""
    if lines is None:
        lines = format_traceback(problem)
    if isinstance(event, Error):
        log_error(problem, lines, method, event)
        return
    error = Error(type(problem), problem, lines, method)
    error.fevent = event  # type: ignore[misc]
    error.received = any(waiter.is_awaited for waiter in waiters or ())  # type: ignore[attr-defined]
    try:
        root.fire(error, *root._tree_channels)
    except Exception:  # the channel of the root cannot be hashed any more
        log_error(problem, lines, method, event)


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


def safe_repr(thing: object) -> str:
    """``repr`` that never raises: an object that cannot be shown is named by its type."""
    try:
        return repr(thing)
    except Exception as problem:
        return f"<{type(thing).__name__} whose repr raised {type(problem).__name__}>"


def describe(function: object) -> str:
    """How messages call a function."""
    name = getattr(function, "__qualname__", None)
    return f"{getattr(function, '__module__', '?')}.{name}" if name else repr(function)


def no_event(thing: object) -> str:
    """Why something cannot be fired."""
    if isinstance(thing, type) and issubclass(thing, BaseEvent):
        return f"an event is needed, not its class: write {thing.__name__}(...)"
    if isinstance(thing, BaseEvent):
        return f"{type(thing).__name__}.__init__ does not call super().__init__(...)"
    return f"an event is needed, not {thing!r}"
