"""Failures and likely mistakes are told here: in what words, by which event, in which log.

What the words are made of is beside it: ``_shown`` shows things, ``_tracebacks`` where it was raised.
"""

from __future__ import annotations

import os
import sys

from ._mistakes import cure, takes_nothing, yielded_text
from ._routing import is_unheard
from ._shown import brief_repr, describe, safe_repr, safe_str, shown_arguments
from ._tracebacks import OURS, code_of, format_traceback, own_frames
from .events import BaseEvent, Error, Event
from .handlers import reprhandler

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from typing import Any

    from ._routing import Routes
    from .manager import Manager

__all__ = [
    "Failure",
    "fire_error",
    "format_error",
    "is_diagnosed",
    "is_diagnosis_asked_for",
    "log_diagnosis",
    "log_error",
    "log_late_starts",
    "log_unheard",
    "log_unused",
    "log_yielded",
    "note_mistake",
    "unheard_text",
]


#: For tests: each is told of a failure that nobody handles, with the handler and the event.
failure_watchers: list[Callable[[BaseException, Any, BaseEvent | None], object]] = []


class Failure:
    """What a log record is about: in its attribute ``circuits_failure``, for formatters and filters.

    The record says so in words as well. It may be sent to another process, this may not: there it
    is ``None``.
    """

    __slots__ = ("event", "method")

    def __init__(self, method: Any, event: BaseEvent | None) -> None:
        self.method = method
        self.event = event

    @property
    def component(self) -> Any:
        """That of the handler."""
        return getattr(self.method, "__self__", None)

    @property
    def request(self) -> Any:
        """What the event is about, where that is a request of the web."""
        subject = _subject_of(self.event)
        return subject if hasattr(type(subject), "id") else None

    def __reduce__(self) -> tuple[Any, ...]:
        return _nothing, ()


def _nothing() -> None: ...


def note_mistake(problem: BaseException, method: Any, event: BaseEvent) -> None:
    """Add to an exception what helps to find the mistake behind it: the cure, or the handler.

    The handler is told where the traceback does not come to it: it could not be called, or what it
    returned could not be used.
    """
    text = cure(problem) or _note_of_handler(problem, method, event)
    if text is not None and text not in getattr(problem, "__notes__", ()):
        problem.add_note(text)


def _note_of_handler(problem: BaseException, method: Any, event: BaseEvent) -> str | None:
    frames = problem.__traceback__
    code = code_of(method)
    if code is None or frames is None or not _is_ours(frames):
        return None  # called by hand
    is_direct = frames.tb_next is None
    while frames is not None:
        if frames.tb_frame.f_code is code:
            return None  # it was called
        frames = frames.tb_next
    where = f"at {code.co_filename}:{code.co_firstlineno}"
    name = getattr(method, "__qualname__", code.co_qualname)
    if isinstance(problem, TypeError) and takes_nothing(code):
        return f"{name}() {where} takes nothing, not even self: write def {code.co_name}(self, ...)"
    misfit = _misfit(method, event) if is_direct and isinstance(problem, TypeError) else None
    if misfit is not None:
        shown = ", ".join(shown_arguments(event))
        return f"{misfit} {where} cannot handle {event._event_name}({shown})"
    return None if code.co_filename.startswith(OURS) else f"the handler is {name} {where}"


def _is_ours(entry: Any) -> bool:
    is_ours: bool = entry.tb_frame.f_code.co_filename.startswith(OURS)
    return is_ours


def _misfit(method: Any, event: BaseEvent) -> str | None:
    """The signature of a handler, if an event does not fit it."""
    import inspect

    first = (event,) if getattr(method, "event", False) else ()
    try:
        signature = inspect.signature(method)
        takes = f"{method.__qualname__}{signature}"
    except (AttributeError, TypeError, ValueError):
        return None
    try:
        signature.bind(*first, *event._event_args, **(event._event_kwargs or {}))
    except TypeError:
        return takes
    return None


def log_error(
    problem: BaseException,
    lines: list[str],
    method: Any,
    event: BaseEvent | None,
    debug: bool = False,
) -> None:
    """Log a failure that no handler hears of; with ``debug``, because somebody else does.

    What is an answer rather than a failure has one line, which tells what it was an answer to.
    """
    import logging  # expensive, and needed for errors only

    brief = _brief(problem, method, event)
    level = logging.DEBUG if debug else logging.INFO if brief else logging.ERROR
    if brief:
        _write_to_log(level, brief, None, Failure(method, event))
        return
    if not debug:
        for watch in failure_watchers:
            watch(problem, method, event)
    if problem.__traceback__ is None:  # that of another process
        text = format_error(type(problem), problem, lines, method, event)
        _write_to_log(level, text.rstrip(), None, Failure(method, event))
        return
    text = format_error(type(problem), problem, (), method, event).rstrip()
    chain = (type(problem), problem, own_frames(problem, method))
    _write_to_log(level, text, chain, Failure(method, event))


def _write_to_log(level: int, text: str, chain: Any = None, failure: Failure | None = None) -> None:
    """Log something. Whoever writes logs may fail, which must not end what is logged about."""
    import logging

    try:
        extra = None if failure is None else {"circuits_failure": failure}
        logging.getLogger("circuits").log(level, "%s", text, exc_info=chain, extra=extra)
    except Exception as reason:
        try:
            sys.stderr.write(f"{text}\n({type(reason).__name__} while that was logged)\n")
        except Exception:  # there is none, or it is closed
            return


