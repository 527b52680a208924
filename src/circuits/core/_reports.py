"""The text of a failure: which handler, which exception, where."""

from __future__ import annotations

from .handlers import reprhandler

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from typing import Any

    from .events import BaseEvent

__all__ = ["format_error", "format_traceback", "log_error", "safe_repr"]


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
) -> None:
    """Log a failure that no handler hears of; with ``debug``, because somebody else does."""
    import logging  # expensive, and needed for errors only

    text = format_error(type(problem), problem, lines, method, event)
    logging.getLogger("circuits").log(logging.DEBUG if debug else logging.ERROR, text)


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