def _brief(problem: BaseException, method: Any, event: BaseEvent | None) -> str | None:
    """The one line for what is an answer rather than a failure, and says so by ``_brief``."""
    make = getattr(type(problem), "_brief", None)
    text: str | None = None if make is None else make(problem)
    if not text:
        return None
    subject = _subject(event)
    where = describe(method)
    return f"{text} ({subject}, {where})" if subject else f"{text} ({where})"


def _subject(event: BaseEvent | None) -> str:
    """What comes first in an event, where that says in a few words what it is: a request."""
    subject = _subject_of(event)
    return "" if subject is None else type(subject)._brief(subject)


def _subject_of(event: BaseEvent | None) -> Any:
    subject = event._event_args[0] if event is not None and event._event_args else None
    is_one = hasattr(type(subject), "_brief") and not isinstance(subject, BaseException)
    return subject if is_one else None


def log_unheard(event: BaseEvent) -> None:
    """Log an ``error`` that nobody handles."""
    if isinstance(event, Error) and not getattr(event, "seen_otherwise", False):
        problem, lines, method = event.args[1:4]
        is_received = getattr(event, "received", False)
        log_error(problem, lines, method, getattr(event, "fevent", None), debug=is_received)


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
        lines = format_traceback(problem, method)
    if isinstance(event, Error) or (event is not None and event._event_name == "exception"):
        log_error(problem, lines, method, event)
        return
    error = Error(type(problem), problem, lines, method)
    error.fevent = event  # type: ignore[misc]
    error.received = any(waiter.is_awaited for waiter in waiters or ())  # type: ignore[attr-defined]
    try:
        where = root._tree_channels
        if not is_unheard(root._tree_engine.route("exception", where)):
            error.seen_otherwise = True  # type: ignore[attr-defined]
            # In the form of the 3.x line, for the handlers of that name.
            parts = (type(problem), problem, lines)
            root.fire(Event.create("exception", *parts, handler=method, fevent=event), *where)
        root.fire(error, *where)
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
    about = "" if fevent is None else f" ({brief_repr(fevent)})"
    lines = [*traceback]
    if lines and (more := _whole(value, function)):
        lines = more
    return f"ERROR {who}{about} ({etype!r}): {safe_str(value)}\n{''.join(lines)}\n"


def _whole(value: BaseException, function: Any) -> list[str]:
    """The standard text of an exception that has a cause, a context, notes or members."""
    if not (
        getattr(value, "__notes__", None)
        or getattr(value, "exceptions", None)
        or getattr(value, "__cause__", None)
        or (getattr(value, "__context__", None) and not value.__suppress_context__)
    ):
        return []
    import traceback

    try:
        return traceback.format_exception(type(value), value, own_frames(value, function))
    except Exception:  # a text that cannot be made
        return []


def unheard_text(routes: Routes, event: BaseEvent) -> str:
    """That nobody handles an event where it went, and where it is handled."""
    name = event._event_name
    where = ", ".join(map(safe_repr, event.channels))
    elsewhere = {
        f"{safe_repr(component._tree_channels[0] if spec.channel is None else spec.channel)} by "
        f"{type(component).__name__}"
        for component in routes.handling(name)
        for spec in component._tree_specs
        if name in spec.names
    }
    hint = f"; it is handled on {', '.join(sorted(elsewhere))}" if elsewhere else ""
    return f"nobody handles {name!r} on {where}{hint}"


def is_diagnosed() -> bool:
    """Whether what helps to find mistakes is to be logged: ``CIRCUITS_DEBUG=1`` or ``-X dev``."""
    return sys.flags.dev_mode or is_diagnosis_asked_for()


def is_diagnosis_asked_for() -> bool:
    """Whether it is by ``CIRCUITS_DEBUG=1``; ``-X dev`` is not only for us."""
    return os.environ.get("CIRCUITS_DEBUG", "0") not in ("", "0")


def log_diagnosis(text: str) -> None:
    """Log what helps to find a mistake, if that is wanted."""
    if is_diagnosed():
        import logging

        logging.getLogger("circuits.debug").warning("%s", text)


def log_unused(component: Manager, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
    """Tell of arguments that a component was made with, and that nobody takes."""
    unused = [*map(safe_repr, args)]
    unused += [f"{key}={safe_repr(value)}" for key, value in kwargs.items() if key != "channel"]
    if unused:
        log_diagnosis(
            f"{type(component).__name__} takes no arguments, and ignores {', '.join(unused):.200}; "
            "write a method init that takes them"
        )


def log_yielded(task: Any, yielded: BaseEvent) -> None:
    """Tell of an event that a handler has yielded as if it could be waited for."""
    if is_diagnosed():
        frame = task.stack[-1].gi_frame if task.stack else None
        log_diagnosis(yielded_text(task.method, frame, yielded))


def log_late_starts(seconds: float, tasks: Iterable[Any]) -> None:
    """Log that servers do not wait any longer for handlers of ``started``."""
    names = ", ".join(describe(task.method) for task in tasks)
    if seconds and names:
        import logging

        text = "servers waited for %s, and accept now: it has not ended after %g s (start_timeout)"
        logging.getLogger("circuits").warning(text, names, seconds)
